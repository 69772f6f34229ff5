"""One table of odd data: every estimator of rows gives a right result or a clear error of ours.

Odd recordings and files are in test_recordings.py and test_misbehaving_audio.py.
"""

import re
from decimal import Decimal
from fractions import Fraction
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from skdidan import (
    JDAR,
    KMM,
    LAME,
    AdaptationClassifier,
    AnchoredEM,
    CorpusScaler,
    make_adaptation_pipeline,
)
from skdidan.tables import CLASSIFIERS, TRANSFORMERS

RNG = np.random.default_rng(0)
Y = np.array(["anger", "sadness"] * 12)
X = RNG.normal(size=(24, 4)).round(2) + (Y == "anger")[:, np.newaxis]
X_TGT = RNG.normal(size=(18, 4)).round(2) + 1
X_NEW = X_TGT[:5] + 0.5
PLAIN = {"X": X, "y": Y, "X_tgt": X_TGT, "new": X_NEW}
OTHERS = {
    "kmm": KMM,
    "pipeline": lambda: make_adaptation_pipeline(CorpusScaler(), JDAR()),
    "refined": lambda: AnchoredEM(JDAR()),
    "lame": lambda: LAME(JDAR()),
}
NAMES = [*CLASSIFIERS, *TRANSFORMERS, *OTHERS]
NEEDS_LABELS = {"cdsa", "corpus_invariant_selector", "jda", "speaker_scaler"}
NEEDS_LABELS |= {"pipeline", "refined", "lame", *CLASSIFIERS}
# One of the networks that differ in their penalty alone, and read their rows in one way.
ALIKE = {"cdan", "dann", "deep_coral", "djda", "dsan", "ecan", "emo_dna", "jan", "mcc"}
OF_ONE_KIND = [n for n in NAMES if n not in ALIKE]
pytestmark = pytest.mark.filterwarnings("ignore")  # of constants, of few rows, of y in a column


def make(name):
    cls = {**CLASSIFIERS, **TRANSFORMERS, **OTHERS}[name]
    if isinstance(cls, type) and issubclass(cls, AdaptationClassifier):
        return cls(max_epochs=1, batch_size=16, random_state=0, n_networks=1)
    if name == "corpus_invariant_selector":
        return cls(n_resamples=3, random_state=0)
    return cls(max_iter=2) if name == "jiasl" else cls()


def results(name, X, y, X_tgt, new):
    """Fit, and return all that the estimator says of new rows, or KMM of the source."""
    return answers(make(name).fit(X, y, X_tgt), new)


def answers(estimator, new):
    if isinstance(estimator, KMM):
        return [estimator.weights_]
    methods = ["predict", "decision_function", "predict_proba", "transform"]
    return [getattr(estimator, m)(new) for m in methods if hasattr(estimator, m)]


@cache
def fitted(name, *, to_frames=False):
    X, y, X_tgt = (frame(v) if to_frames and v.ndim > 1 else v for v in list(PLAIN.values())[:3])
    return make(name).fit(X, y, X_tgt)


def plain_results(name):
    return answers(fitted(name), X_NEW)


def on_all(change):
    return {name: rows if name == "y" else change(rows) for name, rows in PLAIN.items()}


def put(rows, value, dtype=float):
    rows = rows.astype(dtype)
    rows.flat[13] = value  # in row 3 and column 1, or row 13 of labels
    return rows


def frame(rows, names="abcd"):
    return pd.DataFrame(rows, columns=list(names))


def objects(rows, kind):
    return np.array([[kind(str(value)) for value in row] for row in rows], dtype=object)


def read_only(rows):
    rows = rows.copy()
    rows.setflags(write=False)
    return rows


