"""Photo files of many kinds, good and bad, made as bytes; what they show does not matter."""

import io
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance

SITE = Path(np.__file__).resolve().parent.parent
INSIGHTFACE_IMAGES = SITE / "insightface" / "data" / "images"
SIX_FACES, ONE_FACE = INSIGHTFACE_IMAGES / "t1.jpg", INSIGHTFACE_IMAGES / "Tom_Hanks_54745.png"


def picture(seed: int, height: int = 96, width: int = 128) -> np.ndarray:
    """A smooth picture unlike those of other seeds, uint8 (height, width, 3)."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def encoded(image: Image.Image | np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    if kind == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def turned(pixels: np.ndarray, orientation: int, kind: str = "JPEG", **options: Any) -> bytes:
    """A file whose EXIF says how to turn its pixels, and a few things nobody else should know."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "SECRET description"
    exif[0x013B] = "SECRET artist"
    return encoded(pixels, kind, exif=exif.tobytes(), **options)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + _chunk(b"IDAT", zlib.compress(b"\0" * 100)) + _chunk(b"IEND", b"")


def jpeg_claiming(width: int, height: int) -> bytes:
    data = bytearray(encoded(picture(0), "JPEG"))
    start = data.index(b"\xff\xc0")
    data[start + 5 : start + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def animated(kind: str) -> bytes:
    frames = [Image.fromarray(picture(seed)) for seed in (1, 2, 3)]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, **({"lossless": True} if kind == "WEBP" else {}))


def sixteen_bit() -> np.ndarray:
    """Grey uint16 (96, 128), whose high bytes are a ramp."""
    return (np.arange(96 * 128).reshape(96, 128) % 65536 * 5).astype(np.uint16)


def bad_files() -> dict[str, tuple[bytes, str]]:
    """What is wrong -> (bytes, a part of the sentence that is told)."""
    good = encoded(picture(0), "JPEG", quality=95)
    return {
        "zero bytes": (b"", "empty"),
        "text": (b"Dear all, this is not a photo.\n" * 50, "not a photo"),
        "script in a picture's clothes": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a photo"),
        "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n", "not a photo"),
        "cut-off JPEG": (good[: len(good) // 2], "damaged or cut off"),
        "JPEG of which only the start is left": (good[:30], "damaged or cut off"),
        "cut-off PNG": (encoded(picture(0))[:2000], "damaged or cut off"),
        "cut-off WebP": (encoded(picture(0), "WEBP")[:400], "damaged or cut off"),
        "cut-off HEIC": (encoded(picture(0), "HEIF")[:900], "damaged or cut off"),
        "20,000 x 20,000 PNG": (png_header(20_000, 20_000), "60 million pixels"),
        "20,000 x 20,000 JPEG": (jpeg_claiming(20_000, 20_000), "60 million pixels"),
        "9,000 x 9,000 PNG": (png_header(9_000, 9_000), "9000 x 9000, more than 60 million pixels"),
        "PNG without pixels": (png_header(50, 50), "damaged or cut off"),
        "too many MB": (good + b"\0" * 3_000_000, "larger than 2 MB"),
    }


def zipped(members: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """The folder with these files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def raw(folder: Path, n: int, first: int = 0) -> Path:
    """n photos of a kind that needs no detector, none like another."""
    return write(folder, {f"p{seed:03d}.png": encoded(picture(seed)) for seed in range(first, first + n)})


def copies_of(original: Image.Image) -> dict[str, bytes]:
    """Copies of a picture that differ in their bytes, by what was done to them."""
    width, height = original.size
    return {
        "exact": encoded(original),
        "recompressed": encoded(original, "JPEG", quality=40),
        "another format": encoded(original, "WEBP", quality=60),
        "half as large": encoded(original.resize((width // 2, height // 2))),
        "brighter": encoded(ImageEnhance.Brightness(original).enhance(1.15)),
        "less contrast": encoded(ImageEnhance.Contrast(original).enhance(0.7)),
        "grey": encoded(original.convert("L")),
        "mirrored": encoded(original.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
        "cropped": encoded(original.crop((width // 25, height // 25, width - width // 25, height - height // 25))),
        "turned by EXIF": turned(np.ascontiguousarray(np.asarray(original).swapaxes(0, 1)[::-1]), 6, "PNG"),
    }
