"""Properties that hold for all inputs, tried on those that hypothesis makes up."""

import math
import re
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis.extra.numpy as npst
import librosa
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from references import one_hot
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import balanced_accuracy_score

from skdidan import CorpusScaler, Spectrogram, WindowedClassifier, load, save, uar
from skdidan.domains import Domains
from skdidan.penalties.sparse_coding import sparse_codes
from skdidan.simplex import project_on_simplex
from skdidan.tables import PENALTIES

tried = settings(max_examples=30, deadline=None, derandomize=True, database=None)

# Whole numbers make rows that repeat, vanish or lie on a line, and sums without rounding.
ENTRIES = st.integers(-4, 4).map(float)


def matrices(n_rows, n_columns):
    return npst.arrays(np.float64, (n_rows, n_columns), elements=ENTRIES)


def orders(n):
    return st.permutations(range(n)).map(np.array)


# Sparse codes


@st.composite
def lassos(draw):
    """Source and target rows, and a weight for each code."""
    n_source, n_target, n_columns = (draw(st.integers(1, 7)) for _ in range(3))
    source, target = draw(matrices(n_source, n_columns)), draw(matrices(n_target, n_columns))
    weights = npst.arrays(np.float64, (n_target, n_source), elements=st.floats(0.1, 20))
    return torch.tensor(source), torch.tensor(target), torch.tensor(draw(weights))


TOL = 1e-8


def largest_gap(target):
    """Bound the distance of the objective from its minimum, with some room for rounding."""
    return TOL * 0.5 * target.square().sum() + 1e-12


@tried
@given(lassos(), st.data())
def test_sparse_codes_are_optimal_in_any_order_of_the_source_rows(lasso, data):
    """Slopes are at most the weight, and equal it, with the code's sign, where there is a code.

    The bounds follow from the gap: the fit is 1-strongly convex in the residual.
    """
    source, target, weights = lasso
    gap = largest_gap(target)
    codes = sparse_codes(source, target, weights, tol=TOL)
    slopes = (target - codes @ source) @ source.T
    assert (slopes.abs() <= weights + source.norm(dim=1) * (2 * gap).sqrt() + 1e-9).all()
    slack = weights * codes.abs() - codes * slopes
    assert slack.sum() <= gap * (slopes.abs() / weights).amax().clamp_min(1)
    order = data.draw(orders(len(source)))
    turned = sparse_codes(source[order], target, weights[:, order], tol=TOL)
    # Copies of a row may share its code in many ways, but the fit is unique.
    assert (turned @ source[order] - codes @ source).norm() <= 2 * (2 * gap).sqrt()


@tried
@given(lassos(), st.data())
def test_sparse_codes_vanish_above_the_largest_product(lasso, data):
    """Where the weight equals the largest product, they vanish up to the tolerance."""
    source, target, _ = lasso
    largest = (target @ source.T).abs().amax(dim=1, keepdim=True)
    factors = st.sampled_from([0.5, 0.9, 1.0, 1.1, 2.0])
    shares = torch.tensor([[data.draw(factors)] for _ in target])
    weights = (largest * shares).masked_fill(largest == 0, 1.0).expand(len(target), len(source))
    codes = sparse_codes(source, target, weights, tol=TOL)
    above, below = ((shares > 1) | (largest == 0))[:, 0], ((shares < 1) & (largest > 0))[:, 0]
    assert not codes[above].any() and codes[below].any(dim=1).all()
    assert (codes[~below] @ source).norm() <= (2 * largest_gap(target)).sqrt()


# Penalties


