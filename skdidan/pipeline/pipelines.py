"""Chains of transformers and a classifier that take a source and a target."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skdidan.audio.reports import collect_unusable
from skdidan.domains import (
    Domains,
    NoTargetWarning,
    check_sample_domain,
    open_target,
    source_path,
    takes_target,
)
from skdidan.parameters import check_verbose
from skdidan.pipeline.adapting import adapt_if
from skdidan.pipeline.chains import StepChain
from skdidan.pipeline.steps import (
    adapt_steps,
    check_reach,
    check_steps,
    drop_rows,
    fit_last,
    fit_step,
    is_passthrough,
    mark_missing,
    share_params,
    spare_groups,
    waits_for_target,
)
from skdidan.probabilities import log_of
from skdidan.reporting import quiet

__all__ = ["AdaptationPipeline"]


def _last_step_transforms(pipeline: AdaptationPipeline) -> bool:
    return is_passthrough(pipeline._last) or hasattr(pipeline._last, "transform")


def _last_step_adapts(pipeline: AdaptationPipeline) -> bool:
    last = pipeline._last
    return hasattr(last, "adapt") or (_last_step_transforms(pipeline) and not takes_target(last))


class AdaptationPipeline(StepChain):
    """Chain of transformers and a final estimator, fitted to a source and a target.

    Both domains go through the steps side by side. A transformer whose ``fit`` takes `X_tgt` is
    fitted to both, any other one to the source. The source takes its ``fit_transform``, the target
    its ``transform``, so that steps such as `CorpusScaler` treat each domain in its own way. The
    last step gets the target if its ``fit`` takes it. Target labels reach no step.

    Parameters
    ----------
    steps : list of (str, estimator)
        Names and estimators, the transformers first. ``"passthrough"`` or None leaves a step out.
        Copies are fitted.
    memory : str, path-like or joblib.Memory, default=None
        Folder for the audio transformers among the steps, however deep, that have no `memory` of
        their own: they keep the row of each recording there, so that it is computed once per
        setting in a search with any folds. No other step is cached. "Save time" in the docs says
        when a row is computed again.
    verbose : bool or int, default=False
        Whether to print the time that each step took.

    Attributes
    ----------
    steps_ : list of (str, estimator)
        The fitted steps; indexing the pipeline gives these.
    columns_ : ndarray of int, shape (n_samples,), or None
        Order of the columns of a precomputed kernel: source, then target. None without
        `sample_domain`, or if the first step takes no kernel.
    classes_ : ndarray, shape (n_classes,)
        The classes, if the last step is a classifier.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number and names of the columns, if the first step has them.

    See Also
    --------
    make_adaptation_pipeline : The same without naming the steps.
    Target : Holder of the target for searches.

    Notes
    -----
    A search slices every fit parameter that has as many rows as ``X``: give it the target as
    ``search.fit(X, y, X_tgt=Target(X_tgt))``. In a cross-validation, held-out source rows take the
    path of the target, unless a `TargetScorer` scores them.

    If the first step takes a precomputed kernel, as `TCA` does, give `fit` the square matrix of all
    rows and `sample_domain`; a search then splits rows and columns. Rows to predict hold their
    kernel with the rows of the fit, in the order of the fit.

    A step that wraps an estimator, such as a search, gets the target as a `Target`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.svm import SVC
    >>> from skdidan import TCA, AdaptationPipeline, CorpusScaler
    >>> rng = np.random.default_rng(0)
    >>> y_src, y_tgt = np.repeat(["anger", "fear"], 20), np.repeat(["anger", "fear"], 15)
    >>> X_src = rng.normal(size=(40, 3)) + 3.0 * (y_src == "fear")[:, None]
    >>> X_tgt = rng.normal(size=(30, 3)) + 3.0 * (y_tgt == "fear")[:, None] + 10.0
    >>> steps = [("scaler", CorpusScaler()), ("tca", TCA(2)), ("svc", SVC())]
    >>> pipeline = AdaptationPipeline(steps).fit(X_src, y_src, X_tgt)
    >>> bool(pipeline.score(X_tgt, y_tgt) > 0.9)
    True
    """

    def __init__(
        self, steps: list[tuple[str, Any]], *, memory: Any = None, verbose: bool | int = False
    ) -> None:
        self.steps = steps
        self.memory = memory
        self.verbose = verbose

    def _check_parameters(self) -> None:
        check_steps(self.steps, self.get_params(deep=False))
        check_verbose(self.verbose)

    def _check_domains(self, domains: Domains) -> Domains:
        """Bring the columns of a kernel of stacked rows into the order of the rows."""
        self.columns_ = domains.order if get_tags(self).input_tags.pairwise else None
        if self.columns_ is None:
            return domains
        X_src, X_tgt = (_take_columns(X, self.columns_) for X in (domains.X_src, domains.X_tgt))
        return replace(domains, X_src=X_src, X_tgt=X_tgt)

    def fit(
        self,
        X: Any,
        y: Any = None,
        X_tgt: Any = None,
        *,
        sample_domain: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        **params: Any,
    ) -> Self:
        """Fit the steps to a labelled source and an unlabelled target.

        Parameters
        ----------
        X : array-like or list, of n_source rows
            The source, in any form that the first step takes: paths, waveforms, spectrograms or
            features. With `sample_domain`, both domains stacked in any order, of n_samples rows.
        y : array-like, of as many entries as X
            Labels of `X`. Entries for target rows are never read.
        X_tgt : array-like, list or Target, of n_target rows, optional
            The unlabelled target.
        sample_domain : array-like of int, shape (n_samples,), optional
            ``>= 0`` for a source row of `X`, ``< 0`` for a target row. Each number is a corpus.
        groups : array-like, of as many entries as X, optional
            Group of each row, such as its speaker, for the last step and `CorpusInvariantSelector`.
        **params : object
            Further arguments of ``fit`` of a step, named ``step__argument``, as in scikit-learn. A
            ``step__sample_weight`` has an entry for each row of `X`; those of target rows are never
            read.

        Returns
        -------
        self : object
            The fitted pipeline.

        Raises
        ------
        ValueError
            If `steps` or lengths do not match, or as the steps raise it.
        TypeError
            If a step lacks a method, or if the step takes no `groups` or no argument of `params`.

        Warns
        -----
        NoTargetWarning
            If no target is given: each step that takes one then uses the source alone.
        """
        fit = partial(self._fit_steps, params=params)
        self._learn(fit, X, y, X_tgt, sample_domain=sample_domain, groups=groups)
        return self

    def _fit(self, domains: Domains) -> None:
        self._fit_steps(domains)

    @available_if(_last_step_transforms)
    def fit_transform(
        self,
        X: Any,
        y: Any = None,
        X_tgt: Any = None,
        *,
        sample_domain: ArrayLike | None = None,
        **params: Any,
    ) -> Any:
        """Fit the steps and transform the rows of `X`, for chains of transformers.

        Parameters
        ----------
        X, y, X_tgt, sample_domain, **params
            As in `fit`.

        Returns
        -------
        Z : array-like, of n_source or n_samples rows
            The transformed source; with `sample_domain` all rows, in the order of `X`.
        """
        fit = partial(self._fit_steps, transforms=True, params=params)
        return self._learn(fit, X, y, X_tgt, sample_domain=sample_domain).restore()

    @adapt_if(_last_step_adapts, attrgetter("_last"))
    def adapt(self, X_tgt: Any) -> Self:
        """Adapt the fitted steps to a new target, without the source.

        The rows go through the steps as those of a target. A step with a method `adapt`, such as
        `CorpusScaler` or `SHOTClassifier`, is adapted on its turn. Steps that took no target in
        `fit` stay as they are. The pipeline has this method if its last step does.

        Parameters
        ----------
        X_tgt : array-like, list or Target, of n_target rows
            The unlabelled target, as the first step takes it.

        Returns
        -------
        self : object
            The adapted pipeline.

        Raises
        ------
        TypeError
            If a step needs the source, such as `TCA`.
        ValueError
            As the steps raise it.
        """
        check_is_fitted(self)
        steps, X = adapt_steps(self.steps_), open_target(X_tgt)
        for number, (name, step) in enumerate(steps):
            if not is_passthrough(step):
                with self._timed(number, name):
                    if hasattr(step, "adapt"):
                        step.adapt(X)
                    if number < len(steps) - 1:
                        X = step.transform(X)
        self.steps_ = steps
        return self

    @available_if(attrgetter("_last.predict"))
    def predict(self, X: Any, *, sample_domain: ArrayLike | None = None) -> NDArray[Any]:
        """Predict the labels of rows of the target.

        Parameters
        ----------
        X : array-like or list, of n_samples rows
            Rows of the target, as the first step takes them.
        sample_domain : array-like of int, shape (n_samples,), optional
            ``>= 0`` for rows that go through the steps as source rows.

        Returns
        -------
        y : ndarray, shape (n_samples,)
            The labels. With ``on_error="warn"`` of the audio transformer, also if set after `fit`,
            a recording that cannot be used has no label: None in an array of objects, or NaN if
            the labels are floats. The reasons are those of the `AudioWarning`.
        """
        return self._last_step(X, "predict", sample_domain)

    @available_if(attrgetter("_last.predict_proba"))
    def predict_proba(self, X: Any, *, sample_domain: ArrayLike | None = None) -> NDArray[Any]:
        """Return the probability of each class for rows of the target.

        Parameters
        ----------
        X, sample_domain
            As in `predict`.

        Returns
        -------
        probabilities : ndarray of float, shape (n_samples, n_classes)
            In the order of `classes_`; NaN for a recording that cannot be used, as in `predict`.
        """
        return self._last_step(X, "predict_proba", sample_domain)

    @available_if(attrgetter("_last.predict_proba"))
    def predict_log_proba(self, X: Any, *, sample_domain: ArrayLike | None = None) -> NDArray[Any]:
        """Return the logarithm of `predict_proba`, from the last step itself if it has one."""
        if hasattr(self._last, "predict_log_proba"):
            return self._last_step(X, "predict_log_proba", sample_domain)
        return log_of(self.predict_proba(X, sample_domain=sample_domain))

    @available_if(attrgetter("_last.decision_function"))
    def decision_function(self, X: Any, *, sample_domain: ArrayLike | None = None) -> NDArray[Any]:
        """Return the decision values of rows of the target.

        Parameters
        ----------
        X, sample_domain
            As in `predict`.

        Returns
        -------
        values : ndarray of float, shape (n_samples,) or (n_samples, n_classes)
            As the last step gives them; NaN for a recording that cannot be used.
        """
        return self._last_step(X, "decision_function", sample_domain)

    @available_if(attrgetter("_last.score"))
    def score(
        self,
        X: Any,
        y: Any = None,
        sample_weight: ArrayLike | None = None,
        *,
        sample_domain: ArrayLike | None = None,
    ) -> float:
        """Score the predictions for rows of the target by the last step's own measure.

        Parameters
        ----------
        X, sample_domain
            As in `predict`.
        y : array-like, shape (n_samples,), optional
            True labels.
        sample_weight : array-like of float, shape (n_samples,), optional
            Weight of each row.

        Returns
        -------
        score : float
            The score; accuracy for a classifier. Recordings that cannot be used, as in `predict`,
            are left out.
        """
        with collect_unusable() as bad:
            Z = self._front(X, sample_domain)
        if bad:
            Z, y, sample_weight, sample_domain = drop_rows(bad, Z, y, sample_weight, sample_domain)
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        call = self.steps_[-1][1].score
        return call(Z, y, **weights, **source_path(call, sample_domain))

    @available_if(_last_step_transforms)
    def transform(self, X: Any, *, sample_domain: ArrayLike | None = None) -> Any:
        """Transform rows of the target, for chains of transformers.

        Parameters
        ----------
        X, sample_domain
            As in `predict`.

        Returns
        -------
        Z : array-like, of n_samples rows
            The transformed rows.
        """
        if is_passthrough(self._last):
            return self._front(X, sample_domain)
        return self._last_step(X, "transform", sample_domain)

    def _fit_steps(
        self, domains: Domains, *, transforms: bool = False, params: Any = None
    ) -> Domains:
        """Fit copies of the steps; transform the target up to the last step that uses it."""
        given = share_params(self.steps, params or {}, domains)
        if domains.X_tgt is not None:
            check_reach(self.steps)
        takers = [number for number, (_, step) in enumerate(self.steps) if takes_target(step)]
        is_stacked = transforms and domains.order is not None
        end = len(self) if is_stacked else max(takers, default=0)
        if domains.X_tgt is None and waits_for_target(self.steps[-1][1]):
            with quiet(".*", NoTargetWarning):
                return self._fit_each(domains, end, transforms, given)
        return self._fit_each(domains, end, transforms, given)

    def _fit_each(self, domains: Domains, end: int, transforms: bool, given: Any) -> Domains:
        fitted: list[tuple[str, Any]] = []
        for number, (name, step) in enumerate(self.steps):
            if not is_passthrough(step):
                with self._timed(number, name):
                    if transforms or number < len(self) - 1:
                        step, domains = fit_step(
                            step, domains, self.memory, number < end, given[name]
                        )
                    else:
                        domains = spare_groups(domains, step, dict(fitted).values())
                        before = getattr(self, "steps_", [(None, None)])[-1][1]
                        step = fit_last(name, step, domains, self.memory, before, given[name])
            fitted.append((name, step))
        self.steps_ = fitted
        return domains

    def _front(self, X: Any, sample_domain: ArrayLike | None) -> Any:
        """Send rows, by default of the target, through all steps but the last."""
        check_is_fitted(self)
        X = open_target(X)
        if sample_domain is not None:
            check_sample_domain(X, sample_domain)
        X = _take_columns(X, self.columns_)
        for _, step in self.steps_[:-1]:
            if not is_passthrough(step):
                X = step.transform(X, **source_path(step.transform, sample_domain))
        return X

    def _last_step(self, X: Any, method: str, sample_domain: ArrayLike | None) -> Any:
        """Call a method of the last step; recordings that cannot be used have no result."""
        with collect_unusable() as bad:
            X = self._front(X, sample_domain)
        call = getattr(self.steps_[-1][1], method)
        result = call(X, **source_path(call, sample_domain))
        return mark_missing(result, bad) if bad and method != "transform" else result

    @contextmanager
    def _timed(self, number: int, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        if self.verbose:
            seconds = time.perf_counter() - start
            print(f"[AdaptationPipeline] step {number + 1} of {len(self)}, {name}: {seconds:.1f} s")


def _take_columns(X: Any, columns: NDArray[Any] | None) -> Any:
    """Order the columns of a kernel; other shapes are left for the first step to refuse."""
    if columns is None or np.shape(X)[1:] != columns.shape:
        return X
    return X.iloc[:, columns] if hasattr(X, "iloc") else np.asarray(X)[:, columns]
