"""Saved estimators: the same predictions, no code that runs, no file that is half written."""

import copy
import enum
import io
import json
import math
import os
import pickle
import random
import signal
import time
import tracemalloc
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from references import shifted_blobs
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    QuantileTransformer,
    StandardScaler,
)
from sklearn.svm import SVC
from sklearn.utils import Bunch
from skorch.callbacks import EarlyStopping

from skdidan import (
    JDAR,
    AnchoredEM,
    CorpusScaler,
    DIDANClassifier,
    Functionals,
    LogMelSpectrogram,
    SourceOnlyClassifier,
    SpeakerScaler,
    Target,
    WindowedClassifier,
    load,
    make_adaptation_pipeline,
    save,
)
from skdidan.tables import CLASSIFIERS, TRANSFORMERS

QUICK = {"max_epochs": 1, "n_networks": 1, "random_state": 0}
DATA = Path(__file__).with_name("data")
X_SRC, Y_SRC, X_TGT, _ = shifted_blobs(60, 90)
RNG = np.random.default_rng(0)
SPECTRA = RNG.normal(size=(24, 16, 20)).astype(np.float32)
WAVEFORMS = [0.1 * RNG.normal(size=16_000) for _ in range(12)]
LABELS = np.array(["anger", "fear"] * 12)
TREE = "sklearn.tree._tree.Tree"


def classifier(name):
    cls = CLASSIFIERS[name]
    return cls(**QUICK) if hasattr(cls, "embed") else cls()


def logmel():
    return make_adaptation_pipeline(LogMelSpectrogram(duration=1), DIDANClassifier(**QUICK))


def refined():
    network = AnchoredEM(DIDANClassifier(**QUICK))
    return make_adaptation_pipeline(Functionals(), CorpusScaler(), SpeakerScaler(), network)


ON_ROWS = {name: lambda name=name: classifier(name) for name in CLASSIFIERS} | TRANSFORMERS
ON_ROWS |= {
    "optimal_transport": lambda: TRANSFORMERS["optimal_transport"](method="emd"),
    "several networks": lambda: DIDANClassifier(n_networks=2, max_epochs=1, monitor="information"),
    "scikit-learn inside": lambda: make_adaptation_pipeline(
        CorpusScaler(),
        make_pipeline(FunctionTransformer(np.tanh), CalibratedClassifierCV(SVC(), ensemble=False)),
    ),
    "transformers of scikit-learn": lambda: make_adaptation_pipeline(
        QuantileTransformer(n_quantiles=9), LogisticRegression()
    ),
    "in a plain pipeline": lambda: make_pipeline(StandardScaler(), SourceOnlyClassifier(**QUICK)),
    "calibrated": lambda: CalibratedClassifierCV(LogisticRegression(), cv=2),
    "compiled": lambda: RandomForestClassifier(3, random_state=0),
    "voting": lambda: VotingClassifier([("source", SourceOnlyClassifier(**QUICK))], voting="soft"),
    "stacking": lambda: StackingClassifier([("source", SourceOnlyClassifier(**QUICK))], cv=2),
    "types of numbers": lambda: OneHotEncoder(handle_unknown="ignore", sparse_output=False),
}
WITHOUT_TARGET = {"in a plain pipeline", "calibrated", "compiled", "voting", "stacking"}
WITHOUT_TARGET |= {"types of numbers"}
ON_SPECTRA = {"cnn": lambda: DIDANClassifier(**QUICK)}
ON_WAVEFORMS = {
    "pipeline": logmel,
    "windows": lambda: WindowedClassifier(logmel(), window=0.5, hop=0.25),
    "refined": refined,
}


