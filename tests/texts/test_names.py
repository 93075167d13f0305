"""Candidate names and bystanders from a seed."""

from __future__ import annotations

import pytest

from unlearn.errors import ConfigError
from unlearn.texts.names import bystander_names, candidate_names, random_names, us_names


def test_random_names_are_distinct_deterministic_and_half_male() -> None:
    names = random_names(1000, seed=3)
    male, female, last = (set(part) for part in us_names())
    assert names == random_names(1000, seed=3) != random_names(1000, seed=4)
    assert len(set(names)) == 1000
    assert sum(name.split()[0] in male for name in names) == 500
    assert sum(name.split()[0] in female for name in names) == 500
    assert all(name.split(" ", 1)[1] in last for name in names)
    assert random_names(10, seed=3) == names[:10]


def test_random_names_leave_out_what_is_excluded() -> None:
    first = random_names(5, seed=0)
    assert not set(random_names(50, seed=0, exclude=[name.upper() for name in first])) & set(first)


def test_candidate_names_hold_all_persons_once_whatever_the_seed() -> None:
    persons = ["Ann Lee", "O'Neill", "ANN LEE", "李小龍"]
    for seed in range(3):
        candidates = candidate_names(persons, 100, seed, exclude=["The Boss"])
        assert len(candidates) == len({name.casefold() for name in candidates}) == 100
        assert {"Ann Lee", "O'Neill", "李小龍"} <= set(candidates)
    assert (
        candidate_names(persons, 100, 0)
        == candidate_names(persons, 100, 0)
        != candidate_names(persons, 100, 1)
    )


def test_candidate_names_are_shuffled() -> None:
    persons = [f"Person {i}" for i in range(20)]
    assert candidate_names(persons, 40, 0)[:20] != persons


def test_candidate_names_for_too_many_persons_raise() -> None:
    with pytest.raises(ConfigError):
        candidate_names(["A", "B", "C"], 2, 0)


def test_bystander_names_include_neighbours_but_no_trigger() -> None:
    names = bystander_names(["Ann Lee", "Madonna"], 200, seed=0)
    assert len(names) == len(set(names))
    assert len(names) >= 190
    assert any(name.startswith("Ann ") for name in names) and any(name.endswith(" Lee") for name in names)
    assert not {"ann lee", "madonna"} & {name.casefold() for name in names}
    assert len(bystander_names(["Madonna"], 20, seed=0)) == 20
