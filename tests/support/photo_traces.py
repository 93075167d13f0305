"""Looks for traces of photos in a folder: in every file, as a picture of any kind, packed, embedded, or as base64."""

from __future__ import annotations

import base64
import contextlib
import io
import re
import sqlite3
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from unlearn.photos.crops import FACE, PHOTO, Fingerprint

STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"GIF8", b"ftypheic", b"ftypavif")
ENCODED = re.compile(rb"(?:iVBORw0KGgo|/9j/|UklGR|R0lGO)[A-Za-z0-9+/]{40,}={0,2}")
MAX_BYTES = 60_000_000


def traces(folder: Path, photos: Iterable[np.ndarray]) -> list[str]:
    """The files below a folder that hold one of the photos, whole or its face, in whatever form."""
    prints = [Fingerprint(pixels, look) for pixels in photos for look in (PHOTO, FACE)]
    files = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        for pixels in _pictures(path.read_bytes()[:MAX_BYTES]):
            if any(one.is_copy_of(Fingerprint(pixels, one.look)) for one in prints):
                files.append(path.relative_to(folder).as_posix())
                break
    return files


def _pictures(data: bytes) -> Iterator[np.ndarray]:
    """Every picture in a file, wherever it begins."""
    if data.startswith(b"SQLite format 3"):  # breaks long values up over its pages
        with contextlib.closing(sqlite3.connect(":memory:")) as rows:
            rows.deserialize(data.replace(b"\x02\x02", b"\x01\x01", 1) if data[18:20] == b"\x02\x02" else data)  # no log beside it
            yield from _pictures("\n".join(rows.iterdump()).encode())
    if data.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield from _pictures(archive.read(name))
    for start in STARTS:
        for match in re.finditer(re.escape(start), data):
            yield from _decoded(data[match.start() - 4 * start.startswith(b"ftyp") :])
    for coded in ENCODED.finditer(data):
        text = coded.group().rstrip(b"=")
        yield from _decoded(base64.b64decode(text[: len(text) // 4 * 4]))


def _decoded(data: bytes) -> Iterator[np.ndarray]:
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.thumbnail((512, 512))
            yield np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        return
