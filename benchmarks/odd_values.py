"""Odd parameters, arguments and recordings that `odd_inputs.py` counts."""

import inspect
import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from functools import partial
from numbers import Integral, Real
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import torch
from odd_rows import (
    ANY,
    DATA,
    ON_AUDIO,
    WAVEFORMS,
    X_TGT,
    Case,
    X,
    Y,
    answers,
    fitted_answers,
    make,
    public,
    put,
)
from sklearn.utils.validation import has_fit_parameter
from torch import nn

import skdidan
from skdidan import criteria

VALUES = {
    **{str(v): v for v in (None, -1, 0, 2, 0.5, 1e9, np.nan, np.inf, 10**30, 1j, True)},
    **{str(v): v for v in (1e30, 1e39, 1e100, 1e200, 1e-310, 1e-45)},
    **{repr(v): v for v in ("nonsense", b"x", Fraction(1, 3), Decimal("0.1"), [], {}, {1})},
    **{repr(v): v for v in ([1, "a"], [[1], [2]], [np.nan])},
    **{repr(v): v for v in (np.float32(0.5), np.int64(2), np.array([1, 2]))},
    "an object": object(),
    "a function": lambda *args: None,
    "a class": dict,
    "NA": pd.NA,
    "a module": np,
}
PLAIN = {repr(np.float32(0.5)): 0.5, repr(np.int64(2)): 2}
NEVER = {"nan", "inf", "1j", "an object", "b'x'", "NA", "a module", "[nan]"}
ORDINARY = {"random_state", "verbose"}  # which take integers of any sign, or truths
WORDS = {"path": r"\bpath\b|audio file", "X_tgt": "X_tgt|target"}  # in errors
SEQUENCE = list | tuple | np.ndarray
KINDS = {
    "float": lambda v: isinstance(v, Real) and not isinstance(v, bool | np.bool_),
    "int": lambda v: isinstance(v, Integral) and not isinstance(v, bool | np.bool_),
    "bool": lambda v: isinstance(v, bool | np.bool_),
    "str": lambda v: isinstance(v, str),
    "None": lambda v: v is None,
    "Any": lambda v: True,
    "Sequence": lambda v: isinstance(v, SEQUENCE),
    "list": lambda v: isinstance(v, SEQUENCE),
    "Iterable": lambda v: isinstance(v, SEQUENCE | set | dict),
    "ArrayLike": lambda v: isinstance(v, SEQUENCE),
    "Mapping": lambda v: isinstance(v, Mapping),
    "Callable": callable,
    "type": lambda v: isinstance(v, type),
    "BaseEstimator": lambda v: hasattr(v, "fit"),
    "Tensor": lambda v: isinstance(v, torch.Tensor),
}
RANGES = {
    r"> 0 and <= 1": lambda v: 0 < v <= 1,
    r"between 0 and 1": lambda v: 0 < v < 1,
    r"in \[0, 1\]": lambda v: 0 <= v <= 1,
    r"in \[0, 1\)": lambda v: 0 <= v < 1,
    r">= 1": lambda v: v >= 1,
    r">= 0\.2": lambda v: v >= 0.2,
    r">= 0": lambda v: v >= 0,
    r"> 0": lambda v: v > 0,
}


def type_line(owner, parameter):
    """Return the line of the docstring that says the type of a parameter."""
    lines = re.findall(r"^ +(\w[\w, ]*) : (.*)$", owner.__doc__ or "", flags=re.MULTILINE)
    return next((line for names, line in lines if parameter in names.split(", ")), "")


def has_sense(owner, parameter, label):
    """Tell if a value is of the annotated type and the documented range of a parameter."""
    value, note = VALUES[label], inspect.signature(owner).parameters[parameter].annotation
    line = type_line(owner, parameter)
    if owner is skdidan.split_domains and label == "[nan]":
        return True  # it reads no value of a row
    if label in NEVER and not (label == "inf" and "infinity" in line):
        return False
    if parameter == "verbose" and isinstance(value, bool):
        return True
    parts = re.sub(r"\[.*\]", "", str(note)).split(" | ")
    if not any(KINDS.get(part.split(".")[-1], lambda v: False)(value) for part in parts):
        return "PathLike" in note and isinstance(value, str)
    if isinstance(value, Real) and parameter not in ORDINARY:
        inside = next((check for text, check in RANGES.items() if re.search(text, line)), None)
        return inside is None or bool(inside(value))
    return True


