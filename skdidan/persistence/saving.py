"""Save a fitted estimator in a file without pickle, and load it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

import skdidan
from skdidan.archive import ArchiveReader, ArchiveWriter, write_atomically
from skdidan.parameters import check_path
from skdidan.paths import explain_absence
from skdidan.persistence.decoding import Decoder, UnsafeFileError
from skdidan.persistence.encoding import Encoder

__all__ = ["load", "save"]

_FORMAT = 1
_MAGIC = b"PK"  # of zip archives
_LIBRARIES = ("scikit-learn", "torch", "numpy", "scipy", "skops", "safetensors")


def save(estimator: BaseEstimator, path: str | os.PathLike[str]) -> None:
    """Save a fitted estimator in a file that runs no code when it is loaded.

    The file is a zip archive: parameters and learnt values as JSON, arrays as .npy without pickle,
    weights of networks as safetensors, and compiled parts of scikit-learn, such as decision trees,
    as skops writes them. It is loaded once before it is written, so that `load` can read it, given
    the names that it needs. It is written under a temporary name and renamed, so that after a crash
    there is the old file or the new one.

    Neither data of the fit, nor the optimiser, nor `memory` and `checkpoint` are saved. Whatever
    device a network was trained on, it can be loaded without it.

    Parameters
    ----------
    estimator : estimator
        A classifier, transformer or pipeline, of skdidan or scikit-learn. For a search, pass its
        ``best_estimator_``.
    path : str or path-like
        The file to write, in a folder that exists. An existing file is replaced.

    Raises
    ------
    TypeError
        If `estimator` is not an estimator, or holds a value that cannot be saved, such as a
        callback or a function without a name.
    NotFittedError
        If `estimator` has not been fitted.
    OSError
        If the file cannot be written.

    See Also
    --------
    load : Load such a file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skdidan import JDAR, load, save
    >>> X = np.random.default_rng(0).normal(size=(20, 3))
    >>> jdar = JDAR().fit(X, np.where(X[:, 0] > 0, "anger", "fear"), X + 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "jdar.skdidan")
    ...     save(jdar, path)
    ...     loaded = load(path)
    >>> bool((loaded.predict(X) == jdar.predict(X)).all())
    True
    """
    if not isinstance(estimator, BaseEstimator):
        raise TypeError(
            f"estimator must be one of skdidan or scikit-learn; got {estimator!r:.200}."
        )
    if hasattr(estimator, "best_estimator_"):
        raise TypeError(
            "estimator must not be a search, which holds the results of all its fits: save its "
            "best_estimator_."
        )
    path = os.path.expanduser(check_path("path", path))
    check_is_fitted(estimator)
    name, writer = type(estimator).__name__, ArchiveWriter()
    try:
        tree = Encoder(writer).encode(estimator, name)
    except RecursionError as error:
        raise TypeError(f"{name} holds itself, or is too deep to be saved.") from error
    versions = {"skdidan": skdidan.__version__} | {name: version(name) for name in _LIBRARIES}
    content = writer.content({"format": _FORMAT, "versions": versions, "estimator": tree})
    try:
        reader = ArchiveReader(content)
        names = Decoder(reader, ()).untrusted(tree)
        Decoder(reader, names).decode(reader.index["estimator"])
    except Exception as error:  # of the code of the caller, too
        raise TypeError(
            f"{name} cannot be saved, because the file could not be loaded back: {error}"
        ) from error
    write_atomically(path, content)


def load(path: str | os.PathLike[str], *, trusted: Iterable[str] = ()) -> Any:
    """Load an estimator that `save` has written.

    Nothing in the file is run. Only classes of skdidan, estimators of scikit-learn, and types of
    numbers and universal functions of NumPy are imported; others, such as a network of your own,
    if they are `trusted`. No array is larger than the file.

    Parameters
    ----------
    path : str or path-like
        The file.
    trusted : iterable of str, default=()
        Full names of other classes and functions that the file may use, such as
        "my_project.networks.MyNetwork". The error without them lists those that are needed.

    Returns
    -------
    estimator : estimator
        It predicts what the saved one predicts. `memory` is None, so that nothing is written.

    Raises
    ------
    ValueError
        If the file is damaged, was not written by `save` or by a newer version of skdidan, or needs
        names that are not `trusted`.
    TypeError
        If `trusted` is a string.
    FileNotFoundError, OSError
        If there is no such file, or it cannot be read.

    See Also
    --------
    save : Write such a file; with an example.
    """
    if isinstance(trusted, str):
        raise TypeError(f"trusted must be a list of names; got {trusted!r}.")
    name = os.path.expanduser(check_path("path", path))
    try:
        with open(name, "rb") as file:
            content = file.read()
    except FileNotFoundError as error:
        raise FileNotFoundError(f"path {name!r} does not exist.{explain_absence(name)}") from error
    except OSError as error:
        raise type(error)(error.errno, f"path cannot be read: {error.strerror}", name) from error
    if not content.startswith(_MAGIC):
        raise ValueError(
            f"{name!r} is no model of skdidan: load reads files of skdidan.save alone."
        )
    try:
        reader = ArchiveReader(content)
        number = reader.index["format"]
        if type(number) is int and number > _FORMAT:
            raise UnsafeFileError(
                f"{name!r} has format {number}, of a newer version of skdidan than this one, which "
                f"reads up to {_FORMAT}: update skdidan."
            )
        if type(number) is not int or number < 1:
            raise ValueError(f"it has format {number!r:.20}")
        tree, decoder = reader.index["estimator"], Decoder(reader, trusted)
        if needed := sorted(decoder.untrusted(tree)):
            raise UnsafeFileError(
                f"{name!r} uses {needed}, whose code would run. If you trust this code and who "
                "made the file, pass these names as trusted=[...]."
            )
        estimator = decoder.decode(tree)
        if not isinstance(estimator, BaseEstimator):
            raise ValueError("it holds no estimator")
    except UnsafeFileError:
        raise
    except Exception as error:  # a damaged or hostile file causes errors of all kinds
        raise ValueError(f"{name!r} is not a whole file of skdidan.save: {error}") from error
    return estimator
