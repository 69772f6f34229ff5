"""Fit one step of a pipeline to a source and a target."""

from __future__ import annotations

import os
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import replace
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from skdidan.audio.cache import cache_folder
from skdidan.audio.recordings import AudioTransformer
from skdidan.domains import Domains, Target, n_rows, source_path, take_rows, takes_target
from skdidan.estimators import DomainEstimator, DomainTransformer

__all__ = [
    "adapt_steps",
    "check_reach",
    "check_steps",
    "current_inner",
    "draws_groups",
    "drop_rows",
    "find_parameters",
    "find_parts",
    "fit_last",
    "fit_step",
    "is_passthrough",
    "last_step",
    "lend_memory",
    "mark_missing",
    "named_pairs",
    "scores_pairs",
    "send_through",
    "set_inner",
    "share_params",
    "spare_groups",
    "unwrap",
    "waits_for_target",
    "weight_params",
]

_OWN = {"X", "y", "X_tgt", "sample_domain", "groups"}  # arguments that a pipeline gives each step


def named_pairs(steps: Any) -> list[tuple[str, Any]]:
    """Return the steps, or an empty list if they are no list of names and estimators."""
    is_list = isinstance(steps, list | tuple) and all(
        isinstance(step, list | tuple) and len(step) == 2 and isinstance(step[0], str)
        for step in steps
    )
    return list(steps) if is_list else []


def is_passthrough(step: Any) -> bool:
    """Tell whether a step is left out."""
    return step is None or (isinstance(step, str) and step == "passthrough")


def check_steps(steps: Any, reserved: Iterable[str], name: str = "steps") -> None:
    """Refuse names and steps that a pipeline, or a union of `transformers`, cannot use."""
    are_steps = name == "steps"
    if not named_pairs(steps):
        kind = "pipeline" if are_steps else "union"
        raise ValueError(
            f"{name} must be a list of (name, estimator), at least one; got {steps!r}. "
            f"make_adaptation_{kind} takes estimators without names."
        )
    names, reserved = [name for name, _ in steps], sorted(reserved)
    for name in names:
        if names.count(name) > 1 or "__" in name or name in reserved:
            raise ValueError(
                "The names of steps must be unique, must not contain '__' and must not be one "
                f"of {reserved}; got {name!r} in {names}."
            )
    for name, step in steps:
        if isinstance(step, type):
            raise TypeError(f"Step {name!r} is a class; pass an instance of it: {step.__name__}().")
        needed = ["fit"] if are_steps and name == names[-1] else ["fit", "transform"]
        missing = [method for method in needed if not hasattr(step, method)]
        if missing and not is_passthrough(step):
            raise TypeError(
                f"Step {name!r} must have {' and '.join(needed)}, or be 'passthrough'; "
                f"{step!r} has no {' and no '.join(missing)}."
            )


def check_reach(steps: list[tuple[str, Any]]) -> None:
    """Raise a TypeError for a step that does not pass the target to the estimators inside it."""
    for name, step in steps:
        inner = [part for part in find_parts(step) if hasattr(part, "fit") and takes_target(part)]
        if inner and not takes_target(step):
            raise TypeError(
                f"Step {name!r}, a {type(step).__name__}, does not hand the target on to "
                f"{sorted({type(part).__name__ for part in inner})} inside it. Nest an "
                "AdaptationPipeline in place of a Pipeline, or move the adaptation estimator into "
                "a step of its own."
            )


def set_inner(meta: Any, params: dict[str, Any]) -> None:
    """Set parameters ``estimator__...`` of a fitted meta-estimator in its `estimator_`, too."""
    prefix = "estimator__"
    inner = {k.removeprefix(prefix): value for k, value in params.items() if k.startswith(prefix)}
    if inner and hasattr(meta, "estimator_"):
        meta.estimator_.set_params(**inner)


def current_inner(meta: Any) -> Any:
    """Return the estimator inside a meta-estimator: the fitted one, once there is one."""
    return getattr(meta, "estimator_", meta.estimator)


