"""Looks of invented people: fixed traits, drawn at random with natural weights, and what varies from photo to photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np

from .canvas import Colour

T = TypeVar("T")

SKINS: tuple[Colour, ...] = (
    (255, 224, 200), (247, 207, 178), (236, 188, 150), (216, 164, 122), (186, 131, 92), (152, 101, 68), (117, 76, 52), (86, 56, 42),
)  # fmt: skip
HAIR_COLOURS: dict[str, Colour] = {
    "black": (38, 34, 42), "dark brown": (74, 48, 36), "brown": (122, 78, 48), "auburn": (160, 66, 36), "ginger": (222, 116, 44),
    "blond": (236, 196, 104), "platinum": (246, 232, 196), "grey": (150, 152, 160), "white": (236, 236, 240), "pink": (240, 120, 172),
    "blue": (60, 104, 200), "teal": (36, 150, 148),
}  # fmt: skip
ACCENTS: dict[str, Colour] = {
    "red": (208, 52, 52), "orange": (240, 138, 40), "yellow": (246, 200, 58), "green": (52, 148, 88), "blue": (48, 104, 190),
    "purple": (124, 78, 176), "white": (244, 244, 240), "black": (42, 42, 50),
}  # fmt: skip
FACE_SHAPES = ("oval", "round", "square", "long", "heart")
HAIR_STYLES = (
    "bald", "buzz", "side part", "quiff", "curly", "afro", "bob", "long", "wavy", "bun", "ponytail", "braids", "fringe",
)  # fmt: skip
BEARDS = ("none", "stubble", "full", "goatee", "moustache")
GLASSES = ("none", "round", "square", "cat eye")
HATS = ("none", "beanie", "cap", "fedora", "beret", "headscarf", "turban")
EARRINGS = ("none", "stud", "hoop")
EYE_COLOURS: tuple[Colour, ...] = ((62, 40, 28), (104, 66, 36), (46, 110, 70), (52, 108, 176), (96, 108, 120))
LIPS: tuple[Colour | None, ...] = (None, (196, 44, 62), (168, 50, 100), (226, 98, 92))

_HAIR_WEIGHTS = {
    "man": (3, 4, 6, 6, 5, 3, 0.6, 1.2, 0.8, 1.0, 0.6, 0.6, 0.6),
    "woman": (0.5, 0.7, 1.0, 0.8, 2.5, 3, 5, 5, 5, 4, 4, 4, 4),
}
_HAT_WEIGHTS = {"man": (16, 3, 3, 3, 1, 0, 2), "woman": (16, 3, 1.5, 2.5, 2.5, 3, 0.5)}
_BEARD_WEIGHTS = (7, 2.5, 4, 2.5, 3)


@dataclass(frozen=True)
class Look:
    """What stays the same in every photo of a person."""

    gender: str
    skin: int
    face_shape: str
    hair_style: str
    hair_colour: str
    brow_weight: float
    eye_colour: int
    eye_size: float
    nose: int
    mouth_width: float
    lips: int
    beard: str
    glasses: str
    glasses_colour: str
    hat: str
    hat_colour: str
    earrings: str
    freckles: bool
    mole: bool
    blush: bool
    child: bool = False


@dataclass(frozen=True)
class Shot:
    """What varies from photo to photo; x, y and sizes in pixels of a 128 px picture, angles in radians."""

    turn: float
    tilt: float
    scale: float
    shift: tuple[float, float]
    smile: float
    mouth_open: float
    brow_raise: float
    gaze: tuple[float, float]
    background: int
    background_colours: tuple[Colour, Colour]
    background_angle: float
    clothes: str
    clothes_colours: tuple[Colour, Colour]


CLOTHES = ("crew", "stripes", "turtleneck", "suit", "v-neck", "hoodie")
BACKGROUNDS = 7
_BACKDROPS: tuple[Colour, ...] = (
    (250, 232, 208), (214, 232, 246), (226, 240, 220), (246, 220, 224), (228, 222, 246), (250, 240, 196), (200, 214, 220),
    (120, 148, 176), (236, 178, 138), (96, 124, 120), (168, 140, 180), (240, 206, 130), (84, 92, 120), (150, 196, 196),
)  # fmt: skip
_FABRICS: tuple[Colour, ...] = (
    (56, 92, 148), (178, 62, 62), (48, 120, 100), (236, 186, 84), (240, 240, 234), (58, 56, 70), (122, 86, 150), (224, 128, 110),
    (92, 136, 176), (130, 148, 92),
)  # fmt: skip


def choose(rng: np.random.Generator, options: Sequence[T], weights: Sequence[float] | None = None) -> T:
    """One of the options, with the given weights (they need not sum to one)."""
    if weights is None:
        return options[int(rng.integers(len(options)))]
    w = np.array(weights, dtype=np.float64)
    return options[int(rng.choice(len(options), p=w / w.sum()))]


def draw_look(rng: np.random.Generator) -> Look:
    """A person as one might meet: most have natural hair, few wear a hat."""
    gender = choose(rng, ("man", "woman"))
    older = rng.random() < 0.2
    natural = (3, 2, 0.8, 0.8, 0.5, 0.8, 0.2) if older else (9, 7, 6, 3, 3, 4, 1)
    greys = (4, 3) if older else (0.3, 0.1)
    hair_style = choose(rng, HAIR_STYLES, _HAIR_WEIGHTS[gender])
    earring_odds = (3, 2, 3) if gender == "woman" else (12, 1, 1)
    skin = int(rng.integers(len(SKINS)))
    return Look(
        gender=gender,
        skin=skin,
        face_shape=choose(rng, FACE_SHAPES),
        hair_style=hair_style,
        hair_colour=choose(rng, tuple(HAIR_COLOURS), (*natural, *greys, 0.7, 0.7, 0.6)),
        brow_weight=float(rng.uniform(0.75, 1.4) * (1.15 if gender == "man" else 0.85)),
        eye_colour=choose(rng, range(len(EYE_COLOURS)), (3, 3, 1.5, 2, 1.5) if skin < 4 else (6, 3, 0.5, 0.4, 0.3)),
        eye_size=float(rng.uniform(0.9, 1.15)),
        nose=int(rng.integers(4)),
        mouth_width=float(rng.uniform(0.85, 1.15)),
        lips=choose(rng, range(len(LIPS)), (2, 2, 1.5, 1.5) if gender == "woman" else (1, 0, 0, 0)),
        beard=choose(rng, BEARDS, _BEARD_WEIGHTS) if gender == "man" else "none",
        glasses=choose(rng, GLASSES, (10, 3, 3, 1.5 if gender == "woman" else 0)),
        glasses_colour=choose(rng, tuple(ACCENTS), (3, 1, 1, 1, 2, 1, 2, 7)),
        hat=choose(rng, HATS, _HAT_WEIGHTS[gender]),
        hat_colour=choose(rng, tuple(ACCENTS)),
        earrings=choose(rng, EARRINGS, earring_odds),
        freckles=bool(rng.random() < (0.25 if skin < 4 else 0.06)),
        mole=bool(rng.random() < 0.12),
        blush=bool(rng.random() < (0.4 if gender == "woman" else 0.1)),
    )


def as_child(look: Look, rng: np.random.Generator) -> Look:
    """The same person as a child: round face, large eyes, soft features; never bearded, bald or grey."""
    hair = look.hair_colour if look.hair_colour not in ("grey", "white") else "brown"
    style = look.hair_style if look.hair_style not in ("bald", "bun") else "side part"
    return replace(
        look, child=True, face_shape="round", hair_style=style, hair_colour=hair, beard="none", earrings="none", lips=0, nose=0,
        mouth_width=0.75, brow_weight=0.75, eye_size=float(rng.uniform(1.24, 1.36)), blush=True,
    )  # fmt: skip


_TRAIT_DISTANCE = {
    "gender": 0.5, "skin": 0.7, "face_shape": 0.5, "hair_style": 1.6, "hair_colour": 1.4, "beard": 1.4, "glasses": 1.3,
    "glasses_colour": 0.5, "hat": 1.6, "hat_colour": 0.8, "earrings": 0.4, "freckles": 0.4, "lips": 0.3,
}  # fmt: skip


def look_distance(a: Look, b: Look) -> float:
    """How easily two people are told apart: the visible traits that differ, weighted; 0 for the same look."""
    total = 0.0
    for field in fields(Look):
        weight = _TRAIT_DISTANCE.get(field.name, 0.0)
        x, y = getattr(a, field.name), getattr(b, field.name)
        if field.name == "skin":
            total += weight * min(abs(x - y), 4) / 2
        elif x != y:
            hidden = (field.name == "hat_colour" and "none" in (a.hat, b.hat)) or (
                field.name == "glasses_colour" and "none" in (a.glasses, b.glasses)
            )
            covered = field.name.startswith("hair") and {a.hat, b.hat} & {"headscarf", "turban"}
            total += 0.0 if hidden or covered else weight
    return total


def distinct_looks(n_looks: int, rng: np.random.Generator, minimum: float = 3.4) -> list[Look]:
    """People of natural looks of whom no two could be taken for one another."""
    looks: list[Look] = []
    for _ in range(200_000):
        look = draw_look(rng)
        if all(look_distance(look, other) >= minimum for other in looks):
            looks.append(look)
            if len(looks) == n_looks:
                return looks
    raise ValueError(f"only {len(looks)} of {n_looks} looks are {minimum} apart; lower the minimum")


def draw_shot(rng: np.random.Generator) -> Shot:
    """One photo's circumstances."""
    first = choose(rng, _BACKDROPS)
    fabric = choose(rng, _FABRICS)
    return Shot(
        turn=float(np.clip(rng.normal(0, 0.42), -1, 1)),
        tilt=float(np.clip(rng.normal(0, 0.06), -0.16, 0.16)),
        scale=float(np.clip(rng.normal(1.05, 0.08), 0.88, 1.24)),
        shift=(float(np.clip(rng.normal(0, 3), -8, 8)), float(np.clip(rng.normal(0, 2), -5, 5))),
        smile=float(np.clip(rng.normal(0.5, 0.4), -0.4, 1)),
        mouth_open=float(rng.uniform(0.45, 1)) if rng.random() < 0.3 else 0.0,
        brow_raise=float(np.clip(rng.normal(0, 0.5), -1, 1)),
        gaze=(float(np.clip(rng.normal(0, 0.4), -1, 1)), float(np.clip(rng.normal(0, 0.25), -0.6, 0.6))),
        background=int(rng.integers(BACKGROUNDS)),
        background_colours=(first, choose(rng, _BACKDROPS)),
        background_angle=float(rng.uniform(-0.7, 0.7)),
        clothes=choose(rng, CLOTHES),
        clothes_colours=(fabric, choose(rng, [c for c in _FABRICS if c != fabric])),
    )