# Changed rows, and the pattern of the error. Those of new rows are found where they are predicted.
NOT_FINITE = r"row 3 of {}, column 1\. Drop these rows, or replace the values"
SHAPES = "Source and target differ in the shape of a row"
REFUSED = {
    "NaN": (lambda rows: put(rows, np.nan), f"contains NaN, first in {NOT_FINITE}"),
    "infinity": (lambda rows: put(rows, -np.inf), f"contains infinity .*{NOT_FINITE}"),
    "None": (lambda rows: put(rows, None, object), f"contains NaN, first in {NOT_FINITE}"),
    "missing": (
        lambda rows: frame(rows).astype("Float64").mask(frame(rows) == rows[3, 1]).to_numpy(),
        "contains NaN, first in row 3 of {}, column 1",
    ),
    "masked": (
        lambda rows: np.ma.masked_array(rows, rows == rows[3, 1]),
        "{} has masked entries, the first in row 3, column 1.*: fill them, or drop the rows",
    ),
    "complex": (lambda rows: rows + 1j, "Complex data not supported"),
    "sparse": (csr_array, r"Sparse data was passed .* Use '.toarray\(\)'"),
    "dates": (
        lambda rows: rows.astype("M8[s]"),
        r"^{target}X holds datetime64\[s\], .*: convert it to",
    ),
    "a frame of dates": (
        lambda rows: frame(rows.astype("M8[s]")),
        r"^{target}X holds datetime64\[s\], which is no type of numbers: convert it to floats",
    ),
    "fields": (lambda rows: rows.view("f8,f8,f8,f8")[:, 0], "no type of numbers|{shapes}"),
    "a word": (lambda rows: put(rows, "loud", object), "'loud', first in row 3 of {}, column 1"),
    "a dict": (lambda rows: put(rows, {}, object), "{{}}, first in row 3 of {}, column 1: float"),
    "a huge int": (lambda rows: put(rows, 10**400, object), "row 3 of {}, column 1: int too large"),
    "ragged": (
        lambda rows: [*rows[:3].tolist(), [1.0], *rows[4:].tolist()],
        r"rows of different shapes, \(4,\) and \(1,\), first in row 3 of {}",
    ),
    "no rows": (lambda rows: rows[:0], r"ha(s|ve|d) 0 sample\(s\)|with 0 sample\(s\)"),
    "no columns": (lambda rows: rows[:, :0], r"0 feature\(s\)|{shapes}|expecting 4 features"),
    "other columns": (lambda rows: rows[:, :3], "X has 3 features, but .* expecting 4|{shapes}"),
    "one axis": (lambda rows: rows[:, 0], "Expected 2D array, got 1D array|{shapes}"),
    "three axes": (
        lambda rows: rows[:, :, np.newaxis],
        "must have 2 axes|dim 3|on rows of|{shapes}",
    ),
    "four axes": (
        lambda rows: rows[:, :, np.newaxis, np.newaxis],
        r"must be of shape|must have 2 axes|must be spectrograms|dim 4|on rows of|{shapes}",
    ),
    "a set": (
        lambda rows: set(map(tuple, rows)),
        "{} must be a sequence.*got a set, .* no positions",
    ),
    "text": (lambda rows: "nonsense", "{} must be a sequence.* the single entry 'nonsense'"),
    "a generator": (
        lambda rows: (row for row in rows),
        "{} must be a sequence.* single entry <gen",
    ),
    "a function": (lambda rows: np.shape, "{} must be a sequence.* the single entry <function"),
    "a class": (lambda rows: dict, "{} must be a sequence.* the single entry <class"),
    "a number": (lambda rows: 3.0, "got the single entry 3.0|{shapes}|got scalar array"),
    "an order of columns": (
        lambda rows: frame(rows[:, ::-1], "dcba"),
        "feature names should match those that were passed during fit",
    ),
    "a name twice": (
        lambda rows: frame(rows, "abcc"),
        r"X has several columns of one name, \['c'\]",
    ),
}
AS_FRAMES = ["an order of columns", "a name twice"]


