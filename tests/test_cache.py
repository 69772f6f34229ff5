"""The cache of recordings: never a stale row, and each row computed once per setting."""

import importlib
import io
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from skdidan import (
    AudioLoader,
    Functionals,
    LogMelSpectrogram,
    Segment,
    make_adaptation_pipeline,
    padding,
)
from skdidan.audio import cache
from skdidan.audio.recordings import AudioTransformer, AudioWarning
from skdidan.pipeline.steps import lend_memory

RNG = np.random.default_rng(0)
WAVEFORMS = [RNG.normal(scale=0.1, size=length).astype(np.float32) for length in (1600, 800, 2400)]
LOUDEST = np.array([[np.abs(waveform).max()] for waveform in WAVEFORMS])


class Loudness(AudioTransformer):
    """Loudest sample of each waveform; counts the waveforms that it is computed of."""

    n_computed = 0

    def __init__(
        self, gain=1.0, sample_rate=16_000, on_error="raise", memory=None, n_jobs=None, verbose=0
    ):
        self.gain = gain
        self.sample_rate = sample_rate
        self.on_error = on_error
        self.memory = memory
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _converter(self):
        return self._measure

    def _measure(self, waveform):
        Loudness.n_computed += 1
        return self.gain * np.abs(waveform).max(keepdims=True)


@pytest.fixture
def memory(tmp_path):
    return tmp_path / "kept"


@pytest.fixture
def computed():
    """Return a function that tells how many rows were computed since it was last called."""

    def count():
        n, Loudness.n_computed = Loudness.n_computed, 0
        return n

    count()
    return count


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"{n}.wav" for n in range(3)]
    for path, waveform in zip(paths, WAVEFORMS, strict=True):
        write(path, waveform)
    return paths


def write(path, waveform):
    soundfile.write(path, waveform, 16_000, subtype="FLOAT")


def stored(memory):
    return sorted(memory.rglob("*.npy"))


# Rows come back as they were computed


@pytest.mark.parametrize(
    "make",
    [
        AudioLoader,
        Functionals,
        lambda: LogMelSpectrogram(n_mels=4),
        lambda: LogMelSpectrogram(n_mels=4, duration=None),
    ],
)
def test_rows_come_back_as_they_were_computed(memory, files, make):
    """In any order, and padded as the other rows of the call ask for."""
    kept = make().set_params(memory=memory)
    for rows in ([1], [0, 1, 2], [2, 1, 0], [1, 0, 1], [0, 1]):
        X = [files[row] for row in rows]
        for _ in range(2):
            Z, expected = kept.fit_transform(X), make().fit_transform(X)
            assert type(Z) is type(expected)
            for row, other in zip(Z, expected, strict=True):
                np.testing.assert_array_equal(row, other)
                assert row.dtype == np.float32
    assert len(stored(memory)) == 3


def test_bytes_at_the_end_of_a_file_change_no_other_row(memory):
    step = Functionals(memory=memory)
    expected = step.transform(WAVEFORMS)
    with open(min(stored(memory)), "ab") as file:
        file.write(bytes(8))
    for rows in (WAVEFORMS, WAVEFORMS[::-1]):
        found = step.transform(rows)
        np.testing.assert_array_equal(found[:: 1 if rows is WAVEFORMS else -1], expected)


def test_more_padding_than_memory_is_refused_of_stored_rows(memory, monkeypatch):
    spectrogram = LogMelSpectrogram(n_mels=4, duration=None, memory=memory)
    for waveform in WAVEFORMS:
        spectrogram.transform([waveform])
    monkeypatch.setattr(padding, "_MAX_PADDING", 4 * 4 * (5 + 10) - 1)
    with pytest.raises(ValueError, match=r"pads 3 rows to the 16 frames of row 2, .* Give a dur"):
        spectrogram.transform(WAVEFORMS)


def test_data_frames_are_made_of_stored_rows(memory):
    step = Functionals(memory=memory).set_output(transform="pandas")
    expected = Functionals().set_output(transform="pandas").transform(WAVEFORMS)
    for _ in range(2):
        pd.testing.assert_frame_equal(step.transform(WAVEFORMS), expected)


# A row is computed once per setting