def value_cases(owner, parameters, call, prefix=""):
    """Yield each odd value of each parameter; `call` takes the parameter by name."""
    for parameter in parameters:
        for label, value in VALUES.items():
            if parameter == "n_jobs" and isinstance(value, Integral) and -2 < value < 3:
                continue  # which is no odd one
            plain = partial(call, **{parameter: PLAIN[label]}) if label in PLAIN else None
            sense = has_sense(owner, parameter, label)
            words = WORDS.get(parameter, rf"\b{parameter}\b")
            given = partial(call, **{parameter: value})
            yield Case(f"{prefix}{parameter}={label}", given, words, sense, plain, parameter)


def recordings_fit(cls, X=WAVEFORMS, X_new=None, **params):
    """Fit to recordings, and return all results for new ones."""
    soundfile.write("a.wav", WAVEFORMS[0], 16000)
    for name, content in {"empty.wav": b"", "text.wav": b"nonsense" * 99}.items():
        Path(name).write_bytes(content)
    Path("cut.wav").write_bytes(Path("a.wav").read_bytes()[:4000])
    if cls is skdidan.AudioLoader:
        X = ["a.wav"] * 4 if X is WAVEFORMS else X
    new = X if X_new is None else X_new
    target = ["a.wav"] if cls is skdidan.AudioLoader else WAVEFORMS
    return answers(make(cls, **params).fit(X, ["anger", "fear"] * 2, target), new)


def translated(X, y, X_tgt, new, **params):
    """Translate rows of four bins and eight frames."""
    rows = [np.repeat(r[:, :, np.newaxis], 8, axis=2) for r in (X, X_tgt, new)]
    translator = make(skdidan.SpectrogramTranslator, **params).fit(rows[0], y, rows[1])
    return answers(translator, rows[2])


def nested(cls, outer, **inner):
    """Fit with one argument of the penalty, objective or network."""
    return fitted_answers(cls, {outer: inner}, **DATA)


def parameter_cases(cls):
    """Yield odd values of the parameters of an estimator, and of its penalty or objective."""
    fit = partial(recordings_fit, cls)
    if cls is skdidan.SpectrogramTranslator:
        fit = partial(translated, **DATA)
    elif cls not in ON_AUDIO.values():
        fit = lambda **params: fitted_answers(cls, params, **DATA)  # noqa: E731 - binds the class
    parameters = list(inspect.signature(cls).parameters)
    yield from value_cases(cls, parameters, fit)
    for outer, inner in (("penalty_params", "penalty"), ("objective_params", "objective")):
        if outer in parameters and (part := getattr(cls, inner, None)):
            names = [
                n
                for n, p in inspect.signature(part).parameters.items()
                if p.kind != p.VAR_KEYWORD and p.kind != p.VAR_POSITIONAL
            ]
            yield from value_cases(part, names, partial(nested, cls, outer), f"{inner}: ")
    if cls is skdidan.SourceOnlyClassifier:
        names = ["hidden", "dropout", "input_dropout"]
        yield from value_cases(skdidan.MLP, names, partial(nested, cls, "network_params"), "MLP: ")


# Vectors with an entry a row: sense as groups, sample_weight, sample_domain.
DOMAINS = np.repeat([0, -1], [24, 18])


def vectors(v):
    """Return odd vectors, and if they have a sense: as a weight, as a corpus, as a group."""
    return {
        "NaN": (put(v, np.nan), "000"),
        "infinity": (put(v, np.inf), "001"),
        "None": (put(v, None, object), "000"),
        "a word": (put(v, "loud", object), "001"),
        "-5": (put(v, -5), "011"),
        "a half": (put(v, 0.5), "101"),
        "1e300": (put(v, 1e300), "101"),
        "1e-310": (put(v, 1e-310), "101"),
        "10**30": (put(v, 10**30, object), "101"),
        "complex": (v + 1j, "001"),
        "zeros": (np.zeros(len(v)), "001"),
        "too few": (v[:-1], "000"),
        "too many": (np.tile(v, 2), "000"),
        "none": (v[:0], "000"),
        "a matrix": (np.stack([v, v], axis=1), "000"),
        "a number": (3.0, "000"),
        "text": ("nonsense", "000"),
        "a dict": (dict(enumerate(v)), "000"),
        "a set": (set(v), "000"),
        "an object": (object(), "000"),
        "masked": (np.ma.masked_array(v, np.arange(len(v)) == 13), "000"),
        "dates": (v.astype("M8[s]"), "001"),
        "a list": (v.tolist(), "111"),
        "a tuple": (tuple(v), "111"),
        "a series": (pd.Series(v, index=np.arange(len(v))[::-1]), "111"),
        "floats": (v.astype(float), "111"),
        "float32": (v.astype(np.float32), "111"),
        "int8": (v.astype(np.int8), "111"),
        "objects": (v.astype(object), "111"),
        "nullable": (pd.Series(v, dtype="Int64"), "111"),
    }


