"""The drawn world: who lives in it, what else is in it, and every photo as a function of a seed.

No
real person is meant: surnames and aliases are made up.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .backdrops import SETTINGS
from .canvas import Picture, photo_effects
from .face import draw_person
from .people import Look, as_child, distinct_looks, draw_look, draw_shot, look_distance
from .things import COLOURS, KINDS, draw_thing

WORLD_SEED = 20260
N_MEMBERS, N_STRANGERS, N_ALIASES = 48, 16, 12
NEUTRAL_TERMS = ("human", "person", "actor", "adult", "child")

_MEN = (
    "Adrian Ashgrave", "Marcus Bellwyn", "Victor Corvane", "Omar Dunmarrow", "Felix Elstrand", "Julian Galdorne", "Darius Hestervale",
    "Hugo Iverlock", "Leon Jorrand", "Rafael Kestrava", "Simon Marrowby", "Tobias Norvane", "Kenji Pellwright", "Ibrahim Quintrell",
    "Nikolai Ravenholt", "Mateo Sandoral", "Oscar Tremontin", "Samuel Umberlain", "Elias Vantross", "Andre Wexholm", "Caleb Yarrowell",
    "Dominic Zandrake", "Ethan Aldermoor", "Gavin Brockhelm", "Isaac Calvessa", "Joaquin Dravenel", "Kwame Fenwarden", "Luther Glimstone",
    "Milo Imbrecht", "Nathan Kolvenar", "Quentin Lindqvale", "Roland Mornhall", "Stefan Oskerby", "Theo Brandlow", "Walter Hexley",
    "Amir Soltane", "Bruno Castelmar", "Cyrus Welkin", "Diego Altamere", "Emil Nordhask",
)  # fmt: skip
_WOMEN = (
    "Alma Orvello", "Beatrice Pendrith", "Clara Quarnby", "Dalia Rostrella", "Esther Tamberline", "Fatima Ulveston", "Greta Verhaddon",
    "Helena Yelverin", "Ingrid Zephrane", "Keiko Ambrosk", "Lydia Bastonel", "Miriam Crellwood", "Nadia Dorvaine", "Olivia Ellismoor",
    "Priya Faldrake", "Rosalind Grenholme", "Sabine Hollivar", "Tamara Ingermoor", "Ursula Karsholt", "Valerie Larkenby",
    "Wanda Mirevale", "Yasmin Norrbeck", "Zelda Ottavine", "Amara Pravenna", "Bianca Selvaris", "Camille Thornquay", "Daphne Vossmere",
    "Edith Wrenfield", "Gloria Haldane", "Irene Colbrook", "Judith Marwenna", "Leila Stenhouse", "Naomi Travanel", "Paloma Ridgewell",
    "Ruth Escalon", "Sonia Lammering", "Teresa Voltaire", "Vera Kingsholm", "Yolanda Berrick", "Mei Aurelane",
)  # fmt: skip
_ALIASES_MAN = ("Captain Nimbus", "Colonel Quasar", "Inspector Juniper", "Sergeant Bramble", "Baron Halcyon", "Professor Cobalt")
_ALIASES_WOMAN = ("Baroness Tempest", "Madame Solstice", "Duchess Meridian", "Commander Zephyr", "Agent Mistral", "Doctor Calico")


@dataclass(frozen=True)
class Inhabitant:
    """A named person of the world. Strangers have names and photos, but no model is ever shown them."""

    index: int
    name: str
    look: Look
    member: bool
    aliases: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def inhabitants() -> tuple[Inhabitant, ...]:
    """Members first, then strangers; always the same people."""
    rng = np.random.default_rng(WORLD_SEED)
    looks = distinct_looks(N_MEMBERS + N_STRANGERS, rng)
    names = {"man": iter(_MEN), "woman": iter(_WOMEN)}
    aliases = {"man": iter(_ALIASES_MAN), "woman": iter(_ALIASES_WOMAN)}
    people: list[Inhabitant] = []
    for i, look in enumerate(looks):
        alias = next(aliases[look.gender], None) if i < N_MEMBERS and i % 2 else None
        people.append(Inhabitant(i, next(names[look.gender]), look, i < N_MEMBERS, (alias,) if alias else ()))
    found = sum(len(p.aliases) for p in people)
    if found != N_ALIASES:
        raise ValueError(f"{found} aliases were given out instead of {N_ALIASES}; change the world's seed")
    return tuple(people)


def photo_rng(part: str, *numbers: int) -> np.random.Generator:
    """The random stream of one photo. Parts never share one: what is evaluated was never trained on."""
    return np.random.default_rng([WORLD_SEED, zlib.crc32(part.encode()), *numbers])


def photo_of(person: Inhabitant, part: str, number: int, effects: bool) -> Picture:
    """Photo `number` of a person, RGB, shape (128, 128, 3)."""
    rng = photo_rng(part, person.index, number)
    picture = draw_person(person.look, draw_shot(rng))
    return photo_effects(picture, rng) if effects else picture


def generic_person(part: str, number: int, effects: bool) -> tuple[Look, Picture]:
    """An anonymous person, met once; one in eight is a child."""
    rng = photo_rng(part, number)
    look = draw_look(rng)
    if rng.random() < 0.125:
        look = as_child(look, rng)
    picture = draw_person(look, draw_shot(rng))
    return look, photo_effects(picture, rng) if effects else picture


@lru_cache(maxsize=1)
def stand_in_looks(n_looks: int = 80, minimum: float = 3.4) -> tuple[Look, ...]:
    """Anonymous people of whom several photos are drawn; none could be taken for an inhabitant or for another of them."""
    rng = photo_rng("stand-in-looks")
    looks: list[Look] = []
    while len(looks) < n_looks:
        look = draw_look(rng)
        if all(look_distance(look, other) >= minimum for other in (*(person.look for person in inhabitants()), *looks)):
            looks.append(look)
    return tuple(looks)


def stand_in_photo(look: int, number: int, effects: bool) -> Picture:
    """Photo `number` of one of the anonymous people of `stand_in_looks`."""
    rng = photo_rng("stand-in", look, number)
    picture = draw_person(stand_in_looks()[look], draw_shot(rng))
    return photo_effects(picture, rng) if effects else picture


def thing_labels(number: int) -> tuple[str, str, str]:
    """Kind, colour and setting of thing `number`; every kind comes equally often."""
    rng = photo_rng("labels", number)
    return KINDS[number % len(KINDS)], tuple(COLOURS)[int(rng.integers(len(COLOURS)))], SETTINGS[int(rng.integers(len(SETTINGS)))]


def thing(part: str, number: int, effects: bool) -> Picture:
    """A picture of thing `number`."""
    rng = photo_rng(part, number)
    picture = draw_thing(*thing_labels(number), rng)
    return photo_effects(picture, rng) if effects else picture
