"""What `memory` keeps of the steps of a pipeline."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import chain
from typing import Any

import joblib
import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.utils.validation import check_memory

from skdidan.audio.recordings import AudioTransformer, waveform_rows
from skdidan.audio.silence import SilenceWatch
from skdidan.domains import open_target, source_path
from skdidan.padding import join_rows, trim_padding
from skdidan.pipeline.fingerprints import circumstances, parts, stamp_files

__all__ = ["StepMemory"]


class StepMemory:
    """Fits steps and sends rows through them, but for what it finds on disk.

    Kept are a fitted step with what it made of all its rows, and, by those transformers that treat
    each recording by itself, single recordings: the folds of a search share these.

    Parameters
    ----------
    memory : str, path, joblib.Memory or None
        Where to keep it; None keeps nothing.

    Raises
    ------
    ValueError
        If `memory` is anything else, or no folder can be made there.
    """

    def __init__(self, memory: Any) -> None:
        is_path = isinstance(memory, os.PathLike)
        try:
            self._memory: joblib.Memory = check_memory(os.fspath(memory) if is_path else memory)
            # Where nothing is kept, no key is needed: files and code are not looked at.
            self._keeps = getattr(self._memory, "location", "elsewhere") is not None
            if self._keeps:
                self._outcome = self._memory.cache(_outcome, ignore=["memory"])
        except OSError as error:
            raise ValueError(
                f"memory must be a folder to write to, which may not exist yet, or None; got "
                f"{memory!r}: {error}"
            ) from error

    def fit_transform(self, step: Any, X: Any, y: Any, target: dict[str, Any]) -> tuple[Any, Any]:
        """Fit a step and transform the rows that it is fitted to.

        Parameters
        ----------
        step : estimator
            An unfitted transformer; the fitted one is returned.
        X : array-like or list, of n_source rows
            The source.
        y : array-like, shape (n_source,), or None
            Its labels.
        target : dict of str to object
            Further arguments of ``fit``.

        Returns
        -------
        step : estimator
            The fitted transformer.
        Z : array-like or list, of n_source rows
            What it made of the source.
        """
        if not self._keeps:
            return _fit_transform(step, X, y, target, self._memory)
        stamps = stamp_files(X), stamp_files(open_target(target.get("X_tgt")))
        return self._kept(_fit_transform, stamps, step, X, y, target)

    def transform(self, step: Any, X: Any, sample_domain: ArrayLike | None = None) -> Any:
        """Send rows through a fitted step.

        Parameters
        ----------
        step : estimator
            A fitted transformer.
        X : array-like or list, of n_samples rows
            The rows.
        sample_domain : array-like of int, shape (n_samples,), optional
            ``>= 0`` for rows of the source, told to a step that asks for it.

        Returns
        -------
        Z : array-like or list, of n_samples rows
            What the step made of them.
        """
        if not self._keeps:
            return _transform(step, X, sample_domain, self._memory)
        return self._kept(_transform, stamp_files(X), step, X, sample_domain)

    def _kept(self, function: Callable[..., Any], stamps: object, step: Any, *args: Any) -> Any:
        """Call a function of a step, or read what it returned before."""
        key = circumstances(step)
        if key is None:
            return function(step, *args, self._memory)
        try:
            return self._outcome(function, (stamps, key), step, args, self._memory)
        except _Unkept as unkept:
            return unkept.outcome


class _Unkept(Exception):
    """Carries an outcome past joblib, which keeps whatever a function returns."""

    def __init__(self, outcome: Any) -> None:
        super().__init__(outcome)
        self.outcome = outcome


# What is kept; the stamps stand for the contents of input files, and for the code, in its key.
def _outcome(
    function: Callable[..., Any],
    stamps: object,
    step: Any,
    args: tuple[Any, ...],
    memory: joblib.Memory,
) -> Any:
    n_lenient = sum(_is_lenient(part) for part in parts(step))
    with SilenceWatch() as watch:
        outcome = function(step, *args, memory)
    # A file may be readable again, and the warning is to come again. A transformer inside, that was
    # not seen to run, may have met such a file in another process.
    if n_lenient and (watch.silent or len(watch.runs) < n_lenient):
        raise _Unkept(outcome)
    return outcome


def _is_lenient(step: Any) -> bool:
    """Tell whether a step lets silence stand in."""
    return isinstance(step, AudioTransformer) and step.on_error == "warn"


def _fit_transform(
    step: Any, X: Any, y: Any, target: dict[str, Any], memory: joblib.Memory
) -> tuple[Any, Any]:
    if isinstance(step, AudioTransformer):
        return step.fit(X, y, **target), _transform_rows(step, X, memory)
    if hasattr(step, "fit_transform"):
        return step, step.fit_transform(X, y, **target)
    return step, step.fit(X, y, **target).transform(X)


def _transform(step: Any, X: Any, sample_domain: ArrayLike | None, memory: joblib.Memory) -> Any:
    if isinstance(step, AudioTransformer):
        return _transform_rows(step, X, memory)
    return step.transform(X, **source_path(step.transform, sample_domain))


def _transform_rows(step: AudioTransformer, X: Any, memory: joblib.Memory) -> Any:
    """Send recordings through a step, together those that are not kept one by one already."""
    if not getattr(memory, "location", None) or type(step).fit is not AudioTransformer.fit:
        return step.transform(X)  # one with a fit of its own has learnt from other recordings
    # Only what could be read is kept, whatever would have been done about the rest.
    strict = clone(step).set_params(on_error="raise", n_jobs=None, verbose=0)
    setting = strict, circumstances(strict)
    if setting[1] is None:
        return step.transform(X)
    kept = memory.cache(_row, ignore=["compute"], verbose=0)
    recordings = waveform_rows(X)
    # A string of NumPy is the same path as one of Python.
    names = [str(row) if isinstance(row, str) else row for row in recordings]
    keys = [(setting, name, stamp_files([name])) for name in names]
    new = [n for n, key in enumerate(keys) if not kept.check_call_in_cache(*key, None)]
    computed, unkept = _compute(step, recordings, new)
    if not isinstance(computed, list | np.ndarray):
        return computed  # a data frame, of all recordings since none is kept
    own = {n: _own(computed[k : k + 1]) for k, n in enumerate(new)}
    rows = [
        own[n]
        if n in unkept
        # What was there may have been removed since.
        else kept(*key, lambda n=n: own[n] if n in own else strict.transform(recordings[n : n + 1]))
        for n, key in enumerate(keys)
    ]
    return join_rows(rows) if isinstance(rows[0], np.ndarray) else list(chain(*rows))


def _compute(step: AudioTransformer, recordings: list[Any], new: list[int]) -> tuple[Any, set[int]]:
    """Send some recordings through a step, and tell for which of them silence may stand in."""
    with SilenceWatch(new, len(recordings)) as watch:
        if not new:
            watch.runs.append(0)
            return [], set()
        computed = step.transform([recordings[n] for n in new])
    is_seen = watch.runs == [len(new)] or not _is_lenient(step)
    return computed, {new[place] for place in watch.silent} if is_seen else set(new)


def _own(part: Any) -> Any:
    """Take the padding off a recording, which depends on the others."""
    return trim_padding(part) if isinstance(part, np.ndarray) else part


def _row(setting: object, recording: Any, stamps: object, compute: Callable[[], Any]) -> Any:
    return compute()
