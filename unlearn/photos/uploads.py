"""Files, folders and zips that were uploaded or named -> the photos in them, in order.

Nothing is unpacked on disk (`zips`), and nothing is decoded before it is asked for (`reader`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

from unlearn.config import Settings
from unlearn.errors import InputError
from unlearn.photos.reader import DEFAULT_MAX_MB, HEAD_BYTES, SUFFIXES, Photo, decode_photo, looks_like_photo, read_bytes
from unlearn.photos.zips import ZIP_MARKS, read_member, zip_members

Part = Literal["fine_tuning", "evaluation"]
MAX_PHOTOS = 300  # of one upload
DEFAULT_MAX_ZIP_MB = 1000  # of a zip, packed
DEFAULT_MAX_TOTAL_MB = 2000  # of all files of one upload
_PREFIXES: tuple[tuple[str, Part], ...] = (("fine-tuning-", "fine_tuning"), ("evaluation-", "evaluation"))
_ZIP_SUFFIXES = ("", ".zip", *SUFFIXES)  # documents of office programs are zips, too, and hold pictures of nobody
_SYSTEM_FILES = ("thumbs.db", "desktop.ini", "ehthumbs.db")


@dataclass(frozen=True)
class PhotoSource:
    """A photo that has not been read yet, without its name.

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
    """The largest sizes in MB (a million bytes) of a photo, of a packed zip, and of all files of an upload together."""

    photo_mb: int = DEFAULT_MAX_MB
    zip_mb: int = DEFAULT_MAX_ZIP_MB
    total_mb: int = DEFAULT_MAX_TOTAL_MB

    @property
    def file_bytes(self) -> int:
        """The largest of them, which the server accepts of any single file; the others are checked file by file."""
        return max(self.photo_mb, self.zip_mb, self.total_mb) * 1_000_000


def upload_limits(settings: Settings) -> UploadLimits:
    """The limits that a server or a command was given."""
    return UploadLimits(settings.max_upload_mb, settings.max_zip_mb, settings.max_total_mb)


def expand_upload(paths: Sequence[Path], limits: UploadLimits | None = None) -> Upload:
    """Everything that may be a photo in files, folders (not their subfolders) and zips (at any depth, no zips inside).

    The first bytes of a file say what it is, not its name. A file given by itself always counts as a photo, so that the user is told
    what is wrong with it. In folders and zips, system files and other kinds of files are left out with a note. A zip that is
    unreadable or too large counts as one unreadable photo. Once the limit of all files together is reached, each further file is refused.
    """
    sources: list[PhotoSource] = []
    intake = _Intake(limits or UploadLimits())
    for path in paths:
        for source in intake.of_path(path):
            if len(sources) == MAX_PHOTOS:
                return Upload(tuple(sources), (*intake.notes(), f"Only the first {MAX_PHOTOS} photos were looked at."))
            sources.append(source)
    return Upload(tuple(sources), tuple(intake.notes()))


class _Intake:
    """Goes through what was given, and counts what is left out and the bytes so far."""

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
            members = zip_members(path, self._limits.zip_mb)
        except InputError as error:
            yield _refused(str(error))
            return
        for member in members:
            name, head = member.name, member.head
            if is_system(name):
                self._left_out["system"] += 1
            elif name.suffix.lower() == ".zip" or (head.startswith(ZIP_MARKS) and name.suffix.lower() in _ZIP_SUFFIXES):
                yield _refused("This is a zip inside a zip, which is not opened; unpack it first.")
            elif _may_be_photo(name.suffix, head):
                yield PhotoSource(partial(read_member, path, member.number), _part(name.name))
            else:
                self._left_out["other"] += 1


def _may_be_photo(suffix: str, head: bytes) -> bool:
    """True of photos by their first bytes, and of files with a photo's suffix, so that the user is told what is wrong with them."""
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
    return _head(path).startswith(ZIP_MARKS)


def _files(number: int) -> str:
    return f"{number} file{'s' * (number > 1)}"


def _refused(sentence: str) -> PhotoSource:
    def load(max_mb: int) -> bytes:
        raise InputError(sentence)

    return PhotoSource(load)


def is_system(name: PurePosixPath) -> bool:
    """True for hidden files and folders and those that an operating system leaves behind."""
    return "__MACOSX" in name.parts or name.name.startswith(".") or name.name.lower() in _SYSTEM_FILES


def _part(name: str) -> Part | None:
    return next((part for prefix, part in _PREFIXES if name.lower().startswith(prefix)), None)
