"""Compare methods on cross-corpus tasks with several seeds."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from traceback import format_exc
from typing import Any

import numpy as np
from joblib.parallel import get_active_backend
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.utils import Bunch
from sklearn.utils.parallel import Parallel, delayed
from tqdm import tqdm

from skdidan.domains import check_groups, n_rows, sortable_groups, take_rows, takes_target
from skdidan.metrics import fill_missing, uar, war
from skdidan.parameters import check_count
from skdidan.reporting import warn_caller
from skdidan.selection.results import ResultFolder
from skdidan.torch_state import limit_threads

__all__ = ["check_records", "compare", "format_summary", "row_title", "summarise"]

_N_FOLDS = 5
_RUN = ("task", "method", "oracle", "seed")
_TASK_KEYS = ("X_src", "y_src", "X_tgt", "y_tgt")


def compare(
    methods: Mapping[str, BaseEstimator],
    tasks: Mapping[str, Any],
    *,
    oracles: Mapping[str, BaseEstimator] | None = None,
    seeds: Iterable[int] = (0, 1, 2),
    n_jobs: int | None = None,
    n_threads: int = 1,
    error_score: float | str = math.nan,
    results: str | os.PathLike[str] | None = None,
    verbose: int = 0,
) -> list[dict[str, Any]]:
    """Fit every method on every task with every seed, and score it on the target.

    Target labels are only used for scoring, and for training the `oracles`.

    Parameters
    ----------
    methods : dict of str to estimator
        Methods by name. A clone with every ``random_state`` set to the seed is fitted by
        ``fit(X_src, y_src, X_tgt)``, or without ``X_tgt`` if ``fit`` has no such parameter.
    tasks : dict of str to Bunch
        Tasks by name, as from `cross_corpus_task`: ``X_src, y_src, X_tgt, y_tgt``, optionally
        ``classes`` and ``speaker_tgt``. Several sources are treated as one.
    oracles : dict of str to estimator, optional
        Upper bounds, cross-validated *with target labels* within the target. The folds separate
        speakers if the task names them.
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
        names, its seed, the parameters of its method, the arrays and paths of its task, and the
        version of skdidan. Runs that failed are tried again.
    verbose : int, default=0
        Whether to show a progress bar.

    Returns
    -------
    records : list of dict
        One for each task, method and seed, in this order: ``task, method, oracle`` (bool), ``seed,
        uar, war, seconds``, the predictions ``y_pred``, ``error`` and ``traceback``. A recording
        without a predicted label, since it cannot be used, counts as wrong. If a run
        failed, the last two say why and ``y_pred`` is None; otherwise these two are None.

    Raises
    ------
    ValueError
        If nothing is compared, a task is incomplete, or all runs fail.
    TypeError
        If methods or tasks are not in a dict by name.
    KeyboardInterrupt
        By Ctrl-C. The exception has the finished records as its attribute ``records``; so has any
        other that ends the runs.

    Warns
    -----
    FitFailedWarning
        At the end, for each run that failed, with its traceback.
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
    >>> records = compare({"scaled": method}, {"toy": task}, seeds=[0])
    >>> records[0]["method"], records[0]["uar"]
    ('scaled', 1.0)
    """
    given, seeds = seeds, list(seeds) if isinstance(seeds, Iterable) else [None]
    if not all(isinstance(seed, Integral) and 0 <= seed < 2**32 for seed in seeds):
        raise ValueError(f"seeds must be whole numbers from 0 to 2**32 - 1; got {given!r}.")
    seeds = [int(seed) for seed in seeds]
    if error_score != "raise" and not isinstance(error_score, Real):
        raise ValueError(f"error_score must be 'raise' or a number; got {error_score!r}.")
    check_count("n_threads", n_threads)
    groups = {False: methods, True: oracles or {}}
    _check_names({"methods": methods, "oracles": groups[True], "tasks": tasks})
    if not seeds or not tasks or not (methods or oracles):
        raise ValueError("compare needs at least one method or oracle, one task and one seed.")
    runs: list[dict[str, Any]] = [
        {"task": task, "method": method, "oracle": oracle, "seed": seed}
        for task in tasks
        for oracle, group in groups.items()
        for method in group
        for seed in seeds
    ]
    # Unordered, so that no record waits for another. Backends such as multiprocessing return lists.
    has_generators = get_active_backend()[0].supports_return_generator
    parallel = Parallel(n_jobs, return_as="generator_unordered" if has_generators else "list")
    records: list[dict[str, Any]] = []
    unkept = None
    options = n_threads, error_score, None if results is None else ResultFolder(results, tasks)
    try:
        with limit_threads(n_threads):  # around runs in threads, which restore what they find
            done = parallel(
                delayed(_run)(
                    groups[run["oracle"]][run["method"]], tasks[run["task"]], run, *options
                )
                for run in runs
            )
            for record in tqdm(done, total=len(runs), disable=not verbose, desc="compare"):
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
        vars(error)["records"] = records
        error.add_note(f"The attribute records has the records of {len(records)} finished runs.")
        raise
    finally:
        records.sort(key=lambda record: runs.index({name: record[name] for name in _RUN}))
    return records


def _warn_of_failures(records: list[dict[str, Any]]) -> None:
    for record in records:
        if record["error"]:
            text = "{method!r} failed on {task!r}, seed {seed}, and scores {uar}: {error}"
            warn_caller(f"{text.format(**record)}\n{record['traceback']}", FitFailedWarning)


def _check_names(arguments: dict[str, Any]) -> None:
    for argument, values in arguments.items():
        if not isinstance(values, Mapping) or set(_TASK_KEYS) & values.keys():
            raise TypeError(
                f"{argument} must be a dict by name, such as {{'name': ...}}; got {values!r:.200}."
            )
    for name, task in arguments["tasks"].items():
        known = task if isinstance(task, Mapping) else ()
        if missing := [key for key in _TASK_KEYS if key not in known]:
            raise ValueError(
                f"Task {name!r} must be a Bunch with {', '.join(_TASK_KEYS)}, as cross_corpus_task "
                f"returns it; it lacks {', '.join(missing)}."
            )
        if (speakers := task.get("speaker_tgt")) is not None:
            check_groups(speakers, n_rows(task["y_tgt"]), f"speaker_tgt of task {name!r}")


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
    record |= dict.fromkeys(["y_pred", "error", "traceback"])
    if results is not None:
        file = results.path(run, method, n_threads)
        if (kept := results.read(file, n_rows(task.y_tgt))) is not None:
            return record | kept | _score(task, kept["y_pred"])
    try:
        with limit_threads(n_threads):
            if run["oracle"]:
                y_pred = _cross_predict(method, task, seed)
            else:
                y_pred = _fit_predict(method, seed, task.X_src, task.y_src, task.X_tgt)
        record |= {**_score(task, y_pred), "y_pred": y_pred}
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


def _fit_predict(method: Any, seed: int, X: Any, y: Any, X_tgt: Any) -> NDArray[Any]:
    """Fit a seeded clone, with the target if its `fit` takes one, and predict the target."""
    method = clone(method)
    names = [name for name in method.get_params() if name.split("__")[-1] == "random_state"]
    method.set_params(**dict.fromkeys(names, seed))
    target = {"X_tgt": X_tgt} if takes_target(method) else {}
    return method.fit(X, y, **target).predict(X_tgt)


def check_records(records: Any, keys: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Return records as a list of dict, or raise a ValueError if they lack a key."""
    rows = records.to_dict("records") if hasattr(records, "iloc") else records
    is_list = isinstance(rows, list) and all(isinstance(row, Mapping) for row in rows)
    if not is_list or any(key not in row for row in rows for key in keys):
        raise ValueError(
            "records must be a list of dict or a DataFrame, as from compare, with the keys "
            f"{', '.join(keys)}; got {records!r:.200}."
        )
    return rows


