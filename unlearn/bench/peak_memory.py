"""The most memory that a computation holds at one time: measured on a GPU, bounded on torch's meta device without one.

The bound counts the bytes of all tensors that live at the same time, as the operations run one by one. Attention counts as a fused kernel
does, which keeps no table of all pairs of tokens. What a library takes for itself (workspaces, fragments) is not in it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

GIGA = 1e9


@dataclass(frozen=True)
class PeakMemory:
    """A figure, and how it came about.

    Attributes:
        n_bytes: the most that was held at one time.
        source: "measured" on a GPU, or "bounded" by what lives on the meta device.
    """

    n_bytes: int
    source: Literal["measured", "bounded"]

    def __str__(self) -> str:
        return f"{self.n_bytes / GIGA:.1f} GB ({self.source})"


@contextmanager
def measured_peak(device: torch.device) -> Iterator[list[PeakMemory]]:
    """Fills the list with what the block held at most on a GPU, tensors from before included; leaves it empty on other devices."""
    found: list[PeakMemory] = []
    is_gpu = device.type == "cuda"
    if is_gpu:
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    yield found
    if is_gpu:
        torch.cuda.synchronize(device)
        found.append(PeakMemory(torch.cuda.max_memory_allocated(device), "measured"))


def bounded_peak(kept: tuple[nn.Module, ...], compute: Callable[[], Any]) -> PeakMemory:
    """A bound of what a computation on the meta device holds at most, together with modules that were there before.

    Args:
        kept: modules on the meta device.
        compute: runs once.
    """
    tally = _Tally()
    for module in kept:
        for tensor in (*module.parameters(), *module.buffers()):
            tally.add(tensor)
    with _FusedAttention(), tally:
        compute()
    return PeakMemory(tally.peak, "bounded")


class _Tally(TorchDispatchMode):
    """Counts the bytes of storages from when an operation gives them until nothing refers to them."""

    def __init__(self) -> None:
        super().__init__()
        self.held = self.peak = 0
        self._known: dict[int, weakref.ref[Any]] = {}

    def add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, n_bytes = storage._cdata, storage.nbytes()
        if tensor.device.type != "meta" or key in self._known:
            return

        def dropped(_: Any) -> None:
            self._known.pop(key, None)
            self.held -= n_bytes

        self._known[key] = weakref.ref(storage, dropped)
        self.held += n_bytes
        self.peak = max(self.peak, self.held)

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for value in tree_iter(result):
            if isinstance(value, Tensor):
                self.add(value)
        return result


class _FusedAttention(TorchFunctionMode):
    """Attention as a fused kernel: it keeps queries, keys, values, the outcome, and one number a query."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is F.scaled_dot_product_attention:
            return _Attention.apply(*args[:3])
        return function(*args, **(kwargs or {}))


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        out = query.new_empty(*query.shape[:-1], value.shape[-1])
        ctx.save_for_backward(query, key, value, out, query.new_empty(query.shape[:-1], dtype=torch.float32))
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        query, key, value, *_ = ctx.saved_tensors
        return query.new_empty(query.shape), key.new_empty(key.shape), value.new_empty(value.shape)
