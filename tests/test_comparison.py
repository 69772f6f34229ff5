"""The runs of a comparison: data seen by methods and oracles, scores, failures, kept results."""

import json
import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch
from threadpoolctl import threadpool_info

from skdidan import (
    AnchoredEM,
    Comparison,
    CorpusScaler,
    DANClassifier,
    Functionals,
    NoTargetWarning,
    leave_one_corpus_out,
    make_adaptation_pipeline,
)
from skdidan.audio import AudioTransformer
from skdidan.selection.naming import name_methods, name_tasks
from skdidan.selection.runs import compare


class Spy(ClassifierMixin, BaseEstimator):
    """Records its training data, and predicts the class that its random state selects."""

    calls = []  # noqa: RUF012 - shared by all clones on purpose

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y, X_tgt=None):
        self.calls.append((np.asarray(X), np.asarray(y), np.asarray(X_tgt)))
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.repeat(self.classes_[self.random_state % 2], len(X))


class Settings(Spy):
    """Notes the settings of the run in its predictions; raises what it is told to."""

    def __init__(self, random_state=None, problem=None):
        self.random_state = random_state
        self.problem = problem

    def fit(self, X, y, X_tgt=None):
        problem = self.problem and self.problem()
        if isinstance(problem, Warning):
            warnings.warn(problem, stacklevel=2)
        elif problem is not None:
            raise problem
        return super().fit(X, y, X_tgt)

    def predict(self, X):
        output = sklearn.get_config()["transform_output"]
        return np.repeat(f"{output}, {torch.get_num_threads()} threads", len(X))


class OfTwoWords(Exception):
    """An error that cannot be unpickled."""

    def __init__(self, first, second):
        super().__init__(f"{first} {second}")


@pytest.fixture
def task():
    rng = np.random.default_rng(0)
    y_src, y_tgt = np.repeat(["anger", "fear"], 10), np.repeat(["anger", "fear"], [12, 8])
    return Bunch(
        X_src=rng.normal(size=(20, 2)) + 6 * (y_src == "fear")[:, None],
        y_src=y_src,
        X_tgt=rng.normal(size=(20, 2)) + 6 * (y_tgt == "fear")[:, None],
        y_tgt=y_tgt,
        classes=np.array(["anger", "fear"]),
        speaker_tgt=np.tile(["a", "b", "c", "d"], 5),
    )


@pytest.fixture(autouse=True)
def forget():
    Spy.calls.clear()


def test_scores_are_those_of_the_seeded_predictions(task):
    records = compare({"spy": Spy()}, {"toy": task}, seeds=[0, 1])
    assert [(r["seed"], r["uar"], r["war"]) for r in records] == [(0, 0.5, 0.6), (1, 0.5, 0.4)]
    assert set(records[0]["y_pred"]) == {"anger"}
    pipeline = make_pipeline(StandardScaler(), Spy())
    assert [r["war"] for r in compare({"spy": pipeline}, {"toy": task}, seeds=[0, 1])] == [0.6, 0.4]


def test_methods_see_no_target_labels(task):
    compare({"spy": Spy()}, {"toy": task}, seeds=[0])
    ((X, y, X_tgt),) = Spy.calls
    assert np.array_equal(X, task.X_src)
    assert np.array_equal(y, task.y_src)
    assert np.array_equal(X_tgt, task.X_tgt)


def test_target_labels_change_no_prediction(task):
    records = compare({"knn": KNeighborsClassifier()}, {"toy": task}, seeds=[0])
    turned = Bunch(**{**task, "y_tgt": task.y_tgt[::-1]})
    again = compare({"knn": KNeighborsClassifier()}, {"toy": turned}, seeds=[0])
    assert np.array_equal(records[0]["y_pred"], again[0]["y_pred"])


