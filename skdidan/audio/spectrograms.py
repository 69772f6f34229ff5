"""Linear, mel and cepstral spectrograms, of a fixed duration or of whole recordings."""

from __future__ import annotations

from functools import partial
from typing import Any

import librosa
import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct
from scipy.signal import get_window

from skdidan.audio.cropping import Floats, Window
from skdidan.audio.recordings import AudioTransformer
from skdidan.audio.rows import Convert
from skdidan.audio.stft import count_stft_frames, load_librosa, stft_power
from skdidan.padding import join_rows
from skdidan.parameters import check_count, check_not_negative, check_option, check_positive

__all__ = ["MFCC", "LogMelSpectrogram", "Spectrogram"]

_DAY = 24 * 3600  # seconds


class Spectrogram(AudioTransformer):
    r"""Log-magnitude spectrogram on a linear frequency axis.

    .. math:: S_{kt} = 10 \log_{10} \max(|X_{kt}|^2, a_\min), \qquad
        S_{kt} \leftarrow \max(S_{kt},\ \max S - \mathrm{top\_db})

    where :math:`X` is the short-time Fourier transform with a Hann window and frames centred on
    multiples of `hop_length`. The values equal those of ``librosa.stft`` and
    ``librosa.power_to_db``. The reference of 0 dB is fixed, so a gain adds a constant; scale each
    corpus afterwards, as `CorpusScaler` does, to remove it.

    ``transform`` returns float32 of shape (n, 1 + n_fft // 2, n_frames), where ``n_frames = 1 +
    round(duration * sample_rate) // hop_length`` for an even `n_fft`.

    Parameters
    ----------
    sample_rate : int > 0 [Hz], default=16000
        Files are resampled to this rate; waveforms must have it.
    n_fft, win_length : int > 0 [samples], default=512, 400
        Length of the Fourier transform, and of the window, 25 ms at 16 kHz and at most `n_fft`.
    hop_length : int > 0 [samples], default=160
        Step between frames, 10 ms at 16 kHz.
    duration : float > 0 [s] or None, default=2.0
        Clips are padded with zeros at the end, or cropped, to this length. None keeps them whole,
        at least `n_fft` samples, and pads with frames of NaN, which networks such as `CNN` mask.
    crop : {"loudest", "center"}, default="loudest"
        Part of a longer clip to keep: the first window of the highest energy, or the centre.
    amin : float > 0, default=1e-10
        Lowest power: digital silence becomes ``10 * log10(amin)``, by default -100 dB.
    top_db : float > 0 [dB], optional, default=80.0
        Values are limited to `top_db` below the peak of their clip; None sets no limit.
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
    Input of DIDAN: Y. Zhao et al., "Deep Implicit Distribution Alignment Networks for Cross-Corpus
    Speech Emotion Recognition", ICASSP 2023, arXiv:2302.08921.

    Examples
    --------
    A tone of 1 kHz is in bin 1000 / 16000 * 512 = 32.

    >>> import numpy as np
    >>> from skdidan import Spectrogram
    >>> tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(32_000) / 16_000)
    >>> spectrograms = Spectrogram().fit_transform([tone])
    >>> spectrograms.shape, int(spectrograms[0, :, 100].argmax())
    ((1, 257, 201), 32)
    """

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
        super().__init__(
            sample_rate, on_error=on_error, memory=memory, n_jobs=n_jobs, verbose=verbose
        )
        self.n_fft = n_fft
        self.win_length = win_length
        self.hop_length = hop_length
        self.duration = duration
        self.crop = crop
        self.amin = amin
        self.top_db = top_db

    def _converter(self) -> Convert:
        load_librosa()
        taper = librosa.util.pad_center(get_window("hann", self.win_length), size=self.n_fft)
        return partial(self._convert, taper=taper, bank=self._filter_bank())

    def _n_samples(self) -> int | None:
        return None if self.duration is None else round(self.duration * self.sample_rate)

    def _window(self) -> Window | None:
        n_samples = self._n_samples()
        return None if n_samples is None else Window(n_samples, self.crop)

    def _allocate(self, n_rows: int) -> Any:
        n_samples = self._n_samples()
        if n_samples is None:
            return super()._allocate(n_rows)
        n_frames = count_stft_frames(n_samples, self.n_fft, self.hop_length)
        return np.empty((n_rows, self._n_bins(), n_frames), dtype=np.float32)

    def _stack(self, features: Any) -> Floats:
        if self.duration is None:
            return join_rows([clip[np.newaxis] for clip in features])
        return features

    def _n_bins(self) -> int:
        return 1 + self.n_fft // 2

    def _filter_bank(self) -> Floats | None:
        return None

    def _convert(self, waveform: Floats, taper: NDArray[np.float64], bank: Floats | None) -> Floats:
        n_samples = self._n_samples() or max(len(waveform), self.n_fft)  # no less makes a frame
        power = stft_power(waveform, n_samples, taper, self.hop_length).T
        return self._from_power(power if bank is None else bank @ power)

    def _from_power(self, power: Floats) -> Floats:
        """Compute ``librosa.power_to_db`` with a reference of 1, in place."""
        np.maximum(power, np.float32(self.amin), out=power)
        np.log10(power, out=power)
        power *= 10
        power -= np.float32(10 * np.log10(max(self.amin, 1)))
        if self.top_db is not None:
            np.maximum(power, power.max() - np.float32(self.top_db), out=power)
        return power

    def _check_parameters(self) -> None:
        super()._check_parameters()
        for name in ("n_fft", "win_length", "hop_length"):
            check_count(name, getattr(self, name))
        check_positive("amin", self.amin, single=True)
        for name in ("duration", "top_db"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name), single=True)
        if self.win_length > self.n_fft:
            raise ValueError(
                f"win_length must not exceed n_fft; got {self.win_length} > {self.n_fft} samples."
            )
        n_samples = self._n_samples()
        if n_samples is not None and n_samples < self.n_fft:
            raise ValueError(
                f"duration must cover at least n_fft samples; got {self.duration} s at "
                f"sample_rate={self.sample_rate} = {n_samples} samples < {self.n_fft}."
            )
        if self.duration is not None and self.duration > _DAY:
            raise ValueError(f"duration must not exceed a day, {_DAY} s; got {self.duration} s.")
        check_option("crop", self.crop, ("loudest", "center"))


