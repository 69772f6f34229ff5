"""StepMemory: what is kept is what would be computed, recordings one by one."""

import os

import joblib
import numpy as np
import pandas as pd
import pytest
import soundfile

from skdidan import AudioLoader, Functionals, LogMelSpectrogram, Segment
from skdidan.audio import AudioTransformer, AudioWarning
from skdidan.caching import StepMemory

RNG = np.random.default_rng(0)
WAVEFORMS = [RNG.normal(scale=0.1, size=length).astype(np.float32) for length in (1600, 800, 2400)]


class Loudness(AudioTransformer):
    """Loudest sample of each waveform; notes how many rows it was asked for."""

    calls = []  # noqa: RUF012

    def __init__(self, gain=1.0, sample_rate=16_000, on_error="raise", n_jobs=None, verbose=0):
        self.gain = gain
        self.sample_rate = sample_rate
        self.on_error = on_error
        self.n_jobs = n_jobs
        self.verbose = verbose

    def transform(self, X):
        """Measure."""
        self.calls.append(len(X))
        return np.array([[self.gain * row.max()] for row in self._map(np.abs, self._rows(X))])


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"{n}.wav" for n in range(3)]
    for path, waveform in zip(paths, WAVEFORMS, strict=True):
        soundfile.write(path, waveform, 16_000, subtype="FLOAT")
    return paths


@pytest.fixture
def memory(tmp_path):
    Loudness.calls.clear()
    return StepMemory(tmp_path / "kept")


@pytest.mark.parametrize("make", [AudioLoader, Functionals, lambda: LogMelSpectrogram(n_mels=4)])
@pytest.mark.parametrize("kind", [list, np.array, pd.Series])
def test_rows_come_back_as_they_were_computed(memory, files, make, kind):
    X = kind([str(path) for path in files])
    expected = make().fit_transform(X)
    memory.transform(make(), X[1:2])
    for _ in range(2):
        step, fitted = memory.fit_transform(make(), X, None, {})
        for Z in (fitted, memory.transform(step, X), memory.transform(step, X[::-1])[::-1]):
            assert type(Z) is type(expected)
            for row, other in zip(Z, expected, strict=True):
                np.testing.assert_array_equal(row, other)


def test_arrays_of_waveforms(memory):
    X = np.stack([WAVEFORMS[0], WAVEFORMS[2][:1600]])
    expected = np.abs(X).max(axis=1, keepdims=True)
    np.testing.assert_array_equal(memory.transform(Loudness(), X), expected)
    np.testing.assert_array_equal(memory.transform(Loudness(), list(X[::-1])), expected[::-1])
    assert Loudness.calls == [2]


def test_only_what_is_new_is_computed(memory):
    memory.transform(Loudness(), WAVEFORMS[:2])
    memory.transform(Loudness(), WAVEFORMS)
    memory.transform(Loudness(n_jobs=2, verbose=0), WAVEFORMS)
    assert Loudness.calls == [2, 1]
    doubled = memory.transform(Loudness(gain=2.0), WAVEFORMS[:1])
    assert Loudness.calls == [2, 1, 1]
    np.testing.assert_array_equal(doubled, 2 * memory.transform(Loudness(), WAVEFORMS[:1]))


def test_a_changed_file_is_read_again(memory, files):
    memory.transform(Loudness(), files)
    soundfile.write(files[1], WAVEFORMS[1] / 2, 16_000, subtype="FLOAT")
    stamp = files[1].stat().st_mtime_ns + 10**9
    os.utime(files[1], ns=(stamp, stamp))
    again = memory.transform(Loudness(), files)
    assert Loudness.calls == [3, 1]
    assert again[1, 0] == np.abs(WAVEFORMS[1]).max() / 2


def test_data_frames_are_returned_as_such(memory):
    step = Functionals().set_output(transform="pandas")
    for X in (WAVEFORMS[:2], WAVEFORMS, WAVEFORMS):
        pd.testing.assert_frame_equal(memory.transform(step, X), step.transform(X))
    assert isinstance(memory.transform(Functionals(), WAVEFORMS), np.ndarray)


def test_a_row_that_cannot_be_used_is_named_and_not_kept(memory):
    X = [WAVEFORMS[0], np.zeros(1600, dtype=np.float32)]
    memory.transform(Loudness(), X[:1])
    for _ in range(2):
        with pytest.raises(ValueError, match="The waveform in row 1 is silent"):
            memory.transform(Loudness(), X)


def test_the_warning_counts_all_rows(memory):
    X = [*WAVEFORMS, np.zeros(1600, dtype=np.float32)]
    memory.transform(Loudness(on_error="warn"), WAVEFORMS)
    with pytest.warns(AudioWarning, match=r"1 of 4 rows .* The waveform in row 3 is silent"):
        memory.transform(Loudness(on_error="warn"), X)


def test_recordings_that_vanish_are_computed_again(memory, tmp_path, monkeypatch):
    expected = memory.transform(Loudness(), WAVEFORMS)
    joblib.Memory(tmp_path / "kept", verbose=0).clear(warn=False)
    in_cache = joblib.memory.MemorizedFunc.check_call_in_cache
    monkeypatch.setattr(joblib.memory.MemorizedFunc, "check_call_in_cache", lambda *args: True)
    np.testing.assert_array_equal(memory.transform(Loudness(), WAVEFORMS), expected)
    monkeypatch.setattr(joblib.memory.MemorizedFunc, "check_call_in_cache", in_cache)
    np.testing.assert_array_equal(memory.transform(Loudness(), WAVEFORMS[::-1]), expected[::-1])
    assert Loudness.calls == [3, 1, 1, 1]


def test_without_a_place_nothing_is_kept():
    Loudness.calls.clear()
    for _ in range(2):
        StepMemory(None).transform(Loudness(), WAVEFORMS)
    assert Loudness.calls == [3, 3]


def test_segments_of_one_file_are_kept_apart(memory, tmp_path):
    path = tmp_path / "long.wav"
    soundfile.write(path, np.concatenate(WAVEFORMS), 16_000, subtype="FLOAT")
    segments = [Segment(path, 0.0, 0.1), Segment(path, 0.1, 0.15), Segment(path, 0.15)]
    expected = Loudness().transform(segments)
    for _ in range(2):
        np.testing.assert_array_equal(memory.transform(Loudness(), segments), expected)
    np.testing.assert_array_equal(memory.transform(Loudness(), segments[1:]), expected[1:])
    assert Loudness.calls == [3, 3]
    assert len(np.unique(expected)) == 3
    os.utime(path, ns=(1, 1))
    memory.transform(Loudness(), segments)
    assert Loudness.calls[2:] == [3]
