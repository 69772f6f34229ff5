"""CorpusScaler against scikit-learn's StandardScaler on each part."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler

from skdidan import CorpusScaler, NoTargetWarning, Target
from skdidan.shallow import scaling

RNG = np.random.default_rng(0)
X_SRC = RNG.normal(3.0, 2.0, size=(20, 4))
X_TGT = RNG.normal(-5.0, 0.1, size=(9, 4))
SPECTRA_SRC = RNG.normal(3.0, 2.0, size=(6, 5, 7))
SPECTRA_TGT = RNG.normal(-3.0, 0.5, size=(4, 5, 7))
# Two source corpora and one target, interleaved.
DOMAIN = np.tile([0, -2, 7, 0], 5)
SPEAKERS = np.repeat(["a", "b"], 10)


def standard(X, statistics_of=None, **params):
    """Scale by scikit-learn; a spectrogram by its frames."""
    return StandardScaler(**params).fit(X if statistics_of is None else statistics_of).transform(X)


def standard_3d(X, statistics_of):
    n_bins = X.shape[1]
    frames = [np.swapaxes(part, 1, 2).reshape(-1, n_bins) for part in (X, statistics_of)]
    return np.swapaxes(standard(*frames).reshape(len(X), -1, n_bins), 1, 2)


@pytest.mark.parametrize(
    "params, dtype",
    [({}, np.float32), ({"with_mean": False}, np.float64), ({"with_std": False}, np.float64)],
)
def test_each_domain_is_standardised_as_by_scikit_learn(params, dtype):
    X_src, X_tgt = X_SRC.astype(dtype), X_TGT.astype(dtype)
    scaler = CorpusScaler(**params)
    source = scaler.fit_transform(X_src, X_tgt=X_tgt)
    target = scaler.transform(X_tgt)
    assert source.dtype == target.dtype == dtype
    # The statistics, and the differences, are computed in double precision.
    for scaled, X in ((source, X_src), (target, X_tgt)):
        expected = standard(X.astype(np.float64), **params).astype(dtype)
        np.testing.assert_array_equal(scaled, expected)


def test_spectrograms_are_standardised_by_bin():
    scaler = CorpusScaler()
    source = scaler.fit_transform(SPECTRA_SRC, X_tgt=SPECTRA_TGT)
    np.testing.assert_array_equal(source, standard_3d(SPECTRA_SRC, SPECTRA_SRC))
    np.testing.assert_allclose(source.mean(axis=(0, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(source.std(axis=(0, 2)), 1)
    target = scaler.transform(SPECTRA_TGT[:, :, :3])
    np.testing.assert_array_equal(target, standard_3d(SPECTRA_TGT[:, :, :3], SPECTRA_TGT))


def test_other_numbers_become_float64():
    scaled = CorpusScaler().fit_transform([[1], [3]], X_tgt=[[5], [9]])
    assert scaled.dtype == np.float64
    assert scaled.tolist() == [[-1.0], [1.0]]


def test_stacked_rows_are_scaled_by_their_own_corpus():
    scaler = CorpusScaler()
    scaled = scaler.fit_transform(X_SRC, sample_domain=DOMAIN)
    for corpus in np.unique(DOMAIN):
        rows = corpus == DOMAIN
        np.testing.assert_array_equal(scaled[rows], standard(X_SRC[rows]))
    np.testing.assert_array_equal(scaler.transform(X_SRC, sample_domain=DOMAIN), scaled)
    np.testing.assert_array_equal(scaler.transform(X_TGT), standard(X_TGT, X_SRC[DOMAIN == -2]))


def test_sample_domain_in_transform_marks_source_rows():
    scaler = CorpusScaler().fit(X_SRC, X_tgt=X_TGT)
    # A domain of one corpus accepts any number of the right sign.
    scaled = scaler.transform(X_SRC, sample_domain=np.where(np.arange(20) < 5, 3, -4))
    np.testing.assert_array_equal(scaled[:5], standard(X_SRC)[:5])
    np.testing.assert_array_equal(scaled[5:], standard(X_SRC[5:], X_TGT))


def test_several_targets_need_a_number():
    domain = np.tile([0, -1, -2, -2], 5)
    scaler = CorpusScaler().fit(X_SRC, sample_domain=domain)
    with pytest.raises(ValueError, match=r"ambiguous: fit saw \[-2, -1\], and sample_domain is No"):
        scaler.transform(X_TGT)
    with pytest.raises(ValueError, match=r"ambiguous: fit saw \[-2, -1\], and sample_domain is -9"):
        scaler.transform(X_TGT, sample_domain=np.full(9, -9))
    scaled = scaler.transform(X_TGT, sample_domain=np.full(9, -1))
    np.testing.assert_array_equal(scaled, standard(X_TGT, X_SRC[domain == -1]))


def test_without_target_it_is_the_standard_scaler():
    scaler = CorpusScaler()
    with pytest.warns(NoTargetWarning, match="CorpusScaler was fitted without a target"):
        source = scaler.fit_transform(X_SRC)
    np.testing.assert_array_equal(source, standard(X_SRC))
    np.testing.assert_array_equal(scaler.transform(X_TGT), standard(X_TGT, X_SRC))


def test_groups_have_their_own_statistics():
    scaler = CorpusScaler()
    speakers_tgt = ["a"] * 4 + ["c"] * 5
    source = scaler.fit_transform(X_SRC, X_tgt=X_TGT, groups=SPEAKERS, groups_tgt=speakers_tgt)
    np.testing.assert_array_equal(source[:10], standard(X_SRC[:10]))
    np.testing.assert_array_equal(source[10:], standard(X_SRC[10:]))
    # Speaker a of the target is another person than speaker a of the source.
    seen = scaler.transform(X_TGT[:2], groups=["a", "c"])
    np.testing.assert_array_equal(seen[:1], standard(X_TGT[:1], X_TGT[:4]))
    np.testing.assert_array_equal(seen[1:], standard(X_TGT[1:2], X_TGT[4:]))


def test_a_new_group_is_scaled_by_its_own_rows():
    scaler = CorpusScaler().fit(X_SRC, X_tgt=X_TGT, groups=SPEAKERS)
    scaled = scaler.transform(X_TGT, groups=["new"] * 6 + ["other"] * 3)
    np.testing.assert_array_equal(scaled[:6], standard(X_TGT[:6]))
    np.testing.assert_array_equal(scaled[6:], standard(X_TGT[6:]))
    np.testing.assert_array_equal(scaler.transform(X_TGT), standard(X_TGT))


def test_a_new_group_of_one_row_is_scaled_by_its_corpus():
    scaler = CorpusScaler().fit(X_SRC, X_tgt=X_TGT, groups=SPEAKERS)
    match = r"The new groups \['p', 'q'\] have one row each and are scaled by"
    with pytest.warns(UserWarning, match=match) as caught:
        scaled = scaler.transform(X_TGT, groups=["p"] + ["new"] * 7 + ["q"])
    assert len(caught) == 1 and caught[0].filename == __file__
    np.testing.assert_array_equal(scaled[[0, 8]], standard(X_TGT)[[0, 8]])
    np.testing.assert_array_equal(scaled[1:8], standard(X_TGT[1:8]))


def test_a_new_group_of_one_spectrogram_is_scaled_by_its_frames(recwarn):
    scaler = CorpusScaler().fit(SPECTRA_SRC, X_tgt=SPECTRA_TGT)
    scaled = scaler.transform(SPECTRA_TGT[:1], groups=["new"])
    np.testing.assert_array_equal(scaled, standard_3d(SPECTRA_TGT[:1], SPECTRA_TGT[:1]))
    assert not recwarn.list


def test_a_wrapped_source_is_unwrapped():
    expected = CorpusScaler().fit_transform(X_SRC, X_tgt=X_TGT)
    scaled = CorpusScaler().fit_transform(Target(X_SRC), X_tgt=Target(X_TGT))
    np.testing.assert_array_equal(scaled, expected)
    expected = CorpusScaler().fit_transform(X_SRC, sample_domain=DOMAIN)
    scaled = CorpusScaler().fit_transform(Target(X_SRC), sample_domain=DOMAIN)
    np.testing.assert_array_equal(scaled, expected)


def test_groups_of_stacked_spectrograms():
    X = np.concatenate([SPECTRA_SRC, SPECTRA_TGT])
    domain, speakers = np.repeat([0, -1], [6, 4]), pd.Series([1, 1, 1, 2, 2, 2, 1, 1, 3, 3])
    scaled = CorpusScaler().fit_transform(X, sample_domain=domain, groups=speakers)
    for start, stop in [(0, 3), (3, 6), (6, 8), (8, 10)]:
        part = X[start:stop]
        np.testing.assert_array_equal(scaled[start:stop], standard_3d(part, part))


@pytest.mark.parametrize("value", [1.1, -1e6])
def test_constant_features_are_divided_by_one(value):
    spectra = SPECTRA_SRC.copy()
    spectra[:, 2] = value
    scaler = CorpusScaler()
    scaled = scaler.fit_transform(spectra, X_tgt=np.full((3, 5, 7), value))
    assert np.isfinite(scaled).all()
    np.testing.assert_allclose(scaled[:, 2], 0, atol=1e-6)
    np.testing.assert_allclose(
        scaler.transform(np.full((1, 5, 7), value + 2.0)), 2.0, rtol=0, atol=1e-6
    )


def test_spectrograms_ignore_set_output():
    with sklearn.config_context(transform_output="pandas"):
        scaler = CorpusScaler()
        source = scaler.fit_transform(SPECTRA_SRC, X_tgt=SPECTRA_TGT)
        target = clone(scaler).set_output(transform="pandas").fit(SPECTRA_SRC, X_tgt=SPECTRA_TGT)
        assert target.transform(SPECTRA_TGT).shape == SPECTRA_TGT.shape
    np.testing.assert_array_equal(source, standard_3d(SPECTRA_SRC, SPECTRA_SRC))
    assert not hasattr(scaler, "get_feature_names_out")


def test_more_than_three_axes():
    with pytest.raises(ValueError, match=r"must be of shape .* got \(2, 3, 4, 5\)"):
        CorpusScaler().fit(np.zeros((2, 3, 4, 5)), X_tgt=np.zeros((2, 3, 4, 5)))


def test_other_axes_than_in_fit():
    """The shape is named, not a number of features that means another axis."""
    scaler = CorpusScaler().fit(SPECTRA_SRC, X_tgt=SPECTRA_TGT)
    for rows in (SPECTRA_SRC[:, :, 0], SPECTRA_SRC[:, :, 0].tolist(), np.ones((6, 5 + 1))):
        with pytest.raises(ValueError, match=r"must have 3 axes, as in fit; got shape \(6, [56]\)"):
            scaler.transform(rows)
    scaler = CorpusScaler().fit(np.eye(3), X_tgt=np.eye(3))
    with pytest.raises(ValueError, match=r"must have 2 axes, .*Scaler was fitted on rows of fea"):
        scaler.transform(SPECTRA_SRC)


def test_groups_of_the_wrong_length():
    with pytest.raises(ValueError, match="groups must have one entry per row: 2 != 20"):
        CorpusScaler().fit(X_SRC, X_tgt=X_TGT, groups=["a", "b"])
    with pytest.raises(ValueError, match="groups_tgt must have one entry per row: 2 != 9"):
        CorpusScaler().fit(X_SRC, X_tgt=X_TGT, groups_tgt=["a", "b"])


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_missing_groups(missing):
    with pytest.raises(ValueError, match=r"groups holds 1 missing label\(s\), the first in row 1"):
        CorpusScaler().fit(X_TGT[:2], X_tgt=X_TGT, groups=["a", missing])


@pytest.mark.parametrize(
    "groups, shape",
    [
        ([("a", 1), ("b", 2)], r"\(2, 2\)"),
        (pd.DataFrame({"speaker": ["a", "b"], "take": [1, 2]}), r"\(2, 2\)"),
    ],
)
def test_groups_of_the_wrong_shape(groups, shape):
    with pytest.raises(ValueError, match=f"groups must be one-dimensional, .* got shape {shape}"):
        CorpusScaler().fit(X_TGT[:2], X_tgt=X_TGT, groups=groups)


@pytest.mark.parametrize("domain", [None, DOMAIN])
@pytest.mark.filterwarnings("ignore::skdidan.NoTargetWarning")
def test_groups_tgt_without_x_tgt(domain):
    with pytest.raises(ValueError, match="groups_tgt needs X_tgt, which was not"):
        CorpusScaler().fit(X_SRC, sample_domain=domain, groups_tgt=SPEAKERS)


def test_sample_domain_of_the_wrong_length_in_transform():
    scaler = CorpusScaler().fit(X_SRC, X_tgt=X_TGT)
    with pytest.raises(ValueError, match="sample_domain and X differ in length: 2 != 9"):
        scaler.transform(X_TGT, sample_domain=[-1, -1])


# Spectrograms of different lengths

LENGTHS = [7, 3, 1, 6, 7, 2]


def padded(X, lengths=LENGTHS):
    X = X.copy()
    for row, length in zip(X, lengths, strict=True):
        row[:, length:] = np.nan
    return X


def test_padding_is_ignored_and_kept():
    X_src, X_tgt = padded(SPECTRA_SRC), SPECTRA_TGT[:, :, :4]
    scaler = CorpusScaler()
    source, target = scaler.fit_transform(X_src, X_tgt=X_tgt), scaler.transform(X_tgt)
    mean = np.nanmean(X_src, axis=(0, 2), keepdims=True)
    deviation = np.nanstd(X_src, axis=(0, 2), keepdims=True)
    np.testing.assert_allclose(source, (X_src - mean) / deviation, atol=1e-12)
    np.testing.assert_array_equal(np.isnan(source), np.isnan(X_src))
    np.testing.assert_array_equal(target, standard_3d(X_tgt, X_tgt))


def test_more_padding_changes_no_frame():
    X = padded(SPECTRA_SRC)
    longer = np.concatenate([X, np.full((6, 5, 9), np.nan)], axis=2)
    scaled = [CorpusScaler().fit_transform(rows, X_tgt=SPECTRA_TGT) for rows in (X, longer)]
    np.testing.assert_allclose(scaled[1][:, :, :7], scaled[0], rtol=1e-12)
    assert np.isnan(scaled[1][:, :, 7:]).all()


def test_a_new_group_of_a_single_frame_is_scaled_as_its_corpus():
    X = padded(SPECTRA_SRC)
    groups = ["a"] * 6
    scaler = CorpusScaler().fit(SPECTRA_SRC, X_tgt=X, groups_tgt=groups)
    with pytest.warns(UserWarning, match="have one row each"):
        scaled = scaler.transform(X[2:3], groups=["new"])
    np.testing.assert_array_equal(scaled, scaler.transform(X[2:3]))
    assert np.isfinite(scaled[:, :, 0]).all()


def test_nan_other_than_padding_is_refused():
    X = padded(SPECTRA_SRC)
    X[1, 4, 2] = np.nan
    for name, rows in (("X", {"X_tgt": SPECTRA_TGT}), ("X_tgt", {"X": SPECTRA_TGT})):
        with pytest.raises(ValueError, match=f"first in row 1 of {name}, bin 4, frame 2"):
            CorpusScaler().fit(**{name: X}, **rows)
    scaler = CorpusScaler().fit(SPECTRA_SRC, X_tgt=SPECTRA_TGT)
    with pytest.raises(ValueError, match="first in row 1 of X, bin 4, frame 2"):
        scaler.transform(X)
    X[:, 0] = np.nan
    with pytest.raises(ValueError, match="first in row 0 of X, bin 0, frame 0"):
        scaler.transform(X)
    X[5] = np.nan
    with pytest.raises(ValueError, match="nothing but NaN in 1 of 6 rows, the first of them row 5"):
        scaler.transform(X)


# Large and small numbers


@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e-160, 1e160, 1e300])
def test_the_scale_of_features_changes_nothing(scale):
    # Rounded first: numbers below 1e-308 have few digits.
    X_src, X_tgt = np.round(X_SRC, 1), np.round(X_TGT, 1)
    scaler = CorpusScaler()
    source, target = scaler.fit_transform(X_src * scale, X_tgt=X_tgt * scale), X_tgt * scale
    np.testing.assert_allclose(source, standard(X_src), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(scaler.transform(target), standard(X_tgt), rtol=1e-9, atol=1e-9)


def test_an_offset_in_single_precision_changes_nothing():
    X = (np.arange(40.0).reshape(20, 2) + 1e7).astype(np.float32)
    scaled = CorpusScaler().fit_transform(X, X_tgt=X)
    np.testing.assert_allclose(scaled, standard(np.arange(40.0).reshape(20, 2)), rtol=1e-6)


def test_a_constant_of_any_size_is_divided_by_one():
    X = np.full((4, 2), [0.3e-200, 5.0])
    scaler = CorpusScaler().fit(X, X_tgt=X)
    np.testing.assert_array_equal(scaler.transform(X + 2), [[2.0, 2.0]] * 4)


def test_numbers_that_are_too_large_once_scaled_are_named():
    scaler = CorpusScaler().fit(X_SRC * 1e-200, X_tgt=X_TGT * 1e-200)
    X = X_TGT * 1e-200
    X[3, 2] = 1e200
    with pytest.raises(ValueError, match=r"too large for dtype.* first in row 3 of X, column 2"):
        scaler.transform(X)


def test_blocks_of_rows_are_scaled_as_one(monkeypatch):
    X, corpora = padded(SPECTRA_SRC), np.array([0, -1, 0, 0, -1, 0])
    expected = CorpusScaler().fit_transform(X, sample_domain=corpora)
    monkeypatch.setattr(scaling, "_BLOCK", 70)
    scaled = CorpusScaler().fit_transform(X, sample_domain=corpora)
    np.testing.assert_allclose(scaled, expected, rtol=1e-12)


def test_a_new_group_is_scaled_as_the_fit_was():
    X = np.random.default_rng(0).normal(size=(20, 2))
    scaler = CorpusScaler().fit(X, X_tgt=X, groups_tgt=np.repeat(["a", "b"], 10))
    expected = scaler.transform(X, groups=["new"] * 20)
    scaler.set_params(with_std=False)
    np.testing.assert_array_equal(scaler.transform(X, groups=["new"] * 20), expected)
