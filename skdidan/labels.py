"""Labels from any container: plain arrays, and checks of missing and mixed ones."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "check_kinds",
    "check_labels",
    "check_missing",
    "check_not_labels",
    "check_occurrence",
    "is_missing",
    "plain_labels",
    "to_python",
]


def plain_labels(labels: Any) -> Any:
    """Return labels from any container as an array; of objects unless all are numbers or text.

    Masked entries become None. Labels with other than one axis are returned as they are.
    """
    if isinstance(labels, np.ma.MaskedArray):
        hidden, labels = np.ma.getmaskarray(labels), np.array(labels, dtype=object)
        labels[hidden] = None
    if labels is None or (isinstance(labels, np.ndarray) and labels.dtype.kind not in "OT"):
        return labels
    # By default, NaN among strings would become "nan", and a missing integer would make floats.
    labels = to_python(labels) if isinstance(labels, list | tuple) else labels
    values = np.asarray(labels, dtype=object)
    if values.ndim != 1:
        return labels
    if all(isinstance(value, str) for value in values):
        return np.array([str.__str__(value) for value in values])  # the text of members of an Enum
    if all(isinstance(value, Real | np.bool_) and value == value for value in values):
        numbers = np.array(values.tolist())
        # Large integers beside others become floats, of which several may be the same.
        return numbers if numbers.tolist() == values.tolist() else values
    return values


def check_missing(labels: Any, name: str, place: Callable[[int], str] = "row {}".format) -> None:
    """Raise a ValueError for labels that are None, NaN or NA, which would count as a class."""
    values = plain_labels(labels)
    if not isinstance(values, np.ndarray) or values.ndim != 1 or values.dtype.kind not in "fOmM":
        return
    missing = [row for row, value in enumerate(values) if is_missing(value)]
    if missing:
        raise ValueError(
            f"{name} holds {len(missing)} missing label(s), the first in {place(missing[0])}."
        )


def check_labels(labels: Any, name: str, *, allow_missing: bool = False) -> NDArray[Any]:
    """Return one label per row as an array, or raise a ValueError that names the argument."""
    from sklearn.utils import column_or_1d  # which the help of the command line does not need

    if not allow_missing:
        check_missing(labels, name)
    try:
        return plain_labels(column_or_1d(labels))
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold one label per row: {error}") from error


def check_occurrence(labels: NDArray[Any], true: Any) -> None:
    """Raise a ValueError if none of the labels is among the true ones."""
    if not np.isin(labels, true).any():
        asked, known = (sorted(set(np.asarray(x).tolist()), key=str) for x in (labels, true))
        raise ValueError(
            f"labels must occur in the true labels; got labels={asked}, but y_true holds "
            f"{reprlib.repr(known)}."
        )


def check_kinds(labels: Any) -> None:
    """Raise a TypeError for labels of several types, or of one that scikit-learn does not know."""
    values = plain_labels(labels)
    if isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype.kind == "O":
        kinds = sorted({type(value).__name__ for value in values})
        raise TypeError(
            "y must hold text alone, or numbers of up to 64 bits alone; got "
            f"{' and '.join(kinds)}. Convert all labels, as by list(map(str, y))."
        )


def check_not_labels(X_tgt: Any, y: Any, n_source: int) -> None:
    """Raise a ValueError for labels, or `sample_domain`, in the place of `X_tgt`."""
    if not (entries := _entries(X_tgt)):
        return
    is_aligned, is_swapped = len(entries) == n_source, False
    if is_aligned and y is not None:
        rows = list(y if isinstance(y, list | tuple) else np.atleast_1d(y))
        are_texts = all(isinstance(row, str) for row in rows)
        is_swapped = all(map(_is_row, rows)) and not any(map(_is_row, entries))
        is_swapped &= not are_texts or len(set(rows)) == len(rows)  # labels are there again
    if is_aligned and not is_swapped and all(isinstance(entry, Integral) for entry in entries):
        raise ValueError(
            "X_tgt must hold rows of the target; got whole numbers, one for each row of X. Did you "
            "mean sample_domain=? It goes by its name. Labels of the target are not passed."
        )
    if is_swapped or set(entries) <= set(_entries(y)):
        (label,) = np.array(entries[:1]).tolist()
        fault = "y holds rows instead" if is_swapped else "labels of the target are not passed"
        raise ValueError(
            "X_tgt must hold rows of the target, such as features or paths; got labels, such as "
            f"{label!r}. Call fit(X_src, y_src, X_tgt): {fault}."
        )


def _entries(vector: Any) -> list[Any]:
    """List the entries of a vector of text or whole numbers; none of anything else."""
    shape = getattr(vector, "shape", None)
    is_vector = isinstance(vector, list | tuple) or (isinstance(shape, tuple) and len(shape) == 1)
    if is_vector and all(isinstance(entry, str | Integral) for entry in vector):
        return list(vector)
    return []


def _is_row(entry: Any) -> bool:
    """Tell whether an entry is a row of features, or a path: text with a suffix or a folder."""
    if isinstance(entry, str):
        return "/" in entry or bool(os.path.splitext(entry)[1])
    return isinstance(entry, os.PathLike) or hasattr(entry, "__len__")


def is_missing(value: Any) -> bool:
    """Tell whether a value is None, NaN, NaT or NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return getattr(value, "shape", ()) == () and value != value


def to_python(rows: Any) -> list[Any]:
    """List rows, with scalars of pyarrow as objects of Python."""
    return [row.as_py() if hasattr(row, "as_py") else row for row in rows]
