"""Base class of the neural classifiers: from two domains to a trained network."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from torch import nn

from skdidan.domains import Domains
from skdidan.hashing import hash_value
from skdidan.neural.batches import PairedBatches, to_rows
from skdidan.neural.calibration import fit_temperature
from skdidan.neural.checkpoints import Checkpoint, find_starts, open_checkpoint, train_net
from skdidan.neural.factory import make_network
from skdidan.neural.fitted import FittedNetworks
from skdidan.neural.generators import find_generators
from skdidan.neural.history import read_history, warn_of_interrupt
from skdidan.neural.initial import load_weights, read_weights
from skdidan.neural.losses import LOSSES
from skdidan.neural.monitoring import monitor_callbacks
from skdidan.neural.networks import CNN, VGG11
from skdidan.neural.optimizers import find_optimizer
from skdidan.neural.prior import prior_terms
from skdidan.neural.settings import check_settings
from skdidan.neural.sharing import find_share
from skdidan.neural.source import class_weights, hold_out, number_corpora, row_weights
from skdidan.neural.training import AdaptationNet, PenaltyTerm
from skdidan.padding import is_padded, pad_alike
from skdidan.torch_state import draw_from, find_device, plain_mode
from skdidan.validation import validate_domains

__all__ = ["AdaptationClassifier"]


class AdaptationClassifier(FittedNetworks):
    """Base of the neural classifiers: a network trained under penalties between the domains.

    A subclass names its penalty in class attributes, as `DANClassifier` does::

        class DANClassifier(AdaptationClassifier):
            penalty = MMD
            penalty_name = "mmd"

    One of several penalties overrides ``_penalty_terms`` instead, as `DIDANClassifier` does.

    Parameters
    ----------
    network : {"auto", "cnn", "vgg11", "nested_transformer", "mlp"}, Module subclass or factory
        Network to train. "auto", the default, takes the `CNN` for spectrograms and the `MLP` for
        2-D features.
    network_params : dict, optional
        Further arguments of the network.
    penalty_params : dict, optional
        Arguments of the penalty, by the names of its class.
    align_on : str or sequence of str, default="auto"
        Layers to align; the penalties of several are averaged. "auto" takes `default_align_on`.
    trade_off : float >= 0, default=1.0
        Weight of the penalties at the end of training; 0 switches them off.
    target_prior : {"uniform", "source"}, dict, array-like or None, default=None
        Expected shares of the classes in the target. With them, ten times the squared distance
        between the mean prediction for the target and the shares joins the penalties, so that no
        class is given up.
    loss : {"auto", "squared_error", "log_loss"}, default="auto"
        Classification loss. "auto" takes `default_loss`.
    class_weight : "balanced", dict or None, default="balanced"
        Weights of the source classes in the loss, as in scikit-learn.
    lr, weight_decay : float, default=1e-3, 1e-4
        Learning rate and weight decay of the optimizer.
    optimizer, optimizer_params : str or class, dict, default="AdamW", None
        Optimizer, by its name in ``torch.optim`` or as a class, and its further arguments.
    schedule : "cooldown" or None, default="cooldown"
        The learning rate falls linearly over the last 30 % of the epochs, or stays with None. An
        ``LRScheduler`` among the callbacks replaces it.
    initial_weights : dict, str or path-like, optional
        Pretrained weights of the network by name, as in ``module.state_dict()``, or a file that
        ``torch.save`` has written with them. Weights without an entry are drawn.
    augmentation : callable, optional
        Changes the rows of both domains in each training batch, for instance by noise or masks. It
        maps a tensor of rows to one of the same shape; spectrograms may be padded with NaN.
    precision : {"float32", "bf16"}, default="float32"
        Numbers that the network computes with in training. "bf16" is faster on processors and GPUs
        with units for bfloat16; weights, losses, penalties and predictions stay in float32.
    compile : bool, default=False
        Whether ``torch.compile`` compiles the network for training. See "GPU and half precision" in
        the docs for what it costs.
    max_epochs, batch_size : int, default=60, 64
        Passes over the larger domain, and rows of each domain in a batch.
    n_networks : int > 0, default=1
        Number of networks, trained from different initial weights. Their outputs are averaged. None
        takes `default_n_networks`, or 1 if `callbacks` are given.
    validation_fraction, monitor, patience : float, str, int, optional
        Held-out share of the source, score that selects the best epoch ("source", or a key of
        ``skdidan.criteria.TARGET_CRITERIA``), and epochs without a better score before a stop.
    device, random_state, verbose : str, int, int, default="auto", None, 0
        Device to train on, seed of weights, batches and dropout, and 1 for a line per epoch.
    checkpoint : str or path-like, optional
        File that keeps the state of the training after each epoch. The same call of `fit`, after a
        kill, goes on from there and ends with the same weights: see "Long trainings" in the docs.
    warm_start : bool, default=False
        Whether `fit` begins at the weights of the fit before, as for new recordings.
    on_interrupt : {"raise", "keep"}, default="raise"
        What Ctrl-C does: raise ``KeyboardInterrupt``, or end the fit and keep the finished epochs.
    calibration : {"temperature"}, optional
        "temperature" divides the outputs by `temperature_` before the softmax of `predict_proba`.
        It is fitted to held-out rows of the source (Guo et al., 2017): set `validation_fraction`.
    callbacks : list of skorch callbacks, optional
        Further callbacks of the training, but none that scores: use `monitor`.

    Attributes
    ----------
    classes_, nets_, net_, history_, best_epoch_, temperature_, n_features_in_
        As in `DIDANClassifier`.
    """

    _checks: ClassVar = {"allow_nd": True, "dtype": np.float32, "padding": True, "lazy": True}
    _kept: ClassVar = frozenset({"classes_", "nets_"})
    #: Class of the penalty, its column in `history_`, and its weight within the sum of penalties.
    penalty: ClassVar[type[nn.Module] | None] = None
    penalty_name: ClassVar[str] = "penalty"
    penalty_weight: ClassVar[float] = 1.0
    #: Values of "auto", and default arguments of the built-in networks.
    default_loss: ClassVar[str] = "squared_error"
    default_n_networks: ClassVar[int] = 1
    default_align_on: ClassVar[str | Sequence[str]] = "features"
    default_network_params: ClassVar[Mapping[str, Any]] = {}
    #: Whether a batch holds as many rows of one source corpus as of another.
    even_sources: ClassVar[bool] = False

    def __init__(
        self,
        network: str | Callable[..., nn.Module] = "auto",
        *,
        network_params: Mapping[str, Any] | None = None,
        penalty_params: Mapping[str, Any] | None = None,
        align_on: str | Sequence[str] = "auto",
        trade_off: float = 1.0,
        target_prior: Any = None,
        loss: str = "auto",
        class_weight: str | Mapping[Any, float] | None = "balanced",
        lr: float = 1e-3,
        weight_decay: float = 1e-4,
        optimizer: str | type[torch.optim.Optimizer] = "AdamW",
        optimizer_params: Mapping[str, Any] | None = None,
        schedule: str | None = "cooldown",
        initial_weights: Mapping[str, Any] | str | os.PathLike[str] | None = None,
        augmentation: Callable[[torch.Tensor], torch.Tensor] | None = None,
        precision: str = "float32",
        compile: bool = False,
        max_epochs: int = 60,
        n_networks: int | None = 1,
        validation_fraction: float | None = None,
        monitor: str | None = None,
        patience: int | None = None,
        batch_size: int = 64,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        callbacks: list[Any] | None = None,
        verbose: int = 0,
        checkpoint: str | os.PathLike[str] | None = None,
        warm_start: bool = False,
        on_interrupt: str = "raise",
        calibration: str | None = None,
    ) -> None:
        self.network = network
        self.network_params = network_params
        self.penalty_params = penalty_params
        self.align_on = align_on
        self.trade_off = trade_off
        self.target_prior = target_prior
        self.loss = loss
        self.class_weight = class_weight
        self.lr = lr
        self.weight_decay = weight_decay
        self.optimizer = optimizer
        self.optimizer_params = optimizer_params
        self.schedule = schedule
        self.initial_weights = initial_weights
        self.augmentation = augmentation
        self.precision = precision
        self.compile = compile
        self.max_epochs = max_epochs
        self.n_networks = n_networks
        self.validation_fraction = validation_fraction
        self.monitor = monitor
        self.patience = patience
        self.batch_size = batch_size
        self.device = device
        self.random_state = random_state
        self.callbacks = callbacks
        self.verbose = verbose
        self.checkpoint = checkpoint
        self.warm_start = warm_start
        self.on_interrupt = on_interrupt
        self.calibration = calibration

    def fit(
        self,
        X: Any,
        y: Any = None,
        X_tgt: Any = None,
        *,
        sample_domain: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train the networks on a labelled source and an unlabelled target.

        Parameters
        ----------
        X : array-like, shape (n_source, n_features) or (n_source, n_bins, n_frames)
            Features or spectrograms of the source, padded with frames of NaN after their end.
            `LazyRows` and Datasets of PyTorch are read batch by batch. With `sample_domain`, both
            domains stacked in any order, of n_samples rows.
        y : array-like, of as many entries as X
            Labels of `X`. Entries for target rows are never read.
        X_tgt : array-like or Target, of n_target rows, optional
            The unlabelled target, in any of these forms.
        sample_domain : array-like of int, shape (n_samples,), optional
            ``>= 0`` for a source row of `X`, ``< 0`` for a target row. Each number is a corpus.
        groups : array-like, of as many entries as X, optional
            Group of each row, such as its speaker. The validation set takes whole groups.
        sample_weight : array-like of float >= 0, of as many entries as X, optional
            Weight of each source row in the classification loss, times the weight of its class;
            "balanced" counts the rows by their weights. A row of weight 0 adds nothing to the loss,
            but stays in the penalties and the scores. Entries for target rows are never read.

        Returns
        -------
        self : object
            The fitted classifier.

        Raises
        ------
        ValueError
            If a parameter is out of range, the domains do not match or are too small, the source
            has fewer than two classes, or there is NaN other than after the end of a recording.
        TypeError
            If a parameter or a row has the wrong type.
        FloatingPointError
            If the training diverges before an epoch with a finite loss is over.

        Warns
        -----
        NoTargetWarning
            If no target is given: the network is then trained on the source alone.
        ConvergenceWarning
            If the training diverges after an epoch with a finite loss. The weights of the last such
            epoch, or of the best with `monitor`, are kept.
        UserWarning
            If Ctrl-C ends the training with ``on_interrupt="keep"``.
        """
        more = {"groups": groups, "sample_weight": sample_weight}
        self._learn(self._fit, X, y, X_tgt, sample_domain=sample_domain, **more)
        return self

    def _penalty_terms(self, classes: NDArray[Any]) -> dict[str, PenaltyTerm]:
        """Return the penalties by their names in the history, for the sorted source classes."""
        return self._on_layers(self.penalty_name, self._make_penalty(), weight=self.penalty_weight)

    def _make_penalty(self) -> nn.Module:
        if self.penalty is None:
            raise TypeError(
                f"{type(self).__name__} has no penalty: set the class attribute `penalty`, or "
                "override `_penalty_terms`."
            )
        return self.penalty(**(self.penalty_params or {}))

    def _on_layers(
        self, name: str, penalty: nn.Module, *, weight: float = 1.0, local: bool = False
    ) -> dict[str, PenaltyTerm]:
        """Put a copy on each layer of `align_on`; several are averaged and named by layer."""
        layers = self._layers()
        names = [name] if len(layers) == 1 else [f"{name}_{layer}" for layer in layers]
        return {
            key: PenaltyTerm(deepcopy(penalty), weight / len(layers), on=layer, local=local)
            for key, layer in zip(names, layers, strict=True)
        }

    def _layers(self) -> list[str]:
        """List the layers of `align_on`."""
        chosen = self.default_align_on if self.align_on == "auto" else self.align_on
        return [chosen] if isinstance(chosen, str) else list(chosen)

    def _check_domains(self, domains: Domains) -> Domains:
        wanted = self._wants_target()
        domains = validate_domains(self, domains, min_source=2, wants_target=wanted, **self._checks)
        if domains.X_tgt is None:
            return domains
        return domains.replace(*pad_alike([domains.X_src, domains.X_tgt]))

    def _count_networks(self) -> Any:
        default = self.default_n_networks if self.callbacks is None else 1
        return default if self.n_networks is None else self.n_networks

    @plain_mode()
    def _fit(self, domains: Domains) -> None:
        X, y, X_tgt = domains
        classes, y_idx = np.unique(y, return_inverse=True)
        has_lengths = is_padded(X) or is_padded(X_tgt)
        shape = (len(X[0]), None) if has_lengths else X.shape[1:]
        device = find_device(self.device)
        n_networks = self._count_networks()
        seeds = check_random_state(self.random_state).randint(2**31 - 1, size=3 * n_networks)
        if (share := find_share()) is not None:
            settings = n_networks, self.batch_size, self.max_epochs
            shapes = [X.shape, None if X_tgt is None else X_tgt.shape]
            data = hash_value([X, y, X_tgt], "share_batches needs data that can be hashed")
            seeds = share.agree(seeds, shapes=shapes, data=data, settings=settings)
        target = None if X_tgt is None else to_rows(X_tgt, device)
        prior = None if target is None else prior_terms(self.target_prior, classes, y)
        starts = find_starts(self, classes, n_networks)
        checkpoint = open_checkpoint(self, domains, starts, seeds)
        if checkpoint is not None:
            seeds = np.array(checkpoint.seeds)
            if share is not None:
                share.agree(seeds, checkpoint=(checkpoint.seeds, checkpoint.n_epochs()))
        self._seed = int(seeds[0])
        train, held_out = hold_out(self.validation_fraction, y, domains.groups, seeds[2])
        rows = None if domains.weights is None else domains.weights[train]
        weights = class_weights(self.class_weight, classes, y[train], rows)
        self._recipe = self._make_recipe(X.shape[1:], len(classes), has_lengths)
        source, labels = to_rows(X, device, train), torch.tensor(y_idx[train], device=device)
        batches = partial(PairedBatches, source, target, labels, self.batch_size)
        numbers = torch.tensor(number_corpora(domains.corpora[: len(X)][train]), device=device)
        more = {"corpora": numbers, "is_even": self.even_sources}
        batches = partial(batches, weights=row_weights(rows, device), **more)
        watched = to_rows(X, device, held_out), y_idx[held_out], target
        initial = read_weights(self.initial_weights)
        make_net = partial(self._make_net, classes, weights, prior, initial)
        trained = self._train(seeds.reshape(-1, 3), batches, watched, make_net, starts, checkpoint)
        self._keep(trained, n_networks)
        self.classes_, self.feature_shape_ = classes, shape
        if self.calibration is not None:
            scores = self._evaluate(watched[0]).scores
            self.temperature_ = fit_temperature(scores, y_idx[held_out])

    def _make_recipe(
        self, input_shape: tuple[int, ...], n_classes: int, has_lengths: bool
    ) -> dict[str, Any]:
        """Return the arguments of `make_network`."""
        defaults = self.default_network_params if isinstance(self.network, str) else {}
        return {
            "network": self.network,
            "params": {**defaults, **(self.network_params or {})},
            "input_shape": input_shape,
            "n_classes": n_classes,
            "has_lengths": has_lengths,
        }

    def _train(
        self,
        seeds: NDArray[Any],
        make_batches: Callable[..., PairedBatches],
        watched: tuple[Any, ...],
        make_net: Callable[[list[Any]], AdaptationNet],
        starts: list[AdaptationNet],
        checkpoint: Checkpoint | None,
    ) -> list[AdaptationNet]:
        """Train a network for each row of seeds; Ctrl-C may leave fewer."""
        device = find_device(self.device)

        def train(number: int) -> AdaptationNet:
            batch_seed, weight_seed, _ = seeds[number]
            batches = make_batches(rng=np.random.default_rng(batch_seed))
            monitoring = monitor_callbacks(self.monitor, self.patience or self.max_epochs, *watched)
            callbacks = [*monitoring, *(self.callbacks or [])]
            if checkpoint is not None:  # last, since it keeps the state of the others
                callbacks.append(checkpoint.callback(number))
            with find_generators(self, int(weight_seed), device) as generators:
                with draw_from(generators["cpu"]):
                    net = make_net(callbacks)
                net.generators = generators
                train_net(net, number, batches, starts, checkpoint)
            return net

        return self._train_each(train, len(seeds))

    def _train_each(
        self, train: Callable[[int], AdaptationNet], n_networks: int
    ) -> list[AdaptationNet]:
        """Train the networks by their numbers; Ctrl-C may leave fewer."""
        nets: list[AdaptationNet] = []
        for number in range(n_networks):
            try:
                nets.append(train(number))
            except KeyboardInterrupt:  # in the first epoch of the network
                if self.on_interrupt == "raise" or not nets or find_share() is not None:
                    raise
                break
            if nets[-1].is_interrupted:
                break
        return nets

    def _keep(self, nets: list[AdaptationNet], n_networks: int) -> None:
        """Keep trained networks and their history; warn if they are fewer, or one is not done."""
        self.nets_ = nets
        warn_of_interrupt(nets, n_networks)
        if self.monitor is not None:
            best = dict(self.net_.callbacks_)["best_epoch"].best_epoch_
            self.best_epoch_ = best or len(self.net_.history)
        self.history_ = read_history(self.net_)

    def _make_net(
        self,
        classes: NDArray[Any],
        weights: torch.Tensor,
        prior: dict[str, PenaltyTerm] | None,
        initial: dict[str, torch.Tensor],
        callbacks: list[Any],
    ) -> AdaptationNet:
        """Return a network before its training; without a prior it has no penalties."""
        network = make_network(**self._recipe)
        if isinstance(network, CNN | VGG11):
            network.has_lengths = self._recipe["has_lengths"] or self.augmentation is not None
        load_weights(network, initial)
        return AdaptationNet(
            network,
            self._make_loss(weights),
            n_classes=len(classes),
            penalties={} if prior is None else self._penalty_terms(classes) | prior,
            trade_off=self.trade_off,
            lr=self.lr,
            weight_decay=self.weight_decay,
            optimizer=find_optimizer(self.optimizer),
            optimizer_params=self.optimizer_params,
            schedule=self.schedule,
            augmentation=self.augmentation,
            precision=self.precision,
            is_compiled=self.compile,
            max_epochs=self.max_epochs,
            device=str(find_device(self.device)),
            callbacks=callbacks,
            on_interrupt=self.on_interrupt,
            verbose=self.verbose,
        )

    def _make_loss(self, weights: torch.Tensor) -> nn.Module:
        """Return the classification loss, given the weights of the classes."""
        return LOSSES[self.default_loss if self.loss == "auto" else self.loss](weight=weights)

    def _check_parameters(self) -> None:
        check_settings(self)
