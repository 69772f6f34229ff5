"""Deep baselines of DIDAN: source only, minimum class confusion, Deep CORAL."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from skdidan.domains import Domains
from skdidan.neural.adaptation import AdaptationClassifier
from skdidan.neural.terms import PenaltyTerm
from skdidan.parameters import check_boolean
from skdidan.penalties.confusion import MCC
from skdidan.penalties.distances import CORAL

__all__ = ["DeepCORALClassifier", "MCCClassifier", "SourceOnlyClassifier"]


class SourceOnlyClassifier(AdaptationClassifier):
    """The network trained on the source alone: the result that adaptation has to beat.

    Several sources are pooled.

    Parameters
    ----------
    network : {"auto", "cnn", "mlp", "nested_transformer", "vgg11"}, Module or factory
        Network to train. "auto", the default, takes the `CNN` for spectrograms, else the `MLP`.
    network_params : dict, optional
        Further arguments of the network.
    use_target : bool, default=False
        Whether target rows pass through the network in training, without any penalty. Batch
        normalisation then sees both domains, and the batches are those of the other classifiers.
    loss : {"auto", "squared_error", "log_loss"}, default="auto"
        Classification loss: squared error to the one-hot labels ("auto"), or cross-entropy.
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
        Number of networks, trained from different initial weights. Their outputs are averaged.
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
    classes_, n_features_in_ : ndarray, int
        Classes of the source, and number of features, or of bins of a spectrogram.
    nets_, net_, best_epoch_ : list of AdaptationNet, AdaptationNet, int
        Trained skorch nets, the first of them, and, with `monitor`, the epoch that this one kept.
    temperature_ : float
        Temperature of the softmax in `predict_proba`; set if `calibration` is.
    history_ : list of dict
        For each epoch of `net_`: losses, trade-off and learning rate.

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
        super().__init__(
            network,
            network_params=network_params,
            trade_off=0.0,
            loss=loss,
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
        self.use_target = use_target

    def _wants_target(self) -> bool:
        return self.use_target

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_boolean("use_target", self.use_target)

    def _fit(self, domains: Domains) -> None:
        super()._fit(domains if self.use_target else domains.replace(domains.X_src, None))

    def _penalty_terms(self, classes: NDArray[Any]) -> dict[str, PenaltyTerm]:
        return {}


class MCCClassifier(AdaptationClassifier):
    """Minimum class confusion on the target (Jin et al., 2020), without any domain distance.

    The objective is ``loss + trade_off * MCC(logits_tgt)``, see `skdidan.MCC`. The penalty is
    defined by the softmax of the logits, hence the default loss.

    Several sources are pooled.

    Parameters
    ----------
    network : {"auto", "cnn", "mlp", "nested_transformer", "vgg11"}, Module or factory
        Network to train. "auto", the default, takes the `CNN` for spectrograms, else the `MLP`.
    network_params, penalty_params : dict, optional
        Further arguments of the network, and of `MCC`: ``temperature`` of the softmax, by default
        2.5. With ``loss="squared_error"``, whose outputs differ by about 1, pass one such as 0.2.
    align_on : str or sequence of str, default="auto"
        Layers whose outputs are taken for logits: "logits", which "auto" stands for.
    trade_off : float >= 0, default=1.0
        Weight of the penalty at the end of training; 0 switches it off.
    target_prior : {"uniform", "source"}, dict, array-like or None, default=None
        Expected shares of the classes in the target. With them, ten times the squared distance
        between the mean prediction for the target and the shares joins the penalties, so that no
        class is given up.
    loss : {"auto", "squared_error", "log_loss"}, default="auto"
        Classification loss: cross-entropy ("auto"), or squared error to the one-hot labels.
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
        Number of networks, trained from different initial weights. Their outputs are averaged.
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
    classes_, n_features_in_ : ndarray, int
        Classes of the source, and number of features, or of bins of a spectrogram.
    nets_, net_, best_epoch_ : list of AdaptationNet, AdaptationNet, int
        Trained skorch nets, the first of them, and, with `monitor`, the epoch that this one kept.
    temperature_ : float
        Temperature of the softmax in `predict_proba`; set if `calibration` is.
    history_ : list of dict
        For each epoch of `net_`: losses, trade-off and learning rate, and the penalty as ``mcc``.

    References
    ----------
    .. [1] Jin, Wang, Long, Wang (2020). Minimum class confusion for versatile domain adaptation.
       ECCV, arXiv:1912.03699.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import MCCClassifier
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "anger", "neutral")
    >>> classifier = MCCClassifier(random_state=0).fit(X, y, X + 1)
    >>> sorted(classifier.history_[-1])
    ['classification_loss', 'dur', 'epoch', 'lr', 'mcc', 'trade_off', 'train_loss']
    """

    penalty = MCC
    penalty_name = "mcc"
    default_align_on = "logits"
    default_loss = "log_loss"


class DeepCORALClassifier(AdaptationClassifier):
    """Deep CORAL: equal covariances of the features (Sun and Saenko, 2016).

    The objective is ``loss + trade_off * 100 * CORAL(features_src, features_tgt)``, see
    `skdidan.CORAL`; the factor brings the penalty to the scale of the others.

    Several sources are pooled.

    Parameters
    ----------
    network : {"auto", "cnn", "mlp", "nested_transformer", "vgg11"}, Module or factory
        Network to train. "auto", the default, takes the `CNN` for spectrograms, else the `MLP`.
    network_params, penalty_params : dict, optional
        Further arguments of the network, and arguments of `CORAL`: it has none.
    align_on : str or sequence of str, default="auto"
        Layers whose outputs are aligned: "features" (the inputs of the output layer), which "auto"
        stands for, "fc1", "fc2", ..., or "pooled". The penalties of several layers are averaged.
    trade_off : float >= 0, default=1.0
        Weight of the penalty at the end of training; 0 switches it off.
    target_prior : {"uniform", "source"}, dict, array-like or None, default=None
        Expected shares of the classes in the target. With them, ten times the squared distance
        between the mean prediction for the target and the shares joins the penalties, so that no
        class is given up.
    loss : {"auto", "squared_error", "log_loss"}, default="auto"
        Classification loss: squared error to the one-hot labels ("auto"), or cross-entropy.
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
        Number of networks, trained from different initial weights. Their outputs are averaged.
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
    classes_, n_features_in_ : ndarray, int
        Classes of the source, and number of features, or of bins of a spectrogram.
    nets_, net_, best_epoch_ : list of AdaptationNet, AdaptationNet, int
        Trained skorch nets, the first of them, and, with `monitor`, the epoch that this one kept.
    temperature_ : float
        Temperature of the softmax in `predict_proba`; set if `calibration` is.
    history_ : list of dict
        For each epoch of `net_`: losses, trade-off and learning rate, and the penalty as ``coral``.

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

    penalty = CORAL
    penalty_name = "coral"
    penalty_weight = 100.0
