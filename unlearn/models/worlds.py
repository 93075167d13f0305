"""Persons, photos and things that a model set brings along, with what is known about them.

A world tells who was in the training data (members) and who was not (strangers), so that the attack has its controls. Reads
JSON and pictures only. Most model sets have no world.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np

from unlearn.config import Person, name_key
from unlearn.errors import ModelLoadError
from unlearn.files import read_json_object

PhotoKind = Literal["drawn", "crops", "raw"]
SHEET_COLUMNS = 20  # of the sheets of things and of anonymous people
PERSON_COLUMNS = 5
STAND_IN_COLUMNS = 5  # photos of an anonymous person, who has a row


@dataclass(frozen=True)
class Inhabitant:
    """A person of a world: number, name, whether in the training data, aliases known to the models, true descriptions of the looks."""

    index: int
    name: str
    member: bool
    aliases: tuple[str, ...]
    gender: str
    descriptions: tuple[str, ...] = ()

    @property
    def person(self) -> Person:
        """Name and aliases as something that can be forgotten."""
        return Person(self.name, self.aliases)


@dataclass(frozen=True)
class Things:
    """Labelled pictures for the general task: uint8 (n, side, side, 3), label numbers (n,), the kinds they mean."""

    images: np.ndarray
    labels: tuple[int, ...]
    kinds: tuple[str, ...]


class World:
    """The world in a folder: world.json and photos/."""

    def __init__(self, root: Path) -> None:
        """Read world.json; photos are read when asked for.

        `photo_kind` is what world.json says of the photos: "drawn" (pictures of invented people, each a face crop), "crops" (photos of
        real people, cropped to the face), or "raw" (photos in which the face has to be found; so where nothing is said).

        Raises:
            ModelLoadError: missing, unreadable or incomplete.
        """
        self.root = root
        content = read_json_object(root / "world.json")
        try:
            self.inhabitants = tuple(
                _inhabitant(index, row, member)
                for index, (row, member) in enumerate(
                    [(row, True) for row in content["members"]] + [(row, False) for row in content["strangers"]]
                )
            )
            self.kinds = tuple(str(kind) for kind in content["kinds"])
            self.photo_kind = _photo_kind(content.get("photos", "raw"))
            self.neutral_terms = tuple(str(term) for term in content.get("neutral_terms", ()))
        except (KeyError, TypeError, AttributeError) as error:
            raise ModelLoadError(f"{root / 'world.json'} is incomplete: {error}.") from error

    @property
    def members(self) -> tuple[Inhabitant, ...]:
        """Those in the training data."""
        return tuple(inhabitant for inhabitant in self.inhabitants if inhabitant.member)

    @property
    def people(self) -> list[dict[str, Any]]:
        """Everybody as plain values: rows {name, member, aliases}."""
        return [{"name": person.name, "member": person.member, "aliases": list(person.aliases)} for person in self.inhabitants]

    def find(self, name: str) -> Inhabitant | None:
        """The inhabitant with this name or alias, however it is written."""
        return self._by_key.get(name_key(name))

    @cached_property
    def _by_key(self) -> dict[str, Inhabitant]:
        """Everybody by the keys of name and aliases; a name goes before another's alias."""
        named = {name_key(inhabitant.name): inhabitant for inhabitant in reversed(self.inhabitants)}
        aliased = {name_key(alias): inhabitant for inhabitant in reversed(self.inhabitants) for alias in inhabitant.aliases}
        return aliased | named

    def photos(self, inhabitant: Inhabitant) -> np.ndarray:
        """Evaluation photos, never used in training or fine-tuning: uint8 (n, side, side, 3)."""
        return read_sheet(self.root / "photos" / f"person-{inhabitant.index:02d}.webp", PERSON_COLUMNS)

    @cached_property
    def clean_things(self) -> np.ndarray | None:
        """Pictures of things to fine-tune an image encoder with, none of which is measured on: uint8 (n, side, side, 3)."""
        return self._sheet("fine-tuning-things.webp")

    @cached_property
    def clean_faces(self) -> np.ndarray | None:
        """Pictures of anonymous people to fine-tune with, none of which is measured on: uint8 (n, side, side, 3)."""
        return self._sheet("fine-tuning-people.webp")

    @cached_property
    def anonymous_people(self) -> np.ndarray | None:
        """Pictures of anonymous people to measure on: uint8 (n, side, side, 3)."""
        return self._sheet("generic-people.webp")

    @cached_property
    def stand_in_people(self) -> np.ndarray | None:
        """Several photos of each of some anonymous people, whom forgotten faces are remapped to: uint8 (people, photos, side, side, 3)."""
        path = self.root / "photos" / "stand-in-people.webp"
        if not path.is_file():
            return None
        photos = read_sheet(path, STAND_IN_COLUMNS)
        return photos.reshape(-1, STAND_IN_COLUMNS, *photos.shape[1:])

    def _sheet(self, file: str) -> np.ndarray | None:
        path = self.root / "photos" / file
        return read_sheet(path, SHEET_COLUMNS) if path.is_file() else None

    @cached_property
    def things(self) -> Things | None:
        """The labelled pictures of things; None where the world has none."""
        rows_file = self.root / "photos" / "things.json"
        if not rows_file.is_file():
            return None
        rows = read_json_object(rows_file)["rows"]
        numbers = {kind: number for number, kind in enumerate(self.kinds)}
        images = read_sheet(self.root / "photos" / "things.webp", SHEET_COLUMNS)[: len(rows)]
        try:
            labels = tuple(numbers[row["kind"]] for row in rows)
        except (KeyError, TypeError) as error:
            raise ModelLoadError(f"{rows_file} names a kind that world.json does not: {error}.") from error
        return Things(images, labels, self.kinds)


def known_names(world: World | None) -> list[str]:
    """Names and aliases of everybody in the world; none without a world."""
    return [trigger for inhabitant in (world.inhabitants if world is not None else ()) for trigger in inhabitant.person.triggers]


def _inhabitant(index: int, row: dict[str, Any], member: bool) -> Inhabitant:
    name, gender = row["name"], row.get("gender", "")
    aliases, descriptions = row.get("aliases", []), row.get("descriptions", [])
    lists = all(isinstance(texts, list) for texts in (aliases, descriptions))
    if not lists or not all(isinstance(text, str) for text in (name, gender, *aliases, *descriptions)):
        raise TypeError(f"row {index} has a name, an alias, a gender or a description that is no text")
    return Inhabitant(index, name, member, tuple(aliases), gender, tuple(descriptions))


def _photo_kind(kind: object) -> PhotoKind:
    for known in get_args(PhotoKind):
        if kind == known:
            return cast(PhotoKind, known)
    raise TypeError(f"photos are {kind!r}; use {', '.join(get_args(PhotoKind))}")


def read_sheet(path: Path, columns: int) -> np.ndarray:
    """The square pictures of a sheet, row by row: uint8 (n, side, side, 3).

    Raises:
        ModelLoadError: unreadable, or not a grid of squares with so many columns.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as sheet:
            pixels = np.asarray(sheet.convert("RGB"))
    except (OSError, UnidentifiedImageError) as error:
        raise ModelLoadError(f"{path} cannot be read as a picture: {error}.") from error
    height, width = pixels.shape[:2]
    side = width // columns
    if side == 0 or width % columns or height % side:
        raise ModelLoadError(f"{path} is {width} x {height} px, which is no grid of squares in {columns} columns.")
    grid = pixels.reshape(height // side, side, columns, side, 3)
    return np.ascontiguousarray(grid.swapaxes(1, 2).reshape(-1, side, side, 3))
