"""How source and target arrive: both call shapes, and every way to get them wrong."""

import pickle
import warnings
from datetime import date
from decimal import Decimal
from enum import Enum
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils import Bunch

from skdidan import (
    JDA,
    JDAR,
    CorpusScaler,
    DIDANClassifier,
    LogMelSpectrogram,
    NoTargetWarning,
    Target,
    compare,
    make_adaptation_pipeline,
    split_domains,
    suggest_trade_off,
)
from skdidan.domains import (
    Domains,
    check_sample_domain,
    n_rows,
    open_target,
    sortable_groups,
    take_rows,
    takes_target,
)
from skdidan.validation import validate_domains

X_SRC = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
Y_SRC = np.array(["anger", "fear", "anger"])
X_TGT = np.array([[6.0, 7.0], [8.0, 9.0]])
STACKED = np.array([X_TGT[0], X_SRC[0], X_SRC[1], X_TGT[1], X_SRC[2]])
DOMAIN = np.array([-1, 0, 2, -3, 0])


class Adapter(BaseEstimator):
    """A minimal estimator that calls `validate_domains`."""

    def fit(self, X, y=None, X_tgt=None, *, sample_domain=None, **checks):
        """Store what `validate_domains` returns."""
        domains = Domains.of(X, y, X_tgt, sample_domain=sample_domain)
        self.domains_ = validate_domains(self, domains, **checks)
        return self


class Learner(ClassifierMixin, Adapter):
    """One that needs labels."""


def fitted(*args, **kwargs):
    return Adapter().fit(*args, **kwargs).domains_


def learnt(*args, **kwargs):
    return Learner().fit(*args, **kwargs).domains_


def test_target_has_no_length_so_that_nothing_slices_it():
    target = Target(X_TGT)
    assert not hasattr(target, "__len__") and not hasattr(target, "shape")
    assert repr(target) == "Target(2 rows)"
    assert open_target(target) is X_TGT
    assert open_target(X_TGT) is X_TGT


def test_target_survives_pickling():
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(Target(X_TGT))).X, X_TGT)


@pytest.mark.parametrize("X", [pd.DataFrame(X_SRC), torch.tensor(X_SRC), ["a.wav", "b", "c"]])
def test_n_rows_counts_rows(X):
    assert n_rows(X) == 3


@pytest.mark.parametrize("X", ["a.wav", np.float64(3.0), 3])
def test_n_rows_refuses_a_single_entry(X):
    with pytest.raises(TypeError, match="one entry per row; got the single entry"):
        n_rows(X)


@pytest.mark.parametrize("rows", [[False, True, True], [1, 2]])
def test_take_rows_keeps_the_container(rows):
    assert take_rows(["a", "b", "c"], rows) == ["b", "c"]
    frame = pd.DataFrame(X_SRC, index=list("xyz"))
    assert list(take_rows(frame, rows).index) == ["y", "z"]
    np.testing.assert_array_equal(take_rows(X_SRC, rows), X_SRC[1:])
    assert torch.equal(take_rows(torch.tensor(X_SRC), rows), torch.tensor(X_SRC[1:]))


def test_both_call_shapes_give_the_same_domains():
    y = np.array(["?", "anger", "fear", "?", "anger"])
    stacked = split_domains(STACKED, y, sample_domain=DOMAIN)
    for ours, plain in zip(stacked, split_domains(X_SRC, Y_SRC, X_TGT), strict=True):
        np.testing.assert_array_equal(ours, plain)


def test_target_is_unwrapped_and_nothing_is_copied():
    X, y, X_tgt = split_domains(X_SRC, Y_SRC, Target(X_TGT))
    assert X is X_SRC and y is Y_SRC and X_tgt is X_TGT
    assert split_domains(Target(X_SRC)).X_src is X_SRC


def test_without_target_it_is_none():
    assert split_domains(X_SRC, Y_SRC).X_tgt is None


