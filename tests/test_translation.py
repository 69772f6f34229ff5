"""Translation of spectrograms: the networks on patches, and the transformer around them."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from torch.nn.functional import pad

from skdidan import (
    CorpusScaler,
    NoTargetWarning,
    SourceOnlyClassifier,
    SpectrogramTranslator,
    Target,
    load,
    make_adaptation_pipeline,
    save,
)
from skdidan.neural.patches import (
    Discriminator,
    Generator,
    PatchContrast,
    crop,
    masked_mean,
    patch_contrast,
)
from skdidan.neural.translation import _Rivals, _summaries

SMALL = {"n_frames": 8, "channels": 4, "max_epochs": 4, "lr": 0.005, "batch_size": 8}
SMALL["random_state"] = 0
NAN = float("nan")


@pytest.fixture(scope="module")
def spectra():
    """Spectrograms of 9 bins, some of them padded; the target is louder in high bins."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(36, 9, 21)).astype(np.float32)
    X_tgt = rng.normal(size=(50, 9, 17)).astype(np.float32)
    X_tgt += np.linspace(0, 2, 9, dtype=np.float32)[:, np.newaxis]
    for part in (X, X_tgt):
        part[::3, :, 6:] = np.nan
    return X, X_tgt


def unsettled_generator():
    torch.manual_seed(0)
    generator = Generator(4)
    torch.nn.init.normal_(generator.output.weight)
    return generator


class TestNetworks:
    """Generator, discriminator and contrast."""

    @pytest.mark.parametrize("n_bins", [1, 2, 9, 16])
    @pytest.mark.parametrize("n_frames", [1, 2, 5, 16])
    def test_frames_behind_the_mask_change_nothing(self, n_bins, n_frames):
        X, mask = torch.randn(2, n_bins, n_frames), torch.ones(2, n_frames, dtype=torch.bool)
        longer, longer_mask = pad(X, (0, 11)), pad(mask, (0, 11))
        generator, discriminator = unsettled_generator(), Discriminator(4)
        residual = generator(longer, longer_mask)
        torch.testing.assert_close(residual[:, :, :n_frames], generator(X, mask), atol=1e-5, rtol=0)
        assert not residual[:, :, n_frames:].any() and residual.shape == longer.shape
        scores, hidden = discriminator(longer, longer_mask)
        expected, whole = discriminator(X, mask)
        assert whole.all() and hidden.sum() == whole.sum()
        torch.testing.assert_close(masked_mean(scores, hidden), expected.mean())

    def test_gradients_reach_all_weights(self):
        generator, X = unsettled_generator(), torch.randn(3, 9, 12)
        generator(X, torch.ones(3, 12, dtype=torch.bool)).square().sum().backward()
        assert all(weights.grad.abs().sum() > 0 for weights in generator.parameters())

    def test_the_contrast_equals_a_plain_loop(self):
        queries, keys = np.random.default_rng(0).normal(size=(2, 3, 5, 4))
        losses = []
        for query_rows, key_rows in zip(queries, keys, strict=True):
            for place, query in enumerate(query_rows):
                cosines = [
                    query @ key / np.linalg.norm(query) / np.linalg.norm(key) for key in key_rows
                ]
                powers = np.exp(np.array(cosines) / 0.2)
                losses.append(-np.log(powers[place] / powers.sum()))
        found = patch_contrast(torch.tensor(queries), torch.tensor(keys), 0.2)
        assert float(found) == pytest.approx(np.mean(losses))

    def test_the_contrast_of_levels_compares_the_same_places(self):
        """Levels against themselves cost less than against those of other recordings."""
        generator, contrast = Generator(4), PatchContrast(4, n_patches=16, temperature=0.1)
        X, mask = torch.randn(4, 9, 16), torch.ones(4, 16, dtype=torch.bool)
        levels, others = (generator.encoder(rows, mask)[1:] for rows in (X, X.flip(0)))
        same, other = (
            contrast(levels, keys, np.random.default_rng(0)).item() for keys in (levels, others)
        )
        assert 0 < same < other

    def test_a_mean_leaves_padding_out(self):
        maps = torch.tensor([[[1.0, 2, 9], [3, 4, 9]], [[5, 9, 9], [6, 9, 9]]])
        mask = torch.tensor([[True, True, False], [True, False, False]])
        assert masked_mean(maps, mask) == pytest.approx(21 / 6)

    def test_windows_lie_within_recordings(self):
        frames = torch.arange(1.0, 13).expand(200, 2, 12).clone()
        frames[::2, :, 3:] = NAN
        window, mask = crop(frames, 5, np.random.default_rng(0))
        assert mask[1::2].all() and mask[::2].tolist() == [[True] * 3 + [False] * 2] * 100
        assert window[::2].tolist() == [[[1, 2, 3, 0, 0]] * 2] * 100
        assert (window[1::2].diff(dim=2) == 1).all()
        assert set(window[1::2, 0, 0].tolist()) == set(range(1, 9))
        window, mask = crop(frames[:1], 20, np.random.default_rng(0))
        assert window.shape == (1, 2, 20) and mask.sum() == 3


