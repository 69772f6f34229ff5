"""Turn fitted estimators into trees of JSON, with arrays beside them."""

from __future__ import annotations

import copyreg
import inspect
import math
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
import skops.io
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.utils import Bunch

from skdidan.archive import KINDS, ArchiveWriter, check_part
from skdidan.neural.adaptation import AdaptationClassifier
from skdidan.neural.initial import read_weights
from skdidan.neural.losses import LOSSES
from skdidan.neural.training import AdaptationNet
from skdidan.persistence.names import HOLDERS, SPARSE, TAG, WRITTEN, find, full_name, is_attribute
from skdidan.tensors import named, pack

__all__ = ["Encoder"]

_FIX = (
    "Save FixedThresholdClassifier(FrozenEstimator(tuned.estimator_), "
    "threshold=tuned.best_threshold_).fit(X, y) instead, with the pos_label and response_method of "
    "the tuned one: it predicts the same."
)
# Modules of values that are no estimators, and whose state would not be safe to restore.
_NOT_PLAIN = ("builtins.", "numpy.", "scipy.", "sklearn.", "skorch.", "torch.")


class _NotEncodable(TypeError):
    """A value has no place in a file."""

    @classmethod
    def at(cls, place: str, value: Any) -> Self:
        return cls(
            f"{place} holds {value!r:.200}, which cannot be saved. Set it to None, or to a plain "
            "value, by set_params."
        )


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
        if kind in self._ENCODERS:  # not subclasses, which may hold more
            return self._ENCODERS[kind](self, value, place)
        if isinstance(value, np.generic) and type(value.item()) in (bool, int, float, str):
            item = self.encode(value.item(), place)
            return {TAG: "scalar", "dtype": value.dtype.str, "value": item}
        if isinstance(value, np.dtype) and value == np.dtype(value.str):
            return {TAG: "dtype", "value": value.str}
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if isinstance(value, BaseEstimator):
            return self._encode_estimator(value, place)
        if isinstance(value, type) or inspect.isroutine(value) or isinstance(value, np.ufunc):
            return {TAG: "import", "name": self._importable(value, place)}
        name = full_name(kind)
        if name.startswith(_NOT_PLAIN) and name not in HOLDERS:
            raise _NotEncodable.at(place, value)
        return self._encode_object(value, "object", place)

    def _encode_all(self, values: Iterable[Any], place: str) -> list[Any]:
        return [self.encode(value, f"{place}[{n}]") for n, value in enumerate(values)]

    def _encode_float(self, value: float, place: str) -> Any:
        return value if math.isfinite(value) else {TAG: "float", "value": repr(value)}

    def _encode_dict(self, value: dict[Any, Any], place: str) -> dict[str, Any]:
        if all(type(key) is str for key in value) and TAG not in value:
            return {k: self.encode(v, f"{place}[{k!r}]") for k, v in value.items()}
        return {TAG: "dict", "items": self._encode_all(map(list, value.items()), place)}

    def _encode_bunch(self, value: Bunch, place: str) -> dict[str, Any]:
        return {TAG: "Bunch", "value": self._encode_dict(dict(value), place)}

    def _encode_tuple(self, value: tuple[Any, ...], place: str) -> dict[str, Any]:
        return {TAG: "tuple", "items": self._encode_all(value, place)}

    def _encode_set(self, value: set[Any] | frozenset[Any], place: str) -> dict[str, Any]:
        items = self._encode_all(sorted(value, key=repr), place)
        return {TAG: type(value).__name__, "items": items}

    def _encode_slice(self, value: slice, place: str) -> dict[str, Any]:
        parts = self._encode_all([value.start, value.stop, value.step], place)
        return {TAG: "slice", "items": parts}

    def _encode_random_state(self, value: np.random.RandomState, place: str) -> dict[str, Any]:
        state = value.get_state(legacy=False)
        if state["bit_generator"] != "MT19937":
            raise _NotEncodable.at(place, value)
        parts = [*state["state"].values(), state["has_gauss"], state["gauss"]]  # key and position
        return {TAG: "RandomState", "state": self._encode_all(parts, place)}

    def _encode_sparse(self, value: Any, place: str) -> dict[str, Any]:
        parts = [value.data, value.indices, value.indptr, list(value.shape)]
        items = self._encode_all(parts, place)
        return {TAG: "sparse", "type": type(value).__name__, "items": items}

    def _encode_array(self, values: NDArray[Any], place: str) -> dict[str, Any]:
        if values.dtype.kind == "O":
            items = self._encode_all(values.ravel().tolist(), place)
            return {TAG: "objects", "shape": list(values.shape), "items": items}
        if values.dtype.kind not in KINDS:  # records, strings of any length
            raise _NotEncodable.at(place, values)
        if id(values) not in self._seen:
            member = self._writer.add_array(values)
            shape, dtype = list(values.shape), values.dtype.str
            tree = {TAG: "array", "member": member, "shape": shape, "dtype": dtype}
            if not values.flags.c_contiguous and values.flags.f_contiguous:
                tree["order"] = "F"  # products of matrices round by the layout
            self._seen[id(values)] = values, tree
        return self._seen[id(values)][1]

    _ENCODERS: ClassVar[dict[type, Callable[[Any, Any, str], Any]]] = {
        float: _encode_float,
        list: _encode_all,
        dict: _encode_dict,
        Bunch: _encode_bunch,
        tuple: _encode_tuple,
        set: _encode_set,
        frozenset: _encode_set,
        slice: _encode_slice,
        np.random.RandomState: _encode_random_state,
        np.ndarray: _encode_array,
        np.memmap: _encode_array,
        **dict.fromkeys(SPARSE.values(), _encode_sparse),
    }

    def _encode_estimator(self, value: BaseEstimator, place: str) -> dict[str, Any]:
        if isinstance(value, AdaptationClassifier) and hasattr(value, "nets_"):
            tree = self._encode_object(value, "network", place)
            lists = {name: getattr(value, name) for name in value._net_lists}
            # A list that is that of nets_ is written once.
            others = {k: nets for k, nets in lists.items() if nets is not value.nets_}
            if others:
                tree["other_nets"] = {k: self._encode_nets(nets) for k, nets in others.items()}
            return {**tree, "nets": self._encode_nets(value.nets_)}
        if not full_name(type(value)).startswith("sklearn."):
            return self._encode_object(value, "estimator", place)
        # scikit-learn's own, as a tree. Compiled parts, such as those of trees, are left to skops.
        n_members = len(self._writer.members)
        try:
            return self._encode_object(value, "estimator", place)
        except _NotEncodable as error:
            try:
                content = skops.io.dumps(value)
                check_part(content)
                for name in skops.io.get_untrusted_types(data=content):
                    find(name)
            except Exception:  # skops has errors of many kinds for what it does not know
                if isinstance(value, TunedThresholdClassifierCV):
                    raise _NotEncodable(
                        f"{place} holds the score it was tuned by. {_FIX}"
                    ) from error
                raise error from None
            members = list(self._writer.members)[n_members:]
            for member in members:
                del self._writer.members[member]
            self._seen = {k: v for k, v in self._seen.items() if v[1]["member"] not in members}
            return {TAG: "skops", "member": self._writer.add("parts", "skops", content)}

    def _encode_object(self, value: Any, tag: str, place: str) -> dict[str, Any]:
        """Return the tree of an object that is its class and its attributes, and nothing else."""
        name = self._importable(type(value), place)
        state = _attributes(value)
        if state is None:
            raise _NotEncodable.at(place, value)
        tree: dict[str, Any] = {TAG: tag, "class": name, "state": {}}
        for key, part in state.items():
            if key == "_metadata_request":
                tree["requests"] = {
                    method: dict(request.requests)
                    for method, request in vars(part).items()
                    if hasattr(request, "requests")
                }
            elif tag != "network" or key not in value._net_lists:
                if not is_attribute(type(value), key):
                    raise _NotEncodable.at(f"{place}.{key}", part)
                part = None if key in WRITTEN else part
                if key == "initial_weights" and isinstance(part, Mapping):
                    part = {name: values.numpy() for name, values in read_weights(part).items()}
                tree["state"][key] = self.encode(part, f"{place}.{key}")
        return tree

    def _importable(self, value: Any, place: str) -> str:
        """Return the name of a class or function by which it can be imported."""
        name = full_name(value)
        try:
            is_found = find(name) is value
        except (ImportError, AttributeError, ValueError):
            is_found = False
        if not is_found or name.startswith("__main__."):
            raise _NotEncodable(
                f"{place} holds {value!r:.200}, which no other program can import: "
                "define it in a module, by a name of its own."
            )
        return name

    def _encode_nets(self, nets: list[AdaptationNet]) -> list[Any]:
        return [self._encode_net(net) for net in nets]

    def _encode_net(self, net: AdaptationNet) -> dict[str, Any]:
        tensors = named("module", net.module_.state_dict())
        tensors |= named("criterion", net.criterion_.state_dict())
        loss = next(name for name, cls in LOSSES.items() if type(net.criterion_) is cls)
        member = self._writer.add("weights", "safetensors", pack(tensors))
        return {"options": net.options(), "loss": loss, "member": member}


def _attributes(value: Any) -> dict[str, Any] | None:
    """Return the attributes of an object that pickle makes of its class and these alone."""
    try:
        made = value.__reduce_ex__(2)
    except TypeError:  # it cannot be pickled
        return None
    new = copyreg.__newobj__  # type: ignore[attr-defined] # unknown to typeshed
    if not isinstance(made, tuple) or made[:2] != (new, (type(value),)) or any(made[3:]):
        return None
    state = {} if made[2] is None else made[2]
    return state if isinstance(state, dict) else None  # a tuple with slots