@pytest.mark.parametrize("container", [list, np.array, pd.DataFrame, pd.Series])
def test_restoring_undoes_splitting(container):
    X = container(STACKED.tolist() if container is not pd.Series else list("abcde"))
    restored = split_domains(X, sample_domain=DOMAIN).restore()
    assert type(restored) is type(X)
    np.testing.assert_array_equal(np.asarray(restored), np.asarray(X))


def test_without_stacking_there_is_no_order_to_restore():
    domains = split_domains(X_SRC, Y_SRC, X_TGT)
    assert domains.restore() is X_SRC and domains.order is None


def test_labels_corpora_and_groups_are_sorted_by_domain():
    domains = Domains.of(STACKED, list("tabtc"), sample_domain=DOMAIN, groups=list("xpqxr"))
    assert domains.corpora.tolist() == [0, 2, 0, -1, -3]
    assert domains.groups.tolist() == list("pqr")
    assert domains.y_src.tolist() == list("abc")
    assert (domains.n_source, domains.n_target, domains.has_several) == (3, 2, True)


def test_two_plain_domains_are_two_corpora():
    domains = Domains.of(X_SRC, None, X_TGT)
    assert domains.corpora.tolist() == [0, 0, 0, -1, -1]
    assert not domains.has_several


def test_unstacking_undoes_stacking_and_labels_and_groups_are_extended():
    domains = Domains.of(X_SRC, Y_SRC, X_TGT, groups=[5, 6, 7])
    rows, labels, groups, corpora = domains.stack()
    assert corpora.tolist() == [0, 0, 0, -1, -1]
    again = domains.unstack(rows)
    np.testing.assert_array_equal(again.X_src, X_SRC)
    np.testing.assert_array_equal(again.X_tgt, X_TGT)
    assert labels.tolist() == ["anger", "fear", "anger", "anger", "anger"]
    assert groups.tolist() == [5, 6, 7, 5, 5]


def test_parts_of_rows_keep_their_labels_corpora_and_groups():
    domains = Domains.of(STACKED, list("tabtc"), sample_domain=DOMAIN, groups=list("xpqxr"))
    windows = domains.cut(list("AABC"), np.array([0, 0, 1, 2]), list("DE"), np.array([1, 1]))
    assert windows.y_src.tolist() == list("aabc") and windows.groups.tolist() == list("ppqr")
    assert windows.corpora.tolist() == [0, 0, 2, 0, -3, -3]
    assert tuple(windows)[::2] == (list("AABC"), list("DE"))


def cross_validated_by_speakers(X, y, X_tgt, groups):
    task = Bunch(X_src=X_tgt, y_src=y, X_tgt=X, y_tgt=y, speaker_tgt=groups)
    oracles = {"jdar": JDAR()}
    return compare({}, {"toy": task}, oracles=oracles, seeds=[0], error_score="raise")


TAKES_GROUPS = {
    "network": lambda X, y, X_tgt, groups: DIDANClassifier().fit(X, y, X_tgt, groups=groups),
    "scaler": lambda X, y, X_tgt, groups: CorpusScaler().fit(X, y, X_tgt, groups=groups),
    "groups_tgt": lambda X, y, X_tgt, groups: CorpusScaler().fit(X_tgt, y, X, groups_tgt=groups),
    "folds": lambda X, y, X_tgt, groups: suggest_trade_off(JDAR(), X, y, X_tgt, groups=groups),
    "oracle": cross_validated_by_speakers,
}
WRONG_GROUPS = {
    "None": (["ann", None] * 4, ValueError, r"4 missing label\(s\), the first in row 1"),
    "NaN": (["ann", np.nan] * 4, ValueError, r"4 missing label\(s\), the first in row 1"),
    "masked": (np.ma.array(range(8), mask=[0, 1] * 4), ValueError, "the first in row 1"),
    "two names": ([["ann", "a"], ["bob", "b"]] * 4, ValueError, r"got shape \(8, 2\)"),
    "too few": (["ann"], ValueError, "must have one entry per row: 1 != 8"),
}


