"""Utterance-level functionals: one row of statistics over time per clip."""

from __future__ import annotations

import locale
from collections.abc import Iterator
from functools import partial
from typing import Any

import librosa
import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct, next_fast_len

from skdidan.audio.cropping import Floats
from skdidan.audio.recordings import AudioTransformer
from skdidan.audio.rows import Convert
from skdidan.audio.stft import load_librosa
from skdidan.parameters import check_option
from skdidan.reporting import import_extra

__all__ = ["OPENSMILE_SETS", "Functionals"]

Doubles = NDArray[np.float64]

# The names in papers, and those of the opensmile package.
OPENSMILE_SETS = {
    **{"ComParE": "ComParE_2016", "GeMAPS": "GeMAPSv01b", "eGeMAPS": "eGeMAPSv02"},
    **{name: name for name in ("ComParE_2016", "GeMAPSv01b", "eGeMAPSv02", "emobase")},
    **{name: name for name in ("IS09", "IS10", "IS11", "IS12", "IS13")},
}
_SHORTEST_FOR_OPENSMILE = 0.1  # seconds; clips shorter than its longest frame, 60 ms, become NaN
_MIN_RATE = 8_000
_N_TOGETHER = 3_000  # frames described at once, half a minute
_N_MELS, _N_MFCC = 26, 12
_F0_MIN, _F0_MAX, _F0_REFERENCE = 60.0, 500.0, 27.5
_DESCRIPTORS = (
    *("energy_db", "zero_crossing_rate"),
    *("centroid_hz", "slope_db_per_octave", "flux_db"),
    *(f"mfcc{i}" for i in range(1, _N_MFCC + 1)),
)
_STATISTICS = ("mean", "std", "p10", "p50", "p90")
_DELTA_STATISTICS = ("delta_std", "absolute_delta_p90")
_PITCH = (
    *(f"f0_semitone_{statistic}" for statistic in _STATISTICS),
    *("f0_semitone_absolute_delta_mean", "f0_semitone_delta_std"),
    *("voiced_fraction", "voiced_segments_per_s", "voiced_segment_s_mean"),
)
_LIGHT_NAMES = (
    *(f"{name}_{stat}" for stat in _STATISTICS + _DELTA_STATISTICS for name in _DESCRIPTORS),
    *_PITCH,
)


def _frame_lengths(sample_rate: int) -> tuple[int, int, int]:
    """Return window, hop and transform length in samples: 25 ms, 10 ms and a power of two."""
    win_length = round(0.025 * sample_rate)
    return win_length, round(0.01 * sample_rate), 1 << (win_length - 1).bit_length()


def _parts(waveform: Floats, frame_length: int, hop_length: int) -> Iterator[Floats]:
    """Yield the samples of some frames, centred on multiples of the hop, with padding for them."""
    n_frames = 1 + len(waveform) // hop_length
    for first in range(0, n_frames, _N_TOGETHER):
        start = first * hop_length - frame_length // 2
        stop = start + (min(_N_TOGETHER, n_frames - first) - 1) * hop_length + frame_length
        part = waveform[max(0, start) : stop]
        yield np.pad(part, (max(0, -start), max(0, stop - len(waveform))))


def _describe_frames(waveform: Floats, sample_rate: int, bank: Floats) -> Doubles:
    """Compute the _DESCRIPTORS of every frame, shape (n_descriptors, n_frames)."""
    win_length, hop_length, n_fft = _frame_lengths(sample_rate)
    frequencies = librosa.fft_frequencies(sr=sample_rate, n_fft=n_fft)
    measures, bands = [], []
    for samples, wider in zip(
        _parts(waveform, win_length, hop_length), _parts(waveform, n_fft, hop_length), strict=True
    ):
        frames = librosa.util.frame(
            samples.astype(np.float64), frame_length=win_length, hop_length=hop_length
        )
        spectrum = librosa.stft(
            wider, n_fft=n_fft, hop_length=hop_length, win_length=win_length, center=False
        )
        power = np.abs(spectrum).astype(np.float64) ** 2
        signs = np.signbit(frames)
        measures.append(
            [
                librosa.power_to_db(np.mean(frames**2, axis=0), top_db=None),
                np.mean(signs[1:] != signs[:-1], axis=0),
                frequencies @ power / np.maximum(power.sum(axis=0), np.finfo(float).tiny),
            ]
        )
        bands.append(bank @ power)
    levels = librosa.power_to_db(np.concatenate(bands, axis=1), top_db=60.0)
    octaves = np.log2(bank @ frequencies / bank.sum(axis=1))
    octaves -= octaves.mean()
    return np.stack(
        [
            *np.concatenate(measures, axis=1),
            octaves @ levels / (octaves @ octaves),
            np.abs(np.diff(levels, axis=1, prepend=levels[:, :1])).mean(axis=0),
            *dct(levels, axis=0, norm="ortho")[1 : _N_MFCC + 1],
        ]
    )


