"""StepMemory: what is kept is what would be computed, recordings one by one."""

import multiprocessing
import os
import signal
from contextlib import contextmanager
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
import soundfile
from sklearn.pipeline import make_union
from sklearn.preprocessing import StandardScaler

from skdidan import (
    AudioLoader,
    Functionals,
    LogMelSpectrogram,
    Segment,
    caching,
    make_adaptation_pipeline,
    padding,
)
from skdidan.audio.recordings import AudioTransformer, AudioWarning
from skdidan.pipeline.caching import StepMemory

RNG = np.random.default_rng(0)
WAVEFORMS = [RNG.normal(scale=0.1, size=length).astype(np.float32) for length in (1600, 800, 2400)]

LOUDEST = np.abs(WAVEFORMS[0]).max()


class Loudness(AudioTransformer):
    """Loudest sample of each waveform; notes how many rows it was asked for."""

    calls = []  # noqa: RUF012 - shared by all clones on purpose

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


def test_whole_recordings_are_padded_to_the_longest_of_each_call(memory, files):
    step = LogMelSpectrogram(n_mels=4, duration=None)
    for rows in ([0, 1, 2], [1, 0], [1], [2, 1], [1, 0, 1]):
        X = [files[row] for row in rows]
        for _ in range(2):
            np.testing.assert_array_equal(memory.transform(step, X), step.transform(X))


def test_more_padding_than_memory_is_refused_of_what_is_kept(memory, monkeypatch):
    step = LogMelSpectrogram(n_mels=4, duration=None)
    for waveform in WAVEFORMS:
        memory.transform(step, [waveform])
    monkeypatch.setattr(padding, "_MOST_PADDING", 4 * 4 * (5 + 10) - 1)
    with pytest.raises(ValueError, match=r"pads 3 rows to the 16 frames of row 2, .* Give a dur"):
        memory.transform(step, WAVEFORMS)


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


def test_a_path_is_the_same_in_every_type(memory, files):
    for kind in (list, np.array, pd.Series, lambda X: [str(path) for path in X]):
        memory.transform(Loudness(), kind(files))
        memory.transform(Loudness(), kind([str(path) for path in files]))
    assert Loudness.calls == [3]


def test_a_changed_file_is_read_again(memory, files):
    memory.transform(Loudness(), files)
    soundfile.write(files[1], WAVEFORMS[1] / 2, 16_000, subtype="FLOAT")
    stamp = files[1].stat().st_mtime_ns + 10**9
    os.utime(files[1], ns=(stamp, stamp))
    again = memory.transform(Loudness(), files)
    assert Loudness.calls == [3, 1]
    assert again[1, 0] == np.abs(WAVEFORMS[1]).max() / 2


@pytest.mark.parametrize(
    "kind", [list, np.array, pd.Series, pd.DataFrame, lambda X: np.array(X)[:, np.newaxis]]
)
def test_a_changed_file_is_noticed_in_every_container(memory, files, kind):
    X = kind([str(path) for path in files])
    before = memory.transform(Loudness(), X)
    soundfile.write(files[1], WAVEFORMS[1][:700] / 2, 16_000, subtype="FLOAT")
    after = memory.transform(Loudness(), X)
    assert after[1, 0] == np.abs(WAVEFORMS[1][:700]).max() / 2
    np.testing.assert_array_equal(after[[0, 2]], before[[0, 2]])


def test_a_file_that_can_be_read_again_is_read(memory, files, monkeypatch):
    access, SoundFile = os.access, soundfile.SoundFile

    def refuse(path, *args):
        if "1.wav" in path:
            raise soundfile.LibsndfileError(2)
        return SoundFile(path, *args)

    loud = Loudness(on_error="warn")
    with monkeypatch.context() as broken:
        broken.setattr(soundfile, "SoundFile", refuse)
        broken.setattr(os, "access", lambda path, mode: "1.wav" not in path and access(path, mode))
        with pytest.warns(AudioWarning, match=r"1 of 3 rows .* you have no permission"):
            assert memory.transform(loud, files)[1, 0] == 0
    assert memory.transform(loud, files)[1, 0] == np.abs(WAVEFORMS[1]).max()


@pytest.fixture
def fail(monkeypatch):
    """Return a context in which one file cannot be read, though nothing about it has changed."""
    SoundFile = soundfile.SoundFile

    def refuse(path, *args):
        if "1.wav" in str(path):
            raise soundfile.LibsndfileError(2)
        return SoundFile(path, *args)

    @contextmanager
    def failing():
        with monkeypatch.context() as broken:
            broken.setattr(soundfile, "SoundFile", refuse)
            yield

    return failing