@st.composite
def domain_pairs(draw, equal=False):
    """Draw features of two domains, of any magnitude, and their labels and predictions."""
    n_source, n_target, n_columns, n_classes = (draw(st.integers(1, 6)) for _ in range(4))
    scale = 2.0 ** draw(st.integers(-30, 30))
    source = scale * torch.tensor(draw(matrices(n_source, n_columns)))
    labels = one_hot(draw(matrices(n_source, 1))[:, 0].astype(int) % n_classes, n_classes)
    if equal:
        order = draw(orders(n_source))
        known = {"predictions": labels[order], "source_predictions": labels}
        known["source_domains"] = torch.zeros(n_source, dtype=torch.int64)
        known["corpus_features"] = torch.cat([source, source])
        return source, source[order], {"labels": labels, **known}
    target = scale * torch.tensor(draw(matrices(n_target, n_columns)))
    logits = [torch.tensor(draw(matrices(n, n_classes))) for n in (n_target, n_source)]
    predictions, source_predictions = (rows.softmax(dim=1) for rows in logits)
    known = {"predictions": predictions, "source_predictions": source_predictions}
    known["source_domains"] = torch.tensor(draw(matrices(n_source, 1))[:, 0].astype(int) % 2)
    known["corpus_features"] = torch.cat([source, target]) + 1
    return source, target, {"labels": labels, **known}


@pytest.mark.parametrize("name", sorted(PENALTIES))
@tried
@given(pair=domain_pairs(), is_known=st.booleans(), data=st.data())
def test_penalties_are_bounded_and_ignore_the_order_of_rows(name, pair, is_known, data):
    source, target, known = pair
    # Codes that cancel leave evidence of rounding errors, so IDA goes without labels.
    penalty = PENALTIES[name](**({"tol": 1e-6, "label_weight": 0} if name == "ida" else {})).eval()
    known = {key: known[key] for key in penalty.uses if is_known}
    value = penalty(source, target, **known).item()
    largest = {"mean_distance": 1, "mcc": 1 - 1 / source.shape[1]}
    largest |= dict.fromkeys(["balanced_mmd", "jmmd", "lmmd", "mmd"], 2 * 5)  # two for each width
    assert 0 <= value < math.inf and value <= largest.get(name, value) + 1e-9
    of_source, of_target = data.draw(orders(len(source))), data.draw(orders(len(target)))
    orders_of = dict.fromkeys(known, of_source) | {"predictions": of_target}
    orders_of["corpus_features"] = [*of_source, *(len(source) + np.array(of_target))]
    turned = {key: values[orders_of[key]] for key, values in known.items()}
    again = penalty(source[of_source], target[of_target], **turned).item()
    assert again == pytest.approx(value, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("name", sorted({*PENALTIES} - {"decoupling", "mcc"}))
@tried
@given(pair=domain_pairs(equal=True), is_known=st.booleans())
def test_penalties_of_equal_domains_are_least(name, pair, is_known):
    source, target, known = pair
    penalty = PENALTIES[name]()
    value = penalty(source, target, **{key: known[key] for key in penalty.uses if is_known}).item()
    if name == "ida":  # each row is reconstructed by its copy
        terms = penalty.terms(source, target)
        assert terms["means"] < 1e-9
        assert terms["features"] <= 2 * 0.1 - 0.1**2 + penalty.tol
    elif name.endswith("adversary"):  # the best discriminator guesses
        assert value >= math.log(2) - 1e-9
    else:
        size = source.square().sum() ** 2 if name == "coral" else 1
        assert value <= 1e-9 * size


# Scaling


@tried
@given(st.data())
def test_corpus_scaler_undoes_an_affine_map_of_each_corpus(data):
    n_columns = data.draw(st.integers(1, 4))
    numbers = np.array(data.draw(st.lists(st.integers(-2, 2), min_size=2, max_size=14)))
    numbers[:2] = 0, -1
    X = data.draw(matrices(len(numbers), n_columns))
    slopes = st.floats(1e-3, 1e3) | st.floats(-1e3, -1e-3)
    moved, signs = np.empty_like(X), np.empty_like(X)
    for number in np.unique(numbers):
        rows = numbers == number
        slope = data.draw(npst.arrays(float, n_columns, elements=slopes))
        offset = data.draw(npst.arrays(float, n_columns, elements=st.floats(-1e3, 1e3)))
        moved[rows], signs[rows] = X[rows] * slope + offset, np.sign(slope)
    scaled = CorpusScaler().fit_transform(moved, sample_domain=numbers)
    expected = signs * CorpusScaler().fit_transform(X, sample_domain=numbers)
    np.testing.assert_allclose(scaled, expected, atol=1e-6)
    for number in np.unique(numbers):
        rows = numbers == number
        np.testing.assert_allclose(scaled[rows].mean(axis=0), 0, atol=1e-6)
        np.testing.assert_allclose(scaled[rows].std(axis=0), np.ptp(X[rows], axis=0) > 0, atol=1e-6)


# Domains


@tried
@given(
    st.lists(st.integers(-(2**63), -1), min_size=1, max_size=6),
    st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=6),
    st.sampled_from([np.asarray, list, pd.DataFrame]),
    st.data(),
)
def test_domains_are_restored_in_the_order_of_the_caller(of_target, of_source, container, data):
    numbers = np.array(data.draw(st.permutations(of_target + of_source)))
    n, is_source = len(numbers), numbers >= 0
    X = container(np.arange(2 * n).reshape(n, 2))
    labels = np.where(is_source, np.arange(n), -1)
    domains = Domains.of(X, labels, sample_domain=numbers, groups=labels)
    assert np.asarray(domains.X_src)[:, 0].tolist() == (2 * np.flatnonzero(is_source)).tolist()
    assert np.asarray(domains.X_tgt)[:, 0].tolist() == (2 * np.flatnonzero(~is_source)).tolist()
    rows, y, groups, corpora = domains.stack()
    for stacked in (rows, domains.restore(), domains.unstack(rows).restore()):
        assert type(stacked) is type(X)
        np.testing.assert_array_equal(np.asarray(stacked), np.asarray(X))
    assert corpora.tolist() == numbers.tolist()
    for values in (y, groups):
        assert values[is_source].tolist() == labels[is_source].tolist()