def fitted(name):
    """Return a fitted estimator, and rows to predict."""
    if name in ON_SPECTRA:
        return ON_SPECTRA[name]().fit(SPECTRA, LABELS, SPECTRA + 1), SPECTRA
    if name in ON_WAVEFORMS:
        return ON_WAVEFORMS[name]().fit(WAVEFORMS, LABELS[:12], WAVEFORMS), WAVEFORMS
    estimator = ON_ROWS[name]()
    # scikit-learn's own estimators take no target.
    target = () if name in WITHOUT_TARGET else (X_TGT,)
    return estimator.fit(X_SRC, Y_SRC, *target), X_TGT


def outputs(estimator, X):
    """Return what each method makes of rows."""
    methods = "predict", "predict_proba", "decision_function", "transform", "embed"
    return {name: getattr(estimator, name)(X) for name in methods if hasattr(estimator, name)}


def assert_same(found, expected):
    assert found.keys() == expected.keys() and found
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


@pytest.mark.parametrize("name", [*ON_ROWS, *ON_SPECTRA, *ON_WAVEFORMS])
def test_loaded_estimators_predict_the_same(name, tmp_path):
    """Bit for bit, as do pickles and copies; the file holds little beside the weights."""
    estimator, X = fitted(name)
    expected = outputs(estimator, X)
    path = tmp_path / "model.skdidan"
    save(estimator, path)
    loaded = load(path, trusted=[TREE] if name == "compiled" else [])
    assert type(loaded) is type(estimator)
    for other in (loaded, pickle.loads(pickle.dumps(estimator)), copy.deepcopy(estimator)):
        assert_same(outputs(other, X), expected)
    save(loaded, tmp_path / "again.skdidan")
    size = path.stat().st_size
    assert abs((tmp_path / "again.skdidan").stat().st_size - size) < 100
    assert size <= 1.2 * len(pickle.dumps(estimator)) + 50_000
    assert [file.name for file in tmp_path.glob("*.tmp")] == []


THRESHOLDS = {
    "fixed": lambda inner: FixedThresholdClassifier(inner, threshold=0.3),
    "frozen": lambda inner: FixedThresholdClassifier(FrozenEstimator(inner), threshold=0.3),
    "sigmoid": lambda inner: CalibratedClassifierCV(inner, cv=2),
    "isotonic": lambda inner: CalibratedClassifierCV(inner, cv=2, method="isotonic"),
    "temperature": lambda inner: CalibratedClassifierCV(
        inner, ensemble=False, method="temperature"
    ),
}


