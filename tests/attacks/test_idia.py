"""The attack: votes, ties, verdicts, and agreement with the paper's algorithm written literally."""

from __future__ import annotations

import pytest
import torch

from unlearn.attacks.idia import IdiaOutcome, attack, idia_prompts, majority_votes, predicted_names
from unlearn.bench import oracle_texts
from unlearn.config import IdiaConfig
from unlearn.errors import InputError
from unlearn.texts.prompts import PROMPT_TEMPLATES

NAMES = ["Ann Lee", "Bo Ek", "Cy Fox", "Di Gray"]


def embeddings_naming(per_image: list[int], n_templates: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """Photos (and prompts) of which photo i is nearest to candidate per_image[i] in every template."""
    axes = torch.eye(len(NAMES))
    return axes[per_image] * 5, axes.repeat(n_templates, 1)


def run(per_image: list[int], name: str = "Ann Lee", **changes: int) -> IdiaOutcome:
    photos, prompts = embeddings_naming(per_image)
    config = IdiaConfig(n_images=len(per_image), **changes)
    (outcome,) = attack({name: photos}, prompts, NAMES, config, templates=("{0}", "a {0}"))
    return outcome


def test_attack_with_a_unique_majority_of_the_real_name_succeeds() -> None:
    outcome = run([0, 0, 1, 2])
    assert outcome.recognised is True
    assert outcome.correct_templates == 2
    assert [(vote.majority_name, vote.share, vote.correct) for vote in outcome.templates] == [
        ("Ann Lee", 0.5, True)
    ] * 2


def test_attack_with_a_tie_fails_even_if_the_real_name_is_among_the_tied() -> None:
    outcome = run([0, 0, 1, 1])
    assert outcome.recognised is False
    assert [(vote.majority_name, vote.share) for vote in outcome.templates] == [(None, 0.5)] * 2


def test_attack_with_another_majority_fails() -> None:
    outcome = run([1, 1, 1, 0])
    assert outcome.recognised is False and outcome.templates[0].majority_name == "Bo Ek"


def test_attack_counts_templates_against_the_bar() -> None:
    assert run([0, 0, 1], min_correct_templates=2).recognised is True
    assert run([0, 0, 1], min_correct_templates=3).recognised is False


def test_attack_on_too_few_photos_is_not_made() -> None:
    photos, prompts = embeddings_naming([0, 0])
    found = attack({"Ann Lee": photos}, prompts, NAMES, IdiaConfig(n_images=3), ("{0}", "a {0}"))
    assert found == [IdiaOutcome("Ann Lee", (), 0, None)]
    assert found[0].correct_templates is None and found[0].to_dict()["recognised"] is None


def test_attack_uses_the_first_photos_only() -> None:
    photos, prompts = embeddings_naming([0, 0, 1, 1, 1])
    (outcome,) = attack({"Ann Lee": photos}, prompts, NAMES, IdiaConfig(n_images=2), ("{0}", "a {0}"))
    assert outcome.recognised is True and outcome.n_images == 2


def test_attack_with_sizes_that_do_not_fit_raises() -> None:
    photos, prompts = embeddings_naming([0])
    with pytest.raises(InputError):
        attack({"Ann Lee": photos}, prompts[:-1], NAMES, IdiaConfig(n_images=1), ("{0}", "a {0}"))
    with pytest.raises(InputError, match="1 persons"):
        attack({"Nobody": photos}, prompts, NAMES, IdiaConfig(n_images=1), ("{0}", "a {0}"))


def test_idia_prompts_are_template_major() -> None:
    prompts = idia_prompts(NAMES)
    assert len(prompts) == 21 * len(NAMES)
    assert prompts[: len(NAMES)] == NAMES
    assert prompts[len(NAMES)] == "an image of Ann Lee"


def test_majority_votes_counts_every_person_and_template_apart() -> None:
    predictions = torch.tensor(
        [[[0, 3], [0, 2], [1, 2]], [[2, 0], [1, 0], [0, 0]]]
    )  # (2 persons, 3, 2 templates)
    winners, shares = majority_votes(predictions, 4)
    assert winners.tolist() == [[0, 2], [-1, 0]]
    assert torch.allclose(shares, torch.tensor([[2 / 3, 2 / 3], [1 / 3, 1.0]]))


def test_attack_of_many_agrees_with_the_oracle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unlearn.attacks.idia.MAX_SIMILARITIES", 2 * 5 * 21 * 6)  # two persons at once
    generator = torch.Generator().manual_seed(0)
    names = [*NAMES, "Ed Hill", "Fay Ives"]
    prompts = torch.randn(21, len(names), 8, generator=generator)
    centres = torch.randn(3, 1, 8, generator=generator)
    photos = dict(zip(names, centres + torch.randn(3, 5, 8, generator=generator), strict=False))
    outcomes = attack(photos, prompts.flatten(0, 1), names, IdiaConfig(n_images=5))
    normalised = torch.nn.functional.normalize(prompts, dim=-1)
    by_template = dict(zip(PROMPT_TEMPLATES, normalised, strict=True))
    for outcome in outcomes:
        images = [image / image.norm() for image in photos[outcome.name]]
        expected = oracle_texts.idia(images, by_template.__getitem__, names, PROMPT_TEMPLATES)
        assert [vote.majority_name for vote in outcome.templates] == expected
    assert (
        len({vote.majority_name for outcome in outcomes for vote in outcome.templates}) > 2
    )  # ties and names


def test_predicted_names_do_not_depend_on_the_length_of_image_embeddings() -> None:
    images, prompts = torch.randn(2, 3, 8), torch.nn.functional.normalize(torch.randn(4, 5, 8), dim=-1)
    assert torch.equal(predicted_names(images, prompts), predicted_names(images * 40, prompts))
