"""Names for stand-ins as strings: drawn from a seed, and what counts as a resemblance."""

from __future__ import annotations

import pytest

from unlearn.texts.names import candidate_names, random_names
from unlearn.texts.stand_in_names import Resemblance, drawn_names


def test_drawn_names_are_different_equal_for_equal_seeds_and_a_longer_list_begins_with_the_shorter() -> None:
    names = drawn_names(200, 3, ())
    assert len(set(names)) == 200 and names == drawn_names(200, 3, ()) and names[:50] == drawn_names(50, 3, ())
    assert not set(names) & set(drawn_names(200, 4, ()))
    assert not set(names) & {*random_names(200, 3), *candidate_names([], 1000, 3)}  # the seed draws other names than the attack's


def test_refused_names_do_not_come_out_however_they_are_written() -> None:
    first, second, *_ = drawn_names(10, 0, ())
    assert drawn_names(8, 0, (first.upper(), f" {second}  ")) == drawn_names(10, 0, ())[2:]


@pytest.mark.parametrize(
    ("name", "n_parts"),
    [
        ("Ann Corvane", 2), ("ANN Smith", 1), ("Bo Corvanne", 1), ("Bo Covrane", 1), ("Ana Smith", 1), ("Joan Smith", 0),
        ("Bo Smith", 0), ("Hannah Corvinelli", 0),
    ],
)  # fmt: skip
def test_parts_that_are_or_resemble_a_part_of_a_name_are_counted(name: str, n_parts: int) -> None:
    assert Resemblance(["Ann Corvane", "X"]).n_parts(name) == n_parts


def test_nothing_resembles_no_names() -> None:
    assert Resemblance(()).n_parts("Ann Lee") == 0
