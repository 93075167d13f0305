"""Photos on their way in and out of the page: opened with limits, scaled down, as small files or data URIs.

Knows no model and no Gradio. What the photo shows is nobody's business here: file name and metadata are dropped.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING

from unlearn import photo_files

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_SIDE_PX = 512  # of what travels on; every model set looks at 336 px or less


def _encoded(image: Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind)
    return buffer.getvalue()


def read_photo(path: Path, max_mb: int) -> str:
    """The photo in a file as base64 of a PNG of at most 512 px, upright, without metadata.

    Raises:
        InputError: too large, or not a photo that can be read (`unlearn.photo_files` says which are).
    """
    from PIL import Image

    image = Image.fromarray(photo_files.read_photo(path, max_mb))
    image.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
    return encode_photo(image)


def encode_photo(image: Image) -> str:
    """The photo as base64 of a PNG, the form in which it travels inside a job's request."""
    return base64.b64encode(_encoded(image, "PNG")).decode("ascii")


def data_uri(photo: str) -> str:
    """What an <img> shows for a photo encoded by `encode_photo`."""
    return f"data:image/png;base64,{photo}"


def thumbnail(image: Image, side_px: int) -> bytes:
    """A small WebP of a photo."""
    small = image.convert("RGB")
    small.thumbnail((side_px, side_px))
    return _encoded(small, "WEBP")
