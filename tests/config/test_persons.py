"""Names: which are one and the same, what is dropped from them, and what persons and neutral term may be together."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from unlearn.config import ForgetConfig, Person
from unlearn.config.persons import check_persons, clean_name, name_key
from unlearn.config.written_names import written_person
from unlearn.errors import ConfigError, InputError


@pytest.mark.parametrize(
    "mark",
    [*"\u200b\ufeff\u2060\u00ad\u200e\u200f\u061c", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))],
)
def test_clean_name_invisible_characters_are_dropped_anywhere(mark: str) -> None:
    assert clean_name(f"{mark}Marcus Bell{mark}wyn{mark}") == "Marcus Bellwyn"
    assert Person.parse(f"Marcus Bellwyn{mark}|Captain{mark} Nimbus") == Person("Marcus Bellwyn", ("Captain Nimbus",))
    with pytest.raises(InputError, match="empty"):
        clean_name(mark * 3)


@pytest.mark.parametrize("joiner", ["\u200c", "\u200d"])
def test_clean_name_joiners_that_spell_a_name_are_kept(joiner: str) -> None:
    assert clean_name(f"می{joiner}خواهم") == f"می{joiner}خواهم"


def test_name_key_full_width_and_case_are_the_same_name() -> None:
    assert name_key("Ｍａｒｃｕｓ　Bellwyn") == name_key("marcus  BELLWYN") == "marcus bellwyn"
    assert name_key("Groß") == name_key("GROSS")
    assert name_key("Marcus") != name_key("Markus")


def test_person_alias_that_is_the_name_in_other_letters_is_dropped() -> None:
    assert Person("Ann Lee", ("ａｎｎ ｌｅｅ", "The Boss")).aliases == ("The Boss",)


def test_person_aliases_as_one_text_raise_config_error() -> None:
    with pytest.raises(ConfigError, match="aliases"):
        Person("Ann Lee", "Captain")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["ｈｕｍａｎ", "HUMAN", "hu\u00adman"])
def test_check_persons_neutral_term_in_other_letters_raises(name: str) -> None:
    for person in (Person(name), Person("Ann Lee", (name,))):
        with pytest.raises(InputError, match="equals the neutral term"):
            check_persons((person,), "human")
    with pytest.raises(InputError, match="equals the neutral term"):
        check_persons((Person("human"),), name)


def test_check_persons_same_name_in_other_letters_raises() -> None:
    with pytest.raises(InputError, match="twice"):
        check_persons((Person("Ann Lee"), Person("Ａｎｎ Ｌｅｅ")), "human")


@pytest.mark.parametrize("term", ["Marcus Smith", "a man like marcus", "Ｍａｒｃｕｓ Smith", "(Marcus)"])
def test_check_persons_trigger_within_the_neutral_term_raises_without_the_name(term: str) -> None:
    for person in (Person("Marcus"), Person("Ann Lee", ("Marcus",))):
        with pytest.raises(InputError, match="neutral term contains") as error:
            ForgetConfig((person,), neutral_term=term)
        assert "marcus" not in str(error.value).casefold()


def test_check_persons_counts_names_and_aliases_together() -> None:
    check_persons(tuple(Person(f"Ann {i}") for i in range(64)), "human")
    check_persons(tuple(Person(f"Ann {i}", (f"Boss {i}",)) for i in range(32)), "human")
    with pytest.raises(InputError, match="64 names and 64 aliases are 128 triggers; a job takes at most 64 names and aliases in all"):
        check_persons(tuple(Person(f"Ann {i}", (f"Boss {i}",)) for i in range(64)), "human")


def test_person_with_too_many_aliases_or_a_pasted_page_is_refused_at_once() -> None:
    with pytest.raises(InputError, match="20000 aliases"):
        Person("Ann Lee", tuple(f"Boss {i}" for i in range(20_000)))
    with pytest.raises(InputError, match="50000000 characters"):
        clean_name("x" * 50_000_000)


def test_check_persons_neutral_term_within_a_name_is_allowed() -> None:
    check_persons((Person("Human Torch"), Person("Marc")), "human")
    check_persons((Person("Marc"),), "Marcus Smith")  # another word that begins alike


@pytest.mark.parametrize(("typed", "cleaned"), [
    ("Conan O\u2019Brien", "Conan O'Brien"), ("Conan O&#39;Brien", "Conan O'Brien"),
    ("Kaʻiulani", "Ka'iulani"), ("Jean\u2011Luc", "Jean-Luc"),
    ("Jean\u2013Luc", "Jean-Luc"), ("Simon &amp; Garfunkel", "Simon & Garfunkel"), ("Gri\ufb03n", "Griffin"), ("FranÃ§ois", "François"),
    ("Dwayne \u201cThe Rock\u201d Johnson", 'Dwayne "The Rock" Johnson'), ("Ｊｏｎ Ｄｏｅ", "Jon Doe"),
    ("Zoe\u0308 &amp;amp; Co", "Zoë & Co"),
])  # fmt: skip
def test_clean_name_typographic_spellings_become_the_one_of_a_keyboard(typed: str, cleaned: str) -> None:
    assert clean_name(typed) == cleaned == clean_name(cleaned)
    assert name_key(typed) == name_key(cleaned)


@pytest.mark.parametrize("name", ["Marcus Bellwyn", "Zoë", "Łukasz", "日本太郎", "J.R.", "AT&T", "Ольга", "María José"])
def test_clean_name_ordinary_names_stay_as_they_are(name: str) -> None:
    assert clean_name(name) == name


@pytest.mark.parametrize("name", ["A&#10;B", "A\tB", "&nbsp;", "&quot;&quot;"])
def test_clean_name_escaped_control_characters_and_nothing_raise(name: str) -> None:
    with pytest.raises(InputError):
        clean_name(name)


def test_person_alias_that_is_the_name_in_other_signs_is_dropped() -> None:
    assert Person("Conan O'Brien", ("Conan O\u2019Brien", "Coco")).aliases == ("Coco",)


@pytest.mark.parametrize("typed", ["Ann Ｌｅｅ｜The Lee", "Ann Lee|The Lee", "Ann Lee ｜ The Lee ｜ "])
def test_full_width_bar_separates_aliases_too(typed: str) -> None:
    assert Person.parse(typed) == written_person(typed, "Line 1") == Person("Ann Lee", ("The Lee",))


@pytest.mark.parametrize("name", ["Ann Lee|The Lee", "Ann Lee&#124;The Lee", "Ann Lee｜The Lee"])
def test_clean_name_with_a_bar_raises_because_it_would_be_read_as_name_and_alias(name: str) -> None:
    makers: list[Callable[[str], object]] = [clean_name, Person, lambda text: Person("Bo Li", (text,))]
    for make in makers:
        with pytest.raises(InputError, match="vertical bar") as caught:
            make(name)
        assert "Ann" not in str(caught.value)
