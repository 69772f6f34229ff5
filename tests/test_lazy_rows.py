"""Rows in shards or in a Dataset give the results of one array, and are never read together."""

import copy
import pickle

import numpy as np
import pandas
import pytest
import torch
from scipy.sparse import csr_matrix
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_predict
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
)

from skdidan import (
    TCA,
    AnchoredEM,
    CorpusScaler,
    DANClassifier,
    DIDANClassifier,
    Functionals,
    LazyRows,
    SHOTClassifier,
    SourceOnlyClassifier,
    Target,
    make_adaptation_pipeline,
    make_speech_corpora,
    shards,
    split_domains,
)
from skdidan import lazy_rows as module
from skdidan.hashing import hash_value
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


class Items(Dataset):
    """Single items, such as recordings."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, number):
        return self.items[number]


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
    "bfloat16": lambda rows, folder: torch.tensor(rows).bfloat16(),
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
    X = torch.tensor(array(150, 4)).bfloat16().float().numpy()  # which all kinds can hold
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
    assert copy.deepcopy(rows) is rows and rows.digest() == LazyRows(X).digest()
    assert rows[1:].digest() != LazyRows(X[:-1]).digest()
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
    assert max(reads) <= (360 if model == "refined" and source.ndim == 2 else 256)
    np.testing.assert_array_equal(fitted.predict_proba(lazy[1]), expected)


def test_mixed_kinds_and_marked_rows_of_several_sources_are_as_arrays():
    numbers = np.r_[np.zeros(80), np.ones(70), np.full(120, -1)]
    stacked, labels = np.concatenate([X, X_TGT]), np.r_[Y, np.zeros(120, dtype=int)]
    model = make_adaptation_pipeline(CorpusScaler(), DIDANClassifier(**PARAMS))
    expected = model.fit(stacked, labels, sample_domain=numbers).predict_proba(X_TGT)
    lazy = LazyRows(np.array_split(stacked, 5))
    found = model.fit(lazy, labels, sample_domain=numbers).predict_proba(X_TGT)
    np.testing.assert_array_equal(found, expected)
    expected = model.fit(X, Y, X_TGT).predict_proba(X_TGT)
    for pair in ((LazyRows(X), X_TGT), (X.tolist(), LazyRows(X_TGT))):
        np.testing.assert_allclose(
            model.fit(pair[0], Y, pair[1]).predict_proba(X_TGT), expected, atol=1e-6
        )
    stacked_again = split_domains(lazy, sample_domain=-numbers).stack()[0]
    assert isinstance(stacked_again, LazyRows)
    np.testing.assert_array_equal(stacked_again, stacked)


def test_padded_spectrograms_stay_padded():
    padded, shorter = S_TGT.copy(), S.copy()
    padded[5, :, 9:] = np.nan
    shorter[:, :, 8:] = np.nan
    model = make_adaptation_pipeline(CorpusScaler(), SHOTClassifier(**PARAMS))
    for source, target in ((S, padded), (shorter, S_TGT), (S, S_TGT[:, :, :10])):
        expected = model.fit(source, Y, target).predict_proba(target)
        lazy = LazyRows([source[:40], source[40:]]), LazyRows(target)
        found = model.fit(lazy[0], Y, lazy[1]).predict_proba(lazy[1])
        np.testing.assert_array_equal(found, expected)
    padded[3, 1, 2] = np.nan
    with pytest.raises(ValueError, match="row 3 of X_tgt, bin 1, frame 2"):
        model.fit(S, Y, LazyRows(padded))


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


class FromFile(Dataset):
    """Reads its rows from a file each time, and counts."""

    def __init__(self, path):
        self.path, self.count = path, 0

    def __len__(self):
        return len(np.load(self.path, mmap_mode="r"))

    def __getitem__(self, number):
        self.count += 1
        return np.load(self.path, mmap_mode="r")[number]


def test_a_checkpoint_knows_rows_by_their_values(tmp_path):
    """In whatever shards they are; not what an object counts, nor the name of a file alone."""
    np.save(tmp_path / "rows.npy", X_TGT)
    target = FromFile(tmp_path / "rows.npy")
    params = {**PARAMS, "checkpoint": tmp_path / "state"}
    first = DANClassifier(**params).fit(LazyRows([X[:9], X[9:]]), Y, target)
    again = DANClassifier(**params).fit(LazyRows([X[:50], Pairs(X[50:])]), Y, target)
    np.testing.assert_array_equal(again.predict_proba(X), first.predict_proba(X))
    np.save(tmp_path / "rows.npy", X_TGT + 1)
    with pytest.raises(ValueError, match="another target"):
        DANClassifier(**params).fit(LazyRows(X), Y, target)
    hashes = [hash_value(rows, "no") for rows in (target, target, FromFile(tmp_path / "rows.npy"))]
    assert len(set(hashes)) == 1
    np.save(tmp_path / "rows.npy", X_TGT)
    assert hash_value(target, "no") != hashes[0]


def test_a_dataset_of_recordings_goes_to_audio_transformers(tmp_path):
    corpora = make_speech_corpora(8, 8, emotions=("anger", "sadness"), random_state=0)
    model = make_adaptation_pipeline(Functionals(), CorpusScaler(), DANClassifier(**PARAMS))
    data = corpora.X_src, corpora.y_src, corpora.X_tgt
    expected = model.fit(*data).predict_proba(corpora.X_tgt)
    target = Items(corpora.X_tgt)
    found = model.fit(Items(corpora.X_src), corpora.y_src, target).predict_proba(target)
    np.testing.assert_array_equal(found, expected)
    numbers = np.array([0, 0, 1, 1, -1, -1, -1, -1])
    expected = model.fit(*data[:2], sample_domain=numbers).predict_proba(target)
    found = model.fit(Items(corpora.X_src), corpora.y_src, sample_domain=numbers)
    np.testing.assert_array_equal(found.predict_proba(target), expected)


def test_a_marked_dataset_of_rows_is_an_array(tmp_path):
    numbers = np.r_[np.zeros(60), np.ones(40), np.full(50, -1)]
    model = make_adaptation_pipeline(CorpusScaler(), DANClassifier(**PARAMS))
    expected = model.fit(X, Y, sample_domain=numbers).predict_proba(X)
    found = model.fit(Pairs(X), Y, sample_domain=numbers).predict_proba(Pairs(X))
    np.testing.assert_array_equal(found, expected)


def test_few_files_are_open_at_a_time_and_changed_ones_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "_MOST_OPEN", 2)
    paths = [tmp_path / f"{number}.npy" for number in range(5)]
    for path, part in zip(paths, np.array_split(X, 5), strict=True):
        np.save(path, part)
    rows = LazyRows(paths)
    np.testing.assert_array_equal(rows, X)
    assert rows._parts[0]._maps.open.cache_info().currsize == 2
    assert len(pickle.dumps(rows[:3])) < 3000
    np.save(paths[4], X[:2])
    np.testing.assert_array_equal(rows[:100], X[:100])
    with pytest.raises(ValueError, match=r"4.npy' has changed since LazyRows opened it"):
        rows[149]


def test_frames_of_pandas_hold_scaled_rows():
    scaler = CorpusScaler().set_output(transform="pandas").fit(X, X_tgt=X_TGT)
    pandas.testing.assert_frame_equal(scaler.transform(LazyRows(X)), scaler.transform(X))


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
    with pytest.raises(NotFittedError, match="not fitted yet"):
        CorpusScaler().transform(LazyRows(X))
    with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
        DANClassifier(**PARAMS).fit(LazyRows(X), None, X_TGT)
    with pytest.raises(ValueError, match=r"differ in length: 150 != 2. Wrap shards: LazyRows\(X\)"):
        DANClassifier(**PARAMS).fit([X[:70], X[70:]], Y, X_TGT)
    scaled = CorpusScaler().fit(X * 1e-20, X_tgt=X_TGT * 1e-20).transform(LazyRows(X[:9] * 1e20))
    with pytest.raises(ValueError, match=r"infinity or a value too large .* row 7 of X, column 0"):
        scaled[7]
    # As a search of scikit-learn slices a Dataset that is not wrapped.
    with pytest.raises(ValueError, match=r"an array .wrap a Dataset in LazyRows.* row 0 of X, col"):
        CorpusScaler().fit([Pairs(X)[0], Pairs(X)[1]])


class Bare:
    """A shape and a type, as an array of dask."""

    def __init__(self, shape):
        self.shape, self.dtype = shape, np.dtype(float)


class Short(Pairs):
    """Returns too few items."""

    def __getitems__(self, numbers):
        return [self[number] for number in numbers[1:]]


class Broken(Pairs):
    """Cannot read an item."""

    def __getitem__(self, number):
        if number == 77:
            raise IndexError("corrupt")
        return super().__getitem__(number)


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
    "sparse": (csr_matrix(X), TypeError, "got csr_matrix. Convert tables and sparse matrices"),
    "frame": (pandas.DataFrame(X), TypeError, "got DataFrame. Convert tables"),
    "column": (pandas.Series([1.0], dtype="Float64"), TypeError, "got Series. Convert tables"),
    "masked": (np.ma.masked_array(X, X > 1), ValueError, "Part 0 has masked entries"),
    "masked item": (Items([np.ma.masked_array(X[0], X[0] < 9)]), ValueError, "Item 0 .* masked"),
    "loader": (DataLoader(Pairs(X)), TypeError, "pass the Dataset inside it, loader.dataset"),
    "unknown length": (Bare((np.nan, 4)), TypeError, "Part 0 must be an array, .* got Bare"),
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
    with pytest.raises(IndexError, match="index 150 is out of bounds"):
        rows[150]
    with pytest.raises(ValueError, match="always a copy"):
        np.asarray(rows, copy=False)
    with pytest.raises(ValueError, match=r"item 0 has shape \(4,\), and item 2 \(3,\)"):
        np.asarray(LazyRows(Pairs([X[0], X[1], X[2, :3]])))
    with pytest.raises(ValueError, match="__getitems__ of Short returned 149 items for 150"):
        np.asarray(LazyRows(Short(X)))
    for read in (list, np.asarray):
        with pytest.raises(IndexError, match="corrupt") as caught:
            read(LazyRows(Broken(X)))
        assert caught.value.__notes__ == ["It was raised by item 77 of the Dataset."]
    with pytest.raises(
        FileNotFoundError, match=r"Part 1 of LazyRows, .*absent.npy', does not exist"
    ):
        LazyRows([X, tmp_path / "absent.npy"])
    (tmp_path / "text.npy").write_text("text")
    with pytest.raises(
        ValueError, match=r"Part 0 of LazyRows, .*text.npy', is no file of an array"
    ):
        LazyRows(tmp_path / "text.npy")
