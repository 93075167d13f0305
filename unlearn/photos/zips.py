"""Zips of photos, which are untrusted.

Members are read one at a time in memory, up to the limit of a single photo, whatever the zip says about their size. A member's name
never becomes a path.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from unlearn.errors import InputError
from unlearn.photos.reader import HEAD_BYTES, SUFFIXES, checked_size

MAX_DIRECTORY_BYTES = 2_000_000  # of a zip's table of contents, some 20,000 members; Python reads it as a whole
ZIP_MARKS = (b"PK\x03\x04", b"PK\x05\x06")
_MEMBER_ERRORS = (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, LookupError, RuntimeError)
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others can swell without bound in one step


@dataclass(frozen=True)
class ZipMember:
    """A file in a zip.

    Attributes:
        number: its place in the zip.
        name: with the folders inside the zip.
        head: its first bytes; none where they cannot be read, or where the name says that it is a photo, which is read later.
    """

    number: int
    name: PurePosixPath
    head: bytes


def zip_members(path: Path, max_mb: int) -> list[ZipMember]:
    """The files in a zip of at most `max_mb` million bytes.

    Raises:
        InputError: too large, too many files, damaged or of an unusual kind; one sentence that does not repeat the file's name.
    """
    try:
        _check_zip(path, max_mb)
        with zipfile.ZipFile(path) as archive:
            return [
                ZipMember(number, PurePosixPath(info.filename.replace("\\", "/")), _head_of(archive, info))
                for number, info in enumerate(archive.infolist())
                if not info.is_dir()
            ]
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError, struct.error):
        raise InputError("This zip is damaged or of an unusual kind; pack the photos again.") from None


def read_member(path: Path, number: int, max_mb: int) -> bytes:
    """The bytes of a zip's member. Reading stops one byte past the limit, so that a bomb costs no more than a photo.

    Raises:
        InputError: locked, damaged, packed in an unusual way, or too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.infolist()[number]
            if member.flag_bits & 1:
                raise InputError("This photo is locked with the zip's password; pack it without one.")
            if member.compress_type not in _PACKINGS:
                raise InputError("This photo is packed in an unusual way; make an ordinary zip.")
            with archive.open(member) as file:
                return checked_size(file.read(max_mb * 1_000_000 + 1), max_mb)
    except _MEMBER_ERRORS:
        raise InputError("This photo is damaged inside its zip; pack it again.") from None


def _head_of(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    is_named = PurePosixPath(info.filename).suffix.lower() in SUFFIXES
    if is_named or info.flag_bits & 1 or info.compress_type not in _PACKINGS:
        return b""
    try:
        with archive.open(info) as file:
            return file.read(HEAD_BYTES)
    except _MEMBER_ERRORS:
        return b""


def _check_zip(path: Path, max_mb: int) -> None:
    """Refuse zips whose size or table of contents would fill the memory, before Python reads the table."""
    if path.stat().st_size > max_mb * 1_000_000:
        raise InputError(f"This zip is larger than {max_mb} MB; make several smaller ones.")
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 70_000))
        tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    (size,) = struct.unpack_from("<I", tail, end + 12) if 0 <= end <= len(tail) - 22 else (None,)
    if size is None:
        raise InputError("This zip is cut off; copy it again.")
    if tail[max(0, end - 20) : end].startswith(b"PK\x06\x07"):  # the long form, whose own size counts instead
        start = end - 20 - 56
        if start < 0 or not tail.startswith(b"PK\x06\x06", start):
            raise InputError("This zip is of an unusual kind; pack the photos again.")
        (size,) = struct.unpack_from("<Q", tail, start + 40)
    if size > MAX_DIRECTORY_BYTES:
        raise InputError("This zip holds too many files; pack only the photos.")