def test_silence_that_stood_in_is_not_kept(memory, files, fail):
    expected = [[np.abs(waveform).max()] for waveform in WAVEFORMS]
    for _ in range(2):
        with fail(), pytest.warns(AudioWarning, match=r"^1 of 3 rows .*1.wav' cannot be decoded"):
            memory.transform(Loudness(on_error="warn"), files)
    assert Loudness.calls == [3, 1]
    np.testing.assert_array_equal(memory.transform(Loudness(), files), expected)
    step = Loudness(on_error="warn")
    np.testing.assert_array_equal(memory.fit_transform(step, files, None, {})[1], expected)
    assert Loudness.calls == [3, 1, 1]  # what could be read is kept, whatever is done of the rest


def test_the_warning_of_silence_comes_each_time(memory):
    X = [*WAVEFORMS, np.zeros(900, dtype=np.float32)]
    for order in ([0, 1, 2, 3], [0, 1, 2, 3], [0, 3, 1, 2]):
        row = order.index(3)
        with pytest.warns(AudioWarning, match=rf"^1 of 4 rows .* in row {row} is silent") as warned:
            Z = memory.transform(Loudness(on_error="warn"), [X[n] for n in order])
        assert len(warned) == 1 and Z[row, 0] == 0
    assert Loudness.calls == [4, 1, 1]


class Piecemeal(Loudness):
    """One that reads its rows one by one, so that their places are not known."""

    def transform(self, X):
        """Measure."""
        return np.concatenate([super(Piecemeal, self).transform([row]) for row in X])


def measure():
    return Loudness(on_error="warn")


LENIENT = {
    "learnt": lambda: Centred(on_error="warn"),
    "piecemeal": lambda: Piecemeal(on_error="warn"),
    "frame": lambda: Functionals(on_error="warn").set_output(transform="pandas"),
    "union": lambda: make_union(measure(), Functionals(on_error="warn")),
    "nested": lambda: make_union(make_adaptation_pipeline(measure())),
    "threads": lambda: make_union(measure(), measure(), n_jobs=2),
}


@pytest.mark.filterwarnings("ignore::skdidan.AudioWarning")
@pytest.mark.parametrize("name", LENIENT)
def test_no_result_with_silence_in_it_is_kept(memory, files, fail, name):
    make = LENIENT[name]
    with joblib.parallel_config(backend="threading"):
        expected, other = (make().fit_transform(X) for X in (files, files[:1]))
        with fail():
            step, broken = memory.fit_transform(make(), files, None, {})
            assert not np.array_equal(broken, expected)
            memory.transform(step, files)
        for _ in range(2):
            step, Z = memory.fit_transform(make(), files, None, {})
            np.testing.assert_array_equal(Z, expected)
            np.testing.assert_array_equal(memory.transform(step, files), expected)
        np.testing.assert_array_equal(memory.fit_transform(make(), files[:1], None, {})[1], other)


@pytest.mark.parametrize("name", ["learnt", "union", "nested"])
def test_results_without_silence_are_kept(memory, files, name):
    for _ in range(2):
        memory.fit_transform(LENIENT[name](), files, None, {})
        n_calls = len(Loudness.calls)
    memory.fit_transform(LENIENT[name](), files, None, {})
    assert len(Loudness.calls) == n_calls


@pytest.mark.parametrize("place", ["a.wav", "a.wav/folder", "taken"])
def test_a_place_that_can_be_no_folder_is_named(tmp_path, place):
    (tmp_path / "a.wav").write_bytes(b"")
    (tmp_path / "taken" / "joblib").mkdir(parents=True)
    (tmp_path / "taken" / "joblib" / "skdidan").write_bytes(b"")
    for kind in (str, Path):
        with pytest.raises(ValueError, match=rf"memory must be a folder .*{place}"):
            StepMemory(kind(tmp_path / place))


class Dictionary:
    """A place to keep things that is none of joblib's."""

    def __init__(self):
        self.kept = {}

    def cache(self, function, ignore=None):
        """Keep what a function returns."""

        def cached(*args):
            key = joblib.hash((function.__name__, args[:-1]))
            self.kept[key] = self.kept[key] if key in self.kept else function(*args)
            return self.kept[key]

        return cached


def test_any_place_will_do_that_has_a_cache():
    Loudness.calls.clear()
    memory = StepMemory(Dictionary())
    for _ in range(2):
        np.testing.assert_array_equal(
            memory.transform(Loudness(), WAVEFORMS), Loudness().transform(WAVEFORMS)
        )
    assert Loudness.calls == [3, 3, 3]


def test_relative_paths_are_of_their_folder(memory, tmp_path, monkeypatch):
    for folder, gain in (("a", 1), ("b", 2)):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        soundfile.write("x.wav", WAVEFORMS[0] / gain, 16_000, subtype="FLOAT")
        os.utime("x.wav", ns=(0, 0))
        assert memory.transform(Loudness(), ["x.wav"])[0, 0] == np.abs(WAVEFORMS[0]).max() / gain


def test_the_global_kind_of_container_counts(memory):
    X = RNG.normal(size=(5, 2))
    step, _ = memory.fit_transform(StandardScaler(), X, None, {})
    assert isinstance(memory.transform(step, X), np.ndarray)
    with sklearn.config_context(transform_output="pandas"):
        assert isinstance(memory.transform(step, X), pd.DataFrame)
        assert isinstance(memory.fit_transform(StandardScaler(), X, None, {})[1], pd.DataFrame)


