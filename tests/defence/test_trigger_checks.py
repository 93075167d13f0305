"""Names that do not fit into a text encoder, and names that are words."""

from __future__ import annotations

import pytest

from tests.support.tiny_encoder import CONTEXT_LENGTH, tiny_text_encoder
from unlearn.config import Person, PortraitConfig, ResolvedConfig
from unlearn.defence.trigger_checks import common_words, looked_at_captions, require_all_fitting, require_fitting, require_room
from unlearn.errors import InputError

LONG = "Владислав Константинович Преображенский"  # letters of two bytes, of which the tiny vocabulary merges none


def _config(*persons: Person, **changes: str) -> ResolvedConfig:
    return ResolvedConfig(persons, portraits=PortraitConfig(prompt_template="a portrait of {0}"), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("person", [Person(LONG), Person("Ann Lee", (LONG,))])
def test_require_room_name_or_alias_longer_than_the_context_raises_with_both_numbers(person: Person) -> None:
    encoder = tiny_text_encoder()
    with pytest.raises(InputError, match=rf"of person 2 has {encoder.n_tokens(LONG) - 2} tokens, .* reads {CONTEXT_LENGTH - 2}") as raised:
        require_room(_config(Person("Bo Ray"), person), [encoder])
    assert LONG not in str(raised.value)


def test_require_room_neutral_term_longer_than_the_context_raises() -> None:
    with pytest.raises(InputError, match="neutral term"):
        require_room(_config(Person("Ann Lee"), neutral_term=LONG), [tiny_text_encoder()])


def test_require_room_name_that_fits_alone_only_is_a_warning_and_a_short_one_none() -> None:
    encoder = tiny_text_encoder()
    middle = "Anna" + " x" * (CONTEXT_LENGTH - 2 - (encoder.n_tokens("Anna") - 2))
    assert encoder.n_tokens(middle) == CONTEXT_LENGTH
    (warning,) = require_room(_config(Person(middle)), [encoder])
    assert "21 of 22 prompts" in warning and middle not in warning  # only "{0}" itself fits
    assert require_room(_config(Person("Ann Lee", ("Bo",))), [encoder]) == []


def test_require_room_every_encoder_is_asked() -> None:
    encoder, short = tiny_text_encoder(), tiny_text_encoder()
    short.context_length = 6
    with pytest.raises(InputError):
        require_room(_config(Person("Ann Lee Brown Carter Dale")), [encoder, short])


def test_require_room_names_that_are_the_same_tokens_raise() -> None:
    encoder = tiny_text_encoder()
    encoder.context_length = 99  # the tokenizer cuts at 32 tokens, so that both become one row
    with pytest.raises(InputError, match="same text"):
        require_room(_config(Person(LONG[:20] + " А"), Person(LONG[:20] + " Б")), [encoder])


def test_require_fitting_counts_and_numbers_the_texts() -> None:
    encoder = tiny_text_encoder()
    require_fitting(encoder, "a photo of a dog", "the name")
    with pytest.raises(InputError, match="Label 2 has"):
        require_all_fitting(encoder, ["a dog", LONG], "label")


@pytest.mark.parametrize(("name", "is_word"), [("a", True), ("The", True), ("man", True), ("Ann Lee", False), ("Bellwyn", False)])
def test_common_words_are_told_apart_from_names(name: str, is_word: bool) -> None:
    captions = looked_at_captions(None, 0)
    assert bool(common_words([Person("Ann Ray"), Person("Bo Ray", (name,))], captions)) == is_word


def test_common_words_says_whose_word_it_is_and_how_common() -> None:
    captions = ["a dog runs"] * 30 + ["cats sleep"] * 70
    (warning,) = common_words([Person("Ann Lee", ("dog",))], captions)
    assert "Alias 1 of person 1" in warning and "30%" in warning and "damage" in warning and "dog" not in warning


def test_common_words_trigger_in_all_captions_raises() -> None:
    with pytest.raises(InputError, match="nothing would be left"):
        common_words([Person("a")], [f"a dog {number}" for number in range(1000)])


def test_looked_at_captions_never_asks_the_network() -> None:
    assert looked_at_captions("hub:owner/set:column", 0) == []