@pytest.mark.parametrize("wrong", WRONG_GROUPS)
@pytest.mark.parametrize("name", TAKES_GROUPS)
def test_invalid_groups_are_refused(name, wrong):
    groups, error, match = WRONG_GROUPS[wrong]
    X, y = np.arange(16.0).reshape(8, 2) % 7, ["anger", "fear"] * 4
    with pytest.raises(error, match=match):
        TAKES_GROUPS[name](X, y, X + 1, groups)


UNUSUAL_GROUPS = {
    "several types": ["1", 1, "1", 1],
    "dates": [date(2026, 1, day) for day in (1, 2, 1, 2)],
    "members of an Enum": [*Enum("Speaker", "ANN BOB")] * 2,
    "decimals": [Decimal(1), Decimal(2)] * 2,
    "large integers": [2**63, 2**63 + 1] * 2,
    "integers of all sizes": [-1, 2**64, -1, 2**64],
    "a column": [["ann"], ["bob"], ["ann"], ["bob"]],
}


@pytest.mark.parametrize("name", UNUSUAL_GROUPS)
def test_groups_of_any_type_are_told_apart(name):
    found = sortable_groups(Domains.of([[0.0]] * 4, groups=UNUSUAL_GROUPS[name]).groups)
    assert np.unique(found, return_inverse=True)[1].tolist() in ([0, 1, 0, 1], [1, 0, 1, 0])
    scaler = CorpusScaler().fit(X_SRC[[0, 1, 2, 1]], X_tgt=X_TGT, groups=UNUSUAL_GROUPS[name])
    assert len(scaler.scalers_) == 4  # two groups and two corpora
    some = UNUSUAL_GROUPS[name][::2]  # of one kind alone, as a whole they may be mixed
    scaled = scaler.transform(X_SRC[[0, 2]], sample_domain=[0, 0], groups=some)
    whole = [X_SRC[[0, 1, 2, 1]], UNUSUAL_GROUPS[name]]
    expected = scaler.transform(whole[0], sample_domain=[0] * 4, groups=whole[1])[::2]
    np.testing.assert_array_equal(scaled, expected)


def test_groups_of_the_wrong_length():
    with pytest.raises(ValueError, match="groups must have one entry per row: 1 != 5"):
        Domains.of(STACKED, sample_domain=DOMAIN, groups=["ann"])


@pytest.mark.parametrize("shape", [(8, 16, 0), (8, 0, 16)])
@pytest.mark.parametrize("estimator", [CorpusScaler(), DIDANClassifier()], ids=["scaler", "net"])
def test_spectrograms_without_bins_or_frames(estimator, shape):
    with pytest.raises(ValueError, match="without any bin or frame"):
        estimator.fit(np.ones(shape), ["anger", "fear"] * 4, np.ones(shape))


def test_target_given_twice():
    with pytest.raises(ValueError, match="given twice: pass X_tgt, or mark its rows"):
        split_domains(STACKED, X_tgt=X_TGT, sample_domain=DOMAIN)


@pytest.mark.parametrize("container", [list, tuple, np.array, pd.Series])
def test_sample_domain_in_the_place_of_the_target(container):
    with pytest.raises(ValueError, match=r"X_tgt must hold rows .* mean sample_domain=\?"):
        Domains.of([[0.0], [1.0], [2.0]], ["a", "b", "?"], container([1, 1, -1]))


@pytest.mark.parametrize("container", [list, np.array, pd.Series])
@pytest.mark.parametrize(
    ("X", "y", "X_tgt"),
    [
        (["1.wav", "2.wav"], ["joy", "fear"], ["fear", "joy", "joy"]),
        (["1.wav", "2.wav"], ["3.wav", "4.wav"], ["joy", "fear"]),
        (["1.wav", "2.wav"], [Path("3.wav"), Path("4.wav"), Path("5.wav")], ["joy", "fear"]),
        (X_SRC, X_TGT, ["joy", "fear", "joy"]),
        (X_SRC, [4, 5, 4], [5, 5]),
        (X_SRC, X_TGT, [5, 4, 5]),
    ],
)
def test_labels_in_the_place_of_the_target(container, X, y, X_tgt):
    message = r"X_tgt must hold .*; got labels, such as ('\w+'|5)\. Call fit\(X_src, y_src, X_t"
    with pytest.raises(ValueError, match=message):
        Domains.of(X, y, container(X_tgt))


