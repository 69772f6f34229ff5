"""The skorch net that adds penalties between source and target to the classification loss."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import torch
from skorch import NeuralNet
from skorch.callbacks import EpochTimer, LRScheduler, PassthroughScoring, PrintLog
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from skdidan.neural.batches import Batch, PairedBatches
from skdidan.neural.networks import Outputs

__all__ = ["LOSSES", "AdaptationNet", "PenaltyTerm", "SquaredError", "cooldown", "ramp"]


class SquaredError(nn.Module):
    r"""Squared error between the outputs and the one-hot labels, weighted by class.

    .. math:: \frac{\sum_i w_{y_i} \|g_i - e_{y_i}\|^2}{\sum_i w_{y_i}}

    Parameters
    ----------
    weight : Tensor, shape (n_classes,)
        Weights :math:`w` of the classes.

    Examples
    --------
    >>> import torch
    >>> loss = SquaredError(torch.ones(2))
    >>> float(loss(torch.tensor([[1.0, 0.0], [0.5, 0.5]]), torch.tensor([0, 1])))
    0.25
    """

    weight: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)

    def forward(self, logits: Tensor, codes: Tensor) -> Tensor:
        """Return the loss of outputs (n_samples, n_classes) under class codes (n_samples,)."""
        one_hot = nn.functional.one_hot(codes, logits.shape[1]).to(logits.dtype)
        weight = self.weight[codes]
        error = (logits - one_hot).square().sum(dim=1)
        return (weight * error).sum() / weight.sum()


# What a penalty may use beside the features.
_KNOWN = ("labels", "predictions", "source_predictions")


@dataclass(frozen=True)
class PenaltyTerm:
    """One penalty of the training loss.

    Attributes
    ----------
    penalty : Module
        Maps source and target features to a scalar. What its attribute ``uses`` names, it takes as
        well, by these names: "labels", the one-hot source labels; "predictions", what the network
        takes for the class probabilities of the target (its outputs under the squared error, else
        their softmax); "source_predictions", the same of the source. If it has ``parts``, its
        method ``terms`` returns these by their names. If it has weights, they are trained with
        those of the network.
    weight : float, default=1.0
        Its share within the sum that the trade-off multiplies.
    on : str, default="features"
        Layer of the network that it aligns, see `Outputs.layer`.
    local : bool, default=False
        Whether its gradient on that layer stops below the fully connected layers.
    """

    penalty: nn.Module
    weight: float = 1.0
    on: str = "features"
    local: bool = False

    def __post_init__(self) -> None:
        """Check what the penalty wants to be given."""
        uses = getattr(self.penalty, "uses", ())
        if isinstance(uses, str) or not set(uses) <= set(_KNOWN):
            raise ValueError(
                f"uses of {type(self.penalty).__name__} must be a tuple of names out of {_KNOWN}; "
                f"got {uses!r}."
            )

    def names(self, name: str) -> list[str]:
        """Names in the history of what is known as `name`: one for each part of the penalty."""
        parts = getattr(self.penalty, "parts", None)
        return [name] if parts is None else [f"{name}_{part}" for part in parts]

    def values(self, halves: tuple[Tensor, ...], known: dict[str, Tensor]) -> list[Tensor]:
        """Return the parts of the penalty of source and target, in the order of the `names`."""
        used = {name: known[name] for name in getattr(self.penalty, "uses", ())}
        parts: list[str] | None = getattr(self.penalty, "parts", None)
        if parts is None:
            return [self.penalty(*halves, **used)]
        terms = self.penalty.terms(*halves, **used)  # type: ignore[operator] # as duck-typed
        return [terms[part] for part in parts]


def ramp(progress: float) -> float:
    r"""Rise smoothly from 0 to 1 over training: first the classifier, then the alignment.

    .. math:: \frac{2}{1 + e^{-10 p}} - 1

    at progress `p`, the schedule of Ganin and Lempitsky (2015), arXiv:1409.7495.

    Examples
    --------
    >>> ramp(0.0), round(ramp(0.1), 4), round(ramp(1.0), 4)
    (0.0, 0.4621, 0.9999)
    """
    return 2 / (1 + math.exp(-10 * progress)) - 1


def cooldown(epoch: int, n_epochs: int) -> float:
    r"""Lower the learning rate at the end, linearly over the last 30 % of the epochs.

    .. math:: \min\Bigl(1, \frac{\max(n - e, 0)}{0.3 n}\Bigr)

    in epoch `e` of `n`, counted from 0. Predictions on the target swing from epoch to epoch while
    the learning rate is high, for no label holds them. The schedule is that of [1]_.

    References
    ----------
    .. [1] Hägele, Bakouch, Kosson, Ben Allal, von Werra, Jaggi (2024). Scaling laws and
       compute-optimal training beyond fixed training durations. NeurIPS, arXiv:2405.18392.

    Examples
    --------
    >>> [round(cooldown(epoch, 10), 2) for epoch in range(11)]
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.67, 0.33, 0.0]
    """
    return min(1.0, max(n_epochs - epoch, 0) / (0.3 * n_epochs))


class _TrainingEnd(Exception):
    """A callback wants no further epoch."""


class AdaptationNet(NeuralNet):
    """A skorch net trained on paired batches under penalties.

    One step sends the stacked source and target rows through the module at once and descends on ::

        criterion(source logits, codes) + trade_off * ramp(epoch / max_epochs) * penalty

    where the penalty is the weighted sum of its terms. The history holds each term under its own
    name, averaged over the batches of an epoch, and the learning rate, which follows `cooldown`.
    ``fit`` takes `PairedBatches` as ``X``.

    Parameters
    ----------
    module : Module
        Network that returns `Outputs`, or a tuple of logits and features.
    criterion : Module
        Classification loss of logits and class codes.
    n_classes : int
        Number of logits of a row.
    penalties : dict of str to PenaltyTerm
        The penalties by their names in the history.
    trade_off : float
        Weight of the penalties at the end of training.
    lr, max_epochs, device, callbacks, verbose
        As in `skorch.NeuralNet`.
    weight_decay : float
        Of AdamW.
    """

    def __init__(
        self,
        module: nn.Module,
        criterion: nn.Module,
        *,
        n_classes: int,
        penalties: dict[str, PenaltyTerm],
        trade_off: float,
        lr: float,
        weight_decay: float,
        max_epochs: int,
        device: str = "cpu",
        callbacks: Any = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            module,
            criterion,
            optimizer=torch.optim.AdamW,
            lr=lr,
            max_epochs=max_epochs,
            train_split=None,
            callbacks=callbacks,
            verbose=verbose,
            device=device,
            optimizer__weight_decay=weight_decay,
        )
        self.n_classes = n_classes
        self.penalties = penalties
        self.trade_off = trade_off
        self.weight_decay = weight_decay

    def get_default_callbacks(self) -> list[tuple[str, Any]]:
        """Time the epochs, average the terms of the loss over them, end at a low learning rate."""
        penalties = [n for name, term in self.penalties.items() for n in term.names(name)]
        terms = ["train_loss", "classification_loss", *penalties, "trade_off"]
        return [
            ("epoch_timer", EpochTimer()),
            *[(term, PassthroughScoring(name=term, on_train=True)) for term in terms],
            (
                "cooldown",
                LRScheduler(
                    LambdaLR,
                    lr_lambda=partial(cooldown, n_epochs=self.max_epochs),
                    event_name="lr",
                ),
            ),
            ("print_log", PrintLog()),
        ]

    def initialize_module(self) -> Self:
        """Take the penalties for modules, so that the optimizer trains the weights they have."""
        super().initialize_module()
        penalties = [term.penalty for term in self.penalties.values()]
        self.penalties_ = nn.ModuleList(penalties)
        return self

    def get_split_datasets(self, X: PairedBatches, y: None = None, **fit_params: Any) -> Any:
        """Train on the batches as they are."""
        return X, None

    def get_iterator(self, dataset: Any, training: bool = False) -> Iterable[Any]:
        """Iterate over paired batches, or over any other data as skorch does."""
        if isinstance(dataset, PairedBatches):
            return dataset
        return super().get_iterator(dataset, training=training)

    def train_step_single(self, batch: Batch, **fit_params: Any) -> dict[str, Tensor]:
        """Send both domains through the network, and the loss and penalties back."""
        self.module_.train()
        n_source = len(batch.source)
        outputs = self._outputs(torch.cat([batch.source, batch.target]))
        loss = self.criterion_(outputs.logits[:n_source], batch.codes)
        self._record("classification_loss", loss)
        trade_off = self.trade_off * ramp(len(self.history) / self.max_epochs)
        self.history.record_batch("trade_off", trade_off)
        known = self._known(outputs.logits, batch.codes)
        halves: dict[int, tuple[Tensor, ...]] = {}  # of each layer; several penalties may share one
        for name, term in self.penalties.items():
            layer = outputs.layer(term.on, local=term.local)
            if id(layer) not in halves:
                halves[id(layer)] = layer.tensor_split([n_source])
            values = term.values(halves[id(layer)], known)
            for part, value in zip(term.names(name), values, strict=True):
                self._record(part, value)
                loss = loss + trade_off * term.weight * value
        loss.backward()
        return {"loss": loss, "y_pred": outputs.logits}

    def _known(self, logits: Tensor, codes: Tensor) -> dict[str, Tensor]:
        """Return what penalties may use beside the features, by name."""
        # A regression onto one-hot labels estimates their probabilities as it is.
        is_regression = isinstance(self.criterion_, SquaredError)
        predictions = logits if is_regression else logits.softmax(dim=1)
        labels = nn.functional.one_hot(codes, self.n_classes)
        known = labels, predictions[len(codes) :], predictions[: len(codes)]
        return dict(zip(_KNOWN, known, strict=True))

    def _record(self, name: str, term: Tensor) -> None:
        value = term.item()
        if not math.isfinite(value):
            raise FloatingPointError(
                f"Training diverged in epoch {len(self.history)}: {name} is {value}. Scale the "
                f"features (CorpusScaler), or lower lr={self.lr} or trade_off={self.trade_off}."
            )
        self.history.record_batch(name, value)

    def partial_fit(
        self, X: Any, y: None = None, classes: None = None, **fit_params: Any
    ) -> AdaptationNet:
        """Train; unlike in skorch an interrupt is no regular end, or searches could not be left."""
        if not self.initialized_:
            self.initialize()
        self.notify("on_train_begin", X=X, y=y)
        with suppress(_TrainingEnd):
            self.fit_loop(X, y, **fit_params)
        # The terms of a step are those before it, so the last step is not known to be good.
        if not bool(self.outputs(X.source[:256]).logits.isfinite().all()):
            raise FloatingPointError(
                "Training diverged in its last step: the outputs are not finite. Lower "
                f"lr={self.lr} or trade_off={self.trade_off}."
            )
        self.notify("on_train_end", X=X, y=y)
        return self

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Call the callbacks; those of skorch end the training by an interrupt after an epoch."""
        try:
            super().notify(method_name, **cb_kwargs)
        except KeyboardInterrupt as interrupt:
            if method_name != "on_epoch_end":
                raise
            raise _TrainingEnd from interrupt

    def evaluation_step(self, batch: Any, training: bool = False) -> tuple[Tensor, Tensor]:
        """Return logits and features as a plain tuple: skorch cannot move a named one."""
        logits, features = super().evaluation_step(batch, training=training)[:2]
        return logits, features

    @torch.no_grad()
    def outputs(self, X: Tensor, batch_size: int = 256) -> Outputs:
        """Evaluate the network on rows (n_samples, ...) of a CPU tensor.

        Returns
        -------
        outputs : Outputs
            CPU tensors of all rows.
        """
        self.module_.eval()
        parts = [self._outputs(rows) for rows in X.split(batch_size)]
        return Outputs(
            torch.cat([part.logits for part in parts]).cpu(),
            torch.cat([part.features for part in parts]).cpu(),
        )

    def _outputs(self, X: Tensor) -> Outputs:
        answer = self.infer(X)
        is_pair = isinstance(answer, Outputs) or (isinstance(answer, tuple) and len(answer) == 2)
        shapes = [tuple(part.shape) for part in answer[:2]] if is_pair else type(answer).__name__
        if not is_pair or len(shapes[1]) != 2 or shapes[0] != (len(X), self.n_classes):
            raise TypeError(
                f"{type(self.module_).__name__}.forward must return skdidan.Outputs, or a tuple of "
                f"logits and features of shapes ({len(X)}, {self.n_classes}) and ({len(X)}, "
                f"n_features); got {shapes}."
            )
        return Outputs(*answer)


#: Classification losses by the names of the classifiers' parameter `loss`.
LOSSES: dict[str, type[nn.Module]] = {
    "log_loss": nn.CrossEntropyLoss,
    "squared_error": SquaredError,
}
