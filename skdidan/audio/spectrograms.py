"""From audio to spectrograms of one length or of their own: linear, mel, cepstral."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import librosa
import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct, rfft
from scipy.signal import get_window

from skdidan.audio.cropping import Window
from skdidan.audio.recordings import AudioTransformer
from skdidan.padding import join_rows
from skdidan.parameters import check_count, check_option, check_positive

__all__ = ["MFCC", "LogMelSpectrogram", "Spectrogram"]

_CROPS = ("loudest", "center")
_N_TOGETHER = 64  # frames transformed at once: few enough for them to stay in the cache


def _count_frames(n_samples: int, n_fft: int, hop_length: int) -> int:
    # librosa pads n_fft // 2 samples on both sides: one fewer than n_fft where that is odd.
    return 1 + (n_samples - n_fft % 2) // hop_length


def _power(
    waveform: NDArray[np.float32], n_samples: int, taper: NDArray[np.float64], hop_length: int
) -> NDArray[np.float32]:
    """Compute what ``np.abs(librosa.stft(waveform)) ** 2`` is, transposed.

    The waveform is padded at its end with zeros to `n_samples`, and frames that see nothing else
    are not transformed. In double precision and rounded to single where librosa does, which gives
    the same values: wholly in single precision, bins far below the peak of their frame would differ
    by more than 1e-4 dB.
    """
    n_fft = len(taper)
    half = n_fft // 2
    padded = np.zeros(n_samples + 2 * half)
    padded[half : half + len(waveform)] = waveform
    n_frames = _count_frames(n_samples, n_fft, hop_length)
    # A view whose rows overlap; sliding_window_view takes as long as ten of the transforms.
    strides = hop_length * padded.itemsize, padded.itemsize
    frames = np.ndarray((n_frames, n_fft), padded.dtype, buffer=padded.data, strides=strides)
    n_heard = min(n_frames, -(-(half + len(waveform)) // hop_length))
    power = np.zeros((n_frames, 1 + half), dtype=np.float32)
    for start in range(0, n_heard, _N_TOGETHER):
        together = slice(start, min(start + _N_TOGETHER, n_heard))
        np.abs(rfft(frames[together] * taper).astype(np.complex64), out=power[together])
    power *= power
    return power


def _n_samples(duration: float, sample_rate: int) -> int:
    return round(duration * sample_rate)


class _DecibelSpectrogram(AudioTransformer):
    """Decibel spectrogram of each clip; subclasses say what becomes of its bins."""

    def __init__(
        self,
        *,
        sample_rate: int = 16_000,
        n_fft: int = 512,
        win_length: int = 400,
        hop_length: int = 160,
        duration: float | None = 2.0,
        crop: str = "loudest",
        amin: float = 1e-10,
        top_db: float | None = 80.0,
        on_error: str = "raise",
        memory: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.sample_rate = sample_rate
        self.n_fft = n_fft
        self.win_length = win_length
        self.hop_length = hop_length
        self.duration = duration
        self.crop = crop
        self.amin = amin
        self.top_db = top_db
        self.on_error = on_error
        self.memory = memory
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _converter(self) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        taper = librosa.util.pad_center(get_window("hann", self.win_length), size=self.n_fft)
        return partial(self._convert, taper=taper, bank=self._filter_bank())

    def _window(self) -> Window | None:
        if self.duration is None:
            return None
        return Window(_n_samples(self.duration, self.sample_rate), self.crop)

    def _allocate(self, n_rows: int) -> Any:
        if self.duration is None:
            return super()._allocate(n_rows)
        n_samples = _n_samples(self.duration, self.sample_rate)
        n_frames = _count_frames(n_samples, self.n_fft, self.hop_length)
        return np.empty((n_rows, self._n_bins(), n_frames), dtype=np.float32)

    def _stack(self, features: Any) -> NDArray[np.float32]:
        if self.duration is None:
            return join_rows([clip[np.newaxis] for clip in features])
        return features

    def _n_bins(self) -> int:
        return 1 + self.n_fft // 2

    def _filter_bank(self) -> NDArray[np.float32] | None:
        return None

    def _convert(
        self,
        waveform: NDArray[np.float32],
        taper: NDArray[np.float64],
        bank: NDArray[np.float32] | None,
    ) -> NDArray[np.float32]:
        if self.duration is None:
            n_samples = max(len(waveform), self.n_fft)  # no less makes a frame
        else:
            n_samples = _n_samples(self.duration, self.sample_rate)
        power = _power(waveform, n_samples, taper, self.hop_length).T
        if bank is not None:
            power = bank @ power
        return self._decibels(power)

    def _decibels(self, power: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute what ``librosa.power_to_db`` does with a reference of 1, in place."""
        np.maximum(power, np.float32(self.amin), out=power)
        np.log10(power, out=power)
        power *= 10
        if self.amin > 1:
            power -= np.float32(10 * np.log10(self.amin))
        if self.top_db is not None:
            np.maximum(power, power.max() - np.float32(self.top_db), out=power)
        return power

    def _check_parameters(self) -> None:
        super()._check_parameters()
        for name in ("n_fft", "win_length", "hop_length"):
            check_count(name, getattr(self, name))
        check_positive("amin", self.amin)
        if self.duration is not None:
            self._check_duration(self.duration)
        if self.top_db is not None:
            check_positive("top_db", self.top_db)
        if self.win_length > self.n_fft:
            raise ValueError(
                f"win_length must not exceed n_fft; got {self.win_length} > {self.n_fft} samples."
            )
        check_option("crop", self.crop, _CROPS)

    def _check_duration(self, duration: float) -> None:
        n_samples = _n_samples(check_positive("duration", duration), self.sample_rate)
        if n_samples < self.n_fft:
            raise ValueError(
                f"duration must cover at least n_fft samples; got {duration} s = {n_samples} "
                f"samples < {self.n_fft}."
            )


