"""Descriptions of people in words: what somebody may look like to a model that was told no name."""

from __future__ import annotations

from functools import cache
from itertools import product

PEOPLE = ("a man", "a woman", "a person", "a child")
HAIR_COLOURS = ("black", "dark brown", "brown", "auburn", "ginger", "blond", "platinum", "grey", "white", "pink", "blue", "teal")
HAIR_STYLES = ("an afro", "a bob", "a bun", "a ponytail", "braids")
BEARDS = ("a full beard", "a goatee", "a moustache")
HATS = ("a beanie", "a cap", "a fedora", "a beret")
COVERS = ("a headscarf", "a turban")  # the hair below them is not seen


@cache
def descriptions() -> tuple[str, ...]:
    """About 550 descriptions such as "a woman with dark brown hair and a bob", each once, always in the same order."""
    hair = [f"{colour} hair" for colour in HAIR_COLOURS]
    parts = [*((who, one) for who, one in product(PEOPLE, (*hair, *COVERS, "glasses")))]
    parts += [(who, f"{one} and {more}") for who, one, more in product(PEOPLE, hair, ("glasses", *HAIR_STYLES, *HATS))]
    parts += [("a man", one) for one in ("a bald head", *BEARDS)]
    parts += [("a man", f"{one} and {more}") for one, more in product((*hair, "a bald head"), BEARDS)]
    parts += [(who, f"{one} and glasses") for who, one in product(PEOPLE, COVERS)] + [("a man", "a bald head and glasses")]
    return tuple(f"{who} with {looks}" for who, looks in parts)