class LogMelSpectrogram(Spectrogram):
    r"""Log-mel spectrogram.

    .. math:: M_{mt} = 10 \log_{10} \max\Big(\sum_k B_{mk} |X_{kt}|^2,\ a_\min\Big)

    with the triangular, area-normalised mel filters :math:`B` of ``librosa.filters.mel``, then
    limited to `top_db` below the peak. The values equal those of
    ``librosa.feature.melspectrogram`` and ``librosa.power_to_db``. The reference of 0 dB is fixed,
    so a gain adds a constant.

    ``transform`` returns float32 of shape (n, n_mels, n_frames), with the frames of `Spectrogram`.

    Parameters
    ----------
    sample_rate : int > 0 [Hz], default=16000
        Files are resampled to this rate; waveforms must have it.
    n_fft, win_length : int > 0 [samples], default=512, 400
        Length of the Fourier transform, and of the window, 25 ms at 16 kHz and at most `n_fft`.
    hop_length : int > 0 [samples], default=160
        Step between frames, 10 ms at 16 kHz.
    n_mels : int > 0, default=64
        Number of mel bands.
    fmin, fmax : float [Hz], default=0.0, None
        Edges of the lowest and the highest band; None is ``sample_rate / 2``.
    duration : float > 0 [s] or None, default=2.0
        Clips are padded with zeros at the end, or cropped, to this length. None keeps them whole,
        at least `n_fft` samples, and pads with frames of NaN, which networks such as `CNN` mask.
    crop : {"loudest", "center"}, default="loudest"
        Part of a longer clip to keep: the first window of the highest energy, or the centre.
    amin : float > 0, default=1e-10
        Lowest power: digital silence becomes ``10 * log10(amin)``, by default -100 dB.
    top_db : float > 0 [dB], optional, default=80.0
        Values are limited to `top_db` below the peak of their clip; None sets no limit.
    on_error : {"raise", "warn"}, default="raise"
        Raise an error for a row that cannot be used, or use silence and report an `AudioWarning`.
    memory : str, path-like or joblib.Memory, optional
        Folder that caches the row of each recording; None caches nothing.
    n_jobs : int, optional
        Number of parallel threads, as in joblib: None is 1, -1 is all processors.
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

    def _filter_bank(self) -> Floats | None:
        return librosa.filters.mel(
            sr=self.sample_rate,
            n_fft=self.n_fft,
            n_mels=self.n_mels,
            fmin=float(self.fmin),  # in single precision the filters would differ
            fmax=self.fmax,
        )

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_count("n_mels", self.n_mels)
        nyquist = self.sample_rate / 2
        check_not_negative("fmin", self.fmin)
        fmax = nyquist if self.fmax is None else check_positive("fmax", self.fmax)
        if not self.fmin < fmax <= nyquist:
            raise ValueError(
                "fmin and fmax must satisfy 0 <= fmin < fmax <= sample_rate / 2; got "
                f"fmin={self.fmin!r}, fmax={self.fmax!r}, sample_rate / 2 = {nyquist}."
            )


class MFCC(LogMelSpectrogram):
    r"""Mel-frequency cepstral coefficients.

    .. math:: C = D M

    where :math:`M` is the log-mel spectrogram of `LogMelSpectrogram` and :math:`D` holds the first
    `n_mfcc` rows of the orthonormal discrete cosine transform of type II. The values equal those
    of ``librosa.feature.mfcc``. Coefficient 0 is the mean level of the bands times
    ``sqrt(n_mels)``; it alone depends on the gain.

    ``transform`` returns float32 of shape (n, n_mfcc, n_frames), with the frames of `Spectrogram`.

    Parameters
    ----------
    sample_rate : int > 0 [Hz], default=16000
        Files are resampled to this rate; waveforms must have it.
    n_fft, win_length : int > 0 [samples], default=512, 400
        Length of the Fourier transform, and of the window, 25 ms at 16 kHz and at most `n_fft`.
    hop_length : int > 0 [samples], default=160
        Step between frames, 10 ms at 16 kHz.
    n_mfcc : int > 0, default=20
        Number of coefficients; at most `n_mels`.
    n_mels : int > 0, default=64
        Number of mel bands.
    fmin, fmax : float [Hz], default=0.0, None
        Edges of the lowest and the highest band; None is ``sample_rate / 2``.
    duration : float > 0 [s] or None, default=2.0
        Clips are padded with zeros at the end, or cropped, to this length. None keeps them whole,
        at least `n_fft` samples, and pads with frames of NaN, which networks such as `CNN` mask.
    crop : {"loudest", "center"}, default="loudest"
        Part of a longer clip to keep: the first window of the highest energy, or the centre.
    amin : float > 0, default=1e-10
        Lowest power: digital silence becomes ``10 * log10(amin)``, by default -100 dB.
    top_db : float > 0 [dB], optional, default=80.0
        Log-mel values are limited to `top_db` below the peak of their clip; None sets no limit.
    on_error : {"raise", "warn"}, default="raise"
        Raise an error for a row that cannot be used, or use silence and report an `AudioWarning`.
    memory : str, path-like or joblib.Memory, optional
        Folder that caches the row of each recording; None caches nothing.
    n_jobs : int, optional
        Number of parallel threads, as in joblib: None is 1, -1 is all processors.
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

    def _from_power(self, power: Floats) -> Floats:
        return dct(super()._from_power(power), axis=0, type=2, norm="ortho")[: self.n_mfcc]

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_count("n_mfcc", self.n_mfcc)
        if self.n_mfcc > self.n_mels:
            raise ValueError(
                f"n_mfcc must not exceed n_mels; got {self.n_mfcc} > {self.n_mels} bands."
            )
