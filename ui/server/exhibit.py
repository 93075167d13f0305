"""What a room is shown: the portraits of one person by both models without a trace of which model drew them, and whom to compare with.

Every picture is written anew from its pixels and has an id of its own, so that neither address, name, time nor file tells its model.
"""

from __future__ import annotations

import io
import secrets
from dataclasses import dataclass
from pathlib import Path

from unlearn.errors import InputError
from unlearn.runs.records import SIDES, PortraitEntry, Side
from unlearn.runs.results import PORTRAITS, Run

MAX_SIDE_PX = 512
LOSSLESS_PX = 256  # small pictures are shown enlarged, where losses would be seen
QUALITY = 90
N_ID_BYTES = 9
NO_PORTRAITS = "There is nothing to vote on: this run has no portraits of this person by both models."
IMAGE_ONLY = "There is nothing to vote on: only the image encoder was defended, so both models draw the same portraits."
ONE_SEED = "There is nothing to vote on: without a photo the original's first portrait is what to compare with, and there is no other seed."


@dataclass(frozen=True)
class Picture:
    """A portrait as phones get it; `model` drew it, which they are not told."""

    id: str
    model: Side
    content: bytes


@dataclass(frozen=True)
class Exhibit:
    """Attributes:
        name: of the person.
        person_index: number of the person in the run's config.
        pictures: to vote on, as many by each model, with the same seeds.
        reference: whom to compare with, a small WebP.
        is_photo: the reference is a photo; else the original's first portrait, which is then not voted on.
    """

    name: str
    person_index: int
    pictures: tuple[Picture, ...]
    reference: bytes
    is_photo: bool


def exhibit_of(run: Run, person_index: int) -> Exhibit:
    """What to show of a person of a finished run.

    Raises:
        InputError: no such person, or there is nothing to vote on.
    """
    if not 0 <= person_index < len(run.names):
        raise InputError(f"person is {person_index}; the run has {len(run.names)}, counted from 0.")
    if run.config.encoder == "image":
        raise InputError(IMAGE_ONLY)
    pairs = _pairs(run, person_index)
    if not pairs:
        raise InputError(NO_PORTRAITS)
    reference = _photo(run, person_index)
    if is_photo := reference is not None:
        shown = pairs
    else:
        reference, shown = run.folder / PORTRAITS / pairs[0][0].file, pairs[1:]
        if not shown:
            raise InputError(ONE_SEED)
    pictures = tuple(_picture(run.folder / PORTRAITS / entry.file, entry.model) for pair in shown for entry in pair)
    return Exhibit(run.names[person_index], person_index, pictures, _written_anew(reference), is_photo)


def _pairs(run: Run, person_index: int) -> list[tuple[PortraitEntry, PortraitEntry]]:
    """The portraits that were asked for by the person's name, original first, of each seed that both models drew."""
    entries = [entry for entry in run.portraits if entry.person_index == person_index and entry.prompt == "name"]
    by_side = {(entry.seed, entry.model): entry for entry in entries}
    seeds = dict.fromkeys(entry.seed for entry in entries)
    original, defended = SIDES
    return [(by_side[seed, original], by_side[seed, defended]) for seed in seeds
            if (seed, original) in by_side and (seed, defended) in by_side]  # fmt: skip


def _photo(run: Run, person_index: int) -> Path | None:
    """A photo of the person that the run keeps; photos of visitors are not kept, and drawn pictures are no photos."""
    rows = (row for row in run.predictions if row.person_index == person_index and row.name == run.names[person_index])
    return next((run.folder / row.photo for row in rows if row.photo and row.photos is None), None)


def _picture(path: Path, model: Side) -> Picture:
    return Picture(secrets.token_urlsafe(N_ID_BYTES), model, _written_anew(path))


def _written_anew(path: Path) -> bytes:
    """The picture in a file as WebP, without metadata."""
    from PIL import Image

    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except OSError as error:
        raise InputError("A picture of this run cannot be read; run the job again.") from error
    image.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
    buffer = io.BytesIO()
    image.save(buffer, format="WEBP", lossless=max(image.size) <= LOSSLESS_PX, quality=QUALITY)
    return buffer.getvalue()
