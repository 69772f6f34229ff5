"""Turn fitted estimators into trees of JSON with arrays beside them, and back."""

from __future__ import annotations

import inspect
import math
import os
import re
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
import skops.io
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator
from torch import nn

import skdidan
from skdidan.archive import ArchiveReader, ArchiveWriter, check_part
from skdidan.neural.adaptation import AdaptationClassifier
from skdidan.neural.networks import NETWORKS, make_network
from skdidan.neural.training import LOSSES, AdaptationNet, load_net
from skdidan.tensors import group_of, named, pack, unpack
from skdidan.torch_state import own_generators, plain_mode

__all__ = ["Decoder", "Encoder", "UnsafeFileError"]

_TAG = "~"
_PUBLIC = frozenset(dir(skdidan))
# Modules of values that are no estimators, and whose state would not be safe to restore.
_NOT_PLAIN = ("builtins.", "numpy.", "sklearn.", "skorch.", "torch.")
# Classes of scikit-learn that are no estimators, but hold nothing except estimators.
_HOLDERS = ("sklearn.calibration._CalibratedClassifier",)
_SCALARS = "biufU"
_WRITTEN = {"memory", "checkpoint"}  # parameters that are paths to write to
_SEQUENCES = {"tuple": tuple, "set": set, "frozenset": frozenset}
# Classes of scikit-learn, whose modules run nothing when they are imported.
_SKLEARN = re.compile(
    r"sklearn(\.(?!tests|conftest|datasets|experimental|externals|_testing|_mocking)_?[a-z][a-z_]*)+\._?[A-Z]\w*"
)


class UnsafeFileError(ValueError):
    """A whole file that this version, or this caller, does not load."""


class _NotEncodable(TypeError):
    """A value has no place in a file."""


