"""Rows in shards or in a Dataset give the results of one array, and are never read together."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_predict
from torch.utils.data import Dataset, IterableDataset, StackDataset, Subset, TensorDataset

from skdidan import (
    TCA,
    AnchoredEM,
    CorpusScaler,
    DANClassifier,
    DIDANClassifier,
    LazyRows,
    SHOTClassifier,
    SourceOnlyClassifier,
    Target,
    make_adaptation_pipeline,
    split_domains,
)
from skdidan import lazy_rows as module
from skdidan.neural.batches import ArrayRows, to_rows
from skdidan.shallow import scaling

PARAMS = {"max_epochs": 2, "random_state": 0, "batch_size": 32}


def array(n, *shape, seed=0):
    return np.random.default_rng(seed).normal(size=(n, *shape)).astype(np.float32)


X, X_TGT, Y = array(150, 4), array(120, 4, seed=1) + 1, np.arange(150) % 3
S, S_TGT = array(150, 4, 10), array(120, 4, 12, seed=1) + 1


class Pairs(Dataset):
    """A row and its label, one item at a time."""

    def __init__(self, rows, label=0):
        self.rows, self.label = rows, label

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, number):
        return self.rows[number], self.label


class Sorted:
    """Takes increasing numbers alone, as a data set of h5py does."""

    def __init__(self, rows):
        self.rows, self.shape, self.dtype = rows, rows.shape, rows.dtype

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, rows):
        assert (np.diff(rows) > 0).all()
        return self.rows[rows]


def in_files(rows, folder):
    for number, part in enumerate(np.array_split(rows, 3)):
        np.save(folder / f"{len(rows)}_{number}.npy", part)
    return [folder / f"{len(rows)}_{number}.npy" for number in range(3)]


KINDS = {
    "array": lambda rows, folder: rows,
    "tensor": lambda rows, folder: torch.tensor(rows, requires_grad=True),
    "shards": lambda rows, folder: np.array_split(rows, 4),
    "files": in_files,
    "maps": lambda rows, folder: [np.load(f, mmap_mode="r") for f in in_files(rows, folder)],
    "sorted": lambda rows, folder: [Sorted(part) for part in np.array_split(rows, 2)],
    "dataset": lambda rows, folder: Pairs(rows),
    "tensors": lambda rows, folder: TensorDataset(torch.tensor(rows), torch.zeros(len(rows))),
    "subset": lambda rows, folder: Subset(Pairs(np.r_[rows, rows]), range(len(rows))),
    "mixed": lambda rows, folder: [rows[:3], Pairs(rows[3:5]), LazyRows(rows)[5:]],
}


@pytest.fixture
def reads(monkeypatch):
    """Note how many rows are read at once, with blocks of at most 32 rows of four columns."""
    sizes, read = [], LazyRows._read
    monkeypatch.setattr(module, "_BLOCK", 32 * 4)
    monkeypatch.setattr(scaling, "_BLOCK", 32 * 4)
    monkeypatch.setattr(
        LazyRows, "_read", lambda self, rows: sizes.append(len(rows)) or read(self, rows)
    )
    return sizes


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_those_of_an_array(kind, tmp_path):
    rows = LazyRows(KINDS[kind](X, tmp_path))
    assert (rows.shape, rows.ndim, rows.dtype, len(rows)) == (X.shape, 2, X.dtype, 150)
    is_taken = np.arange(150) % 4 == 1
    for index in (slice(None), slice(90, 10, -7), [140, 3, 3, -1, 60], is_taken, slice(0)):
        taken = rows[index]
        assert isinstance(taken, LazyRows) and taken.shape == X[index].shape
        np.testing.assert_array_equal(np.asarray(taken), X[index])
        np.testing.assert_array_equal(taken[::-1], X[index][::-1])
    np.testing.assert_array_equal(rows[-2], X[-2])
    np.testing.assert_array_equal(list(rows), X)
    doubled = rows[10:].map(lambda values, numbers: values * 2 + numbers[:, np.newaxis])
    expected = X[10:] * 2 + np.arange(140)[:, np.newaxis]
    np.testing.assert_allclose(doubled[[5, 100]], expected[[5, 100]], rtol=1e-6)
    assert np.asarray(rows, dtype=np.float64).dtype == rows.astype(float).dtype == np.float64
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(rows)), X)
    assert repr(rows[:2]) == "LazyRows(shape=(2, 4), dtype=float32)"


MODELS = {
    "DIDAN": lambda: DIDANClassifier(**PARAMS, n_networks=1),
    "held out": lambda: DANClassifier(
        **PARAMS,
        validation_fraction=0.3,
        monitor="source",
        loss="log_loss",
        calibration="temperature",
    ),
    "monitor": lambda: DANClassifier(**PARAMS, monitor="information"),
    "source-free": lambda: SHOTClassifier(**PARAMS, adaptation_epochs=2),
    "refined": lambda: AnchoredEM(
        make_adaptation_pipeline(CorpusScaler(), DANClassifier(**PARAMS))
    ),
}


@pytest.mark.parametrize("kind, source, target", [("files", S, S_TGT), ("dataset", X, X_TGT)])
@pytest.mark.parametrize("model", MODELS)
def test_models_equal_those_of_arrays_and_read_batches(
    model, source, target, kind, tmp_path, reads
):
    source, target = np.tile(source, (2, *[1] * (source.ndim - 1))), np.repeat(target, 3, axis=0)
    expected = MODELS[model]().fit(source, [*Y, *Y], target).predict_proba(target)
    reads.clear()
    lazy = [KINDS[kind](rows, tmp_path) for rows in (source, target)]
    lazy = [rows if kind == "dataset" else LazyRows(rows) for rows in lazy]
    fitted = MODELS[model]().fit(lazy[0], [*Y, *Y], lazy[1])
    # A network is evaluated on 256 rows at once. AnchoredEM compares all rows of features.
    assert max(reads) <= 360 if model == "refined" and source.ndim == 2 else 256
    np.testing.assert_array_equal(fitted.predict_proba(lazy[1]), expected)


def test_mixed_kinds_and_marked_rows_of_several_sources_are_as_arrays():
    numbers = np.r_[np.zeros(80), np.ones(70), np.full(120, -1)]
    stacked, labels = np.concatenate([X, X_TGT]), np.r_[Y, np.zeros(120, dtype=int)]
    make = lambda: make_adaptation_pipeline(CorpusScaler(), DIDANClassifier(**PARAMS))  # noqa: E731
    expected = make().fit(stacked, labels, sample_domain=numbers).predict_proba(X_TGT)
    lazy = LazyRows(np.array_split(stacked, 5))
    found = make().fit(lazy, labels, sample_domain=numbers).predict_proba(X_TGT)
    np.testing.assert_array_equal(found, expected)
    expected = make().fit(X, Y, X_TGT).predict_proba(X_TGT)
    for pair in ((LazyRows(X), X_TGT), (X.tolist(), LazyRows(X_TGT))):
        np.testing.assert_allclose(
            make().fit(pair[0], Y, pair[1]).predict_proba(X_TGT), expected, atol=1e-6
        )
    stacked_again = split_domains(lazy, sample_domain=-numbers).stack()[0]
    assert isinstance(stacked_again, LazyRows)
    np.testing.assert_array_equal(stacked_again, stacked)


def test_padded_spectrograms_stay_padded():
    padded, shorter = S_TGT.copy(), S.copy()
    padded[5, :, 9:] = np.nan
    shorter[:, :, 8:] = np.nan
    make = lambda: make_adaptation_pipeline(CorpusScaler(), SHOTClassifier(**PARAMS))  # noqa: E731
    for source, target in ((S, padded), (shorter, S_TGT), (S, S_TGT[:, :, :10])):
        expected = make().fit(source, Y, target).predict_proba(target)
        lazy = LazyRows([source[:40], source[40:]]), LazyRows(target)
        found = make().fit(lazy[0], Y, lazy[1]).predict_proba(lazy[1])
        np.testing.assert_array_equal(found, expected)
    padded[3, 1, 2] = np.nan
    with pytest.raises(ValueError, match="row 3 of X_tgt, bin 1, frame 2"):
        make().fit(S, Y, LazyRows(padded))


def test_searches_slice_them_and_estimators_without_networks_read_them():
    grid = {"danclassifier__lr": [1e-3, 1e-2]}
    model = make_adaptation_pipeline(CorpusScaler(), DANClassifier(**PARAMS))
    scores = [
        GridSearchCV(model, grid, cv=3)
        .fit(wrap(X), Y, X_tgt=Target(wrap(X_TGT)))
        .cv_results_["mean_test_score"]
        for wrap in (np.asarray, lambda rows: LazyRows(Pairs(rows)))
    ]
    np.testing.assert_array_equal(*scores)
    source_only = SourceOnlyClassifier(**PARAMS)
    predicted = [cross_val_predict(source_only, rows, Y) for rows in (X, LazyRows(X))]
    np.testing.assert_array_equal(*predicted)
    expected = TCA(n_components=2).fit_transform(X, X_tgt=X_TGT)
    np.testing.assert_array_equal(
        TCA(n_components=2).fit_transform(LazyRows(X), X_tgt=Pairs(X_TGT)), expected
    )


@pytest.mark.filterwarnings("ignore:New groups", "ignore:The new groups")
def test_a_scaler_returns_rows_that_are_scaled_when_they_are_read(reads):
    groups, fitted = np.arange(150) // 10 % 4, CorpusScaler()
    expected = CorpusScaler().fit_transform(X, X_tgt=X_TGT, groups=groups)
    scaled = fitted.fit_transform(LazyRows(X), X_tgt=X_TGT, groups=groups)
    assert isinstance(scaled, LazyRows) and max(reads) <= 40
    np.testing.assert_array_equal(scaled, expected)
    np.testing.assert_array_equal(scaled[[70, 2]], expected[[70, 2]])
    names = np.where(np.arange(120) < 119, "seen", "alone")
    found = fitted.transform(LazyRows(X_TGT), groups=names)
    np.testing.assert_array_equal(found, fitted.transform(X_TGT, groups=names))
    doubles = LazyRows([X.astype(float), (X * 10).round().astype(int)])
    assert CorpusScaler().fit(doubles, X_tgt=X_TGT).transform(doubles).dtype == np.float64


def test_a_checkpoint_knows_its_rows(tmp_path):
    params = {**PARAMS, "checkpoint": tmp_path / "state"}
    first = DANClassifier(**params).fit(LazyRows([X[:9], X[9:]]), Y, Pairs(X_TGT))
    again = DANClassifier(**params).fit(LazyRows([X[:9], X[9:]]), Y, Pairs(X_TGT))
    np.testing.assert_array_equal(again.predict_proba(X), first.predict_proba(X))
    with pytest.raises(ValueError, match="another target"):
        DANClassifier(**params).fit(LazyRows([X[:9], X[9:]]), Y, Pairs(X_TGT + 1))


def test_held_out_rows_of_a_memory_map_stay_in_the_file(tmp_path):
    np.save(tmp_path / "rows.npy", X)
    file = np.load(tmp_path / "rows.npy", mmap_mode="r")
    rows = to_rows(file, torch.device("cpu"), np.array([3, 149, 7]))
    assert isinstance(rows, ArrayRows)
    assert torch.equal(rows[:], torch.tensor(X[[3, 149, 7]]))


def test_batches_of_lazy_rows_go_to_the_device():
    rows = to_rows(LazyRows(X), torch.device("meta"))
    assert rows[torch.tensor([1, 2])].device.type == "meta" and len(rows) == 150


# What is refused


def test_odd_entries_are_named_by_their_row_in_all_parts(reads):
    bad = X.copy()
    bad[97, 2] = np.nan
    with pytest.raises(ValueError, match="NaN, first in row 97 of X, column 2"):
        DANClassifier(**PARAMS).fit(LazyRows(np.array_split(bad, 4)), Y, X_TGT)
    with pytest.raises(ValueError, match="NaN, first in row 97 of X_tgt, column 2"):
        DANClassifier(**PARAMS).fit(X, Y, Pairs(bad))
    huge = np.where(np.isnan(bad), 1e300, bad.astype(float))
    with pytest.raises(ValueError, match=r"infinity or a value too large .* row 97 of X, column 2"):
        DANClassifier(**PARAMS).fit(LazyRows([huge[:90], huge[90:]]), Y, X_TGT)
    with pytest.raises(ValueError, match=r"differ in the shape of a row: \(4,\) != \(3,\)"):
        DANClassifier(**PARAMS).fit(LazyRows(X), Y, Pairs(X_TGT[:, :3]))
    with pytest.raises(ValueError, match="y and X differ in length: 149 != 150"):
        DANClassifier(**PARAMS).fit(Pairs(X), Y[:-1], X_TGT)
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        DANClassifier(**PARAMS).fit(LazyRows(X[:1]), Y[:1], X_TGT)
    with pytest.warns(UserWarning, match="1 of 4 features of the source, the first in column 3"):
        far = X.astype(float) + np.array([0, 0, 0, 1e9])
        DANClassifier(**PARAMS).fit(LazyRows(np.array_split(far, 3)), Y, X_TGT)
    for rows in (X[:0], LazyRows(X)[:0]):
        with pytest.raises(ValueError, match=r"0 sample\(s\) \(shape=\(0, 4\)\)"):
            CorpusScaler().fit(X, X_tgt=X_TGT).transform(rows)
    with pytest.raises(NotFittedError):
        CorpusScaler().transform(LazyRows(X))
    # As a search of scikit-learn slices a Dataset that is not wrapped.
    with pytest.raises(ValueError, match=r"contains array\(.*first in row 0 of X, column 0"):
        CorpusScaler().fit([Pairs(X)[0], Pairs(X)[1]])


class Stream(IterableDataset):
    """Has a length, but no rows by number."""

    def __iter__(self):
        return iter(X)

    def __len__(self):
        return len(X)


class Endless(Dataset):
    """Has no length."""

    def __getitem__(self, number):
        return X[0]


REFUSED = {
    "no part": ([], ValueError, "at least one part"),
    "other rows": (
        [X, X[:, :3]],
        ValueError,
        r"part 0 have shape \(4,\), .* part 1 \(3,",
    ),
    "empty": ([X, X[:0]], ValueError, r"Part 1 of LazyRows has no row; its shape is \(0, 4\)"),
    "empty dataset": (Pairs(X[:0]), ValueError, "Part 0 of LazyRows has no row"),
    "scalar": (np.float64(3), ValueError, "has no row"),
    "text": (np.array([["a"]]), ValueError, "must hold real numbers; it has dtype <U1"),
    "complex": ([X, X * 1j], ValueError, "Part 1 must hold real numbers; it has dtype complex64"),
    "lists": ([[1.0, 2.0]], TypeError, "Part 0 must be an array, a path .* got list"),
    "dict": ({"X": X}, TypeError, "Part 0 must be an array, a path .* got dict"),
    "stream": (Stream(), TypeError, "Stream, cannot be read by row numbers"),
    "no length": (Endless(), TypeError, "Endless, cannot be read by row numbers"),
    "items": (Pairs(["a", "b"]), TypeError, "Item 0 of the Dataset must be a row of numbers"),
    "scalars": (Pairs([1.0, 2.0]), TypeError, r"begins with one; got \(1.0, 0\)"),
    "dicts": (StackDataset(x=torch.ones(3, 2)), TypeError, r"got \{'x': tensor"),
    "ragged": (Pairs([[[1.0], [1.0, 2.0]]]), TypeError, "Item 0 .*inhomogeneous"),
}


@pytest.mark.parametrize("parts, kind, message", REFUSED.values(), ids=REFUSED)
def test_what_is_no_rows_is_refused(parts, kind, message):
    with pytest.raises(kind, match=message):
        LazyRows(parts)


def test_rows_alone_can_be_indexed_and_items_must_keep_their_shape(tmp_path):
    rows = LazyRows(X)
    with pytest.raises(TypeError, match="only be indexed by rows"):
        rows[:, 0]
    with pytest.raises(IndexError, match="one axis of rows"):
        rows[np.zeros((2, 2), dtype=int)]
    with pytest.raises(IndexError):
        rows[150]
    with pytest.raises(ValueError, match="always a copy"):
        np.asarray(rows, copy=False)
    with pytest.raises(ValueError, match=r"item 0 has shape \(4,\), and item 2 \(3,\)"):
        np.asarray(LazyRows(Pairs([X[0], X[1], X[2, :3]])))
    with pytest.raises(FileNotFoundError, match="absent"):
        LazyRows(tmp_path / "absent.npy")
