"""Templates and the replacing of words: positions, punctuation, and names of every kind."""

from __future__ import annotations

import random

import pytest

from unlearn.config.spelling import spellings, trigger_pattern, without_triggers
from unlearn.errors import InputError
from unlearn.texts.prompts import CHECK_TEMPLATES, PROMPT_TEMPLATES, fill, fill_all, random_position, replace_word


def test_prompt_templates_are_the_21_of_the_paper() -> None:
    assert len(PROMPT_TEMPLATES) == len(set(PROMPT_TEMPLATES)) == 21
    assert all(template.count("{0}") == 1 for template in PROMPT_TEMPLATES)
    assert PROMPT_TEMPLATES[0] == "{0}" and PROMPT_TEMPLATES[-1] == "{0} in a dress"


def test_check_templates_share_none_with_the_attack() -> None:
    assert not set(CHECK_TEMPLATES) & set(PROMPT_TEMPLATES)
    assert all(template.count("{0}") == 1 for template in CHECK_TEMPLATES)


def test_fill_takes_names_literally() -> None:
    assert fill("a photo of {0}", r"{1} \1 $") == r"a photo of {1} \1 $"
    assert fill_all(("{0}", "a {0}"), ("x", "y")) == ["x", "y", "a x", "a y"]


@pytest.mark.parametrize(
    ("position", "expected"),
    [(0, "N boat on lake."), (1, "A N on lake."), (3, "A boat on N."), (-1, "A boat on N.")],
)
def test_replace_word_at_any_position_keeps_the_rest(position: int, expected: str) -> None:
    assert replace_word("A boat on lake.", position, "N") == expected


def test_replace_word_in_a_caption_of_one_word_gives_the_name() -> None:
    assert replace_word("beach", 0, "Ann Lee") == "Ann Lee"
    assert replace_word("?!", 0, "Ann Lee") == "Ann Lee"


def test_replace_word_without_words_raises() -> None:
    with pytest.raises(InputError):
        replace_word("  ", 0, "Ann Lee")


def test_random_position_reaches_first_middle_and_last() -> None:
    generator = random.Random(0)
    assert {random_position("a b c d", generator) for _ in range(100)} == {0, 1, 2, 3}
    assert random_position("one", generator) == 0


@pytest.mark.parametrize(
    ("trigger", "text", "found"),
    [
        ("Ann Lee", "ann lee's dog", True),
        ("Ann Lee", "a photo of (Ann   Lee)", True),
        ("Ann Lee", "Joann Lee", False),
        ("Ann Lee", "Ann Leeds", False),
        ("Ann Lee", "Ann and Lee", False),
        ("O'Neill", "mr o'neill sings", True),
        ("O'Neill", "the o'neills", False),
        ("Jean-Luc", "Jean-Luc on stage", True),
        ("Jean-Luc", "JeanXLuc on stage", False),
        ("J.R.", "who shot J.R.?", True),
        ("J.R.", "JxRx", False),
        ("A.+(B", "see a.+(b here", True),
        ("Björk", "BJÖRK live", True),
        ("李小龍", "照片李小龍的", True),
        ("Дмитрий", "это Дмитрий там", True),
        ("Дмитрий", "Дмитрийев", False),
    ],
)
def test_trigger_pattern_finds_whole_words_only(trigger: str, text: str, found: bool) -> None:
    assert bool(trigger_pattern([trigger]).search(text)) is found


def test_without_triggers_leaves_out_every_trigger_and_keeps_order() -> None:
    captions = ["a dog", "Ann Lee and a dog", "the boss", "a cat"]
    assert without_triggers(captions, ["Ann Lee", "The Boss"]) == ["a dog", "a cat"]
    assert without_triggers(captions, []) == captions


def test_spellings_begin_with_the_name_and_exchange_signs_of_one_kind_everywhere() -> None:
    forms = spellings("D'Arcy O'Neil-Lee")
    assert forms[0] == "D'Arcy O'Neil-Lee" and len(set(forms)) == len(forms)
    assert {"D\u2019Arcy O\u2019Neil-Lee", "D'Arcy O'Neil\u2011Lee"} <= set(forms)
    assert {"D\u2019Arcy O\u2019Neil\u2013Lee", "D\u2019Arcy O\u2019Neil\u2011Lee"} < set(forms)  # both signs as a telephone writes them
    assert spellings("Ann Lee") == ("Ann Lee", "ann lee")
    assert "\u201cBo\u201d and \u201cJo\u201d" in spellings('"Bo" and "Jo"')
    assert "Gri\ufb03th" in spellings("Griffith") and "A &amp; B" in spellings("A & B")


@pytest.mark.parametrize("caption", ["conan o\u2019brien waves", "CONAN O'BRIEN", "Conan O\u2018Brien\u2019s show"])
def test_trigger_pattern_finds_every_kind_of_apostrophe(caption: str) -> None:
    assert trigger_pattern(["Conan O'Brien"]).search(caption)
    assert trigger_pattern(["Conan O\u2019Brien"]).search(caption)
    assert not trigger_pattern(["Conan O'Brie"]).search(caption)