def test_oracles_are_trained_on_other_speakers_of_the_target(task):
    """Each target row is predicted once, by a clone that saw no row of its speaker."""
    records = compare({}, {"toy": task}, oracles={"spy": Spy()}, seeds=[0])
    assert records[0]["oracle"]
    assert len(Spy.calls) == 4
    held_out = []
    for X, y, X_tgt in Spy.calls:
        rows = [np.flatnonzero((task.X_tgt == row).all(axis=1))[0] for row in X]
        tested = [np.flatnonzero((task.X_tgt == row).all(axis=1))[0] for row in X_tgt]
        assert np.array_equal(task.y_tgt[rows], y)
        assert not set(task.speaker_tgt[rows]) & set(task.speaker_tgt[tested])
        held_out += tested
    assert sorted(held_out) == list(range(20))


@pytest.mark.parametrize("speakers", [None, ["a"] * 20])
def test_oracles_without_several_speakers_are_stratified(task, speakers):
    task["speaker_tgt"] = speakers
    records = compare({}, {"toy": task}, oracles={"knn": KNeighborsClassifier()}, seeds=[0])
    assert [record["uar"] for record in records] == [1.0]


def test_lists_and_several_processes_give_the_same_predictions(task):
    waveforms = Bunch(**{**task, "X_src": list(task.X_src), "X_tgt": list(task.X_tgt)})
    methods = {"knn": KNeighborsClassifier()}
    one = compare(methods, {"toy": task}, oracles=methods, seeds=[0, 1])
    with joblib.parallel_config(backend="multiprocessing"):  # forks, which import nothing anew
        two = compare(methods, {"toy": waveforms}, oracles=methods, seeds=[0, 1], n_jobs=2)
    for first, second in zip(one, two, strict=True):
        assert first["method"] == second["method"]
        assert np.array_equal(first["y_pred"], second["y_pred"])


class Slow(AudioTransformer):
    """Takes its time for each call of transform, and is in one of its own kind."""

    def transform(self, X):
        return super().transform(X)

    def _converter(self):
        return lambda waveform: [waveform.mean(), waveform.std()]

    def _stack(self, features):
        clock.now += 8
        return np.stack(features)


class clock:
    """Time that only passes when it is told to."""

    now = 0.0

    @staticmethod
    def perf_counter():
        return clock.now


class SlowFit(Spy):
    """Takes 3 s to fit."""

    def fit(self, X, y, X_tgt=None):
        clock.now += 3
        return super().fit(X, y, X_tgt)


def test_the_time_of_features_is_told_apart(task, monkeypatch, tmp_path):
    """Two calls of the transformer, of 8 s each, and a fit of 3 s."""
    for module in ("skdidan.selection.runs", "skdidan.stopwatch"):
        monkeypatch.setattr(f"{module}.time", clock)
    waves = {name: np.random.default_rng(0).normal(size=(20, 99)) for name in ("X_src", "X_tgt")}
    method = make_pipeline(Slow(), SlowFit())
    run = partial(compare, method, Bunch(**{**task, **waves}), seeds=[0], results=tmp_path)
    for comparison in (run(), run()):  # the second is read from disk
        (row,) = comparison.to_frame().to_dict("records")
        assert (row["seconds"], row["feature_seconds"], row["fit_seconds"]) == (19, 16, 3)


def test_progress_bar_only_when_verbose(task, capsys):
    compare({"knn": KNeighborsClassifier()}, {"toy": task}, seeds=[0])
    assert capsys.readouterr().err == ""
    compare({"knn": KNeighborsClassifier()}, {"toy": task}, seeds=[0], verbose=1)
    assert "1/1" in capsys.readouterr().err


def test_the_callers_estimators_stay_unfitted(task):
    method = Spy(random_state=7)
    compare({"spy": method}, {"toy": task}, seeds=[0])
    assert not hasattr(method, "classes_")
    assert method.random_state == 7


