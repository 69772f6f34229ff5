"""Read an audio file, or a segment of one, as a mono waveform at a given sample rate."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from numbers import Integral, Real
from typing import Any

import numpy as np
import soxr  # type: ignore[import-untyped] # it has no types
from numpy.typing import NDArray

from skdidan.audio.cropping import Blocks, Bounds, Floats, Keeper, find_parts, whole
from skdidan.audio.decoders import BLOCK as _BLOCK
from skdidan.audio.decoders import TOLERANCE, AudioFile, open_audio
from skdidan.audio.gauge import Gauge
from skdidan.labels import is_missing
from skdidan.parameters import check_count, check_path

__all__ = [
    *("Segment", "SilentAudioError", "audio_span", "channel_of", "file_name"),
    *("find_sound", "list_channels", "read_audio", "read_window", "split_channels"),
]

_LOWEST_RATE = 1000  # Hz
_FEATURES = " Rows of features are no waveforms: give them to a model without an audio transformer."
_LOUDEST = 8.0  # a float file may exceed full scale by a little, integers cast to float by far


class SilentAudioError(ValueError):
    """A recording can be read, but holds no sound: its samples are all zero, or all the same."""


@dataclass(frozen=True, init=False, repr=False)
class Segment:
    """A part of an audio file, for use in place of a path.

    Only the frames of the part are read; of an MP3 file also those before it. A segment is
    path-like: its path is that of the whole file.

    Parameters
    ----------
    file : str or path-like
        The audio file.
    start : float or timedelta >= 0 [s], default=0
        Where the part begins: seconds, or a timedelta of Python, NumPy or pandas. NaN, NA and NaT,
        as of a table, are the beginning of the file.
    end : float or timedelta > start [s], optional
        Where it ends; None, NaN, NA and NaT are the end of the file. An end up to 0.1 s beyond that
        counts as the end, since tables are rounded.
    channel : "mix" or int >= 0, default="mix"
        Channel, counted from 0, as of one speaker of a call; "mix" is the average of all.

    Raises
    ------
    TypeError
        If `file` is not a path, or is bytes, or `start` or `end` is not a time.
    ValueError
        If `start` is negative or infinite, `end` is not beyond it, or `channel` is not "mix" or a
        whole number of at least 0.

    See Also
    --------
    skdidan.from_audformat : Segments of a table.
    skdidan.find_audio : Segments of each channel of files, with ``channel="split"``.

    Examples
    --------
    >>> from datetime import timedelta
    >>> from skdidan import Segment
    >>> Segment("interview.wav", 1.5, timedelta(seconds=4))
    Segment(file='interview.wav', start=1.5, end=4.0)
    """

    file: str
    start: float
    end: float | None
    channel: int | str = "mix"

    def __init__(
        self, file: str | os.PathLike[str], start: Any = 0.0, end: Any = None, channel: Any = "mix"
    ) -> None:
        if isinstance(file, Segment):
            raise TypeError(
                f"file must be the path of a whole file; got a segment, {file}. Pass its file, and "
                "add its start to the times."
            )
        start, end = _seconds("start", start) or 0.0, _seconds("end", end)
        if not 0 <= start < math.inf:
            raise ValueError(f"start must be a finite time of at least 0 s; got {start:g} s.")
        if end is not None and not start < end < math.inf:
            raise ValueError(
                f"end must be a finite time beyond start, {start:g} s, or None for the end of the "
                f"file; got {end:g} s."
            )
        if isinstance(channel, Integral) and not isinstance(channel, bool) and int(channel) >= 0:
            channel = int(channel)
        elif not isinstance(channel, str) or channel != "mix":
            raise ValueError(
                "channel must be 'mix', the average of all, or the number of a channel, from 0; "
                f"got {channel!r}. find_audio(..., channel='split') lists one segment per channel."
            )
        # A frozen dataclass refuses assignments, so write to its dict.
        vars(self).update(file=check_path("file", file), start=start, end=end, channel=channel)

    def __fspath__(self) -> str:
        return self.file

    def __repr__(self) -> str:
        channel = "" if self.channel == "mix" else f", channel={self.channel}"
        return f"Segment(file={self.file!r}, start={self.start!r}, end={self.end!r}{channel})"

    def __str__(self) -> str:
        end = "its end" if self.end is None else f"{self.end:g} s"
        channel = "" if self.channel == "mix" else f", channel {self.channel}"
        return f"{self.file!r} from {self.start:g} s to {end}{channel}"


def _seconds(name: str, time: Any) -> float | None:
    """Return a time in seconds; None for None, NaN and NaT."""
    if not isinstance(time, np.ndarray) and is_missing(time):
        return None
    if isinstance(time, np.timedelta64):
        return float(time / np.timedelta64(1, "s"))
    if hasattr(time, "total_seconds"):
        return float(time.total_seconds())
    if isinstance(time, Real) and not isinstance(time, bool):
        try:
            return float(time)
        except OverflowError:  # from an int
            return -math.inf if time < 0 else math.inf
    raise TypeError(f"{name} must be a time, in seconds or as a timedelta; got {time!r}.")


def read_audio(
    path: str | os.PathLike[str], *, sample_rate: int = 16_000, channel: int | str = "mix"
) -> Floats:
    """Read an audio file as a mono waveform at a given sample rate.

    Channels are averaged, unless one is chosen. A file of another rate is then resampled (soxr,
    high quality).

    Parameters
    ----------
    path : str, path-like or Segment
        File in a format that libsndfile reads: .wav, .flac, .ogg, .mp3 and others. For a
        `Segment`, only its part is read.
    sample_rate : int > 0 [Hz], default=16000
        Rate of the returned waveform.
    channel : "mix" or int >= 0, default="mix"
        Channel to read, counted from 0; "mix" is the average of all, or the channel of a `Segment`.

    Returns
    -------
    waveform : ndarray of float32, shape (n_samples,)
        Samples; full scale is 1.

    Raises
    ------
    FileNotFoundError, PermissionError
        If there is no such file, or no permission to read it.
    TypeError
        If `path` is not a path, or is bytes.
    ValueError
        If the file cannot be decoded, is cut off or damaged, has a sample rate below 1000 Hz or no
        such `channel`; if its samples are none, NaN, infinite, far beyond full scale or all the
        same; if a segment lies beyond the end of its file, or between two samples; or if
        `sample_rate` is not a whole number of at least 1.

    Notes
    -----
    A file is cut off if it is over 0.1 s shorter than its header says; many headers say a little
    too much. A shorter cut goes unnoticed, as does any in a file that does not hold its own length:
    NIST .sph and some other old formats, MP3 without a count of frames in the first one, and files
    over 2 GB, never closed or written to a pipe. Damage in the middle is found in FLAC and Ogg, but
    not in MP3 or uncompressed files. Of several recordings joined in one Ogg or MP3 file, the first
    is read.

    MP3, and FLAC without a length, is always decoded from its start, since samples after a seek may
    be wrong. If it holds no length, it is decoded twice, the first time to count its samples.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np, soundfile
    >>> from skdidan import read_audio
    >>> tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "tone.wav")
    ...     soundfile.write(path, np.column_stack([tone, tone]), 8000)
    ...     waveform = read_audio(path)
    >>> waveform.shape, waveform.dtype
    ((16000,), dtype('float32'))
    """
    check_path("path", path)
    if not isinstance(channel, str) or channel != "mix":
        segment = path if isinstance(path, Segment) else Segment(path)
        path = replace(segment, channel=channel)
    return read_window(path, check_count("sample_rate", sample_rate))


def channel_of(row: Any) -> int | str:
    """Return the channel of a segment; "mix" for a file."""
    return getattr(row, "channel", "mix")


def list_channels(path: str, channel: int | str) -> list[Any]:
    """List a file if its channels are mixed, or a segment of one or of each channel."""
    if isinstance(channel, str) and channel == "split":
        return [*split_channels(path)]
    is_mixed = isinstance(channel, str) and channel == "mix"
    return [path] if is_mixed else [Segment(path, channel=channel)]


def split_channels(path: str) -> list[Segment]:
    """List a segment of each channel of a file."""
    with open_audio(path, file_name(path)) as file:
        return [Segment(path, channel=n) for n in range(file.channels)]


def read_window(
    recording: Any,
    sample_rate: int | None,
    keep: Keeper = whole,
    name: str = "",
    gauge: Gauge | None = None,
) -> NDArray[Any]:
    """Read a file, or convert a waveform, block by block: check every sample and keep a part.

    A `sample_rate` of None is that of the file. A waveform is taken at its own; `name` is its name
    in errors. A `gauge` measures the whole.
    """
    gauge = gauge or Gauge()
    if isinstance(recording, np.ndarray):
        starts = range(0, len(recording), _BLOCK)
        floats = (_to_float(recording[start : start + _BLOCK]) for start in starts)
        gauge.rate = sample_rate or 0
        blocks = _check_samples(gauge.measure(floats), name, _FEATURES)
        return _collect(blocks, len(recording), keep, name)
    path, name = check_path("path", recording), file_name(recording)
    with open_audio(path, name) as file:
        rate = gauge.rate = file.samplerate
        if file.frames and (cut := file.missing_part()):
            raise ValueError(f"{name} is truncated: {cut}.")
        first, last = _span(file, recording, name)
        n_frames, sample_rate = last - first, sample_rate or rate
        if rate < _LOWEST_RATE:
            raise ValueError(
                f"{name} has a sample rate of {rate} Hz; speech needs at least {_LOWEST_RATE} Hz."
            )
        if 0 < 2 * n_frames * sample_rate < rate:  # less than half a sample
            raise ValueError(
                f"{name} is too short: it holds 0 samples at sample_rate={sample_rate} Hz."
            )
        file.skip_frames(first)
        frames = _mono_blocks(file, n_frames, channel_of(recording), name)
        blocks = _check_samples(gauge.measure(frames), name)
        if rate != sample_rate:
            blocks = _resample(blocks, rate, sample_rate)
        part = _collect(blocks, round(n_frames * sample_rate / rate), keep, name)
        # Damage in the middle of an Ogg file is known only now.
        if cut := file.missing_part():
            raise ValueError(f"{name} is damaged: {cut}.")
        return part


def file_name(path: str | os.PathLike[str]) -> str:
    """Name a file or segment in errors."""
    return f"The audio file {path if isinstance(path, Segment) else repr(check_path('path', path))}"


def _span(file: AudioFile, path: str | os.PathLike[str], name: str) -> tuple[int, int]:
    """Return the first frame of a file, or segment, and the one after its last."""
    channel = channel_of(path)
    if isinstance(channel, int) and channel >= file.channels:
        raise ValueError(f"{name}, is missing: the file has {file.channels} channel(s), from 0.")
    n_frames, rate = file.count_frames(), file.samplerate
    if not isinstance(path, Segment):
        return 0, n_frames
    duration = n_frames / rate
    if path.start >= duration or (path.end or 0.0) > duration + TOLERANCE:
        raise ValueError(f"{name} lies beyond the end of the file, which lasts {duration:g} s.")
    first = round(path.start * rate)
    last = n_frames if path.end is None else min(round(path.end * rate), n_frames)
    if first >= last:
        raise ValueError(f"{name} is too short: it holds 0 samples at sample_rate={rate} Hz.")
    return first, last


def _mono_blocks(file: AudioFile, n_frames: int, channel: int | str, name: str) -> Blocks:
    """Yield the next frames, of one channel or averaged."""
    n_left, size = n_frames, max(1, _BLOCK // file.channels)
    while n_left:
        frames = file.read(min(n_left, size), dtype="float32", always_2d=True)
        if not len(frames):
            if n_left <= TOLERANCE * file.samplerate:
                return
            raise ValueError(
                f"{name} is truncated: it holds {n_frames - n_left} of {n_frames} frames."
            )
        n_left -= len(frames)
        yield frames.mean(axis=1) if channel == "mix" else frames[:, channel].copy()


def _resample(blocks: Blocks, rate: int, sample_rate: int) -> Blocks:
    stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")
    yield from map(stream.resample_chunk, blocks)
    yield stream.resample_chunk(np.empty(0, dtype=np.float32), last=True)


def audio_span(path: str | os.PathLike[str]) -> tuple[int, int, int]:
    """Return where a file, or a `Segment` of it, begins and ends, if possible from its header."""
    file_path, name = check_path("path", path), file_name(path)
    with open_audio(file_path, name) as file:
        return file.samplerate, *_span(file, path, name)


def find_sound(recording: Any, bounds: Bounds, name: str = "") -> NDArray[np.bool_]:
    """Find the parts with sound; bounds are first samples and ends, at the recording's own rate."""
    return read_window(recording, None, partial(find_parts, bounds=bounds), name)