class Encoder:
    """Encodes values; arrays, weights and parts become members of the archive."""

    def __init__(self, writer: ArchiveWriter) -> None:
        self._writer = writer
        self._seen: dict[int, tuple[Any, dict[str, Any]]] = {}  # arrays, which estimators share

    def encode(self, value: Any, place: str) -> Any:
        """Return the tree of a value; `place` names it in errors."""
        kind = type(value)
        if value is None or kind in (bool, int, str):
            return value
        if kind is float:
            return value if math.isfinite(value) else {_TAG: "float", "value": repr(value)}
        if kind is list:
            return self._encode_all(value, place)
        if kind is dict:
            if all(type(key) is str for key in value) and _TAG not in value:
                return {k: self.encode(v, f"{place}[{k!r}]") for k, v in value.items()}
            return {_TAG: "dict", "items": self._encode_all(map(list, value.items()), place)}
        for tag, sequence in _SEQUENCES.items():
            if kind is sequence:
                items = value if sequence is tuple else sorted(value, key=repr)
                return {_TAG: tag, "items": self._encode_all(items, place)}
        if isinstance(value, np.generic) and value.dtype.kind in _SCALARS:
            item = self.encode(value.item(), place)
            return {_TAG: "scalar", "dtype": value.dtype.str, "value": item}
        if isinstance(value, np.ndarray):
            return self._encode_array(value, place)
        if isinstance(value, np.dtype):
            return {_TAG: "dtype", "value": value.str}
        if isinstance(value, slice):
            parts = [value.start, value.stop, value.step]
            return {_TAG: "slice", "items": self._encode_all(parts, place)}
        if isinstance(value, np.random.RandomState):
            _, keys, *rest = value.get_state(legacy=True)
            return {_TAG: "RandomState", "state": self._encode_all([keys, *rest], place)}
        if sparse.issparse(value):
            rows: Any = sparse.csr_array(value)  # type: ignore[call-overload] # any sparse container
            parts = [rows.data, rows.indices, rows.indptr, list(rows.shape)]
            return {_TAG: "csr", "items": self._encode_all(parts, place)}
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if isinstance(value, BaseEstimator):
            return self._encode_estimator(value, place)
        if isinstance(value, type) or inspect.isroutine(value) or isinstance(value, np.ufunc):
            return {_TAG: "import", "name": self._importable(value, place)}
        is_plain = not _full_name(kind).startswith(_NOT_PLAIN) or _full_name(kind) in _HOLDERS
        if not is_plain or not hasattr(value, "__dict__"):
            raise _NotEncodable(
                f"{place} holds {value!r:.200}, which cannot be saved. Set it to None, or to a "
                "plain value, by set_params."
            )
        return self._encode_object(value, "object", place)

    def _encode_all(self, values: Iterable[Any], place: str) -> list[Any]:
        return [self.encode(value, f"{place}[{n}]") for n, value in enumerate(values)]

    def _encode_array(self, values: NDArray[Any], place: str) -> dict[str, Any]:
        if values.dtype.kind == "O":
            items = self._encode_all(values.ravel().tolist(), place)
            return {_TAG: "objects", "shape": list(values.shape), "items": items}
        if id(values) not in self._seen:
            member = self._writer.add_array(values)
            shape, dtype = list(values.shape), values.dtype.str
            tree = {_TAG: "array", "member": member, "shape": shape, "dtype": dtype}
            if not values.flags.c_contiguous and values.flags.f_contiguous:
                tree["order"] = "F"  # products of matrices round by the layout
            self._seen[id(values)] = values, tree
        return self._seen[id(values)][1]

    def _encode_estimator(self, value: BaseEstimator, place: str) -> dict[str, Any]:
        name = _full_name(type(value))
        if isinstance(value, AdaptationClassifier) and hasattr(value, "nets_"):
            state = {key: part for key, part in vars(value).items() if key != "nets_"}
            nets = [self._encode_net(net) for net in value.nets_]
            return {**self._encode_object(value, "network", place, state), "nets": nets}
        if not name.startswith("sklearn."):
            return self._encode_object(value, "estimator", place)
        # scikit-learn's own, as a tree. Compiled parts, such as those of trees, are left to skops.
        n_members = len(self._writer.members)
        try:
            return self._encode_object(value, "estimator", place, value.__getstate__())
        except _NotEncodable as error:
            try:
                content = skops.io.dumps(value)
                check_part(content)
            except Exception:  # skops has errors of many kinds for what it does not know
                raise error from None
            members = list(self._writer.members)[n_members:]
            for member in members:
                del self._writer.members[member]
            self._seen = {k: v for k, v in self._seen.items() if v[1]["member"] not in members}
            return {_TAG: "skops", "member": self._writer.add("parts", "skops", content)}

    def _encode_object(
        self, value: Any, tag: str, place: str, state: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        state = vars(value) if state is None else state
        name = self._importable(type(value), place)
        where = f"{place}." if place else ""
        tree = {
            key: None if key in _WRITTEN else self.encode(part, f"{where}{key}")
            for key, part in state.items()
        }
        return {_TAG: tag, "class": name, "state": tree}

    def _importable(self, value: Any, place: str) -> str:
        """Return the name of a class or function by which it can be imported."""
        name = _full_name(value)
        try:
            is_found = _find(name) is value
        except (ImportError, AttributeError, ValueError):
            is_found = False
        if not is_found or name.startswith("__main__."):
            raise _NotEncodable(
                f"{place or 'estimator'} holds {value!r:.200}, which no other program can import: "
                "define it in a module, by a name of its own."
            )
        return name

    def _encode_net(self, net: AdaptationNet) -> dict[str, Any]:
        tensors = named("module", net.module_.state_dict())
        tensors |= named("criterion", net.criterion_.state_dict())
        loss = next(name for name, cls in LOSSES.items() if type(net.criterion_) is cls)
        member = self._writer.add("weights", "safetensors", pack(tensors))
        return {"options": net.options(), "loss": loss, "member": member}


class Decoder:
    """Builds values from trees. It imports and runs nothing that is not trusted."""

    def __init__(self, reader: ArchiveReader, trusted: Iterable[str]) -> None:
        self._reader = reader
        self._trusted = set(trusted)
        self._arrays: dict[str, NDArray[Any]] = {}
        self._used: set[str] = set()  # weights and parts, of which each belongs in one place

    def decode(self, tree: Any) -> Any:
        """Return the value of a tree."""
        if isinstance(tree, list):
            return [self.decode(item) for item in tree]
        if not isinstance(tree, dict):
            return tree
        if _TAG not in tree:
            return {key: self.decode(item) for key, item in tree.items()}
        tag = tree[_TAG]
        if tag not in self._DECODERS:
            raise ValueError(f"it holds a value of kind {tag!r}")
        return self._DECODERS[tag](self, tree)

    def untrusted(self, tree: Any) -> set[str]:
        """Return the names that decoding would import, and that are neither known nor trusted."""
        found, parts = set(), [tree]
        while parts:
            part = parts.pop()
            if isinstance(part, list):
                parts += (item for item in part if isinstance(item, dict | list))
            elif isinstance(part, dict):
                parts += (item for item in part.values() if isinstance(item, dict | list))
                if part.get(_TAG) == "skops":
                    content = self._reader.read_part(part["member"])
                    found.update(skops.io.get_untrusted_types(data=content))
                name = part.get("class", part.get("name")) if _TAG in part else None
                if isinstance(name, str) and not _is_known(name):
                    found.add(name)
        return found - self._trusted

    def _sequence(self, tree: dict[str, Any]) -> Any:
        return _SEQUENCES[tree[_TAG]](self.decode(tree["items"]))

    def _set(self, tree: dict[str, Any]) -> Any:
        return _SEQUENCES[tree[_TAG]](_check_keys(self.decode(tree["items"])))

    def _dict(self, tree: dict[str, Any]) -> dict[Any, Any]:
        items = self.decode(tree["items"])
        _check_keys([key for key, _ in items])
        return dict(map(tuple, items))

    def _array(self, tree: dict[str, Any]) -> NDArray[Any]:
        member = tree["member"]
        if member not in self._arrays:
            shape = tuple(tree["shape"])
            values = self._reader.read_array(member, shape, tree["dtype"])
            self._arrays[member] = np.asarray(values, order=tree.get("order", "C"))
        return self._arrays[member]

    def _scalar(self, tree: dict[str, Any]) -> Any:
        dtype = np.dtype(tree["dtype"])
        if dtype.kind not in _SCALARS:  # a void of a number would take as many bytes
            raise ValueError(f"it holds a scalar of type {dtype}")
        value = self.decode(tree["value"])
        if type(value) not in (bool, int, float, str):
            raise ValueError("it holds a scalar without a value")
        return dtype.type(value)

    def _objects(self, tree: dict[str, Any]) -> NDArray[Any]:
        items = self.decode(tree["items"])
        if type(items) is not list:
            raise ValueError("it holds objects that are no list")
        values = np.empty(len(items), dtype=object)
        for n, item in enumerate(items):
            values[n] = item
        return values.reshape(tree["shape"])

    def _random_state(self, tree: dict[str, Any]) -> np.random.RandomState:
        state = np.random.RandomState(0)
        keys, position, *rest = self.decode(tree["state"])
        if not isinstance(keys, np.ndarray) or not 0 <= position <= len(keys):
            raise ValueError("it holds a RandomState without a state")
        state.set_state(("MT19937", keys, position, *rest))
        return state

    def _csr(self, tree: dict[str, Any]) -> Any:
        *arrays, shape = self.decode(tree["items"])
        if any(not isinstance(part, np.ndarray) for part in arrays):
            raise ValueError("it holds a sparse array without arrays")
        data, indices, indptr = arrays
        rows = sparse.csr_array((data, indices, indptr), shape=tuple(shape))
        rows.check_format(full_check=True)
        return rows

    def _import(self, tree: dict[str, Any]) -> Any:
        return self._find(tree["name"])

    def _find(self, name: str) -> Any:
        if name in self._trusted:
            return _find(name)
        value = _find(name) if _is_known(name) else None
        # Not what a module of scikit-learn only imports, such as a class that opens files.
        is_own = isinstance(value, type) and value.__module__.startswith(("sklearn.", "skdidan."))
        if not is_own and not isinstance(value, np.ufunc):
            raise ValueError(f"{name} is not trusted")
        return value

    def _object(self, tree: dict[str, Any]) -> Any:
        name, state = tree["class"], self.decode(tree["state"])
        cls = self._find(name)
        is_estimator = isinstance(cls, type) and issubclass(cls, BaseEstimator)
        if not isinstance(cls, type) or not (is_estimator or name in {*_HOLDERS, *self._trusted}):
            raise ValueError(f"{name} is no estimator")
        # NumPy asks some attributes of this form for addresses in memory.
        if type(state) is not dict or any(not key.isidentifier() or "__" in key for key in state):
            raise ValueError(f"{name} has a state that is none")
        value: Any = object.__new__(cls)  # without calling a constructor
        state |= dict.fromkeys(_WRITTEN & state.keys())  # a stranger's file must not write anywhere
        if is_estimator and name.startswith("sklearn."):
            value.__setstate__(state)  # warns of another version of scikit-learn
        else:
            vars(value).update(state)
        return value

    def _use(self, member: str) -> str:
        """Return the name of a member that has not been used yet: copies would take memory."""
        if member in self._used:
            raise ValueError(f"it uses {member} twice")
        self._used.add(member)
        return member

    def _network(self, tree: dict[str, Any]) -> AdaptationClassifier:
        classifier = self._object(tree)
        if not isinstance(classifier, AdaptationClassifier):
            raise ValueError(f"{tree['class']} has no networks")
        with plain_mode():
            classifier.nets_ = [self._net(net, classifier._recipe) for net in tree["nets"]]
        return classifier

    def _net(self, tree: dict[str, Any], recipe: dict[str, Any]) -> AdaptationNet:
        tensors = unpack(self._reader.read(self._use(tree["member"])))
        weights = group_of("module", tensors)
        sizes = [value for value in recipe["params"].values() if hasattr(value, "__len__")]
        if any(len(value) > len(tensors) for value in sizes):  # each is a layer with a weight
            raise ValueError("the weights do not fit the network")
        network = recipe["network"]
        is_own = isinstance(network, str) or network in NETWORKS.values()
        if not is_own and _full_name(network) not in self._trusted:
            raise ValueError("its network is not trusted")
        if is_own:
            # Without memory at first: the sizes of the layers may be those of a hostile file.
            with torch.device("meta"):
                _check_weights(make_network(**recipe), weights)
        with own_generators(0):
            module = make_network(**recipe)
        _check_weights(module, weights)
        criterion = LOSSES[tree["loss"]](weight=tensors["criterion.weight"])
        module.load_state_dict(weights)
        return load_net(AdaptationNet, dict(tree["options"]), module, criterion)

    def _skops(self, tree: dict[str, Any]) -> Any:
        part = self._reader.read_part(self._use(tree["member"]))
        value = skops.io.loads(part, trusted=sorted(self._trusted))
        if isinstance(value, BaseEstimator):
            names = [name for name in value.get_params() if name.split("__")[-1] == "memory"]
            value.set_params(**dict.fromkeys(names))
        return value

    _DECODERS: ClassVar[dict[str, Callable[[Any, dict[str, Any]], Any]]] = {
        "tuple": _sequence,
        "set": _set,
        "frozenset": _set,
        "float": lambda _, tree: float(tree["value"]),
        "dict": _dict,
        "scalar": _scalar,
        "dtype": lambda _, tree: np.dtype(tree["value"]),
        "slice": lambda self, tree: slice(*self.decode(tree["items"])),
        "array": _array,
        "objects": _objects,
        "RandomState": _random_state,
        "csr": _csr,
        "import": _import,
        "object": _object,
        "estimator": _object,
        "network": _network,
        "skops": _skops,
    }


def _check_keys(keys: list[Any]) -> list[Any]:
    """Refuse numbers of which many can have one hash: a set of them would take hours."""
    if any(isinstance(key, int | float) and abs(key) > 2**53 for key in keys):
        raise ValueError("it holds a key beyond 2**53")
    return keys


def _check_weights(module: nn.Module, weights: dict[str, torch.Tensor]) -> None:
    """Raise a ValueError unless the weights are those of the module by name, shape and type."""
    expected, found = (
        {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in state.items()}
        for state in (module.state_dict(), weights)
    )
    if expected != found:
        raise ValueError("the weights do not fit the network")


def _full_name(value: Any) -> str:
    module = getattr(value, "__module__", None) or "numpy"
    # Classes of the package are saved by the names that users import.
    name = getattr(value, "__qualname__", getattr(value, "__name__", ""))
    is_public = module.startswith("skdidan.") and name in _PUBLIC
    return f"skdidan.{name}" if is_public else f"{module}.{name}"


def _is_known(name: str) -> bool:
    """Tell whether a name may be imported from any file: ours, and estimators of scikit-learn."""
    if name.startswith("numpy."):
        return isinstance(getattr(np, name.removeprefix("numpy."), None), np.ufunc)
    package, _, public = name.partition(".")
    if package == "skdidan":
        return public in _PUBLIC and isinstance(getattr(skdidan, public), type)
    return _SKLEARN.fullmatch(name) is not None


def _find(name: str) -> Any:
    """Import a class or function by its full name."""
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(import_module(module), attribute)
    except ImportError as error:
        raise ValueError(f"{name} cannot be imported: {error}") from error
