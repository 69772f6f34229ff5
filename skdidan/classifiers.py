"""Neural classifiers adapted to an unlabelled target: DIDAN and its deep baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from torch import nn

from skdidan.adaptation import AdaptationClassifier
from skdidan.parameters import check_positive
from skdidan.penalties import CORAL, IDA, MMD, MeanDistance
from skdidan.training import PenaltyTerm

__all__ = [
    "CLASSIFIERS",
    "DANClassifier",
    "DIDANClassifier",
    "DeepCORALClassifier",
    "SourceOnlyClassifier",
]


class SourceOnlyClassifier(AdaptationClassifier):
    """The network trained on the source alone: what adaptation has to beat.

    Parameters
    ----------
    network, network_params, loss, class_weight, lr, weight_decay, max_epochs, batch_size, device, \
random_state, callbacks, verbose
        As in `DIDANClassifier`.
    use_target : bool, default=False
        Whether target rows pass through the network in training, without any penalty, so that
        batch normalisation sees both domains and the batches are those of the other classifiers.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import SourceOnlyClassifier
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "anger", "neutral")
    >>> classifier = SourceOnlyClassifier(random_state=0).fit(X, y, X + 1)
    >>> classifier.predict(X[:1]).shape
    (1,)
    """

    def __init__(
        self,
        network: str | Callable[..., nn.Module] = "auto",
        *,
        network_params: Mapping[str, Any] | None = None,
        use_target: bool = False,
        loss: str = "squared_error",
        class_weight: str | Mapping[Any, float] | None = "balanced",
        lr: float = 1e-3,
        weight_decay: float = 1e-4,
        max_epochs: int = 60,
        batch_size: int = 64,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        callbacks: list[Any] | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            network,
            network_params=network_params,
            trade_off=0.0,
            loss=loss,
            class_weight=class_weight,
            lr=lr,
            weight_decay=weight_decay,
            max_epochs=max_epochs,
            batch_size=batch_size,
            device=device,
            random_state=random_state,
            callbacks=callbacks,
            verbose=verbose,
        )
        self.use_target = use_target

    def _wants_target(self) -> bool:
        return self.use_target

    def _fit(self, X: NDArray[Any], y: NDArray[Any], X_tgt: NDArray[Any] | None) -> Self:
        return super()._fit(X, y, X_tgt if self.use_target else None)

    def _penalty_terms(self) -> dict[str, PenaltyTerm]:
        return {}


class DANClassifier(AdaptationClassifier):
    """Deep adaptation network: multi-kernel MMD on the features (Long et al., 2015).

    The objective is ``loss + trade_off * MMD(features_src, features_tgt)``, see
    `skdidan.penalties.MMD`.

    Parameters
    ----------
    network, network_params, trade_off, loss, class_weight, lr, weight_decay, max_epochs, \
batch_size, device, random_state, callbacks, verbose
        As in `DIDANClassifier`.

    References
    ----------
    .. [1] Long, Cao, Wang, Jordan (2015). Learning transferable features with deep adaptation
       networks. ICML, arXiv:1502.02791.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import DANClassifier
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "anger", "neutral")
    >>> classifier = DANClassifier(random_state=0).fit(X, y, X + 1)
    >>> sorted(classifier.history_[-1])
    ['classification_loss', 'dur', 'epoch', 'mmd', 'trade_off', 'train_loss']
    """

    def _penalty_terms(self) -> dict[str, PenaltyTerm]:
        return {"mmd": PenaltyTerm(MMD())}


class DeepCORALClassifier(AdaptationClassifier):
    """Deep CORAL: equal covariances of the features (Sun and Saenko, 2016).

    The objective is ``loss + trade_off * 100 * CORAL(features_src, features_tgt)``, see
    `skdidan.penalties.CORAL`; the factor brings it to the scale of the other penalties.

    Parameters
    ----------
    network, network_params, trade_off, loss, class_weight, lr, weight_decay, max_epochs, \
