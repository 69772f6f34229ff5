"""Rows of recordings: which kinds there are, their values, and errors of single waveforms."""

import io
import os
import pickle
import re
import warnings
from array import array
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import soundfile
import torch
from joblib import parallel_config
from sklearn.base import clone

from skdidan import MFCC, AudioLoader, Segment, Target, read_audio
from skdidan.audio.recordings import AudioTransformer, AudioWarning
from skdidan.audio.rows import read_rows, waveform_rows

RATE = 16_000


def polars():
    return pytest.importorskip("polars", reason="an optional container; make test installs it")


def tone(frequency=440.0, seconds=0.5, rate=RATE, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def write(path, samples, rate=RATE, **options):
    soundfile.write(path, samples, rate, **options)
    return path


def read(function, rows, **params):
    rows = dict(enumerate(waveform_rows(rows)))
    return list(read_rows(function, rows, sample_rate=RATE, **params))


class Sums(AudioTransformer):
    """The sum of the samples of each waveform."""

    def __init__(self, sample_rate=RATE, on_error="raise", memory=None, n_jobs=None, verbose=0):
        self.sample_rate = sample_rate
        self.on_error = on_error
        self.memory = memory
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _converter(self):
        return np.sum


# waveform_rows


@pytest.mark.parametrize(
    "container",
    [
        list,
        tuple,
        np.array,
        pd.Series,
        pd.Index,
        pd.DataFrame,
        Target,
        lambda paths: [Path(path) for path in paths],
        lambda paths: np.array(paths, dtype=object)[:, None],
        lambda paths: pd.Series(paths, dtype=object),
        lambda paths: pd.Series(paths, dtype="string"),
        lambda paths: pd.Series(paths, dtype="string[pyarrow]"),
        lambda paths: pd.Series(paths, dtype="category"),
        pa.array,
        lambda paths: pa.chunked_array([paths]),
        lambda paths: list(pa.array(paths)),
        lambda paths: pa.table({"file": paths}),
        lambda paths: polars().Series(paths),
        lambda paths: polars().DataFrame({"file": paths}),
    ],
)
def test_every_container_of_paths(container):
    rows = waveform_rows(container(["b.wav", "a.wav"]))
    assert [str(row) for row in rows] == ["b.wav", "a.wav"]


def test_entries_of_a_folder_become_their_paths(tmp_path):
    (tmp_path / "a.wav").touch()
    rows = waveform_rows([*os.scandir(tmp_path), Path("b.wav"), Segment("c.wav", 1)])
    assert rows == [str(tmp_path / "a.wav"), "b.wav", Segment("c.wav", 1)]


def test_paths_of_bytes_are_refused():
    for X in (["a.wav", b"b.wav"], np.array([b"a.wav", b"b.wav"])[::-1]):
        with pytest.raises(TypeError, match=r"Row [01] is of type bytes_?: .*; os\.fsdecode"):
            waveform_rows(X)


@pytest.mark.parametrize(
    "X",
    [
        [[0.0, 1.0], [2.0, 3.0]],
        np.arange(4.0).reshape(2, 2),
        np.arange(4, dtype=np.int16).reshape(2, 2),
    ],
)
def test_every_container_of_waveforms(X):
    for container in (list, tuple, np.asarray, pd.DataFrame, Target):
        rows = waveform_rows(container(X))
        np.testing.assert_array_equal(np.stack(rows), [[0, 1], [2, 3]])


def test_waveforms_may_differ_in_length():
    rows = waveform_rows(pd.Series([np.ones(3), np.ones(5)]))
    assert [len(row) for row in rows] == [3, 5]


@pytest.mark.parametrize("X", ["a.wav", Path("a.wav"), b"a.wav", 3, Target("a.wav")])
def test_single_path_is_refused(X):
    with pytest.raises(TypeError, match=r"X must hold one path or waveform per row; got .* alone"):
        waveform_rows(X)


@pytest.mark.parametrize(
    "X", [np.ones(5), np.ones((2, 3, 4)), np.ones((2, 3), bool), np.ones((2, 3), complex)]
)
def test_arrays_of_other_shapes_are_refused(X):
    with pytest.raises(TypeError, match=r"X must be an array of paths.*got shape \(.*and dtype"):
        waveform_rows(X)


@pytest.mark.parametrize("X", [[], np.empty((0, 5)), pd.Series([], dtype=object), Target([])])
def test_no_rows_are_refused(X):
    with pytest.raises(ValueError, match=r"X has 0 sample\(s\)"):
        waveform_rows(X)


@pytest.mark.parametrize("odd", [None, 3.0, np.ones(3)])
def test_paths_mixed_with_anything_are_refused(odd):
    with pytest.raises(TypeError, match="X holds paths, but row 1 is not one"):
        waveform_rows(["a.wav", odd, "b.wav"])


@pytest.mark.parametrize("row", [np.ones((4, 2)), 1.0])
def test_waveform_needs_one_axis(row):
    with pytest.raises(TypeError, match=r"waveform in row 1 must have one axis.*got shape"):
        waveform_rows([np.ones(4), row, np.ones(4)])


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, bool, complex, object])
def test_unknown_full_scale_is_refused(dtype):
    with pytest.raises(TypeError, match=r"row 0 has dtype .*full scale is not known"):
        waveform_rows([np.ones(4, dtype=dtype)])