def test_only_new_rows_are_computed(memory, computed):
    loudness = Loudness(memory=memory)
    loudness.transform(WAVEFORMS[:2])
    np.testing.assert_array_equal(loudness.transform(WAVEFORMS[::-1]), LOUDEST[::-1])
    assert computed() == 3
    other = Loudness(n_jobs=2, on_error="warn", verbose=1, memory=str(memory))
    np.testing.assert_array_equal(other.transform(WAVEFORMS), LOUDEST)
    assert computed() == 0
    assert Loudness(2.0, memory=memory).transform(WAVEFORMS[:1]) == 2 * LOUDEST[0]
    assert computed() == 1


def test_arrays_of_waveforms_and_their_rows_are_the_same(memory, computed):
    X = np.stack([WAVEFORMS[0], WAVEFORMS[2][:1600]])
    Loudness(memory=memory).transform(X)
    Loudness(memory=memory).transform(list(X))
    Loudness(memory=memory).transform(np.repeat(X, 2, axis=1)[:, ::2])  # of another layout
    assert computed() == 2
    integers = np.array([100, -200, 300], dtype=np.int16)
    for row in (integers, integers.view(np.uint8)):  # the same bytes
        Loudness(memory=memory).transform([row])
        assert computed() == 1


def test_a_path_is_the_same_in_every_type(memory, files, computed, monkeypatch):
    monkeypatch.chdir(files[0].parent)
    texts = [str(path) for path in files]
    for X in (files, texts, np.array(texts), pd.Series(texts), [path.name for path in files]):
        np.testing.assert_array_equal(Loudness(memory=memory).transform(X), LOUDEST)
    assert computed() == 3


def test_segments_of_one_file_are_kept_apart(memory, tmp_path, computed):
    path = tmp_path / "long.wav"
    write(path, np.concatenate(WAVEFORMS))
    segments = [Segment(path, 0.0, 0.1), Segment(path, 0.1, 0.15), Segment(path, 0.15)]
    for rows in (segments, segments[1:]):
        np.testing.assert_array_equal(
            Loudness(memory=memory).transform(rows), LOUDEST[-len(rows) :]
        )
    assert computed() == 3


def test_none_and_a_memory_without_a_place_keep_nothing(computed):
    for nothing in (None, joblib.Memory(None)):
        for _ in range(2):
            Loudness(memory=nothing).fit_transform(WAVEFORMS)
        assert computed() == 6


def test_a_memory_of_joblib_lends_its_place(memory, computed):
    for place in (joblib.Memory(memory, verbose=0), str(memory), memory):
        Loudness(memory=place).fit_transform(WAVEFORMS)
    assert computed() == 3


SCRIPT = """
import numpy as np
from skdidan.audio import AudioTransformer

class Peak(AudioTransformer):
    def __init__(self, memory=None):
        self.sample_rate, self.on_error, self.memory = 8, "raise", memory
        self.n_jobs, self.verbose = None, 0

    def _converter(self):
        print("computed")
        return lambda waveform: waveform.max(keepdims=True)

print(Peak("kept").transform([[0.5, -0.5]])[0, 0])
"""


def test_a_class_of_a_script_is_cached_for_its_next_run(tmp_path):
    """A class of ``__main__``, as those of a notebook are; all processes make the same keys."""
    runs = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, cwd=tmp_path
        ).stdout.split()
        for _ in range(2)
    ]
    assert runs == [["computed", "0.5"], ["0.5"]]


def test_a_local_class_is_cached(memory, computed):
    class Local(Loudness):
        pass

    for _ in range(2):
        np.testing.assert_array_equal(Local(memory=memory).transform(WAVEFORMS), LOUDEST)
    assert computed() == 3
    Loudness(memory=memory).transform(WAVEFORMS)
    assert computed() == 3  # another class


# No stale row


def test_a_changed_file_is_read_again(memory, files, computed):
    loudness = Loudness(memory=memory)
    loudness.transform(files)
    write(files[0], WAVEFORMS[0] / 2)  # of the same size
    time = files[0].stat().st_mtime_ns + 10**9
    os.utime(files[0], ns=(time, time))
    time = files[1].stat().st_mtime_ns
    write(files[1], WAVEFORMS[1][:700] / 4)  # of another size
    os.utime(files[1], ns=(time, time))
    computed()
    expected = [LOUDEST[0] / 2, [np.abs(WAVEFORMS[1][:700]).max() / 4], LOUDEST[2]]
    np.testing.assert_array_equal(loudness.transform(files), expected)
    assert computed() == 2