# Windows and frames


class Listener(ClassifierMixin, BaseEstimator):
    """Keeps the windows that it is fitted to."""

    def fit(self, X, y):
        """Keep the windows."""
        self.windows_, self.classes_ = X, np.unique(y)
        return self


@tried
@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 100), st.integers(1, 100))
def test_windows_cover_every_sample(n, n_other, size, step):
    size, step = max(size, step), min(size, step)
    X = [np.arange(1, k + 1) / 1e6 + first for k, first in ((n, 0), (n_other, 0.5))]
    lengths = {"window": size / 1000, "hop": step / 1000, "sample_rate": 1000}
    windows = WindowedClassifier(Listener(), **lengths).fit(X, [0, 1]).estimator_.windows_
    counts = [1 + math.ceil(max(len(row) - size, 0) / step) for row in X]
    assert len(windows) == sum(counts)
    for row, part in zip(X, (windows[: counts[0]], windows[counts[0] :]), strict=True):
        assert {len(window) for window in part} == {min(size, len(row))}
        assert np.unique(np.concatenate(part)).tolist() == row.tolist()
        assert part[-1][-1] == row[-1]


@tried
@given(st.integers(1, 300), st.integers(2, 64), st.integers(2, 64), st.integers(1, 40), st.data())
def test_frames_are_those_of_librosa_and_hear_every_sample(n, n_fft, win_length, hop, data):
    win_length = min(n_fft, win_length)
    waveform = np.zeros(n)
    waveform[data.draw(st.integers(0, n - 1))] = 0.5
    frames = {"n_fft": n_fft, "win_length": win_length, "hop_length": hop}
    spectrogram = Spectrogram(duration=None, top_db=None, **frames).fit_transform([waveform])[0]
    padded = np.pad(waveform, (0, max(n_fft - n, 0))).astype(np.float32)
    stft = librosa.stft(padded, **frames)
    expected = librosa.power_to_db(np.abs(stft) ** 2, top_db=None)
    np.testing.assert_allclose(spectrogram, expected, atol=1e-3)
    if hop <= (win_length - 1) // 2:
        assert spectrogram.max() > -90


# Files

