"""Photos on their way in and out of the page: opened with limits, scaled down, written as small files.

File name and metadata are dropped.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from unlearn.photos import reader

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_SIDE_PX = 512  # of what travels on; every model set looks at 336 px or less
WHO = "who.json"  # in the inputs of a question about the form's persons: rows {name, search (id of a search for faces) or null}
ASKED = "photo.png"  # in a question's folder of inputs: the one photo that it is about


def keep_photo(path: Path, max_mb: int, folder: Path) -> None:
    """Write the photo in a file into a question's folder of inputs: at most 512 px, upright, without metadata.

    Raises:
        InputError: too large, or not a photo that can be read (`unlearn.photos.reader` says which are).
    """
    from PIL import Image

    image = Image.fromarray(reader.read_photo(path, max_mb))
    image.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
    image.save(folder / ASKED)


def thumbnail(image: Image, side_px: int) -> bytes:
    """A small WebP of a photo."""
    small = image.convert("RGB")
    small.thumbnail((side_px, side_px))
    buffer = io.BytesIO()
    small.save(buffer, format="WEBP")
    return buffer.getvalue()