@pytest.mark.parametrize("place", ["X", "X_tgt", "new"])
@pytest.mark.parametrize("kind", REFUSED)
def test_odd_rows_are_refused(kind, place):
    change, pattern = REFUSED[kind]
    data = on_all(frame) if kind in AS_FRAMES else dict(PLAIN)
    data[place] = change(PLAIN[place])
    if place == "X" and kind == "no rows":
        data["y"] = Y[:0]
    target = "The target is not valid: " if place == "X_tgt" else ""
    pattern = pattern.format("X" if place == "new" else place, shapes=SHAPES, target=target)
    for name in NAMES if place != "new" else sorted(set(NAMES) - {"kmm"}):
        with pytest.raises((TypeError, ValueError), match=pattern):
            if place == "new":
                found = answers(fitted(name, to_frames=kind in AS_FRAMES), data["new"])
            else:
                found = results(name, **data)
            pytest.fail(f"{name}: {found}")


# Labels, and the pattern of the error.
MISSING = r"y of the source holds 1 missing label\(s\), the first in row 13 of X"
KINDS = "y must hold text alone, or numbers of up to 64 bits alone.* Convert all labels"
NUMBERS = (Y == "anger").astype(float)
REFUSED_LABELS = {
    "NaN": (put(NUMBERS, np.nan), MISSING),
    "None": (put(Y, None, object), MISSING),
    "NA": (put(Y, pd.NA, object), MISSING),
    "masked": (np.ma.masked_array(Y, np.arange(24) == 13), MISSING),
    "infinity": (put(NUMBERS, np.inf), "Input y contains infinity"),
    "text and a number": (put(Y, 3, object), KINDS),
    "text and a truth": (put(Y, True, object), KINDS),
    "huge ints": (np.array([10**30, 5] * 12, dtype=object), KINDS),
    "continuous": (X[:, 0], "Unknown label type: continuous"),
    "complex": (NUMBERS + 1j, "Complex data not supported"),
    "bytes": (Y.astype("S"), "labels represented as bytes .* Convert the labels to a string"),
    "one-hot": (np.eye(2)[NUMBERS.astype(int)], r"y should be a 1d array, got .* \(24, 2\)"),
    "one class": (np.full(24, "anger"), r"at least two classes in the source.*\['anger'\]"),
    "none": (None, "requires y to be passed"),
    "too few": (Y[:-1], "y and X differ in length: 23 != 24"),
    "one text": ("anger", "y must be a sequence with one entry per row; got the single entry"),
    "a dict": (dict(enumerate(Y)), "y must be a sequence with one entry per row; got a dict"),
}


@pytest.mark.parametrize("kind", REFUSED_LABELS)
def test_odd_labels_are_refused_where_labels_are_needed(kind):
    labels, pattern = REFUSED_LABELS[kind]
    for name in NAMES:
        data = {**PLAIN, "y": labels}
        if name in NEEDS_LABELS:
            with pytest.raises((TypeError, ValueError), match=pattern):
                pytest.fail(f"{name}: {results(name, **data)}")
        elif kind not in {"too few", "one text", "a dict"}:
            np.testing.assert_array_equal(results(name, **data), plain_results(name))


# The same rows in other types and containers.
SAME = {
    "float16": on_all(lambda rows: rows.astype(np.float16)),
    "longdouble": on_all(lambda rows: rows.astype(np.longdouble)),
    "big endian": on_all(lambda rows: rows.astype(">f8")),
    "Fortran order": on_all(np.asfortranarray),
    "strides": on_all(lambda rows: np.repeat(rows, 2, axis=1)[:, ::2]),
    "read-only": on_all(read_only),
    "int": on_all(lambda rows: (100 * rows).astype(int)),
    "int beyond 2**53": on_all(lambda rows: (100 * rows).astype(int) + 2**53 + 1),
    "bool": on_all(lambda rows: rows > 0.5),
    "objects": on_all(lambda rows: rows.astype(object)),
    "text of numbers": on_all(lambda rows: rows.astype(str)),
    "objects of text of numbers": on_all(lambda rows: rows.astype(str).astype(object)),
    "fractions": on_all(lambda rows: objects(rows, Fraction)),
    "decimals": on_all(lambda rows: objects(rows, Decimal)),
    "masks of nothing": on_all(np.ma.masked_array),
    "lists": on_all(np.ndarray.tolist),
    "tuples": on_all(lambda rows: tuple(map(tuple, rows))),
    "frames": on_all(frame),
    "nullable frames": on_all(lambda rows: frame(rows).astype("Float64")),
    "a series of labels": {**PLAIN, "y": pd.Series(Y, index=np.arange(24)[::-1])},
    "categories": {**PLAIN, "y": pd.Categorical(Y)},
    "a column of labels": {**PLAIN, "y": Y[:, np.newaxis]},
    "objects of labels": {**PLAIN, "y": Y.astype(object)},
}


