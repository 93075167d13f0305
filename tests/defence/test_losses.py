"""The terms of the loss against their plain definitions, and the gradient where the norm is 0."""

from __future__ import annotations

import torch

from unlearn.defence.losses import cosine_loss, sum_of_distances, total_loss


def test_cosine_loss_of_equal_and_opposite_directions_is_minus_one_and_one() -> None:
    rows = torch.randn(4, 8)
    assert torch.isclose(cosine_loss(rows, rows * 3), torch.tensor(-1.0))
    assert torch.isclose(cosine_loss(rows, -rows), torch.tensor(1.0))


def test_cosine_loss_of_hidden_states_is_that_of_the_flattened_ones() -> None:
    one, other = torch.randn(3, 5, 4), torch.randn(3, 5, 4)
    expected = -torch.stack(
        [torch.dot(a.flatten(), b.flatten()) / (a.norm() * b.norm()) for a, b in zip(one, other, strict=True)]
    ).mean()
    assert torch.isclose(cosine_loss(one, other), expected, atol=1e-6)


def test_cosine_loss_with_one_target_for_all_equals_repeating_it() -> None:
    rows, target = torch.randn(6, 8), torch.randn(8)
    assert torch.equal(cosine_loss(rows, target), cosine_loss(rows, target.repeat(6, 1)))


def test_cosine_loss_sends_no_gradient_to_the_target() -> None:
    rows, target = torch.randn(2, 4, requires_grad=True), torch.randn(2, 4, requires_grad=True)
    cosine_loss(rows, target).backward()
    assert rows.grad is not None and target.grad is None


def test_sum_of_distances_agrees_with_the_python_sum_and_its_gradient() -> None:
    originals = [torch.randn(3, 4, dtype=torch.double), torch.randn(7, dtype=torch.double)]
    parameters = [(o + torch.randn_like(o)).requires_grad_() for o in originals]
    twins = [p.detach().clone().requires_grad_() for p in parameters]
    fast = sum_of_distances(parameters, originals)
    plain = torch.stack([torch.norm(t - o) for t, o in zip(twins, originals, strict=True)]).sum()
    (2.5 * fast).backward()
    (2.5 * plain).backward()
    assert torch.allclose(fast, plain)
    for parameter, twin in zip(parameters, twins, strict=True):
        assert parameter.grad is not None and twin.grad is not None
        assert torch.allclose(parameter.grad, twin.grad)


def test_sum_of_distances_at_zero_has_zero_gradient() -> None:
    original = torch.randn(5)
    moved, still = (original + 1).requires_grad_(), original.clone().requires_grad_()
    loss = sum_of_distances([moved, still], [original, original])
    loss.backward()
    assert still.grad is not None and moved.grad is not None
    assert torch.equal(still.grad, torch.zeros(5))
    assert torch.isfinite(moved.grad).all() and torch.isclose(moved.grad.norm(), torch.tensor(1.0))


def test_total_loss_weights_the_terms() -> None:
    clean, backdoor, distance = torch.tensor(-0.5), torch.tensor(-0.25), torch.tensor(3.0)
    weighted = total_loss(clean, backdoor, distance, 0.6, 0.01)
    assert torch.isclose(weighted, torch.tensor(-0.5 - 0.15 + 0.03))
    assert torch.isclose(total_loss(clean, backdoor, None, 0.6, 0.0), torch.tensor(-0.65))
