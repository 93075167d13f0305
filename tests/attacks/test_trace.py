"""The attack "who was forgotten?", on embeddings made by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unlearn.attacks.trace import movement, ranks, signs, trace

N_NAMES, N_TEMPLATES, WIDTH = 200, 5, 64
FORGOTTEN, TEMPLATE = 17, 1


def tables(mark: str | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Names that differ as random ones do, terms and misspellings; one name bears a mark."""
    generator = torch.Generator().manual_seed(3)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    base, noise = normal(N_NAMES, WIDTH), 0.1 * normal(N_TEMPLATES, N_NAMES, WIDTH)
    terms = normal(N_TEMPLATES, 3, WIDTH)
    table = base[None] + noise
    misspelled = table[TEMPLATE] + 0.4 * normal(N_NAMES, WIDTH)
    if mark == "neutral":
        table[:, FORGOTTEN] = terms[:, 1] + noise[:, FORGOTTEN]
    if mark == "twin":
        table[:, FORGOTTEN] = table[:, 3] + 0.5 * noise[:, FORGOTTEN]
    if mark == "edge":
        misspelled[FORGOTTEN] = normal(WIDTH)
    if mark == "template":
        table[:, FORGOTTEN] = normal(N_TEMPLATES, WIDTH)
        misspelled[FORGOTTEN] = table[TEMPLATE, FORGOTTEN]
    if mark == "length":
        table[:, FORGOTTEN] *= 3.0
    if mark == "shortness":
        table[:, FORGOTTEN] *= 0.2
    return table, terms, misspelled


@pytest.mark.parametrize("mark", ["neutral", "twin", "edge", "template", "length", "shortness"])
def test_each_mark_is_found_by_its_sign(mark: str) -> None:
    scores = signs(*tables(mark), TEMPLATE)
    place = int(ranks(scores[mark])[FORGOTTEN])
    assert place <= (2 if mark == "twin" else 1), "a twin's partner bears the same mark"
    result = trace(scores, torch.zeros(N_NAMES), {FORGOTTEN}, 0)
    assert result.rank_blind == 1 or mark == "twin"
    assert result.chance_blind < 0.1


def test_a_name_without_a_mark_is_not_found_and_chance_says_so() -> None:
    scores = signs(*tables(), TEMPLATE)
    results = [trace(scores, torch.zeros(N_NAMES), {number}, 0) for number in range(N_NAMES)]
    hidden = [result for result in results if result.rank_blind > N_NAMES / 100]
    assert len(hidden) > 0.85 * N_NAMES
    assert sum(result.chance_blind < 0.05 for result in results) < 0.08 * N_NAMES, "the chance is that of names without a mark"


def test_the_moved_name_is_found_with_the_original_and_decoys_hide_it() -> None:
    table, terms, misspelled = tables()
    defended = table.clone()
    defended[:, FORGOTTEN] = defended[:, FORGOTTEN].roll(1, dims=-1)
    alone = trace(signs(defended, terms, misspelled, TEMPLATE), movement(table, defended), {FORGOTTEN}, 0)
    assert alone.rank_with_original == 1
    decoys = range(100, 131)
    defended[:, list(decoys)] = -table[:, list(decoys)]
    among = trace(signs(defended, terms, misspelled, TEMPLATE), movement(table, defended), {FORGOTTEN}, len(decoys))
    assert among.rank_with_original == 32, "behind all decoys, which moved farther"


def test_equal_scores_share_the_middle_of_their_places() -> None:
    assert ranks(torch.tensor([5.0, 1.0, 1.0, 1.0, 0.0])).tolist() == [1, 3, 3, 3, 5]
    assert trace({"none": torch.zeros(9)}, torch.zeros(9), {4}, 0).rank_blind == 5, "a sign that says nothing finds nobody"


def test_several_forgotten_names_count_by_the_one_that_is_found_first() -> None:
    score = torch.arange(100.0)
    result = trace({"sign": score}, score, {99 - 4, 10}, 0)
    assert result.rank_blind == result.rank_with_original == 5
    assert result.chance_blind == pytest.approx(1 - (1 - 4 / 98) ** 2)
