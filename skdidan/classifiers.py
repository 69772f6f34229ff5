"""Neural classifiers adapted to an unlabelled target: DIDAN and its deep baselines."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn

from skdidan.batches import PairedBatches
from skdidan.domains import open_target, validate_domains
from skdidan.networks import NETWORKS
from skdidan.parameters import check_count, check_not_negative, check_option, check_positive
from skdidan.penalties import CORAL, IDA, MMD, MeanDistance
from skdidan.training import LOSSES, AdaptationNet, PenaltyTerm, SquaredError

__all__ = [
    "CLASSIFIERS",
    "AdaptationClassifier",
    "DANClassifier",
    "DIDANClassifier",
    "DeepCORALClassifier",
    "SourceOnlyClassifier",
]


class AdaptationClassifier(ClassifierMixin, BaseEstimator, ABC):
    """Base of the neural classifiers: a network trained under penalties between the domains.

    A subclass says in ``_penalty_terms`` which penalties those are, by their names in the history:
    a dict of `skdidan.training.PenaltyTerm`. Parameters and attributes are described in
    `DIDANClassifier`.
    """

    # A plain Pipeline, or a search, routes these without being asked to.
    __metadata_request__fit = {"X_tgt": True, "sample_domain": True}  # noqa: RUF012

    def __init__(
        self,
        network: str | Callable[..., nn.Module] = "auto",
        *,
        network_params: Mapping[str, Any] | None = None,
        trade_off: float = 1.0,
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
        self.network = network
        self.network_params = network_params
        self.trade_off = trade_off
        self.loss = loss
        self.class_weight = class_weight
        self.lr = lr
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.device = device
        self.random_state = random_state
        self.callbacks = callbacks
        self.verbose = verbose

    @abstractmethod
    def _penalty_terms(self) -> dict[str, PenaltyTerm]:
        """Penalties by their names in the history."""

    def _wants_target(self) -> bool:
        """Tell whether a fit without a target is worth a warning."""
        return True

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        X_tgt: Any = None,
        *,
        sample_domain: ArrayLike | None = None,
    ) -> Self:
        """Train on the labelled source under penalties between source and target.

        Parameters
        ----------
        X : array-like, shape (n_source, n_features) or (n_source, n_bins, n_frames)
            The source; with `sample_domain`, both domains stacked.
        y : array-like, shape (n_source,)
            Its labels. With `sample_domain`, whatever stands there for target rows is not read.
        X_tgt : array-like or Target, shape (n_target, ...), optional
            The unlabelled target. Without any, the source alone is trained on, under a
            `NoTargetWarning`.
        sample_domain : array-like of int, shape (n_samples,), optional
            ``>= 0`` for a source row of `X`, ``< 0`` for a target row.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        ValueError
            If the domains do not fit together, the source has fewer than two classes, or a
            parameter is out of its range.
        TypeError
            If `network` is a module already made, does not take its arguments, or returns no
            features.
        FloatingPointError
            If the training diverges.

        Warns
        -----
        NoTargetWarning
            If there is no target.
        """
        self._check_parameters()
        source, labels, target = validate_domains(
            self,
            X,
            y,
            X_tgt,
            sample_domain=sample_domain,
            supervised=True,
            allow_nd=True,
            dtype=np.float32,
            min_source=2,
            wants_target=self._wants_target(),
        )
        return self._fit(source, labels, target)

    def _fit(self, X: NDArray[Any], y: NDArray[Any], X_tgt: NDArray[Any] | None) -> Self:
        classes, codes = np.unique(y, return_inverse=True)
        device = self._device()
        seeds = check_random_state(self.random_state).randint(np.iinfo(np.int32).max, size=2)
        batches = PairedBatches(
            torch.tensor(X, device=device),
            None if X_tgt is None else torch.tensor(X_tgt, device=device),
            torch.tensor(codes, device=device),
            self.batch_size,
            np.random.default_rng(seeds[0]),
        )
        # Initial weights and dropout draw from torch's global generator: seed it, then restore it.
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(int(seeds[1]))
            net = AdaptationNet(
                self._module(X.shape[1:], len(classes)),
                LOSSES[self.loss](weight=self._class_weights(classes, y)),
                n_classes=len(classes),
                penalties={} if X_tgt is None else self._penalty_terms(),
                trade_off=self.trade_off,
                lr=self.lr,
                weight_decay=self.weight_decay,
                max_epochs=self.max_epochs,
                device=str(device),
                callbacks=self.callbacks,
                verbose=self.verbose,
            ).fit(batches, None)
        self.net_, self.classes_, self.feature_shape_ = net, classes, X.shape[1:]
        self.history_ = [
            {name: value for name, value in epoch.items() if not name.endswith(_BOOKKEEPING)}
            for epoch in net.history.to_list()
        ]
        return self

    def _class_weights(self, classes: NDArray[Any], y: NDArray[Any]) -> torch.Tensor:
        weights = compute_class_weight(self.class_weight, classes=classes, y=y)
        if not (np.isfinite(weights) & (weights > 0)).all():
            raise ValueError(
                f"class_weight must give each class a finite number above 0; got "
                f"{dict(zip(classes.tolist(), weights.tolist(), strict=True))}."
            )
        return torch.tensor(weights, dtype=torch.float32)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the class of each row.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features) or (n_samples, n_bins, n_frames)
            Rows of the target domain.

        Returns
        -------
        y : ndarray, shape (n_samples,)
            Labels out of `classes_`.
        """
        logits = self._outputs(X)[0]
        return self.classes_[logits.argmax(axis=1)]

    def decision_function(self, X: ArrayLike) -> NDArray[Any]:
        """Return the network's outputs.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features) or (n_samples, n_bins, n_frames)
            Rows of the target domain.

        Returns
        -------
        scores : ndarray, shape (n_samples, n_classes) or (n_samples,)
            The outputs; with two classes, how far the second exceeds the first.
        """
        logits = self._outputs(X)[0]
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

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
            returned: their Euclidean projection onto the simplex (Duchi et al., 2008, ICML).
        """
        logits = self._outputs(X)[0]
        if isinstance(self.net_.criterion_, SquaredError):
            return _project_on_simplex(logits)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def embed(self, X: ArrayLike) -> NDArray[Any]:
        """Return the features on which the domains were aligned.

        Parameters
        ----------
        X : array-like, shape (n_samples, n_features) or (n_samples, n_bins, n_frames)
            Rows of either domain.

        Returns
        -------
        features : ndarray of float32, shape (n_samples, n_features_out)
            Inputs of the network's output layer.
        """
        return self._outputs(X)[1]

    def _outputs(self, X: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        check_is_fitted(self)
        X = validate_data(
            self, open_target(X), reset=False, allow_nd=True, dtype=np.float32, order="C"
        )
        if X.shape[1:] != self.feature_shape_:
            raise ValueError(
                f"{type(self).__name__} was fitted on rows of shape {self.feature_shape_}; "
                f"got {X.shape[1:]}."
            )
        outputs = self.net_.outputs(torch.tensor(X))
        return outputs.logits.double().numpy(), outputs.features.numpy()

    def _device(self) -> torch.device:
        if self.device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            return torch.device(self.device)
        except RuntimeError as error:
            raise ValueError(
                f"device must be 'auto' or one that torch knows; got {self.device!r}."
            ) from error

    def _module(self, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
        network = self.network
        if network == "auto":
            network = "mlp" if len(input_shape) == 1 else "cnn"
        if isinstance(network, str):
            if network not in NETWORKS:
                options = ["auto", *NETWORKS]
                raise ValueError(f"network must be one of {options}, or a class; got {network!r}.")
            network = NETWORKS[network]
        if isinstance(network, nn.Module) or not callable(network):
            raise TypeError(
                "network must be a name, a torch.nn.Module subclass or a function that makes a "
                f"module, not {type(network).__name__}: every fit starts from new weights."
            )
        params = dict(self.network_params or {})
        try:
            inspect.signature(network).bind(input_shape, n_classes, **params)
        except TypeError as error:
            raise TypeError(
                f"network is called as network(input_shape, n_classes, **network_params), which "
                f"does not fit {getattr(network, '__name__', network)}: {error}."
            ) from error
        module = network(input_shape, n_classes, **params)
        if not isinstance(module, nn.Module):
            raise TypeError(f"network must make a torch.nn.Module; got {type(module).__name__}.")
        return module

    def _check_parameters(self) -> None:
        check_option("loss", self.loss, LOSSES)
        check_positive("lr", self.lr)
        check_count("max_epochs", self.max_epochs)
        check_count("batch_size", self.batch_size)
        check_not_negative("trade_off", self.trade_off)
        check_not_negative("weight_decay", self.weight_decay)


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


def _project_on_simplex(points: NDArray[Any]) -> NDArray[Any]:
    """Project each row onto the probability simplex: shift, then clip at zero.

    Only the entries above the shift stay positive, and the largest is always one of them.
    """
    descending = -np.sort(-points, axis=1)
    ranks = np.arange(1, points.shape[1] + 1)
    shifts = (np.cumsum(descending, axis=1) - 1) / ranks
    n_positive = (descending > shifts).sum(axis=1)
    shift = np.take_along_axis(shifts, n_positive[:, np.newaxis] - 1, axis=1)
    return np.clip(points - shift, 0, None)


_BOOKKEEPING = ("_best", "batches", "_batch_count", "_batch_size")  # skorch's own, in the history

#: All neural classifiers by their names in the tests of their contract.
CLASSIFIERS: dict[str, type[AdaptationClassifier]] = {
    "dan": DANClassifier,
    "deep_coral": DeepCORALClassifier,
    "didan": DIDANClassifier,
    "source_only": SourceOnlyClassifier,
}