@pytest.mark.parametrize(
    ("X", "y", "X_tgt"),
    [
        (["1", "2"], ["joy", "fear"], ["joy.wav", "fear"]),
        (["so glad", "oh no", "glad"], ["1.5", "2.5", "1.5"], ["I am glad", "glad", "why"]),
        (["so glad", "oh no"], ["glad", "sad"], ["what a day", "glad"]),
    ],
)
def test_rows_of_text_are_no_labels(X, y, X_tgt):
    assert Domains.of(X, y, X_tgt).n_target == len(X_tgt)


@pytest.mark.parametrize("domain", [[[0], [-1]], ["source", "target"], [True, False]])
def test_sample_domain_of_the_wrong_type(domain):
    with pytest.raises(ValueError, match="one-dimensional array of whole numbers"):
        check_sample_domain(X_TGT, domain)


@pytest.mark.parametrize("value", [0.5, np.nan, np.inf, 1e300, np.uint64(2**63)])
def test_sample_domain_must_fit_into_integers(value):
    with pytest.raises(ValueError, match="must hold whole numbers of 64 bits; got others, or NaN"):
        check_sample_domain(X_TGT, np.array([value, 0]))


def test_sample_domain_may_be_whole_floats():
    assert check_sample_domain(X_TGT, [0.0, -1.0]).tolist() == [0, -1]


def test_sample_domain_may_be_the_largest_integer():
    largest = np.iinfo(np.int64).max
    assert check_sample_domain(X_TGT, [largest, -1]).tolist() == [largest, -1]


def test_sample_domain_of_the_wrong_length():
    with pytest.raises(ValueError, match="sample_domain and X differ in length: 2 != 5"):
        split_domains(STACKED, sample_domain=[0, -1])


@pytest.mark.parametrize("domain", [None, DOMAIN])
def test_labels_of_the_wrong_length(domain):
    with pytest.raises(ValueError, match="y and X differ in length: 2 != 5"):
        split_domains(STACKED, ["anger", "fear"], sample_domain=domain)


@pytest.mark.parametrize("domain, name", [([0, 0], "target"), ([-1, -1], "source")])
def test_stacked_data_with_one_domain_only(domain, name):
    with pytest.raises(ValueError, match=f"{name} has 0 sample.* marks no {name} row"):
        split_domains(X_TGT, sample_domain=domain)


@pytest.mark.parametrize("X, X_tgt, name", [([], X_TGT, "source"), (X_SRC, [], "target")])
def test_empty_domain(X, X_tgt, name):
    with pytest.raises(ValueError, match=rf"The {name} has 0 sample\(s\), but at least one is"):
        split_domains(X, X_tgt=X_tgt)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_validated_features_have_the_type_asked_for(dtype):
    X, y, X_tgt = fitted(X_SRC.tolist(), Y_SRC, Target(X_TGT.tolist()), dtype=dtype)
    assert X.dtype == X_tgt.dtype == dtype
    assert y is None or y.tolist() == Y_SRC.tolist()


def test_validation_sets_the_attributes_of_scikit_learn():
    columns = ["pitch", "energy"]
    estimator = Adapter().fit(
        pd.DataFrame(X_SRC, columns=columns), X_tgt=pd.DataFrame(X_TGT, columns=columns)
    )
    assert estimator.n_features_in_ == 2
    assert estimator.feature_names_in_.tolist() == columns


def test_labels_of_the_target_are_never_read():
    y = np.array([np.nan, "anger", "fear", object(), "anger"], dtype=object)
    domains = learnt(STACKED, y, sample_domain=DOMAIN)
    assert domains.y_src.tolist() == Y_SRC.tolist()


def test_single_class():
    with pytest.raises(ValueError, match=r"at least two classes .* one class: \['anger'\]"):
        learnt(X_SRC, ["anger"] * 3, X_TGT)


def test_missing_labels():
    with pytest.raises(ValueError, match="requires y to be passed"):
        learnt(X_SRC, None, X_TGT)


