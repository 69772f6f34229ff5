"""How source and target arrive: both call shapes, and every way to get them wrong."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from skdidan import NoTargetWarning, Target, split_domains
from skdidan.domains import (
    Domains,
    check_sample_domain,
    n_rows,
    open_target,
    take_rows,
    takes_target,
)
from skdidan.estimators import validate_domains

X_SRC = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
Y_SRC = np.array(["anger", "fear", "anger"])
X_TGT = np.array([[6.0, 7.0], [8.0, 9.0]])
STACKED = np.array([X_TGT[0], X_SRC[0], X_SRC[1], X_TGT[1], X_SRC[2]])
DOMAIN = np.array([-1, 0, 2, -3, 0])


class Adapter(ClassifierMixin, BaseEstimator):
    """A minimal estimator that calls `validate_domains`."""

    def fit(self, X, y=None, X_tgt=None, *, sample_domain=None, supervised=False, **checks):
        """Store what `validate_domains` returns."""
        domains = Domains.of(X, y, X_tgt, sample_domain=sample_domain)
        self.domains_ = validate_domains(self, domains, supervised=supervised, **checks)
        return self


def fitted(*args, **kwargs):
    return Adapter().fit(*args, **kwargs).domains_


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
    assert domains.y_src == list("abc")
    assert (domains.n_source, domains.n_target, domains.has_several) == (3, 2, True)


def test_two_plain_domains_are_two_corpora():
    domains = Domains.of(X_SRC, None, X_TGT)
    assert domains.corpora.tolist() == [0, 0, 0, -1, -1]
    assert not domains.has_several


def test_unstacking_undoes_stacking_and_labels_are_extended():
    domains = split_domains(X_SRC, Y_SRC, X_TGT)
    again = domains.unstack(domains.stack())
    np.testing.assert_array_equal(again.X_src, X_SRC)
    np.testing.assert_array_equal(again.X_tgt, X_TGT)
    assert domains.lengthen(Y_SRC).tolist() == ["anger", "fear", "anger", "anger", "anger"]


def test_parts_of_rows_keep_their_labels_corpora_and_groups():
    domains = Domains.of(STACKED, list("tabtc"), sample_domain=DOMAIN, groups=list("xpqxr"))
    windows = domains.cut(list("AABC"), np.array([0, 0, 1, 2]), list("DE"), np.array([1, 1]))
    assert windows.y_src == list("aabc") and windows.groups.tolist() == list("ppqr")
    assert windows.corpora.tolist() == [0, 0, 2, 0, -3, -3]
    assert tuple(windows)[::2] == (list("AABC"), list("DE"))


def test_groups_of_the_wrong_length():
    with pytest.raises(ValueError, match="groups and X differ in length: 1 != 5"):
        Domains.of(STACKED, sample_domain=DOMAIN, groups=["ann"])


def test_target_given_twice():
    with pytest.raises(ValueError, match="given twice: pass X_tgt, or mark its rows"):
        split_domains(STACKED, X_tgt=X_TGT, sample_domain=DOMAIN)


@pytest.mark.parametrize("container", [list, tuple, np.array, pd.Series])
def test_sample_domain_in_the_place_of_the_target(container):
    with pytest.raises(ValueError, match=r"X_tgt must hold rows .* Pass sample_domain by its name"):
        Domains.of([[0.0], [1.0], [2.0]], ["a", "b", "?"], container([1, 1, -1]))


@pytest.mark.parametrize("domain", [[[0], [-1]], ["source", "target"], [True, False]])
def test_sample_domain_of_the_wrong_type(domain):
    with pytest.raises(ValueError, match="one-dimensional array of whole numbers"):
        check_sample_domain(X_TGT, domain)


@pytest.mark.parametrize("value", [0.5, np.nan])
def test_sample_domain_with_a_fraction(value):
    with pytest.raises(ValueError, match="must hold whole numbers; got a fraction or NaN"):
        check_sample_domain(X_TGT, [value, -1.0])


def test_sample_domain_may_be_whole_floats():
    assert check_sample_domain(X_TGT, [0.0, -1.0]).tolist() == [0, -1]


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
    domains = fitted(STACKED, y, sample_domain=DOMAIN, supervised=True)
    assert domains.y_src.tolist() == Y_SRC.tolist()


def test_single_class():
    with pytest.raises(ValueError, match=r"at least two classes .* one class: \['anger'\]"):
        fitted(X_SRC, ["anger"] * 3, X_TGT, supervised=True)


def test_missing_labels():
    with pytest.raises(ValueError, match="requires y to be passed"):
        fitted(X_SRC, None, X_TGT, supervised=True)


def test_continuous_labels():
    with pytest.raises(ValueError, match="Unknown label type"):
        fitted(X_SRC, [0.1, 0.2, 0.3], X_TGT, supervised=True)


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
    assert not takes_target(StandardScaler())
    assert not takes_target(GridSearchCV(StandardScaler(), {}))
    assert not takes_target("passthrough") and not takes_target(None)


@pytest.mark.parametrize("container", [list, pd.Series, lambda y: np.array(y, dtype=object)])
def test_numbers_beside_strings_for_the_target_are_numbers_again(container):
    y = container(["?", 1, 2, "?", 1])
    domains = fitted(STACKED, y, sample_domain=DOMAIN, supervised=True)
    assert domains.y_src.tolist() == [1, 2, 1]


@pytest.mark.parametrize("row", [1, 2])
def test_missing_labels_are_named_in_the_stacked_shape_too(row):
    y = np.array(["?", "anger", "fear", "?", "anger"], dtype=object)
    y[row] = np.nan
    with pytest.raises(ValueError, match=r"1 missing label\(s\)"):
        fitted(STACKED, y, sample_domain=DOMAIN, supervised=True)
