"""Windows of a waveform that arrives in blocks, against the whole waveform in NumPy."""

from functools import partial

import numpy as np
import pytest

from skdidan.audio import cropping


def kept(keep, waveform, block):
    starts = range(0, len(waveform), block)
    return keep(iter([waveform[start : start + block] for start in starts]))


def loudest(waveform, n_samples):
    power = waveform.astype(np.float64) ** 2
    starts = range(max(1, len(waveform) - n_samples + 1))
    start = int(np.argmax([power[start : start + n_samples].sum() for start in starts]))
    return waveform[start : start + n_samples]


def center(waveform, n_samples):
    start = max(0, len(waveform) - n_samples) // 2
    return waveform[start : start + n_samples]


BLOCKS = [1, 7, 300, 301, 5000]


@pytest.fixture(params=[1, 299, 300, 301, 777, 2000], ids="{} samples".format)
def waveform(request):
    """Shorter than the window of 300, as long, one longer, and longer than some blocks."""
    return np.random.default_rng(request.param).normal(size=request.param).astype(np.float32)


def test_windows_do_not_depend_on_the_blocks(waveform):
    for block in BLOCKS:
        np.testing.assert_array_equal(kept(cropping.whole, waveform, block), waveform)
        keep = partial(cropping.loudest, n_samples=300)
        np.testing.assert_array_equal(kept(keep, waveform, block), loudest(waveform, 300))
        for error in (-1000, -1, 0, 1, 1000):  # of the expected length
            n_expected = max(0, len(waveform) + error)
            keep = partial(cropping.center, n_samples=300, n_expected=n_expected)
            np.testing.assert_array_equal(kept(keep, waveform, block), center(waveform, 300))


def test_of_windows_alike_the_first_is_the_loudest():
    waveform = np.tile(np.float32([1, 2, 3, 4]), 50)
    for block in (1, 5, 64, 200):
        keep = partial(cropping.loudest, n_samples=2)
        np.testing.assert_array_equal(kept(keep, waveform, block), [3, 4])
    ramp = np.concatenate([np.zeros(100), np.ones(20), np.zeros(100), np.ones(20)]).astype("f")
    ramp[110] = 0.5
    for block in (1, 33, 240):
        keep = partial(cropping.loudest, n_samples=20)
        np.testing.assert_array_equal(kept(keep, ramp, block), np.ones(20))


def test_center_of_a_long_waveform():
    waveform = np.arange(400_000, dtype=np.float32)
    for error in (-20_000, 20_000):
        keep = partial(cropping.center, n_samples=300, n_expected=len(waveform) + error)
        window = kept(keep, waveform, 4096)
        np.testing.assert_array_equal(window, np.arange(199_850, 200_150))


@pytest.mark.parametrize(("crop", "cropped"), [("loudest", loudest), ("center", center)])
def test_window_names_its_keeper(waveform, crop, cropped):
    keep = partial(cropping.Window(300, crop), n_expected=len(waveform))
    np.testing.assert_array_equal(kept(keep, waveform, 64), cropped(waveform, 300))
