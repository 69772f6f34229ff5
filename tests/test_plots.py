"""Plots: positions, lengths, colours and labels of what is drawn."""

import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.sparse import csr_array

from skdidan import Comparison
from skdidan.corpora.known import EMOTIONS
from skdidan.plots.confusion import plot_confusion
from skdidan.plots.reconstruction import plot_reconstruction
from skdidan.results.rank_plots import plot_ranks
from skdidan.results.score_plots import plot_scores

Y = np.array(list("aabb") * 3)
TASK = {"X_src": np.zeros((2, 1)), "y_src": ["a", "b"], "X_tgt": np.zeros((12, 1)), "y_tgt": Y}


@pytest.fixture
def ax():
    return Figure().subplots()


def record(method, seed, uar, *, oracle=False, task="B → C"):
    y_pred = np.where(np.arange(12) < 12 * uar, Y, "c")
    run = {"task": task, "method": method, "oracle": oracle, "seed": seed, "seconds": 1.0}
    return {**run, "uar": uar, "war": uar / 2, "y_pred": y_pred}


def comparison(*records):
    return Comparison(records, {record["task"]: TASK for record in records})


RECORDS = comparison(
    record("DAN", 0, 0.3),
    record("DAN", 1, 0.5),
    record("DIDAN", 0, 0.6),
    record("DIDAN", 1, 0.6),
    record("DAN", 0, 0.8, oracle=True),
    record("DAN", 1, 0.8, oracle=True),
)
TWO = comparison(*RECORDS, *(record(r["method"], r["seed"], 0.5, task="X") for r in RECORDS[:4]))


@pytest.mark.parametrize(("metric", "scale"), [("uar", 1.0), ("war", 0.5)])
def test_bars_are_means_in_percent(ax, metric, scale):
    assert plot_scores(RECORDS, metric=metric, ax=ax) is ax
    widths = [bar.get_width() for bar in ax.patches]
    np.testing.assert_allclose(widths, scale * np.array([80, 60, 40]))
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["DAN (reference)", "DIDAN", "DAN"]
    assert ax.get_title() == "B → C"
    assert [bool(bar.get_hatch()) for bar in ax.patches] == [True, False, False]


def test_a_long_name_has_several_lines(ax):
    long = "source only with embeddings and clusters"
    both = comparison(*RECORDS, *(record(long, 0, 0.5, task=task) for task in "XY"))
    plot_scores(comparison(record(long, 0, 0.5)), ax=ax)
    assert ax.get_yticklabels()[0].get_text() == "source only with\nembeddings and clusters"
    ax.clear()
    plot_ranks(both, ax=ax)
    assert any("only with\nembeddings" in text.get_text() for text in ax.texts)


def test_points_of_a_bar_are_its_seeds_and_the_line_is_chance(ax):
    plot_scores(RECORDS, ax=ax)
    points = [line.get_xdata().tolist() for line in ax.lines if line.get_marker() == "o"]
    assert points == [[80.0, 80.0], [60.0, 60.0], [30.0, 50.0]]
    (chance,) = (line for line in ax.lines if line.get_linestyle() == "--")
    assert chance.get_xdata() == [50.0, 50.0]


def error_bars(ax):
    """Return the ends of the error bars, from the first bar that was drawn."""
    return [container.lines[2][0].get_segments()[0][:, 0] for container in ax.containers[::2]]


def test_error_bars_are_deviations_or_intervals(ax):
    plot_scores(RECORDS, ax=ax)
    deviation = 10 * 2**0.5
    np.testing.assert_allclose(error_bars(ax)[2], [40 - deviation, 40 + deviation])
    other = Figure().subplots()
    plot_scores(RECORDS, spread="interval", ax=other)
    limits = RECORDS.intervals().iloc[0]
    np.testing.assert_allclose(error_bars(other)[2], [100 * limits["low"], 100 * limits["high"]])


def test_each_task_has_a_panel_on_one_scale():
    panels = Figure().subplots(1, 2)
    assert plot_scores(TWO, ax=panels).tolist() == panels.tolist()
    assert [panel.get_title() for panel in panels] == ["B → C", "X"]
    assert [len(panel.patches) for panel in panels] == [3, 3]
    assert panels[0].get_xlim() == panels[1].get_xlim()
    assert [label.get_text() for label in panels[1].get_yticklabels()] == ["", "", ""]


def test_panels_of_a_new_figure():
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    (first, second) = plot_scores(TWO)
    assert first.figure is second.figure and len(first.figure.axes) == 2
    plt.close(first.figure)


