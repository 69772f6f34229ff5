"""How one step of a pipeline receives the source and the target."""

from __future__ import annotations

import os
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from skdidan.audio.cache import cache_folder
from skdidan.audio.recordings import AudioTransformer
from skdidan.domains import (
    Domains,
    Target,
    merge_domains,
    n_rows,
    open_target,
    source_path,
    source_rows,
    take_rows,
    takes_target,
)
from skdidan.padding import trim_padding

__all__ = [
    "check_reach",
    "corpus_numbers",
    "fit_arguments",
    "fit_step",
    "is_passthrough",
    "last_step",
    "lend_memory",
    "lengthen",
    "scores_pairs",
    "send_through",
    "unwrap",
]


def is_passthrough(step: Any) -> bool:
    """Tell whether a step is left out."""
    return step is None or (isinstance(step, str) and step == "passthrough")


def check_reach(steps: list[tuple[str, Any]]) -> None:
    """Refuse a step that would keep the target from an estimator inside it."""
    for name, step in steps:
        if hasattr(step, "get_params") and not takes_target(step):
            inner = step.get_params(deep=True).values()
            lost = {
                type(part).__name__ for part in inner if hasattr(part, "fit") if takes_target(part)
            }
            if lost:
                raise TypeError(
                    f"Step {name!r}, a {type(step).__name__}, does not hand the target on to "
                    f"{sorted(lost)} inside it. Nest an AdaptationPipeline in place of a Pipeline, "
                    "or make what takes the target a step of its own."
                )


def lend_memory(step: Any, memory: Any) -> Any:
    """Return a clone of a step whose audio transformers, however deep, use the given memory.

    A transformer with its own `memory`, or in a nested `AdaptationPipeline` with one, keeps it. The
    folder is passed as an absolute path, so that a pickle finds it from anywhere. A step without
    audio transformers is returned as it is.
    """
    folder = cache_folder(memory)
    if folder is None or not hasattr(step, "get_params"):
        return step
    parts = {"": step} | {f"{name}__": part for name, part in step.get_params().items()}
    # The memory of scikit-learn's Pipeline is for whole steps, not for recordings.
    provided = tuple(
        name
        for name, part in parts.items()
        if getattr(part, "memory", None) is not None and not isinstance(part, Pipeline)
    )
    lent = {
        f"{name}memory": os.path.abspath(folder)
        for name, part in parts.items()
        if isinstance(part, AudioTransformer) and not name.startswith(provided)
    }
    return clone(step).set_params(**lent) if lent else step


def unwrap(estimator: Any) -> Any:
    """Return the fitted estimator inside of a search or a `FrozenEstimator`."""
    while isinstance(estimator, FrozenEstimator) or hasattr(estimator, "best_estimator_"):
        is_search = hasattr(estimator, "best_estimator_")
        estimator = estimator.best_estimator_ if is_search else estimator.estimator
    return estimator


def last_step(estimator: Any) -> Any:
    """Return the estimator at the end of pipelines and searches, however deep."""
    estimator = unwrap(estimator)
    while _is_chain(estimator):
        estimator = unwrap(estimator[-1])
    return estimator


def scores_pairs(estimator: Any) -> bool:
    """Tell whether a classifier may score pairs of classes, as an SVC does if it is set to."""
    params = estimator.get_params() if hasattr(estimator, "get_params") else {}
    return any(
        name.split("__")[-1] == "decision_function_shape" and value == "ovo"
        for name, value in params.items()
    )


def send_through(
    estimator: Any, X: Any, sample_domain: NDArray[Any] | None = None
) -> tuple[Any, Any]:
    """Return the estimator at the end of fitted pipelines and searches, and what it is given.

    Parameters
    ----------
    estimator : estimator
        A fitted one.
    X : array-like or list, of n_samples rows
        Its rows.
    sample_domain : ndarray of int, shape (n_samples,), optional
        ``>= 0`` for rows of the source; told to the pipelines that ask for it.

    Returns
    -------
    last : estimator
        As from `last_step`.
    Z : array-like or list, of n_samples rows
        What the steps before it made of the rows.
    """
    estimator = unwrap(estimator)
    while _is_chain(estimator):
        if len(estimator) > 1:
            front = estimator[:-1]
            X = front.transform(X, **source_path(front.transform, sample_domain))
        estimator = unwrap(estimator[-1])
    return estimator, X