class Spectrogram(_DecibelSpectrogram):
    r"""Log-magnitude spectrogram on a linear frequency axis.

    .. math:: S_{kt} = 10 \log_{10} \max(|X_{kt}|^2, a_\min), \qquad
        S_{kt} \leftarrow \max(S_{kt},\ \max S - \mathrm{top\_db})

    where :math:`X` is the short-time Fourier transform with a Hann window and frames centred on
    multiples of `hop_length`. Same values as ``librosa.stft`` and ``librosa.power_to_db``. The
    reference of 0 dB is fixed, so the loudness of a clip stays in its values (a gain adds a
    constant); scale each corpus afterwards, as `CorpusScaler` does, if it should not.

    Parameters
    ----------
    sample_rate : int > 0 [Hz], default=16000
        Rate to which files are resampled and which waveforms are taken to have.
    n_fft : int > 0 [samples], default=512
        Length of the Fourier transform; the window is padded to it with zeros.
    win_length : int > 0 [samples], default=400
        Length of the window, 25 ms at 16 kHz; at most `n_fft`.
    hop_length : int > 0 [samples], default=160
        Distance of the frames, 10 ms at 16 kHz.
    duration : float > 0 [s] or None, default=2.0
        Length of every clip. A shorter one is padded with zeros at its end, a longer one cropped.
        None keeps each whole, at least `n_fft` samples; frames of NaN then follow the shorter ones
        in the array, for a network that leaves them out, such as `CNN` or `VGG11`.
    crop : {"loudest", "center"}, default="loudest"
        Which window of a longer clip to keep: the first one of the highest energy, or the centre.
    amin : float > 0, default=1e-10
        Power below which all is silence: digital silence is ``10 * log10(amin)``, -100 dB.
    top_db : float > 0 [dB], optional, default=80.0
        Dynamic range: values further below the clip's own peak are raised to ``peak - top_db``,
        so that padding is not an outlier. None keeps everything above `amin`.
    on_error : {"raise", "warn"}, default="raise"
        What to do about a row that is missing, corrupt, empty, silent or holds NaN: raise an error
        that names its file or row, or let silence stand in and report all such rows in one
        `AudioWarning`.
    memory : str, path-like or joblib.Memory, optional
        Folder in which to keep the row of each recording, one file each, so that it is computed
        once per setting; see the user guide. None keeps nothing.
    n_jobs : int, optional
        Clips read and transformed at once, in threads; as in joblib, None is 1 and -1 all.
    verbose : int, default=0
        Show a progress bar if not 0.

    References
    ----------
    The input of Zhao, Wang, Zong, Zheng, Lian, Zhao: "Deep Implicit Distribution Alignment Networks
    for Cross-Corpus Speech Emotion Recognition", ICASSP 2023, arXiv:2302.08921.

    Examples
    --------
    A tone of 1 kHz lies in bin 1000 / 16000 * 512 = 32.

    >>> import numpy as np
    >>> from skdidan import Spectrogram
    >>> tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(32_000) / 16_000)
    >>> spectrograms = Spectrogram().fit_transform([tone])
    >>> spectrograms.shape, int(spectrograms[0, :, 100].argmax())
    ((1, 257, 201), 32)
    """


