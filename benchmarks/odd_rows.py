"""Odd rows and labels that `odd_inputs.py` counts, and the estimators that they are given to."""

import inspect
from decimal import Decimal
from fractions import Fraction
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator

import skdidan
from skdidan.tables import CLASSIFIERS, TRANSFORMERS

RNG = np.random.default_rng(0)
Y = np.array(["anger", "sadness"] * 12)
X = RNG.normal(size=(24, 4)).round(2) + (Y == "anger")[:, np.newaxis]
X_TGT = RNG.normal(size=(18, 4)).round(2) + 1
DATA = {"X": X, "y": Y, "X_tgt": X_TGT, "new": X_TGT[:5] + 0.5}
WAVEFORMS = [0.1 * np.sin(np.arange(4000) * pitch) for pitch in (0.1, 0.2, 0.3, 0.4)]
CHEAP = {"max_epochs": 1, "adaptation_epochs": 1, "batch_size": 16, "n_networks": 1}
CHEAP |= {"random_state": 0, "n_resamples": 3, "n_frames": 8, "channels": 2}
ANY = r"\bX\b|X_tgt|\by\b|source|target|feature|row|label|class"  # names of data in errors
NAMED = {"X": r"\bX\b|source", "X_tgt": "X_tgt|target", "new": r"\bX\b"}


class Case(NamedTuple):
    """One input: its name, a call, the pattern of a clear error, and what the result must be.

    Without `sense` only an error is right. With `plain` the results of both calls must be equal.
    A `parameter` must be named by any error, also of scikit-learn.
    """

    name: str
    call: Any
    words: str
    sense: bool = True
    plain: Any = None
    parameter: str = ""


def make(cls, **params):
    """Make an estimator with cheap values of its parameters, then those that are given."""
    cheap = {k: v for k, v in CHEAP.items() if k in inspect.signature(cls).parameters}
    if cls is skdidan.WindowedClassifier:
        chain = skdidan.make_adaptation_pipeline(skdidan.LogMelSpectrogram(), quick_network())
        cheap = {"estimator": chain, "window": 0.2, "hop": 0.1}
    if cls is skdidan.AdaptationPipeline:
        cheap = {"steps": [("scale", skdidan.CorpusScaler()), ("jdar", skdidan.JDAR())]}
    if cls is skdidan.AdaptationUnion:
        cheap = {"transformers": [("scale", skdidan.CorpusScaler()), ("tca", skdidan.TCA())]}
    return cls(**{**cheap, **params})


def quick_network():
    """Return the cheapest network on spectrograms."""
    return make(skdidan.SourceOnlyClassifier)


def public(base):
    """Return the public classes with parameters that derive from a class, by name."""
    classes = {name: getattr(skdidan, name) for name in skdidan.__all__}
    bases = {"AdaptationClassifier", "AudioTransformer", "SourceFreeClassifier", "Embeddings"}
    return {
        name: cls
        for name, cls in classes.items()
        if isinstance(cls, type) and issubclass(cls, base) and name not in bases
        if inspect.signature(cls).parameters
    }


ESTIMATORS = public(BaseEstimator)
ON_AUDIO = {n: c for n, c in ESTIMATORS.items() if c.__module__.startswith("skdidan.audio")}
ON_AUDIO["WindowedClassifier"] = skdidan.WindowedClassifier
ON_ROWS = {n: c for n, c in ESTIMATORS.items() if n not in ON_AUDIO}
ON_ROWS.pop("SpectrogramTranslator")
NEEDS_LABELS = {*CLASSIFIERS.values(), TRANSFORMERS["cdsa"], TRANSFORMERS["jda"]}
NEEDS_LABELS |= {TRANSFORMERS["corpus_invariant_selector"], TRANSFORMERS["speaker_scaler"]}
NEEDS_LABELS |= {skdidan.AdaptationPipeline, skdidan.AnchoredEM, skdidan.LAME}


