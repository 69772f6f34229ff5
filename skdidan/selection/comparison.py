"""Compare methods on cross-corpus tasks with several seeds."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GroupKFold, StratifiedKFold
from tqdm import tqdm

from skdidan.domains import take_rows, takes_target
from skdidan.metrics import uar, war

__all__ = ["compare", "format_summary", "row_title", "summarise"]

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
        Tasks by name, from `cross_corpus_task` or `make_speech_corpora`: ``X_src, y_src, X_tgt,
        y_tgt``, optionally ``classes`` and ``speaker_tgt``. Several sources, as from
        `leave_one_corpus_out`, are treated as one.
    oracles : dict of str to estimator, optional
        Upper bounds, cross-validated *with target labels* within the target. The folds separate
        speakers if the task names them.
    seeds : iterable of int, default=(0, 1, 2)
        Seeds of the repetitions.
    n_jobs : int, optional
        Number of processes, as in joblib.
    verbose : int, default=0
        Whether to show a progress bar.

    Returns
    -------
    records : list of dict
        One for each task, method and seed, in this order: ``task, method, oracle`` (bool), ``seed,
        uar, war, seconds`` and the predictions ``y_pred``; ``pandas.DataFrame(records)`` tabulates
        them.

    Raises
    ------
    ValueError
        If there is nothing to compare, or a task is incomplete. Errors of a method carry a note
        that names the run.

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
    if not isinstance(seeds, Iterable):
        raise ValueError(f"seeds must be a list of seeds or a range; got {seeds!r}.")
    seeds = list(seeds)
    for name, task in tasks.items():
        if missing := [key for key in _TASK_KEYS if key not in task]:
            raise ValueError(
                f"Task {name!r} must be a Bunch with {', '.join(_TASK_KEYS)}, as cross_corpus_task "
                f"returns it; it lacks {', '.join(missing)}."
            )
    if not seeds or not tasks or not (methods or oracles):
        raise ValueError("compare needs at least one method or oracle, one task and one seed.")
    groups = {False: methods, True: oracles or {}}
    runs: list[dict[str, Any]] = [
        {"task": task, "method": method, "oracle": oracle, "seed": seed}
        for task in tasks
        for oracle, group in groups.items()
        for method in group
        for seed in seeds
    ]
    results = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_predict)(groups[run["oracle"]][run["method"]], tasks[run["task"]], run)
        for run in runs
    )
    progress = tqdm(results, total=len(runs), disable=not verbose, desc="compare")
    records = []
    for run, (y_pred, seconds) in zip(runs, progress, strict=True):
        task = tasks[run["task"]]
        scores = {
            "uar": uar(task.y_tgt, y_pred, labels=task.get("classes")),
            "war": war(task.y_tgt, y_pred),
        }
        records.append({**run, **scores, "seconds": seconds, "y_pred": y_pred})
    return records


def _predict(method: Any, task: Any, run: dict[str, Any]) -> tuple[NDArray[Any], float]:
    """Return predictions and seconds; add a note that names the run to an error."""
    start, seed = time.perf_counter(), run["seed"]
    try:
        if run["oracle"]:
            y_pred = _cross_predict(method, task, seed)
        else:
            fitted = _fit(method, seed, task.X_src, task.y_src, task.X_tgt)
            y_pred = fitted.predict(task.X_tgt)
    except Exception as error:
        error.add_note(f"compare was fitting {run['method']!r} on {run['task']!r}, seed {seed}.")
        raise
    return y_pred, time.perf_counter() - start


def _cross_predict(method: Any, task: Any, seed: int) -> NDArray[Any]:
    """Predict the target by cross-validation, by speaker if there are several, else by class."""
    y, speakers = np.asarray(task.y_tgt), task.get("speaker_tgt")
    n_speakers = 0 if speakers is None else len(np.unique(speakers))
    if n_speakers > 1:
        folds = GroupKFold(min(_N_FOLDS, n_speakers)).split(y, y, speakers)
    else:
        folds = StratifiedKFold(_N_FOLDS, shuffle=True, random_state=seed).split(y, y)
    y_pred = np.empty_like(y)
    for train, test in folds:
        X, X_test = take_rows(task.X_tgt, train), take_rows(task.X_tgt, test)
        y_pred[test] = _fit(method, seed, X, y[train], X_test).predict(X_test)
    return y_pred


def _fit(method: Any, seed: int, X: Any, y: Any, X_tgt: Any) -> Any:
    """Fit a seeded clone, without the target if its `fit` does not take one."""
    method = clone(method)
    names = [name for name in method.get_params() if name.split("__")[-1] == "random_state"]
    method.set_params(**dict.fromkeys(names, seed))
    return method.fit(X, y, **({"X_tgt": X_tgt} if takes_target(method) else {}))


def summarise(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Average the records of `compare` over the seeds.

    Parameters
    ----------
    records : list of dict
        Records from `compare`.

    Returns
    -------
    rows : list of dict
        One for each task and method, in the order of the records: ``task, method, oracle,
        n_seeds, uar, uar_std, war, war_std, seconds``. Standard deviations divide by ``n - 1``, and
        are zero for a single seed.
    """
    import pandas as pd

    table = pd.DataFrame(records, columns=[*_RUN, "uar", "war", "seconds"])
    summary: Any = table.groupby(["task", "method", "oracle"], sort=False, as_index=False).agg(
        n_seeds=("seed", "size"),
        uar=("uar", "mean"),
        uar_std=("uar", "std"),
        war=("war", "mean"),
        war_std=("war", "std"),
        seconds=("seconds", "mean"),
    )
    return summary.fillna({"uar_std": 0.0, "war_std": 0.0}).to_dict("records")


def format_summary(rows: list[dict[str, Any]]) -> str:
    """Format the rows of `summarise` as a text table, with scores in percent.

    Examples
    --------
    >>> row = {"task": "B → C", "method": "DAN", "oracle": False, "n_seeds": 3, "seconds": 4.2}
    >>> row |= {"uar": 0.4, "uar_std": 0.01, "war": 0.5, "war_std": 0.0}
    >>> print(format_summary([row]))
    B → C      UAR (%)      WAR (%)  seconds
    DAN     40.0 ± 1.0   50.0 ± 0.0        4
    """
    import pandas as pd

    cells = pd.DataFrame(index=[row_title(row) for row in rows])
    for metric in ("uar", "war"):
        cells[f"{metric.upper()} (%)"] = [
            f"{100 * row[metric]:.1f} ± {100 * row[f'{metric}_std']:.1f}" for row in rows
        ]
    cells["seconds"] = [f"{row['seconds']:.0f}" for row in rows]
    tasks = pd.Index([row["task"] for row in rows])
    width = max(map(len, [*cells.index, *tasks]))
    return "\n\n".join(
        block.rename_axis(columns=task.ljust(width)).to_string(col_space=[12, 12, 8])
        for task, block in cells.groupby(tasks, sort=False)
    )


def row_title(row: dict[str, Any]) -> str:
    """Return the name of the method in a row, with a mark if it is an oracle."""
    return f"{row['method']} (oracle)" if row["oracle"] else row["method"]
