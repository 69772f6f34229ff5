"""Share the batches of a training over several processes, as over the GPUs of a machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn
from torch.nn.parameter import is_lazy

from skdidan.neural.outputs import Outputs

__all__ = ["Share", "find_share", "share_batches"]

_SHARE: ContextVar[Share | None] = ContextVar("skdidan_share", default=None)


@contextmanager
def share_batches() -> Iterator[None]:
    """Let the fits in the block share each batch with the other processes.

    Start one process for each device, as ``torchrun`` does, initialise ``torch.distributed``, and
    call ``fit`` in each with the same parameters and data. Each process sends its part of a batch
    through the network. All then see the outputs for the whole batch, so that penalties, such as
    the sparse codes of `IDA`, are those of a single process, and so are the gradients, which are
    summed. All processes begin with the weights and seeds of the first, and end with the same
    weights.

    Batch normalisation takes its statistics from the part of a process, as in
    ``torch.nn.parallel.DistributedDataParallel``. Predictions share nothing. Callbacks and monitors
    run in each process, and must decide alike. Ctrl-C always ends the fit, also with
    ``on_interrupt="keep"``.

    Raises
    ------
    RuntimeError
        If ``torch.distributed`` is not initialised.
    ValueError
        In ``fit``, if the processes differ in their data, settings or checkpoints, or if a batch
        has fewer rows than there are processes.

    Examples
    --------
    A script that ``torchrun --nproc-per-node 2 train.py`` runs in two processes::

        number = int(os.environ["LOCAL_RANK"])
        torch.cuda.set_device(number)
        torch.distributed.init_process_group()
        model = DIDANClassifier(network="vgg11", device=f"cuda:{number}", random_state=0)
        with share_batches():
            model.fit(X_src, y_src, X_tgt)
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        raise RuntimeError(
            "share_batches needs torch.distributed: start the script with torchrun, and call "
            "torch.distributed.init_process_group() first."
        )
    token = _SHARE.set(Share(distributed.get_rank(), distributed.get_world_size()))
    try:
        yield
    finally:
        _SHARE.reset(token)


def find_share() -> Share | None:
    """Return the share of this process in the batches, or None if it has them alone."""
    return _SHARE.get()


@dataclass
class Share:
    """Share of a process in each batch: every `n_processes`-th row, from its own number on."""

    rank: int
    n_processes: int
    n_rows: int = 0  # of the current batch

    def part(self, rows: Tensor) -> Tensor:
        """Return the part of this process of the rows of a batch, or of what belongs to them."""
        return rows[self.rank :: self.n_processes]

    def split(self, batch: Tensor) -> Tensor:
        """Return the part of a batch that goes through the network."""
        if len(batch) < self.n_processes:
            raise ValueError(
                f"A batch of {len(batch)} rows cannot be shared by {self.n_processes} processes: "
                "raise batch_size."
            )
        self.n_rows = len(batch)
        return self.part(batch)

    def has_part(self, rows: Tensor) -> bool:
        """Tell whether a tensor has one row for each row of the part."""
        return len(rows) == len(range(self.rank, self.n_rows, self.n_processes))

    def gather(self, outputs: Outputs) -> Outputs:
        """Return the outputs for the whole batch, given those for the part."""
        found = {id(part): part for part in _matrices(outputs)}
        joined = _Gather.apply(torch.cat([*found.values()], dim=1), self)  # in one message
        wholes = joined.split([part.shape[1] for part in found.values()], dim=1)
        whole_of = dict(zip(found, wholes, strict=True))

        def join(part: Any) -> Any:
            if isinstance(part, dict):
                return {name: join(layer) for name, layer in part.items()}
            return whole_of.get(id(part), part)

        return Outputs(*map(join, outputs))

    @torch.no_grad()
    def sum_gradients(self, module: nn.Module) -> None:
        """Sum the gradients of a network over the processes, and average its statistics."""
        _change([part.grad for part in module.parameters() if part.grad is not None], _sum)
        _change(_statistics(module), lambda joined: _sum(joined).div_(self.n_processes))

    @torch.no_grad()
    def copy_first(self, module: nn.Module) -> None:
        """Take the weights, their gradients and the statistics of the first process."""
        weights = [part for part in module.parameters() if not is_lazy(part)]
        gradients = [part.grad for part in weights if part.grad is not None]
        parts = [*weights, *gradients, *_statistics(module)]
        _change(parts, lambda joined: distributed.broadcast(joined, 0))

    def agree(self, seeds: NDArray[Any], **facts: Any) -> NDArray[Any]:
        """Return the seeds of the first process; raise a ValueError if the facts differ."""
        found: list[Any] = [None] * self.n_processes
        distributed.all_gather_object(found, (seeds.tolist(), facts))
        for rank, (_, others) in enumerate(found):
            for name, value in found[0][1].items():
                if others[name] != value:
                    raise ValueError(
                        f"share_batches needs the same {name} in all processes, but process 0 has "
                        f"{value} and process {rank} has {others[name]}."
                    )
        return np.array(found[0][0])


class _Gather(torch.autograd.Function):
    """Joins the parts of all processes; the gradient of a part is its own.

    Every process computes the same loss of the whole, so nothing is to be summed here.
    """

    @staticmethod
    def forward(context: Any, part: Tensor, share: Share) -> Tensor:
        context.share = share
        largest = -(-share.n_rows // share.n_processes)
        padded = part.new_zeros(largest, part.shape[1])
        padded[: len(part)] = part
        found = [torch.empty_like(padded) for _ in range(share.n_processes)]
        distributed.all_gather(found, padded)
        return torch.stack(found, dim=1).flatten(0, 1)[: share.n_rows]

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Any:
        return context.share.part(gradient), None


def _matrices(outputs: Outputs) -> Iterator[Tensor]:
    """Yield the outputs that penalties may use: a row for each of the batch."""
    for part in outputs:
        layers = part.values() if isinstance(part, dict) else [part]
        for layer in layers:
            if layer is not None and layer.ndim == 2 and len(layer) == len(outputs.logits):
                yield layer


def _statistics(module: nn.Module) -> list[Tensor]:
    """Return the numbers that a module tracks, such as the means of batch normalisation."""
    return [part for part in module.buffers() if part.is_floating_point()]


def _sum(joined: Tensor) -> Tensor:
    distributed.all_reduce(joined)
    return joined


def _change(tensors: list[Tensor], function: Callable[[Tensor], Any]) -> None:
    """Let a function change tensors in place, as one vector: one message takes less time."""
    if not tensors:
        return
    joined = torch.cat([tensor.flatten() for tensor in tensors])
    function(joined)
    parts = joined.split([tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view_as(tensor))
