"""Plots: positions, lengths, colours and labels of what is drawn."""

import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.sparse import csr_array

from skdidan.corpora.known import EMOTIONS
from skdidan.selection.plots import plot_confusion, plot_reconstruction, plot_scores


@pytest.fixture
def ax():
    return Figure().subplots()


def record(method, seed, uar, *, oracle=False, task="B → C"):
    y_pred = np.array(["anger", "fear"])
    run = {"task": task, "method": method, "oracle": oracle, "seed": seed, "seconds": 1.0}
    return {**run, "uar": uar, "war": uar / 2, "y_pred": y_pred}


RECORDS = [
    record("DAN", 0, 0.3),
    record("DAN", 1, 0.5),
    record("DIDAN", 0, 0.6),
    record("DAN", 0, 0.8, oracle=True),
]


@pytest.mark.parametrize(("metric", "scale"), [("uar", 1.0), ("war", 0.5)])
def test_bars_are_means_in_percent(ax, metric, scale):
    assert plot_scores(RECORDS, metric=metric, ax=ax) is ax
    widths = [bar.get_width() for bar in ax.patches]
    np.testing.assert_allclose(widths, scale * np.array([80, 60, 40]))
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["DAN (oracle)", "DIDAN", "DAN"]
    assert ax.get_title() == "B → C"


def test_points_of_a_bar_are_its_seeds(ax):
    plot_scores(RECORDS, ax=ax)
    points = [line.get_xdata().tolist() for line in ax.lines if line.get_marker() == "."]
    assert points == [[80.0], [60.0], [30.0, 50.0]]


def test_one_task_at_a_time(ax):
    with pytest.raises(ValueError, match=r"one task at a time; the records hold \['B → C', 'X'\]"):
        plot_scores([*RECORDS, record("DAN", 0, 0.1, task="X")], ax=ax)


def test_unknown_metric(ax):
    with pytest.raises(ValueError, match="metric must be 'uar' or 'war'; got 'f1'"):
        plot_scores(RECORDS, metric="f1", ax=ax)


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


def test_backend_is_not_changed(ax):
    before = matplotlib.get_backend()
    plot_scores(RECORDS, ax=ax)
    assert matplotlib.get_backend() == before


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
