"""A chain of named steps: its parameters, its parts and its picture."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch, Tags, get_tags
from sklearn.utils.validation import check_is_fitted

from skdidan.estimators import GroupedEstimator
from skdidan.pipeline.parts import NamedParts
from skdidan.pipeline.steps import is_passthrough, lend_memory, named_pairs

__all__ = ["StepChain"]


class StepChain(NamedParts, GroupedEstimator):
    """Base of `AdaptationPipeline`: what scikit-learn's Pipeline does with its steps."""

    _parts_name = "steps"
    _kept: ClassVar = frozenset({"steps_"})
    steps: list[tuple[str, Any]]
    memory: Any
    verbose: bool | int
    steps_: list[tuple[str, Any]]
    columns_: NDArray[Any] | None

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """Name the columns that come out of the chain.

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
        return Pipeline(self.steps_).get_feature_names_out(input_features)

    def set_params(self, **params: Any) -> Self:
        """Set parameters: ``name__parameter`` of a step, or a whole step by its name.

        After `fit` the fitted steps get them, too: those read by ``predict`` count at once.
        """
        super().set_params(**params)
        own = dict(self._parts)
        for name, step in named_pairs(getattr(self, "steps_", [])):
            lend_memory(own.get(name), step, self.memory)
        return self

    def set_output(self, *, transform: str | None = None) -> Self:
        """Set the container of the output of each step: "default", "pandas" or "polars"."""
        for steps in (self.steps, self._current_parts):
            Pipeline(steps).set_output(transform=transform)
        return self

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, index: int | str | slice) -> Any:
        """Return a step by its position or name, or a pipeline of a slice of the steps."""
        if isinstance(index, str):
            return self.named_steps[index]
        if not isinstance(index, slice):
            return self._current_parts[index][1]
        part = type(self)(self.steps[index], memory=self.memory, verbose=self.verbose)
        if hasattr(self, "steps_"):
            part.steps_ = self.steps_[index]
            part.columns_ = self.columns_ if 0 in range(len(self))[index] else None
        return part

    @property
    def named_steps(self) -> Bunch:
        """The steps by name; the fitted ones once there are any."""
        return Bunch(**dict(self._current_parts))

    @property
    def classes_(self) -> NDArray[Any]:
        """The labels of the classes."""
        return self._last.classes_

    @property
    def n_features_in_(self) -> int:
        """The number of features that the first step saw."""
        return self._current_parts[0][1].n_features_in_

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """The names of the columns that the first step saw."""
        return self._current_parts[0][1].feature_names_in_

    @property
    def _last(self) -> Any:
        return self._current_parts[-1][1] if self._current_parts else None

    def __sklearn_tags__(self) -> Tags:
        # The first step that is not left out says what the rows may be.
        steps = [pair for pair in self._parts if not is_passthrough(pair[1])]
        return get_tags(Pipeline(steps or self._parts))

    def _sk_visual_block_(self) -> Any:
        """Show the steps one below the other, as scikit-learn's Pipeline, also inside a search."""
        return Pipeline(self._current_parts)._sk_visual_block_()
