"""A comparison as a result: frames, summary, intervals, tests, notes and printed tables."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wilcoxon
from sklearn.dummy import DummyClassifier
from sklearn.utils import Bunch

from skdidan import Comparison, Segment, compare
from skdidan.metrics import uar, war
from skdidan.results.task_rows import TaskRows

Y = np.array(list("aabb") * 3)
SPEAKERS = np.repeat(["s1", "s2", "s3"], 4)


def make_task(**more):
    return Bunch(X_src=np.zeros((2, 1)), y_src=["a", "b"], X_tgt=np.zeros((12, 1)), y_tgt=Y, **more)


def make_run(task, method, seed, n_right, *, oracle=False, seconds=(3.0, 1.0)):
    """Return the record of a run that is right on its first rows."""
    y_pred = np.where(np.arange(12) < n_right, Y, np.where(Y == "a", "b", "a"))
    run = {"task": task, "method": method, "oracle": oracle, "seed": seed, "y_pred": y_pred}
    times = {"seconds": seconds[0], "feature_seconds": seconds[1], "error": None, "traceback": None}
    return {**run, "uar": uar(Y, y_pred), "war": war(Y, y_pred), **times}


def fail(run):
    bad = {
        "uar": np.nan,
        "war": np.nan,
        "y_pred": None,
        "error": "ValueError: no",
        "traceback": "t",
    }
    return {**run, **bad}


RUNS = [
    make_run("near", "DAN", 0, 6),
    make_run("near", "DAN", 1, 8),
    make_run("near", "DIDAN", 0, 10),
    make_run("near", "DIDAN", 1, 12),
    make_run("near", "SVM", 0, 9, oracle=True),
    make_run("near", "SVM", 1, 9, oracle=True),
    make_run("far", "DAN", 0, 6),
    make_run("far", "DAN", 1, 6),
    make_run("far", "DIDAN", 0, 4),
    make_run("far", "DIDAN", 1, 8),
    make_run("far", "SVM", 0, 12, oracle=True),
    make_run("far", "SVM", 1, 12, oracle=True),
]
TASKS = {"near": make_task(speaker_tgt=SPEAKERS), "far": make_task(files_tgt=list("abcdefghijkl"))}


@pytest.fixture
def comparison():
    return Comparison(RUNS, TASKS)


def test_it_is_a_sequence_of_its_records(comparison):
    assert len(comparison) == 12 and comparison[0]["method"] == "DAN"
    assert [run["seed"] for run in comparison[2:4]] == [0, 1]
    assert comparison.tasks == ["near", "far"]
    assert comparison.methods == ["DAN", "DIDAN", "SVM (reference)"]
    assert repr(comparison) == (
        "Comparison of 2 methods and 1 oracle on 2 tasks: 12 runs, 0 failed"
    )


def test_it_can_be_pickled(comparison):
    again = pickle.loads(pickle.dumps(comparison))
    assert str(again) == str(comparison)


def test_one_row_for_each_run(comparison, tmp_path):
    frame = comparison.to_frame()
    assert list(frame.columns) == [
        *("task", "method", "oracle", "seed", "uar", "war"),
        *("seconds", "feature_seconds", "fit_seconds", "error", "traceback"),
    ]
    assert len(frame) == 12 and set(frame["fit_seconds"]) == {2.0}
    comparison.to_csv(tmp_path / "runs.csv")
    written = pd.read_csv(tmp_path / "runs.csv")
    np.testing.assert_allclose(written["uar"], frame["uar"])
    with pytest.raises(FileNotFoundError, match=r"needs the folder '.*absent': create it first"):
        comparison.to_csv(tmp_path / "absent/runs.csv")
    with pytest.raises(IsADirectoryError):
        comparison.to_csv(tmp_path)
    with pytest.raises(TypeError, match="path must be a str or a path-like; got None"):
        comparison.to_csv(None)


def test_one_row_for_each_prediction(comparison):
    """Scores can be computed again from the frame alone."""
    frame = comparison.predictions()
    assert len(frame) == 12 * 12
    for run in comparison:
        keys = ["task", "method", "oracle", "seed"]
        rows = frame[(frame[keys] == [run[key] for key in keys]).all(axis=1)]
        assert uar(rows["y_true"], rows["y_pred"]) == run["uar"]
    near, far = frame[frame["task"] == "near"], frame[frame["task"] == "far"]
    assert near["speaker"].tolist()[:12] == SPEAKERS.tolist() and near["file"].isna().all()
    assert far["file"].tolist()[:12] == list("abcdefghijkl") and far["speaker"].isna().all()
    assert near["row"].tolist()[:12] == list(range(12))


def test_runs_that_failed_have_no_predictions():
    comparison = Comparison([RUNS[0], fail(RUNS[1])], TASKS)
    assert len(comparison.predictions()) == 12
    assert comparison.to_frame()["error"].tolist() == [None, "ValueError: no"]
    assert Comparison([fail(RUNS[0])], TASKS).predictions().empty
    assert repr(comparison) == "Comparison of 1 method on 1 task: 2 runs, 1 failed"


def test_files_are_those_of_paths_and_segments():
    segments = [Segment("a.wav", n, n + 1) for n in range(12)]
    task = make_task()
    task.X_tgt, task.X_src = segments, np.array(["x.wav", "y.wav"])
    rows = TaskRows.of(task)
    assert rows.file == [str(segment) for segment in segments] and len(set(rows.file)) == 12
    assert rows.source.files == ["x.wav", "y.wav"] and rows.source.array_hash is None


def test_summary_by_hand(comparison):
    """Means and deviations over two seeds, in twelfths of rows; UAR is the share of right rows."""
    summary = comparison.summary("war")
    assert list(summary.index) == comparison.methods
    expected = {
        ("near", "mean"): [7, 11, 9],
        ("near", "sd"): [2**0.5, 2**0.5, 0],
        ("far", "mean"): [6, 6, 12],
        ("far", "sd"): [0, 8**0.5, 0],
        ("average", "mean"): [6.5, 8.5, 10.5],
        # Averages over tasks by seed: 6, 7; 7, 10; 10.5, 10.5.
        ("average", "sd"): [0.5**0.5, 4.5**0.5, 0],
    }
    for column, values in expected.items():
        np.testing.assert_allclose(12 * summary[column], values, err_msg=str(column))
    # Second and first, then a tie.
    np.testing.assert_allclose(summary["rank", "mean"], [1.75, 1.25, np.nan])


def test_one_seed_has_no_deviation_and_a_failed_run_no_mean():
    comparison = Comparison([RUNS[0], RUNS[2], fail(RUNS[3])], TASKS)  # DAN lacks the other seed
    summary = comparison.summary()
    assert summary.loc["DAN", ("near", "sd")] == 0
    assert np.isnan(summary.loc["DIDAN", ("near", "mean")])
    assert summary["rank", "mean"].tolist() == [1, 2]
    assert comparison.to_text().splitlines()[-1].split() == ["DIDAN", "-", "1.0", "2.0"]


def test_printed_tables(comparison):
    assert comparison.to_text("war").splitlines() == [
        "WAR (%)                 near          far      average  rank  features (s)  fit (s)",
        "DAN              58.3 ± 11.8   50.0 ± 0.0   54.2 ± 5.9  1.75           1.0      2.0",
        "DIDAN            91.7 ± 11.8  50.0 ± 23.6  70.8 ± 17.7  1.25           1.0      2.0",
        "SVM (reference)   75.0 ± 0.0  100.0 ± 0.0   87.5 ± 0.0     -           1.0      2.0",
    ]
    assert str(comparison).startswith(comparison.to_text("uar"))
    assert "**91.7** ± 11.8" in comparison.to_markdown("war")
    assert r"\textbf{91.7} $\pm$ 11.8" in comparison.to_latex("war")
    assert "<strong>1.25</strong>" in comparison._repr_html_()


def test_latex_of_three_tasks_with_intervals_and_tests():
    """All methods are right on whole speakers, so that the limits are multiples of a third."""
    titles = ["emodb → casia", "50 % & more", "a_b"]
    right = {"DIDAN": (12, 8, 12), "source_only": (8, 8, 4), "SVM": (12, 12, 12)}
    runs = [
        make_run(title, method, seed, n, oracle=method == "SVM")
        for method, counts in right.items()
        for title, n in zip(titles, counts, strict=True)
        for seed in (0, 1)
    ]
    comparison = Comparison(runs, {title: make_task(speaker_tgt=SPEAKERS) for title in titles})
    # Differences in thirds: -1, 0 and -2 for both seeds, so two pairs count.
    (test,) = comparison.tests("DIDAN").to_dict("records")
    assert (test["difference"], test["p_holm"]) == pytest.approx((-1 / 3, 0.5))
    assert comparison.to_latex(spread="interval", reference="DIDAN").splitlines() == [
        r"% needs \usepackage{booktabs}",
        "% Intervals: a bootstrap over each speaker.",
        "% emodb → casia, 50 % & more, a_b: emotions a, b.",
        r"\begin{tabular}{lrrrrrrr}",
        r"\toprule",
        r"UAR (\%) & emodb $\rightarrow$ casia & 50 \% \& more & a\_b & average & rank "
        r"& vs.\ DIDAN & $p$ (Holm) \\",
        r"\midrule",
        r"DIDAN & \textbf{100.0} [100.0, 100.0] & 66.7 [0.0, 100.0] "
        r"& \textbf{100.0} [100.0, 100.0] & \textbf{88.9} & \textbf{1.17} & - & - \\",
        r"source\_only & 66.7 [0.0, 100.0] & 66.7 [0.0, 100.0] & 33.3 [0.0, 100.0] "
        r"& 55.6 & 1.83 & $-33.3$ & 0.500 \\",
        r"SVM (reference) & 100.0 [100.0, 100.0] & 100.0 [100.0, 100.0] "
        r"& 100.0 [100.0, 100.0] & 100.0 & - & - & - \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_markdown_has_the_same_columns(comparison):
    """In twelfths the differences are 4, 4, -2 and 2; 3 of 16 signs are as one-sided, twice."""
    lines = comparison.to_markdown("war", reference="DAN").splitlines()
    assert lines[0] == "| WAR (%) | near | far | average | rank | vs. DAN | p (Holm) |"
    assert lines[2].endswith("| 1.75 | - | - |") and lines[3].endswith("| +16.7 | 0.375 |")
    (far,) = (
        comparison.intervals("war").query("task == 'far' and method == 'DAN'").to_dict("records")
    )
    text = f"| 50.0 [{100 * far['low']:.1f}, {100 * far['high']:.1f}] |"
    assert text in comparison.to_markdown("war", spread="interval").splitlines()[2]


def test_a_failed_run_has_no_interval_in_a_table():
    runs = [RUNS[0], fail(RUNS[2])]
    table = Comparison(runs, TASKS).to_markdown(spread="interval", reference="DAN")
    assert table.splitlines()[3] == "| DIDAN | - | - | - |"


def test_one_task_has_neither_average_nor_rank():
    lines = Comparison(RUNS[:6], TASKS).to_markdown().splitlines()
    assert lines[0] == "| UAR (%) | near |"
    assert lines[-1] == "| SVM (reference) | 75.0 ± 0.0 |"  # never the best


def test_notes_say_what_failed_and_where_a_reference_is_beaten(comparison):
    upper, beaten = comparison.notes()
    assert upper.startswith("Methods marked (reference) are oracles: they train with target labels")
    assert "no upper bounds" in upper
    assert beaten == "DIDAN beats the oracle SVM (reference) on near: 91.7 > 75.0."
    (failed,) = Comparison([RUNS[0], fail(RUNS[1])], TASKS).notes()
    assert failed == "DAN failed on near with seed 1."
    assert Comparison(RUNS[:2], TASKS).notes() == []


def test_intervals_of_a_method_that_is_always_right_have_no_width(comparison):
    runs = [make_run("near", "DAN", 0, 4), make_run("near", "perfect", 0, 12)]
    dan, perfect = Comparison(runs, TASKS).intervals("war").to_dict("records")
    assert (perfect["score"], perfect["low"], perfect["high"]) == (1, 1, 1)
    # Right on the first of three speakers alone: the shares are 0, 1/3, 2/3, 1 with probabilities
    # 8/27, 12/27, 6/27, 1/27, so that the middle 95 % are from 0 to 1.
    assert (dan["score"], dan["low"], dan["high"]) == pytest.approx((1 / 3, 0, 1))
    assert (dan["unit"], dan["n_units"]) == ("speaker", 3)
    narrow = Comparison(runs, TASKS).intervals("war", confidence=0.5).iloc[0]
    assert (narrow["low"], narrow["high"]) == pytest.approx((0, 2 / 3))


def test_intervals_are_reproducible_and_draw_recordings_without_speakers(comparison):
    first, again = comparison.intervals(), comparison.intervals()
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(comparison.intervals(random_state=1))
    far = first[first["task"] == "far"]
    assert set(far["unit"]) == {"recording"} and set(far["n_units"]) == {12}
    assert ((first["low"] <= first["score"]) & (first["score"] <= first["high"])).all()


def test_intervals_of_a_difference_are_paired():
    """Two methods that are right on the same rows differ by nothing in any resample."""
    runs = [make_run("near", name, 0, 6) for name in ("one", "same")]
    (row,) = Comparison(runs, TASKS).intervals(reference="one").to_dict("records")
    assert (row["method"], row["score"], row["low"], row["high"]) == ("same", 0, 0, 0)


def test_a_failed_method_has_no_interval_and_leaves_those_of_others():
    whole = Comparison(RUNS[:4], TASKS).intervals()
    part = Comparison([*RUNS[:3], fail(RUNS[3])], TASKS).intervals()
    pd.testing.assert_series_equal(whole.iloc[0], part.iloc[0])
    assert part.iloc[1][["score", "low", "high"]].isna().all()


def test_tests_are_those_of_scipy_over_all_runs(comparison):
    (row,) = comparison.tests("DIDAN", "war").to_dict("records")
    dan, didan = np.array([6, 8, 6, 6]) / 12, np.array([10, 12, 4, 8]) / 12
    assert (row["method"], row["reference"], row["n_pairs"]) == ("DAN", "DIDAN", 4)
    assert (row["wins"], row["ties"], row["losses"]) == (1, 0, 3)
    assert row["p"] == row["p_holm"] == wilcoxon(dan, didan).pvalue
    assert row["difference"] == pytest.approx(np.mean(dan - didan))


def test_seeds_of_methods_without_randomness_are_no_pairs():
    """Six runs of three different tasks are three pairs, whose smallest p-value is 1/4."""
    rights = {"near": (6, 8), "far": (5, 8), "third": (4, 8)}
    runs = [
        make_run(task, method, seed, n_right)
        for task, pair in rights.items()
        for method, n_right in zip("ab", pair, strict=True)
        for seed in range(2)
    ]
    tasks = {task: make_task() for task in rights}
    (row,) = Comparison(runs, tasks).tests("a", "war").to_dict("records")
    assert (row["n_pairs"], row["wins"], row["p"]) == (3, 3, 0.25)


def test_the_best_method_is_the_reference_by_default_and_p_values_are_adjusted():
    rng = np.random.default_rng(0)
    runs = [
        make_run("near", method, seed, n + rng.integers(3))
        for method, n in (("a", 4), ("b", 9), ("c", 7))
        for seed in range(6)
    ]
    table = Comparison(runs, TASKS).tests()
    assert table["reference"].tolist() == ["b", "b"] and table["method"].tolist() == ["a", "c"]
    assert table["p_holm"].min() == pytest.approx(2 * table["p"].min())


def test_invalid_arguments(comparison):
    for name in ("summary", "intervals", "tests", "to_latex", "to_markdown", "to_text", "plot"):
        with pytest.raises(ValueError, match=r"metric must be one of \['uar', 'war'\]; got 'f1'"):
            getattr(comparison, name)(metric="f1")
    for name in ("to_latex", "to_markdown", "plot"):
        with pytest.raises(ValueError, match=r"spread must be one of .*; got 'range'"):
            getattr(comparison, name)(spread="range")
    for name in ("tests", "intervals", "to_latex", "to_markdown"):
        with pytest.raises(ValueError, match=r"reference must be one of .*; got 'X'"):
            getattr(comparison, name)(reference="X")
    for options in ({"confidence": 1}, {"n_resamples": 0}, {"random_state": None}):
        with pytest.raises(ValueError, match=f"{next(iter(options))} must be"):
            comparison.intervals(**options)
    with pytest.raises(ValueError, match=r"tests needs at least two methods; got \['DAN'\]"):
        Comparison(RUNS[:2], TASKS).tests()


@pytest.mark.parametrize("wrong", [None, "records", {"task": "near"}, [1], [{"task": "near"}]])
def test_what_is_no_record_is_shown(wrong):
    with pytest.raises(ValueError, match=r"records must be a list of dict, .* keys task, .*; got"):
        Comparison(wrong, TASKS)


def test_each_record_has_its_task():
    with pytest.raises(ValueError, match=r"'near' is none of \['far'\]"):
        Comparison(RUNS[:1], {"far": TASKS["far"]})


def test_nothing_at_all():
    empty = Comparison([], {})
    assert len(empty) == len(empty.to_frame()) == len(empty.predictions()) == 0
    assert empty.methods == empty.tasks == empty.notes() == []
    assert empty.summary().empty and empty.intervals().empty
    assert str(empty) == "UAR (%)  fit (s)" and "UAR" in empty._repr_html_()
    with pytest.raises(ValueError, match="comparison has no runs to plot"):
        empty.plot()
    with pytest.raises(ValueError, match="comparison has no runs to report"):
        empty.report("nowhere.html")


def test_a_reference_that_was_not_run_on_every_task():
    """As after an interrupt."""
    last = RUNS[-1]["task"]
    finished = [run for run in RUNS if (run["task"], run["method"]) != (last, "DIDAN")]
    found = Comparison(finished, TASKS).intervals(reference="DIDAN")
    assert set(found["task"]) == {run["task"] for run in RUNS} - {last}


@pytest.mark.parametrize("name", ["average", "rank"])
def test_tasks_have_no_name_of_a_column(name):
    task = next(iter(TASKS.values()))
    with pytest.raises(ValueError, match=rf"tasks must not be named \['{name}'\]"):
        Comparison([], {name: task})
    with pytest.raises(ValueError, match=rf"tasks must not be named \['{name}'\]"):
        compare(DummyClassifier(), {name: task})


def test_a_run_may_not_occur_twice():
    with pytest.raises(ValueError, match=r"one run for each task, method and seed; \('"):
        Comparison([*RUNS, RUNS[0]], TASKS)


def test_a_task_on_which_all_methods_failed_has_no_interval():
    comparison = Comparison([fail(RUNS[0]), fail(RUNS[2]), RUNS[6], RUNS[8]], TASKS)
    intervals = comparison.intervals()
    assert intervals["score"].isna().tolist() == [True, True, False, False]
    assert comparison.tests("DAN")["n_pairs"].tolist() == [1]


def test_means_that_differ_by_rounding_share_a_rank():
    runs = [make_run("near", name, 0, 6) for name in ("a", "b")]
    runs[1]["uar"] += 1e-16 + np.spacing(runs[1]["uar"])
    ranks = Comparison(runs, {"near": make_task()}).summary()[("rank", "mean")]
    assert ranks.tolist() == [1.5, 1.5]
