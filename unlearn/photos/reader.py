"""One untrusted photo file -> upright RGB pixels, or one sentence that says why not; the only photo reader there is.

Size and format are checked before anything is decoded; metadata is read for the orientation and then dropped.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unlearn.errors import InputError
from unlearn.photos.repair import completed, is_nearly_whole, missing_rows

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 60_000_000  # checked in the header, before decoding: 180 MB decoded, a thousand times what a model looks at
DEFAULT_MAX_MB = 20
FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "AVIF", "GIF", "BMP")  # of Pillow, where JPEG includes MPO; nothing that runs programs
SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp", ".mpo", ".png", ".apng", ".webp", ".heic", ".heics", ".heif", ".heifs", ".hif",
    ".avif", ".avifs", ".gif", ".bmp", ".dib",
)  # fmt: skip
HEAD_BYTES = 64  # of a file tell what it is
READ = "JPEG, PNG, WebP, HEIC, AVIF, GIF and BMP are read"
# what decoders raise for damaged or malicious files; anything else is a defect of this program
BROKEN = (
    OSError, ValueError, SyntaxError, EOFError, RuntimeError, TypeError, AttributeError, LookupError, ArithmeticError,
    MemoryError, struct.error, zlib.error,
)  # fmt: skip
_ORIENTATION = 0x0112
_BACKGROUND = (255, 255, 255)  # behind transparent pixels
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1")
_BRANDS = (*_HEIF_BRANDS, b"avif", b"avis")
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # lengths
_DAMAGED = "This photo is damaged or cut off; copy it again."


@dataclass(frozen=True)
class Photo:
    """A decoded photo: pixels uint8 (height, width, 3), upright; a note on what was done to it, or ""."""

    pixels: np.ndarray
    note: str = ""


def read_photo(path: Path, max_mb: int = DEFAULT_MAX_MB) -> np.ndarray:
    """The photo in a file, upright: uint8 (height, width, 3).

    Raises:
        InputError: missing, too large, no photo, damaged; one sentence that does not repeat the file's name.
    """
    return decode_photo(read_bytes(path, max_mb)).pixels


def read_bytes(path: Path, max_mb: int = DEFAULT_MAX_MB) -> bytes:
    """The bytes of a file of at most `max_mb` million bytes; `InputError` otherwise."""
    try:
        if path.is_dir():
            raise InputError("This is a folder, not a photo; give the photos in it.")
        if not path.is_file():
            raise InputError("This file does not exist or is no ordinary file; check the path.")
        with path.open("rb") as file:
            data = file.read(max_mb * 1_000_000 + 1)
    except OSError as error:
        raise InputError(f"This file cannot be read ({error.strerror}).") from None  # `error` holds the name
    return checked_size(data, max_mb)


def checked_size(data: bytes, max_mb: int) -> bytes:
    """The bytes themselves; `InputError` if there are none or more than `max_mb` million."""
    if not data:
        raise InputError("This file is empty (0 bytes); copy it again.")
    if len(data) > max_mb * 1_000_000:
        raise InputError(f"This photo is larger than {max_mb} MB; make it smaller.")
    return data


def looks_like_photo(head: bytes) -> bool:
    """Whether a file's first bytes (`HEAD_BYTES` of them) are those of a format that is read, whatever its name says."""
    if head[4:8] == b"ftyp":  # films begin so, too; the kind stands first, what else can read it behind
        brands = [head[8:12], *(head[start : start + 4] for start in range(16, min(len(head), _length_of_box(head)), 4))]
        return any(brand in _BRANDS for brand in brands)
    if head[:2] == b"BM":
        return len(head) >= 18 and struct.unpack_from("<I", head, 14)[0] in _BMP_HEADERS
    return head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")) or (
        head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    )


def _length_of_box(head: bytes) -> int:
    return int(struct.unpack_from(">I", head)[0])


class _DamagedPhoto(InputError):
    """The photo was recognised, but it cannot be decoded as it is."""


def decode_photo(data: bytes) -> Photo:
    """Decode a photo: first frame, upright, 8 bits, RGB, transparency on white, no metadata.

    A photo that lacks nothing but its end is completed, with a note where that shows (`photos.repair`).

    Args:
        data: the file's bytes.

    Raises:
        InputError: unknown format, more than 60 million pixels, damaged; one sentence.
    """
    try:
        return _decoded_bytes(data, is_completed=False)
    except _DamagedPhoto:
        whole = completed(data)
        if whole is None:
            raise
    return _decoded_bytes(whole, is_completed=True)


def _decoded_bytes(data: bytes, is_completed: bool) -> Photo:
    from PIL import Image, UnidentifiedImageError

    heif_error = _register_heif()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd files; the limit on pixels is ours and lower
        try:
            opened = Image.open(io.BytesIO(data), formats=[name for name in FORMATS if name != "HEIF" or not heif_error])
        except Image.DecompressionBombError:
            raise InputError(_too_many_pixels()) from None
        except (UnidentifiedImageError, *BROKEN):
            raise _unknown(data, heif_error) from None
        with opened as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(_too_many_pixels(image.width, image.height))
            return _decoded(image, is_completed)


def _decoded(image: Image, is_completed: bool) -> Photo:
    try:
        note = "Animated; its first frame is used." if _is_animated(image) else ""
        image.load()
        if is_completed and image.format in ("JPEG", "MPO"):
            raw = np.asarray(image)
            if not is_nearly_whole(raw):
                raise InputError(_DAMAGED)
            note = "The end of this file is missing; its last rows are grey." if missing_rows(raw) else ""
        orientation = _orientation(image)
        pixels = np.asarray(_rgb(image))
    except BROKEN:
        raise _DamagedPhoto(_DAMAGED) from None
    return Photo(np.ascontiguousarray(_upright(pixels, orientation)), note)


def _is_animated(image: Image) -> bool:
    """HEIC and MPO may hold further pictures, too, but those are no animation: the first is the photo."""
    return image.format in ("GIF", "WEBP", "PNG", "AVIF") and bool(getattr(image, "is_animated", False))


def _orientation(image: Image) -> int:
    """1 to 8 as in EXIF; 1 where it is missing or damaged."""
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except BROKEN:
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation: 2-4 mirror and turn in place, 5-8 also swap height and width."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _rgb(image: Image) -> Image:
    """Any mode -> RGB; 16-bit grey keeps its high byte, transparent pixels lie on white. Colour profiles are not applied."""
    from PIL import Image as images

    if image.mode.startswith("I"):
        grey: Any = np.asarray(image).astype(np.int64) >> 8
        return images.fromarray(grey.clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        ground = images.new("RGBA", layer.size, (*_BACKGROUND, 255))
        return images.alpha_composite(ground, layer).convert("RGB")
    return image.convert("RGB")


def _register_heif() -> str:
    """Make Pillow read HEIC; "" or why it cannot."""
    try:
        import pillow_heif
    except ImportError:
        return "HEIC photos need the package pillow-heif"
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    return ""


def _too_many_pixels(width: int | None = None, height: int | None = None) -> str:
    size = f"{width} x {height}, more than" if width else "more than"
    return f"This photo has {size} {MAX_PIXELS // 1_000_000} million pixels; make it smaller."


def _unknown(data: bytes, heif_error: str) -> InputError:
    if heif_error and data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        return InputError(f"{heif_error}; install it, or save the photo as JPEG.")
    if looks_like_photo(data[:HEAD_BYTES]) or data[:2] == b"\xff\xd8" or data[:4] == b"\x89PNG":
        return _DamagedPhoto(_DAMAGED)
    return InputError(f"This file is not a photo ({READ}).")
