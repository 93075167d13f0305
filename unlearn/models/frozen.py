"""Values that depend on a module's weights, such as their hash, computed once as long as the weights stay as they are."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar
from weakref import ReferenceType, WeakKeyDictionary, ref

import torch
from torch import Tensor, nn

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class _TensorState:
    """One parameter or buffer: which object, where its numbers are, and how often they were changed in place."""

    tensor: ReferenceType[Tensor]
    address: int
    version: int

    @classmethod
    def of(cls, tensor: Tensor) -> _TensorState:
        return cls(ref(tensor), tensor.data_ptr(), tensor._version)

    def __eq__(self, other: object) -> bool:  # references to equal tensors would compare these number by number
        if not isinstance(other, _TensorState):
            return NotImplemented
        return self.tensor is other.tensor and (self.address, self.version) == (other.address, other.version)


class FrozenMemo(Generic[T]):
    """Remembers one value for each module whose weights are frozen; a change of the weights discards the value.

    Torch counts in-place changes, those of an optimizer and of `load_state_dict` included. A change through `.data` is not counted.
    A module with a parameter that is being trained is computed anew every time.
    """

    def __init__(self) -> None:
        self._values: WeakKeyDictionary[nn.Module, tuple[tuple[_TensorState, ...], T]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def get(self, module: nn.Module, compute: Callable[[], T]) -> T:
        """The remembered value, or the one computed now."""
        tensors = [*module.parameters(), *module.buffers()]
        if any(tensor.requires_grad or tensor.is_inference() for tensor in tensors):
            return compute()
        state = tuple(map(_TensorState.of, tensors))
        with self._lock:
            remembered = self._values.get(module)
        if remembered is not None and remembered[0] == state:
            return remembered[1]
        value = compute()
        with self._lock:
            self._values[module] = state, value
        return value


_HASHES: FrozenMemo[str] = FrozenMemo()


def state_hash(module: nn.Module) -> str:
    """First 16 hex digits of SHA-256 over names, shapes and bytes of a module's state; computed once for frozen weights."""
    return _HASHES.get(module, lambda: hash_state(module))


def hash_state(module: nn.Module) -> str:
    """The hash of `state_hash`, computed now: one pass over all weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(
            tensor.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().data if tensor.numel() else b""
        )
    return digest.hexdigest()[:16]
