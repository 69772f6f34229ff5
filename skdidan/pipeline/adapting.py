"""The method `adapt` of estimators that adapt only if the classifier at their end does."""

from __future__ import annotations

from collections.abc import Callable
from inspect import getattr_static
from types import MethodType
from typing import Any

__all__ = ["AdaptMethod", "adapt_if"]


class AdaptMethod:
    """Descriptor of `adapt`, whose AttributeError names the classifier that needs the source.

    The descriptor of scikit-learn's ``available_if`` gives the reason only as the cause of an error
    that has none. Here the last line of the traceback has it.
    """

    def __init__(
        self,
        method: Callable[..., Any],
        check: Callable[[Any], bool],
        inner: Callable[[Any], Any],
    ) -> None:
        self._method, self._check, self.inner = method, check, inner
        self.__doc__ = method.__doc__

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Return the method; raise an AttributeError if the estimator needs the source."""
        if instance is None:
            return self._method
        if not self._check(instance):
            raise AttributeError(_reason(instance))
        return MethodType(self._method, instance)


def adapt_if(
    check: Callable[[Any], bool], inner: Callable[[Any], Any]
) -> Callable[[Callable[..., Any]], Any]:
    """Decorate `adapt`: it exists if `check` holds; `inner` returns the estimator inside."""
    return lambda method: AdaptMethod(method, check, inner)


def _reason(estimator: Any) -> str:
    last: Any = estimator
    while isinstance(method := getattr_static(last, "adapt", None), AdaptMethod):
        if (inner := method.inner(last)) is None:  # a default, before the fit
            break
        last = inner
    name, needy = type(estimator).__name__, type(last).__name__
    around = "" if last is estimator else f", so the {name} around it has no method adapt"
    return (
        f"{needy} needs the source to adapt{around}. Fit again to the source and the new target, "
        "with warm_start=True for networks to go on from their weights, or use a classifier that "
        "adapts without the source, such as SHOTClassifier."
    )
