"""Terms of the training loss: those that penalties add, and their values until they are read."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from skorch.callbacks import Callback
from torch import Tensor, nn

from skdidan.neural.outputs import Outputs

__all__ = [
    *("BATCH_METHODS", "PENALTY_INPUTS", "LossTerms", "PenaltyTerm"),
    *("penalty_inputs", "watches_batches"),
]

# Methods of callbacks that are called once or more for each batch.
BATCH_METHODS = frozenset({"on_batch_begin", "on_batch_end", "on_grad_computed"})

# Inputs of a penalty beside the features.
PENALTY_INPUTS = (
    *("labels", "predictions", "source_predictions"),
    *("source_domains", "corpus_features"),
)


@dataclass(frozen=True)
class PenaltyTerm:
    """One penalty in the training loss.

    Attributes
    ----------
    penalty : Module
        Maps source and target features to a scalar. It also receives, by name, the inputs in its
        attribute ``uses``: "labels", the one-hot source labels; "predictions", the predicted class
        probabilities of the target (the outputs under the squared error, otherwise their softmax);
        "source_predictions", those of the source; "source_domains", the corpus number of each
        source row, from 0; "corpus_features", those of all rows. If it has ``parts``, its method
        ``terms`` returns a dict of these. If it has a method ``prepare``, this gets the same of all
        rows at the beginning of each epoch, without dropout, and returns numbers for the history by
        name. Its weights, if it has any, are trained with the network.
    weight : float, default=1.0
        Weight within the sum that the trade-off multiplies.
    on : str, default="features"
        Layer of the network to align, see `Outputs.layer`.
    local : bool, default=False
        Whether the gradient on that layer stops below the fully connected layers.
    """

    penalty: nn.Module
    weight: float = 1.0
    on: str = "features"
    local: bool = False

    def __post_init__(self) -> None:
        """Check the inputs that the penalty uses."""
        uses = getattr(self.penalty, "uses", ())
        if isinstance(uses, str) or not set(uses) <= set(PENALTY_INPUTS):
            raise ValueError(
                f"uses of {type(self.penalty).__name__} must be a tuple of names out of "
                f"{PENALTY_INPUTS}; got {uses!r}."
            )

    def names(self, name: str) -> list[str]:
        """Return the history columns of the penalty called `name`, one for each of its parts."""
        parts = getattr(self.penalty, "parts", None)
        return [name] if parts is None else [f"{name}_{part}" for part in parts]

    def values(self, halves: tuple[Tensor, ...], inputs: dict[str, Tensor | None]) -> list[Tensor]:
        """Return the parts of the penalty on source and target, in the order of `names`."""
        used = self._used(inputs)
        parts: list[str] | None = getattr(self.penalty, "parts", None)
        if parts is None:
            return [self.penalty(*halves, **used)]
        terms = self.penalty.terms(*halves, **used)  # type: ignore[operator] # goes with parts
        return [terms[part] for part in parts]

    def prepare(
        self, halves: tuple[Tensor, ...], inputs: dict[str, Tensor | None]
    ) -> dict[str, float]:
        """Hand all rows of both domains to the method `prepare` of the penalty."""
        return self.penalty.prepare(*halves, **self._used(inputs))  # type: ignore[operator] # its own

    def _used(self, inputs: dict[str, Tensor | None]) -> dict[str, Tensor]:
        used = {name: inputs[name] for name in getattr(self.penalty, "uses", ())}
        given = {name: value for name, value in used.items() if value is not None}
        if len(given) < len(used):
            raise ValueError(
                f"{type(self.penalty).__name__} needs a network whose Outputs hold "
                "corpus_features, such as one of this package with network_params="
                "{'corpus_head': True}."
            )
        return given


def penalty_inputs(
    outputs: Outputs, y_idx: Tensor, corpora: Tensor | None, *, is_regression: bool
) -> dict[str, Tensor | None]:
    """Return the inputs of penalties beside the features, by name."""
    # The outputs of a regression onto one-hot labels estimate the probabilities directly.
    predictions = outputs.logits if is_regression else outputs.logits.softmax(dim=1)
    labels = nn.functional.one_hot(y_idx, outputs.logits.shape[1])
    corpora = torch.zeros_like(y_idx) if corpora is None else corpora
    both = predictions[len(y_idx) :], predictions[: len(y_idx)]
    inputs = labels, *both, corpora, outputs.corpus_features
    return dict(zip(PENALTY_INPUTS, inputs, strict=True))


class _Term(NamedTuple):
    batch: dict[str, Any]  # the record of the batch in the history
    name: str
    value: Any  # a scalar Tensor, or the number it held
    is_first: bool  # in the first batch of an epoch


class LossTerms:
    """Terms that wait to be recorded: to read one, a processor waits for the work of a device."""

    def __init__(self) -> None:
        self._waiting: list[_Term] = []
        self._batch: dict[str, Any] = {}
        self._is_first = True

    def begin(self, batches: list[dict[str, Any]]) -> None:
        """Start a batch: later terms go into the last of these records of batches."""
        self._batch, self._is_first = batches[-1], len(batches) == 1

    def add(self, name: str, value: Tensor) -> None:
        """Keep a term of the current batch."""
        self._waiting.append(_Term(self._batch, name, value.detach(), self._is_first))

    def note(self, name: str, value: float) -> None:
        """Record a number of the current batch."""
        self._batch[name] = value

    def read(self, *flags: Tensor) -> tuple[_Term | None, list[bool]]:
        """Record all terms up to the first that is not finite; return it, and the flags.

        All are read at once.
        """
        terms, self._waiting = self._waiting, []
        waiting = [*(term.value for term in terms), *(flag.float() for flag in flags)]
        values = torch.cat([value.reshape(1) for value in waiting]).tolist() if waiting else []
        are_set = [value == 1 for value in values[len(terms) :]]
        for term, value in zip(terms, values, strict=False):
            if not math.isfinite(value):
                return term._replace(value=value), are_set
            term.batch[term.name] = value
        return None, are_set


def watches_batches(callbacks: Iterable[tuple[str, Callback]]) -> bool:
    """Tell whether a callback may read the terms of a batch before the end of the epoch."""
    return any(
        getattr(type(callback), method) is not getattr(Callback, method)
        for _, callback in callbacks
        for method in BATCH_METHODS
    )