def test_continuous_labels():
    with pytest.raises(ValueError, match="Unknown label type"):
        learnt(X_SRC, [0.1, 0.2, 0.3], X_TGT)


@pytest.mark.parametrize(
    "y, match",
    [
        (["anger", 1, "anger"], "got int and str. Convert all labels, as by"),
        ([Decimal(1), Decimal(2), Decimal(1)], "numbers of up to 64 bits alone; got Decimal"),
        ({0: "anger", 1: "fear", 2: "fear"}, "got a dict, whose entries have no positions"),
        ({"anger", "fear", "joy"}, "got a set, whose entries have no positions"),
    ],
)
def test_labels_that_are_no_classes(y, match):
    with pytest.raises(TypeError, match=match):
        learnt(X_SRC, y, X_TGT)


def test_columns_of_one_name():
    frame = pd.DataFrame(X_SRC, columns=["a", "a"])
    table = pa.table([X_SRC[:, 0], X_SRC[:, 1]], names=["a", "a"])
    for rows in (frame, table):
        with pytest.raises(ValueError, match=r"several columns of one name, \['a'\]: rename"):
            fitted(rows, X_tgt=rows)


@pytest.mark.parametrize(
    "X, X_tgt", [(X_SRC, X_TGT[:, :1]), (np.zeros((3, 2, 4)), np.zeros((3, 2, 5))), (X_SRC, [1, 2])]
)
def test_domains_of_differing_shape(X, X_tgt):
    with pytest.raises(ValueError, match="differ in the shape of a row"):
        fitted(X, X_tgt=X_tgt, allow_nd=True)


@pytest.mark.parametrize(
    "X_tgt, match",
    [([[0.0, np.nan]], "contains NaN"), ([["a", "b"]], "convert"), ([[0.0, 1.0], [2.0]], "shape")],
)
def test_errors_in_the_target_say_so(X_tgt, match):
    with pytest.raises(ValueError, match=f"The target is not valid: .*{match}"):
        fitted(X_SRC, X_tgt=X_tgt)


def frames_of(X):
    """Make a table in every container, with the name of its second column in errors."""
    columns = ["pitch", "energy"]
    return [
        (np.array(X), "1"),
        (X.tolist(), "1"),
        (pd.DataFrame(X, columns=columns), "'energy'"),
        (pd.DataFrame(X, columns=columns).convert_dtypes(), "'energy'"),
        (pd.DataFrame(X, columns=columns).astype(object), "'energy'"),
        (polars().DataFrame(X, schema=columns), "'energy'"),
        (pa.table(dict(zip(columns, X.T, strict=True))), "'energy'"),
    ]


@pytest.mark.parametrize(
    "value, fault",
    [(np.nan, "NaN"), (-np.inf, "infinity or a value too"), (1e39, r"infin.*dtype\('float32'\)")],
)
def test_numbers_that_are_not_finite_are_named(value, fault):
    X = X_SRC.copy()
    X[2, 1] = value
    for (bad, column), (good, _) in zip(frames_of(X), frames_of(X_TGT), strict=True):
        with pytest.raises(ValueError, match=f"X contains {fault}.* row 2 of X, column {column}"):
            fitted(bad, X_tgt=good, dtype=np.float32)
        with pytest.raises(ValueError, match=f"not valid: .*row 2 of X_tgt, column {column}"):
            fitted(good, X_tgt=bad, dtype=np.float32)


def test_numbers_that_are_not_finite_are_named_in_stacked_rows():
    for row in (2, 3):
        X = STACKED.copy()
        X[row, 0] = np.nan
        with pytest.raises(ValueError, match=f"X contains NaN, first in row {row} of X, column 0"):
            fitted(X, sample_domain=DOMAIN)


