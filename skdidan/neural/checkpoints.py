"""Resume a training from a file, or begin it at the weights of the fit before."""

from __future__ import annotations

import os
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch.history import History
from torch import Tensor

from skdidan.archive import ArchiveReader, ArchiveWriter, write_atomically
from skdidan.domains import Domains
from skdidan.hashing import hash_value
from skdidan.neural.batches import PairedBatches
from skdidan.neural.initial import read_weights
from skdidan.neural.source import number_corpora
from skdidan.neural.training import AdaptationNet, Observer
from skdidan.tensors import group_of, named, pack, unpack

__all__ = ["Checkpoint", "check_checkpoint", "find_starts", "open_checkpoint", "train_net"]

_FORMAT = 1
# Of skorch's early stopping, beside the weights of the best epoch.
_STOPPING = ("misses_", "dynamic_threshold_", "best_epoch_")


class Checkpoint:
    """The states of the networks of one fit, in one file that is replaced after each epoch.

    Parameters
    ----------
    path : str
        The file. If it is there, the fit goes on from it.
    facts : dict of str to object
        Parameters and data of the fit. A file of a fit with others is refused.
    seeds : ndarray of int
        Seeds of the networks; those in the file take their place.
    """

    def __init__(self, path: str, facts: dict[str, Any], seeds: NDArray[Any]) -> None:
        self._path = path
        self._facts = {
            name: hash_value(fact, f"checkpoint needs {name} that can be pickled")
            for name, fact in facts.items()
        }
        self.seeds: list[int] = seeds.tolist()
        self._states: list[dict[str, Any]] = []  # by network: what is JSON, and the tensors
        self._tensors: list[dict[str, Tensor]] = []
        if os.path.exists(path):
            self._read()

    def n_epochs(self) -> list[int]:
        """Return the number of epochs of each network that has begun."""
        return [len(state["history"]) for state in self._states]

    def callback(self, number: int) -> tuple[str, Observer]:
        """Return the callback that restores a network when its training begins, and keeps it."""
        return "checkpoint", _KeepState(self, number)

    def train(self, number: int, net: AdaptationNet, batches: PairedBatches) -> None:
        """Train a network, the `number`-th from 0, unless it was trained to the end before."""
        if number < len(self._states) and self._states[number]["done"]:
            self.restore(number, net.initialize())
        else:
            net.fit(batches, None)
            if not net.is_interrupted:
                self.keep(number, net)

    def keep(self, number: int, net: AdaptationNet, batches: PairedBatches | None = None) -> None:
        """Write the state of a network; without batches, that after its training."""
        tensors = named("module", net.module_.state_dict())
        state: dict[str, Any] = {"done": batches is None, "history": net.history.to_list()}
        stopping = next(iter(net.early_stops()), None)
        if stopping is not None:
            state["stopping"] = {name: getattr(stopping, name) for name in _STOPPING}
        if batches is not None:
            state["batches"], orders = batches.state()
            tensors |= named("orders", orders) | named("penalties", net.penalties_.state_dict())
            for index, values in net.optimizer_.state_dict()["state"].items():
                tensors |= named(f"optimizer.{index}", values)
            tensors |= {name: each.get_state() for name, each in _named_generators(net)}
            if net.finite is not None:
                state["finite"], finite = net.finite
                tensors |= named("finite", finite)
            if stopping is not None:
                tensors |= named("best", stopping.best_model_weights_ or {})
        del self._states[number:], self._tensors[number:]
        self._states.append(state)
        self._tensors.append(tensors)
        self._write()

    def restore(
        self, number: int, net: AdaptationNet, batches: PairedBatches | None = None
    ) -> None:
        """Bring a net that has just been made into the state that was kept, if there is one."""
        if number >= len(self._states):
            return
        state, tensors = self._states[number], self._tensors[number]
        net.module_.load_state_dict(group_of("module", tensors))
        net.history = History(state["history"])
        stopping = next(iter(net.early_stops()), None)
        if stopping is not None:
            vars(stopping).update(state["stopping"])
            stopping.best_model_weights_ = group_of("best", tensors) or None
        if batches is not None:
            batches.set_state(state["batches"], group_of("orders", tensors))
            if "finite" in state:
                net.finite = state["finite"], group_of("finite", tensors)
            net.penalties_.load_state_dict(group_of("penalties", tensors))
            optimizer = net.optimizer_.state_dict()
            numbers = optimizer["param_groups"][0]["params"]
            optimizer["state"] = {n: group_of(f"optimizer.{n}", tensors) for n in numbers}
            net.optimizer_.load_state_dict(optimizer)
            for name, generator in _named_generators(net):
                if name in tensors:  # unless the training goes on on another device
                    generator.set_state(tensors[name])

    def _write(self) -> None:
        writer = ArchiveWriter()
        members = [writer.add("weights", "safetensors", pack(tensors)) for tensors in self._tensors]
        index = {
            "checkpoint": _FORMAT,
            "facts": self._facts,
            "seeds": self.seeds,
            "networks": self._states,
            "members": members,
        }
        write_atomically(self._path, writer.content(index))

    def _read(self) -> None:
        try:
            with open(self._path, "rb") as file:
                reader = ArchiveReader(file.read())
            index = reader.index
            if index["checkpoint"] != _FORMAT:
                raise ValueError(f"it has format {index['checkpoint']}")
            tensors = [unpack(reader.read(name)) for name in index["members"]]
            facts, seeds, states = index["facts"], index["seeds"], index["networks"]
        except Exception as error:  # what is no such file causes errors of all kinds
            raise ValueError(
                f"checkpoint={self._path!r} is no whole file of a training: {error}. Remove it, or "
                "name another file."
            ) from error
        if differing := [name for name, fact in self._facts.items() if facts.get(name) != fact]:
            code = "set of parameters" in differing
            raise ValueError(
                f"checkpoint={self._path!r} holds a training with another "
                f"{' and '.join(differing)}{', or with other code of them' if code else ''}. "
                "Remove it, or name another file."
            )
        self.seeds, self._states, self._tensors = seeds, states, tensors