def unwrap(estimator: Any) -> Any:
    """Return the fitted estimator inside of a search or a `FrozenEstimator`."""
    while isinstance(estimator, FrozenEstimator) or hasattr(estimator, "best_estimator_"):
        is_search = hasattr(estimator, "best_estimator_")
        estimator = estimator.best_estimator_ if is_search else estimator.estimator
    return estimator


def last_step(estimator: Any) -> Any:
    """Return the estimator at the end of pipelines and searches, however deep."""
    return _open_chains(estimator)[-1]


def scores_pairs(estimator: Any) -> bool:
    """Tell whether a classifier has one score per pair of classes (as an SVC by "ovo")."""
    return "ovo" in find_parameters(estimator, "decision_function_shape").values()


def find_parameters(estimator: Any, name: str) -> dict[str, Any]:
    """Return the parameters of this name in an estimator and in all estimators inside it."""
    params = estimator.get_params() if hasattr(estimator, "get_params") else {}
    return {path: value for path, value in params.items() if path.split("__")[-1] == name}


def send_through(
    estimator: Any, X: Any, sample_domain: NDArray[Any] | None = None
) -> tuple[Any, Any]:
    """Transform X by all steps but the last; return the last step and its input."""
    *chains, last = _open_chains(estimator)
    for chain in chains:
        if len(chain) > 1:
            front = chain[:-1]
            X = front.transform(X, **source_path(front.transform, sample_domain))
    return last, X


def mark_missing(values: Any, rows: Iterable[int]) -> NDArray[Any]:
    """Return labels that are None, and numbers that are NaN, in rows that could not be used."""
    values = np.asarray(values)
    rows = list(rows)
    if not rows:
        return values
    is_number = values.dtype.kind == "f"
    marked = values.copy() if is_number else values.astype(object)
    marked[rows] = np.nan if is_number else None
    return marked


def drop_rows(rows: Iterable[int], X: Any, *parts: Any) -> list[Any]:
    """Leave rows out of X and of other parts, of which some may be None."""
    kept = np.setdiff1d(np.arange(n_rows(X)), list(rows))
    if not len(kept):
        raise ValueError("X holds no recording that can be used, so it has no score.")
    return [None if part is None else take_rows(part, kept) for part in (X, *parts)]


def lend_memory(step: Any, copy: Any, memory: Any) -> None:
    """Set `memory` of the audio transformers, however deep, in a copy of a step.

    Transformers with a `memory` of their own in the step, or in a nested `AdaptationPipeline` with
    one, keep it. The path is made absolute, so that a pickle works from any directory.
    """
    folder = cache_folder(memory)
    if copy is step or not hasattr(step, "get_params"):  # a step set after the fit is no copy
        return
    parts = {"": step} | {f"{name}__": part for name, part in step.get_params().items()}
    # scikit-learn's Pipeline has a memory for whole steps; a frozen estimator must stay as it is.
    provided = tuple(
        name
        for name, part in parts.items()
        if isinstance(part, FrozenEstimator)
        or (getattr(part, "memory", None) is not None and not isinstance(part, Pipeline))
    )
    lent = {
        f"{name}memory": folder and os.path.abspath(folder)
        for name, part in parts.items()
        if isinstance(part, AudioTransformer) and not name.startswith(provided)
    }
    if lent:
        copy.set_params(**lent)


def share_params(
    steps: list[tuple[str, Any]], params: dict[str, Any], domains: Domains
) -> dict[str, dict[str, Any]]:
    """Return the arguments ``step__argument`` of a fit by their step, with checked weights."""
    shares: dict[str, dict[str, Any]] = {name: {} for name, _ in steps}
    for path, value in params.items():
        name, _, key = path.partition("__")
        if not key or name not in shares:
            raise TypeError(
                f"fit got {path!r}, which is neither its argument nor step__argument with a step "
                f"of {list(shares)}, such as {steps[-1][0]}__{path}."
            )
        step = dict(steps)[name]
        if is_passthrough(step) or key in _OWN or not _takes(step, key):
            raise TypeError(
                f"fit got {path!r}, but {step!r}, step {name!r}, takes no {key} in fit."
            )
        if _is_weight(key) and value is not None:
            value = domains.weigh(value, path).weights
        shares[name][key] = value
    return shares


