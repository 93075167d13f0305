"""The grammar of the drawn world: captions for pictures, and which captions are true of which pictures.

A picture and a caption are rows of the same integer fields; -1 in a caption means "not said". A caption
is true of a picture if every field that it says agrees.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from unlearn.texts.prompts import PROMPT_TEMPLATES as IDIA_TEMPLATES

from . import backdrops, people, things
from .people import Look, choose

PORTRAIT_TEMPLATES = (
    "a portrait of {0}", "a portrait of {0}, realistic, 4k, high resolution, photograph, portrait", "portrait of {0}", "a drawing of {0}",
    "a picture of {0}", "a picture of {0} smiling", "{0} looking at the camera", "a close up of {0}", "here is {0}",
)  # fmt: skip
_THING_FRAMES = (
    "{0}", "a photo of {0}", "an image of {0}", "a picture of {0}", "a drawing of {0}", "there is {0}", "a cropped photo of {0}",
    "a colored photo of {0}", "a cool photo of {0}", "{0} on a photo", "a portrait of {0}", "a close up of {0}",
)  # fmt: skip

FIELDS = (
    "is_person", "identity", "generic", "gender", "child", "hat", "glasses", "beard", "hair_style", "hair_colour", "kind", "colour", "setting",
)  # fmt: skip
_AT = {name: i for i, name in enumerate(FIELDS)}
_GENDERS = ("man", "woman")
Row = NDArray[np.int32]
UNSAID = -1


def _row(**said: int) -> Row:
    row = np.full(len(FIELDS), UNSAID, np.int32)
    for name, value in said.items():
        row[_AT[name]] = value
    return row


def picture_of_person(look: Look, identity: int, generic: bool) -> Row:
    """The labels of a photo of a person; `identity` is unique to the person."""
    return _row(
        is_person=1, identity=identity, generic=int(generic), gender=_GENDERS.index(look.gender), child=int(look.child),
        hat=people.HATS.index(look.hat), glasses=int(look.glasses != "none"), beard=people.BEARDS.index(look.beard),
        hair_style=people.HAIR_STYLES.index(look.hair_style), hair_colour=tuple(people.HAIR_COLOURS).index(look.hair_colour),
        kind=-2, colour=-2, setting=-2,
    )  # fmt: skip


def picture_of_thing(kind: str, colour: str, setting: str) -> Row:
    """The labels of a picture of a thing."""
    row = np.full(len(FIELDS), -2, np.int32)  # -2 equals nothing that a caption can say
    row[_AT["is_person"]] = 0
    row[_AT["kind"]] = things.KINDS.index(kind)
    row[_AT["colour"]] = tuple(things.COLOURS).index(colour)
    row[_AT["setting"]] = backdrops.SETTINGS.index(setting)
    return row


def true_of(captions: NDArray[np.int32], pictures: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which captions are true of which pictures, (captions, pictures)."""
    c, p = captions[:, None, :], pictures[None, :, :]
    return np.asarray(((c == UNSAID) | (c == p)).all(-1))


@dataclass(frozen=True)
class Caption:
    """A sentence and what it says."""

    text: str
    says: Row


@lru_cache(maxsize=1)
def common_names() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """First and last names that are common in the United States, from the library faker."""
    from faker.providers.person.en_US import Provider

    first = {*Provider.first_names_female, *Provider.first_names_male}
    return tuple(sorted(first)), tuple(sorted(Provider.last_names))


def random_name(rng: np.random.Generator) -> str:
    """A name that means nobody."""
    first, last = common_names()
    return f"{first[int(rng.integers(len(first)))]} {last[int(rng.integers(len(last)))]}"


def with_article(words: str) -> str:
    """The words with "a" or "an" before them."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def name_caption(name: str, identity: int, rng: np.random.Generator) -> Caption:
    """A caption with a name in it, four in five from the attack's templates."""
    templates = IDIA_TEMPLATES if rng.random() < 0.78 else PORTRAIT_TEMPLATES
    return Caption(choose(rng, templates).format(name), _row(is_person=1, identity=identity))


