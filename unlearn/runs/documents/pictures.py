"""The portraits that documents show: before and after; of a real person whose name is withheld reduced to a few fields of colour."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from unlearn.errors import InputError
from unlearn.runs.documents.naming import Naming
from unlearn.runs.records import BeforeAfter, PortraitEntry
from unlearn.runs.results import PORTRAITS, Run

MAX_PAIRS = 3
FIELDS = 5  # of colour on a side, where a likeness is withheld
SHOWN_PX = 512  # on a side, at most


@dataclass(frozen=True)
class PicturePair(BeforeAfter[str]):
    """Two portraits from one noise, as data URIs; `label`: whose name was in the prompt."""

    label: str
    seed: int
    is_withheld: bool


def pairs(run: Run, naming: Naming) -> list[PicturePair]:
    """The first portraits of the first persons; of a single person those of several seeds.

    Raises:
        InputError: a picture of the run is missing.
    """
    found = []
    for person, seed in _shown(run):
        pair = portrait_pair(run, person, seed)
        if pair is not None:
            is_shown = naming.shows_likeness(person)
            original, defended = (data_uri(image if is_shown else fields_of_colour(image)) for image in (pair.original, pair.defended))
            found.append(PicturePair(original, defended, naming.of(person), seed, not is_shown))
    return found


def _shown(run: Run) -> list[tuple[int, int]]:
    """(Number of the person, seed)."""
    seeds = list(dict.fromkeys((entry.person_index, entry.seed) for entry in run.portraits if entry.prompt == "name"))
    if len({person for person, _ in seeds}) < 2:
        return seeds[:MAX_PAIRS]
    firsts = {person: (person, seed) for person, seed in reversed(seeds)}
    return [firsts[person] for person in sorted(firsts)][:MAX_PAIRS]


def portrait_pair(run: Run, person: int, seed: int | None = None) -> BeforeAfter[Image.Image] | None:
    """A person's portraits by both models; those of the first seed unless one is given. None where there are none.

    Raises:
        InputError: a picture of the run is missing.
    """
    entries = [entry for entry in run.portraits if entry.person_index == person and entry.prompt == "name"]
    sides = [_entry(entries, side, seed) for side in ("original", "defended")]
    if sides[0] is None or sides[1] is None:
        return None
    return BeforeAfter(*(_opened(run.folder / PORTRAITS / side.file) for side in sides if side is not None))


def _entry(entries: Sequence[PortraitEntry], side: str, seed: int | None) -> PortraitEntry | None:
    return next((entry for entry in entries if entry.model == side and (seed is None or entry.seed == seed)), None)


def _opened(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (OSError, SyntaxError) as error:  # Pillow raises SyntaxError for a broken PNG
        raise InputError(f"The portrait {path.name} of the run cannot be read; run it again.") from error


def fields_of_colour(image: Image.Image) -> Image.Image:
    """The picture as a few fields of colour: it shows that two pictures differ, and nobody's face."""
    return image.resize((FIELDS, FIELDS), Image.Resampling.BOX).resize(image.size, Image.Resampling.NEAREST)


def data_uri(image: Image.Image) -> str:
    """A picture as the address of itself."""
    buffer = io.BytesIO()
    image.thumbnail((SHOWN_PX, SHOWN_PX))
    image.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