def test_seeds_may_come_from_a_generator(task):
    records = compare({"a": Spy(), "b": Spy()}, {"toy": task}, seeds=iter([0, 1]))
    assert [(r["method"], r["seed"]) for r in records] == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]


def test_nothing_to_compare(task):
    for nothing in ({"methods": {}}, {"tasks": {}}, {"seeds": []}):
        arguments = {"methods": {"spy": Spy()}, "tasks": {"toy": task}, **nothing}
        with pytest.raises(
            ValueError, match="at least one method or oracle, one task and one seed"
        ):
            compare(**arguments)


# What a run takes from its caller


@pytest.mark.parametrize(
    ("n_jobs", "backend", "n_threads"),
    [
        (1, "loky", 1),
        (1, "loky", 3),
        (2, "loky", 3),
        (2, "threading", 1),
        (2, "threading", 3),
        (2, "multiprocessing", 3),
    ],
)
def test_settings_of_the_caller_reach_each_run_on_any_backend(task, n_jobs, backend, n_threads):
    before = torch.get_num_threads()
    more = {} if n_threads == 1 else {"n_threads": n_threads}  # one by default
    with joblib.parallel_config(backend=backend), sklearn.config_context(transform_output="pandas"):
        records = compare({"a": Settings()}, {"toy": task}, seeds=[0, 1], n_jobs=n_jobs, **more)
    assert {record["y_pred"][0] for record in records} == {f"pandas, {n_threads} threads"}
    assert torch.get_num_threads() == before


def thread_counts():
    """Threads of torch, here and where it is first used, and of the libraries below."""
    with ThreadPoolExecutor(1) as fresh:
        elsewhere = fresh.submit(torch.get_num_threads).result()
    pools = [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()]
    return torch.get_num_threads(), elsewhere, sorted(pools)


