"""Who stands in for whose face: nobody twice, nobody known, nobody whom a name fits, and the same for equal seeds."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from unlearn.config import ForgetConfig, Person, ResolvedConfig
from unlearn.defence import face_choice
from unlearn.defence.face_choice import assigned, chosen_stand_ins, fitting_shares
from unlearn.models.clip import Clip
from unlearn.models.embeddings import encode
from unlearn.texts.prompts import CHECK_TEMPLATES, fill

PERSONS = (Person("Ada Brook", stand_in="Ina Vale"), Person("Ben Carver", ("Benny",), stand_in="Jon Wick"))


def _config(original: Clip, seed: int = 0, **text: Any) -> ResolvedConfig:
    config = original.model_set.resolved(ForgetConfig(PERSONS, encoder="both", seed=seed))
    return replace(config, text=replace(config.text, **text))


def _shares(monkeypatch: pytest.MonkeyPatch, fitting: dict[str, dict[int, float]]) -> None:
    """Which names fit which of the people, in which share of the phrasings."""

    def shares(encoder: Any, names: list[str], people: Tensor) -> Tensor:
        return torch.tensor([[fitting.get(name, {}).get(number, 0.0) for number in range(len(people))] for name in names])

    monkeypatch.setattr(face_choice, "fitting_shares", shares)


def test_assignment_is_drawn_from_the_seed_and_takes_nobody_twice() -> None:
    misfits = torch.zeros(8, 20)
    columns = assigned(misfits, 3)
    assert len(set(columns)) == 8 and assigned(misfits, 3) == columns != assigned(misfits, 4)


def test_assignment_without_misfit_is_found_wherever_there_is_one() -> None:
    """Row 2 has but one choice, so whoever held it before must move, and whom that drives away, too."""
    misfits = torch.tensor([[0.0, 0, 1, 1], [0, 0, 0, 1], [0, 1, 1, 1], [0, 0, 0, 0]])
    assert all(assigned(misfits, seed) == [1, 2, 0, 3] for seed in range(10))


def test_greatest_misfit_is_as_small_as_can_be() -> None:
    """A name that fits every face leaves nobody without a stand-in."""
    assert all(assigned(torch.tensor([[1.0, 0.3, 0.6], [0.2, 0.3, 1.0]]), seed) == [1, 0] for seed in range(10))
    assert sorted(assigned(torch.ones(3, 3), 0)) == [0, 1, 2]


def test_nobody_known_and_nobody_whom_a_name_of_the_person_fits_is_chosen(
    original: Clip, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "names.txt").write_text("Dan Ember\n")
    config = _config(original, kept_names=str(tmp_path / "names.txt"))
    faces, people = torch.eye(8)[:2], torch.eye(8)[2:]  # nobody looks like anybody
    monkeypatch.setattr(face_choice, "ALIKE_SHARE", 0.0)
    _shares(monkeypatch, {
        "Dan Ember": {0: 0.5, 5: 0.4},  # who is kept is known by half of the phrasings, not by a few
        "Benny": {1: 0.5},  # forgotten, and known: no stand-in for anybody
        "Ina Vale": {2: 0.01, 3: 0.01},  # the first one's stand-in
        "Jon Wick": {4: 0.01, 5: 0.01},
    })  # fmt: skip
    chosen = [tuple(chosen_stand_ins(original.text, replace(config, seed=seed), faces, people)) for seed in range(20)]
    assert {first for first, _ in chosen} == {4, 5} and {second for _, second in chosen} == {2, 3}


def test_who_looks_most_like_a_person_is_no_stand_in_for_that_person(original: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    people = torch.eye(8)
    faces = torch.stack([people[3] + 0.1 * people[5], people[6] + 0.1 * people[1]])
    _shares(monkeypatch, {})
    chosen = [chosen_stand_ins(original.text, _config(original, seed), faces, people) for seed in range(30)]
    assert not {3, 5} & {first for first, _ in chosen} and not {6, 1} & {second for _, second in chosen}


def test_a_name_fits_a_face_that_lies_where_its_prompts_lie(original: Clip) -> None:
    texts = [fill(template, "Ada Brook") for template in CHECK_TEMPLATES]
    rows = functional.normalize(encode(original.text, texts), dim=-1)
    people = torch.stack([rows[0], -rows.mean(dim=0)])
    shares = fitting_shares(original.text, ["Ada Brook", "Ben Carver"], people)
    assert shares.shape == (2, 2) and 1 / len(CHECK_TEMPLATES) <= float(shares[0, 0]) <= 1 and float(shares[0, 1]) == 0
