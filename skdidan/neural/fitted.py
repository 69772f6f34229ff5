"""Predictions and features of the networks that a fit has trained."""

from __future__ import annotations

from typing import Any, ClassVar

from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Tags, assert_all_finite
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skdidan.estimators import GroupedEstimator
from skdidan.neural.batches import ArrayRows
from skdidan.neural.monitoring import NetPredictions
from skdidan.neural.training import AdaptationNet
from skdidan.padding import is_padded
from skdidan.probabilities import ProbabilisticClassifier
from skdidan.torch_state import copy_to_cpu
from skdidan.validation import check_rows

__all__ = ["FittedNetworks"]


class FittedNetworks(ProbabilisticClassifier, GroupedEstimator):
    """Base of the neural classifiers: what they do once they are fitted."""

    #: Attributes that hold networks.
    _net_lists: ClassVar[tuple[str, ...]] = ("nets_",)
    nets_: list[AdaptationNet]
    classes_: NDArray[Any]
    feature_shape_: tuple[Any, ...]

    @property
    def net_(self) -> AdaptationNet:
        """The first of `nets_`."""
        return self.nets_[0]

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the class of each row.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features) or (n_samples, n_bins, n_frames)
            Rows of the target; spectrograms of any length if those of `fit` differed in length.
            `LazyRows` and Datasets of PyTorch are read batch by batch.

        Returns
        -------
        y : ndarray, shape (n_samples,)
            Labels out of `classes_`.
        """
        y_idx = self._predictions(X).predicted
        return self.classes_[y_idx]

    def decision_function(self, X: ArrayLike) -> NDArray[Any]:
        """Return the outputs of the network, or the mean outputs of several.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features) or (n_samples, n_bins, n_frames)
            Rows of the target domain.

        Returns
        -------
        scores : ndarray, shape (n_samples, n_classes) or (n_samples,)
            The outputs; with two classes, the second output minus the first.
        """
        scores = self._predictions(X).scores
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Estimate class probabilities.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features) or (n_samples, n_bins, n_frames)
            Rows of the target domain.

        Returns
        -------
        probabilities : ndarray, shape (n_samples, n_classes)
            The softmax of the outputs under the log loss. Under the squared error the outputs
            themselves estimate the probabilities, and the nearest distribution to them is
            returned: their Euclidean projection onto the simplex (Duchi et al., 2008, ICML). The
            outputs of several networks are averaged first. With `calibration`, the softmax of the
            outputs over `temperature_`.
        """
        return self._predictions(X).probabilities

    def embed(self, X: ArrayLike) -> NDArray[Any]:
        """Return the inputs of the output layer as features, independent of `align_on`.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features) or (n_samples, n_bins, n_frames)
            Rows of either domain.

        Returns
        -------
        features : ndarray of float32, shape (n_samples, n_features_out)
            The features that are aligned by default; those of several networks side by side.
        """
        embeddings = self._predictions(X).embeddings
        assert_all_finite(embeddings, input_name="embed(X)")
        return embeddings

    def _predictions(self, X: Any) -> NetPredictions:
        predictions = self._evaluate(ArrayRows(self._check_new(X)))
        return predictions._replace(temperature=getattr(self, "temperature_", None))

    def _evaluate(self, rows: Tensor | ArrayRows) -> NetPredictions:
        return NetPredictions.mean([NetPredictions.of(net, rows) for net in self.nets_])

    def _check_new(self, X: Any, **options: Any) -> NDArray[Any]:
        """Return rows of the target as an array, if the networks can take them."""
        check_is_fitted(self)
        expected = self.feature_shape_
        X = check_rows(self, X, ndim=1 + len(expected), **options, **self._checks)
        is_spectrogram = X.ndim == 3
        # check_rows has compared the bins already where spectrograms may have any length.
        has_one_shape = expected[-1] is not None or not is_spectrogram
        if has_one_shape and (X.shape[1:] != expected or is_padded(X)):
            hint = ", some of them padded" if is_padded(X) else ""
            if is_spectrogram:
                hint += (
                    ". All rows of the fit were of one length: give the transformer the same "
                    "duration as there, or fit on rows of different lengths (duration=None)"
                )
            raise ValueError(
                f"{type(self).__name__} was fitted on rows of shape {expected}; got "
                f"X with rows of shape {X.shape[1:]}{hint}."
            )
        return X

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        # A callback may keep weights on the GPU. Nets leave it alone; requests hold this object.
        own = {*self._net_lists, "_metadata_request"}
        return {k: value if k in own else copy_to_cpu(value) for k, value in state.items()}