def answers(estimator, new):
    """Return all results for new rows, by method, or the weights of KMM."""
    if isinstance(estimator, skdidan.KMM):
        return {"weights": estimator.weights_}
    methods = ["predict", "decision_function", "predict_proba", "transform"]
    found = {m: getattr(estimator, m)(new) for m in methods if hasattr(estimator, m)}
    return found | {"classes": getattr(estimator, "classes_", None), "n": len(new)}


def fitted_answers(cls, params, X, y=None, X_tgt=None, new=None, **metadata):
    """Fit, and return all results."""
    return answers(make(cls, **params).fit(X, y, X_tgt, **metadata), new)


@cache
def fitted(cls):
    """Return an estimator fitted to the plain rows."""
    return make(cls).fit(X, Y, X_TGT)


def put(rows, value, dtype=float):
    """Put a value into row 3 and column 1, or row 13 of a vector."""
    rows = np.array(rows, dtype=dtype)
    rows.flat[13] = value
    return rows


def frame(rows, names="abcd"):
    """Return a data frame."""
    return pd.DataFrame(rows, columns=list(names))


def objects(rows, kind):
    """Return numbers of another class."""
    return np.array([[kind(str(value)) for value in row] for row in rows], dtype=object)


AT = "row 3 of .*column (1|'b')"
# Rows without sense: the change, and a pattern of the place in the error.
REFUSED_ROWS = {
    "NaN": (lambda r: put(r, np.nan), AT),
    "infinity": (lambda r: put(r, np.inf), AT),
    "-infinity": (lambda r: put(r, -np.inf), AT),
    "None": (lambda r: put(r, None, object), AT),
    "NA": (lambda r: put(r, pd.NA, object), AT),
    "NaT": (lambda r: put(r, pd.NaT, object), AT),
    "a word": (lambda r: put(r, "loud", object), AT),
    "empty text": (lambda r: put(r, "", object), AT),
    "a dict": (lambda r: put(r, {}, object), AT),
    "a huge int": (lambda r: put(r, 10**400, object), AT),
    "a complex object": (lambda r: put(r, 1j, object), AT),
    "masked": (lambda r: np.ma.masked_array(r, r == r[3, 1]), "row 3, column 1"),
    "NaN in a frame": (lambda r: frame(put(r, np.nan)), AT),
    "longdouble beyond floats": (lambda r: r.astype(np.longdouble) * np.longdouble("1e400"), ""),
    "complex": (lambda r: r + 1j, "[Cc]omplex"),
    "sparse": (csr_array, "[Ss]parse"),
    "dates": (lambda r: r.astype("M8[s]"), "datetime"),
    "durations": (lambda r: r.astype("m8[s]"), "timedelta"),
    "fields": (lambda r: r.view("f8,f8,f8,f8")[:, 0], ""),
    "bytes": (lambda r: r.tobytes(), ""),
    "ragged": (lambda r: [*r[:3].tolist(), [1.0], *r[4:].tolist()], "row 3"),
    "no rows": (lambda r: r[:0], "0 sample"),
    "no columns": (lambda r: r[:, :0], ""),
    "other columns": (lambda r: r[:, :3], ""),
    "one axis": (lambda r: r[:, 0], ""),
    "three axes": (lambda r: r[:, :, np.newaxis], ""),
    "four axes": (lambda r: r[:, :, np.newaxis, np.newaxis], ""),
    "a set": (lambda r: set(map(tuple, r)), ""),
    "a dict of rows": (lambda r: dict(enumerate(r)), ""),
    "a number": (lambda r: 3.0, ""),
    "text": (lambda r: "nonsense", ""),
    "an object": (lambda r: object(), ""),
    "a generator": (lambda r: (row for row in r), ""),
    "a name twice": (lambda r: frame(r, "abcc"), "'c'"),
    "a function": (lambda r: len, ""),
}
# The same rows in other types and containers.
SAME_ROWS = {
    "float16": lambda r: r.astype(np.float16),
    "longdouble": lambda r: r.astype(np.longdouble),
    "big endian": lambda r: r.astype(">f8"),
    "Fortran order": np.asfortranarray,
    "strides": lambda r: np.repeat(r, 2, axis=1)[:, ::2],
    "backwards": lambda r: r[::-1, ::-1].copy()[::-1, ::-1],
    "int": lambda r: (100 * r).astype(int),
    "int8": lambda r: (10 * r).astype(np.int8),
    "uint64": lambda r: (100 * np.abs(r)).astype(np.uint64) + np.uint64(2**60),
    "int beyond 2**53": lambda r: (100 * r).astype(int) + 2**53 + 1,
    "bool": lambda r: r > 0.5,
    "objects": lambda r: r.astype(object),
    "text of numbers": lambda r: r.astype(str),
    "fractions": lambda r: objects(r, Fraction),
    "decimals": lambda r: objects(r, Decimal),
    "masks of nothing": np.ma.masked_array,
    "lists": np.ndarray.tolist,
    "tuples": lambda r: tuple(map(tuple, r)),
    "a list of arrays": list,
    "frames": frame,
    "nullable frames": lambda r: frame(r).astype("Float64"),
    "an unordered index": lambda r: frame(r).set_index(np.arange(len(r))[::-1]),
}
NUMBERS = (Y == "anger").astype(float)
# Labels; the last entry is False where they have no sense.
LABELS = {
    "NaN": (put(NUMBERS, np.nan), "row 13", False),
    "None": (put(Y, None, object), "row 13", False),
    "NA": (put(Y, pd.NA, object), "row 13", False),
    "NaT": (put(Y, pd.NaT, object), "row 13", False),
    "masked": (np.ma.masked_array(Y, np.arange(24) == 13), "row 13", False),
    "infinity": (put(NUMBERS, np.inf), "", False),
    "text and a number": (put(Y, 3, object), "", False),
    "text and a truth": (put(Y, True, object), "", False),
    "a dict among text": (put(Y, {}, object), "", False),
    "huge ints": (np.array([10**30, 5] * 12, dtype=object), "", False),
    "continuous": (X[:, 0], "", False),
    "complex": (NUMBERS + 1j, "[Cc]omplex", False),
    "bytes": (Y.astype("S"), "bytes", False),
    "one-hot": (np.eye(2)[NUMBERS.astype(int)], "", False),
    "one class": (np.full(24, "anger"), "", False),
    "none": (None, "", False),
    "too few": (Y[:-1], "", False),
    "too many": (np.tile(Y, 2), "", False),
    "no labels": (Y[:0], "", False),
    "one text": ("anger", "", False),
    "a number": (3.0, "", False),
    "a dict": (dict(enumerate(Y)), "", False),
    "a set": (set(Y), "", False),
    "an object": (object(), "", False),
    "a series": (pd.Series(Y, index=np.arange(24)[::-1]), "", True),
    "categories": (pd.Categorical(Y), "", True),
    "a column": (Y[:, np.newaxis], "", True),
    "objects": (Y.astype(object), "", True),
    "a list": (Y.tolist(), "", True),
    "nullable text": (pd.Series(Y, dtype="string"), "", True),
    "a tuple": (tuple(Y), "", True),
}
SCALES = [10.0**e for e in (-310, -200, -45, -10, 10, 30, 39, 200, 300, 307)]
FORMS = {
    "all rows": lambda d, s: {k: v if k == "y" else v * s for k, v in d.items()},
    "the source": lambda d, s: {**d, "X": d["X"] * s},
    "the target": lambda d, s: {**d, "X_tgt": d["X_tgt"] * s},
    "new rows": lambda d, s: {**d, "new": d["new"] * s},
    "a column": lambda d, s: FORMS["all rows"](d, np.array([1, 1, 1, s])),
    "all columns but one": lambda d, s: FORMS["all rows"](d, np.array([s, s, s, 1])),
    "one row": lambda d, s: {**d, "X": d["X"] * np.where(np.arange(24) == 3, s, 1)[:, None]},
    "a shift": lambda d, s: {k: v if k == "y" else v + s for k, v in d.items()},
    "all rows, in float32": lambda d, s: {
        k: v if k == "y" else (v * min(s, 1e38)).astype(np.float32) for k, v in d.items()
    },
}