def test_a_method_that_failed_has_no_bar(ax):
    failed = {**record("DAN", 0, np.nan), "y_pred": None}
    plot_scores(comparison(failed, record("DIDAN", 0, 0.5)), ax=ax)
    assert "failed" in [text.get_text() for text in ax.texts]
    assert np.isnan(ax.patches[1].get_width())


def test_scores_need_one_axes_for_each_task(ax):
    with pytest.raises(ValueError, match=r"one axes for each of 2 tasks, .*; got 1"):
        plot_scores(TWO, ax=ax)


def test_unknown_metric_and_spread(ax):
    with pytest.raises(ValueError, match=r"metric must be one of \['uar', 'war'\]; got 'f1'"):
        plot_scores(RECORDS, metric="f1", ax=ax)
    with pytest.raises(ValueError, match=r"spread must be one of .*; got 'sd'"):
        plot_scores(RECORDS, spread="sd", ax=ax)


class TestRanks:
    """Critical-difference diagrams."""

    scores = np.array([[0.9, 0.6, 0.5, 0.1], [0.8, 0.7, 0.6, 0.1], [0.7, 0.8, 0.6, 0.2]])

    def compare(self, n_repeats=1):
        return comparison(
            *(
                record(method, 0, uar, task=f"{task} {n}")
                for n in range(n_repeats)
                for task, row in enumerate(self.scores)
                for method, uar in zip("abcd", row, strict=True)
            )
        )

    def test_names_stand_by_their_ranks(self, ax):
        assert plot_ranks(self.compare(), ax=ax) is ax
        texts = [text.get_text() for text in ax.texts]
        assert texts[:4] == ["a  1.33", "b  1.67", "3.00  c", "4.00  d"]
        ranks = [line.get_xdata()[0] for line in ax.lines[:4]]
        np.testing.assert_allclose(ranks, [4 / 3, 5 / 3, 3, 4])

    def test_bars_join_what_differs_by_less_than_the_critical_difference(self, ax):
        """For four methods on nine tasks it is 2.569 sqrt(4 * 5 / (6 * 9)) = 1.56."""
        plot_ranks(self.compare(3), ax=ax)
        thick = [line.get_xdata() for line in ax.lines if line.get_linewidth() == 4]
        groups = [(round(low + 0.04, 2), round(high - 0.04, 2)) for low, high in thick]
        assert groups == [(1.33, 1.67), (1.67, 3.0), (3.0, 4.0)]
        assert ax.texts[-1].get_text() == "critical difference 1.56"

    def test_what_cannot_be_ranked(self, ax):
        with pytest.raises(ValueError, match="two methods and two tasks; got 2 and 1"):
            plot_ranks(RECORDS, ax=ax)
        plot_ranks(RECORDS, over="runs", ax=ax)
        for options in ({"over": "seeds"}, {"alpha": 1}, {"metric": "f1"}):
            with pytest.raises(ValueError, match=f"{next(iter(options))} must be"):
                plot_ranks(RECORDS, **options, ax=ax)