def _named_generators(net: AdaptationNet) -> list[tuple[str, torch.Generator]]:
    generators = (net.generators or {}).items()
    return [("random" if kind == "cpu" else f"random_{kind}", each) for kind, each in generators]


class _KeepState(Observer):
    """Restores a network when its training begins, and keeps it after each epoch."""

    def __init__(self, checkpoint: Checkpoint, number: int) -> None:
        self.checkpoint = checkpoint
        self.number = number

    def on_train_begin(self, net: AdaptationNet, X: Any = None, **kwargs: Any) -> None:
        """Restore the state, if there is one."""
        self.checkpoint.restore(self.number, net, X)

    def on_epoch_end(self, net: AdaptationNet, dataset_train: Any = None, **kwargs: Any) -> None:
        """Keep the state."""
        self.checkpoint.keep(self.number, net, dataset_train)


def open_checkpoint(
    classifier: Any, domains: Domains, starts: list[AdaptationNet], seeds: NDArray[Any]
) -> Checkpoint | None:
    """Return the checkpoint of a fit to domains, or None if the classifier has none."""
    path = check_checkpoint(classifier.checkpoint, classifier.callbacks)
    if path is None:
        return None
    left_out = {"checkpoint", "device", "initial_weights", "on_interrupt", "verbose"}
    if not isinstance(classifier.random_state, Integral):
        left_out.add("random_state")  # the seeds that it gave are in the file
    params = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in classifier.get_params(deep=False).items()
        if name not in left_out
    }
    X, y, X_tgt = domains
    # Without weights and several corpora as it was before there were any.
    weights = () if domains.weights is None else (domains.weights,)
    numbers = number_corpora(domains.corpora[: len(X)])
    source = X, y, domains.groups, *weights, *((numbers,) if numbers.any() else ())
    states = [start.module_.state_dict() for start in starts]
    if classifier.initial_weights is not None:  # whatever file they are in
        states.append(read_weights(classifier.initial_weights))
    start = [{name: part.numpy(force=True) for name, part in state.items()} for state in states]
    facts = {"set of parameters": params, "source": source, "target": X_tgt, "start": start}
    return Checkpoint(path, facts, seeds)


def find_starts(classifier: Any, classes: NDArray[Any], n_networks: int) -> list[AdaptationNet]:
    """Return the networks of the fit before that this one begins with, at most `n_networks`."""
    if not classifier.warm_start or not hasattr(classifier, "nets_"):
        return []
    if not np.array_equal(classifier.classes_, classes):
        raise ValueError(
            f"warm_start=True needs the classes of the fit before, {classifier.classes_.tolist()}; "
            f"got {classes.tolist()}. Set warm_start=False."
        )
    return list(classifier.nets_[:n_networks])


def train_net(
    net: AdaptationNet,
    number: int,
    batches: PairedBatches,
    starts: list[AdaptationNet],
    checkpoint: Checkpoint | None,
) -> None:
    """Train a network, the `number`-th from 0, from the weights of a start if there are any."""
    if number < len(starts):
        try:
            net.module.load_state_dict(starts[number].module_.state_dict())
        except RuntimeError as error:  # other names or shapes
            raise ValueError(
                "warm_start=True needs the network and the number of features of the fit before. "
                f"Set warm_start=False. {error}"
            ) from error
    if checkpoint is None:
        net.fit(batches, None)
    else:
        checkpoint.train(number, net, batches)


def check_checkpoint(path: Any, callbacks: Any) -> str | None:
    """Return the path of the parameter `checkpoint`, or raise an error that names it."""
    if path is None:
        return None
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise ValueError(f"checkpoint must be the path of a file, or None; got {path!r}.")
    path = os.path.abspath(os.path.expanduser(os.fspath(path)))
    if os.path.isdir(path) or not os.path.isdir(os.path.dirname(path)):
        raise ValueError(f"checkpoint must be a file in a folder that exists; got {path!r}.")
    if callbacks:
        raise ValueError(
            "checkpoint keeps no state of callbacks: set callbacks=None, or use those of skorch, "
            "Checkpoint and LoadInitState."
        )
    return path
