"""Photos of all members as a user would give them to `forget --faces`: `python -m assets.build.photos --out DIR`.

Writes DIR/member-NN/fine-tuning-XX.webp, NN as in world.json. None of the photos was in the training data, and none is among the
shipped examples or the world's evaluation photos. `python -m unlearn evaluate --faces DIR` splits each folder as `forget --faces` does: 40 %
of the photos are kept for the attack.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from . import world


def write_faces(out: Path, n_photos: int = 30) -> list[Path]:
    """Write the folders of all members; what is there already is drawn again, to the same bytes."""
    folders = []
    for person in world.inhabitants()[: world.N_MEMBERS]:
        folder = out / f"member-{person.index:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(n_photos):
            picture = world.photo_of(person, "example", number, effects=True)
            Image.fromarray(picture).save(folder / f"fine-tuning-{number:02d}.webp", quality=88, method=6)
        folders.append(folder)
    return folders


def main() -> None:
    """Parse the flags and write."""
    parser = argparse.ArgumentParser(prog="python -m assets.build.photos", description="Draw photos of all members, 30 each, to fine-tune image encoders with.")
    parser.add_argument("--out", type=Path, required=True, help="folder for the folders")
    parser.add_argument("--photos", type=int, default=30, help="photos of each member")
    options = parser.parse_args()
    print(f"{len(write_faces(options.out, options.photos))} folders are in {options.out}.")


if __name__ == "__main__":
    main()
