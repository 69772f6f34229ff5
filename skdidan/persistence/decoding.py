"""Build estimators from trees of JSON and arrays, without running anything they name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np
import skops.io
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch
from sklearn.utils.metadata_routing import MetadataRequest
from torch import nn

from skdidan.archive import ArchiveReader
from skdidan.neural.adaptation import AdaptationClassifier
from skdidan.neural.factory import NETWORKS, make_network
from skdidan.neural.generators import is_ours
from skdidan.neural.losses import LOSSES
from skdidan.neural.training import AdaptationNet, load_net
from skdidan.persistence.names import (
    HOLDERS,
    SETS,
    SPARSE,
    TAG,
    WRITTEN,
    find,
    full_name,
    is_attribute,
    is_known,
)
from skdidan.tensors import group_of, unpack
from skdidan.torch_state import draw_from, own_generators, plain_mode

__all__ = ["Decoder", "UnsafeFileError"]

_SCALARS = "biufU"
_MAX_KEYS = 10_000  # of one set or dict that are no strings: their hashes are no secret


class UnsafeFileError(ValueError):
    """An intact file that needs a newer version, or names that are not trusted."""


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
        if TAG not in tree:
            return {key: self.decode(item) for key, item in tree.items()}
        tag = tree[TAG]
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
                if part.get(TAG) == "skops":
                    content = self._reader.read_part(part["member"])
                    found.update(skops.io.get_untrusted_types(data=content))
                name = part.get("class", part.get("name")) if TAG in part else None
                if isinstance(name, str) and not is_known(name):
                    found.add(name)
        return found - self._trusted

    def _set(self, tree: dict[str, Any]) -> Any:
        return SETS[tree[TAG]](_check_keys(self.decode(tree["items"])))

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

    def _sparse(self, tree: dict[str, Any]) -> Any:
        *arrays, shape = self.decode(tree["items"])
        if any(not isinstance(part, np.ndarray) for part in arrays):
            raise ValueError("it holds a sparse array without arrays")
        data, indices, indptr = arrays
        rows = SPARSE[tree["type"]]((data, indices, indptr), shape=tuple(shape))
        rows.check_format(full_check=True)
        return rows

    def _import(self, tree: dict[str, Any]) -> Any:
        """Return a function or class to be called: types of numbers, and networks of ours."""
        name = tree["name"]
        value = self._find(name)
        is_ours = name.startswith("skdidan.") and issubclass(value, nn.Module)
        if name not in self._trusted and not is_ours and not name.startswith("numpy."):
            raise ValueError(f"{name} is not trusted")
        return value

    def _find(self, name: str) -> Any:
        if name in self._trusted:
            return find(name)
        value = find(name) if is_known(name) else None
        # Not what a module of scikit-learn only imports, such as a class that opens files.
        is_own = isinstance(value, type) and value.__module__.startswith(("sklearn.", "skdidan."))
        if value is None or not (is_own or name.startswith("numpy.")):
            raise ValueError(f"{name} is not trusted")
        return value

    def _object(self, tree: dict[str, Any]) -> Any:
        name, state = tree["class"], self.decode(tree["state"])
        cls = self._find(name)
        is_estimator = isinstance(cls, type) and issubclass(cls, BaseEstimator)
        if not isinstance(cls, type) or not (is_estimator or name in {*HOLDERS, *self._trusted}):
            raise ValueError(f"{name} is no estimator")
        if type(state) is not dict or not all(is_attribute(cls, key) for key in state):
            raise ValueError(f"{name} has an invalid state")
        value: Any = object.__new__(cls)  # without calling a constructor
        if name.startswith("skdidan."):  # parameters that the version of the file did not have
            params = inspect.signature(cls).parameters
            state = {k: p.default for k, p in params.items() if p.default is not p.empty} | state
        state |= dict.fromkeys(WRITTEN & state.keys())  # a stranger's file must not write anywhere
        if hasattr(value, "__setstate__"):  # that of scikit-learn warns of another version
            value.__setstate__(state)
        else:
            vars(value).update(state)
        if "requests" in tree:
            value._metadata_request = MetadataRequest(owner=value)
            for method, requests in tree["requests"].items():
                for param, alias in requests.items():
                    getattr(value._metadata_request, method).add_request(param=param, alias=alias)
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
        lists = {"nets_": tree["nets"], **tree.get("other_nets", {})}
        if not lists.keys() <= set(classifier._net_lists):
            raise ValueError(f"{tree['class']} has no {sorted(lists)}")
        with plain_mode():
            for name, nets in lists.items():
                setattr(classifier, name, [self._net(net, classifier._recipe) for net in nets])
        for name in classifier._net_lists:
            if name not in lists:
                setattr(classifier, name, classifier.nets_)
        return classifier

    def _net(self, tree: dict[str, Any], recipe: dict[str, Any]) -> AdaptationNet:
        tensors = unpack(self._reader.read(self._use(tree["member"])))
        weights = group_of("module", tensors)
        sizes = [value for value in recipe["params"].values() if hasattr(value, "__len__")]
        if any(len(value) > len(tensors) for value in sizes):  # each is a layer with a weight
            raise ValueError("the weights do not fit the network")
        network = recipe["network"]
        is_own = isinstance(network, str) or network in NETWORKS.values()
        if not is_own and full_name(network) not in self._trusted:
            raise ValueError("its network is not trusted")
        if is_own:
            # Without memory at first: the sizes of the layers may be those of a hostile file.
            with torch.device("meta"):
                _check_weights(make_network(**recipe), weights)
        with draw_from(torch.Generator()) if is_ours(network) else own_generators(0):
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
        "tuple": lambda self, tree: tuple(self.decode(tree["items"])),
        "set": _set,
        "frozenset": _set,
        "float": lambda _, tree: float(tree["value"]),
        "dict": _dict,
        "Bunch": lambda self, tree: Bunch(**self.decode(tree["value"])),
        "scalar": _scalar,
        "dtype": lambda _, tree: np.dtype(tree["value"]),
        "slice": lambda self, tree: slice(*self.decode(tree["items"])),
        "array": _array,
        "objects": _objects,
        "RandomState": _random_state,
        "sparse": _sparse,
        "import": _import,
        "object": _object,
        "estimator": _object,
        "network": _network,
        "skops": _skops,
    }


def _check_keys(keys: list[Any]) -> list[Any]:
    """Refuse many keys, and numbers, of which many can have one hash: they would take hours."""
    others = [key for key in keys if type(key) is not str]
    if any(isinstance(key, int | float) and abs(key) > 2**53 for key in others):
        raise ValueError("it holds a key beyond 2**53")
    if len(others) > _MAX_KEYS:
        raise ValueError(f"it holds a set or dict of {len(others)} keys that are no strings")
    return keys


def _check_weights(module: nn.Module, weights: dict[str, torch.Tensor]) -> None:
    """Raise a ValueError unless the weights are those of the module by name, shape and type."""
    expected, found = (
        {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in state.items()}
        for state in (module.state_dict(), weights)
    )
    if expected != found:
        raise ValueError("the weights do not fit the network")