def rows_of(change):
    """Return a function that changes all rows."""
    return lambda d: {k: v if k == "y" else change(v) for k, v in d.items()}


STRUCTURES = {
    "constant": rows_of(np.ones_like),
    "zeros": rows_of(np.zeros_like),
    "a constant column": rows_of(lambda r: r * [1, 1, 1, 0]),
    "many scales": rows_of(lambda r: r * [1, 1e30, 1e-30, 1e8]),
    "a constant source": lambda d: {**d, "X": np.ones_like(X)},
    "a constant target": lambda d: {**d, "X_tgt": np.ones_like(X_TGT)},
    "the same columns": rows_of(lambda r: r[:, [0, 0, 1, 1]]),
    "the same rows": lambda d: {**d, "X": np.tile(X[:2], (12, 1))},
    "the same rows of other classes": lambda d: {**d, "X": np.repeat(X[:12], 2, axis=0)},
    "the source as target": lambda d: {**d, "X_tgt": X},
    "one column": rows_of(lambda r: r[:, :1]),
    "more columns than rows": rows_of(lambda r: np.tile(r, 30) + np.arange(120)),
    "one row of a class": lambda d: {**d, "y": np.array(["anger"] * 23 + ["sadness"])},
    "a class for each row": lambda d: {**d, "y": np.arange(24)},
    "two rows": lambda d: {**d, "X": X[:2], "y": Y[:2]},
    "one row": lambda d: {**d, "X": X[:1], "y": Y[:1]},
    "one row of the target": lambda d: {**d, "X_tgt": X_TGT[:1]},
}


