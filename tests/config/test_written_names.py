"""Lines as people write them: which are one name, which are asked about, and how one insists."""

from __future__ import annotations

import pytest

from ui.page import forms
from unlearn.config import Person
from unlearn.config.written_names import line_of, written_person
from unlearn.errors import InputError


@pytest.mark.parametrize(
    "line",
    [
        "Marcus Bellwyn, Clara Quarnby", "Marcus Bellwyn,Clara Quarnby", "Bellwyn, Marcus", "Marcus Bellwyn; Clara Quarnby",
        "Marcus Bellwyn and Clara Quarnby", "Marcus Bellwyn AND Clara Quarnby", "Marcus Bellwyn & Clara Quarnby", "Marcus Bellwyn&Clara",
        "Marcus Bellwyn/Clara Quarnby", "Marcus Bellwyn\tClara Quarnby", "Marcus Bellwyn\nClara Quarnby", "Marcus Bellwyn - Clara Quarnby",
        "李小龍、成龍", "Marcus Bellwyn，Clara Quarnby", "King, Jr., Clara Quarnby", "King, Martin Luther, Jr.", "Marcus, the Captain",
        '"Marcus" and "Clara"', "Marcus Bellwyn + Clara Quarnby", "Marcus Bellwyn und Clara Quarnby", "Marcus Bellwyn • Clara Quarnby",
        "Marcus Bellwyn — Clara Quarnby", "Marcus Bellwyn—Clara Quarnby", "Marcus Bellwyn -- Clara Quarnby", "Marcus Bellwyn > Clara",
        "Marcus Bellwyn or Clara Quarnby", "Marcus Bellwyn vs. Clara Quarnby", "Marcus Bellwyn · Clara Quarnby", "Marcus Bellwyn¦Clara",
        '"Marcus Bellwyn" "Clara Quarnby"', "“Marcus Bellwyn”  “Clara Quarnby”", "1. Marcus Bellwyn, Clara Quarnby",
    ],
)  # fmt: skip
def test_line_that_looks_like_several_names_is_asked_about_without_repeating_it(line: str) -> None:
    with pytest.raises(InputError, match="write one person a line.*in double quotes") as error:
        written_person(line, "Line 3")
    assert str(error.value).startswith("Line 3 ") and "Marcus" not in str(error.value) and "King" not in str(error.value)


@pytest.mark.parametrize(
    "line",
    [
        "Martin Luther King, Jr.", "Sammy Davis, Jr", "Ken Griffey, Sr.", "Thurston Howell, III", "Ada Lovelace, Ph.D., FRS",
        "Andy Anderson",
        "Jean-Luc Picard", "Ortega y Gasset", "Ravi s/o Kumar", "Samy a/l Vellu", "O'Neill", "J.R.R. Tolkien", 'Dwayne "The Rock" Johnson',
        '"Weird Al" Yankovic', "Rolandas Sanders", "Et Cetera", "AndAnd", "李小龍", "Salvador Dalí i Domènech",
        "Yael Or Levi", "Orson Vs", "马丁·路德·金", "Smith–Jones", 'Madonna "Madge"', '"Weird Al" "Yankovic', "50 Cent", "6ix9ine",
    ],
)  # fmt: skip
def test_one_name_is_taken_as_it_is(line: str) -> None:
    assert written_person(line, "Line 1") == Person(line)


@pytest.mark.parametrize(("left", "right"), ['""', "“”", "„“", "«»", "””"])
def test_double_quotes_insist_that_it_is_one_name(left: str, right: str) -> None:
    assert written_person(f"{left}Simon & Garfunkel, Ltd{right}", "Line 1") == Person("Simon & Garfunkel, Ltd")
    assert written_person(f" {left}AC/DC{right} | {left}Back, Black{right}|Angus", "Line 1") == Person("AC/DC", ("Back, Black", "Angus"))


def test_marks_of_a_list_at_the_end_belong_to_no_name() -> None:
    assert written_person("Marcus Bellwyn,", "Line 1") == written_person("Marcus Bellwyn; ", "Line 1") == Person("Marcus Bellwyn")


def test_aliases_are_asked_about_as_such() -> None:
    with pytest.raises(InputError, match=r"An alias of line 2 has a comma.*behind a \| of its own"):
        written_person("Marcus Bellwyn|Captain Nimbus, The Boss", "Line 2")


def test_page_and_endpoints_ask_by_their_own_places() -> None:
    with pytest.raises(InputError, match="^Line 3 looks like several names: it has “&”"):
        forms.parse_persons("Ann Lee\n\nBo Finch & Cy Wren", 8)
    with pytest.raises(InputError, match=r"^names\[1\] has a comma"):
        forms.listed_persons(["Ann Lee", "Bo Finch, Cy Wren"], 8)
    with pytest.raises(InputError, match="^The name has a comma"):
        forms.one_name("Bo Finch, Cy Wren", "The name")
    assert forms.one_name('"Finch, Bo"|Wren', "The name") == "Finch, Bo"
    assert [p.name for p in forms.listed_persons(["Ann Lee", "King, Jr."], 8)] == ["Ann Lee", "King, Jr."]


@pytest.mark.parametrize("mark", ["1.", "12)", "-", "*", "•"])
def test_marks_of_a_list_before_a_name_are_asked_about(mark: str) -> None:
    with pytest.raises(InputError, match="^Line 2 begins with “.*double quotes") as error:
        forms.parse_persons(f"Ann Lee\n{mark} Bo Finch", 8)
    assert mark in str(error.value) and "Finch" not in str(error.value)
    with pytest.raises(InputError, match="^An alias of line 1 begins with"):
        written_person(f"Ann Lee|{mark} Bo", "Line 1")
    assert written_person(f'"{mark} Bo"', "Line 1") == Person(f"{mark} Bo")


@pytest.mark.parametrize(
    "person",
    [
        Person("Ann Lee"), Person("Simon & Garfunkel", ("Bookends; Live",)), Person("King, Jr."), Person('"Weird Al" Yankovic'),
        Person("- Bo"), Person('Ann "A, B" Lee', ("AC/DC", "Ann")), Person('"Ann" and "Bo"'), Person('Ann "A" & Bo "B"'),
    ],
)  # fmt: skip
def test_line_of_a_person_reads_as_that_person(person: Person) -> None:
    assert written_person(line_of(person.name, person.aliases), "Line 1") == person


def test_wide_bar_of_an_asian_keyboard_is_a_bar() -> None:
    assert written_person("李小龍｜成龍", "Line 1") == Person("李小龍", ("成龍",))