@pytest.mark.parametrize(
    "word, fault", [("loud", "contains 'loud', first"), (pd.NA, "contains NaN, first")]
)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_words_among_features_are_named(word, fault):
    X = X_SRC.astype(object)
    X[2, 1] = word
    table = {"pitch": X[:, 0].tolist(), "energy": X[:, 1].tolist()}
    frames = [pd.DataFrame(table)]
    if isinstance(word, str):
        frames.append(polars().DataFrame(table | {"energy": ["1.0", "3.0", word]}))
    model = JDAR().fit(
        pd.DataFrame(X_SRC, columns=list(table)), Y_SRC, pd.DataFrame(X_TGT, columns=list(table))
    )
    for bad, column in ((X, "1"), (X.tolist(), "1"), *((frame, "'energy'") for frame in frames)):
        with pytest.raises(
            (TypeError, ValueError), match=f"X {fault}.*row 2 of X, column 'energy'"
        ):
            model.predict(bad)
        with pytest.raises(
            (TypeError, ValueError), match=f"X {fault}.* row 2 of X, column {column}"
        ):
            fitted(bad, X_tgt=X_TGT)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("X", [["a.wav", "b.wav"], [["a", "b", "loud"]]])
def test_words_in_place_of_the_columns_of_fit_are_named(X):
    frames = (pd.DataFrame(rows, columns=["pitch", "energy"]) for rows in (X_SRC, X_TGT))
    scaler = CorpusScaler().fit(next(frames), X_tgt=next(frames))
    with pytest.raises(ValueError, match=r"Input X contains 'a.*', first in row 0 of X"):
        scaler.transform(X)


def test_columns_in_another_order():
    X, X_tgt = pd.DataFrame(X_SRC, columns=["a", "b"]), pd.DataFrame(X_TGT, columns=["b", "a"])
    with pytest.raises(ValueError, match=r"The target is not valid: The feature names"):
        fitted(X, X_tgt=X_tgt)


def test_too_few_source_rows():
    with pytest.raises(ValueError, match="minimum of 4 is required"):
        fitted(X_SRC, X_tgt=X_TGT, min_source=4)


def test_without_target_a_warning_names_the_estimator():
    with pytest.warns(NoTargetWarning, match="Adapter was fitted without a target"):
        assert fitted(X_SRC).X_tgt is None


def test_the_warning_points_at_the_code_of_the_caller():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted(X_SRC)
    assert [warning.filename for warning in caught] == [__file__]


def test_takes_target_looks_into_wrappers():
    search = GridSearchCV(GridSearchCV(Adapter(), {}), {})
    assert takes_target(Adapter()) and takes_target(search)
    assert not takes_target(LogMelSpectrogram())  # whose fit learns nothing
    assert not takes_target(StandardScaler())
    assert not takes_target(GridSearchCV(StandardScaler(), {}))
    assert not takes_target("passthrough") and not takes_target(None)


# Labels, and their fillers, in every container


def polars():
    return pytest.importorskip("polars", reason="an optional container; make test installs it")


def blank(y):
    return [value is None for value in y]