def _track_pitch(waveform: Floats, sample_rate: int) -> Doubles:
    """Compute F0 [Hz] of every frame by YIN, shape (n_frames,)."""
    _, hop_length, _ = _frame_lengths(sample_rate)
    frame_length = 2 * next_fast_len(round(1.5 * sample_rate / _F0_MIN))
    lengths: dict[str, Any] = {"frame_length": frame_length, "hop_length": hop_length}
    tracked = [
        librosa.yin(part, fmin=_F0_MIN, fmax=_F0_MAX, sr=sample_rate, center=False, **lengths)
        for part in _parts(waveform, **lengths)
    ]
    return np.concatenate(tracked)


def _statistics(values: Doubles) -> Doubles:
    """Compute the _STATISTICS over the last axis, stacked along a new first axis."""
    percentiles = np.percentile(values, (10, 50, 90), axis=-1)
    return np.stack([values.mean(axis=-1), values.std(axis=-1), *percentiles])


def _delta_statistics(values: Doubles, active: NDArray[np.bool_]) -> Doubles:
    """Compute the _DELTA_STATISTICS of neighbouring active frames; zeros if there are none."""
    deltas = np.diff(values, axis=1)[:, active[1:] & active[:-1]]
    if not deltas.size:
        return np.zeros((len(_DELTA_STATISTICS), len(values)))
    return np.stack([deltas.std(axis=1), np.percentile(np.abs(deltas), 90, axis=1)])


def _describe_pitch(f0: Doubles, voiced: NDArray[np.bool_], n_active: int, hop: float) -> Doubles:
    """Compute the _PITCH features from F0 [Hz] and the hop [s]; zeros if no frame is voiced."""
    described = np.zeros(len(_PITCH))
    if not voiced.any():
        return described
    semitones = 12 * np.log2(f0[voiced] / _F0_REFERENCE)
    described[:5] = _statistics(semitones)
    deltas = np.diff(semitones)[np.diff(np.flatnonzero(voiced)) == 1]
    if deltas.size:
        described[5:7] = np.abs(deltas).mean(), deltas.std()
    n_voiced = np.count_nonzero(voiced)
    n_segments = np.count_nonzero(np.diff(voiced, prepend=False) & voiced)
    described[7:] = n_voiced / n_active, n_segments / (n_active * hop), n_voiced / n_segments * hop
    return described


def _light(waveform: Floats, sample_rate: int, bank: Floats) -> Floats:
    _, hop_length, n_fft = _frame_lengths(sample_rate)
    # An offset would add to the energy of pauses, and keep the waveform from crossing zero.
    # In place: it is a copy of the caller's waveform, and may last an hour.
    waveform -= waveform.mean(dtype=np.float64).astype(np.float32)
    if len(waveform) < n_fft:
        waveform = np.pad(waveform, (0, n_fft - len(waveform)))
    descriptors = _describe_frames(waveform, sample_rate, bank)
    energy, crossings = descriptors[:2]
    # Padding and digital silence tell nothing about the speaker.
    active = energy > energy.max() - 50
    f0 = _track_pitch(waveform, sample_rate)
    loud = energy > np.percentile(energy[active], 95) - 25
    # Fricatives cross zero often; yin returns a limit of its range if it finds no period.
    voiced = loud & (crossings < 0.25) & (f0 > 1.01 * _F0_MIN) & (f0 < 0.99 * _F0_MAX)
    return np.concatenate(
        [
            _statistics(descriptors[:, active]).ravel(),
            _delta_statistics(descriptors, active).ravel(),
            _describe_pitch(f0, voiced, int(active.sum()), hop_length / sample_rate),
        ]
    ).astype(np.float32)


def _smile_row(waveform: Floats, smile: Any, sample_rate: int) -> Floats:
    shortest = round(_SHORTEST_FOR_OPENSMILE * sample_rate)
    waveform = np.pad(waveform, (0, max(0, shortest - len(waveform))))
    return smile.process_signal(waveform, sample_rate).to_numpy(np.float32)[0]


def _make_smile(feature_set: str) -> Any:
    need = f"feature_set={feature_set!r} needs the opensmile package, whose licence is for research"
    opensmile = import_extra("opensmile", "opensmile", need)
    point = locale.localeconv()["decimal_point"]
    if point != ".":
        raise ValueError(
            f"openSMILE reads its numbers, which have a point, by the locale, which has {point!r}: "
            "call locale.setlocale(locale.LC_NUMERIC, 'C') first."
        )
    return opensmile.Smile(
        feature_set=opensmile.FeatureSet[OPENSMILE_SETS[feature_set]],
        feature_level=opensmile.FeatureLevel.Functionals,
    )


