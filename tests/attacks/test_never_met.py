"""The rank test of forgotten persons against strangers."""

from __future__ import annotations

import pytest
import torch

from unlearn.attacks.never_met import never_met, places

STRANGERS = [-0.4, 0.1, -0.2, 0.3, 0.0, 0.2, -0.1, 0.4]


def test_place_counts_standard_deviations_from_all_candidates() -> None:
    table = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]])
    photo = torch.tensor([[2.0, 0.0]])
    similarities = torch.tensor([1.0, 0.0, 0.0, 0.0])
    assert places({0: photo}, table)[0] == pytest.approx(float((1.0 - similarities.mean()) / similarities.std()))
    assert places({1: photo, 0: photo}, table) == [pytest.approx(-0.5), *places({0: photo}, table)]


def test_somebody_still_known_stands_before_all_strangers() -> None:
    result = never_met([5.0, 6.0, 4.0, 7.0], STRANGERS)
    assert result is not None
    assert result.statistic == 1.0 and result.p_value < 0.01


def test_somebody_pushed_behind_all_strangers_is_noticed_too() -> None:
    result = never_met([-5.0, -6.0, -4.0, -7.0], STRANGERS)
    assert result is not None and result.statistic == 0.0 and result.p_value < 0.01


def test_somebody_like_a_stranger_is_not_told_apart() -> None:
    result = never_met([0.05, -0.05, 0.15, -0.15], STRANGERS)
    assert result is not None
    assert result.statistic == pytest.approx(0.5, abs=0.1) and result.p_value > 0.5


def test_one_person_alone_cannot_refute_much_and_the_result_says_so() -> None:
    result = never_met([9.0], STRANGERS)
    assert result is not None
    assert result.p_value == pytest.approx(2 / 9) == result.least_p_value


def test_without_strangers_nothing_is_tested() -> None:
    assert never_met([1.0], []) is None and never_met([], STRANGERS) is None
