"""What a computation takes while it runs: floating-point operations, and bytes of tensors alive at the same time."""

import functools
import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from zoo.costs.flops import FORMULAS


class Ledger(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts, within a `with` block, what each kernel computes and what the tensors that it makes take.

    What a kernel takes for itself alone while it runs is not seen.

    Args:
        known: tensors that were there before, such as weights; they are not counted.

    Attributes:
        flops: floating-point operations so far.
        curve: bytes alive after each kernel.
        saved: bytes that wait for the backward pass, at the moment when they were most.
    """

    def __init__(self, known: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._known = {_storage(tensor)._cdata for tensor in known}
        self._alive: dict[int, tuple[int, Any]] = {}  # bytes, and what tells that they are free
        self._waiting: set[int] = set()
        self._bytes = self._bytes_waiting = 0
        self.flops = self.saved = 0
        self.curve: list[int] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs a kernel and notes what it took."""
        result = func(*args, **(kwargs or {}))
        if (formula := FORMULAS.get(func._overloadpacket)) is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=result)
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._note(tensor)
        self.curve.append(self._bytes)
        return result

    def saving(self) -> Any:
        """Returns a context in which what autograd saves is counted as such."""
        return torch.autograd.graph.saved_tensors_hooks(self._save, lambda saved: saved)

    def _note(self, tensor: Tensor) -> int | None:
        """Counts a tensor that is new; returns what it is known by, None where it was there before."""
        storage = _storage(tensor)
        key: int = storage._cdata
        if key in self._known:
            return None
        if key not in self._alive:
            self._alive[key] = storage.nbytes(), weakref.ref(storage, functools.partial(self._free, key))
            self._bytes += storage.nbytes()
        return key

    def _save(self, tensor: Tensor) -> Tensor:
        key = self._note(tensor)
        if key is not None and key not in self._waiting:
            self._waiting.add(key)
            self._bytes_waiting += self._alive[key][0]
            self.saved = max(self.saved, self._bytes_waiting)
        return tensor

    def _free(self, key: int, _: Any) -> None:
        size, _ = self._alive.pop(key)
        self._bytes -= size
        if key in self._waiting:
            self._waiting.remove(key)
            self._bytes_waiting -= size


class Saved:
    """Counts what autograd saves for the backward pass, beside tensors that are there anyway; nothing else changes.

    Args:
        known: tensors that are there anyway, such as weights.
    """

    def __init__(self, known: Iterable[Tensor]) -> None:
        self._known = {_storage(tensor)._cdata for tensor in known}
        self._sizes: dict[int, int] = {}
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._save, lambda saved: saved)

    def start(self) -> None:
        """Counts from now on."""
        self._hooks.__enter__()

    def stop(self) -> int:
        """Ends the counting and returns bytes."""
        self._hooks.__exit__()
        return sum(self._sizes.values())

    def _save(self, tensor: Tensor) -> Tensor:
        storage = _storage(tensor)
        if storage._cdata not in self._known:
            self._sizes[storage._cdata] = storage.nbytes()
        return tensor


def bytes_of(tensors: Iterable[Tensor]) -> int:
    """Returns the bytes of tensors, each storage counted once."""
    storages = [_storage(tensor) for tensor in tensors]
    return sum({storage._cdata: storage.nbytes() for storage in storages}.values())


def _storage(tensor: Tensor) -> torch.UntypedStorage:
    return tensor.untyped_storage()