class LogMelSpectrogram(_DecibelSpectrogram):
    r"""Log-mel spectrogram.

    .. math:: M_{mt} = 10 \log_{10} \max\Big(\sum_k B_{mk} |X_{kt}|^2,\ a_\min\Big)

    with the triangular, area-normalised mel filters :math:`B` of ``librosa.filters.mel``, then
    limited to `top_db` below the peak. Same values as ``librosa.feature.melspectrogram`` and
    ``librosa.power_to_db``. The reference of 0 dB is fixed, so the loudness of a clip stays in its
    values (a gain adds a constant).

    Parameters
    ----------
    sample_rate : int > 0 [Hz], default=16000
        Rate to which files are resampled and which waveforms are taken to have.
    n_fft : int > 0 [samples], default=512
        Length of the Fourier transform; the window is padded to it with zeros.
    win_length : int > 0 [samples], default=400
        Length of the window, 25 ms at 16 kHz; at most `n_fft`.
    hop_length : int > 0 [samples], default=160
        Distance of the frames, 10 ms at 16 kHz.
    n_mels : int > 0, default=64
        Number of mel bands.
    fmin : float >= 0 [Hz], default=0.0
        Lower edge of the lowest band.
    fmax : float [Hz], optional
        Upper edge of the highest band; None is ``sample_rate / 2``.
    duration : float > 0 [s] or None, default=2.0
        Length of every clip. A shorter one is padded with zeros at its end, a longer one cropped.
        None keeps each whole, at least `n_fft` samples; frames of NaN then follow the shorter ones
        in the array, for a network that leaves them out, such as `CNN` or `VGG11`.
    crop : {"loudest", "center"}, default="loudest"
        Which window of a longer clip to keep: the first one of the highest energy, or the centre.
    amin : float > 0, default=1e-10
        Power below which all is silence: digital silence is ``10 * log10(amin)``, -100 dB.
    top_db : float > 0 [dB], optional, default=80.0
        Dynamic range: values further below the clip's own peak are raised to ``peak - top_db``,
        so that padding is not an outlier. None keeps everything above `amin`.
    on_error : {"raise", "warn"}, default="raise"
        What to do about a row that is missing, corrupt, empty, silent or holds NaN: raise an error
        that names its file or row, or let silence stand in and report all such rows in one
        `AudioWarning`.
    memory : str, path-like or joblib.Memory, optional
        Folder in which to keep the row of each recording, one file each, so that it is computed
        once per setting; see the user guide. None keeps nothing.
    n_jobs : int, optional
        Clips read and transformed at once, in threads; as in joblib, None is 1 and -1 all.
    verbose : int, default=0
        Show a progress bar if not 0.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import LogMelSpectrogram
    >>> noise = np.random.default_rng(0).normal(scale=0.1, size=(3, 20_000))
    >>> LogMelSpectrogram(n_mels=40, duration=1.0).fit_transform(noise).shape
    (3, 40, 101)
    """

    def __init__(
        self,
        *,
        sample_rate: int = 16_000,
        n_fft: int = 512,
        win_length: int = 400,
        hop_length: int = 160,
        n_mels: int = 64,
        fmin: float = 0.0,
        fmax: float | None = None,
        duration: float | None = 2.0,
        crop: str = "loudest",
        amin: float = 1e-10,
        top_db: float | None = 80.0,
        on_error: str = "raise",
        memory: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            sample_rate=sample_rate,
            n_fft=n_fft,
            win_length=win_length,
            hop_length=hop_length,
            duration=duration,
            crop=crop,
            amin=amin,
            top_db=top_db,
            on_error=on_error,
            memory=memory,
            n_jobs=n_jobs,
            verbose=verbose,
        )
        self.n_mels = n_mels
        self.fmin = fmin
        self.fmax = fmax

    def _n_bins(self) -> int:
        return self.n_mels

    def _filter_bank(self) -> NDArray[np.float32] | None:
        return librosa.filters.mel(
            sr=self.sample_rate,
            n_fft=self.n_fft,
            n_mels=self.n_mels,
            fmin=self.fmin,
            fmax=self.fmax,
        )

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_count("n_mels", self.n_mels)
        nyquist = self.sample_rate / 2
        fmax = nyquist if self.fmax is None else self.fmax
        if not 0 <= self.fmin < fmax <= nyquist:
            raise ValueError(
                "fmin and fmax must satisfy 0 <= fmin < fmax <= sample_rate / 2; got "
                f"fmin={self.fmin!r}, fmax={self.fmax!r}, sample_rate / 2 = {nyquist}."
            )


