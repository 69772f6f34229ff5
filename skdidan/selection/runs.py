"""Fit and score methods on cross-corpus tasks with several seeds."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from traceback import format_exc
from typing import Any, TypeAlias

import numpy as np
from joblib.parallel import get_active_backend
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.utils import Bunch
from sklearn.utils.parallel import Parallel, delayed
from tqdm import tqdm

from skdidan.domains import Domains, check_groups, n_rows, sortable_groups, take_rows, takes_target
from skdidan.estimators import DomainEstimator
from skdidan.metrics import fill_missing, uar, war
from skdidan.parameters import check_count, check_jobs
from skdidan.reporting import warn_caller
from skdidan.results.comparison import Comparison
from skdidan.results.settings import describe_methods, describe_session
from skdidan.results.task_rows import TaskRows
from skdidan.selection.naming import name_methods, name_tasks
from skdidan.selection.results import ResultFolder
from skdidan.stopwatch import measure_features
from skdidan.torch_state import limit_threads

__all__ = ["compare"]

_N_FOLDS = 5
_RUN = ("task", "method", "oracle", "seed")
_Methods: TypeAlias = BaseEstimator | Iterable[BaseEstimator] | Mapping[str, BaseEstimator]


def compare(
    methods: _Methods,
    tasks: Mapping[str, Any] | Iterable[Mapping[str, Any]],
    *,
    oracles: _Methods | None = None,
    seeds: Iterable[int] = (0, 1, 2),
    n_jobs: int | None = None,
    n_threads: int = 1,
    error_score: float | str = math.nan,
    results: str | os.PathLike[str] | None = None,
    verbose: int = 0,
) -> Comparison:
    """Fit every method on every task with every seed, and score it on the target.

    Target labels are only used for scoring, and for training the `oracles`.

    Parameters
    ----------
    methods : estimator, list of estimators, or dict of str to estimator
        Methods; those without a name get that of their class. A clone with every ``random_state``
        set to the seed is fitted by ``fit(X_src, y_src, X_tgt)``, or without ``X_tgt`` if ``fit``
        has no such parameter.
    tasks : Bunch, iterable of Bunch, or dict of str to Bunch
        Tasks as from `cross_corpus_task`: ``X_src, y_src, X_tgt, y_tgt``, optionally ``classes``
        and ``speaker_tgt``, and ``files_src`` and ``files_tgt`` if the rows are features of files.
        Tasks without a name get those of their corpora. If ``sample_domain`` numbers several
        sources, estimators of this package are fitted by their stacked call, which can tell the
        sources apart.
    oracles : estimator, list of estimators, or dict of str to estimator, optional
        References, cross-validated *with target labels* within the target. The folds separate
        speakers if the task names them. They train on the target alone, so a method can beat them.
    seeds : iterable of int, default=(0, 1, 2)
        Seeds of the repetitions.
    n_jobs : int, optional
        Number of processes, as in joblib.
    n_threads : int > 0, default=1
        Number of threads of torch and BLAS in each run. It is the same for any `n_jobs`, since
        rounding, and so scores on a CPU, depend on it. More are faster for few runs on many cores.
    error_score : "raise" or float, default=nan
        Score of a run that fails. "raise" raises its error, as is done in any case with a warning
        that a filter turns into an error.
    results : str or path-like, optional
        Folder that keeps the record of each finished run, so that the same call, after a kill or
        with further methods, tasks and seeds, does only what is missing. A run is known by its
        names, its seed, the parameters of its method, the arrays of its task, or the paths, sizes
        and modification times of its files, and the version of skdidan. Its seed replaces each
        `random_state`, so generators there may move; one elsewhere in a method, as in a splitter,
        must not. Runs that failed are tried again.
    verbose : int, default=0
        Whether to show a progress bar.

    Returns
    -------
    comparison : Comparison
        Sequence of the records of all runs, with methods for tables, intervals, tests, plots and a
        report. A recording without a predicted label, since it cannot be used, counts as wrong.

    Raises
    ------
    ValueError
        If nothing is compared, a task is incomplete, or all runs fail.
    TypeError
        If methods or tasks are not what is listed above.
    KeyboardInterrupt
        By Ctrl-C. The exception has a `Comparison` of the finished runs as its attribute
        ``records``; so has any other that ends the runs.

    Warns
    -----
    FitFailedWarning
        At the end, once for the runs of a method on a task that failed with the same error. Each
        record has its traceback.
    UserWarning
        If records could not be written to `results`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.utils import Bunch
    >>> from skdidan import CorpusScaler, SourceOnlyClassifier, compare, make_adaptation_pipeline
    >>> X, y = np.array([[0.0], [0.1], [1.0], [1.1]] * 5), np.array(["a", "a", "b", "b"] * 5)
    >>> task = Bunch(X_src=X, y_src=y, X_tgt=X + 3, y_tgt=y)
    >>> method = make_adaptation_pipeline(CorpusScaler(), SourceOnlyClassifier(lr=0.01))
    >>> comparison = compare({"scaled": method}, {"toy": task}, seeds=[0, 1])
    >>> print(comparison.to_markdown())
    | UAR (%) | toy |
    |:---|---:|
    | scaled | 100.0 ± 0.0 |
    """
    seeds = _check_seeds(seeds)
    if error_score != "raise" and not isinstance(error_score, Real):
        raise ValueError(f"error_score must be 'raise' or a number; got {error_score!r}.")
    check_count("n_threads", n_threads)
    check_jobs("n_jobs", n_jobs)
    groups = {
        False: name_methods("methods", methods),
        True: name_methods("oracles", {} if oracles is None else oracles),
    }
    named = name_tasks(tasks)
    runs: list[dict[str, Any]] = [
        {"task": task, "method": method, "oracle": oracle, "seed": seed}
        for task in named
        for oracle, group in groups.items()
        for method in group
        for seed in seeds
    ]
    if not runs:
        raise ValueError("compare needs at least one method or oracle, one task and one seed.")
    options = n_threads, error_score, None if results is None else ResultFolder(results, named)
    calls = [
        delayed(_run)(groups[run["oracle"]][run["method"]], named[run["task"]], run, *options)
        for run in runs
    ]
    rows = {name: TaskRows.of(task) for name, task in named.items()}
    settings = {
        "seeds": seeds,
        "n_threads": n_threads,
        "methods": describe_methods(groups[False], groups[True]),
        **describe_session(),
    }

    def ordered(records: list[dict[str, Any]]) -> Comparison:
        records.sort(key=lambda record: runs.index({name: record[name] for name in _RUN}))
        return Comparison(records, rows, settings=settings)

    return _collect(calls, ordered, n_jobs, n_threads, verbose)


def _check_seeds(given: Any) -> list[int]:
    is_scalar = isinstance(given, np.ndarray) and not given.ndim
    is_list = isinstance(given, Iterable) and not is_scalar
    seeds: list[Any] = list(given) if is_list else [None]
    if not all(isinstance(seed, Integral) and 0 <= int(seed) < 2**32 for seed in seeds):
        raise ValueError(
            "seeds must be a list of whole numbers from 0 to 2**32 - 1, such as range(3); got "
            f"{given!r}."
        )
    return [int(seed) for seed in seeds]


def _collect(
    calls: list[Any],
    ordered: Callable[[list[dict[str, Any]]], Comparison],
    n_jobs: int | None,
    n_threads: int,
    verbose: int,
) -> Comparison:
    """Do the runs in parallel; an exception that ends them gets what is finished."""
    # Unordered, so that no record waits for another. Backends such as multiprocessing return lists.
    has_generators = get_active_backend()[0].supports_return_generator
    parallel = Parallel(n_jobs, return_as="generator_unordered" if has_generators else "list")
    records: list[dict[str, Any]] = []
    unkept = None
    try:
        with limit_threads(n_threads):  # around runs in threads, which restore what they find
            done = parallel(calls)
            for record in tqdm(done, total=len(calls), disable=not verbose, desc="compare"):
                unkept = record.pop("unkept", None) or unkept
                records.append(record)
        if unkept:
            warn_caller(f"results lacks records, which could not be written: {unkept}")
        _warn_of_failures(records)
        if all(record["error"] for record in records):
            raise ValueError(
                f"All runs failed. error_score='raise' shows where: {records[0]['error']}"
            )
    except BaseException as error:
        vars(error)["records"] = ordered(records)
        error.add_note(f"The attribute records has the records of {len(records)} finished runs.")
        raise
    return ordered(records)


def _warn_of_failures(records: list[dict[str, Any]]) -> None:
    """Warn once of failures of a method on a task whose errors end alike, with one traceback."""
    groups: dict[Any, list[dict[str, Any]]] = {}
    for record in records:
        if record["error"]:
            key = *(record[name] for name in _RUN[:-1]), record["error"].splitlines()[-1]
            groups.setdefault(key, []).append(record)
    for failed in groups.values():
        first, seeds = failed[0], sorted(record["seed"] for record in failed)
        runs = f"seed {seeds[0]}"
        if len(seeds) > 1:
            runs = f"{len(seeds)} runs with the seeds {', '.join(map(str, seeds))}"
        # Notes follow the error at the end of a traceback; they tell how to go on.
        _, found, notes = first["traceback"].rpartition(first["error"])
        error = first["error"].splitlines()[0] + (notes.rstrip() if found else "")
        warn_caller(
            f"{first['method']!r} failed on {first['task']!r}, {runs}, and scores {first['uar']}: "
            f'{error}\nThe column to_frame()["traceback"] has the traceback.',
            FitFailedWarning,
        )


def _run(
    method: Any,
    task: Any,
    run: dict[str, Any],
    n_threads: int,
    error_score: float | str,
    results: ResultFolder | None,
) -> dict[str, Any]:
    """Return the record of a run; add a note that names it to an error that is raised."""
    start, seed, task = time.perf_counter(), run["seed"], Bunch(**task)
    record = {**run, "uar": error_score, "war": error_score, "seconds": math.nan}
    record |= {"feature_seconds": math.nan, **dict.fromkeys(["y_pred", "error", "traceback"])}
    if results is not None:
        file = results.path(run, method, n_threads)
        if (kept := results.read(file, n_rows(task.y_tgt))) is not None:
            return record | kept | _score(task, kept["y_pred"])
    try:
        with limit_threads(n_threads), measure_features() as features:
            if run["oracle"]:
                y_pred = _cross_predict(method, task, seed)
            else:
                rows = task.X_src, task.y_src, task.X_tgt
                y_pred = _fit_predict(method, seed, *rows, _source_corpora(task))
        record |= {**_score(task, y_pred), "y_pred": y_pred, "feature_seconds": features.seconds}
    except Exception as error:
        if error_score == "raise" or isinstance(error, Warning):
            error.add_note(
                f"compare was fitting {run['method']!r} on {run['task']!r}, seed {seed}."
            )
            raise
        # The text alone: not every error can be sent to another process.
        record |= {"error": f"{type(error).__name__}: {error}", "traceback": format_exc()}
    record["seconds"] = time.perf_counter() - start
    if results is not None:
        try:
            results.write(file, record)
        except OSError as error:  # a full disk costs no run
            record["unkept"] = str(error)
    return record


def _score(task: Bunch, y_pred: Any) -> dict[str, float]:
    labels, y_pred = task.get("classes"), fill_missing(task.y_tgt, y_pred)
    return {"uar": uar(task.y_tgt, y_pred, labels=labels), "war": war(task.y_tgt, y_pred)}


def _cross_predict(method: Any, task: Any, seed: int) -> NDArray[Any]:
    """Predict the target by cross-validation, by speaker if there are several, else by class."""
    y, speakers = np.asarray(task.y_tgt), task.get("speaker_tgt")
    if speakers is not None:
        speakers = sortable_groups(check_groups(speakers, len(y)))
    n_speakers = 0 if speakers is None else len(np.unique(speakers))
    if n_speakers > 1:
        folds = GroupKFold(min(_N_FOLDS, n_speakers)).split(y, y, speakers)
    else:
        folds = StratifiedKFold(_N_FOLDS, shuffle=True, random_state=seed).split(y, y)
    y_pred = np.empty_like(y)
    for train, test in folds:
        X, X_test = take_rows(task.X_tgt, train), take_rows(task.X_tgt, test)
        y_pred[test] = _fit_predict(method, seed, X, y[train], X_test)
    return y_pred


def _source_corpora(task: Bunch) -> NDArray[np.int64] | None:
    """Return the corpus number of each source row of a task with several sources, else None."""
    numbers = np.asarray(task.get("sample_domain", ()))
    numbers = numbers[numbers >= 0]
    return numbers if len(np.unique(numbers)) > 1 else None


def _fit_predict(
    method: Any,
    seed: int,
    X: Any,
    y: Any,
    X_tgt: Any,
    corpora: NDArray[np.int64] | None = None,
) -> NDArray[Any]:
    """Fit a seeded clone, with the target if its `fit` takes one, and predict the target."""
    method = clone(method)
    names = [name for name in method.get_params() if name.split("__")[-1] == "random_state"]
    method.set_params(**dict.fromkeys(names, seed))
    target = {"X_tgt": X_tgt} if takes_target(method) else {}
    if corpora is not None and isinstance(method, DomainEstimator):
        numbers = np.concatenate([corpora, np.full(n_rows(X_tgt), -1)])
        X, y, _, numbers = Domains(X, y, X_tgt, numbers).stack()
        target = {"sample_domain": numbers}
    return method.fit(X, y, **target).predict(X_tgt)