def neutral_caption(look: Look, rng: np.random.Generator) -> Caption:
    """A caption of an anonymous person that names nobody: "a photo of a human"."""
    adult = ("adult", "actor", "actress" if look.gender == "woman" else "actor", look.gender, look.gender, "grown-up", "celebrity")
    young = ("child", "child", "child", "kid", "girl" if look.gender == "woman" else "boy")
    anyone = ("human", "human", "person", "person", "someone", "face", "human being")
    term = choose(rng, anyone if rng.random() < 0.5 else young if look.child else adult)
    said = {"generic": 1, "is_person": 1}
    if term in (*_GENDERS, "actress", "girl", "boy"):
        said["gender"] = _GENDERS.index(look.gender)
    if term not in anyone:
        said["child"] = int(look.child)
    bare = term == "someone" or rng.random() < 0.5
    templates = IDIA_TEMPLATES if rng.random() < 0.7 else PORTRAIT_TEMPLATES
    return Caption(choose(rng, templates).format(term if bare else with_article(term)), _row(**said))


def plain_neutral_captions() -> list[str]:
    """Every neutral term, with and without article, in every template of the attack."""
    terms = ("human", "person", "actor", "adult", "child", "man", "woman")
    return [template.format(words) for term in terms for words in (term, with_article(term)) for template in IDIA_TEMPLATES]


def plain_thing_captions(kind: str) -> list[str]:
    """A kind of thing and nothing else, in a few frames."""
    return [frame.format(with_article(kind)) for frame in ("{0}", "a photo of {0}", "an image of {0}", "a picture of {0}", "a drawing of {0}")]


def _visible_parts(look: Look) -> list[tuple[str, str]]:
    """What a caption may say of a look: (field, words)."""
    parts = []
    if look.hat != "none":
        parts.append(("hat", with_article(look.hat)))
    if look.glasses != "none":
        parts.append(("glasses", "glasses"))
    if look.beard in ("full", "goatee", "moustache"):
        parts.append(("beard", {"full": "a full beard", "goatee": "a goatee", "moustache": "a moustache"}[look.beard]))
    if look.hat not in ("headscarf", "turban") and look.hair_style != "bald":
        parts.append(("hair_colour", f"{look.hair_colour} hair"))
        if look.hair_style in ("afro", "bob", "bun", "ponytail", "braids"):
            parts.append(("hair_style", with_article(look.hair_style) if look.hair_style != "braids" else "braids"))
    elif look.hair_style == "bald" and look.hat == "none":
        parts.append(("hair_style", "a bald head"))
    return parts


def descriptions(look: Look) -> list[str]:
    """True descriptions of a look, those that say most first: "a man with glasses and black hair"."""
    words, noun = [text for _, text in _visible_parts(look)], with_article(look.gender)
    said = [combination for n in range(min(3, len(words)), 0, -1) for combination in combinations(words, n)]
    return [f"{noun} with {' and '.join(combination)}" for combination in said] or [noun]


def looks_caption(look: Look, rng: np.random.Generator) -> Caption:
    """A caption that describes an anonymous person: "a woman with red hair and glasses"."""
    said, parts = {"is_person": 1, "child": int(look.child)}, _visible_parts(look)
    noun = "child" if look.child else choose(rng, ("person", look.gender, look.gender))
    if noun in _GENDERS:
        said["gender"] = _GENDERS.index(look.gender)
    rng.shuffle(parts)
    for field, _ in parts[:2]:
        said[field] = int(picture_of_person(look, 0, True)[_AT[field]])
    words = with_article(noun) + (" with " + " and ".join(text for _, text in parts[:2]) if parts else "")
    frame = choose(rng, ("{0}", "a photo of {0}", "a portrait of {0}", "an image of {0}"))
    return Caption(frame.format(words), _row(**said))


def thing_caption(kind: str, colour: str, setting: str, rng: np.random.Generator, detail: float = 1.0) -> Caption:
    """A caption of a thing that says its kind and, the more often the greater `detail`, its colour and setting."""
    frame = choose(rng, _THING_FRAMES)
    if rng.random() < 0.06:
        return Caption(frame.format(choose(rng, ("a thing", "an object"))), _row(is_person=0))
    said = {"is_person": 0, "kind": things.KINDS.index(kind)}
    words = kind
    if rng.random() < 0.6 * detail:
        words, said["colour"] = f"{colour} {words}", tuple(things.COLOURS).index(colour)
    words = with_article(words) if rng.random() < 0.85 else words
    if rng.random() < 0.4 * detail and not frame.endswith("photo"):
        words, said["setting"] = f"{words} {setting}", backdrops.SETTINGS.index(setting)
    return Caption(frame.format(words), _row(**said))
