"""Values of frozen weights are computed once, and again after every kind of change that torch counts."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from unlearn.models.frozen import FrozenMemo, hash_state, state_hash


class _Counted:
    """A function that counts its calls."""

    def __init__(self) -> None:
        self.n_calls = 0

    def __call__(self) -> int:
        self.n_calls += 1
        return self.n_calls


def _module() -> nn.Module:
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    return module.requires_grad_(False)


def test_value_of_frozen_weights_is_computed_once_for_each_module() -> None:
    memo, compute, module = FrozenMemo[int](), _Counted(), _module()
    assert [memo.get(module, compute) for _ in range(3)] == [1, 1, 1]
    assert memo.get(copy.deepcopy(module), compute) == 2
    assert memo.get(module, compute) == 1


def _add(module: nn.Module) -> None:
    with torch.no_grad():
        next(module.parameters()).add_(1)


def _load(module: nn.Module) -> None:
    module.load_state_dict(_module().state_dict())


def _replace(module: nn.Module) -> None:
    module[0].weight = nn.Parameter(module[0].weight.clone(), requires_grad=False)  # type: ignore[index,union-attr,operator]


def _buffer(module: nn.Module) -> None:
    next(module.buffers()).add_(1)


def _convert(module: nn.Module) -> None:
    module.half()


@pytest.mark.parametrize("change", [_add, _load, _replace, _buffer, _convert])
def test_value_is_computed_again_when_the_weights_change(change: Callable[[nn.Module], None]) -> None:
    memo, compute, module = FrozenMemo[int](), _Counted(), _module()
    memo.get(module, compute)
    change(module)
    assert [memo.get(module, compute) for _ in range(2)] == [2, 2]


def test_value_of_a_module_in_training_is_never_kept() -> None:
    memo, compute, module = FrozenMemo[int](), _Counted(), _module().requires_grad_(True)
    assert [memo.get(module, compute) for _ in range(2)] == [1, 2]


def test_hash_follows_the_weights() -> None:
    module = _module()
    before = state_hash(module)
    assert before == state_hash(module) == hash_state(module) == state_hash(copy.deepcopy(module))
    _add(module)
    assert state_hash(module) == hash_state(module) != before


def test_memo_does_not_keep_a_module_alive() -> None:
    memo, module = FrozenMemo[int](), _module()
    memo.get(module, _Counted())
    del module
    assert len(memo._values) == 0
