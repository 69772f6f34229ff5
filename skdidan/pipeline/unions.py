"""Features of several transformers side by side, each fitted to a source and a target."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import TransformerMixin
from sklearn.pipeline import FeatureUnion
from sklearn.utils import Tags, get_tags
from sklearn.utils.validation import check_is_fitted

from skdidan.domains import Domains, check_sample_domain, open_target, source_path
from skdidan.estimators import DomainEstimator
from skdidan.pipeline.parts import NamedParts
from skdidan.pipeline.steps import adapt_steps, check_reach, check_steps, fit_step, is_passthrough

__all__ = ["AdaptationUnion"]


class AdaptationUnion(NamedParts, TransformerMixin, DomainEstimator):
    """Put the features of several transformers side by side, each fitted to both domains.

    Each part gets the rows of the source and, if its ``fit`` takes `X_tgt`, those of the target.
    The source takes its ``fit_transform``, the target its ``transform``, as in
    `AdaptationPipeline`. `sklearn.pipeline.FeatureUnion` would not hand on the target.

    Parameters
    ----------
    transformers : list of (str, transformer)
        Names and transformers, among them pipelines that end in one. ``"passthrough"`` or None
        stands for the features as they are. Copies are fitted.

    Attributes
    ----------
    transformers_ : list of (str, transformer)
        The fitted transformers.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number and names of the columns, if the first transformer has them.

    See Also
    --------
    make_adaptation_union : The same without naming the transformers.

    Examples
    --------
    Components of both domains beside the scaled features:

    >>> import numpy as np
    >>> from skdidan import TCA, AdaptationUnion, CorpusScaler
    >>> rng = np.random.default_rng(0)
    >>> X_src, X_tgt = rng.normal(size=(20, 3)), rng.normal(size=(15, 3)) + 5
    >>> union = AdaptationUnion([("scaled", CorpusScaler()), ("tca", TCA(2))])
    >>> union.fit_transform(X_src, X_tgt=X_tgt).shape, union.transform(X_tgt).shape
    ((20, 5), (15, 5))
    >>> union.get_feature_names_out().tolist()
    ['scaled__x0', 'scaled__x1', 'scaled__x2', 'tca__tca0', 'tca__tca1']
    """

    _parts_name = "transformers"
    _kept: ClassVar = frozenset({"transformers_"})
    # A plain Pipeline would fit its last step to target rows, as with our other transformers.
    __metadata_request__fit: ClassVar = {"X_tgt": True, "sample_domain": None}

    def __init__(self, transformers: list[tuple[str, Any]]) -> None:
        self.transformers = transformers

    def _check_parameters(self) -> None:
        check_steps(self.transformers, self.get_params(deep=False), name="transformers")

    def _check_domains(self, domains: Domains) -> Domains:
        """Leave the rows to the transformers."""
        return domains

    def _fit(self, domains: Domains) -> None:
        self._fit_parts(domains, transforms=False)

    def _fit_parts(self, domains: Domains, *, transforms: bool) -> list[Any]:
        """Fit copies of the transformers; return the features of the caller's rows by part."""
        if domains.X_tgt is not None:
            check_reach(self.transformers)
        fitted, features = [], []
        with_target = transforms and domains.order is not None
        for name, part in self.transformers:
            made = domains
            if not is_passthrough(part):
                part, made = fit_step(part, domains, None, with_target)
            fitted.append((name, part))
            features.append(made.restore() if transforms else None)
        self.transformers_ = fitted
        return features

    def fit_transform(
        self, X: Any, y: Any = None, X_tgt: Any = None, *, sample_domain: ArrayLike | None = None
    ) -> NDArray[Any]:
        """Fit the transformers and transform the rows of `X`.

        Parameters
        ----------
        X, y, X_tgt, sample_domain
            As in `fit`.

        Returns
        -------
        Z : ndarray, shape (n_source, n_features_out) or (n_samples, n_features_out)
            The features of the source; with `sample_domain` those of all rows, in the order of `X`.
        """
        fit = partial(self._fit_parts, transforms=True)
        return self._join(self._learn(fit, X, y, X_tgt, sample_domain=sample_domain))

    def adapt(self, X_tgt: Any) -> Self:
        """Adapt the fitted transformers to a new target, without the source.

        Parameters
        ----------
        X_tgt : array-like, list or Target, of n_target rows
            The target. Transformers that took no target in `fit` stay as they are.

        Returns
        -------
        self : object
            The adapted union.

        Raises
        ------
        TypeError
            If a transformer needs the source, such as `TCA`.
        """
        check_is_fitted(self)
        parts = adapt_steps(self.transformers_)
        for _, part in parts:
            if hasattr(part, "adapt"):
                part.adapt(X_tgt)
        self.transformers_ = parts
        return self

    def transform(self, X: Any, *, sample_domain: ArrayLike | None = None) -> NDArray[Any]:
        """Transform rows of the target.

        Parameters
        ----------
        X : array-like or list, of n_samples rows
            Rows of the target, as the transformers take them.
        sample_domain : array-like of int, shape (n_samples,), optional
            ``>= 0`` for rows that are transformed as source rows.

        Returns
        -------
        Z : ndarray, shape (n_samples, n_features_out)
            The features of all transformers, in their order.

        Raises
        ------
        ValueError
            If a transformer gives no matrix of one row for each row of `X`.
        """
        check_is_fitted(self)
        X = open_target(X)
        if sample_domain is not None:
            check_sample_domain(X, sample_domain)
        return self._join(
            [
                X
                if is_passthrough(part)
                else part.transform(X, **source_path(part.transform, sample_domain))
                for _, part in self.transformers_
            ]
        )

    def _join(self, features: list[Any]) -> NDArray[Any]:
        matrices = [np.asarray(part) for part in features]
        for (name, _), matrix in zip(self.transformers_, matrices, strict=True):
            if matrix.ndim != 2 or len(matrix) != len(matrices[0]) or matrix.dtype.kind == "O":
                raise ValueError(
                    f"Each transformer of a union must give a matrix of numbers; {name!r} gives "
                    f"shape {matrix.shape} and dtype {matrix.dtype}."
                )
        return np.hstack(matrices)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """Name the features: those of each transformer after its name and two underscores.

        Parameters
        ----------
        input_features : array-like of str, shape (n_features,), optional
            Names of the columns that go in, where `fit` saw none.

        Returns
        -------
        names : ndarray of str, shape (n_features_out,)
            The names.
        """
        check_is_fitted(self)
        parts = [(name, part or "passthrough") for name, part in self.transformers_]
        if input_features is None and "passthrough" in [part for _, part in parts]:
            numbers = [f"x{number}" for number in range(self.n_features_in_)]
            input_features = getattr(self, "feature_names_in_", numbers)
        return FeatureUnion(parts).get_feature_names_out(input_features)

    @property
    def n_features_in_(self) -> int:
        """The number of features that the first transformer saw."""
        return self._first.n_features_in_

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """The names of the columns that the first transformer saw."""
        return self._first.feature_names_in_

    @property
    def _first(self) -> Any:
        return next((part for _, part in self._current_parts if not is_passthrough(part)), None)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        if hasattr(self._first, "__sklearn_tags__"):  # which says what the rows may be
            tags.input_tags = get_tags(self._first).input_tags
        return tags

    def _sk_visual_block_(self) -> Any:
        """Show the transformers side by side, as scikit-learn's FeatureUnion."""
        parts = [(name, part or "passthrough") for name, part in self._current_parts]
        return FeatureUnion(parts)._sk_visual_block_()
