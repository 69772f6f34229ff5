"""Plots of learning curves, embeddings, probabilities and spectrograms: what is drawn where."""

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.decomposition import PCA

from skdidan import (
    DANClassifier,
    plot_calibration,
    plot_embeddings,
    plot_history,
    plot_spectrograms,
)


@pytest.fixture
def ax():
    return Figure().subplots()


class TestHistory:
    """Learning curves."""

    epochs = (
        {"epoch": 1, "dur": 0.1, "lr": 0.1, "trade_off": 0.0, "train_loss": 2.0, "mmd": 0.5},
        {"epoch": 2, "dur": 0.1, "lr": 0.1, "trade_off": 0.5, "train_loss": 1.0, "mmd": 0.25},
    )

    def test_every_term_is_a_curve_of_its_own_colour_and_style(self, ax):
        assert plot_history(self.epochs, ax=ax) is ax
        curves = {line.get_label(): line.get_ydata().tolist() for line in ax.lines}
        assert curves == {"train_loss": [2.0, 1.0], "mmd": [0.5, 0.25]}
        assert all(line.get_xdata().tolist() == [1, 2] for line in ax.lines)
        assert len({line.get_color() for line in ax.lines}) == 2
        assert len({line.get_linestyle() for line in ax.lines}) == 2
        assert ax.get_yscale() == "log"
        assert [text.get_text() for text in ax.get_legend().get_texts()] == ["train_loss", "mmd"]

    def test_values_that_are_not_positive_have_a_linear_scale(self, ax):
        plot_history([{"epoch": 1, "monitor": -1.0}], ax=ax)
        assert ax.get_yscale() == "linear" and ax.lines[0].get_marker() == "o"

    def test_a_fitted_classifier_and_chosen_terms(self, ax, domains):
        classifier = DANClassifier(max_epochs=2, random_state=0).fit(*domains[:3])
        plot_history(classifier, terms=["mmd", "lr"], ax=ax)
        expected = [epoch["mmd"] for epoch in classifier.history_]
        assert ax.lines[0].get_ydata().tolist() == expected
        assert ax.lines[1].get_label() == "lr"

    def test_invalid_arguments(self, ax):
        for wrong in ([], [1]):
            with pytest.raises(ValueError, match=r"history must be a list of dict, .*; got"):
                plot_history(wrong, ax=ax)
        with pytest.raises(ValueError, match=r"terms must be in the history, .*; got \['f'\]"):
            plot_history(self.epochs, terms=["f", "mmd"], ax=ax)


class TestEmbeddings:
    """Principal components of both domains."""

    rng = np.random.default_rng(0)
    X_src, X_tgt = rng.normal(size=(8, 3)), rng.normal(size=(6, 3)) + 2
    y_src, y_tgt = np.array(list("abababab")), np.array(list("aabbcc"))

    def test_points_are_the_components_of_both_domains(self, ax):
        assert plot_embeddings(self.X_src, self.y_src, self.X_tgt, ax=ax) is ax
        pca = PCA(2).fit(np.concatenate([self.X_src, self.X_tgt]))
        a, b, target = (np.asarray(points.get_offsets()) for points in ax.collections[:3])
        expected = pca.transform(self.X_src)
        # A component has no sign of its own.
        np.testing.assert_allclose(np.abs(a), np.abs(expected[::2]), atol=1e-9)
        np.testing.assert_allclose(np.abs(b), np.abs(expected[1::2]), atol=1e-9)
        np.testing.assert_allclose(np.abs(target), np.abs(pca.transform(self.X_tgt)), atol=1e-9)

    def test_domains_are_filled_and_hollow_and_emotions_have_colours_and_markers(self, ax):
        plot_embeddings(self.X_src, self.y_src, self.X_tgt, self.y_tgt, ax=ax)
        source, target = ax.collections[:3], ax.collections[3:6]
        assert [len(points.get_offsets()) for points in (*source, *target)] == [4, 4, 0, 2, 2, 2]
        assert all(len(points.get_facecolors()) == 0 for points in target)
        filled = [points.get_facecolors()[0, :3].tolist() for points in source]
        edges = [points.get_edgecolors()[0, :3].tolist() for points in target]
        assert filled == edges and len({tuple(colour) for colour in filled}) == 3
        shapes = {len(points.get_paths()[0].vertices) for points in source}
        assert len(shapes) > 1
        names = [text.get_text() for text in ax.get_legend().get_texts()]
        assert names == ["a", "b", "c", "source", "target"]

    def test_an_unlabelled_target_is_grey(self, ax):
        plot_embeddings(self.X_src.reshape(8, 3, 1), self.y_src, self.X_tgt, ax=ax)
        assert ax.collections[2].get_edgecolors()[0].tolist() == list(to_rgba("#666666"))

    def test_invalid_arguments(self, ax):
        given = self.X_src, self.y_src, self.X_tgt
        with pytest.raises(ValueError, match="equally many features; got 3 and 2"):
            plot_embeddings(*given[:2], self.X_tgt[:, :2], ax=ax)
        with pytest.raises(ValueError, match="X_tgt must have at least two features; got 1"):
            plot_embeddings(*given[:2], self.X_tgt[:, :1], ax=ax)
        with pytest.raises(ValueError, match=r"labels must list all emotions; \['b'\] are missing"):
            plot_embeddings(*given, labels=["a"], ax=ax)
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            plot_embeddings(self.X_src, self.y_src[:3], self.X_tgt, ax=ax)
        with pytest.raises(ValueError, match="At most 9 emotions have colours; got 10"):
            plot_embeddings(np.eye(10), range(10), np.eye(10), ax=ax)
        with pytest.raises(ValueError, match="contains NaN"):
            plot_embeddings(self.X_src * np.nan, self.y_src, self.X_tgt, ax=ax)