batch_size, device, random_state, callbacks, verbose
        As in `DIDANClassifier`.

    References
    ----------
    .. [1] Sun, Saenko (2016). Deep CORAL: correlation alignment for deep domain adaptation. ECCV
       workshops, arXiv:1607.01719.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import DeepCORALClassifier
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "anger", "neutral")
    >>> classifier = DeepCORALClassifier(random_state=0).fit(X, y, X + 1)
    >>> classifier.predict_proba(X).shape
    (60, 2)
    """

    def _penalty_terms(self) -> dict[str, PenaltyTerm]:
        return {"coral": PenaltyTerm(CORAL(), weight=100.0)}


class DIDANClassifier(AdaptationClassifier):
    r"""Deep implicit distribution alignment network: a target made of the source.

    A network regresses the source's emotions, while the features of the target are rebuilt as
    sparse combinations of those of the source. The objective is

    .. math::
        J(G_s, Y_s) + \lambda(t) \bigl( \mathrm{IDA}(F'_s, F'_t) + 3 \, D(F_s, F_t) \bigr)

    with the classification loss :math:`J` of the outputs :math:`G_s`, the reconstruction `IDA`
    (``mean_weight=0``) of the target features from the source features of the batch, and the
    distance :math:`D` of the mean features, `MeanDistance`. :math:`\lambda(t)` is `trade_off`
    under the ramp of `skdidan.training.ramp`. The prime says that in a convolutional network the
    gradient of the reconstruction moves the fully connected layer only; the convolutions are
    aligned by their means.

    The full text of the paper [1]_ was not at hand. This is a reading of its abstract (a deep
    regression network on spectrums; a regularisation by sample reconstruction in place of MMD), not
    a reproduction; centring, scaling, the term of the means and the stopped gradient are this
    package's own.

    Parameters
    ----------
    network : {"auto", "cnn", "vgg11", "mlp"}, Module subclass or factory, default="auto"
        What to train. "auto" takes the `CNN` for spectrograms and the `MLP` for 2-D features. A
        class or function of your own is called as ``network(input_shape, n_classes,
        **network_params)``; its module maps a batch to `Outputs` or to a tuple (logits, features).
    network_params : dict, optional
        More arguments of the network.
    trade_off : float >= 0, default=1.0
        Weight :math:`\lambda` of the penalties at the end of training. With 0 they do nothing.
    sparsity : float > 0, default=0.1
        Weight of the absolute sum of the codes in `IDA`: the larger, the fewer source rows rebuild
        a target row.
    loss : {"squared_error", "log_loss"}, default="squared_error"
        Classification loss :math:`J`: the squared error of a regression onto one-hot labels, or
        the cross-entropy of the softmax.
    class_weight : "balanced", dict or None, default="balanced"
        Weights of the source classes in the loss, as in scikit-learn.
    lr : float > 0, default=1e-3
        Learning rate of AdamW.
    weight_decay : float >= 0, default=1e-4
        Weight decay of AdamW.
    max_epochs : int > 0, default=60
        Passes over the larger domain.
    batch_size : int > 0, default=64
        Most rows of each domain in a batch.
    device : str, default="auto"
        Where to train: "cpu", "cuda", ...; "auto" takes a GPU where there is one.
    random_state : int, RandomState or None, default=None
        Seed of initial weights, batches and dropout. The global generators are left untouched.
    callbacks : list of skorch callbacks, optional
        Further callbacks of the training.
    verbose : int, default=0
        1 prints a line per epoch.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        The source's classes.
    net_ : AdaptationNet
        The trained skorch net; ``net_.module_`` is the network.
    history_ : list of dict
        Per epoch: ``epoch``, ``dur`` (seconds), ``train_loss`` (the sum), ``classification_loss``,
        ``reconstruction``, ``mean_distance``, ``trade_off``. ``pandas.DataFrame(history_)`` is a
        table of it.
    n_features_in_ : int
        Size of a row's first axis: features, or bins of a spectrogram.

    References
    ----------
    .. [1] Zhao, Wang, Zong, Zheng, Lian, Zhao (2023). Deep implicit distribution alignment
       networks for cross-corpus speech emotion recognition. ICASSP, arXiv:2302.08921.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import DIDANClassifier
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "anger", "neutral")
    >>> classifier = DIDANClassifier(max_epochs=10, random_state=0).fit(X, y, X + 1)
    >>> classifier.predict(X + 1).shape
    (60,)
    >>> classifier.reconstruction_codes(X, X + 1).shape
    (60, 60)
    """

    def __init__(
        self,
        network: str | Callable[..., nn.Module] = "auto",
        *,
        network_params: Mapping[str, Any] | None = None,
        trade_off: float = 1.0,
        sparsity: float = 0.1,
        loss: str = "squared_error",
        class_weight: str | Mapping[Any, float] | None = "balanced",
        lr: float = 1e-3,
        weight_decay: float = 1e-4,
        max_epochs: int = 60,
        batch_size: int = 64,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        callbacks: list[Any] | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            network,
            network_params=network_params,
            trade_off=trade_off,
            loss=loss,
            class_weight=class_weight,
            lr=lr,
            weight_decay=weight_decay,
            max_epochs=max_epochs,
            batch_size=batch_size,
            device=device,
            random_state=random_state,
            callbacks=callbacks,
            verbose=verbose,
        )
        self.sparsity = sparsity

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_positive("sparsity", self.sparsity)

    def _penalty_terms(self) -> dict[str, PenaltyTerm]:
        return {
            "reconstruction": PenaltyTerm(IDA(self.sparsity, mean_weight=0), on="local_features"),
            "mean_distance": PenaltyTerm(MeanDistance(), weight=3.0),
        }

    def reconstruction_codes(self, X_src: ArrayLike, X_tgt: ArrayLike) -> csr_array:
        """Say which source rows each target row is made of.

        Parameters
        ----------
        X_src : array-like, shape (n_source, ...)
            Rows of the source, all of it or a sample.
        X_tgt : array-like, shape (n_target, ...), n_target > 1
            Rows of the target, all of it or a sample: its centre is their mean.

        Returns
        -------
        codes : csr_array, shape (n_target, n_source)
            Row `i` holds the weights of the source rows that rebuild the (centred, normalised)
            features of target row `i`.

        Raises
        ------
        ValueError
            If either domain has fewer than two rows.
        """
        source, target = self.embed(X_src), self.embed(X_tgt)
        for name, features in (("X_src", source), ("X_tgt", target)):
            if len(features) < 2:
                raise ValueError(
                    f"{name} needs at least 2 rows, for each domain is centred on their mean; got "
                    f"{len(features)}. Pass the whole corpus and take rows of the result."
                )
        ida = IDA(self.sparsity, tol=1e-4)
        return csr_array(ida.codes(torch.from_numpy(source), torch.from_numpy(target)).numpy())


#: All neural classifiers by their names in the tests of their contract.
CLASSIFIERS: dict[str, type[AdaptationClassifier]] = {
    "dan": DANClassifier,
    "deep_coral": DeepCORALClassifier,
    "didan": DIDANClassifier,
    "source_only": SourceOnlyClassifier,
}
