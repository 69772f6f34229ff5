"""An estimator of named parts: their parameters, before and after the fit."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from sklearn.base import BaseEstimator

from skdidan.pipeline.steps import named_pairs

__all__ = ["NamedParts"]


class NamedParts(BaseEstimator):
    """Base of the estimators of named parts; a subclass names its first parameter, their list.

    The fitted parts are in an attribute of the same name with an underscore at its end.
    """

    _parts_name: ClassVar[str]

    @property
    def _parts(self) -> list[tuple[str, Any]]:
        return named_pairs(getattr(self, self._parts_name))

    @property
    def _current_parts(self) -> list[tuple[str, Any]]:
        """The fitted parts, once there are any."""
        return getattr(self, f"{self._parts_name}_", self._parts)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, those of the parts as ``name__parameter``; see scikit-learn."""
        params = super().get_params(deep=False)
        if deep:
            for name, part in self._parts:
                params[name] = part
                if hasattr(part, "get_params"):
                    inner = part.get_params(deep=True)
                    params |= {f"{name}__{key}": value for key, value in inner.items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters: ``name__parameter`` of a part, or a whole part by its name.

        After `fit` the fitted parts get them, too: those read by ``predict`` or ``transform`` count
        at once.
        """
        given, parts = dict(params), self._parts_name
        setattr(self, parts, params.pop(parts, getattr(self, parts)))
        # A search may replace a part and set its parameters at once: the part comes first.
        if params.keys() & dict(self._parts).keys():
            setattr(self, parts, [(name, params.pop(name, part)) for name, part in self._parts])
        super().set_params(**params)
        if hasattr(self, f"{parts}_"):
            fitted = type(self)(getattr(self, f"{parts}_")).set_params(**given)
            setattr(self, f"{parts}_", getattr(fitted, parts))
        return self