class TestCalibration:
    """Reliability curves."""

    def test_points_are_those_of_scikit_learn(self, ax):
        """With two classes, the confidence is a probability of being correct."""
        rng = np.random.default_rng(0)
        p = rng.uniform(size=200)
        probabilities, y = np.stack([1 - p, p], axis=1), rng.choice(["a", "b"], 200)
        assert plot_calibration(y, probabilities, ["a", "b"], n_bins=7, ax=ax) is ax
        is_correct = np.where(p > 0.5, "b", "a") == y
        confidence = np.maximum(p, 1 - p)
        accuracy, mean = calibration_curve(is_correct, confidence, n_bins=7)
        np.testing.assert_allclose(ax.lines[1].get_xdata(), mean)
        np.testing.assert_allclose(ax.lines[1].get_ydata(), accuracy)

    def test_error_by_hand_and_the_area_of_points(self, ax):
        """Bins at 0.6 (one of two right) and 1 (all of two right): (2·0.1 + 2·0)/4 = 0.05."""
        probabilities = [[0.6, 0.4], [0.4, 0.6], [1, 0], [0, 1]]
        plot_calibration(list("aaab"), probabilities, ["a", "b"], name="DIDAN", ax=ax)
        texts = [text.get_text() for text in ax.get_legend().get_texts()]
        assert texts == ["perfect", "DIDAN, ECE 0.050"]
        assert ax.lines[1].get_ydata().tolist() == [0.5, 1.0]
        sizes = ax.collections[0].get_sizes()
        assert sizes[0] == sizes[1] > 0

    def test_several_curves_share_a_diagonal(self, ax):
        for name in ("source", "target"):
            plot_calibration(["a", "b"], np.eye(2), ["a", "b"], name=name, ax=ax)
        assert [line.get_label() for line in ax.lines] == [
            *("perfect", "source, ECE 0.000", "target, ECE 0.000"),
        ]
        assert len({line.get_color() for line in ax.lines}) == 3
        assert len({line.get_marker() for line in ax.lines[1:]}) == 2

    def test_invalid_arguments(self, ax):
        for wrong in ([[2, -1]], [[0.5, 0.4]], [[np.nan, 1]]):
            with pytest.raises(ValueError, match="must be between 0 and 1, and sum to 1"):
                plot_calibration(["a"], wrong, ["a", "b"], ax=ax)
        with pytest.raises(ValueError, match=r"a column for each of 3 classes; got shape \(1, 2\)"):
            plot_calibration(["a"], [[0.5, 0.5]], list("abc"), ax=ax)
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            plot_calibration(["a", "b"], [[0.5, 0.5]], ["a", "b"], ax=ax)
        with pytest.raises(ValueError, match="n_bins must be"):
            plot_calibration(["a"], [[0.5, 0.5]], ["a", "b"], n_bins=0, ax=ax)


class TestSpectrograms:
    """Grids of spectrograms."""

    spectrograms = np.arange(24.0).reshape(2, 3, 4)

    def test_images_share_their_scale_and_padding_is_left_out(self):
        padded = self.spectrograms.copy()
        padded[1, :, 2:] = np.nan
        panels = Figure().subplots(1, 2)
        axes = plot_spectrograms(padded, titles=["fear", "joy"], frame_step=0.5, ax=panels)
        images = [panel.images[0] for panel in axes]
        assert [image.get_clim() for image in images] == [(0, 21), (0, 21)]
        assert images[0].get_extent() == [0, 2.0, -0.5, 2.5]
        np.testing.assert_array_equal(images[1].get_array().mask[:, 2:], True)
        assert [panel.get_title() for panel in axes] == ["fear", "joy"]
        assert [panel.get_ylabel() for panel in axes] == ["bin", ""]

    def test_a_new_figure_has_three_columns(self):
        matplotlib.use("agg")
        import matplotlib.pyplot as plt

        axes = plot_spectrograms(np.zeros((4, 3, 2)))
        assert len(axes) == len(axes[0].figure.axes) == 4
        places = [panel.get_subplotspec().get_geometry()[:2] for panel in axes]
        assert set(places) == {(2, 3)} and axes[3].get_xlabel() == "frame"
        plt.close(axes[0].figure)

    def test_invalid_arguments(self, ax):
        for wrong in (np.zeros((3, 4)), np.zeros((0, 3, 4))):
            with pytest.raises(ValueError, match=r"must have shape \(n, n_bins, n_frames\); got"):
                plot_spectrograms(wrong, ax=ax)
        with pytest.raises(ValueError, match="must hold finite values; got none"):
            plot_spectrograms(np.full((1, 2, 2), np.nan), ax=ax)
        with pytest.raises(ValueError, match=r"titles must have one for each of 2 .*; got 1"):
            plot_spectrograms(self.spectrograms, titles=["a"])
        with pytest.raises(ValueError, match=r"one axes for each of 2 spectrograms, .*; got 1"):
            plot_spectrograms(self.spectrograms, ax=ax)
        with pytest.raises(ValueError, match="frame_step must be"):
            plot_spectrograms(self.spectrograms, frame_step=0)


def test_no_setting_of_matplotlib_is_changed():
    before = dict(matplotlib.rcParams)
    plot_history(TestHistory.epochs, ax=Figure().subplots())
    plot_embeddings(np.eye(3), list("aab"), np.eye(3), ax=Figure().subplots())
    plot_spectrograms(np.zeros((1, 2, 2)), ax=Figure().subplots())
    assert dict(matplotlib.rcParams) == before