def _collect(blocks: Blocks, n_expected: int, keep: Keeper, name: str) -> NDArray[Any]:
    """Keep a part of the blocks, or all."""
    filled = (block for block in blocks if block.size)  # else the resampler waits for more
    if (first := next(filled, None)) is None:
        raise ValueError(f"{name} is empty: it holds 0 samples.")
    return keep(chain([first], filled), n_expected)


def _check_samples(blocks: Blocks, name: str, hint: str = "") -> Blocks:
    """Pass on all blocks; raise an error for NaN, too loud or silent samples after the last.

    The `hint` follows the error for too loud samples.
    """
    n_samples, n_bad, lowest, highest = 0, 0, math.inf, -math.inf
    for block in blocks:
        n_samples += block.size
        extremes = float(block.min()), float(block.max())
        if not all(map(math.isfinite, extremes)):
            n_bad += int(block.size - np.isfinite(block).sum())
        lowest, highest = min(lowest, extremes[0]), max(highest, extremes[1])
        yield block
    if n_bad:
        raise ValueError(f"{name} holds NaN or infinite samples: {n_bad} of {n_samples}.")
    peak = max(-lowest, highest)
    if peak > _LOUDEST:
        raise ValueError(
            f"{name} has a peak of {peak:g}, but floats have full scale 1: pass integers as they "
            f"are, or divide by their range.{hint}"
        )
    if not peak:
        raise SilentAudioError(f"{name} is silent: all of its {n_samples} samples are zero.")
    if lowest == highest and n_samples > 1:  # a single sample is a click
        raise SilentAudioError(
            f"{name} is constant: all of its {n_samples} samples are {lowest:g}."
        )


def _to_float(row: NDArray[Any]) -> Floats:
    if row.dtype == np.uint8:
        # In unsigned 8-bit audio, zero is in the middle of the range.
        row = (row - 128.0) / 128.0
    elif row.dtype.kind == "i":
        row = row / -float(np.iinfo(row.dtype).min)
    with np.errstate(over="ignore"):  # an overflow becomes infinite, which is reported later
        return row.astype(np.float32)