class Functionals(AudioTransformer):
    """Utterance-level functionals: statistics over time of low-level descriptors.

    The light set has 129 features. The mean of the samples is subtracted first. Low-level
    descriptors come from frames of 25 ms every 10 ms that are within 50 dB of the loudest one:
    energy [dB], zero-crossing rate, spectral centroid [Hz], slope [dB per octave], flux [dB] and 12
    mel-frequency cepstral coefficients. Each gives its mean, standard deviation and percentiles
    10, 50, 90, and, for its change from frame to frame, the standard deviation and the 90th
    percentile of the absolute value. F0 by YIN (60 to 500 Hz) gives the same statistics in
    semitones above 27.5 Hz; voiced frames are within 25 dB of the loud ones and rarely cross zero.
    Rhythm is the share of voiced frames, voiced segments per second and their mean length [s].
    Pitch and rhythm are zero if nothing is voiced.

    ``transform`` returns float32 of shape (n, n_features), with columns as in
    `get_feature_names_out`.

    Parameters
    ----------
    feature_set : str, default="light"
        ``"light"``, or a set of the opensmile package: ``"eGeMAPSv02"`` (88 features),
        ``"GeMAPSv01b"`` (62), ``"ComParE_2016"`` (6,373), ``"emobase"`` (988), or one of the
        Interspeech challenges from 2009 to 2013: ``"IS09"`` (384), ``"IS10"`` (1,582), ``"IS11"``
        (4,368), ``"IS12"`` (6,125), ``"IS13"`` (6,373). ``"eGeMAPS"``, ``"GeMAPS"`` and
        ``"ComParE"`` are short for the first three (in opensmile itself, the first two mean the
        outdated v01a). These sets need ``pip install skdidan[opensmile]``, whose licence is for
        research, and clips of less than 0.1 s are padded with zeros to that length.
    sample_rate : int >= 8000 [Hz], default=16000
        Files are resampled to this rate; waveforms must have it.
    on_error : {"raise", "warn"}, default="raise"
        Raise an error for a row that cannot be used, or use silence and report an `AudioWarning`.
    memory : str, path-like or joblib.Memory, optional
        Folder that caches the row of each recording; None caches nothing.
    n_jobs : int, optional
        Number of parallel threads, as in joblib: None is 1, -1 is all processors.
    verbose : int, default=0
        Show a progress bar if not 0.

    References
    ----------
    A. de Cheveigne, H. Kawahara: "YIN, a fundamental frequency estimator for speech and music",
    JASA 111(4), 2002. F. Eyben, M. Woellmer, B. Schuller: "openSMILE: the Munich versatile and
    fast open-source audio feature extractor", ACM Multimedia 2010.

    Examples
    --------
    A tone of 220 Hz is three octaves, or 36 semitones, above 27.5 Hz.

    >>> import numpy as np
    >>> from skdidan import Functionals
    >>> tone = 0.1 * np.sin(2 * np.pi * 220 * np.arange(16_000) / 16_000)
    >>> functionals = Functionals()
    >>> X = functionals.fit_transform([tone])
    >>> names = functionals.get_feature_names_out().tolist()
    >>> X.shape, round(float(X[0, names.index("f0_semitone_p50")]), 1)
    ((1, 129), 36.0)
    """

    def __init__(
        self,
        feature_set: str = "light",
        *,
        sample_rate: int = 16_000,
        on_error: str = "raise",
        memory: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            sample_rate, on_error=on_error, memory=memory, n_jobs=n_jobs, verbose=verbose
        )
        self.feature_set = feature_set

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the features.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        names : ndarray of str, shape (n_features,)
            Such as ``"f0_semitone_mean"``.
        """
        self._check_parameters()
        light = self.feature_set == "light"
        names = _LIGHT_NAMES if light else _make_smile(self.feature_set).feature_names
        return np.asarray(names, dtype=object)

    def _converter(self) -> Convert:
        if self.feature_set != "light":
            smile = _make_smile(self.feature_set)
            return partial(_smile_row, smile=smile, sample_rate=self.sample_rate)
        load_librosa()
        _, _, n_fft = _frame_lengths(self.sample_rate)
        bank = librosa.filters.mel(sr=self.sample_rate, n_fft=n_fft, n_mels=_N_MELS)
        return partial(_light, sample_rate=self.sample_rate, bank=bank)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_option("feature_set", self.feature_set, ["light", *OPENSMILE_SETS])
        if self.sample_rate < _MIN_RATE:
            raise ValueError(f"sample_rate must be at least {_MIN_RATE}; got {self.sample_rate}.")
