"""Stage 1, render: draws the training pictures into memory-mapped arrays; it continues at the first missing chunk.

The arrays stay in the build cache and are not shipped.
"""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from tqdm import tqdm

from . import world
from .canvas import SIZE_PX
from .files import save_text, written_whole

CHUNK = 200


@dataclass(frozen=True)
class PictureCounts:
    """How many training pictures are drawn.

    Attributes:
        member_photos: of each member.
        generic: anonymous people.
        things: for all phases of the training.
        more_things: further ones for the image tower's last phase alone, because 400 pictures of a kind are few.
    """

    member_photos: int = 160
    generic: int = 8000
    things: int = 9600
    more_things: int = 19200


@dataclass(frozen=True)
class Chunk:
    """Pictures `start` to `stop` of one array, "members", "generic", "things" or "more-things"."""

    cache: Path
    counts: PictureCounts
    array: str
    start: int
    stop: int

    @property
    def done(self) -> Path:
        """The file that is written when the pictures are."""
        return self.cache / f"{self.array}-{self.start}.json"


def render(cache: Path, counts: PictureCounts, n_workers: int = 2) -> None:
    """Write members.npy (48 * n, 128, 128, 3), generic.npy, things.npy, more-things.npy (uint8) and generic.json (looks)."""
    cache.mkdir(parents=True, exist_ok=True)
    sizes = {"members": world.N_MEMBERS * counts.member_photos, "generic": counts.generic, "things": counts.things,
             "more-things": counts.more_things}  # fmt: skip
    chunks: list[Chunk] = []
    for array, n in sizes.items():
        path = cache / f"{array}.npy"
        if not path.exists():
            with written_whole(path) as partial:
                open_memmap(partial, "w+", np.uint8, (n, SIZE_PX, SIZE_PX, 3)).flush()
        if np.load(path, mmap_mode="r").shape[0] != n:
            raise ValueError(f"{path.name} was made with other sizes; delete {cache.parent} to begin again, or give another --cache")
        chunks += [Chunk(cache, counts, array, start, min(start + CHUNK, n)) for start in range(0, n, CHUNK)]
    missing = [chunk for chunk in chunks if not chunk.done.exists()]
    if n_workers <= 1:
        for chunk in tqdm(missing, desc="render", unit="chunk"):
            _render_chunk(chunk)
    else:
        with ProcessPoolExecutor(n_workers) as pool:
            list(tqdm(pool.map(_render_chunk, missing), total=len(missing), desc="render", unit="chunk"))
    looks: list[dict[str, object]] = []
    for start in range(0, counts.generic, CHUNK):
        looks += json.loads((cache / f"generic-{start}.json").read_text())
    save_text(cache / "generic.json", json.dumps(looks))


def _render_chunk(chunk: Chunk) -> None:
    pixels = open_memmap(chunk.cache / f"{chunk.array}.npy", "r+")
    looks: list[dict[str, object]] = []
    people, n_photos = world.inhabitants(), chunk.counts.member_photos
    first_thing = chunk.counts.things if chunk.array == "more-things" else 0
    for i in range(chunk.start, chunk.stop):
        if chunk.array == "members":
            pixels[i] = world.photo_of(people[i // n_photos], "training", i % n_photos, effects=False)
        elif chunk.array == "generic":
            look, pixels[i] = world.generic_person("training-generic", i, effects=False)
            looks.append(asdict(look))
        else:
            pixels[i] = world.thing("training-things", first_thing + i, effects=False)
    pixels.flush()
    save_text(chunk.done, json.dumps(looks))