class MFCC(LogMelSpectrogram):
    r"""Mel-frequency cepstral coefficients.

    .. math:: C = D M

    where :math:`M` is the log-mel spectrogram of `LogMelSpectrogram` and :math:`D` holds the first
    `n_mfcc` rows of the orthonormal discrete cosine transform of type II. Same values as
    ``librosa.feature.mfcc``. Coefficient 0 is the mean level of the bands times
    ``sqrt(n_mels)``, and the only one that a gain changes.

    Parameters
    ----------
    sample_rate : int > 0 [Hz], default=16000
        Rate to which files are resampled and which waveforms are taken to have.
    n_fft : int > 0 [samples], default=512
        Length of the Fourier transform; the window is padded to it with zeros.
    win_length : int > 0 [samples], default=400
        Length of the window, 25 ms at 16 kHz; at most `n_fft`.
    hop_length : int > 0 [samples], default=160
        Distance of the frames, 10 ms at 16 kHz.
    n_mfcc : int > 0, default=20
        Number of coefficients; at most `n_mels`.
    n_mels : int > 0, default=64
        Number of mel bands.
    fmin : float >= 0 [Hz], default=0.0
        Lower edge of the lowest band.
    fmax : float [Hz], optional
        Upper edge of the highest band; None is ``sample_rate / 2``.
    duration : float > 0 [s] or None, default=2.0
        Length of every clip. A shorter one is padded with zeros at its end, a longer one cropped.
        None keeps each whole, at least `n_fft` samples; frames of NaN then follow the shorter ones
        in the array, for a network that leaves them out, such as `CNN` or `VGG11`.
    crop : {"loudest", "center"}, default="loudest"
        Which window of a longer clip to keep: the first one of the highest energy, or the centre.
    amin : float > 0, default=1e-10
        Power below which all is silence: digital silence is ``10 * log10(amin)``, -100 dB.
    top_db : float > 0 [dB], optional, default=80.0
        Dynamic range of the log-mel spectrogram: values further below the clip's own peak are
        raised to ``peak - top_db``. None keeps everything above `amin`.
    on_error : {"raise", "warn"}, default="raise"
        What to do about a row that is missing, corrupt, empty, silent or holds NaN: raise an error
        that names its file or row, or let silence stand in and report all such rows in one
        `AudioWarning`.
    memory : str, path-like or joblib.Memory, optional
        Folder in which to keep the row of each recording, one file each, so that it is computed
        once per setting; see the user guide. None keeps nothing.
    n_jobs : int, optional
        Clips read and transformed at once, in threads; as in joblib, None is 1 and -1 all.
    verbose : int, default=0
        Show a progress bar if not 0.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import MFCC
    >>> noise = np.random.default_rng(0).normal(scale=0.1, size=(3, 20_000))
    >>> MFCC(n_mfcc=13).fit_transform(noise).shape
    (3, 13, 201)
    """

    def __init__(
        self,
        *,
        sample_rate: int = 16_000,
        n_fft: int = 512,
        win_length: int = 400,
        hop_length: int = 160,
        n_mfcc: int = 20,
        n_mels: int = 64,
        fmin: float = 0.0,
        fmax: float | None = None,
        duration: float | None = 2.0,
        crop: str = "loudest",
        amin: float = 1e-10,
        top_db: float | None = 80.0,
        on_error: str = "raise",
        memory: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            sample_rate=sample_rate,
            n_fft=n_fft,
            win_length=win_length,
            hop_length=hop_length,
            n_mels=n_mels,
            fmin=fmin,
            fmax=fmax,
            duration=duration,
            crop=crop,
            amin=amin,
            top_db=top_db,
            on_error=on_error,
            memory=memory,
            n_jobs=n_jobs,
            verbose=verbose,
        )
        self.n_mfcc = n_mfcc

    def _n_bins(self) -> int:
        return self.n_mfcc

    def _convert(
        self,
        waveform: NDArray[np.float32],
        taper: NDArray[np.float64],
        bank: NDArray[np.float32] | None,
    ) -> NDArray[np.float32]:
        bands = super()._convert(waveform, taper, bank)
        return dct(bands, axis=0, type=2, norm="ortho")[: self.n_mfcc]

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_count("n_mfcc", self.n_mfcc)
        if self.n_mfcc > self.n_mels:
            raise ValueError(
                f"n_mfcc must not exceed n_mels; got {self.n_mfcc} > {self.n_mels} bands."
            )
