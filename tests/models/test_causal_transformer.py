"""The shortcuts through the text transformer change the time and nothing else."""

import pytest
import torch
from open_clip.transformer import QuickGELU, TextTransformer
from torch import Tensor, nn

from unlearn.models.causal_transformer import n_shared_tokens, n_worth_sharing, run_blocks, supports

LENGTH, WIDTH = 12, 32


@pytest.fixture(params=[QuickGELU, nn.GELU])
def tower(request: pytest.FixtureRequest) -> TextTransformer:
    torch.manual_seed(0)
    return TextTransformer(LENGTH, 50, WIDTH, 4, 3, output_dim=16, act_layer=request.param).double()


def _states(tower: TextTransformer, tokens: Tensor) -> Tensor:
    return tower.token_embedding(tokens) + tower.positional_embedding


def _tokens(n_shared: int) -> Tensor:
    torch.manual_seed(1)
    tokens = torch.randint(1, 49, (5, LENGTH))
    tokens[:, :n_shared] = tokens[0, :n_shared]
    return tokens


@pytest.mark.parametrize("n_shared", [0, 1, 5, LENGTH - 1])
def test_states_equal_those_of_the_blocks_themselves(tower: TextTransformer, n_shared: int) -> None:
    states = _states(tower, _tokens(n_shared))
    expected = tower.transformer(states, attn_mask=tower.attn_mask)
    assert torch.allclose(run_blocks(tower.transformer, states, n_shared), expected, atol=1e-12)


@pytest.mark.parametrize("n_shared", [0, 4])
def test_wanted_positions_equal_those_of_all_states(tower: TextTransformer, n_shared: int) -> None:
    states, wanted = _states(tower, _tokens(n_shared)), torch.tensor([4, 11, 7, 5, 4])
    expected = tower.transformer(states, attn_mask=tower.attn_mask)[torch.arange(5), wanted]
    assert torch.allclose(run_blocks(tower.transformer, states, n_shared, wanted), expected, atol=1e-12)


@pytest.mark.parametrize("n_shared", [0, 4])
def test_gradients_equal_those_of_the_blocks_themselves(tower: TextTransformer, n_shared: int) -> None:
    tokens, wanted = _tokens(n_shared), torch.tensor([4, 11, 7, 5, 9])
    gradients = []
    for run in (
        lambda states: run_blocks(tower.transformer, states, n_shared, wanted),
        lambda states: tower.transformer(states, attn_mask=tower.attn_mask)[torch.arange(5), wanted],
    ):
        tower.zero_grad()
        run(_states(tower, tokens)).square().sum().backward()
        gradients.append([parameter.grad for parameter in tower.parameters() if parameter.grad is not None])
    assert len(gradients[0]) == len(gradients[1]) > 20
    for own, expected in zip(*gradients, strict=True):
        assert torch.allclose(own, expected, atol=1e-10)


def test_plain_blocks_are_supported_and_scaled_ones_are_not(tower: TextTransformer) -> None:
    assert supports(tower.transformer)
    scaled = TextTransformer(LENGTH, 50, WIDTH, 4, 1, ls_init_value=0.1)
    assert not supports(scaled.transformer)


def test_shared_tokens_are_counted_up_to_the_last_but_one() -> None:
    assert n_shared_tokens(torch.tensor([[1, 2, 3, 4], [1, 2, 5, 4]])) == 2
    assert n_shared_tokens(torch.tensor([[1, 2, 3], [1, 2, 3]])) == 2
    assert n_shared_tokens(torch.tensor([[1, 2, 3]])) == 0
    assert n_shared_tokens(torch.tensor([[1, 2], [3, 2]])) == 0


def test_a_small_shared_part_is_not_worth_sharing() -> None:
    tokens = torch.arange(2 * 40).view(2, 40)
    tokens[:, 0] = 0
    assert n_shared_tokens(tokens) == 1
    assert n_worth_sharing(tokens) == 0
    assert n_worth_sharing(tokens[:, :8]) == 1