@pytest.mark.filterwarnings("ignore::skdidan.domains.NoTargetWarning")
@pytest.mark.parametrize("inner", [JDAR(), SourceOnlyClassifier(**QUICK)], ids=["jdar", "network"])
@pytest.mark.parametrize("name", THRESHOLDS)
def test_thresholds_and_calibration_of_scikit_learn_around_ours(name, inner, tmp_path):
    is_first = (Y_SRC == Y_SRC[0]).astype(int)
    inner = clone(inner).fit(X_SRC, is_first)
    estimator = THRESHOLDS[name](inner).fit(X_SRC, is_first)
    save(estimator, tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert_same(outputs(loaded, X_TGT), outputs(estimator, X_TGT))


@pytest.mark.filterwarnings("ignore::skdidan.domains.NoTargetWarning")
@pytest.mark.parametrize("scoring", ["balanced_accuracy", "f1"])
def test_a_tuned_threshold_is_saved_as_a_fixed_one(scoring, tmp_path):
    is_first = (Y_SRC == Y_SRC[0]).astype(int)
    tuned = TunedThresholdClassifierCV(SourceOnlyClassifier(**QUICK), scoring=scoring, cv=2)
    tuned.fit(X_SRC, is_first)
    for estimator in (tuned, make_pipeline(StandardScaler(), tuned).fit(X_SRC, is_first)):
        with pytest.raises(TypeError, match=r"holds the score.* FixedThresholdClassifier\(Frozen"):
            save(estimator, tmp_path / "model")
    frozen = FrozenEstimator(tuned.estimator_)
    fixed = FixedThresholdClassifier(frozen, threshold=tuned.best_threshold_).fit(X_SRC, is_first)
    save(fixed, tmp_path / "model")
    assert 0 < tuned.predict(X_TGT).mean() < 1
    assert_same(outputs(load(tmp_path / "model"), X_TGT), outputs(tuned, X_TGT))


def test_the_size_is_that_of_the_weights(tmp_path):
    network = DIDANClassifier(network_params={"hidden": (400, 400)}, **QUICK)
    save(network.fit(X_SRC, Y_SRC, X_TGT), tmp_path / "model")
    n_bytes = sum(4 * part.numel() for part in network.net_.module_.state_dict().values())
    assert (tmp_path / "model").stat().st_size <= 1.2 * n_bytes + 50_000


def test_a_file_of_the_first_format_is_read():
    """Its predictions were stored when it was written."""
    loaded = load(DATA / "format1.skdidan")
    expected = json.loads((DATA / "format1.json").read_text())
    np.testing.assert_allclose(loaded.predict_proba(X_TGT[:5]), expected, atol=1e-5)
    clone(loaded)  # parameters that came later have their defaults


def test_loaded_estimators_can_be_fitted_again(tmp_path):
    estimator = make_adaptation_pipeline(CorpusScaler(), DIDANClassifier(**QUICK))
    expected = estimator.fit(X_SRC, Y_SRC, X_TGT).predict_proba(X_TGT)
    save(estimator, tmp_path / "model")
    again = load(tmp_path / "model").fit(X_SRC, Y_SRC, X_TGT)
    np.testing.assert_array_equal(again.predict_proba(X_TGT), expected)


def test_numbers_of_numpy_are_saved_and_the_file_of_a_training_is_not(tmp_path):
    path = tmp_path / "training"
    params = {"max_epochs": np.int64(1), "lr": np.float32(1e-3), "checkpoint": path}
    network = DIDANClassifier(**{**QUICK, **params}).fit(X_SRC, Y_SRC, X_TGT)
    save(network, tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert_same(outputs(loaded, X_TGT), outputs(network, X_TGT))
    assert loaded.max_epochs == 1 and loaded.checkpoint is None


def test_arrays_keep_their_layout(tmp_path):
    """Products of matrices round by it."""
    scaler = StandardScaler().fit(X_SRC)
    for order in ("C", "F"):
        scaler.mean_ = np.ones((2, 3), order=order)
        save(scaler, tmp_path / "model")
        assert load(tmp_path / "model").mean_.flags[f"{order}_CONTIGUOUS"]


def test_the_folder_of_a_cache_is_not_saved(tmp_path):
    pipeline = logmel().set_params(memory=tmp_path / "cache")
    pipeline.fit(WAVEFORMS, LABELS[:12], WAVEFORMS)
    save(pipeline, tmp_path / "model")
    params = load(tmp_path / "model").get_params()
    assert [params[name] for name in params if name.endswith("memory")] == [None, None]


def test_a_device_that_is_not_there_is_replaced_by_the_cpu(tmp_path):
    members = saved_members(DIDANClassifier(**QUICK).fit(X_SRC, Y_SRC, X_TGT), tmp_path)
    index = json.loads(members["index.json"])
    index["estimator"]["nets"][0]["options"]["device"] = "cuda:7"
    loaded = load(write_members(tmp_path, {**members, "index.json": json.dumps(index)}))
    assert loaded.net_.device == "cpu" and loaded.predict(X_TGT).shape == (90,)


# What cannot be saved


def test_what_cannot_be_saved_is_named(tmp_path):
    def fit(**params):
        return DIDANClassifier(**{**QUICK, **params}).fit(X_SRC, Y_SRC, X_TGT)

    watched = SourceOnlyClassifier(callbacks=[EarlyStopping("train_loss")], **QUICK)
    cases = {
        "DIDANClassifier.callbacks.* holds <skorch.callbacks.training.EarlyStopping": fit(
            callbacks=[EarlyStopping("train_loss")]
        ),
        r"steps\[0\]\[1\].func holds .*lambda": make_adaptation_pipeline(
            FunctionTransformer(lambda X: X), JDAR()
        ).fit(X_SRC, Y_SRC, X_TGT),
        "which no other program can import": fit(network=lambda shape, n: Pair(shape, n)),
        r"AdaptationPipeline\.steps.*callbacks": make_adaptation_pipeline(
            CorpusScaler(), watched
        ).fit(X_SRC, Y_SRC, X_TGT),
        r"Pipeline\.steps.*callbacks": make_pipeline(watched).fit(X_SRC, Y_SRC),
        "must not be a search.*save its best_estimator_": GridSearchCV(
            JDAR(), {"trade_off": [1.0]}
        ).fit(X_SRC, Y_SRC, X_tgt=Target(X_TGT)),
        "must be one of skdidan or scikit-learn; got 'model'": "model",
    }
    with pytest.raises(NotFittedError, match="not fitted yet"):
        save(make_adaptation_pipeline(CorpusScaler(), JDAR()), tmp_path / "model")
    (tmp_path / "model").write_text("the old file")
    for match, estimator in cases.items():
        with pytest.raises(TypeError, match=match):
            save(estimator, tmp_path / "model")
    assert [file.name for file in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model").read_text() == "the old file"


class Number(enum.Enum):
    """A value that pickle takes from its class."""

    ONE = 1


@dataclass(slots=True)
class Slotted:
    """An object without a dict."""

    one: int = 1


class Mangled:
    """An object with an attribute that Python renames."""

    def __init__(self):
        self.__one = 1


@pytest.mark.parametrize(
    "value",
    [
        OrderedDict(one=1),
        partial(np.add, 1),
        Number.ONE,
        Slotted(),
        Mangled(),
        np.ma.masked_array([1, 2], [True, False]),
        np.matrix([[1]]),
        np.zeros(2, dtype=[("one", int)]),
        np.dtype([("one", int)]),
        np.longdouble(1),
        np.random.default_rng(0),
        np.random.RandomState(np.random.PCG64(0)),
        np.array(["one"], dtype=np.dtypes.StringDType()),
        pd.NA,
        pd.Timestamp("2026-01-01"),
        pd.Series([1]),
        sparse.coo_array([[1]]),
        {2**60: 1},
        1j,
        b"one",
        range(3),
        lambda X: X,
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_without_a_place_are_named(value, tmp_path):
    """`save` refuses what a file cannot hold, or only as something else."""
    jdar = JDAR().fit(X_SRC, Y_SRC, X_TGT)
    jdar.extra_ = {"values": [value]}
    with pytest.raises(TypeError, match=r"JDAR\.extra_\['values'\]\[0\]|JDAR cannot be saved"):
        save(jdar, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_an_estimator_that_holds_itself_is_refused(tmp_path):
    jdar = JDAR().fit(X_SRC, Y_SRC, X_TGT)
    jdar.extra_ = jdar.__dict__
    with pytest.raises(TypeError, match="JDAR holds itself"):
        save(jdar, tmp_path / "model")


def test_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    save(JDAR().fit(X_SRC, Y_SRC, X_TGT), "~/model")
    assert (tmp_path / "model").is_file() and load("~/model").predict(X_TGT).shape == (len(X_TGT),)


@pytest.mark.parametrize(
    "value",
    [
        Bunch(one=np.float32(1)),
        {1: (2, {3.5}), "~": None},
        sparse.csr_matrix([[0, 1.5]]),
        sparse.csc_array([[0, 1.5]]),
        np.array(["anger", None, np.nan], dtype=object),
        np.array(["2026-01-01"], dtype="datetime64[D]"),
        np.dtype("<f4"),
        np.float64,
        np.tanh,
        slice(1, None, 2),
        frozenset(["one"]),
        -math.inf,
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_come_back_as_they_were(value, tmp_path):
    jdar = JDAR().fit(X_SRC, Y_SRC, X_TGT)
    jdar.extra_ = value
    save(jdar, tmp_path / "model")
    loaded = load(tmp_path / "model").extra_
    assert type(loaded) is type(value) and repr(loaded) == repr(value)


def test_requests_of_metadata_are_saved(tmp_path):
    with config_context(enable_metadata_routing=True):
        jdar = JDAR().set_fit_request(X_tgt="target").fit(X_SRC, Y_SRC, X_TGT)
        save(jdar, tmp_path / "model")
        loaded = load(tmp_path / "model")
        assert repr(loaded.get_metadata_routing()) == repr(jdar.get_metadata_routing())


class Pair(torch.nn.Module):
    """A network of the caller's."""

    def __init__(self, input_shape, n_classes):
        super().__init__()
        self.hidden, self.output = torch.nn.Linear(input_shape[0], 4), torch.nn.Linear(4, n_classes)

    def forward(self, X):
        """Return logits and features."""
        features = self.hidden(X)
        return self.output(features), features


class Doubled(FunctionTransformer):
    """A transformer of the caller's."""

    def transform(self, X):
        return 2 * np.asarray(X)


def test_code_of_the_caller_is_imported_only_if_trusted(tmp_path):
    network = DIDANClassifier(network=Pair, **QUICK)
    pipeline = make_adaptation_pipeline(Doubled(), network).fit(X_SRC, Y_SRC, X_TGT)
    save(pipeline, tmp_path / "model")
    names = ["test_persistence.Doubled", "test_persistence.Pair"]
    for trusted in ([], names[:1]):
        with pytest.raises(
            ValueError, match=r"uses \['test_persistence.*pass these names"
        ) as caught:
            load(tmp_path / "model", trusted=trusted)
        assert all((name in str(caught.value)) == (name not in trusted) for name in names)
    assert_same(outputs(load(tmp_path / "model", trusted=names), X_TGT), outputs(pipeline, X_TGT))
    with pytest.raises(TypeError, match="trusted must be a list of names"):
        load(tmp_path / "model", trusted="test_persistence.Pair")


def test_a_path_is_text_or_path_like():
    for path in (b"model", 3, None, [], np.array(["model"])):
        for use in (load, partial(save, JDAR().fit(X_SRC, Y_SRC, X_TGT))):
            with pytest.raises(TypeError, match="path must be a str or a path-like; got"):
                use(path)


# Files that are damaged or hostile


def saved_members(estimator, folder):
    """Save in a folder, and return the content of the file by member."""
    save(estimator, folder / "model")
    with zipfile.ZipFile(folder / "model") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_members(folder, members, compression=zipfile.ZIP_STORED):
    path = folder / "model"
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.fixture(scope="module")
def network():
    return make_adaptation_pipeline(
        CorpusScaler(), DIDANClassifier(network_params={"hidden": (8, 4)}, **QUICK)
    ).fit(X_SRC, Y_SRC, X_TGT)


class Payload:
    """Writes a file when it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path("ran"),)


def object_array():
    stream = io.BytesIO()
    np.save(stream, np.array([Payload()], dtype=object), allow_pickle=True)
    return stream.getvalue()


def huge_array():
    stream = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**13,)}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + bytes(8)


def of_class(name, tag="estimator"):
    return {"~": tag, "class": name, "state": {}}


def change(index, *path, value):
    """Set an entry deep in the index."""
    *front, last = path
    for key in front:
        index = index[key]
    index[last] = value


def hostile_files(members):
    """Return members of hostile files and what is said of each."""
    array = next(name for name in members if name.endswith(".npy"))
    weights = next(name for name in members if name.endswith(".safetensors"))
    plain = json.loads(members["index.json"])

    def indexed(value):
        return {**members, "index.json": json.dumps({**plain, "estimator": value})}

    def network(key, value):
        index = json.loads(members["index.json"])
        change(index, *NETWORK, *key, value=value)
        return {**members, "index.json": json.dumps(index)}

    copies = json.loads(members["index.json"])
    classifier = copies["estimator"]["state"]["steps_"][1]["items"][1]
    classifier["nets"] = classifier["nets"] * 1000
    copied = {**members, "index.json": json.dumps(copies)}
    tuples = [{"~": "tuple", "items": [n]} for n in range(20_000)]
    tensors = safetensors.torch.load(members[weights])
    wide = {name: torch.cat([tensor, tensor]) for name, tensor in tensors.items()}
    double = {name: tensor.double() for name, tensor in tensors.items()}
    return {
        "pickle": ({**members, array: object_array()}, "claims shape"),
        "huge array": ({**members, array: huge_array()}, "claims shape"),
        "other array": ({**members, array: members[array][:-8]}, "claims shape"),
        "no magic": ({**members, array: b"abc"}, "not a whole file"),
        "outside": ({**members, "../evil": b""}, "a member '../evil'"),
        "absolute": ({**members, "/tmp/evil": b""}, "a member '/tmp/evil'"),
        "no index": ({array: members[array]}, "index.json"),
        "deep": ({**members, "index.json": "[" * 10**5}, "not a whole file"),
        "no JSON": ({**members, "index.json": "{"}, "not a whole file"),
        "no estimator": (indexed([1, 2]), "no estimator"),
        "unknown kind": (indexed({"~": "code"}), "of kind 'code'"),
        "function": (indexed({"~": "import", "name": "os.system"}), r"uses \['os.system'\]"),
        "class": (indexed(of_class("subprocess.Popen")), r"uses \['subprocess.Popen'\]"),
        "object": (indexed(of_class("skdidan.Target", "object")), "is no estimator"),
        "module": (indexed(of_class("skdidan.audio")), r"uses \['skdidan.audio'\]"),
        "private": (indexed(of_class("skdidan.selection.trials.Trial")), "uses"),
        "tests": (indexed(of_class("sklearn.tests.test_base.K")), "uses"),
        "sklearn": (indexed(of_class("sklearn.svm.Nothing")), "not a whole file"),
        "testing": (indexed(of_class("sklearn.utils._testing.TempMemmap")), "uses"),
        "callback": (indexed(of_class("sklearn.utils.Bunch", "object")), "is no estimator|uses"),
        "foreign": (
            network(["network"], {"~": "import", "name": "sklearn.linear_model._base.Integral"}),
            "sklearn.linear_model._base.Integral is not trusted",
        ),
        "called": (
            network(["network"], of_class("sklearn.svm._classes.SVC")),
            "its network is not trusted",
        ),
        "class called": (
            network(["network"], {"~": "import", "name": "sklearn.svm._classes.SVC"}),
            "SVC is not trusted",
        ),
        "list of state": (
            indexed({**of_class("skdidan.JDAR"), "state": [["memory", "/tmp"]]}),
            "an invalid state",
        ),
        "address": (
            indexed({**of_class("skdidan.JDAR"), "state": {"__array_interface__": 1}}),
            "an invalid state",
        ),
        "scalar of an object": (
            indexed({"~": "scalar", "dtype": "<f8", "value": of_class("skdidan.JDAR")}),
            "scalar without a value",
        ),
        "position": (
            indexed({"~": "RandomState", "state": [1, 10**9, 0, 0.0]}),
            "RandomState without a state",
        ),
        "collisions": (indexed({"~": "set", "items": [2**61 - 1]}), "a key beyond"),
        "lists": (indexed([[]] * 10**5), "no estimator"),
        "tuples": (indexed({"~": "set", "items": tuples}), "20000 keys that are no strings"),
        "sparse": (
            indexed({"~": "sparse", "type": "csr_array", "items": [1, 2, 3, [1, 1]]}),
            "sparse array without arrays",
        ),
        "method": (
            indexed({**of_class("skdidan.JDAR"), "state": {"predict": {}}}),
            "an invalid state",
        ),
        "class as function": (
            indexed({"~": "import", "name": "skdidan.JDAR"}),
            "JDAR is not trusted",
        ),
        "void": (indexed({"~": "scalar", "dtype": "V8", "value": 10**9}), "scalar of type"),
        "no network": (indexed({**of_class("skdidan.JDAR", "network"), "nets": []}), "no networks"),
        "wide": ({**members, weights: safetensors.torch.save(wide)}, "weights do not fit"),
        "double": ({**members, weights: safetensors.torch.save(double)}, "weights do not fit"),
        "no weights": ({**members, weights: safetensors.torch.save({})}, "not a whole file"),
        "header": ({**members, weights: b"\xff" * 7 + b"\x7f" + b"{}"}, "not a whole file"),
        "huge layer": (network(["params", "hidden"], [10**9, 4]), "weights do not fit"),
        "many layers": (network(["params", "hidden"], [1] * 10**5), "weights do not fit"),
        "copies": (copied, "twice"),
        "huge input": (network(["input_shape"], [10**10]), "weights do not fit"),
        "classes": (network(["n_classes"], 10**9), "weights do not fit"),
        "own network": (network(["network"], {"~": "import", "name": "os.abort"}), "uses"),
    }


NETWORK = "estimator", "state", "steps_", 1, "items", 1, "state", "_recipe"


def test_hostile_files_run_nothing_and_take_no_memory(network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    members = saved_members(network, tmp_path)
    for name, (content, match) in hostile_files(members).items():
        path = write_members(tmp_path, content)
        tracemalloc.start()
        try:
            with pytest.raises(ValueError, match=match):
                load(path)
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < 60 * path.stat().st_size + 10**6, name  # as the page on security says
    assert not Path("ran").exists()


def test_bombs_copies_and_newer_formats_are_refused(network, tmp_path):
    members = saved_members(network, tmp_path)
    bomb = {**members, "arrays/99.npy": bytes(10**7)}
    with pytest.raises(ValueError, match="compressed, or larger than the file"):
        load(write_members(tmp_path, bomb, zipfile.ZIP_DEFLATED))
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = write_members(tmp_path, members)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("index.json", "{}")
    with pytest.raises(ValueError, match="several of its members have one name"):
        load(path)
    index = json.loads(members["index.json"])
    newer = {**members, "index.json": json.dumps({**index, "format": 99})}
    with pytest.raises(ValueError, match=r"has format 99, of a newer version .* update skdidan"):
        load(write_members(tmp_path, newer))
    (tmp_path / "jdar.skdidan").touch()
    for name, hint in (("nothing", "$"), ("jdar.pkl", r" Similar files .*: 'jdar\.skdidan'\.$")):
        with pytest.raises(FileNotFoundError, match=rf"^path '.*{name}' does not exist\.{hint}"):
            load(tmp_path / name)
    with pytest.raises(OSError, match=r"path cannot be read: "):
        load(tmp_path)
    for content in (b"", b"a letter"):
        (tmp_path / "letter.txt").write_bytes(content)
        with pytest.raises(ValueError, match=r"letter\.txt' is no model of skdidan: load reads"):
            load(tmp_path / "letter.txt")


def test_a_part_of_skops_is_checked_like_the_file(tmp_path):
    forest = RandomForestClassifier(2, random_state=0).fit(X_SRC, Y_SRC)
    members = saved_members(forest, tmp_path)
    part = next(name for name in members if name.endswith(".skops"))
    with pytest.raises(ValueError, match=r"uses \['sklearn.tree._tree.Tree'\]"):
        load(write_members(tmp_path, members))
    with zipfile.ZipFile(io.BytesIO(members[part])) as inner:
        parts = {name: inner.read(name) for name in inner.namelist()}
    array = next(name for name in parts if name.endswith(".npy"))
    address = json.loads(parts["schema.json"]) | {"__array_interface__": {}}
    for content in (
        {**parts, "schema.json": json.dumps(address)},
        {**parts, array: huge_array()},
        {**parts, array: object_array()},
        {**parts, "x.npz": b""},
    ):
        stream = io.BytesIO(write_members(tmp_path, content).read_bytes())
        path = write_members(tmp_path, {**members, part: stream.getvalue()})
        with pytest.raises(ValueError, match=r"claims shape|a member 'x.npz'|attribute __array"):
            load(path, trusted=[TREE])


def mutated(content, rng):
    """Flip a bit, cut, overwrite or delete somewhere."""
    content, at = bytearray(content), rng.randrange(len(content))
    kind = rng.randrange(4)
    if kind == 0:
        content[at] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del content[at:]
    elif kind == 2:
        content[at : at + 8] = rng.randbytes(8)
    else:
        del content[at : at + rng.randrange(1, 60)]
    return bytes(content)


@pytest.mark.parametrize("n_files", [200, pytest.param(2000, marks=pytest.mark.slow)])
def test_mutated_files_are_refused_or_predict_the_same(network, tmp_path, n_files):
    """Mutate the file as it is, or a member under a right checksum."""
    members, expected = saved_members(network, tmp_path), outputs(network, X_TGT)
    content = (tmp_path / "model").read_bytes()
    rng, n_refused = random.Random(0), 0
    for n in range(n_files):
        if n % 2:
            name = rng.choice(sorted(members))
            path = write_members(tmp_path, {**members, name: mutated(members[name], rng)})
        else:
            path = tmp_path / "model"
            path.write_bytes(mutated(content, rng))
        try:
            loaded = load(path)
        except ValueError:
            n_refused += 1
        else:
            if not n % 2:
                assert_same(outputs(loaded, X_TGT), expected)
    assert n_refused > n_files / 2


# Half a file


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.parametrize("n_kills", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_a_killed_writer_leaves_the_old_file_or_the_new_one(network, tmp_path, n_kills):
    path, other = tmp_path / "model", JDAR().fit(X_SRC, Y_SRC, X_TGT)
    save(network, path)
    for n in range(n_kills):
        child = os.fork()
        if not child:
            while True:
                save((other, network)[n % 2], path)
        time.sleep(random.Random(n).uniform(0, 0.01))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        loaded = load(path)
        expected = network if type(loaded) is type(network) else other
        np.testing.assert_array_equal(loaded.predict(X_TGT), expected.predict(X_TGT))


def test_an_error_of_the_disk_leaves_the_old_file(network, tmp_path, monkeypatch):
    save(network, tmp_path / "model")
    before = (tmp_path / "model").read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    for function in ("fsync", "replace"):
        with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
            patch.setattr(os, function, full)
            save(JDAR().fit(X_SRC, Y_SRC, X_TGT), tmp_path / "model")
        assert [file.name for file in tmp_path.iterdir()] == ["model"]
        assert (tmp_path / "model").read_bytes() == before


def test_a_folder_or_a_device_is_not_replaced(network, tmp_path):
    (tmp_path / "device").symlink_to(os.devnull)
    for path in (tmp_path, tmp_path / "device"):
        with pytest.raises(OSError, match="is not a regular file"):
            save(network, path)
    assert (tmp_path / "device").is_symlink() and len(list(tmp_path.iterdir())) == 1


def test_the_same_estimator_makes_the_same_file(network, tmp_path):
    for name in ("one", "two"):
        save(network, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_nothing_global_changes(network, tmp_path):
    before = torch.get_rng_state()
    save(network, tmp_path / "model")
    load(tmp_path / "model")
    assert torch.equal(torch.get_rng_state(), before)