SAME_VECTORS = {"a list", "a tuple", "a series", "floats", "float32", "int8", "objects", "nullable"}


def vector_cases(cls):
    """Yield odd sample_domain, groups and sample_weight."""
    stacked = {"X": np.concatenate([X, X_TGT]), "y": np.resize(Y, 42), "new": DATA["new"]}
    options = [("sample_weight", np.resize([1, 2, 3], 24), DATA, 0)]
    options += [
        ("sample_domain", DOMAINS, stacked, 1),
        ("groups", np.resize([1, 2, 3], 24), DATA, 2),
    ]
    for name, vector, data, column in options:
        if not has_fit_parameter(make(cls), name) and cls is not skdidan.AdaptationPipeline:
            continue
        fit = partial(fitted_answers, cls, {}, **data)
        for kind, (odd, senses) in vectors(vector).items():
            plain = partial(fit, **{name: vector}) if kind in SAME_VECTORS else None
            call = partial(fit, **{name: odd})
            sense = senses[column] == "1"
            yield Case(f"{name}: {kind}", call, rf"\b{name}\b", sense, plain, name)


SOUND = WAVEFORMS[1]
# Odd recordings in row 1: the recording, and if it has a sense.
RECORDINGS = {
    "NaN": (put(SOUND, np.nan), 0),
    "infinity": (put(SOUND, np.inf), 0),
    "1e39": (put(SOUND, 1e39), 0),
    "complex": (SOUND + 1j, 0),
    "no samples": (SOUND[:0], 0),
    "text": (SOUND.astype(str), 0),
    "dates": (SOUND.astype("M8[s]"), 0),
    "objects with None": (put(SOUND, None, object), 0),
    "masked": (np.ma.masked_array(SOUND, np.arange(4000) == 13), 0),
    "three axes": (SOUND.reshape(10, 20, 20), 0),
    "two channels": (np.stack([SOUND, SOUND]), 0),
    "one number": (3.0, 0),
    "None": (None, 0),
    "bytes": (b"a.wav", 0),
    "no file": ("missing.wav", 0),
    "an empty file": ("empty.wav", 0),
    "a file of text": ("text.wav", 0),
    "a file that is cut": ("cut.wav", 0),
    "empty text": ("", 0),
    "a folder": (".", 0),
    "a NUL": ("a\0.wav", 0),
    "a URL": ("https://localhost/a.wav", 0),
    "a dict": ({}, 0),
    "an object": (object(), 0),
    "a function": (len, 0),
    "a set": (set(SOUND), 0),
    "a segment of no file": (skdidan.Segment("missing.wav", 0.1), 0),
    "zeros": (np.zeros(4000), 1),
    "constant": (np.ones(4000), 1),
    "one sample": (SOUND[:1], 1),
    "1e-310": (SOUND * 1e-310, 1),
    "1e30": (SOUND * 1e30, 1),
    "int16": ((SOUND * 32767).astype(np.int16), 1),
    "float16": (SOUND.astype(np.float16), 1),
    "big endian": (SOUND.astype(">f8"), 1),
    "a list": (SOUND.tolist(), 1),
    "a tuple": (tuple(SOUND), 1),
    "a series": (pd.Series(SOUND), 1),
    "strides": (np.repeat(SOUND, 2)[::2], 1),
    "a tensor": (torch.from_numpy(SOUND), 1),
}
LISTS = {"None": None, "empty": [], "text": "a.wav", "a number": 3, "a dict": {}, "a set": set()}
LISTS |= {"an object": object(), "a function": len, "bytes": b"x", "NaN": np.nan, "[None]": [None]}
SAME_SOUNDS = {"big endian", "a list", "a tuple", "a series", "strides", "a tensor"}


def recording_cases(cls):
    """Yield odd recordings among others, in fit and afterwards, and odd lists of recordings."""
    fit = partial(recordings_fit, cls)
    takes_paths = cls is skdidan.AudioLoader
    for kind, (odd, sense) in RECORDINGS.items():
        is_path = isinstance(odd, str | skdidan.Segment)
        rows = ["a.wav"] * 4 if is_path or takes_paths else list(WAVEFORMS)
        rows[1] = odd
        sense = sense and not takes_paths
        plain = fit if kind in SAME_SOUNDS else None
        for place in ("X", "X_new"):
            call = partial(fit, **{place: rows})
            words = r"\bX\b|\brow 1\b" if takes_paths and not is_path else r"\brow 1\b|audio file '"
            yield Case(f"{place}: {kind}", call, words, bool(sense), plain)
    for kind, rows in LISTS.items():
        for place in ("X", "X_new"):
            if rows is not None or place == "X":
                yield Case(
                    f"{place}: a list that is {kind}", partial(fit, **{place: rows}), ANY, False
                )