def summarise(records: Any) -> list[dict[str, Any]]:
    """Average the records of `compare` over the seeds.

    Parameters
    ----------
    records : list of dict or DataFrame
        Records from `compare`.

    Returns
    -------
    rows : list of dict
        One for each task and method, in the order of the records: ``task, method, oracle,
        n_seeds, uar, uar_std, war, war_std, seconds``. Standard deviations divide by ``n - 1``, and
        are zero for a single seed. Scores are NaN if that of a seed is.
    """
    import pandas as pd

    def deviation(scores: Any) -> float:
        return np.std(scores.tolist(), ddof=min(1, len(scores) - 1))

    keys = [*_RUN, "uar", "war", "seconds"]
    table = pd.DataFrame(check_records(records, keys), columns=keys)
    summary: Any = table.groupby(["task", "method", "oracle"], sort=False, as_index=False).agg(
        n_seeds=("seed", "size"),
        uar=("uar", np.average),  # unlike the mean of pandas it does not leave out NaN
        uar_std=("uar", deviation),
        war=("war", np.average),
        war_std=("war", deviation),
        seconds=("seconds", "mean"),
    )
    return summary.to_dict("records")


def format_summary(rows: Any) -> str:
    """Format the rows of `summarise`, or records of `compare`, as a text table in percent.

    Examples
    --------
    >>> row = {"task": "B → C", "method": "DAN", "oracle": False, "n_seeds": 3, "seconds": 4.2}
    >>> row |= {"uar": 0.4, "uar_std": 0.01, "war": 0.5, "war_std": 0.0}
    >>> print(format_summary([row]))
    B → C      UAR (%)      WAR (%)  seconds
    DAN     40.0 ± 1.0   50.0 ± 0.0        4
    """
    import pandas as pd

    rows = check_records(rows, [*_RUN[:3], "uar", "war", "seconds"])
    if not all({"uar_std", "war_std"} <= row.keys() for row in rows):
        rows = summarise(rows)
    cells = pd.DataFrame(index=[row_title(row) for row in rows])
    for metric in ("uar", "war"):
        cells[f"{metric.upper()} (%)"] = [
            f"{100 * row[metric]:.1f} ± {100 * row[f'{metric}_std']:.1f}" for row in rows
        ]
    cells["seconds"] = [f"{row['seconds']:.0f}" for row in rows]
    tasks = pd.Index([row["task"] for row in rows])
    width = max(map(len, [*cells.index, *tasks]), default=0)
    return "\n\n".join(
        block.rename_axis(columns=task.ljust(width)).to_string(col_space=[12, 12, 8])
        for task, block in cells.groupby(tasks, sort=False)
    )


def row_title(row: dict[str, Any]) -> str:
    """Return the name of the method in a row, with a mark if it is an oracle."""
    return f"{row['method']} (oracle)" if row["oracle"] else row["method"]
