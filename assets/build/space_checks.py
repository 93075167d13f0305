"""What the Hub and a Space demand of the files that are uploaded, checked before anything is sent.

Sources: huggingface.co/docs/hub: spaces-config-reference, spaces-zerogpu, storage-limits. That a short description has 60 characters at
most and a Space's repository 1 GB is what the Hub answers where it is more.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from huggingface_hub import SpaceHardware
from huggingface_hub.errors import HFValidationError
from huggingface_hub.repocard import metadata_load
from huggingface_hub.utils import validate_repo_id
from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

NAME_WANTED = "give owner/space, such as NAME=my-account/unlearn-a-person (letters, digits, single - _ . within; 96 characters at most)"
MAX_SHORT_DESCRIPTION = 60
MAX_FILES, MAX_ENTRIES = 100_000, 10_000  # of a repository, of a folder
MAX_TOTAL_BYTES = 10**9  # of a Space's repository
PLAIN_GIT_BYTES = 10 * 2**20  # above it the Hub refuses a file of a `git push` outside Xet and LFS, and a binary one of any size
ZERO_PYTHON = ("3.12.12", "3.10.13")  # documented for ZeroGPU
ZERO_TORCH = Version("2.8.0")  # from here to the latest
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
KEYS: dict[str, type] = {
    "title": str, "emoji": str, "colorFrom": str, "colorTo": str, "sdk": str, "python_version": str, "sdk_version": str,
    "suggested_hardware": str, "app_file": str, "base_path": str, "fullWidth": bool, "header": str, "short_description": str,
    "models": list, "datasets": list, "tags": list, "thumbnail": str, "pinned": bool, "hf_oauth": bool, "hf_oauth_scopes": list,
    "hf_oauth_expiration_minutes": int, "disable_embedding": bool, "startup_duration_timeout": str, "custom_headers": dict,
    "preload_from_hub": list, "license": str,
}  # fmt: skip
REQUIRED = ("title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version", "app_file", "short_description", "license")
PRIVATE_PARTS = {"data", "runs", ".env", ".venv", "browser-key", "server-key", ".netrc", "id_rsa", "id_ed25519"}
PRIVATE_ENDINGS = (".pem", ".key", ".p12", ".sqlite", ".sqlite-wal", ".db", ".pyc")
SECRETS = re.compile(
    rb"\bhf_[A-Za-z0-9]{30,}|\bgh[pousr]_[A-Za-z0-9]{30,}|\bAKIA[0-9A-Z]{16}\b|\bsk-[A-Za-z0-9_-]{32,}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
POINTER = b"version https://git-lfs.github.com/spec/"


def name_trouble(name: str) -> str | None:
    """What is wrong with the name of a Space; None: nothing."""
    try:
        if name.count("/") != 1 or name != name.strip() or len(name) > 96:
            raise HFValidationError
        validate_repo_id(name)
        for part in name.split("/"):
            validate_repo_id(part)
    except HFValidationError:
        return f"NAME is {name!r}; {NAME_WANTED}."
    return None


def is_binary(path: Path) -> bool:
    """As git tells it: a zero byte among the first."""
    with path.open("rb") as file:
        return b"\0" in file.read(8000)


def troubles(folder: Path, files: list[str]) -> list[str]:
    """Sentences on all that stands in the way of uploading these files of the folder; none: nothing does."""
    return [*_front_matter(folder, files), *_requirements(folder), *_sizes(folder, files), *_secrets(folder, files)]


def front_matter(folder: Path) -> dict[str, Any]:
    """The YAML block on top of README.md; empty where there is none, or where it cannot be read."""
    try:
        return metadata_load(folder / "README.md") or {}
    except (OSError, ValueError) as error:
        return {"": str(error)}
    except Exception as error:  # YAML's own
        return {"": type(error).__name__}


def _front_matter(folder: Path, files: list[str]) -> Iterator[str]:
    block = front_matter(folder)
    if not block or "" in block:
        yield f"README.md does not begin with a readable YAML block ({block.get('', 'none is there')})."
        return
    for key in REQUIRED:
        if key not in block:
            yield f"The front matter of README.md has no {key}."
    for key, value in block.items():
        if key not in KEYS:
            yield f"The front matter of README.md has {key!r}, which Spaces do not know."
        elif not isinstance(value, KEYS[key]):
            yield f"{key} is {value!r} in the front matter; write a {KEYS[key].__name__} (in quotes where it is text that looks like a number)."
    yield from _values({key: value for key, value in block.items() if isinstance(value, KEYS.get(key, ()))}, files)
    yield from _gradio(folder, block)


def _values(block: dict[str, Any], files: list[str]) -> Iterator[str]:
    get = block.get
    if len(get("short_description", "")) > MAX_SHORT_DESCRIPTION:
        yield f"short_description has {len(block['short_description'])} characters; {MAX_SHORT_DESCRIPTION} at most are allowed."
    for key in ("colorFrom", "colorTo"):
        if get(key, "red") not in COLOURS:
            yield f"{key} is {block[key]!r}; use one of {', '.join(sorted(COLOURS))}."
    if get("sdk", "gradio") != "gradio":
        yield f"sdk is {block['sdk']!r}; this is a gradio Space."
    if get("python_version", ZERO_PYTHON[0]) not in ZERO_PYTHON:
        yield f"python_version is {block['python_version']!r}; ZeroGPU documents {' and '.join(ZERO_PYTHON)}."
    if "app_file" in block and block["app_file"] not in files:
        yield f"app_file is {block['app_file']!r}, which is not among the files."
    if get("suggested_hardware", "cpu-basic") not in {one.value for one in SpaceHardware}:
        yield f"suggested_hardware is {block['suggested_hardware']!r}, which is no hardware of the Hub."
    for model in get("models", []):
        if not isinstance(model, str) or name_trouble(model):
            yield f"models has {model!r}; write owner/model."
    if not all(isinstance(tag, str) for tag in get("tags", [])):
        yield "tags must all be texts."


def _requirements(folder: Path) -> Iterator[str]:
    for number, requirement in _read_requirements(folder):
        if isinstance(requirement, str):
            yield f"requirements.txt, line {number}: {requirement!r} cannot be installed on a Space."
        elif requirement.name == "torch" and not any(_is_torch_of_zero(one.version) for one in requirement.specifier):
            yield f"requirements.txt has {requirement}; ZeroGPU takes torch {ZERO_TORCH} and later."


def _is_torch_of_zero(version: str) -> bool:
    try:
        return Version(version.rstrip(".*")) >= ZERO_TORCH
    except InvalidVersion:
        return False


def _gradio(folder: Path, block: dict[str, Any]) -> Iterator[str]:
    """The Gradio of the front matter is installed beside the requirements: both must allow it."""
    for _, requirement in _read_requirements(folder):
        if not isinstance(requirement, str) and requirement.name == "gradio" and isinstance(block.get("sdk_version"), str):
            try:
                fits = requirement.specifier.contains(Version(block["sdk_version"]))
            except InvalidVersion:
                fits = False
            if not fits:
                yield f"sdk_version is {block['sdk_version']}, but requirements.txt has {requirement}."


def _read_requirements(folder: Path) -> Iterator[tuple[int, Requirement | str]]:
    """Lines of requirements.txt by their numbers; as text where a Space cannot install them: options, paths, what is malformed."""
    path = folder / "requirements.txt"
    for number, line in enumerate(path.read_text("utf-8").splitlines() if path.is_file() else [], start=1):
        text = line.partition(" #")[0].strip()
        if text and not text.startswith("#"):
            try:
                found = Requirement(text)
                yield number, (text if found.url is not None and found.url.startswith("file:") else found)
            except InvalidRequirement:
                yield number, text


def _sizes(folder: Path, files: list[str]) -> Iterator[str]:
    if len(files) > MAX_FILES:
        yield f"There are {len(files)} files; a repository takes {MAX_FILES}."
    entries: Counter[str] = Counter()
    for path in {parent for file in files for parent in (PurePosixPath(file), *PurePosixPath(file).parents)} - {PurePosixPath(".")}:
        entries[str(path.parent)] += 1
    for name, number in entries.items():
        if number > MAX_ENTRIES:
            yield f"The folder {name} has {number} entries; a folder takes {MAX_ENTRIES}."
    total = sum((folder / file).stat().st_size for file in files)
    if total > MAX_TOTAL_BYTES:
        yield f"The files have {total / 1e6:,.0f} MB; a Space takes {MAX_TOTAL_BYTES / 1e6:,.0f} MB."


def _secrets(folder: Path, files: list[str]) -> Iterator[str]:
    for file in files:
        parts = PurePosixPath(file).parts
        if parts[0] in PRIVATE_PARTS or parts[-1] in PRIVATE_PARTS or parts[-1].endswith(PRIVATE_ENDINGS):
            yield f"{file} looks like private data; it must not be tracked."
        content = (folder / file).read_bytes()
        if SECRETS.search(content):
            yield f"{file} holds what looks like a secret (a token or a private key); remove it, and withdraw it where it was issued."
        if content.startswith(POINTER):
            yield f"{file} is a pointer of git-lfs, not the file itself; run `git lfs pull` and commit the file."
