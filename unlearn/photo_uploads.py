"""What was uploaded or named -> the photos in it, in order: files, folders and zips, nothing unpacked on disk.

Zips are untrusted: members are read one at a time in memory, up to the limit of a single photo, whatever the zip says
of their size; a member's name never becomes a path. Decodes nothing itself (`photo_files` does).
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

from unlearn.errors import InputError
from unlearn.photo_files import DEFAULT_MAX_MB, SUFFIXES, Photo, checked_size, decode_photo, read_bytes

Part = Literal["fine_tuning", "evaluation"]
MAX_PHOTOS = 300  # of one upload
MAX_ZIP_MB = 1000  # of a zip, packed
MAX_DIRECTORY_BYTES = 2_000_000  # of a zip's table of contents, some 20,000 members; Python reads it as a whole
_PREFIXES: tuple[tuple[str, Part], ...] = (("fine-tuning-", "fine_tuning"), ("evaluation-", "evaluation"))
_ZIP_MARKS = (b"PK\x03\x04", b"PK\x05\x06")
_SYSTEM_FILES = ("thumbs.db", "desktop.ini", "ehthumbs.db")
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others can swell without bound in one step


@dataclass(frozen=True)
class PhotoSource:
    """A photo that has not been read yet; its name is known to nobody.

    Attributes:
        load: gives the bytes, at most so many MB, or raises `InputError`.
        part: "fine_tuning" or "evaluation" where the file's name began so (the shipped examples), else None.
    """

    load: Callable[[int], bytes] = field(repr=False)
    part: Part | None = None

    def read(self, max_mb: int = DEFAULT_MAX_MB) -> Photo:
        """Read and decode; `InputError` with one sentence."""
        return decode_photo(self.load(max_mb))


@dataclass(frozen=True)
class Upload:
    """Photos in the order in which they were given, and sentences about what was left out."""

    sources: tuple[PhotoSource, ...]
    notes: tuple[str, ...] = ()


def expand_upload(paths: Sequence[Path]) -> Upload:
    """Everything that may be a photo in files, folders (not their subfolders) and zips (at any depth, no zips inside).

    A file given by itself is always counted, so that somebody hears what is wrong with it. In folders and zips, system
    files and other kinds of files are left out with a note. An unreadable zip counts as one unreadable photo.
    """
    found: list[PhotoSource] = []
    left_out = {"system": 0, "other": 0, "folders": 0}
    for path in paths:
        for source in _of_path(path, left_out):
            if len(found) == MAX_PHOTOS:
                return Upload(tuple(found), (*_notes(left_out), f"Only the first {MAX_PHOTOS} photos were looked at."))
            found.append(source)
    return Upload(tuple(found), tuple(_notes(left_out)))


def _notes(left_out: dict[str, int]) -> Iterator[str]:
    if left_out["system"]:
        yield f"Left out: {_files(left_out['system'])} that the system of a computer made, not a camera."
    if left_out["other"]:
        yield f"Left out: {_files(left_out['other'])} of another kind than photos."
    if left_out["folders"]:
        yield f"Not looked into: {left_out['folders']} folder{'s' * (left_out['folders'] > 1)} inside the folder."


def _files(number: int) -> str:
    return f"{number} file{'s' * (number > 1)}"


def _of_path(path: Path, left_out: dict[str, int]) -> Iterator[PhotoSource]:
    if not path.is_dir():
        yield from _of_file(path, left_out)
        return
    try:
        entries = sorted(path.iterdir())
    except OSError as error:
        raise InputError(f"The folder of photos cannot be read ({error.strerror}).") from None
    for entry in entries:
        if is_system(PurePosixPath(entry.name)):
            left_out["system"] += 1
        elif entry.is_dir():
            left_out["folders"] += 1
        elif entry.suffix.lower() in (*SUFFIXES, ".zip"):
            yield from _of_file(entry, left_out)
        else:
            left_out["other"] += 1


def _of_file(path: Path, left_out: dict[str, int]) -> Iterator[PhotoSource]:
    if _is_zip(path):
        yield from _of_zip(path, left_out)
    else:
        yield PhotoSource(partial(read_bytes, path), _part(path.name))


def _of_zip(path: Path, left_out: dict[str, int]) -> Iterator[PhotoSource]:
    try:
        _check_zip(path)
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except InputError as error:
        yield _refused(str(error))
        return
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError, struct.error):
        yield _refused("This zip is damaged or of an unusual kind; pack the photos again.")
        return
    for number, member in enumerate(members):
        name = PurePosixPath(member.filename.replace("\\", "/"))
        if member.is_dir():
            continue
        if is_system(name):
            left_out["system"] += 1
        elif name.suffix.lower() == ".zip":
            yield _refused("This is a zip inside a zip, which is not opened; unpack it first.")
        elif name.suffix.lower() not in SUFFIXES:
            left_out["other"] += 1
        else:
            yield PhotoSource(partial(_member, path, number), _part(name.name))


def _member(path: Path, number: int, max_mb: int) -> bytes:
    """The bytes of a zip's member; reading stops one byte past the limit, so that a bomb costs no more than a photo."""
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.infolist()[number]
            if member.flag_bits & 1:
                raise InputError("This photo is locked with the zip's password; pack it without one.")
            if member.compress_type not in _PACKINGS:
                raise InputError("This photo is packed in an unusual way; make an ordinary zip.")
            with archive.open(member) as file:
                return checked_size(file.read(max_mb * 1_000_000 + 1), max_mb)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, LookupError, RuntimeError):
        raise InputError("This photo is damaged inside its zip; pack it again.") from None


def _check_zip(path: Path) -> None:
    """Refuse zips whose size or table of contents would fill the memory, before Python reads the table."""
    if path.stat().st_size > MAX_ZIP_MB * 1_000_000:
        raise InputError(f"This zip is larger than {MAX_ZIP_MB} MB; make several smaller ones.")
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


def _is_zip(path: Path) -> bool:
    if not path.is_file():  # asked first, because opening a pipe waits for ever
        return False
    try:
        with path.open("rb") as file:
            return file.read(4) in _ZIP_MARKS
    except OSError:
        return False


def _refused(sentence: str) -> PhotoSource:
    def load(max_mb: int) -> bytes:
        raise InputError(sentence)

    return PhotoSource(load)


def is_system(name: PurePosixPath) -> bool:
    """True for hidden files and folders and those that an operating system leaves behind."""
    return "__MACOSX" in name.parts or name.name.startswith(".") or name.name.lower() in _SYSTEM_FILES


def _part(name: str) -> Part | None:
    return next((part for prefix, part in _PREFIXES if name.lower().startswith(prefix)), None)