def corpus_numbers(X: Any, sample_domain: ArrayLike | None) -> NDArray[Any] | None:
    """Return the number of the corpus of each row, source first, if a domain has several.

    Parameters
    ----------
    X : array-like, list or Target, of n_samples rows
        Both domains, stacked.
    sample_domain : array-like of int, shape (n_samples,), or None
        ``>= 0`` for a source row, ``< 0`` for a target row.

    Returns
    -------
    corpora : ndarray of int, shape (n_samples,), or None
        The numbers of the source rows, then those of the target rows.
    """
    if sample_domain is None:
        return None
    numbers, is_source = np.asarray(sample_domain), source_rows(open_target(X), sample_domain)
    parts = numbers[is_source], numbers[~is_source]
    return np.concatenate(parts) if max(len(np.unique(part)) for part in parts) > 1 else None


def fit_arguments(
    step: Any, domains: Domains, corpora: NDArray[Any] | None
) -> tuple[Any, Any, dict[str, Any]]:
    """Return X, y and the further argument by which ``fit`` of a step takes the domains.

    Parameters
    ----------
    step : estimator
        The step.
    domains : Domains
        Source, labels and target, as they came out of the step before.
    corpora : ndarray of int, shape (n_samples,), or None
        As from `corpus_numbers`.

    Returns
    -------
    X : array-like or list
        The source; both domains stacked, the source first, for a step that tells several corpora
        of a domain apart.
    y : array-like, of as many entries as X, or None
        Labels; no label of the target is among them.
    params : dict of str to object
        `X_tgt`, or `sample_domain` with stacked rows, or nothing for a step that takes no target.
    """
    X, y, X_tgt = domains
    if X_tgt is None or not takes_target(step):
        return X, y, {}
    if corpora is not None and _tells_corpora(step):
        X = merge_domains(X, X_tgt, corpora >= 0)
        return X, None if y is None else lengthen(y, len(corpora)), {"sample_domain": corpora}
    # A wrapper, such as a search, might slice what has a length.
    return X, y, {"X_tgt": X_tgt if has_fit_parameter(step, "X_tgt") else Target(X_tgt)}


def fit_step(
    step: Any,
    domains: Domains,
    corpora: NDArray[Any] | None,
    with_target: bool,
) -> tuple[Any, Domains]:
    """Fit a copy of a transformer and send the domains through it.

    Parameters
    ----------
    step : estimator
        The transformer, which stays as it is.
    domains : Domains
        What comes in.
    corpora : ndarray of int, shape (n_samples,), or None
        As from `corpus_numbers`.
    with_target : bool
        Whether the target is needed further on; if not it may stay behind.

    Returns
    -------
    step : estimator
        The fitted transformer.
    domains : Domains
        What comes out.
    """
    X, y, params = fit_arguments(step, domains, corpora)
    step = clone(step)
    if hasattr(step, "fit_transform"):
        Z = step.fit_transform(X, y, **params)
    else:
        Z = step.fit(X, y, **params).transform(X)
    Z_tgt = domains.X_tgt
    if "sample_domain" in params:
        Z, Z_tgt = _unstack(Z, n_rows(domains.X_src))
    elif with_target and Z_tgt is not None:
        Z_tgt = step.transform(Z_tgt)
    return step, Domains(Z, domains.y_src, Z_tgt)


def lengthen(values: Any, n: int) -> Any:
    """Repeat the first value up to `n`, in place of what nobody reads for a row of the target."""
    rows = np.arange(n)
    return take_rows(values, np.where(rows < n_rows(values), rows, 0))


def _is_chain(estimator: Any) -> bool:
    """Tell a pipeline, ours or that of scikit-learn."""
    return hasattr(estimator, "named_steps")


def _tells_corpora(step: Any) -> bool:
    """Tell whether a step may treat each corpus of a domain in its own way."""
    later = [getattr(step, name) for name in ("transform", "predict") if hasattr(step, name)]
    return has_fit_parameter(step, "sample_domain") and any(
        "sample_domain" in signature(method).parameters for method in later
    )


def _unstack(Z: Any, n_source: int) -> list[Any]:
    parts = [take_rows(Z, rows) for rows in np.split(np.arange(n_rows(Z)), [n_source])]
    return [trim_padding(part) if isinstance(part, np.ndarray) else part for part in parts]
