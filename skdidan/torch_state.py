"""Devices, modes, threads and generators, which torch keeps for the whole process or thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from typing import Any

import torch
from threadpoolctl import threadpool_limits
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode  # torch's notes import it from there

__all__ = [
    *("Generators", "all_finite", "copy_generator", "copy_to_cpu", "draw_from", "find_device"),
    *("limit_threads", "new_generators", "own_generators", "plain_mode"),
]

Generators = dict[str, torch.Generator]  # by type of device; that of the CPU is always there

_CPU = torch.device("cpu")
_LOCK, _COUNTS_LOCK = threading.RLock(), threading.Lock()


def _renew_locks() -> None:
    """Replace locks that other threads hold, since a forked process lacks these threads."""
    global _LOCK, _COUNTS_LOCK
    _LOCK, _COUNTS_LOCK = threading.RLock(), threading.Lock()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_renew_locks)


def find_device(name: Any) -> torch.device:
    """Return the device of the parameter `device`, or raise a ValueError if it is not there."""
    if isinstance(name, str) and name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    except Exception as error:  # backends raise errors of many kinds
        found = ["auto", "cpu", *(f"cuda:{n}" for n in range(torch.cuda.device_count()))]
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"device must be one that torch can use here, such as {found}; got {name!r}: {reason}"
        ) from error
    return device


@contextmanager
def plain_mode() -> Iterator[None]:
    """Leave the caller's `inference_mode` and `no_grad`; make tensors of float32 on the CPU.

    Blocks in several threads run one after another: the default type belongs to the process.
    """
    is_plain = torch.get_default_device() == _CPU
    with _LOCK, torch.inference_mode(False), nullcontext() if is_plain else _CPU:
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(before)


@contextmanager
def own_generators(seed: int | None = None, device: torch.device = _CPU) -> Iterator[Generators]:
    """Let one thread at a time draw from torch's global generators, and restore them at the end.

    Networks, penalties and callbacks of others draw from generators of the process, since torch has
    none of a thread. Blocks in several threads run one after another. Draws of a thread outside of
    any block still mix with those of a block.
    """
    generators = {"cpu": torch.default_generator}
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        generators["cuda"] = torch.cuda.default_generators[index]
    with _LOCK, torch.random.fork_rng([device] if device.type == "cuda" else []):
        if seed is not None:  # not by torch.manual_seed, which seeds all devices
            for generator in generators.values():
                generator.manual_seed(seed)
            if device.type not in generators:
                getattr(torch, device.type).manual_seed(seed)
        yield generators


def new_generators(seed: int, device: torch.device = _CPU) -> Generators:
    """Return generators that nothing else draws from, for the CPU and a device."""
    return {each.type: torch.Generator(each).manual_seed(seed) for each in (_CPU, device)}


def copy_generator(generators: Generators | None) -> torch.Generator:
    """Return a generator that goes on like that of the CPU, or like torch's global one."""
    found = torch.default_generator if generators is None else generators["cpu"]
    return torch.Generator().set_state(found.get_state())


class _DrawFrom(TorchDispatchMode):
    """Gives a generator to all that a thread draws on the CPU."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.generator = generator

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded in func.tags:
            kwargs = {**kwargs, "generator": self.generator}
        return func(*args, **kwargs)


def draw_from(generator: torch.Generator) -> AbstractContextManager[Any]:
    """Let modules of ours that are made in the block draw their initial weights from a generator.

    Each operation takes a little longer, so training draws in another way: see `Dropout`.
    """
    return nullcontext() if generator is torch.default_generator else _DrawFrom(generator)


_FOUND: list[tuple[int, Any]] = []  # by the first of the blocks that overlap; once for each block


@contextmanager
def limit_threads(n_threads: int) -> Iterator[None]:
    """Limit the threads of torch and BLAS; the last of overlapping blocks restores them."""
    with _COUNTS_LOCK:
        found = torch.get_num_threads(), threadpool_limits(n_threads, "blas")
        _FOUND.append(_FOUND[0] if _FOUND else found)
    try:
        with threadpool_limits(n_threads, "openmp"):  # whose numbers belong to the thread
            torch.set_num_threads(n_threads)
            yield
    finally:
        with _COUNTS_LOCK:
            n_torch, blas = _FOUND.pop()
            torch.set_num_threads(n_torch)
            if not _FOUND:
                blas.restore_original_limits()


class _CopyToCPU(TorchFunctionMode):
    """Redirects deep copies of tensors, and of parameters, which are cloned, to the CPU."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.Tensor.__deepcopy__, torch.Tensor.clone):
            return args[0].detach().to("cpu", copy=True)
        return func(*args, **(kwargs or {}))


def all_finite(module: torch.nn.Module, device: torch.device | str) -> torch.Tensor:
    """Tell whether all weights of a module are finite, as a tensor on their device."""
    are_finite = [part.isfinite().all() for part in module.state_dict().values()]
    return torch.stack(are_finite).all() if are_finite else torch.tensor(True, device=device)


def copy_to_cpu(value: Any) -> Any:
    """Copy an object deeply, with all tensors in it on the CPU."""
    with _CopyToCPU():
        return deepcopy(value)
