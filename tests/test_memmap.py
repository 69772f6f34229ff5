"""Rows that lie in a file: networks read those of a batch, and copy no whole array."""

import numpy as np
import pytest
import torch

from skdidan import DANNClassifier, SourceOnlyClassifier
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