def _is_weight(key: str) -> bool:
    return key.rpartition("__")[2] == "sample_weight"


def spare_groups(domains: Domains, step: Any, before: Iterable[Any]) -> Domains:
    """Drop groups that an earlier step has used, and that the last one does not take."""
    is_spared = any(map(draws_groups, before)) and not _takes(step, "groups")
    return replace(domains, groups=None) if is_spared else domains


def find_parts(estimator: Any) -> list[Any]:
    """List what is inside an estimator, however deep."""
    is_open = hasattr(estimator, "get_params") and not isinstance(estimator, type)
    return list(estimator.get_params().values()) if is_open else []


def draws_groups(step: Any) -> bool:
    """Tell whether a transformer uses groups of the source; `CorpusScaler` needs the target's."""
    return isinstance(step, DomainTransformer) and step.draws_groups


def _takes(step: Any, key: str) -> bool:
    """Tell whether ``fit`` of a step takes an argument, by its name or among others."""
    taken = signature(step.fit).parameters
    return key in taken or any(p.kind is p.VAR_KEYWORD for p in taken.values())


def weight_params(estimator: Any, weights: NDArray[Any] | None) -> dict[str, Any]:
    """Return weights of the source under the name by which ``fit`` of an estimator takes them.

    A pipeline takes those of its last step, and a search those of its estimator.
    """
    inner, path = estimator, []
    while weights is not None and not has_fit_parameter(inner, "sample_weight"):
        if hasattr(inner, "named_steps") and hasattr(inner.steps[-1][1], "fit"):
            name, inner = inner.steps[-1]
            path.append(name)
        elif _takes(inner, "sample_weight") and hasattr(inner, "estimator"):
            inner = inner.estimator
        else:
            raise TypeError(
                f"sample_weight goes to fit of {type(inner).__name__}, which takes none: leave it "
                "out, or use another classifier."
            )
    return {} if weights is None else {"__".join([*path, "sample_weight"]): weights}


def fit_last(
    name: str,
    step: Any,
    domains: Domains,
    memory: Any = None,
    before: Any = None,
    params: dict[str, Any] | None = None,
) -> Any:
    """Fit a copy of the last step; with ``warm_start`` it begins where the one before has ended."""
    step = _copy(step, memory)
    if type(before) is type(step) and _starts_warm(step):
        settings, step = step.get_params(deep=False), deepcopy(before)
        vars(step).update(settings)  # by set_params a pipeline changes its fitted steps
    X, y, groups, more = _fit_arguments(step, _sort_like_columns(step, domains), params)
    if groups is not None:
        if not _takes(step, "groups"):
            raise TypeError(f"groups go to the last step, but {name!r}, {step!r}, takes none.")
        more["groups"] = groups
    return step.fit(X, y, **more)


def fit_step(
    step: Any,
    domains: Domains,
    memory: Any,
    with_target: bool,
    params: dict[str, Any] | None = None,
) -> tuple[Any, Domains]:
    """Fit a copy of a transformer and send both domains through it."""
    step = _copy(step, memory)
    order, domains = domains.order, _sort_like_columns(step, domains)
    by_row = with_target and isinstance(step, AudioTransformer)
    X, y, groups, more = _fit_arguments(step, domains, params, by_row)
    if groups is not None and draws_groups(step):
        more["groups"] = groups
    elif groups is not None and any(map(draws_groups, find_parts(step))):
        raise TypeError(
            f"groups do not reach the selector inside {step!r}: make it a step of the outer "
            "pipeline."
        )
    if hasattr(step, "fit_transform"):
        Z = step.fit_transform(X, y, **more)
    else:
        Z = step.fit(X, y, **more).transform(X)
    if X is not domains.X_src:
        return step, replace(domains.unstack(Z), order=order)
    Z_tgt = domains.X_tgt
    if with_target and Z_tgt is not None:
        Z_tgt = step.transform(Z_tgt)
    return step, replace(domains.replace(Z, Z_tgt), order=order)


