"""Names of the methods and tasks of a comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from skdidan.domains import check_groups, n_rows
from skdidan.pipeline.steps import last_step
from skdidan.results.records import check_task_names

__all__ = ["name_methods", "name_tasks"]

_TASK_KEYS = ("X_src", "y_src", "X_tgt", "y_tgt")


def name_methods(argument: str, methods: Any) -> dict[str, Any]:
    """Return methods by name: of a dict, one estimator, or a list, named by their classes.

    Raises
    ------
    TypeError
        If they are anything else.
    """
    given = methods
    if _is_estimator(methods):
        methods = [methods]
    if isinstance(methods, list | tuple):
        is_named, estimators = False, list(methods)
    elif isinstance(methods, Mapping):
        is_named, estimators = True, list(methods.values())
    else:
        is_named, estimators = False, [methods]
    if wrong := [one for one in estimators if not _is_estimator(one)]:
        raise TypeError(
            f"{argument} must be estimators in a dict by name, such as {{'DAN': DANClassifier()}}, "
            f"one estimator, or a list of them; got {_shorten(wrong[0])}"
            f"{'' if wrong[0] is given else f' in {_shorten(given)}'}."
        )
    if is_named:
        return {str(name): method for name, method in methods.items()}
    return _number([_class_name(one) for one in estimators], estimators)


def name_tasks(tasks: Any) -> dict[str, Mapping[str, Any]]:
    """Return tasks by name: of a dict, one task, or several, named by their corpora.

    Raises
    ------
    TypeError
        If they are anything else.
    ValueError
        If a task is incomplete, or has the name of a column of the tables.
    """
    if isinstance(tasks, Mapping) and set(_TASK_KEYS) & tasks.keys():
        named = {_corpora(tasks): tasks}
    elif isinstance(tasks, Mapping):
        named = {str(name): task for name, task in tasks.items()}
    elif isinstance(tasks, Iterable) and not isinstance(tasks, str) and not _is_table(tasks):
        tasks = list(tasks)  # leave_one_corpus_out makes a generator
        named = _number([_corpora(task) for task in tasks], tasks)
    else:
        raise TypeError(
            "tasks must be a task as cross_corpus_task returns it, a list of tasks, or a dict such "
            f"as {{'EmoDB to CASIA': task}}; got {_shorten(tasks)}. To make a task of tables of "
            "features, pass dict(X_src=..., y_src=..., X_tgt=..., y_tgt=...)."
        )
    check_task_names(named)
    for name, task in named.items():
        _check_task(name, task)
    return named


def _check_task(name: str, task: Any) -> None:
    known = task if isinstance(task, Mapping) else ()
    if missing := [key for key in _TASK_KEYS if key not in known]:
        raise ValueError(
            f"Task {name!r} must be a Bunch with {', '.join(_TASK_KEYS)}, as cross_corpus_task "
            f"returns it; it lacks {', '.join(missing)}."
        )
    n_target = n_rows(task["y_tgt"])
    if (speakers := task.get("speaker_tgt")) is not None:
        check_groups(speakers, n_target, f"speaker_tgt of task {name!r}")
    if (files := task.get("files_tgt")) is not None and len(files) != n_target:
        raise ValueError(
            f"files_tgt of task {name!r} must have one entry per row: {len(files)} != {n_target}."
        )


def _is_estimator(value: Any) -> bool:
    return hasattr(value, "fit") and hasattr(value, "get_params") and not isinstance(value, type)


def _is_table(value: Any) -> bool:
    return hasattr(value, "shape") or hasattr(value, "columns")


def _class_name(estimator: Any) -> str:
    """Name an estimator by the class of its last step, with that of the estimator it wraps."""
    last = last_step(estimator)
    inner = getattr(last, "estimator", None)
    return f"{type(last).__name__}{f'({_class_name(inner)})' if _is_estimator(inner) else ''}"


def _corpora(task: Any) -> str:
    """Name a task by its corpora, as in "EmoDB → CASIA"."""
    if not isinstance(task, Mapping) or not {"source", "target"} <= task.keys():
        return "task"
    source = task["source"]
    return f"{source if isinstance(source, str) else ' + '.join(source)} → {task['target']}"


def _number(names: list[str], values: list[Any]) -> dict[str, Any]:
    """Return values by name; names that occur several times get a number."""
    counts, seen = Counter(names), Counter[str]()
    named = {}
    for name, value in zip(names, values, strict=True):
        seen[name] += 1
        named[f"{name} {seen[name]}" if counts[name] > 1 else name] = value
    return named


def _shorten(value: Any) -> str:
    if _is_table(value):
        return f"a {type(value).__name__}"
    return f"{value!r:.200}"