class Centred(Loudness):
    """One that learns from its rows, and so cannot share them."""

    def fit(self, X, y=None, X_tgt=None, *, sample_domain=None):
        """Learn the mean."""
        self.mean_ = super().transform(X).mean()
        return self

    def transform(self, X):
        """Subtract the mean."""
        return super().transform(X) - self.mean_


def test_what_is_learnt_counts(memory):
    for X in (WAVEFORMS[:2], WAVEFORMS[1:]):
        step, Z = memory.fit_transform(Centred(), X, None, {})
        assert abs(Z.mean()) < 1e-7
        np.testing.assert_allclose(memory.transform(step, WAVEFORMS[:1]) + step.mean_, LOUDEST)


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


def fill(folder, seed):
    """Transform files or waveforms in a process of its own."""
    rng = np.random.default_rng(0)
    waveforms = [rng.normal(scale=0.1, size=1600).astype(np.float32) for _ in range(20)]
    order = np.random.default_rng(seed).permutation(20)
    Z = StepMemory(folder).transform(LogMelSpectrogram(n_mels=4), [waveforms[n] for n in order])
    return Z[np.argsort(order)]


def test_processes_may_fill_one_folder_at_once(tmp_path):
    filled = joblib.Parallel(n_jobs=2)(joblib.delayed(fill)(tmp_path, n) for n in range(6))
    for Z in filled:
        np.testing.assert_array_equal(Z, filled[0])
    np.testing.assert_array_equal(fill(None, 0), filled[0])


@pytest.mark.parametrize("n_bytes", [0, 1, 100])
def test_what_a_killed_process_left_half_written_is_computed_again(
    memory, tmp_path, n_bytes, caplog
):
    expected = memory.transform(Loudness(), WAVEFORMS)
    outputs = list((tmp_path / "kept").rglob("output.pkl"))
    assert len(outputs) == 1 + 3
    for output in outputs:
        output.write_bytes(output.read_bytes()[:n_bytes])
    np.testing.assert_array_equal(memory.transform(Loudness(), WAVEFORMS), expected)
    assert caplog.text.count("Exception while loading results") == 1 + 3
    caplog.clear()
    np.testing.assert_array_equal(memory.transform(Loudness(), WAVEFORMS), expected)
    assert not caplog.text


class Deadly:
    """Data; a process that has ``DEADLY`` set dies in the middle of writing it."""

    def __init__(self, values):
        self.values = values

    def __getstate__(self):
        if "DEADLY" in os.environ:
            # Where there is no SIGKILL, SIGTERM cannot be caught either.
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
        return vars(self)


class Outliving(Loudness):
    """Of three recordings the second is the one that is deadly to write."""

    def transform(self, X):
        """Return what fills any buffer, and then the loudness."""
        values = super().transform(X)
        kinds = [Deadly if len(row) == len(WAVEFORMS[1]) else list for row in X]
        return [[np.ones(10**6), kind(row)] for kind, row in zip(kinds, values, strict=True)]


def die(folder):
    """Write until killed."""
    os.environ["DEADLY"] = "yes"
    StepMemory(folder).transform(Outliving(), WAVEFORMS)


def test_what_a_process_was_killed_in_the_middle_of_is_computed_again(memory, tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=die, args=(tmp_path / "kept",))
    process.start()
    process.join()
    assert process.exitcode not in (0, 1)  # 1 is an exception
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "kept").rglob("output.pkl*")}
    assert len(sizes) == 2 and min(sizes.values()) > 10**6  # the first, and a part of the second
    assert len(list((tmp_path / "kept").rglob("output.pkl"))) == 1
    for _ in range(2):
        first, second, third = memory.transform(Outliving(), WAVEFORMS)
        loudness = [first[1][0], second[1].values[0], third[1][0]]
        np.testing.assert_array_equal(loudness, [np.abs(row).max() for row in WAVEFORMS])
    assert Loudness.calls == [2]


def test_a_folder_can_be_limited_and_cleared(memory, tmp_path):
    expected = memory.transform(Loudness(), WAVEFORMS)
    folder = joblib.Memory(tmp_path / "kept", verbose=0)
    for forget in (lambda: folder.reduce_size(items_limit=2), lambda: folder.clear(warn=False)):
        forget()
        np.testing.assert_array_equal(memory.transform(Loudness(), WAVEFORMS), expected)
    folder.reduce_size(bytes_limit=0)
    assert not list((tmp_path / "kept").rglob("output.pkl"))


def test_without_a_place_nothing_is_kept(monkeypatch):
    for name in ("stamp_files", "circumstances"):  # what a key is made of
        monkeypatch.setattr(caching, name, None)
    Loudness.calls.clear()
    StepMemory(None).fit_transform(StandardScaler(), np.eye(3), None, {})
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