def test_comparisons_that_overlap_in_threads_restore_the_numbers_of_threads(task):
    """The one that begins first ends first. Each run has the number of its own comparison."""
    steps = [threading.Event() for _ in range(3)]  # both are in fit, and the first has ended

    class Waits(Settings):
        def fit(self, X, y, X_tgt=None):
            steps[self.problem].set()
            assert steps[self.problem + 1].wait(60)
            return Spy.fit(self, X, y, X_tgt)

    def run(number):
        assert number == 0 or steps[0].wait(60)
        methods = {"a": Waits(problem=number)}
        records = compare(methods, {"toy": task}, seeds=[0], n_threads=number + 2)
        steps[number + 2 * (number == 0)].set()
        return records[0]["y_pred"][0], torch.get_num_threads()

    before = thread_counts()
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(run, range(2)))
    assert found == [(f"default, {n} threads", before[0]) for n in (2, 3)]
    assert thread_counts() == before


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_warning_that_a_filter_turns_into_an_error_is_raised(task, n_jobs):
    method = Settings(problem=partial(NoTargetWarning, "no target"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", NoTargetWarning)
        with pytest.raises(NoTargetWarning, match="no target"):
            compare({"spy": Spy(), "loud": method}, {"toy": task}, seeds=[0], n_jobs=n_jobs)


@pytest.mark.parametrize("last", ["passthrough", FeatureUnion([("a", CorpusScaler())])])
def test_a_routed_pipeline_gets_the_target(task, last):
    steps = [("scaler", CorpusScaler()), ("last", last), ("spy", Spy())]
    with sklearn.config_context(enable_metadata_routing=True):
        steps[-1][1].set_fit_request(X_tgt=True)
        method = Pipeline(steps, transform_input=["X_tgt"])
        compare({"routed": method}, {"toy": task}, seeds=[0])
    ((_, _, X_tgt),) = Spy.calls
    np.testing.assert_allclose(X_tgt, StandardScaler().fit_transform(task.X_tgt), atol=1e-12)


# Runs that fail


@pytest.mark.parametrize("problem", [(RuntimeError, "boom"), (OfTwoWords, "boom", "bang")])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_run_that_fails_is_a_record(task, problem, n_jobs):
    methods = {"bad": Settings(problem=partial(*problem)), "spy": Spy()}
    failure = f"{problem[0].__name__}: {' '.join(problem[1:])}"
    match = f"'bad' failed on 'toy', seed 0, and scores nan: {failure}"
    with (
        pytest.warns(FitFailedWarning, match=match) as warned,
        joblib.parallel_config(backend="multiprocessing"),
    ):
        bad, good = compare(methods, {"toy": task}, seeds=[0], n_jobs=n_jobs)
    assert [warning.filename for warning in warned] == [__file__]
    assert (good["uar"], good["error"]) == (0.5, None)
    assert np.isnan([bad["uar"], bad["war"]]).all() and bad["y_pred"] is None
    assert bad["error"] == failure and bad["seconds"] >= 0
    assert ", in fit\n" in bad["traceback"] and "Traceback" not in str(warned[0].message)
    with pytest.warns(FitFailedWarning, match="scores 0"):
        bad, _ = compare(methods, {"toy": task}, seeds=[0], error_score=0)
    assert (bad["uar"], bad["war"]) == (0, 0)


def test_equal_failures_are_warned_of_once(task):
    class Odd(Spy):
        """Fails with one of two errors, as its seed is even or odd."""

        def __init__(self, random_state=None):
            self.random_state = random_state

        def fit(self, X, y):
            raise RuntimeError(f"try {self.random_state}\nends {self.random_state % 2}")

    with pytest.warns(FitFailedWarning) as warned:
        records = compare({"odd": Odd(), "spy": Spy()}, {"toy": task}, seeds=[0, 1, 2])
    texts = [str(warning.message) for warning in warned]
    assert texts[0].startswith(
        "'odd' failed on 'toy', 2 runs with the seeds 0, 2, and scores nan: RuntimeError: try 0\n"
    )
    assert "'toy', seed 1, and scores nan: RuntimeError: try 1\n" in texts[1]
    assert len(texts) == 2 and "try 2" in records[2]["traceback"] and "try 2" not in texts[0]


def test_the_warning_of_a_failure_is_short_and_has_the_cure(tmp_path, task):
    """Notes of an error say how to go on; to_frame() has the traceback."""
    path = tmp_path / "broken.wav"
    path.write_text("no audio")
    broken = Bunch(**{**task, "X_src": [str(path)] * len(task.y_src)})
    method = make_adaptation_pipeline(Functionals(), Spy())
    message = (
        r"^'bad' failed on 'toy', seed 0, and scores nan: ValueError: The audio file '.*' cannot "
        r'be decoded: .*\.\non_error="warn" replaces .*\n.* to_frame\(\)\["traceback"\] has .*\.$'
    )
    methods = {"bad": method, "good": DummyClassifier()}
    with pytest.warns(FitFailedWarning, match=message) as warned:
        runs = compare(methods, {"toy": broken}, seeds=[0])
    assert len(str(warned[0].message).splitlines()) == 3
    assert "Traceback" in runs.to_frame()["traceback"][0]


def test_predictions_that_cannot_be_scored_are_a_failure(task):
    class Numbers(Spy):
        def predict(self, X):
            return np.zeros((len(X), 2))

    with pytest.warns(FitFailedWarning, match="'bad' failed on"):
        bad, good = compare({"bad": Numbers(), "spy": Spy()}, {"toy": task}, seeds=[0])
    assert bad["y_pred"] is None and good["uar"] == 0.5


@pytest.mark.parametrize("problem", [KeyboardInterrupt, RuntimeError])
def test_an_error_that_ends_the_runs_has_the_finished_records(task, problem):
    methods = {"spy": Spy(), "bad": Settings(problem=partial(problem, "boom"))}
    with pytest.raises(problem, match="boom") as caught:
        compare(methods, {"toy": task}, seeds=[0], error_score="raise")
    records = caught.value.records
    assert isinstance(records, Comparison)
    assert [(record["method"], record["uar"]) for record in records] == [("spy", 0.5)]
    assert "The attribute records has the records of 1 finished runs." in caught.value.__notes__


# Arguments


def test_methods_without_names_are_named_by_their_classes(task):
    refined = make_adaptation_pipeline(CorpusScaler(), AnchoredEM(DANClassifier()))
    assert list(name_methods("methods", Spy())) == ["Spy"]
    named = name_methods("methods", [Spy(1), refined, Spy(2)])
    assert list(named) == ["Spy 1", "AnchoredEM(DANClassifier)", "Spy 2"]
    assert named["Spy 2"].random_state == 2
    records = compare([Spy(), KNeighborsClassifier()], task, seeds=[0])
    assert [record["method"] for record in records] == ["Spy", "KNeighborsClassifier"]
    assert records.tasks == ["task"]


def test_tasks_without_names_are_named_by_their_corpora(task):
    one = Bunch(**task, source="EmoDB", target="CASIA")
    assert list(name_tasks(one)) == ["EmoDB → CASIA"]
    assert list(name_tasks([one, task, one])) == ["EmoDB → CASIA 1", "task", "EmoDB → CASIA 2"]
    corpus = {"files": ["1", "2"], "emotion": ["fear", "anger"], "speaker": [1, 2]}
    corpora = {
        name: Bunch(**{**corpus, "files": [f"{name}{file}" for file in corpus["files"]]})
        for name in "abc"
    }
    names = list(name_tasks(leave_one_corpus_out(corpora)))
    assert names == ["b + c → a", "a + c → b", "a + b → c"]


@pytest.mark.parametrize("argument", ["methods", "oracles"])
@pytest.mark.parametrize("wrong", [Spy, "Spy", 3, None, [Spy(), "Spy"], {"a": Spy}, [("a", Spy())]])
def test_what_is_no_method_is_shown(task, argument, wrong):
    if wrong is None and argument == "oracles":
        return  # there are none
    arguments = {"methods": Spy(), "tasks": task, argument: wrong}
    match = f"{argument} must be estimators in a dict by name, such as .*; got "
    with pytest.raises(TypeError, match=match):
        compare(**arguments)


@pytest.mark.parametrize("wrong", [pd.DataFrame({"a": [1]}), np.zeros(3), "EmoDB", 3])
def test_what_is_no_task_is_shown(wrong):
    kind = f"a {type(wrong).__name__}" if hasattr(wrong, "shape") else repr(wrong)
    match = f"tasks must be a task as cross_corpus_task returns it, .*; got {kind}"
    with pytest.raises(TypeError, match=match):
        compare(Spy(), wrong)


def test_frames_may_be_the_features_of_a_task(task):
    frames = {name: pd.DataFrame(task[name], columns=["f", "g"]) for name in ("X_src", "X_tgt")}
    (record,) = compare(KNeighborsClassifier(), Bunch(**{**task, **frames}), seeds=[0])
    (plain,) = compare(KNeighborsClassifier(), task, seeds=[0])
    assert np.array_equal(record["y_pred"], plain["y_pred"])


def test_files_of_a_task_have_one_entry_per_row(task):
    with pytest.raises(ValueError, match=r"files_tgt of task 'toy' must have .*: 1 != 20"):
        compare(Spy(), {"toy": Bunch(**task, files_tgt=["a"])})


def test_invalid_arguments_and_errors_of_a_method():
    X, y = np.zeros((4, 1)), np.array(list("aabb"))
    task = Bunch(X_src=X, y_src=y, X_tgt=X, y_tgt=y)
    for seeds in (3, [-1], ["0"], "01", [2**32], [None], [np.random.RandomState(0)]):
        with pytest.raises(
            ValueError, match=r"seeds must be a list of .* such as range\(3\); got "
        ):
            compare({"knn": KNeighborsClassifier(1)}, {"toy": task}, seeds=seeds)
    for name, value in {"error_score": "nan", "n_threads": 0, "n_jobs": 0}.items():
        with pytest.raises(ValueError, match=f"{name} must be .*; got {value!r}"):
            compare({"knn": KNeighborsClassifier(1)}, {"toy": task}, **{name: value})
    with pytest.raises(ValueError, match=r"Task 'toy' .*; it lacks X_src, y_src, X_tgt, y_tgt"):
        compare({"knn": KNeighborsClassifier(1)}, {"toy": (X, y, X, y)})
    with pytest.raises(ValueError, match=r"Task 'toy' .*; it lacks X_tgt, y_tgt"):
        compare({"knn": KNeighborsClassifier(1)}, {"toy": {"X_src": X, "y_src": y}})
    broken = Bunch(X_src=X, y_src=y, X_tgt=X * np.nan, y_tgt=y)
    with pytest.raises(ValueError, match="NaN") as caught:
        compare({"knn": KNeighborsClassifier(1)}, {"toy": broken}, seeds=[7], error_score="raise")
    assert caught.value.__notes__[0] == "compare was fitting 'knn' on 'toy', seed 7."
    with (
        pytest.warns(FitFailedWarning),
        pytest.raises(
            ValueError, match=r"All runs failed\. error_score='raise' shows .*ValueError"
        ),
    ):
        compare({"knn": KNeighborsClassifier(1)}, {"toy": dict(broken)}, seeds=[7])


# A folder of results


class Counted(Spy):
    """Fails with odd seeds until it is mended, if it is asked to."""

    mended = []  # noqa: RUF012 - a number would count as code, by which results are found

    def __init__(self, random_state=None, fails=False):
        self.random_state = random_state
        self.fails = fails

    def fit(self, X, y, X_tgt=None):
        if self.fails and self.random_state % 2 and not Counted.mended:
            raise ValueError("an odd seed")
        return super().fit(X, y, X_tgt)


def same(found, expected):
    """Tell whether records are the same, but for the time."""
    keys = ("task", "method", "oracle", "seed", "uar", "war", "error")
    return all(
        [one[key] for key in keys] == [other[key] for key in keys]
        and np.array_equal(one["y_pred"], other["y_pred"])
        for one, other in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_only_missing_runs_are_done(task, tmp_path, n_jobs):
    folder, methods = tmp_path / "results", {"a": Counted()}
    with joblib.parallel_config(backend="threading"):
        run = partial(compare, tasks={"toy": task}, results=folder, n_jobs=n_jobs)
        first = run(methods, seeds=[0, 1])
        assert len(Spy.calls) == 2 and len(list(folder.iterdir())) == 2
        assert same(run(methods, seeds=[0, 1]), first) and len(Spy.calls) == 2
        more = run({**methods, "b": Counted(fails=True)}, seeds=[0, 1, 2])
        assert len(Spy.calls) == 2 + 1 + 2
        assert same([r for r in more if r["method"] == "a" and r["seed"] < 2], first)
        other = Bunch(**{**task, "X_tgt": np.asarray(task.X_tgt) + 1})
        compare(methods, {"toy": other}, seeds=[0], results=folder)
        run(methods, seeds=[0], n_threads=2)
    assert len(Spy.calls) == 7  # other data, other threads


def test_recordings_that_were_replaced_are_computed_again(tmp_path):
    files = [tmp_path / f"{number}.wav" for number in range(4)]
    for number, file in enumerate(files):
        file.write_bytes(bytes(number))
    task = Bunch(X_src=files[:2], y_src=["a", "b"], X_tgt=files[2:], y_tgt=["a", "b"])

    class Sizes(DummyClassifier):
        """Calls small files "a", and counts its fits."""

        def fit(self, X, y, X_tgt=None):
            Spy.calls.append(X)
            return super().fit(np.zeros((len(X), 1)), y)

        def predict(self, X):
            return np.where([file.stat().st_size < 3 for file in X], "a", "b")

    run = partial(compare, {"a": Sizes()}, {"toy": task}, seeds=[0], results=tmp_path / "results")
    assert run()[0]["uar"] == run()[0]["uar"] == 1.0 and len(Spy.calls) == 1
    files[2].write_bytes(bytes(9))
    assert run()[0]["uar"] == 0.5 and len(Spy.calls) == 2
    os.utime(files[0], ns=(1, 1))
    run()
    files[1].unlink()
    run()
    assert len(Spy.calls) == 4


def test_a_generator_that_has_moved_makes_no_other_run(task, tmp_path):
    """The seed of a run takes its place; one that draws elsewhere in a method counts."""
    generator = np.random.RandomState(0)
    method = make_pipeline(Counted(generator))
    first = compare({"a": method}, {"toy": task}, seeds=[0], results=tmp_path)
    generator.rand()
    assert same(compare({"a": method}, {"toy": task}, seeds=[0], results=tmp_path), first)
    assert len(Spy.calls) == 1 and method[0].random_state is generator
    compare(
        {"a": make_pipeline(Counted(fails=generator))}, {"toy": task}, seeds=[0], results=tmp_path
    )
    assert len(Spy.calls) == 2


def test_failed_runs_are_tried_again(task, tmp_path, monkeypatch):
    run = partial(compare, {"a": Counted(fails=True)}, {"toy": task}, seeds=[0, 1])
    with pytest.warns(FitFailedWarning, match="an odd seed"):
        run(results=tmp_path)
    monkeypatch.setattr(Counted, "mended", [True])
    records = run(results=tmp_path)
    assert len(Spy.calls) == 2 and [record["error"] for record in records] == [None, None]


def test_what_is_no_folder_of_results(task, tmp_path):
    run, lock = partial(compare, tasks={"toy": task}, seeds=[0]), threading.Lock()
    (tmp_path / "file").write_text("")
    for folder, match in (
        (3, "a folder, or None; got 3"),
        (tmp_path / "file", "a folder to write to"),
        ("", "a folder, or None; got ''"),
    ):
        with pytest.raises(ValueError, match=f"results must be {match}"):
            run({"a": Counted()}, results=folder)
    with pytest.raises(ValueError, match="that can be pickled; 'a' on 'toy' cannot"):
        run({"a": Counted(fails=lambda: lock)}, results=tmp_path)
    run({"a": Counted()}, results=tmp_path)
    (file,) = tmp_path.glob("*.json")
    record = json.loads(file.read_text())
    for wrong in ({}, [], {**record, "y_pred": ["a"]}, {**record, "seconds": "x"}):
        file.write_text(json.dumps(wrong))
        with pytest.raises(ValueError, match="is no record: remove it"):
            run({"a": Counted()}, results=tmp_path)


def test_stored_predictions_are_scored_again_and_seeds_may_be_of_numpy(task, tmp_path):
    """Scores in the file are for people to read."""
    run = partial(compare, {"a": Counted()}, {"toy": task}, results=tmp_path)
    first = run(seeds=[0])
    (file,) = tmp_path.glob("*.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), "uar": 5, "war": None}))
    assert same(run(seeds=np.array([0])), first) and len(Spy.calls) == 1
    file.unlink()
    file.mkdir()
    with pytest.raises(ValueError, match="is no record: remove it"):
        run(seeds=[0])


def test_a_full_disk_costs_no_run(task, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(UserWarning, match="results lacks records, .* No space left") as warned:
        records = compare({"a": Counted()}, {"toy": task}, seeds=[0, 1], results=tmp_path)
    assert len(warned) == 1 and [record["uar"] for record in records] == [0.5, 0.5]
    assert not list(tmp_path.iterdir())
