"""The metrics on values known by hand; nothing measured is None or an error, never 0."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import pytest
import torch

from tests.support.tiny_encoder import tiny_text_encoder
from unlearn.attacks.collateral import Collateral, collateral, fnr, tpr
from unlearn.config import Person
from unlearn.errors import InputError
from unlearn.measure.similarities import mean_similarity, similarities
from unlearn.measure.zero_shot import ZeroShot, person_or_thing, zero_shot
from unlearn.models.embeddings import Kind
from unlearn.models.encoders import OpenClipText, TextEncoder
from unlearn.models.pair import Pair

CAPTIONS = ["a dog", "a red car on the beach", "two cats", "portrait of a woman, soft light"]


@dataclass(frozen=True)
class Outcome:
    name: str
    recognised: bool | None


def outcomes(*verdicts: bool | None) -> list[Outcome]:
    return [Outcome(f"Person {i}", verdict) for i, verdict in enumerate(verdicts)]


@pytest.fixture(scope="module")
def teacher() -> OpenClipText:
    return tiny_text_encoder()


@pytest.fixture(scope="module")
def changed(teacher: OpenClipText) -> OpenClipText:
    student = copy.deepcopy(teacher)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in student.blocks.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return student


@pytest.mark.parametrize("kind", ["pooled", "hidden"])
def test_similarities_of_a_changed_encoder_are_below_those_of_an_unchanged_one(
    teacher: OpenClipText, changed: OpenClipText, kind: Kind
) -> None:
    pairs = (Pair[TextEncoder](teacher, student) for student in (teacher, changed))
    same, other = (similarities(pair, CAPTIONS, [Person("Ann Lee")], "human", kind) for pair in pairs)
    assert (same["sim_clean"], same["sim_target"]) == pytest.approx((1.0, 1.0), abs=1e-6)
    assert other["sim_clean"] < 0.999 and other["sim_target"] < 0.999


def test_similarity_of_nothing_or_of_unequal_lists_raises() -> None:
    for first, second in (((0, 3), (3,)), ((0, 3), (0, 3)), ((1, 3), (0, 3)), ((2, 3), (1, 3))):
        with pytest.raises(InputError):
            mean_similarity(torch.zeros(first), torch.zeros(second))


def test_mean_similarity_to_one_target_is_the_mean_cosine() -> None:
    rows = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    assert mean_similarity(rows, torch.tensor([3.0, 0.0])) == pytest.approx(0.5)


def test_zero_shot_counts_first_and_first_five() -> None:
    classes = torch.eye(7)
    images = torch.tensor([[7.0, 6, 5, 4, 3, 2, 1]]).repeat(4, 1)
    assert zero_shot(images, classes, [0, 1, 4, 5]) == ZeroShot(0.25, 0.75, 4)
    assert zero_shot(images[:, :3], classes[:3, :3], [0, 0, 1, 2]) == ZeroShot(0.5, None, 4)


def test_zero_shot_of_no_images_is_none_and_bad_labels_raise() -> None:
    assert zero_shot(torch.zeros(0, 3), torch.eye(3), []) is None
    for labels in ([3], [-1], [0, 0]):
        with pytest.raises(InputError):
            zero_shot(torch.ones(1, 3), torch.eye(3), labels)


def test_person_or_thing_is_the_share_seen_as_persons() -> None:
    images = torch.tensor([[1.0, 0.1], [0.1, 1.0], [1.0, 0.2], [0.9, 0.1]])
    persons, things = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    assert person_or_thing(images, persons, things) == 0.75
    assert person_or_thing(images[:0], persons, things) is None


def test_collateral_counts_lost_gained_and_unchanged() -> None:
    before = outcomes(True, True, True, False, False, None)
    after = outcomes(True, False, True, True, False, True)
    found = collateral(before, after)
    assert found == Collateral(
        n=5, recognised_original=3, recognised_defended=3, wrongly_forgotten=1, newly_recalled=1, unchanged=3
    )
    assert found.kept == pytest.approx(2 / 3)
    assert collateral(outcomes(False), outcomes(False)).kept is None


def test_tpr_and_fnr_are_over_those_recognised_before() -> None:
    before, after = outcomes(True, True, True, True, False), outcomes(True, False, False, False, True)
    assert tpr(before, after) == 0.25 and fnr(before, after) == 0.75
    assert tpr(before, before) == 1.0


def test_tpr_and_fnr_over_nobody_are_none() -> None:
    for before in (outcomes(), outcomes(False), outcomes(None)):
        assert tpr(before, before) is None and fnr(before, before) is None


def test_comparing_different_persons_raises() -> None:
    with pytest.raises(InputError):
        tpr(outcomes(True, True), outcomes(True))