def row_cases(cls):
    """Yield odd rows at each place, and odd labels."""
    fit = partial(fitted_answers, cls, {})
    plain = partial(fit, **DATA)
    places = ["X", "X_tgt"] if cls is skdidan.KMM else ["X", "X_tgt", "new"]
    for place in places:
        for kind, (change, where) in REFUSED_ROWS.items():
            data = {**DATA, place: change(DATA[place])}
            if kind == "no rows" and place == "X":
                data["y"] = Y[:0]
            call = partial(fit, **data)
            if place == "new":
                call = partial(lambda cls, new: answers(fitted(cls), new), cls, data["new"])
            words = f"(?=.*({NAMED[place]}))(?=.*{where})"
            yield Case(f"{place}: {kind}", call, words, False)
    for place in [*places, "all"]:
        for kind, change in SAME_ROWS.items():
            rows = {k: change(DATA[k]) for k in (places if place == "all" else [place])}
            as_floats = {k: np.asarray(v, dtype=np.float64) for k, v in rows.items()}
            plain_rows = partial(fit, **{**DATA, **as_floats})
            yield Case(f"{place}: {kind}", partial(fit, **{**DATA, **rows}), ANY, True, plain_rows)
    for kind, (labels, where, sense) in LABELS.items():
        same = plain if sense or cls not in NEEDS_LABELS else None
        ok = sense or (cls not in NEEDS_LABELS and kind not in LENGTHS)
        ok |= cls is skdidan.CorpusScaler  # which ignores y, as its documentation says
        words = rf"(?=.*(\by\b|label|class|target type))(?=.*{where})"
        yield Case(f"y: {kind}", partial(fit, **{**DATA, "y": labels}), words, ok, same)


LENGTHS = {"too few", "too many", "no labels", "one text", "a number", "a dict", "a set"}
LENGTHS.add("an object")


def magnitude_cases(cls):
    """Yield rows of odd sizes and structure."""
    for form, change in FORMS.items():
        for scale in SCALES:
            data = change(DATA, scale)
            yield Case(f"{form} x {scale:.0e}", partial(fitted_answers, cls, {}, **data), ANY)
    for kind, change in STRUCTURES.items():
        for scale in (1.0, 1e-310, 1e-100, 1e30, 1e200):
            data = FORMS["all rows"](change(DATA), scale)
            yield Case(f"{kind} x {scale:.0e}", partial(fitted_answers, cls, {}, **data), ANY)
