"""Everything that a run found: the one reader and the one writer of the JSON files in its folder.

A folder without manifest holds no finished run. A file that is missing was not measured: its field has the default. A file that
is damaged, or another program's, is an error; its message names the file within the run, never the folder.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from unlearn.config import ForgetConfig
from unlearn.config.stand_ins import OLDER_RUNS
from unlearn.errors import InputError, UnlearnError
from unlearn.files import write_json
from unlearn.runs.dial_records import Denoising, Dial, Seal
from unlearn.runs.film_records import Film
from unlearn.runs.heard_records import Heard
from unlearn.runs.json_types import field_types, from_json, to_json
from unlearn.runs.metrics import Metrics
from unlearn.runs.records import Attacks, BystanderRow, LossRow, Manifest, PortraitEntry, PredictionRow, ProbeRow
from unlearn.runs.recovery_records import Recovery

PREPARED = "prepared"  # the key of the shipped example, where others have the id of their job
MANIFEST = "manifest.json"
PORTRAITS = "portraits"  # the folder of the portraits and their index


@dataclass(frozen=True, kw_only=True)
class Results:
    """What lies in the files of the same names; portraits in portraits/index.json."""

    config: ForgetConfig
    metrics: Metrics = Metrics()
    idia: Attacks = Attacks()
    bystanders: tuple[BystanderRow, ...] = ()
    losses: tuple[LossRow, ...] = ()
    probes: tuple[ProbeRow, ...] = ()
    predictions: tuple[PredictionRow, ...] = ()
    portraits: tuple[PortraitEntry, ...] = ()
    recovery: Recovery = Recovery()
    heard: tuple[Heard, ...] = ()
    film: Film = Film()
    dial: tuple[Dial, ...] = ()
    denoising: tuple[Denoising, ...] = ()
    seal: Seal = Seal()


@dataclass(frozen=True, kw_only=True)
class Run(Results):
    """One finished run.

    Attributes:
        key: id of its job, or "prepared".
        folder: the run folder.
        manifest: the file of that name.
    """

    key: str
    folder: Path
    manifest: Manifest

    @property
    def is_prepared(self) -> bool:
        """True for the shipped example."""
        return self.key == PREPARED

    @property
    def names(self) -> list[str]:
        """The persons who were to be forgotten."""
        return [person.name for person in self.config.persons]

    @property
    def has_weights(self) -> bool:
        """True when the defended weights are at hand, so that new questions can be asked."""
        return any(self.folder.glob("defended/**/*.safetensors"))


PARTS = field_types(Results)  # name of a part of the results -> its type
FILES = {**{part: f"{part}.json" for part in PARTS}, "portraits": f"{PORTRAITS}/index.json", "manifest": MANIFEST}


def write_results(folder: Path, **parts: Any) -> None:
    """Write parts of the results, by the names of the fields of `Run`; the manifest last, for it says that the run is finished.

    Raises:
        InputError: the disk is full, or the folder cannot be written.
    """
    for part, value in parts.items():
        write_json(folder / FILES[part], to_json(value))


def read_results(folder: Path) -> Results:
    """The results in a folder, finished or not.

    Raises:
        InputError: it has no config, or a file is damaged.
    """
    contents = {part: _read(folder, FILES[part], kind) for part, kind in PARTS.items()}
    if contents["config"] is None:
        raise InputError("The folder holds no run (no config.json); give one that `forget --out` wrote.")
    return Results(**{part: content for part, content in contents.items() if content is not None})


def read_part(folder: Path, part: str) -> Any:
    """One part of the results in a folder, by the name of a field of `Results`; its default where it was not written.

    Raises:
        InputError: the file is damaged.
    """
    content = _read(folder, FILES[part], PARTS[part])
    return {field.name: field.default for field in fields(Results)}[part] if content is None else content


def _read(folder: Path, file: str, kind: Any) -> Any:
    """The content of a file; None where there is none."""
    try:
        content = json.loads((folder / file).read_text("utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{file} of the run cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} of the run is damaged (no JSON text); run it again.") from error
    try:
        return from_json(kind, {**OLDER_RUNS, **content} if file == FILES["config"] and isinstance(content, dict) else content)
    except UnlearnError as error:
        raise InputError(f"{file} of the run is damaged ({str(error).rstrip('. ')}); run it again.") from error


@lru_cache(maxsize=32)
def _read_run(key: str, folder: Path, _written: tuple[int, int]) -> Run:
    manifest = _read(folder, MANIFEST, Manifest)
    return Run(key=key, folder=folder, manifest=manifest, **vars(read_results(folder)))


def _written(folder: Path) -> tuple[int, int]:
    """When the run was finished, and when an attack was last added to it; raises `OSError` without a manifest."""
    recovery = folder / FILES["recovery"]
    return (folder / MANIFEST).stat().st_mtime_ns, recovery.stat().st_mtime_ns if recovery.exists() else 0


def read_run(key: str, folder: Path) -> Run | None:
    """The run in a folder, or None when there is no finished one.

    Raises:
        InputError: a file of it is damaged.
    """
    try:
        written = _written(folder)
    except OSError:
        return None
    return _read_run(key, folder, written)


def finished_run(folder: Path) -> Run:
    """The run in a folder that somebody named.

    Raises:
        InputError: it holds no finished run, or a file of it is damaged.
    """
    try:
        written = _written(folder)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{folder} holds no finished run (no {MANIFEST}); give the folder that `forget --out` wrote.") from None
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror or error}.") from error
    return _read_run(folder.name, folder, written)


def prepared_folder(root: Path) -> Path | None:
    """The first run folder in the folder of prepared examples."""
    folders = sorted(path.parent for path in root.glob(f"*/{MANIFEST}"))
    return folders[0] if folders else None
