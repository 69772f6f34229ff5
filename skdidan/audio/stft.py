"""Power of the short-time Fourier transform, with the values of librosa in less time."""

from __future__ import annotations

import importlib

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft

__all__ = ["count_stft_frames", "load_librosa", "stft_power"]

_N_TOGETHER = 64  # frames per Fourier transform: few enough to stay in the processor's cache


def count_stft_frames(n_samples: int, n_fft: int, hop_length: int) -> int:
    """Count the frames of ``librosa.stft``, which pads ``n_fft // 2`` samples on both sides."""
    return 1 + (n_samples - n_fft % 2) // hop_length


def stft_power(
    waveform: NDArray[np.float32], n_samples: int, taper: NDArray[np.float64], hop_length: int
) -> NDArray[np.float32]:
    """Compute ``np.abs(librosa.stft(waveform)).T ** 2``, shape (n_frames, 1 + n_fft // 2).

    The waveform is padded with zeros to `n_samples`; frames of zeros alone are not computed.
    Double precision is rounded to single where librosa rounds, which gives the same values. In
    single precision alone, bins far below the peak of their frame would differ by over 1e-4 dB.
    """
    n_fft = len(taper)
    half = n_fft // 2
    padded = np.zeros(n_samples + 2 * half)
    padded[half : half + len(waveform)] = waveform
    n_frames = count_stft_frames(n_samples, n_fft, hop_length)
    # A view with overlapping rows; sliding_window_view takes as long as ten transforms.
    strides = hop_length * padded.itemsize, padded.itemsize
    frames = np.ndarray((n_frames, n_fft), padded.dtype, buffer=padded.data, strides=strides)
    n_heard = min(n_frames, -(-(half + len(waveform)) // hop_length))
    power = np.zeros((n_frames, 1 + half), dtype=np.float32)
    for start in range(0, n_heard, _N_TOGETHER):
        together = slice(start, min(start + _N_TOGETHER, n_heard))
        np.abs(rfft(frames[together] * taper).astype(np.complex64), out=power[together])
    power *= power
    return power


def load_librosa() -> None:
    """Load librosa, which is imported lazily; an error says where numba looks for its cache."""
    try:
        importlib.import_module("librosa.util.utils")
    except RuntimeError as error:
        raise ImportError(
            "librosa cannot be loaded, since numba has no folder for its cache. Set the "
            "environment variable NUMBA_CACHE_DIR to a folder that can be written to."
        ) from error