def test_relative_paths_are_of_their_folder(memory, tmp_path, monkeypatch):
    for folder, gain in (("a", 1), ("b", 2)):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        write("x.wav", WAVEFORMS[0] / gain)
        os.utime("x.wav", ns=(0, 0))
        assert Loudness(memory=memory).transform(["x.wav"]) == LOUDEST[0] / gain


def test_a_file_that_changes_while_it_is_read_is_stored_as_it_was(memory, files, computed):
    """The key is taken before the file is read, so the new content has a key of its own."""

    class Rewriting(Loudness):
        def _measure(self, waveform):
            write(files[0], WAVEFORMS[0][:700])
            return super()._measure(waveform)

    for expected in (LOUDEST[0], [np.abs(WAVEFORMS[0][:700]).max()]):
        np.testing.assert_array_equal(Rewriting(memory=memory).transform(files[:1])[0], expected)
    assert computed() == 2


def test_another_version_of_a_library_computes_anew(memory, computed, monkeypatch):
    Loudness(memory=memory).transform(WAVEFORMS)
    monkeypatch.setattr(cache, "version", lambda name: "99" if name == "soxr" else "1")
    cache._versions.cache_clear()
    Loudness(memory=memory).transform(WAVEFORMS)
    cache._versions.cache_clear()
    assert computed() == 6


def test_the_cache_may_lie_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    Loudness(memory="~/kept").transform(WAVEFORMS[:1])
    assert [place.name for place in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize("kind", [str, Path, lambda path: f"~/{path.name}"])
def test_files_that_a_parameter_names_count(memory, tmp_path, computed, monkeypatch, kind):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "model").mkdir()
    for place in (tmp_path / "weights", tmp_path / "model"):
        for size in (1, 2):
            (place / "weights" if place.is_dir() else place).write_bytes(bytes(size))
            for _ in range(2):
                # The gain is not used: its value names a file.
                Named(kind(place), memory=memory).transform(WAVEFORMS[:1])
            assert computed() == 1


class Named(Loudness):
    """One whose parameter has no part in its values."""

    def _measure(self, waveform):
        Loudness.n_computed += 1
        return waveform[:1]


def test_learnt_attributes_count(memory):
    class Centred(Loudness):
        def fit(self, X, y=None, X_tgt=None, *, sample_domain=None):
            self.mean_ = np.mean([np.abs(row).max() for row in X])
            return self

        def _measure(self, waveform):
            return super()._measure(waveform) - self.mean_

    for X in (WAVEFORMS[:2], WAVEFORMS[1:]):
        assert abs(Centred(memory=memory).fit(X).transform(X).mean()) < 1e-7


def test_a_parameter_that_cannot_be_hashed_is_named(memory, computed):
    """Without a key there is no cache, but the features are as ever."""
    step = Named(lambda x: x, memory=memory)
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"Named stores nothing .*gain=<function .* hashed"):
            step.fit_transform(WAVEFORMS)
    assert computed() == 6 and not stored(memory)


# Errors are not stored


@pytest.fixture
def fail(monkeypatch):
    """Return a context in which one file cannot be read, though nothing about it has changed."""
    open_file = soundfile.SoundFile.__init__

    def refuse(self, path, *args):
        if "1.wav" in str(path):
            raise soundfile.LibsndfileError(2)
        open_file(self, path, *args)

    @contextmanager
    def failing():
        with monkeypatch.context() as broken:
            broken.setattr(soundfile.SoundFile, "__init__", refuse)
            yield

    return failing