def forward(cls, **params):
    """Call a penalty on features, or a network on rows."""
    torch.manual_seed(0)
    rows, target = torch.from_numpy(X).float(), torch.from_numpy(X_TGT).float()
    if issubclass(cls, skdidan.penalties.Penalty):
        return {"value": cls(**params)(rows, target).detach().numpy()}
    shape = (4,) if cls is skdidan.MLP else (32, 32)
    batch = rows if cls is skdidan.MLP else rows[:, :1, None].expand(24, 32, 32)
    module = cls(**{"input_shape": shape, "n_classes": 2, **params})
    return {"value": module(batch).logits.detach().numpy()}


PROBABILITIES = np.array([[0.6, 0.4], [0.3, 0.7], [0.5, 0.5], [0.9, 0.1]])
FUNCTIONS = {
    skdidan.uar: {"y_true": Y, "y_pred": Y, "labels": ["anger", "sadness"]},
    skdidan.war: {"y_true": Y, "y_pred": Y},
    criteria.prediction_entropy: {"probabilities": PROBABILITIES},
    criteria.information_maximisation: {"probabilities": PROBABILITIES},
    criteria.nuclear_norm: {"probabilities": PROBABILITIES},
    criteria.neighbourhood_density: {"probabilities": PROBABILITIES, "temperature": 0.05},
    criteria.mano: {"scores": PROBABILITIES, "threshold": 5.0},
    criteria.class_balance: {"predicted": Y, "n_classes": 2},
    criteria.cluster_agreement: {"embeddings": X, "predicted": Y, "random_state": 0},
    criteria.cluster_silhouette: {"embeddings": X, "predicted": Y},
    skdidan.split_domains: {"X": X, "y": Y, "X_tgt": X_TGT},
    skdidan.ramp: {"progress": 0.5},
    skdidan.cooldown: {"epoch": 1, "n_epochs": 3},
    skdidan.sparse_codes: {"source": torch.ones(3, 2), "target": torch.ones(4, 2), "sparsity": 0.1},
    skdidan.a_distance: {"source": torch.ones(3, 2), "target": torch.ones(4, 2)},
    skdidan.Segment: {"file": "a.wav", "channel": "mix"},  # its times may be missing
    skdidan.read_audio: {"path": "a.wav", "sample_rate": 16000, "channel": "mix"},
    skdidan.load: {"path": "missing"},
    skdidan.save: {"estimator": skdidan.JDAR().fit(X, Y, X_TGT), "path": "model"},
    skdidan.find_audio: {"root": ".", "check": False, "channel": "mix"},
    skdidan.make_speech_corpora: {"n_source": 2, "n_target": 2, "duration": 0.5},
    skdidan.plot_confusion: {"y_true": Y, "y_pred": Y, "labels": ["anger", "sadness"]},
    skdidan.TargetScorer: {"criterion": "proxy_a", "X_tgt": X_TGT, "random_state": 0},
    skdidan.make_adaptation_pipeline: {},
}


def called(function, **arguments):
    """Call a function; only numbers are judged."""
    soundfile.write("a.wav", WAVEFORMS[0], 16000)
    found = function(**{**FUNCTIONS[function], **arguments})
    if isinstance(found, skdidan.TargetScorer):
        found = found(skdidan.JDAR().fit(X, Y, X_TGT), X, Y)
    return {"value": found.numpy() if isinstance(found, torch.Tensor) else found}


def module_cases():
    """Yield odd parameters of the public penalties and networks."""
    for name, cls in public(nn.Module).items():
        if issubclass(cls, skdidan.penalties.Penalty) or name in {
            "CNN",
            "MLP",
            "VGG11",
            "NestedTransformer",
        }:
            names = [
                n
                for n, p in inspect.signature(cls).parameters.items()
                if p.kind != p.VAR_KEYWORD and p.kind != p.VAR_POSITIONAL
            ]
            yield from value_cases(cls, names, partial(forward, cls), f"{name}: ")


def function_cases():
    """Yield odd arguments of the public functions."""
    for function, arguments in FUNCTIONS.items():
        yield from value_cases(
            function, arguments, partial(called, function), f"{function.__name__}: "
        )