# read_rows


@pytest.mark.parametrize(
    ("dtype", "samples", "expected"),
    [
        ("uint8", [0, 64, 128, 255], [-1, -0.5, 0, 127 / 128]),
        ("int8", [-128, 64, 0, 127], [-1, 0.5, 0, 127 / 128]),
        ("int16", [-32768, 16384, 1], [-1, 0.5, 1 / 32768]),
        (">i2", [-32768, 16384, 1], [-1, 0.5, 1 / 32768]),
        ("int32", [-(2**31), 2**30, 2**16], [-1, 0.5, 2.0**-15]),
        ("float64", [-1.5, 0.25], [-1.5, 0.25]),
        ("float16", [-1.5, 0.25], [-1.5, 0.25]),
    ],
)
def test_full_scale_of_every_type(dtype, samples, expected):
    rows = waveform_rows([np.array(samples, dtype=dtype)])
    (waveform,) = read(np.asarray, rows)
    assert waveform.dtype == np.float32
    np.testing.assert_array_equal(waveform, np.float32(expected))


def test_file_and_array_of_sixteen_bits_are_the_same(tmp_path):
    samples = np.random.default_rng(1).integers(-3000, 3000, size=400, dtype=np.int16)
    path = write(tmp_path / "noise.wav", samples)
    (from_file,), (from_array,) = (read(np.asarray, rows) for rows in ([path], [samples]))
    np.testing.assert_array_equal(from_file, from_array)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (np.zeros(50), "waveform in row 3 is silent: all of its 50 samples"),
        (np.full(50, 128, np.uint8), "waveform in row 3 is silent"),
        (np.full(50, 0.25), r"waveform in row 3 is constant: all of its 50 samples are 0\.25"),
        (np.full(50, -7, np.int16), "waveform in row 3 is constant"),
        (np.array([]), "waveform in row 3 is empty"),
        (np.array([0.1, np.nan]), "waveform in row 3 holds NaN or infinite samples: 1 of 2"),
        (np.array([1e300, 0.1]), "waveform in row 3 holds NaN or infinite samples: 1 of 2"),
    ],
)
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_bad_waveform_is_named_by_its_row(row, message, n_jobs):
    rows = [np.eye(50)[0]] * 3 + [row]
    *good, bad = read(np.sum, rows, n_jobs=n_jobs)
    assert good == [1, 1, 1]
    assert isinstance(bad, ValueError) and re.search(message, str(bad))
    with pytest.raises(ValueError, match=message) as caught:
        Sums(n_jobs=n_jobs).transform(rows)
    assert 'on_error="warn"' in caught.value.__notes__[0]
    with pytest.warns(AudioWarning, match=f"1 of 4 rows .* are replaced by silence.*{message}"):
        sums = Sums(on_error="warn").transform(rows)
    assert sums.tolist() == [1, 1, 1, 0]


