"""The skorch net that is trained on rows of a target alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from skdidan.neural.batches import Batch, PairedBatches
from skdidan.neural.outputs import Outputs
from skdidan.neural.target_losses import TargetBank
from skdidan.neural.training import AdaptationNet, load_net

__all__ = ["TargetNet", "TargetObjective", "detach_net", "target_batches"]


class TargetObjective(ABC):
    """Base of the losses by which a trained network fits a target without its source.

    A subclass returns the terms of its loss in ``terms``, and their weights in ``weights``. It may
    prepare itself in ``begin_epoch``. Its ``__init__`` stores and checks its parameters, which are
    the `objective_params` of a classifier.
    """

    #: Whether the output layer keeps its weights.
    freezes_output: ClassVar[bool] = True

    #: Weights of the terms, by their columns in the history.
    weights: Mapping[str, float]

    def begin_epoch(self, bank: TargetBank) -> None:  # noqa: B027 # not all need a preparation
        """Prepare an epoch, given the outputs for the whole target without dropout."""

    @abstractmethod
    def terms(self, outputs: Outputs, rows: Tensor, bank: TargetBank) -> dict[str, Tensor]:
        """Return the terms of the loss, scalars by name.

        Parameters
        ----------
        outputs : Outputs
            Outputs of the network for a batch, of n_samples rows.
        rows : Tensor of int, shape (n_samples,)
            Numbers of these rows in the target.
        bank : TargetBank
            Latest outputs of the network for each row of the target.
        """


class TargetNet(AdaptationNet):
    """Skorch net that minimises a `TargetObjective` on batches of a target.

    Before each epoch the bank is filled with the outputs for the whole target, without dropout.
    Each step replaces those of its batch. All else is as in `AdaptationNet`.
    """

    def __init__(
        self, *modules: nn.Module, objective: TargetObjective, shares: Tensor, **settings: Any
    ) -> None:
        super().__init__(*modules, penalties={}, trade_off=0.0, **settings)
        self.objective = objective
        self.shares = shares

    def columns(self) -> list[str]:
        """List the loss terms in the history."""
        return ["train_loss", *self.objective.weights]

    def initialize_module(self) -> Self:
        """Freeze the output layer, if the objective says so."""
        super().initialize_module()
        if self.objective.freezes_output:
            find_output(self.module_, self.n_classes).requires_grad_(False)
        if not any(part.requires_grad for part in self.module_.parameters()):
            raise ValueError(
                f"{type(self.module_).__name__} has no weights that adapt may train: its output "
                "layer is kept, and all others are frozen."
            )
        return self

    def on_epoch_begin(self, net: Any, dataset_train: Any = None, **kwargs: Any) -> None:
        """Begin an epoch, and look at the whole target."""
        super().on_epoch_begin(net, dataset_train=dataset_train, **kwargs)
        logits, features = (part.to(self.device) for part in self.outputs(dataset_train.source)[:2])
        self.bank = TargetBank(features, logits, self.shares.to(self.device))
        self.objective.begin_epoch(self.bank)

    def train_step_single(self, batch: Batch, **fit_params: Any) -> dict[str, Tensor]:
        """Run one forward and one backward pass for rows of the target."""
        if not self.module_.training:
            self.module_.train()
        outputs, rows = self._train_outputs(batch.source), batch.y_idx
        terms = self.objective.terms(outputs, rows, self.bank)
        loss = outputs.logits.sum() * 0.0
        for name, weight in self.objective.weights.items():
            self._terms.add(name, terms[name])
            loss = loss + weight * terms[name]
        self._backward(loss)
        self.bank.overwrite(rows, outputs.features, outputs.logits)
        return {"loss": loss, "y_pred": outputs.logits}

    def _causes(self) -> str:
        return f"adaptation_lr={self.lr} or weight_decay={self.weight_decay}"


def target_batches(target: Any, batch_size: int, rng: Any, device: torch.device) -> PairedBatches:
    """Return batches of target rows alone; the numbers of the rows are in the place of labels."""
    numbers = torch.arange(len(target), device=device)
    return PairedBatches(target, None, numbers, batch_size, rng)


def find_output(module: nn.Module, n_classes: int) -> nn.Linear:
    """Return the output layer of a network: its attribute `output`, or its last of that size."""
    named = getattr(module, "output", None)
    layers = [part for part in module.modules() if isinstance(part, nn.Linear)]
    layers = [part for part in layers if part.out_features == n_classes]
    layers += [part for part in layers if part is named]
    if not layers:
        raise TypeError(
            f"{type(module).__name__} has no torch.nn.Linear of {n_classes} outputs, whose weights "
            "the adaptation keeps. End the network in one."
        )
    return layers[-1]


def detach_net(net: AdaptationNet) -> AdaptationNet:
    """Return a copy with the weights and the history alone.

    Rows of the training have shaped the rest: gradients, the state of the optimizer, callbacks.
    """
    _, (_, params, *modules) = net.__reduce__()
    detached = load_net(AdaptationNet, params, *modules)
    detached.history = net.history
    detached.is_interrupted = net.is_interrupted
    return detached