def test_silence_that_stood_in_is_not_stored(memory, files, fail, computed):
    """The warning comes each time, with rows of the call, and the file is read once it can be."""
    lenient = Loudness(on_error="warn", memory=memory)
    for order in ([0, 1, 2], [0, 1, 2], [2, 0, 1]):
        with fail(), pytest.warns(AudioWarning, match=r"^1 of 3 rows .*1.wav' cannot") as warned:
            Z = lenient.transform([files[n] for n in order])
        assert [warning.message.rows for warning in warned] == [[order.index(1)]]
        assert Z[order.index(1)] == 0
    assert len(stored(memory)) == 2 and computed() == 2 + 3  # of silence each time
    np.testing.assert_array_equal(lenient.transform(files), LOUDEST)
    np.testing.assert_array_equal(Loudness(memory=memory).transform(files), LOUDEST)
    assert computed() == 1


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_row_that_cannot_be_used_is_named_each_time(memory, computed, n_jobs):
    X = [*WAVEFORMS, np.zeros(900, dtype=np.float32)]
    for _ in range(2):
        with pytest.raises(ValueError, match="The waveform in row 3 is silent"):
            Loudness(memory=memory, n_jobs=n_jobs).transform(X)
    assert computed() == 3  # what came before the bad row is kept


# A run that ends early


def target(function, *args):
    """Run a function in a process of its own and return its exit code."""
    process = multiprocessing.get_context("spawn").Process(target=function, args=args)
    process.start()
    process.join()
    return process.exitcode


def die():
    # Where there is no SIGKILL, SIGTERM cannot be caught either.
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


class Deadly(Loudness):
    """Kills its process at the third recording."""

    def _measure(self, waveform):
        if len(waveform) == len(WAVEFORMS[2]) and "DEADLY" in os.environ:
            die()
        return super()._measure(waveform)


def transform_and_die(memory):
    os.environ["DEADLY"] = "yes"
    Deadly(memory=memory).transform(WAVEFORMS)


def test_a_killed_run_keeps_its_rows(memory, computed):
    assert target(transform_and_die, memory) not in (0, 1)  # 1 is an exception
    assert len(stored(memory)) == 2
    np.testing.assert_array_equal(Deadly(memory=memory).transform(WAVEFORMS), LOUDEST)
    assert computed() == 1


def write_half_and_die(memory):
    def write_half(file, values, **options):
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, values, **options)
        file.write(buffer.getvalue()[:-2])
        file.flush()
        die()

    cache.write_array = write_half
    Loudness(memory=memory).transform(WAVEFORMS)


def test_a_kill_in_the_middle_of_a_write_leaves_no_row(memory, computed):
    assert target(write_half_and_die, memory) not in (0, 1)
    assert [path.suffix for path in memory.rglob("*.*")] == [".tmp"]
    np.testing.assert_array_equal(Loudness(memory=memory).transform(WAVEFORMS), LOUDEST)
    assert computed() == 3


def fill(folder, seed):
    """Transform the same waveforms in another order."""
    rng = np.random.default_rng(0)
    waveforms = [rng.normal(scale=0.1, size=1600).astype(np.float32) for _ in range(20)]
    order = np.random.default_rng(seed).permutation(20)
    Z = LogMelSpectrogram(n_mels=4, memory=folder).transform([waveforms[n] for n in order])
    return Z[np.argsort(order)]


def test_processes_may_fill_one_folder_at_once(memory):
    processes = joblib.Parallel(n_jobs=2, backend="multiprocessing")
    filled = processes(joblib.delayed(fill)(memory, n) for n in range(6))
    for Z in filled:
        np.testing.assert_array_equal(Z, fill(None, 0))
    assert len(stored(memory)) == 20
    assert len(list(memory.rglob("*.*"))) == 20


# A folder that others write to


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, place):
        self.place = str(place)

    def __reduce__(self):
        return os.mkdir, (self.place,)


def archive(array):
    buffer = io.BytesIO()
    np.savez(buffer, array)
    return buffer.getvalue()


def objects(value):
    buffer = io.BytesIO()
    np.save(buffer, np.array([value, None], dtype=object))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content, place: b"",
        lambda content, place: content[:10],
        lambda content, place: content[:-1],
        lambda content, place: b"not NumPy's at all",
        lambda content, place: archive(LOUDEST[0]),
        lambda content, place: pickle.dumps(Evil(place)),
        lambda content, place: objects(Evil(place)),
    ],
    ids=["empty", "no header", "cut", "text", "archive", "pickle", "objects"],
)
def test_a_file_that_cannot_be_read_is_replaced_and_runs_no_code(memory, computed, spoil):
    Loudness(memory=memory).transform(WAVEFORMS)
    for path in stored(memory):
        path.write_bytes(spoil(path.read_bytes(), memory / "code was run"))
    for n_expected in (3 + 3, 0):
        np.testing.assert_array_equal(Loudness(memory=memory).transform(WAVEFORMS), LOUDEST)
        assert computed() == n_expected
    assert not (memory / "code was run").exists()


