"""Rows that lie in a file: networks read those of a batch, and copy no whole array."""

import os
import tracemalloc

import numpy as np
import pytest
import soundfile
import torch

from skdidan import (
    MFCC,
    AudioLoader,
    AudioWarning,
    DANNClassifier,
    Functionals,
    LogMelSpectrogram,
    SourceOnlyClassifier,
)
from skdidan.neural.batches import ArrayRows, to_rows

SHAPES = {"features": (600, 8), "spectrograms": (600, 8, 12)}


@pytest.fixture(params=SHAPES)
def mapped(request, tmp_path):
    """Return arrays, and the same arrays in files that can only be read."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=SHAPES[request.param]).astype(np.float32) + n for n in range(2)]
    for n, array in enumerate(arrays):
        np.save(tmp_path / f"{n}.npy", array)
    return arrays, [np.load(tmp_path / f"{n}.npy", mmap_mode="r") for n in range(2)]


@pytest.mark.parametrize("monitor", [None, "information"])
def test_no_array_in_a_file_is_copied_as_a_whole(mapped, monitor, monkeypatch, recwarn):
    (X, X_tgt), files = mapped
    y = np.arange(600) % 3
    params = {"batch_size": 32, "max_epochs": 2, "random_state": 0, "monitor": monitor}
    expected = DANNClassifier(**params).fit(X, y, X_tgt).decision_function(X_tgt)
    sizes, make = [], torch.tensor

    def note(values, *args, **kwargs):
        sizes.append(np.size(values))
        return make(values, *args, **kwargs)

    monkeypatch.setattr(torch, "tensor", note)
    found = DANNClassifier(**params).fit(files[0], y, files[1]).decision_function(files[1])
    np.testing.assert_array_equal(found, expected)
    assert max(sizes) == 256 * X[0].size  # a batch of a prediction
    assert not [each for each in recwarn if "writable" in str(each.message)]


def test_rows_of_an_array_are_those_of_a_tensor():
    array = np.arange(12.0).reshape(6, 2)
    rows, tensor = ArrayRows(array), torch.tensor(array)
    mask = torch.tensor([True, False, True, False, False, True])
    for index in (slice(1, 3), torch.tensor([4, 0]), mask):
        assert torch.equal(rows[index], tensor[index])
    parts = zip(rows.split(4), tensor.split(4), strict=True)
    assert all(torch.equal(part, other) for part, other in parts)
    rows[:1][:] = -1
    assert array[0, 0] == 0 and len(rows) == 6


def test_only_mapped_arrays_on_the_cpu_stay_where_they_are(mapped):
    (X, _), (file, _) = mapped
    cpu = torch.device("cpu")
    assert isinstance(to_rows(np.asarray(file)[:50], cpu), ArrayRows)
    assert isinstance(to_rows(file.astype(np.float32), cpu), torch.Tensor)
    assert isinstance(to_rows(X, cpu), torch.Tensor)
    assert to_rows(file, torch.device("meta")).device.type == "meta"


def test_other_types_are_converted_and_held_out_rows_copied(mapped, tmp_path):
    (X, _), (file, _) = mapped
    np.save(tmp_path / "double.npy", X.astype(np.float64))
    double = np.load(tmp_path / "double.npy", mmap_mode="r")
    y = np.arange(600) % 2
    params = {"validation_fraction": 0.5, "monitor": "source", "max_epochs": 1, "random_state": 0}
    scores = [
        SourceOnlyClassifier(**params).fit(rows, y).decision_function(rows)
        for rows in (X, file, double)
    ]
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_array_equal(scores[0], scores[2])


# Features that are written to a file


def waveforms(n, seconds=0.5):
    return np.random.default_rng(0).normal(scale=0.1, size=(n, round(16_000 * seconds)))


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("make", [LogMelSpectrogram, MFCC, Functionals])
def test_features_in_a_file_are_those_of_transform(make, n_jobs, tmp_path):
    """With rows out of the cache, and with recordings that cannot be used, at their places."""
    for n, waveform in enumerate(waveforms(5)):
        soundfile.write(tmp_path / f"{n}.wav", waveform, 16_000)
    files = [tmp_path / f"{n}.wav" for n in range(5)]
    files[2].write_bytes(b"no audio")
    params = {} if make is Functionals else {"duration": 0.5}
    transformer = make(on_error="warn", memory=tmp_path / "memory", n_jobs=n_jobs, **params)
    transformer.fit_transform(files[3:4])
    with pytest.warns(AudioWarning) as told:
        mapped = transformer.to_memmap(files, tmp_path / "rows.npy")
    assert isinstance(mapped, np.memmap) and mapped.dtype == np.float32
    assert [warning.message.rows for warning in told] == [[2]]
    with pytest.warns(AudioWarning):
        np.testing.assert_array_equal(mapped, transformer.transform(files))


def test_features_in_a_file_are_never_in_memory_together(tmp_path):
    rows, spectrograms = waveforms(200, 0.1), LogMelSpectrogram(duration=1.0)
    spectrograms.to_memmap(rows[:2], tmp_path / "rows.npy")  # loads what it needs
    tracemalloc.start()
    mapped = spectrograms.to_memmap(rows, tmp_path / "rows.npy")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(mapped) == 200 and peak < mapped.nbytes / 4


def test_a_missing_folder_is_named(tmp_path):
    path = tmp_path / "absent" / "rows.npy"
    with pytest.raises(FileNotFoundError, match=r"needs the folder '.*absent': create it first"):
        LogMelSpectrogram(duration=0.5).to_memmap(waveforms(2), path)


def test_rows_of_several_shapes_leave_the_file_as_it_was(tmp_path):
    path = tmp_path / "rows.npy"
    expected = np.array(LogMelSpectrogram(duration=0.5).to_memmap(waveforms(2), path))
    with pytest.raises(ValueError, match=r"row 0 has shape \(64, 51\) and row 1 has \(64, 26\)"):
        LogMelSpectrogram(duration=None).to_memmap([*waveforms(1), *waveforms(1, 0.25)], path)
    with pytest.raises(ValueError, match="rows of one shape"):
        AudioLoader().to_memmap(write_two_lengths(tmp_path), path)
    np.testing.assert_array_equal(np.load(path), expected)
    assert [each.name for each in tmp_path.glob("*.tmp")] == []


class Unused(LogMelSpectrogram):
    """Tells that it computes, which takes long with many recordings."""

    def _fill(self, features, rows):
        raise AssertionError("it computes")


def test_paths_that_no_file_can_have_are_refused_before_any_row(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.npy").symlink_to(os.devnull)
    transformer, rows = Unused(duration=0.5), waveforms(2)
    for path in (tmp_path, "", "link.npy"):
        with pytest.raises(OSError, match="is not a regular file: choose another"):
            transformer.to_memmap(rows, path)
    with pytest.raises(FileNotFoundError):
        transformer.to_memmap(rows, "absent/rows.npy")
    for path in (None, 3, b"rows.npy"):
        with pytest.raises(TypeError, match="path must be a str or a path-like; got"):
            transformer.to_memmap(rows, path)
    assert (tmp_path / "link.npy").is_symlink() and len(list(tmp_path.iterdir())) == 1


def test_an_interrupt_leaves_the_file_as_it_was(tmp_path):
    class Interrupted(LogMelSpectrogram):
        def _compute(self, rows, features, store):
            features[1] = np.zeros((2, 2))
            raise KeyboardInterrupt

    (tmp_path / "rows.npy").write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt):
        Interrupted().to_memmap(waveforms(2), tmp_path / "rows.npy")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"rows.npy": b"before"}


def write_two_lengths(folder):
    for n in (1, 2):
        soundfile.write(folder / f"{n}.wav", np.arange(100 * n) / 500, 16_000)
    return [folder / "1.wav", folder / "2.wav"]