class TestTraining:
    """One step, and the rows that judge an epoch."""

    def test_losses_of_the_first_step(self):
        """Nothing is translated yet: the discriminator scores both domains as they are."""
        rivals = _Rivals(SpectrogramTranslator(**SMALL), 0, torch.device("cpu"))
        before = copy.deepcopy(rivals.discriminator)
        source, target = torch.randn(2, 3, 9, 8)
        losses = rivals.step(source, target, np.random.default_rng(0)).tolist()
        mask = torch.ones(3, 8, dtype=torch.bool)
        scores = [before(rows, mask)[0].detach().numpy() for rows in (source, target)]
        expected = (np.mean(scores[0] ** 2) + np.mean((scores[1] - 1) ** 2)) / 2
        assert losses[0] == pytest.approx(expected, rel=1e-5)
        after = rivals.discriminator(source, mask)[0].detach().numpy()
        assert losses[1] == pytest.approx(np.mean((after - 1) ** 2), rel=1e-5)
        assert losses[2] > 0 and losses[3] == 0
        assert rivals.generator(source, mask).any()  # the step has moved it

    def test_summaries_leave_padding_out(self):
        X = np.random.default_rng(0).normal(size=(3, 4, 9))
        X[1, :, 5:] = X[2, :, 1:] = np.nan
        n_frames = np.array([[9], [5], [1]])
        steps = np.sqrt(np.nansum(np.diff(X) ** 2, axis=2) / n_frames)
        expected = np.hstack([np.nanmean(X, axis=2), np.nanstd(X, axis=2), steps])
        np.testing.assert_allclose(_summaries(torch.tensor(X)).numpy(), expected, atol=1e-12)


class TestIdentity:
    """Before any training the source does not change, to the last digit."""

    @pytest.mark.parametrize("params", [{"max_epochs": 0}, {"trade_off": 0}])
    def test_without_epochs_or_weight(self, params, spectra):
        X, X_tgt = spectra
        translator = SpectrogramTranslator(**{**SMALL, **params})
        np.testing.assert_array_equal(translator.fit_transform(X, X_tgt=X_tgt), X)
        assert translator.best_epoch_ == 0 and translator.history_ == []

    def test_without_a_target(self, spectra):
        with pytest.warns(NoTargetWarning, match="SpectrogramTranslator was fitted without a"):
            Z = SpectrogramTranslator(**SMALL).fit_transform(spectra[0])
        np.testing.assert_array_equal(Z, spectra[0])

    def test_if_no_epoch_is_better(self):
        """Both domains are the same few rows, which are judged, too: nothing beats a distance 0."""
        X = np.random.default_rng(0).normal(size=(4, 9, 12))
        translator = SpectrogramTranslator(**{**SMALL, "max_epochs": 9, "patience": 2})
        np.testing.assert_array_equal(translator.fit_transform(X, X_tgt=X), X)
        assert translator.best_epoch_ == 0 and len(translator.history_) == 1 + 2
        assert translator.history_[0] == {"epoch": 0, "discrepancy": pytest.approx(0, abs=1e-6)}

    def test_if_the_training_diverges(self, spectra):
        X, X_tgt = spectra
        translator = SpectrogramTranslator(**{**SMALL, "lr": 1e30})
        with pytest.warns(ConvergenceWarning, match=r"diverged in epoch 1: .*Lower lr=1e\+30"):
            Z = translator.fit_transform(X, X_tgt=X_tgt)
        np.testing.assert_array_equal(Z, X)