@pytest.mark.parametrize("kind", SAME)
def test_the_type_and_container_of_rows_do_not_matter(kind):
    data = SAME[kind]
    plain = {k: v if k == "y" else np.asarray(v, dtype=np.float64) for k, v in data.items()}
    changed = any(not np.array_equal(plain[k], PLAIN[k]) for k in ("X", "X_tgt", "new"))
    for name in OF_ONE_KIND:
        expected = results(name, **plain) if changed else plain_results(name)
        for found, result in zip(results(name, **data), expected, strict=True):
            np.testing.assert_array_equal(np.asarray(found), result, err_msg=name)


# Rows of finite numbers that are hard to compute with.
HARD = {
    **{
        f"times {scale:.0e}": on_all(lambda rows, s=scale: rows * s)
        for scale in (1e-310, 1e-200, 1e-30, 1e30, 1e39, 1e200, 1e307)
    },
    "far": on_all(lambda rows: rows + 1e9),
    "a far target": {**PLAIN, "X_tgt": X_TGT + 1e12},
    "many scales": on_all(lambda rows: rows * [1, 1e30, 1e-30, 1e8]),
    "a huge column": on_all(lambda rows: rows * [1, 1, 1, 1e300]),
    "new rows far away": {**PLAIN, "new": X_NEW * 1e300},
    "constant": on_all(np.ones_like),
    "zeros": on_all(np.zeros_like),
    "a constant column": on_all(lambda rows: rows * [1, 1, 1, 0]),
    "a constant source": {**PLAIN, "X": np.ones_like(X)},
    "a constant target": {**PLAIN, "X_tgt": np.ones_like(X_TGT)},
    "the same columns": on_all(lambda rows: rows[:, [0, 0, 1, 1]]),
    "the same rows": {**PLAIN, "X": np.tile(X[:2], (12, 1))},
    "the same rows of other classes": {**PLAIN, "X": np.repeat(X[:12], 2, axis=0)},
    "the source as target": {**PLAIN, "X_tgt": X},
    "one column": on_all(lambda rows: rows[:, :1]),
    "more columns than rows": on_all(lambda rows: np.tile(rows, 30) + np.arange(120)),
    "one row of a class": {**PLAIN, "y": np.array(["anger"] * 23 + ["sadness"])},
    "a class for each row": {**PLAIN, "y": np.arange(24)},
    "two rows": {**PLAIN, "X": X[:2], "y": Y[:2]},
    "one row": {**PLAIN, "X": X[:1], "y": Y[:1]},
    "one row of the target": {**PLAIN, "X_tgt": X_TGT[:1]},
}
CURES = (
    r"Scale the features|Drop these rows, or replace the values|Use a smaller gamma in KMM|"
    r"needs at least two|minimum of 2 is required"
)


@pytest.mark.parametrize("kind", HARD)
def test_hard_numbers_have_a_finite_result_or_an_error_with_a_cure(kind):
    for name in NAMES:
        try:
            found = results(name, **HARD[kind])
        except (FloatingPointError, ValueError) as error:
            assert re.search(CURES, str(error)), (name, error)
            continue
        for result in found:
            assert result.dtype.kind in "iUf", name
            assert result.dtype.kind != "f" or np.isfinite(result).all(), name
        if len(found) == 3:
            np.testing.assert_allclose(found[2].sum(axis=1), 1, rtol=1e-5, err_msg=name)