def waits_for_target(estimator: Any) -> bool:
    """Tell whether a classifier is fitted to its source alone, and adapts later."""
    return hasattr(estimator, "adapt") and is_classifier(estimator)


def adapt_steps(steps: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Return the fitted steps, with copies of those that `adapt` changes.

    Raises a TypeError for a step that cannot follow a new target without the source.
    """
    check_reach(steps)
    for name, step in steps:
        if not is_passthrough(step) and takes_target(step) and not hasattr(step, "adapt"):
            raise TypeError(
                f"Step {name!r}, a {type(step).__name__}, cannot adapt without the source. Leave "
                "it out, or fit the pipeline to the source and the new target."
            )
    return [(name, deepcopy(step) if hasattr(step, "adapt") else step) for name, step in steps]


def _sort_like_columns(step: Any, domains: Domains) -> Domains:
    """Keep the rows of a kernel source first, as its columns are, whatever the caller's order."""
    is_kernel = isinstance(step, DomainEstimator) and get_tags(step).input_tags.pairwise
    return replace(domains, order=None) if is_kernel else domains


def _fit_arguments(
    step: Any, domains: Domains, params: dict[str, Any] | None = None, by_row: bool = False
) -> tuple[Any, Any, Any, dict[str, Any]]:
    """Return X, y, groups, and `params` with that by which ``fit`` of a step takes the target.

    A step that works row by row may be given the rows of both domains as its X.
    """
    X, y, X_tgt = domains
    params = dict(params or {})
    # Rows that the caller stacked stay so, since errors name their numbers. Windows are cut apart.
    is_ours = isinstance(step, DomainEstimator)
    is_stacked = domains.order is not None and (by_row or is_ours)
    is_stacked |= domains.has_several and is_ours
    if X_tgt is None or not (is_stacked or takes_target(step)):
        return X, y, domains.groups, params
    if is_stacked or (domains.has_several and _tells_corpora(step)):
        *stacked, numbers = domains.stack()
        params |= {key: domains.spread(params[key]) for key in params if _is_weight(key)}
        return *stacked, params if by_row else {**params, "sample_domain": numbers}
    # A wrapper, such as a search, might slice an argument that has a length; a pipeline transforms.
    is_whole = has_fit_parameter(step, "X_tgt") or hasattr(step, "named_steps")
    return X, y, domains.groups, {**params, "X_tgt": X_tgt if is_whole else Target(X_tgt)}


def _copy(step: Any, memory: Any) -> Any:
    new = clone(step)
    lend_memory(step, new, memory)
    return new


def _starts_warm(estimator: Any) -> bool:
    """Tell whether an estimator of ours begins at its last fit; others may keep old classes."""
    params = estimator.get_params()
    owners = (
        params[path.rpartition("__")[0]] if "__" in path else estimator
        for path, value in find_parameters(estimator, "warm_start").items()
        if value is True
    )
    return any(isinstance(owner, DomainEstimator) for owner in owners)


def _open_chains(estimator: Any) -> list[Any]:
    """List the pipelines, ours or scikit-learn's, from the outermost, and the last step."""
    opened = [unwrap(estimator)]
    while hasattr(opened[-1], "named_steps"):
        opened.append(unwrap(opened[-1][-1]))
    return opened


def _tells_corpora(step: Any) -> bool:
    """Tell whether a step may treat each corpus of a domain in its own way."""
    later = [getattr(step, name) for name in ("transform", "predict") if hasattr(step, name)]
    return has_fit_parameter(step, "sample_domain") and any(
        "sample_domain" in signature(method).parameters for method in later
    )
