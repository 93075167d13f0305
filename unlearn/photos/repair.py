"""Photos whose last bytes are missing: they are completed, as browsers do, where nearly all of the picture is there.

A photo of which more is missing is not completed, because half a face would be used for a whole one. Pillow's own switch for such files
(`LOAD_TRUNCATED_IMAGES`) acts on the whole process and has no limit.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

import numpy as np

MISSING_SHARE = 0.01  # of a file that states its length; more counts as cut off
MISSING_BYTES = 64  # this many may always be missing
MISSING_ROWS_SHARE = 0.02  # of a JPEG's rows
MISSING_ROWS = 16  # a row of blocks, the least that a JPEG can lose
_JPEG_END = b"\xff\xd9"
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # behind coded data; 00 and restarts belong to the data
_FILL = 128  # every channel where a JPEG holds no coefficients
_SCAN_KINDS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # start of frame


def completed(data: bytes) -> bytes | None:
    """The file with its end added; None where too much is missing, or where it is not known how much.

    A JPEG does not state its length; `missing_rows` says how much is missing after it was decoded.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return data.rstrip(b"\xff") + _JPEG_END if _has_all_scans(data) else None
    stated = _stated_length(data)
    n_missing = 0 if stated is None else stated - len(data)
    if stated is None or not 0 < n_missing <= max(MISSING_BYTES, MISSING_SHARE * stated):
        return None
    return data + b"\0" * n_missing


def missing_rows(pixels: np.ndarray) -> int:
    """How many rows at the lower end of a completed JPEG hold no data at their right edge.

    Args:
        pixels: as decoded and not yet turned, uint8 (height, width) or (height, width, channels).
    """
    edge = pixels[:, -1].reshape(len(pixels), -1).astype(np.int16)
    has_data = np.flatnonzero((np.abs(edge - _FILL) > 1).any(axis=1))
    return len(pixels) - 1 - int(has_data[-1]) if len(has_data) else len(pixels)


def is_nearly_whole(pixels: np.ndarray) -> bool:
    """Whether so few rows of a completed JPEG are missing that it counts as a whole photo."""
    return missing_rows(pixels) <= min(len(pixels) // 2, max(MISSING_ROWS, round(MISSING_ROWS_SHARE * len(pixels))))


def _stated_length(data: bytes) -> int | None:
    """The length that the file itself states, of WebP, BMP, HEIC and AVIF; None of others."""
    if data[:4] == b"RIFF" and len(data) >= 12:
        return 8 + int(struct.unpack_from("<I", data, 4)[0])
    if data[:2] == b"BM" and len(data) >= 14:
        return int(struct.unpack_from("<I", data, 2)[0])
    return _end_of_boxes(data) if data[4:8] == b"ftyp" else None


def _end_of_boxes(data: bytes) -> int | None:
    place = 0
    while place + 8 <= len(data):
        (size,) = struct.unpack_from(">I", data, place)
        if size == 1 and place + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, place + 8)
        if size < 8:  # 0: to the end of the file, wherever that was
            return None
        place += size
    return place


def _has_all_scans(data: bytes) -> bool:
    """Whether every coefficient of every component has a scan that states its last bit: only the last scan may end early."""
    components: set[int] = set()
    done: dict[int, set[int]] = {}
    for kind, segment in _segments(data):
        if kind in _SCAN_KINDS and len(segment) >= 6:
            components = set(segment[6 : 6 + 3 * segment[5] : 3])
        elif kind == 0xDA and segment and len(segment) >= 4 + 2 * segment[0]:
            first, last, bits = segment[1 + 2 * segment[0] : 4 + 2 * segment[0]]
            for component in segment[1 : 1 + 2 * segment[0] : 2]:
                coefficients = done.setdefault(component, set())
                (coefficients.difference_update if bits & 15 else coefficients.update)(range(first, last + 1))
    return bool(components) and all(len(done.get(component, ())) == 64 for component in components)


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """A JPEG's markers with what stands in their segments, up to the end of the picture or of the file."""
    place = 2
    while (marker := _JPEG_MARKER.search(data, place)) is not None:
        kind, place = data[marker.start() + 1], marker.end()
        if kind == 0xD9:
            return
        if kind == 0x01 or place + 2 > len(data):
            continue
        (size,) = struct.unpack_from(">H", data, place)
        if place + size > len(data):
            return
        yield kind, data[place + 2 : place + size]
        place += size
