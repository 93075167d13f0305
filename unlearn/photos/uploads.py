"""What was uploaded or named -> the photos in it, in order: files, folders and zips, nothing unpacked on disk.

Zips are untrusted: members are read one at a time in memory, up to the limit of a single photo, whatever the zip says
of their size; a member's name never becomes a path. Decodes nothing itself (`photos.reader` does).
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

from unlearn.config import Settings
from unlearn.errors import InputError
from unlearn.photos.reader import (
    DEFAULT_MAX_MB,
    HEAD_BYTES,
    SUFFIXES,
    Photo,
    checked_size,
    decode_photo,
    looks_like_photo,
    read_bytes,
)

Part = Literal["fine_tuning", "evaluation"]
MAX_PHOTOS = 300  # of one upload
DEFAULT_MAX_ZIP_MB = 1000  # of a zip, packed
DEFAULT_MAX_TOTAL_MB = 2000  # of all files of one upload
MAX_DIRECTORY_BYTES = 2_000_000  # of a zip's table of contents, some 20,000 members; Python reads it as a whole
_PREFIXES: tuple[tuple[str, Part], ...] = (("fine-tuning-", "fine_tuning"), ("evaluation-", "evaluation"))
_ZIP_MARKS = (b"PK\x03\x04", b"PK\x05\x06")
_ZIP_SUFFIXES = ("", ".zip", *SUFFIXES)  # documents of office programs are zips, too, and hold pictures of nobody
_SYSTEM_FILES = ("thumbs.db", "desktop.ini", "ehthumbs.db")
_MEMBER_ERRORS = (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, LookupError, RuntimeError)
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


@dataclass(frozen=True)
class UploadLimits:
    """How large files may be, in MB (of a million bytes): a photo, a zip as it is packed, all files of an upload together."""

    photo_mb: int = DEFAULT_MAX_MB
    zip_mb: int = DEFAULT_MAX_ZIP_MB
    total_mb: int = DEFAULT_MAX_TOTAL_MB

    @property
    def file_bytes(self) -> int:
        """The largest of them: what the server takes in at all of one file; the others are looked at file by file."""
        return max(self.photo_mb, self.zip_mb, self.total_mb) * 1_000_000


def upload_limits(settings: Settings) -> UploadLimits:
    """The limits that a server or a command was given."""
    return UploadLimits(settings.max_upload_mb, settings.max_zip_mb, settings.max_total_mb)


def expand_upload(paths: Sequence[Path], limits: UploadLimits | None = None) -> Upload:
    """Everything that may be a photo in files, folders (not their subfolders) and zips (at any depth, no zips inside).

    What a file is, its first bytes say, not its name. A file given by itself is always counted, so that somebody hears what is
    wrong with it. In folders and zips, system files and other kinds of files are left out with a note. An unreadable zip, and
    one that is too large, counts as one unreadable photo. What goes beyond the limit of all together is refused file by file.
    """
    found: list[PhotoSource] = []
    intake = _Intake(limits or UploadLimits())
    for path in paths:
        for source in intake.of_path(path):
            if len(found) == MAX_PHOTOS:
                return Upload(tuple(found), (*intake.notes(), f"Only the first {MAX_PHOTOS} photos were looked at."))
            found.append(source)
    return Upload(tuple(found), tuple(intake.notes()))


class _Intake:
    """Goes through what was given; counts what is left out, and how many bytes there were."""

    def __init__(self, limits: UploadLimits) -> None:
        self._limits, self._n_bytes = limits, 0
        self._left_out: Counter[str] = Counter()

    def notes(self) -> Iterator[str]:
        """Sentences about what was left out."""
        if n_system := self._left_out["system"]:
            yield f"Left out: {_files(n_system)} that the system of a computer made, not a camera."
        if n_other := self._left_out["other"]:
            yield f"Left out: {_files(n_other)} of another kind than photos."
        if n_folders := self._left_out["folders"]:
            yield f"Not looked into: {n_folders} folder{'s' * (n_folders > 1)} inside the folder."

    def of_path(self, path: Path) -> Iterator[PhotoSource]:
        """What may be a photo in a file, a folder or a zip."""
        if not path.is_dir():
            yield from self._of_file(path)
            return
        try:
            entries = sorted(path.iterdir())
        except OSError as error:
            raise InputError(f"The folder of photos cannot be read ({error.strerror}).") from None
        for entry in entries:
            if is_system(PurePosixPath(entry.name)):
                self._left_out["system"] += 1
            elif entry.is_dir():
                self._left_out["folders"] += 1
            elif _may_be_photo(entry.suffix, _head(entry)) or (_is_zip(entry) and entry.suffix.lower() in _ZIP_SUFFIXES):
                yield from self._of_file(entry)
            else:
                self._left_out["other"] += 1

    def _of_file(self, path: Path) -> Iterator[PhotoSource]:
        is_zip = _is_zip(path)
        size = path.stat().st_size if path.is_file() else 0
        if size <= (self._limits.zip_mb if is_zip else self._limits.photo_mb) * 1_000_000:  # else refused by itself
            if self._n_bytes + size > self._limits.total_mb * 1_000_000:
                yield _refused(f"All files together are larger than {self._limits.total_mb} MB; this one was left out.")
                return
            self._n_bytes += size
        if is_zip:
            yield from self._of_zip(path)
        else:
            yield PhotoSource(partial(read_bytes, path), _part(path.name))

    def _of_zip(self, path: Path) -> Iterator[PhotoSource]:
        try:
            _check_zip(path, self._limits.zip_mb)
            with zipfile.ZipFile(path) as archive:
                members = [(member, self._head_of(archive, member)) for member in archive.infolist()]
        except InputError as error:
            yield _refused(str(error))
            return
        except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError, struct.error):
            yield _refused("This zip is damaged or of an unusual kind; pack the photos again.")
            return
        for number, (member, head) in enumerate(members):
            name = PurePosixPath(member.filename.replace("\\", "/"))
            if member.is_dir():
                continue
            if is_system(name):
                self._left_out["system"] += 1
            elif name.suffix.lower() == ".zip" or (head.startswith(_ZIP_MARKS) and name.suffix.lower() in _ZIP_SUFFIXES):
                yield _refused("This is a zip inside a zip, which is not opened; unpack it first.")
            elif _may_be_photo(name.suffix, head):
                yield PhotoSource(partial(_member, path, number), _part(name.name))
            else:
                self._left_out["other"] += 1

    @staticmethod
    def _head_of(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
        """The first bytes of a member; none where they cannot be read, and of a photo by name, which is looked at later."""
        is_named = PurePosixPath(member.filename).suffix.lower() in SUFFIXES
        if is_named or member.is_dir() or member.flag_bits & 1 or member.compress_type not in _PACKINGS:
            return b""
        try:
            with archive.open(member) as file:
                return file.read(HEAD_BYTES)
        except _MEMBER_ERRORS:
            return b""


def _may_be_photo(suffix: str, head: bytes) -> bool:
    """True of what is a photo by its first bytes, and of what calls itself one, so that somebody hears what is wrong with it."""
    return looks_like_photo(head) or suffix.lower() in SUFFIXES


def _head(path: Path) -> bytes:
    if not path.is_file():  # asked first, because opening a pipe waits for ever
        return b""
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError:
        return b""


def _is_zip(path: Path) -> bool:
    return _head(path).startswith(_ZIP_MARKS)


def _files(number: int) -> str:
    return f"{number} file{'s' * (number > 1)}"


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
    except _MEMBER_ERRORS:
        raise InputError("This photo is damaged inside its zip; pack it again.") from None


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


def _refused(sentence: str) -> PhotoSource:
    def load(max_mb: int) -> bytes:
        raise InputError(sentence)

    return PhotoSource(load)


def is_system(name: PurePosixPath) -> bool:
    """True for hidden files and folders and those that an operating system leaves behind."""
    return "__MACOSX" in name.parts or name.name.startswith(".") or name.name.lower() in _SYSTEM_FILES


def _part(name: str) -> Part | None:
    return next((part for prefix, part in _PREFIXES if name.lower().startswith(prefix)), None)
