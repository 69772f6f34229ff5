"""Checks of single parameters: each returns the value, or raises an error that names it."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from numbers import Integral, Rational, Real
from typing import Any

__all__ = [
    "check_arguments",
    "check_boolean",
    "check_count",
    "check_counts",
    "check_fraction",
    "check_jobs",
    "check_not_negative",
    "check_number",
    "check_option",
    "check_path",
    "check_positive",
    "check_share",
    "check_verbose",
    "check_whole",
    "split_product",
]

_LARGEST = 2**53  # beyond which floats miss whole numbers
# Exponents beyond which products with data or their inverses may leave double or single precision.
_DOUBLE, _SINGLE = 250, 37


def check_arguments(name: str, value: Any, function: Callable[..., Any] | None) -> None:
    """Raise a ValueError unless `value` is a dict of arguments of a function or class."""
    known = {} if function is None else inspect.signature(function).parameters
    options = [n for n, p in known.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if not isinstance(value, Mapping) or not value.keys() <= set(options):
        owner = "the penalty" if function is None else function.__name__
        raise ValueError(
            f"{name} must be a dict of arguments of {owner}, out of {options}; got {value!r}."
        )


def check_boolean(name: str, value: Any) -> bool:
    """Return `value` if it is True or False, or raise a ValueError."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False; got {value!r}.")
    return value


def check_count(name: str, value: Any) -> int:
    """Return `value` as a whole number of at least 1, or raise a ValueError."""
    if check_whole(name, value, "a whole number of at least 1") < 1:
        raise ValueError(f"{name} must be a whole number of at least 1; got {value!r}.")
    return int(value)


def check_whole(name: str, value: Any, kind: str = "a whole number") -> int:
    """Return `value` as a whole number, or raise a ValueError that asks for its `kind`."""
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise ValueError(f"{name} must be {kind}; got {value!r}.")
    number = int(value)
    if abs(number) > _LARGEST:
        raise ValueError(f"{name} must not exceed 2**53; got {value!r}.")
    return number


def check_verbose(value: Any) -> int:
    """Return `verbose`, a whole number or a boolean, as a number, or raise a ValueError."""
    return int(value) if isinstance(value, bool) else check_whole("verbose", value)


def check_jobs(name: str, value: Any) -> int | None:
    """Return `value` if it is a number of parallel jobs as in joblib, or raise a ValueError."""
    if value is not None and not check_whole(name, value, "a whole number but 0, or None"):
        raise ValueError(f"{name} must be a whole number but 0, or None; got {value!r}.")
    return value


def check_counts(name: str, values: Any) -> tuple[int, ...]:
    """Return `values` as whole numbers of at least 1, or raise a ValueError."""
    if not isinstance(values, Sequence) or isinstance(values, str | bytes):
        raise ValueError(f"{name} must be a list or tuple of whole numbers; got {values!r}.")
    return tuple(check_count(name, value) for value in values)


def check_path(name: str, path: str | os.PathLike[str]) -> str:
    """Return a path as plain text, not as numpy.str_."""
    if isinstance(path, (str, os.PathLike)) and isinstance(found := os.fspath(path), str):
        return str.__str__(found)
    raise TypeError(
        f"{name} must be a str or a path-like; got {path!r}. os.fsdecode decodes bytes."
    )


def check_positive(name: str, value: Any, *, single: bool = False) -> float:
    """Return `value` as a finite number above 0, or raise a ValueError."""
    kind = "a finite number above 0"
    return check_number(name, value, lambda: value > 0, kind, single=single)


def check_not_negative(name: str, value: Any, *, single: bool = False) -> float:
    """Return `value` as a finite number of at least 0, or raise a ValueError."""
    kind = "a finite number of at least 0"
    return check_number(name, value, lambda: value >= 0, kind, single=single)


def check_fraction(name: str, value: Any) -> float:
    """Return `value` as a number from 0 to 1, or raise a ValueError."""
    return check_number(name, value, lambda: 0 <= value <= 1, "a number from 0 to 1")


def check_share(name: str, value: Any) -> float:
    """Return `value` as a number above 0 and below 1, or raise a ValueError."""
    return check_number(name, value, lambda: 0 < value < 1, "a number between 0 and 1")


def check_option(name: str, value: Any, options: Collection[str]) -> str:
    """Return `value` if it is one of the options, or raise a ValueError that lists them."""
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name} must be one of {sorted(options)}; got {value!r}.")
    return value


def check_number(
    name: str,
    value: Any,
    is_in_range: Callable[[], bool],
    kind: str,
    *,
    single: bool = False,
) -> float:
    """Return `value` as a finite number in range, or raise a ValueError that names its `kind`.

    `single` refuses numbers of a size that single precision does not hold, as of networks.
    """
    if isinstance(value, Integral) and not isinstance(value, bool):
        check_whole(name, value)
    # NumPy does not compute with fractions.
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    is_number = is_number and (isinstance(value, Integral) or not isinstance(value, Rational))
    if not is_number or not math.isfinite(value) or not is_in_range():
        raise ValueError(f"{name} must be {kind}; got {value!r}.")
    exponent, number = _SINGLE if single else _DOUBLE, float(value)
    if number and not float(f"1e-{exponent}") <= abs(number) <= float(f"1e{exponent}"):
        raise ValueError(
            f"{name} must be of a size from 1e-{exponent} to 1e{exponent}; got {value!r}."
        )
    return number


def split_product(name: str, value: Any, options: Set[str], factors: Set[str]) -> list[str]:
    """Return the factors of a product of options such as "a*b", or raise a ValueError."""
    names = value.split("*") if isinstance(value, str) else []
    if not names or not set(names) <= options or len(set(names)) < len(names):
        raise ValueError(
            f"{name} must be one of {sorted(options)}, or a product of several joined by '*'; got "
            f"{value!r}."
        )
    if len(names) > 1 and not set(names) <= factors:
        raise ValueError(
            f"A product in {name} takes factors that are not negative, {sorted(factors)}; got "
            f"{value!r}."
        )
    return names
