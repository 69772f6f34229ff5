"""Base class of the classifiers that adapt to a target after their source is gone."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skdidan.domains import Domains
from skdidan.hashing import hash_value
from skdidan.neural.adaptation import AdaptationClassifier
from skdidan.neural.batches import to_rows
from skdidan.neural.generators import find_generators
from skdidan.neural.history import read_history, warn_of_interrupt
from skdidan.neural.optimizers import check_optimizer, find_optimizer
from skdidan.neural.prior import expected_shares
from skdidan.neural.sharing import find_share
from skdidan.neural.target_training import (
    TargetNet,
    TargetObjective,
    detach_net,
    find_output,
    target_batches,
)
from skdidan.neural.training import AdaptationNet
from skdidan.padding import is_padded, pad
from skdidan.parameters import check_arguments, check_count, check_number, check_positive
from skdidan.reporting import warn_caller
from skdidan.torch_state import find_device, plain_mode
from skdidan.validation import TARGET_ROW

__all__ = ["SourceFreeClassifier"]


class SourceFreeClassifier(AdaptationClassifier):
    """Base of the classifiers that adapt without their source.

    `fit` trains the network on the source alone. `adapt` makes it fit a target, without any row of
    the source: here, or where the pickled or saved classifier was loaded. A `fit` with a target
    does both. A subclass names its loss in a class attribute, as `SHOTClassifier` does::

        class SHOTClassifier(SourceFreeClassifier):
            objective = SHOTObjective

    Several sources are pooled.

    Parameters
    ----------
    network : {"auto", "cnn", "mlp", "nested_transformer", "vgg11"}, Module or factory
        Network to train. "auto", the default, takes the `CNN` for spectrograms, else the `MLP`.
    network_params : dict, optional
        Further arguments of the network.
    objective_params : dict, optional
        Arguments of the class `objective`.
    label_smoothing : float in [0, 1), default=0.1
        Share of the label of a source row that is spread evenly over all classes.
    adaptation_epochs, adaptation_lr : int, float, default=15, 3e-4
        Passes over the target, and learning rate of the adaptation.
    target_prior : {"uniform", "source"}, dict or array-like, default="uniform"
        Expected shares of the classes in the target.
    class_weight : "balanced", dict or None, default="balanced"
        Weights of the source classes in the loss, as in scikit-learn.
    lr, weight_decay : float, default=1e-3, 1e-4
        Learning rate of the training on the source, and weight decay of both trainings.
    optimizer, optimizer_params : str or class, dict, default="AdamW", None
        Optimizer, by its name in ``torch.optim`` or as a class, and its further arguments.
    schedule : "cooldown" or None, default="cooldown"
        The learning rate falls linearly over the last 30 % of the epochs, or stays with None.
    initial_weights : dict, str or path-like, optional
        Pretrained weights of the network by name, as in ``module.state_dict()``, or a file that
        ``torch.save`` has written with them. Weights without an entry are drawn.
    augmentation : callable, optional
        Changes the rows of each training batch, on the source and on the target, for instance by
        noise or masks. It maps a tensor of rows to one of the same shape; spectrograms may be
        padded with NaN.
    precision : {"float32", "bf16"}, default="float32"
        Numbers that the network computes with in training. "bf16" is faster on processors and GPUs
        with units for bfloat16; weights, losses, penalties and predictions stay in float32.
    compile : bool, default=False
        Whether ``torch.compile`` compiles the network for training. See "GPU and half precision" in
        the docs for what it costs.
    max_epochs, batch_size : int, default=60, 64
        Passes over the source, and rows in a batch.
    n_networks : int > 0, default=1
        Number of networks, trained from different initial weights. Their outputs are averaged.
    validation_fraction, monitor, patience : float, {"source"}, int, optional
        Held-out share of the source, score that selects the best epoch of the training on the
        source, and epochs without a better score before a stop.
    device, random_state, verbose : str, int, int, default="auto", None, 0
        Device to train on, seed of weights, batches and dropout, and 1 for a line per epoch.
    checkpoint : str or path-like, optional
        File that keeps the state of the training on the source after each epoch. The same call of
        `fit`, after a kill, goes on from there: see "Long trainings" in the docs.
    warm_start : bool, default=False
        Whether `fit` begins at the weights of the fit before, and `adapt` at those of the
        adaptation before, as for new recordings.
    on_interrupt : {"raise", "keep"}, default="raise"
        What Ctrl-C does: raise ``KeyboardInterrupt``, or end the fit and keep the finished epochs.
    calibration : {"temperature"}, optional
        "temperature" divides the outputs by `temperature_` before the softmax of `predict_proba`.
        It is fitted to held-out rows of the source before the adaptation (Guo et al., 2017): set
        `validation_fraction`.
    callbacks : list of skorch callbacks, optional
        Further callbacks of the training on the source, but none that scores: use `monitor`.

    Attributes
    ----------
    classes_, history_, best_epoch_, temperature_, n_features_in_
        As in `SHOTClassifier`, as are all others.

    Examples
    --------
    A loss of one's own: entropy minimisation.

    >>> import numpy as np
    >>> from skdidan import SourceFreeClassifier, TargetObjective
    >>> class Entropy(TargetObjective):
    ...     weights = {"entropy": 1.0}
    ...
    ...     def terms(self, outputs, rows, bank):
    ...         log_p = outputs.logits.log_softmax(dim=1)
    ...         return {"entropy": -(log_p.exp() * log_p).sum(dim=1).mean()}
    >>> class EntropyClassifier(SourceFreeClassifier):
    ...     objective = Entropy
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "anger", "neutral")
    >>> classifier = EntropyClassifier(random_state=0).fit(X, y).adapt(X + 1)
    >>> sorted(classifier.adaptation_history_[-1])
    ['dur', 'entropy', 'epoch', 'lr', 'train_loss']
    """

    _kept: ClassVar = frozenset({"classes_", "nets_", "source_nets_"})
    _net_lists: ClassVar = ("nets_", "source_nets_")
    default_loss = "log_loss"
    #: Class of the loss on the target.
    objective: ClassVar[type[TargetObjective]]

    source_nets_: list[AdaptationNet]

    def __init__(
        self,
        network: str | Callable[..., nn.Module] = "auto",
        *,
        network_params: Mapping[str, Any] | None = None,
        objective_params: Mapping[str, Any] | None = None,
        label_smoothing: float = 0.1,
        adaptation_epochs: int = 15,
        adaptation_lr: float = 3e-4,
        target_prior: Any = "uniform",
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
        super().__init__(
            network,
            network_params=network_params,
            trade_off=0.0,
            target_prior=target_prior,
            class_weight=class_weight,
            lr=lr,
            weight_decay=weight_decay,
            optimizer=optimizer,
            optimizer_params=optimizer_params,
            schedule=schedule,
            initial_weights=initial_weights,
            augmentation=augmentation,
            precision=precision,
            compile=compile,
            max_epochs=max_epochs,
            n_networks=n_networks,
            validation_fraction=validation_fraction,
            monitor=monitor,
            patience=patience,
            batch_size=batch_size,
            device=device,
            random_state=random_state,
            callbacks=callbacks,
            verbose=verbose,
            checkpoint=checkpoint,
            warm_start=warm_start,
            on_interrupt=on_interrupt,
            calibration=calibration,
        )
        self.objective_params = objective_params
        self.label_smoothing = label_smoothing
        self.adaptation_epochs = adaptation_epochs
        self.adaptation_lr = adaptation_lr

    @property
    def adapted_(self) -> bool:
        """Tells whether the networks have been adapted to a target."""
        return self.nets_ is not self.source_nets_

    def adapt(self, X_tgt: Any) -> Self:
        """Fit the trained networks to a target, without the source.

        It starts from the networks of `fit`, so that what was adapted to before does not count.
        With ``warm_start=True`` it goes on from the last adaptation. The batches and dropout are
        drawn from a seed that `fit` has kept: the same target gives the same networks.

        Parameters
        ----------
        X_tgt : array-like or Target, shape (n_target, n_features) or (n_target, n_bins, n_frames)
            The unlabelled target; spectrograms of any length if those of `fit` differed in length.

        Returns
        -------
        self : object
            The adapted classifier.

        Raises
        ------
        NotFittedError
            If `fit` has not been called.
        ValueError
            If a parameter is out of range, or the rows do not match those of `fit`.
        FloatingPointError
            If the adaptation diverges before an epoch with a finite loss is over.

        Warns
        -----
        ConvergenceWarning
            If the adaptation diverges after an epoch with a finite loss, whose weights are kept.
        UserWarning
            If Ctrl-C ends the adaptation with ``on_interrupt="keep"``.
        """
        check_is_fitted(self)
        self._check_parameters()
        starts = self.source_nets_
        if self.warm_start:  # an interrupted adaptation has left fewer
            starts = [*self.nets_, *self.source_nets_[len(self.nets_) :]]
        self._adapt(self._check_new(X_tgt, place=TARGET_ROW), starts)
        return self

    def _wants_target(self) -> bool:
        return False

    def _make_net(self, classes: NDArray[Any], *args: Any) -> AdaptationNet:
        net = super()._make_net(classes, *args)
        if self.objective.freezes_output:
            find_output(net.module, len(classes))  # raises an error before the training
        return net

    def _make_loss(self, weights: torch.Tensor) -> nn.Module:
        return nn.CrossEntropyLoss(weights, label_smoothing=self.label_smoothing)

    def _fit(self, domains: Domains) -> None:
        classes, counts = np.unique(domains.y_src, return_counts=True)
        self._expected_shares(classes, counts)  # checks the parameter before the training
        if hasattr(self, "source_nets_"):
            self.nets_ = self.source_nets_  # where a warm start begins
        X_src = domains.X_src
        if domains.X_tgt is not None and is_padded(domains.X_tgt) and not is_padded(X_src):
            # A frame of padding, so that the networks expect recordings of any length.
            X_src = pad(X_src, 1)
        super()._fit(domains.replace(X_src, None))
        is_whole = len(self.nets_) == self._count_networks() and not self.nets_[-1].is_interrupted
        self.nets_ = self.source_nets_ = [detach_net(net) for net in self.nets_]
        self.source_shares_ = counts / counts.sum()
        if domains.X_tgt is None or not is_whole:
            return
        try:
            self._adapt(domains.X_tgt, self.source_nets_)
        except KeyboardInterrupt:  # in the first epoch of the adaptation
            if self.on_interrupt == "raise" or find_share() is not None:
                raise
            warn_caller("The adaptation was interrupted: the networks of the source are kept.")

    @plain_mode()
    def _adapt(self, X_tgt: NDArray[Any], starts: list[AdaptationNet]) -> None:
        device = find_device(self.device)
        origin = self._seed
        if (share := find_share()) is not None:
            settings = len(starts), self.batch_size, self.adaptation_epochs
            facts = {
                "shape": X_tgt.shape,
                "target": hash_value(X_tgt, "share_batches needs rows that can be hashed"),
                "settings": settings,
            }
            seeds = share.agree(np.array([origin]), **facts)
            origin = int(seeds[0])
        target = to_rows(X_tgt, device)
        shares = self._expected_shares(self.classes_, self.source_shares_)

        def train(number: int) -> AdaptationNet:
            entropy = np.random.SeedSequence([origin, number])
            batch_seed, seed = entropy.generate_state(2).tolist()
            rng = np.random.default_rng(batch_seed)
            batches = target_batches(target, self.batch_size, rng, device)
            net = self._make_target_net(starts[number], shares)
            with find_generators(self, seed, device) as generators:
                net.generators = generators
                net.fit(batches, None)
            return net

        nets = self._train_each(train, len(starts))
        warn_of_interrupt(nets, len(starts))
        self.adaptation_history_ = read_history(nets[0])
        self.nets_ = [detach_net(net) for net in nets]

    def _make_target_net(self, start: AdaptationNet, shares: torch.Tensor) -> TargetNet:
        """Return a net that begins with a copy of a trained network."""
        copied = detach_net(start)
        return TargetNet(
            copied.module_,
            copied.criterion_,
            objective=self._make_objective(),
            shares=shares,
            n_classes=len(self.classes_),
            lr=self.adaptation_lr,
            weight_decay=self.weight_decay,
            optimizer=find_optimizer(self.optimizer),
            optimizer_params=self.optimizer_params,
            schedule=self.schedule,
            augmentation=self.augmentation,
            precision=self.precision,
            is_compiled=self.compile,
            max_epochs=self.adaptation_epochs,
            device=str(find_device(self.device)),
            on_interrupt=self.on_interrupt,
            verbose=self.verbose,
        )

    def _make_objective(self) -> TargetObjective:
        try:
            params = deepcopy(dict(self.objective_params or {}))
        except TypeError as error:
            raise TypeError(
                f"objective_params cannot be copied: {error}; got {self.objective_params!r}."
            ) from error
        return self.objective(**params)

    def _expected_shares(self, classes: NDArray[Any], counts: NDArray[Any]) -> torch.Tensor:
        """Return the expected shares of the target, given those of the source."""
        if isinstance(self.target_prior, str) and self.target_prior == "source":
            return torch.tensor(counts / counts.sum(), dtype=torch.float32)
        shares = expected_shares(self.target_prior, classes, classes)
        if shares is None:
            raise ValueError(
                'target_prior must be "uniform", "source", a dict of shares or an array of shares; '
                "got None."
            )
        return shares

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number(
            "label_smoothing",
            self.label_smoothing,
            lambda: 0 <= self.label_smoothing < 1,
            "a number of at least 0 and below 1",
        )
        check_count("adaptation_epochs", self.adaptation_epochs)
        check_positive("adaptation_lr", self.adaptation_lr, single=True)
        optimizer = self.optimizer, self.optimizer_params
        check_optimizer(*optimizer, self.adaptation_lr, self.weight_decay)
        if self.objective_params is not None:
            check_arguments("objective_params", self.objective_params, self.objective)
        self._make_objective()
