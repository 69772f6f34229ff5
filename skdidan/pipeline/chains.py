"""A chain of named steps: its parameters, its parts and its picture."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch, Tags, estimator_html_repr, get_tags
from sklearn.utils.validation import check_is_fitted

from skdidan.estimators import GroupedEstimator
from skdidan.pipeline.steps import is_passthrough, lend_memory, named_pairs

__all__ = ["StepChain"]


class StepChain(GroupedEstimator):
    """Base of `AdaptationPipeline`: what scikit-learn's Pipeline does with its steps."""

    _kept: ClassVar = frozenset({"steps_"})
    steps: list[tuple[str, Any]]
    memory: Any
    verbose: bool
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

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, those of the steps as ``name__parameter``; see scikit-learn."""
        params = super().get_params(deep=False)
        if deep:
            for name, step in named_pairs(self.steps):
                params[name] = step
                if hasattr(step, "get_params"):
                    inner = step.get_params(deep=True)
                    params |= {f"{name}__{key}": value for key, value in inner.items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters: ``name__parameter`` of a step, or a whole step by its name.

        After `fit` the fitted steps get them, too: those read by ``predict`` count at once.
        """
        given = dict(params)
        self.steps = params.pop("steps", self.steps)
        # A search may replace a step and set its parameters at once: the step comes first.
        if params.keys() & dict(named_pairs(self.steps)).keys():
            self.steps = [(name, params.pop(name, step)) for name, step in self.steps]
        super().set_params(**params)
        if hasattr(self, "steps_"):
            self.steps_ = type(self)(self._current_steps).set_params(**given).steps
            own = dict(named_pairs(self.steps))
            for name, step in named_pairs(self.steps_):
                lend_memory(own.get(name), step, self.memory)
        return self

    def set_output(self, *, transform: str | None = None) -> Self:
        """Set the container of the output of each step: "default", "pandas" or "polars"."""
        for steps in (self.steps, self._current_steps):
            Pipeline(steps).set_output(transform=transform)
        return self

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, index: int | str | slice) -> Any:
        """Return a step by its position or name, or a pipeline of a slice of the steps."""
        if isinstance(index, str):
            return self.named_steps[index]
        if not isinstance(index, slice):
            return self._current_steps[index][1]
        part = type(self)(self.steps[index], memory=self.memory, verbose=self.verbose)
        if hasattr(self, "steps_"):
            part.steps_ = self.steps_[index]
            part.columns_ = self.columns_ if 0 in range(len(self))[index] else None
        return part

    @property
    def named_steps(self) -> Bunch:
        """The steps by name; the fitted ones once there are any."""
        return Bunch(**dict(self._current_steps))

    @property
    def classes_(self) -> NDArray[Any]:
        """The labels of the classes."""
        return self._last.classes_

    @property
    def n_features_in_(self) -> int:
        """The number of features that the first step saw."""
        return self._current_steps[0][1].n_features_in_

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """The names of the columns that the first step saw."""
        return self._current_steps[0][1].feature_names_in_

    @property
    def _current_steps(self) -> list[tuple[str, Any]]:
        return getattr(self, "steps_", named_pairs(self.steps))

    @property
    def _last(self) -> Any:
        return self._current_steps[-1][1] if self._current_steps else None

    def __sklearn_tags__(self) -> Tags:
        # The first step that is not left out says what the rows may be.
        steps = [pair for pair in named_pairs(self.steps) if not is_passthrough(pair[1])]
        return get_tags(Pipeline(steps or named_pairs(self.steps)))

    def _repr_html_(self) -> str:
        return estimator_html_repr(Pipeline(self._current_steps))

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}