# Keys beyond 2**53 are refused.
FLOATS = st.floats(-(2.0**53), 2.0**53) | st.just(math.nan)
PLAIN = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | FLOATS | st.text(max_size=4)
KEYS = st.recursive(
    PLAIN, lambda keys: st.lists(keys, max_size=3).map(tuple) | st.frozensets(keys, max_size=3)
)


@st.composite
def arrays(draw):
    """Draw an array of any type and layout: of C or Fortran, reversed, with gaps, of objects."""
    shapes = npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    values = draw(npst.arrays(npst.scalar_dtypes(), shapes))
    layouts = [np.asfortranarray, np.transpose, np.ascontiguousarray, np.flip]
    layouts += [lambda values: values[..., ::2], lambda values: values.astype(object)]
    return np.asarray(draw(st.sampled_from(layouts[: None if values.ndim else 4]))(values))


VALUES = st.recursive(
    PLAIN | st.floats() | arrays() | st.sets(KEYS, max_size=3) | st.frozensets(KEYS, max_size=3),
    lambda parts: (
        st.lists(parts, max_size=3)
        | st.lists(parts, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from(["~", "value", True, None]), parts, max_size=3)
        | st.dictionaries(KEYS, parts, max_size=3)
    ),
    max_leaves=8,
)


def described(value):
    """Describe content, type and layout by text, in which NaN equals NaN."""
    kind, parts = type(value).__name__, value
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        parts = [value.shape, [described(item) for item in value.ravel().tolist()]]
    elif isinstance(value, np.ndarray):
        is_fortran = value.flags.f_contiguous and not value.flags.c_contiguous
        parts = value.dtype.str, value.shape, is_fortran, value.tobytes()
    elif isinstance(value, set | frozenset):
        parts = sorted(described(item) for item in value)
    elif isinstance(value, dict):
        parts = [(described(key), described(item)) for key, item in value.items()]
    elif isinstance(value, list | tuple):
        parts = [described(item) for item in value]
    return f"{kind}: {parts!r}"


@settings(tried, max_examples=60)
@given(value=st.tuples(VALUES, arrays()))
def test_saved_values_come_back_the_same(value):
    """Those of other kinds, which arrays of objects may hold, are refused."""
    scaler = CorpusScaler().fit([[0.0], [1.0]], X_tgt=[[0.0], [1.0]])
    scaler.extra_ = value
    with TemporaryDirectory() as folder:
        path = Path(folder, "scaler")
        try:
            save(scaler, path)
        except TypeError:
            assert re.search(r"(complex|bytes|date|datetime|timedelta): ", described(value))
        else:
            assert described(load(path).extra_) == described(value)


# Metrics and probabilities


@tried
@given(st.data())
def test_uar_is_the_balanced_accuracy(data):
    labels = data.draw(st.sampled_from([range(4), "abcd", [-1, 10**12]]))
    pairs = st.tuples(st.sampled_from(labels), st.sampled_from(labels))
    truth, prediction = zip(*data.draw(st.lists(pairs, min_size=1, max_size=30)), strict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a predicted class may have no true sample
        expected = balanced_accuracy_score(truth, prediction)
    assert uar(truth, prediction) == pytest.approx(expected, abs=1e-12)


@tried
@given(
    npst.arrays(
        np.float64,
        npst.array_shapes(min_dims=2, max_dims=2, max_side=6),
        elements=st.floats(-3, 3) | st.floats(-1e300, 1e300),
    )
)
def test_projections_on_the_simplex_meet_the_optimality_conditions(points):
    """All positive entries are shifted by the same amount, and the others are no larger than it."""
    projected = project_on_simplex(points)
    assert (projected >= 0).all()
    np.testing.assert_allclose(projected.sum(axis=1), 1, atol=1e-9)
    shifted = points - points.max(axis=1, keepdims=True)
    for row, result in zip(shifted, projected, strict=True):
        shift = (row - result)[result > 0]
        np.testing.assert_allclose(shift, shift[0], atol=1e-9)
        assert (row[result == 0] <= shift[0] + 1e-9).all()