def test_first_bad_row_raises_whatever_the_number_of_jobs():
    rows = [np.eye(5)[0]] * 9 + [np.zeros(5)] * 99
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n_jobs in (1, 2, 4):
            with pytest.raises(ValueError, match="row 9 is silent"):
                Sums(n_jobs=n_jobs).transform(rows)


def test_an_error_of_the_function_is_not_taken_for_a_bad_row():
    def fail(waveform):
        raise ValueError("of the function")

    with pytest.raises(ValueError, match="of the function"):
        read(fail, [np.eye(5)[0]])


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_jobs_wait_until_a_block_is_taken(n_jobs):
    started = []
    rows = [np.linspace(0.1 + 0.01 * n, 0.5, 10) for n in range(9)]
    results = read_rows(
        lambda waveform: started.append(waveform[0]) or waveform[0],
        dict(enumerate(rows)),
        sample_rate=RATE,
        n_jobs=n_jobs,
        block_size=4,
    )
    for n, result in enumerate(results):
        assert result == np.float32(rows[n][0])
        assert len(started) <= 4 * (n // 4 + 1)
    assert len(started) == 9


# AudioTransformer


def test_silent_rows_are_reported_once_by_their_numbers(recwarn):
    rows = [np.tile([0.1, -0.1], 5) * (n % 3 > 0) for n in range(30)]
    Sums(on_error="warn").transform(rows)
    (warning,) = (warning.message for warning in recwarn)
    assert str(warning).startswith("10 of 30 rows") and str(warning).endswith(" And 5 more.")
    assert warning.rows == list(range(0, 30, 3))
    sent = pickle.loads(pickle.dumps(warning))
    assert (str(sent), sent.rows) == (str(warning), warning.rows)


class Ratios(Sums):
    """Two features, of which the second has no value for a single sample."""

    def get_feature_names_out(self, input_features=None):
        return np.array(["level", "ratio"], dtype=object)

    def _converter(self):
        return lambda waveform: np.array([waveform[0], 0.5 if len(waveform) > 1 else np.nan])


@pytest.mark.parametrize("kind", ["waveform", "file", "segment"])
def test_features_that_are_not_finite_are_a_fault_of_their_recording(tmp_path, kind):
    rows, name = [np.array([0.25]), np.array([0.1, 0.5])], r"The waveform in row 0"
    if kind != "waveform":
        rows = [write(tmp_path / f"{n}.wav", row) for n, row in enumerate(rows)]
        name = r"The audio file '.*0\.wav'"
    if kind == "segment":
        rows[0] = Segment(rows[0], 0, 1 / RATE)
    fault = rf"{name}.* gives 1 of 2 features that are not finite, the first 'ratio'"
    for memory in (None, tmp_path / "memory"):
        with pytest.raises(ValueError, match=fault):
            Ratios(memory=memory).transform(rows)
        with pytest.warns(AudioWarning, match=f"1 of 2 rows .* by silence. {fault}") as caught:
            values = Ratios(on_error="warn", memory=memory).transform(rows)
        assert caught[0].message.rows == [0] and np.isfinite(values).all()


def test_a_transformer_without_a_converter_is_named():
    class Unfinished(Sums):
        _converter = AudioTransformer._converter

    with pytest.raises(NotImplementedError, match="Unfinished must define _converter"):
        Unfinished().transform([np.eye(5)[0]])


# AudioLoader


@pytest.fixture
def paths(tmp_path):
    return [
        write(tmp_path / f"{f}.wav", tone(f, seconds=f / 1000, rate=8_000), 8_000)
        for f in (200, 300, 400, 500)
    ]


def test_loader_reads_every_file_in_order(paths):
    for n_jobs in (None, 2):
        waveforms = AudioLoader(n_jobs=n_jobs).fit_transform(paths)
        assert [len(waveform) for waveform in waveforms] == [3200, 4800, 6400, 8000]
        for path, waveform in zip(paths, waveforms, strict=True):
            np.testing.assert_array_equal(waveform, read_audio(path))


def test_loader_needs_no_fit_and_opens_a_target(paths):
    waveforms = AudioLoader(8_000).transform(Target(paths[::-1]))
    assert [len(waveform) for waveform in waveforms] == [4000, 3200, 2400, 1600]


def test_loader_clones_and_has_no_set_output():
    loader = AudioLoader(8_000, on_error="warn", n_jobs=2, verbose=1)
    assert clone(loader).get_params() == loader.get_params()
    assert not hasattr(loader, "set_output")
    tags = loader.__sklearn_tags__()
    assert not tags.requires_fit
    assert tags.input_tags.string and not tags.input_tags.two_d_array


def test_loader_is_quiet_about_good_files(paths, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AudioLoader(on_error="warn").transform(paths)
    assert capsys.readouterr().err == ""


def test_loader_shows_progress_when_verbose(paths, capsys):
    AudioLoader(verbose=1).transform(paths)
    assert "4/4" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["fit", "transform"])
def test_loader_checks_its_parameters(paths, method):
    with pytest.raises(ValueError, match=r"on_error must be one of .*; got 'ignore'"):
        getattr(AudioLoader(on_error="ignore"), method)(paths)
    with pytest.raises(ValueError, match="sample_rate must be a whole number"):
        getattr(AudioLoader(sample_rate=-1), method)(paths)


@pytest.mark.parametrize("method", ["fit", "transform"])
def test_loader_takes_paths_only(method):
    with pytest.raises(TypeError, match="AudioLoader takes paths; X holds waveforms already"):
        getattr(AudioLoader(), method)(np.ones((2, 100)))


def test_integers_cast_to_float_are_refused():
    waveform = (32767 * tone(440)).astype(np.float64)
    message = r"row 0 has a peak of \d.*floats have full scale 1.* Rows of features are no wave"
    with pytest.raises(ValueError, match=message):
        Sums().transform([waveform])


@pytest.mark.parametrize("unordered", [{"a.wav", "b.wav"}, {"a.wav": 1}])
def test_rows_need_an_order(unordered):
    with pytest.raises(TypeError, match=r"X must be a list or an array; a (set|dict) has no order"):
        waveform_rows(unordered)


SOUND = np.linspace(-0.5, 0.5, 8, dtype=np.float32)
CODED = (SOUND * 32767).astype(np.int16)
# How other libraries hand over a recording: the row, and the error with its cure.
MISFITS = {
    "soundfile": ((SOUND, 16_000), "a pair of a waveform and its sample rate: pass the wav"),
    "scipy": ((16_000, CODED), "a pair of a waveform and its sample rate: pass the wav"),
    "torchaudio": (
        (torch.tensor(SOUND)[None], 16_000),
        "a pair of a waveform and its sample rate: pass the wav",
    ),
    "datasets": ({"array": SOUND, "sampling_rate": 16_000, "path": "a.wav"}, "a dict: pass its"),
    "undecoded": ({"bytes": b"RIFF", "path": None}, "a dict: pass its path, or its array"),
    "struct": (pa.scalar({"bytes": b"RIFF", "path": "a.wav"}), "a dict: pass its path"),
    "file": (io.BytesIO(b"RIFF"), "of type BytesIO: pass the path of a file on disk, or the dec"),
    "bytes": (b"RIFF", "of type bytes: pass the path of a file on disk, or the decoded wave"),
    "bytearray": (bytearray(b"RIFF"), "of type bytearray: pass the path"),
    "view": (memoryview(CODED), "of type memoryview: pass the path"),
    "binary": (pa.scalar(b"RIFF"), "of type bytes: pass the path"),
}
PARTS = {
    "segment": (("a.wav", 0.0, 0.5), r"a tuple \(file, start, end\): pass skdidan.Segment\(file,"),
    "start": (("a.wav", pd.Timedelta(0)), r"a tuple \(file, start, end\): pass skdidan.Segment"),
    "table": ((0, "a.wav", "anger"), r"a tuple \(file, start, end\): pass skdidan.Segment"),
    "paths": (["a.wav", "b.wav"], "a list of paths: pass one path per row"),
}


@pytest.mark.parametrize("kind", MISFITS | PARTS)
def test_other_forms_of_a_recording_are_named_with_the_cure(kind):
    row, match = (MISFITS | PARTS)[kind]
    others = ["b.wav", "c.wav"] if kind in PARTS else [SOUND, SOUND]
    with pytest.raises(TypeError, match=f"^Row 1 is {match}"):
        waveform_rows([others[0], row, others[1]])
    if kind in MISFITS and not isinstance(row, dict) and not hasattr(row, "as_py"):
        with pytest.raises(
            TypeError, match=f"one path or waveform per row; got one alone, {match}"
        ):
            waveform_rows(row)


def test_a_segmented_index_is_named():
    levels = [["a.wav", "b.wav"], pd.to_timedelta(["0s", "1s"]), pd.to_timedelta(["1s", "2s"])]
    with pytest.raises(TypeError, match=r"Row 0 is a tuple \(file, start, end\): .*Segment"):
        waveform_rows(pd.MultiIndex.from_arrays(levels, names=["file", "start", "end"]))


@pytest.mark.parametrize("row", [pa.py_buffer(b"RIFF"), object(), None])
def test_rows_of_other_types_are_never_heard(row):
    with pytest.raises(TypeError, match=r"Row 1 is of type .*; it must be a path, or an arr"):
        waveform_rows([SOUND, row])


@pytest.mark.parametrize(
    "row, cure",
    [
        (torch.tensor(SOUND)[None], r"row\.mean\(axis=0\)\."),
        (np.stack([SOUND, SOUND], axis=1), r"row\.mean\(axis=1\)\."),
    ],
)
def test_channels_are_to_be_averaged(row, cure):
    with pytest.raises(TypeError, match=rf"row 1 must have one axis.*Average the channels: {cure}"):
        waveform_rows([SOUND, row])


@pytest.mark.parametrize("row", [[[0.1], [0.1, 0.2]], torch.ones(2, requires_grad=True)])
def test_rows_that_make_no_array_are_named(row):
    with pytest.raises(TypeError, match="Row 1 is no waveform, since it makes no array: "):
        waveform_rows([SOUND, row])


@pytest.mark.parametrize(
    "row", [SOUND.tolist(), tuple(SOUND), array("f", SOUND), torch.tensor(SOUND), pd.Series(SOUND)]
)
def test_samples_in_any_container_are_a_waveform(row):
    np.testing.assert_array_equal(waveform_rows([SOUND, row])[1], SOUND)


def test_masked_samples_are_named():
    masked = np.ma.array(SOUND, mask=SOUND > 0.3)
    for X in ([SOUND, masked], np.ma.stack([np.ma.array(SOUND), masked])):
        with pytest.raises(ValueError, match="X has masked entries, the first in row 1, column 6"):
            waveform_rows(X)
    np.testing.assert_array_equal(waveform_rows([np.ma.array(SOUND)])[0], SOUND)


def test_rows_that_can_be_read_once_are_refused():
    with pytest.raises(TypeError, match=r"X must be a list or an array; got .*\. Pass list\(X\)"):
        waveform_rows(iter(["a.wav"]))
    with pytest.raises(TypeError, match="X holds paths, but row 1 is not one: 3"):
        waveform_rows({"a": "a.wav", "b": 3}.values())


@pytest.mark.parametrize("backend", ["threading", "multiprocessing"])
def test_rows_are_the_same_on_backends_with_and_without_generators(backend):
    waveforms = [np.random.default_rng(n).normal(scale=0.1, size=8000) for n in range(5)]
    expected = MFCC(duration=0.5).fit_transform(waveforms)
    with parallel_config(backend):
        rows = MFCC(duration=0.5, n_jobs=2).fit_transform(waveforms)
    np.testing.assert_array_equal(rows, expected)