# By name: the container, and the fillers for target rows that it can hold beside text.
CONTAINERS = {
    "list": (list, "any"),
    "tuple": (tuple, "any"),
    "object array": (lambda y: np.array([*y, None], dtype=object)[:-1], "any"),
    "object Series": (lambda y: pd.Series(y, dtype=object), "any"),
    "categorical": (lambda y: pd.Series(pd.Categorical(y)), "any"),
    "nullable": (lambda y: pd.Series(y).convert_dtypes(), "own"),
    "of pyarrow": (lambda y: pd.Series(y).convert_dtypes(dtype_backend="pyarrow"), "own"),
    "pyarrow": (pa.array, "own"),
    "chunked": (lambda y: pa.chunked_array([y]), "own"),
    "dictionary": (lambda y: pa.array(y).dictionary_encode(), "own"),
    "scalars": (lambda y: list(pa.array(y)), "own"),
    "polars": (lambda y: polars().Series(y), "own"),
    "masked": (lambda y: np.ma.array(np.where(blank(y), y[1], y), mask=blank(y)), "own"),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_labels_in_any_container_are_plain_and_fillers_do_not_count(name):
    container, kind = CONTAINERS[name]
    fillers = [None, np.nan, pd.NA, pd.NaT, "?", -1] if kind == "any" else [None]
    kinds = ["anger", "fear", "anger"], [1, 2, 1], [True, False, True]
    for labels, filler in product(kinds, fillers):
        y = container([filler, *labels[:2], filler, labels[2]])
        y_src = learnt(STACKED, y, sample_domain=DOMAIN).y_src
        assert type(y_src) is np.ndarray and y_src.dtype == np.array(labels).dtype
        assert y_src.tolist() == labels


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_missing_label_is_named_by_its_row(name):
    y = CONTAINERS[name][0]([None, "anger", "fear", None, None])
    with pytest.raises(ValueError, match=r"1 missing label\(s\), the first in row 4 of X"):
        JDAR().fit(STACKED, y, sample_domain=DOMAIN)
    with pytest.raises(ValueError, match=r"3 missing label\(s\), the first in row 0 of X"):
        make_adaptation_pipeline(StandardScaler(), SVC()).fit(STACKED, y)


@pytest.mark.parametrize("dtype", ["float32", "datetime64[s]"])
def test_missing_labels_in_an_array_of_numbers(dtype):
    y = np.array([0, 0, 1]).astype(dtype)
    y[1] = "NaT" if y.dtype.kind == "M" else np.nan
    with pytest.raises(ValueError, match=r"1 missing label\(s\), the first in row 1 of X"):
        JDA().fit(X_SRC, y, X_TGT)


def test_missing_groups_are_named():
    with pytest.raises(ValueError, match=r"groups holds 1 missing .*the first in row 2"):
        groups = [None, "p", None, None, "q"]
        DIDANClassifier().fit(STACKED, list("tabtc"), sample_domain=DOMAIN, groups=groups)


# Masks


MASK = np.arange(10).reshape(5, 2) == 5  # row 2, column 1


@pytest.mark.parametrize("wrap", [lambda X: X, list, Target], ids=["array", "list", "Target"])
def test_masked_entries_are_named(wrap):
    X = np.ma.array(STACKED, mask=MASK)
    for name, args in (("X", (wrap(X), None, X_TGT)), ("X_tgt", (X_SRC, None, wrap(X)))):
        with pytest.raises(ValueError, match=f"^{name} has masked .* row 2, column 1\\. NumPy"):
            Domains.of(*args)


def test_masked_numbers_of_domains():
    with pytest.raises(ValueError, match=r"^sample_domain has masked entries, .* row 1\. NumPy"):
        check_sample_domain(X_TGT, np.ma.array([0, -1], mask=[False, True]))


def test_masked_arrays_that_hide_nothing_are_arrays():
    X, y, X_tgt = learnt(*map(np.ma.array, (X_SRC, Y_SRC, X_TGT)))
    assert {type(part) for part in (X, y, X_tgt)} == {np.ndarray}
    assert check_sample_domain(X_TGT, np.ma.array([0, -1])).tolist() == [0, -1]


# Frames of polars, and arrays of pyarrow


def test_frames_of_polars_are_taken_apart_stacked_and_restored():
    frame = polars().DataFrame(STACKED, schema=["a", "b"])
    domains = split_domains(frame, sample_domain=DOMAIN)
    assert domains.X_src.equals(polars().DataFrame(X_SRC, schema=["a", "b"]))
    assert domains.restore().equals(frame)
    assert domains.unstack(domains.stack()[0]).X_tgt.equals(domains.X_tgt)


@pytest.mark.parametrize("container", [pa.array, lambda rows: pa.chunked_array([rows])])
def test_arrays_of_pyarrow_are_taken_apart_and_restored(container):
    domains = split_domains(container(list("tabtc")), sample_domain=DOMAIN)
    assert domains.X_src.to_pylist() == list("abc")
    assert [value.as_py() for value in domains.restore()] == list("tabtc")


def test_members_of_an_enum_stand_for_their_text():
    emotion = Enum("Emotion", {"A": "anger", "S": "sadness"}, type=str)
    domains = Domains.of(X_TGT, [emotion.A, emotion.S])
    assert domains.y_src.tolist() == ["anger", "sadness"]
