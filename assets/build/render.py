"""Stage 1, render: draws the training pictures into memory-mapped arrays, resumable by chunk.

Arrays stay in the build cache and are never shipped.
"""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from tqdm import tqdm

from . import world
from .canvas import SIZE_PX
from .files import save_text, written_whole

CHUNK = 200


def render(cache: Path, n_member_photos: int = 160, n_generic: int = 8000, n_things: int = 9600, n_workers: int = 2, n_more_things: int = 0) -> None:
    """Write members.npy (48 * n, 128, 128, 3), generic.npy, things.npy, more-things.npy (uint8) and generic.json (looks).

    more-things go on where things end: only the image tower's last phase sees them, because 400 pictures of a kind are few.
    """
    cache.mkdir(parents=True, exist_ok=True)
    sizes = {"members": world.N_MEMBERS * n_member_photos, "generic": n_generic, "things": n_things, "more-things": n_more_things}
    jobs: list[tuple[Path, str, int, int, int]] = []
    for part, n in sizes.items():
        path = cache / f"{part}.npy"
        if not path.exists():
            with written_whole(path) as partial:
                open_memmap(partial, "w+", np.uint8, (n, SIZE_PX, SIZE_PX, 3)).flush()
        if np.load(path, mmap_mode="r").shape[0] != n:
            raise ValueError(f"{path.name} was made with other sizes; delete {cache.parent} to begin again, or give another --cache")
        extra = n_things if part == "more-things" else n_member_photos
        jobs += [(cache, part, start, min(start + CHUNK, n), extra) for start in range(0, n, CHUNK)]
    open_jobs = [job for job in jobs if not _done(cache, job[1], job[2]).exists()]
    if n_workers <= 1:
        for job in tqdm(open_jobs, desc="render", unit="chunk"):
            _render_chunk(job)
    else:
        with ProcessPoolExecutor(n_workers) as pool:
            list(tqdm(pool.map(_render_chunk, open_jobs), total=len(open_jobs), desc="render", unit="chunk"))
    looks: list[dict[str, object]] = []
    for start in range(0, n_generic, CHUNK):
        looks += json.loads((cache / f"generic-{start}.json").read_text())
    save_text(cache / "generic.json", json.dumps(looks))


def _done(cache: Path, part: str, start: int) -> Path:
    return cache / f"{part}-{start}.json"


def _render_chunk(job: tuple[Path, str, int, int, int]) -> None:
    cache, part, start, stop, extra = job  # photos of a member, or things that came before
    pixels = open_memmap(cache / f"{part}.npy", "r+")
    labels: list[dict[str, object]] = []
    people = world.inhabitants()
    for i in range(start, stop):
        if part == "members":
            pixels[i] = world.photo_of(people[i // extra], "training", i % extra, effects=False)
        elif part == "generic":
            look, pixels[i] = world.generic_person("training-generic", i, effects=False)
            labels.append(asdict(look))
        else:
            pixels[i] = world.thing("training-things", i + extra * (part == "more-things"), effects=False)
    pixels.flush()
    save_text(_done(cache, part, start), json.dumps(labels))