@pytest.fixture(scope="module")
def fitted(spectra):
    """Return a translator that is not the identity, and what it makes of the source."""
    translator = SpectrogramTranslator(**SMALL)
    Z = translator.fit_transform(spectra[0], X_tgt=spectra[1])
    assert translator.best_epoch_ > 0
    return translator, Z


class TestTranslator:
    """Promises of the transformer."""

    def test_moves_the_source_towards_the_target(self, spectra):
        """And target rows, padding and input stay as they are."""
        X, X_tgt = spectra
        before = X.copy()
        translator = SpectrogramTranslator(**{**SMALL, "max_epochs": 10})
        Z = translator.fit_transform(X, X_tgt=X_tgt)
        history = translator.history_
        assert [epoch["epoch"] for epoch in history] == list(range(11))
        assert set(history[1]) == {
            *("epoch", "discriminator", "adversarial", "contrast", "identity", "discrepancy")
        }
        best = min(history, key=lambda epoch: epoch["discrepancy"])
        assert best["epoch"] == translator.best_epoch_ > 0
        assert best["discrepancy"] < 0.9 * history[0]["discrepancy"]
        gaps = [abs(np.nanmean(part) - np.nanmean(X_tgt)) for part in (Z, X)]
        assert gaps[0] < 0.8 * gaps[1]
        assert Z.dtype == np.float32 and np.array_equal(np.isnan(Z), np.isnan(X))
        np.testing.assert_array_equal(translator.transform(X_tgt), X_tgt)
        np.testing.assert_array_equal(X, before)

    def test_stacked_and_held_rows_come_back_in_their_order(self, fitted, spectra):
        X, X_tgt = spectra
        translator, Z = fitted
        is_source = np.random.default_rng(0).permutation(np.arange(86) < len(X))
        rows = np.full((86, 9, 21), NAN, dtype=np.float32)
        rows[is_source], rows[~is_source, :, :17] = X, X_tgt
        both = clone(translator).fit_transform(rows, sample_domain=np.where(is_source, 3, -1))
        np.testing.assert_array_equal(both[is_source], Z)
        np.testing.assert_array_equal(both[~is_source], rows[~is_source])
        held = clone(translator).fit_transform(X, X_tgt=Target(X_tgt))
        np.testing.assert_array_equal(held, Z)

    def test_rows_are_translated_one_by_one_and_without_their_padding(self, fitted, spectra):
        X, _ = spectra
        translator, Z = fitted
        numbers = np.zeros(3)
        np.testing.assert_allclose(translator.transform(X[3:6], sample_domain=numbers), Z[3:6])
        alone = translator.transform(X[3:4, :, :6], sample_domain=[0])
        np.testing.assert_allclose(alone, Z[3:4, :, :6], atol=1e-5)

    def test_the_seed_decides_and_global_generators_are_left_alone(self, fitted, spectra):
        (X, X_tgt), (translator, Z) = spectra, fitted
        before = torch.get_rng_state()
        again, other = (
            clone(translator).set_params(random_state=seed).fit_transform(X, X_tgt=X_tgt)
            for seed in (0, 1)
        )
        np.testing.assert_array_equal(again, Z)
        assert not np.array_equal(other, Z, equal_nan=True)
        assert torch.equal(torch.get_rng_state(), before)

    def test_saved_and_pickled_ones_translate_the_same(self, fitted, spectra, tmp_path):
        X, _ = spectra
        translator, Z = fitted
        save(translator, tmp_path / "translator")
        others = [load(tmp_path / "translator"), pickle.loads(pickle.dumps(translator))]
        others[0].set_params(channels=7)  # which concerns the next fit
        for other in others:
            np.testing.assert_array_equal(other.transform(X, sample_domain=np.zeros(len(X))), Z)

    def test_a_pipeline_trains_on_translated_rows(self, spectrogram_domains):
        X_src, y_src, X_tgt, y_tgt = spectrogram_domains
        classifier = SourceOnlyClassifier(max_epochs=15, batch_size=16, random_state=0)
        translator = SpectrogramTranslator(**SMALL)
        pipeline = make_adaptation_pipeline(CorpusScaler(), translator, classifier)
        pipeline.fit(X_src, y_src, X_tgt)
        scaler = CorpusScaler()
        scaled = scaler.fit_transform(X_src, X_tgt=X_tgt), scaler.transform(X_tgt)
        Z = clone(translator).fit_transform(scaled[0], X_tgt=scaled[1])
        alone = clone(classifier).fit(Z, y_src).decision_function(scaled[1])
        np.testing.assert_allclose(pipeline.decision_function(X_tgt), alone, atol=1e-5)
        assert (pipeline.predict(X_tgt) == y_tgt).mean() > 0.9

    def test_a_fit_that_fails_leaves_it_as_it_was(self, fitted, spectra):
        translator, _ = fitted
        before = {name: id(value) for name, value in vars(translator).items()}
        with pytest.raises(ValueError, match=r"spectrograms of shape .*; got \(9, 4\). Use Corr"):
            translator.fit(np.ones((9, 4)), X_tgt=np.ones((9, 4)))
        assert {name: id(value) for name, value in vars(translator).items()} == before

    @pytest.mark.filterwarnings("ignore:.*are constant")
    @pytest.mark.parametrize("scale", [0.0, 1e-30, 1e30, 1e200])
    def test_any_scale(self, scale, spectra):
        X, X_tgt = (part[:9].astype(float) * scale for part in spectra)
        Z = SpectrogramTranslator(**SMALL).fit_transform(X, X_tgt=X_tgt)
        assert np.array_equal(np.isfinite(Z), ~np.isnan(X))

    def test_results_beyond_numbers_are_an_error(self, fitted, spectra):
        translator, _ = fitted
        with pytest.raises(ValueError, match="SpectrogramTranslator maps row 0 of X, far beyond"):
            translator.transform(spectra[0].astype(float) * 1e300, sample_domain=np.zeros(36))

    @pytest.mark.parametrize(
        ("params", "match"),
        [
            ({"max_epochs": -1}, "max_epochs must be a whole number of at least 0; got -1"),
            ({"trade_off": -1}, "trade_off must be a finite number of at least 0; got -1"),
            ({"n_frames": 0}, "n_frames must be a whole number of at least 1; got 0"),
            ({"validation_fraction": 1.0}, "validation_fraction must be .*; got 1.0"),
            ({"temperature": 0}, "temperature must be a finite number above 0; got 0"),
        ],
    )
    def test_parameters_are_checked(self, params, match, spectra):
        with pytest.raises(ValueError, match=match):
            SpectrogramTranslator(**params).fit(spectra[0], X_tgt=spectra[1])


def test_rows_of_other_axes_are_refused(fitted):
    for shape in ((3, 9), (3, 8), (3, 9, 20, 1)):
        with pytest.raises(ValueError, match="X must have 3 axes, as in fit"):
            fitted[0].transform(np.zeros(shape))