def test_another_process_may_empty_the_folder_meanwhile(memory, computed):
    class Emptying(Loudness):
        def _measure(self, waveform):
            shutil.rmtree(memory)
            return super()._measure(waveform)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        step = Emptying(memory=memory).fit(WAVEFORMS)
        np.testing.assert_array_equal(step.transform(WAVEFORMS), LOUDEST)
        np.testing.assert_array_equal(step.transform(WAVEFORMS[2:]), LOUDEST[2:])
    assert computed() == 3  # the last one is stored


def test_a_row_whose_folder_vanishes_while_it_is_written_is_not_stored(memory, monkeypatch):
    replace = os.replace

    def vanish(*args):
        monkeypatch.setattr(os, "replace", replace)
        shutil.rmtree(memory)
        replace(*args)

    monkeypatch.setattr(os, "replace", vanish)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(Loudness(memory=memory).transform(WAVEFORMS), LOUDEST)
    assert len(stored(memory)) == 2


# Folders that cannot be


@pytest.mark.parametrize("place", ["a.wav", "a.wav/folder"])
def test_fit_refuses_a_place_that_can_be_no_folder(tmp_path, place):
    (tmp_path / "a.wav").write_bytes(b"")
    for kind in (str, Path):
        with pytest.raises(ValueError, match=rf"memory must be a folder .*{place}"):
            Loudness(memory=kind(tmp_path / place)).fit(WAVEFORMS)
    with pytest.raises(ValueError, match=rf"memory must be a folder .*{place}"):
        make_adaptation_pipeline(Loudness(), memory=tmp_path / place).fit(WAVEFORMS)
    with pytest.raises(ValueError, match=r"memory must be a folder .*null byte"):
        Loudness(memory="a\0b").fit(WAVEFORMS)


@pytest.mark.parametrize("memory", [3, b"folder"])
@pytest.mark.parametrize("method", ["fit", "transform"])
def test_memory_must_be_a_path(memory, method):
    with pytest.raises(ValueError, match=f"memory must be a folder .*None; got {memory!r}"):
        getattr(Loudness(memory=memory), method)(WAVEFORMS)


def test_transform_works_without_a_folder_and_warns_once(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"")
    pipeline = make_adaptation_pipeline(Loudness(), memory=tmp_path / "later").fit(WAVEFORMS)
    pipeline.set_params(memory=tmp_path / "a.wav")
    for step in (Loudness(memory=tmp_path / "a.wav" / "folder"), pipeline):
        with pytest.warns(UserWarning, match=r"a\.wav.* cannot be written to; rows are") as w:
            np.testing.assert_array_equal(step.transform(WAVEFORMS), LOUDEST)
        assert len(w) == 1 and w[0].filename == __file__