class TestReconstruction:
    """Plots of target clips as bars of source clips."""

    codes = np.array([[0.2, -0.3, 0.0, 0.5], [0.0, 0.0, 0.0, 0.0]])
    y_src = np.array(["anger", "fear", "fear", "neutral"])

    def test_pieces_are_the_codes_largest_first(self, ax):
        assert plot_reconstruction(csr_array(self.codes), self.y_src, ax=ax) is ax
        pieces = [(bar.get_x(), bar.get_width()) for bar in ax.patches if bar.get_width()]
        np.testing.assert_allclose(pieces, [(0, 0.5), (0.5, 0.2), (0, -0.3)], atol=1e-12)
        places = {bar.get_y() + bar.get_height() / 2 for bar in ax.patches if bar.get_width()}
        assert places == {0}

    def test_colours_are_those_of_the_legend(self, ax):
        plot_reconstruction(self.codes, self.y_src, rows=["a", "b"], ax=ax)
        legend = ax.get_legend()
        assert [text.get_text() for text in legend.get_texts()] == ["anger", "fear", "neutral"]
        colours = [patch.get_facecolor() for patch in legend.get_patches()]
        pieces = {bar.get_width(): bar.get_facecolor() for bar in ax.patches}
        assert [pieces[0.2], pieces[-0.3], pieces[0.5]] == colours
        assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]

    def test_first_clip_is_on_top_after_drawing_twice(self, ax):
        for _ in range(2):
            plot_reconstruction(self.codes, self.y_src, rows=np.array(["a", "b"]), ax=ax)
        assert ax.get_ylim() == (1.5, -0.5)
        assert len(ax.get_legend().get_texts()) == 3

    def test_small_integers_do_not_overflow(self, ax):
        plot_reconstruction(np.full((1, 4), 100, dtype=np.int8), self.y_src, ax=ax)
        ends = [bar.get_x() + bar.get_width() for bar in ax.patches if bar.get_width()]
        assert ends == [100, 200, 300, 400]

    def test_every_emotion_has_a_colour_of_its_own(self, ax):
        emotions = sorted(set(EMOTIONS.values()))
        plot_reconstruction(np.eye(9), emotions, ax=ax)
        patches = ax.get_legend().get_patches()
        assert len({patch.get_facecolor() for patch in patches}) == 9
        with pytest.raises(ValueError, match="At most 9 emotions have colours; got 10"):
            plot_reconstruction(np.eye(9), emotions, labels=[*emotions, "awe"], ax=ax)

    def test_invalid_arguments(self, ax):
        with pytest.raises(
            ValueError, match=r"labels must list .*; \['anger', 'neutral'\] are missing"
        ):
            plot_reconstruction(self.codes, self.y_src, labels=["fear"], ax=ax)
        with pytest.raises(ValueError, match=r"one-dimensional; got shape \(2, 2\)"):
            plot_reconstruction(self.codes, self.y_src.reshape(2, 2), ax=ax)
        with pytest.raises(ValueError, match="codes must be finite; got NaN"):
            plot_reconstruction(self.codes * np.nan, self.y_src, ax=ax)
        assert not ax.patches
        with pytest.raises(ValueError, match=r"each of 3 source clips; got shape \(2, 4\)"):
            plot_reconstruction(self.codes, self.y_src[:3], ax=ax)
        with pytest.raises(
            ValueError, match="rows must have a name for each of 2 target clips; got 1"
        ):
            plot_reconstruction(self.codes, self.y_src, rows=["a"], ax=ax)


def test_confusion_rows_are_shares_of_the_true_class(ax):
    y_true = ["anger", "anger", "anger", "anger", "fear"]
    y_pred = ["anger", "anger", "anger", "fear", "fear"]
    assert plot_confusion(y_true, y_pred, labels=["anger", "fear"], ax=ax) is ax
    np.testing.assert_allclose(ax.images[0].get_array(), [[0.75, 0.25], [0, 1]])


def test_predictions_outside_the_labels_lower_the_sum_of_a_row(ax):
    plot_confusion(["a", "a", "a", "b"], ["a", "c", "c", "b"], labels=["a", "b"], ax=ax)
    np.testing.assert_allclose(ax.images[0].get_array(), [[1 / 3, 0], [0, 1]])


def test_classes_that_do_not_occur_have_a_row_of_zeros(ax):
    plot_confusion([1, 1], [1, 2], labels=[1, 2, 3], ax=ax)
    shares = np.ma.filled(ax.images[0].get_array(), np.nan)  # comparisons pass over masked NaN
    np.testing.assert_allclose(shares, [[0.5, 0.5, 0], [0, 0, 0], [0, 0, 0]])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "2", "3"]


def test_labels_that_do_not_fit_are_refused(ax):
    for odd in (3.0, {"a"}, [["a", "b"]], object()):
        for name, given in {
            "y_true": (odd, ["a"]),
            "y_pred": (["a"], odd),
            "labels": (["a"], ["a"], odd),
        }.items():
            with pytest.raises(ValueError, match=f"{name} must hold one label per row"):
                plot_confusion(*given[:2], labels=given[2] if len(given) > 2 else None, ax=ax)
    with pytest.raises(ValueError, match="y_true and y_pred differ in length: 1 != 2"):
        plot_confusion(["a"], ["a", "a"], ax=ax)
    with pytest.raises(ValueError, match=r"got labels=\['b'\], but y_true holds \['a'\]"):
        plot_confusion(["a"], ["b"], labels=["b"], ax=ax)


def test_current_axes_by_default():
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, expected = plt.subplots()
    assert plot_confusion(["a", "b"], ["a", "b"]) is expected
    plt.close(figure)
    new = plot_scores(RECORDS).figure
    assert new.get_layout_engine() is not None  # leaves room for long names
    plt.close(new)


def test_missing_matplotlib_names_the_cure(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install skdidan\[plots\]"):
        plot_scores(RECORDS)