def test_a_full_disk_is_warned_of_once(memory, monkeypatch, computed):
    Loudness(memory=memory).transform(WAVEFORMS[:1])

    def refuse(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.warns(UserWarning, match=r"kept' cannot be .*No space left on device") as warned:
        np.testing.assert_array_equal(Loudness(memory=memory).transform(WAVEFORMS), LOUDEST)
    assert len(warned) == 1 and computed() == 3
    assert len(list(memory.rglob("*.*"))) == 1  # no half-written rest


# Pipelines lend their folder


STEPS = {
    "step": Loudness(),
    "union": make_union(make_union(Loudness()), Loudness(2.0)),
    "pipeline of scikit-learn": make_pipeline(Loudness(), StandardScaler()),
    "nested": make_adaptation_pipeline(make_adaptation_pipeline(Loudness()), StandardScaler()),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_pipeline_lends_its_memory_however_deep(memory, computed, name):
    step = STEPS[name]
    before = repr(step)
    expected = clone(step).fit_transform(WAVEFORMS)
    n_rows = computed()
    for _ in range(2):
        pipeline = make_adaptation_pipeline(clone(step), FunctionTransformer(), memory=memory)
        np.testing.assert_array_equal(pipeline.fit_transform(WAVEFORMS), expected)
        np.testing.assert_array_equal(pipeline.transform(WAVEFORMS), expected)
        assert computed() == n_rows
        assert repr(pipeline.steps[0][1]) == before  # the caller's step stays as it is
        n_rows = 0


def test_a_search_inside_borrows_the_memory(memory, computed):
    y = list("aabbab")
    X = [RNG.normal(scale=0.1, size=100) for _ in y]
    inner = make_adaptation_pipeline(Loudness(), StandardScaler(), SVC())
    search = GridSearchCV(inner, {"loudness__gain": [1.0, 2.0], "svc__C": [1.0, 2.0]}, cv=3)
    make_adaptation_pipeline(FunctionTransformer(), search, memory=memory).fit(X, y).predict(X)
    assert computed() == 2 * len(X)


def test_a_memory_of_its_own_comes_first(tmp_path, computed):
    folders = [tmp_path / name for name in ("outer", "inner", "own")]
    nested = make_adaptation_pipeline(Loudness(), memory=folders[1])
    plain = Pipeline([("a", Loudness(4.0))], memory=str(tmp_path / "whole"))
    union = FeatureUnion(
        [("a", nested), ("b", Loudness(2.0)), ("c", Loudness(3.0, memory=folders[2])), ("d", plain)]
    )
    make_adaptation_pipeline(union, memory=folders[0]).fit_transform(WAVEFORMS[:1])
    assert computed() == 4
    assert [len(stored(folder)) for folder in folders] == [2, 1, 1]


def test_steps_without_audio_are_lent_nothing(memory):
    for step in ("passthrough", StandardScaler(), SVC()):
        lend_memory(step, None, memory)  # nothing is set on the copy


def test_a_relative_folder_stays_where_it_was(tmp_path, monkeypatch, computed):
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    pipeline = make_adaptation_pipeline(Loudness(), StandardScaler(), memory="kept")
    pipeline = pickle.loads(pickle.dumps(pipeline.fit(WAVEFORMS)))
    monkeypatch.chdir(tmp_path / "there")
    pipeline.transform(WAVEFORMS)
    assert computed() == 3 and not list((tmp_path / "there").iterdir())


@pytest.mark.parametrize(
    "step",
    [
        Loudness(memory="kept"),
        make_adaptation_pipeline(Loudness(memory="kept"), StandardScaler()),
        make_adaptation_pipeline(make_union(Loudness()), StandardScaler(), memory="kept"),
        make_pipeline(Loudness(memory="kept"), StandardScaler()),
    ],
)
def test_a_fitted_object_makes_no_folder_where_it_is_used(tmp_path, monkeypatch, computed, step):
    """Neither in another working directory, nor where its folder was deleted."""
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    expected = step.fit_transform(WAVEFORMS)
    assert computed() == len(stored(tmp_path)) == 3
    step = pickle.loads(pickle.dumps(step))
    monkeypatch.chdir(tmp_path / "there")
    shutil.rmtree(tmp_path / "here" / "kept")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(step.transform(WAVEFORMS), expected)
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "here", tmp_path / "there"]


def test_memory_set_after_the_fit_is_used(tmp_path, computed):
    folders = [tmp_path / name for name in ("first", "second", "own")]
    nested = make_adaptation_pipeline(Loudness())
    pipeline = make_adaptation_pipeline(nested, FunctionTransformer(), memory=folders[0])
    pipeline.fit(WAVEFORMS[:1])
    for path, counts in (("", [1, 2, 0]), ("adaptationpipeline__loudness__", [1, 2, 2])):
        (folder := folders[2 if path else 1]).mkdir()
        pipeline.set_params(**{f"{path}memory": folder}).transform(WAVEFORMS[1:])
        assert [len(stored(folder)) for folder in folders] == counts
    pipeline.set_params(adaptationpipeline__loudness__memory=None, memory=None)
    computed()
    pipeline.transform(WAVEFORMS)
    assert computed() == 3 and [len(stored(folder)) for folder in folders] == counts


def test_a_search_stores_each_row_once(monkeypatch):
    """No more than 1.3 times the bytes of the features, and no clip computed twice."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    benchmark = importlib.import_module("cache_size")
    stored, features, n_computed = benchmark.run(n_clips=24, n_folds=2, duration=0.5)
    assert features == 24 * (20 + 40) * 51 * 4
    assert features < stored <= benchmark.LARGEST_RATIO * features
    assert n_computed == 24 * 2
