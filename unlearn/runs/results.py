"""A finished run as the page reads it: the JSON files of a run folder.

A folder without manifest is not a run. A file that is missing was not measured: the field is empty.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

PREPARED = "prepared"  # the key of the shipped example, where others have the id of their job


@dataclass(frozen=True)
class Run:
    """One finished run.

    Attributes:
        key: id of its job, or "prepared".
        folder: the run folder.
        manifest, config, metrics, idia: the files of that name, as read.
        predictions, bystanders, probes, losses, portraits: rows of the files of that name, and of portraits/index.json.
    """

    key: str
    folder: Path
    manifest: dict[str, Any]
    config: dict[str, Any]
    metrics: dict[str, Any]
    idia: dict[str, Any] | None
    predictions: list[dict[str, Any]]
    bystanders: list[dict[str, Any]]
    probes: list[dict[str, Any]]
    losses: list[dict[str, Any]]
    portraits: list[dict[str, Any]]

    @property
    def prepared(self) -> bool:
        """True for the shipped example."""
        return self.key == PREPARED

    @property
    def names(self) -> list[str]:
        """The persons who were to be forgotten."""
        return [person["name"] for person in self.config.get("persons", [])]

    @property
    def neutral_term(self) -> str:
        """What their names were remapped to."""
        return str(self.config.get("neutral_term", "human"))

    @property
    def encoder(self) -> str:
        """What was defended: "text", "image" or "both"."""
        return str(self.config.get("encoder", "text"))

    @property
    def has_weights(self) -> bool:
        """True when the defended weights are at hand, so that new questions can be asked."""
        return any(self.folder.glob("defended/**/*.safetensors"))

    @property
    def persons(self) -> list[dict[str, Any]]:
        """Per person the attack's counts: {name, idia: {original, defended}}, from metrics.json."""
        return list(self.metrics.get("persons") or [])


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _rows(content: Any) -> list[Any]:
    """The rows of a file that holds a list, or an object with "rows"."""
    if isinstance(content, Mapping):
        content = content.get("rows")
    return content if isinstance(content, list) else []


@lru_cache(maxsize=32)
def _read_run(key: str, folder: Path, _manifest_time: int) -> Run:
    def part(name: str) -> Any:
        return _read(folder / f"{name}.json")

    return Run(
        key=key, folder=folder, manifest=part("manifest") or {}, config=part("config") or {},
        metrics=part("metrics") or {}, idia=part("idia"), predictions=_rows(part("predictions")),
        bystanders=_rows(part("bystanders")), probes=_rows(part("probes")), losses=_rows(part("losses")),
        portraits=_rows(_read(folder / "portraits" / "index.json")),
    )  # fmt: skip


def read_run(key: str, folder: Path) -> Run | None:
    """The run in a folder, or None when there is no finished one."""
    try:
        written = (folder / "manifest.json").stat().st_mtime_ns
    except OSError:
        return None
    return _read_run(key, folder, written)


def prepared_folder(root: Path) -> Path | None:
    """The first run folder in the folder of prepared examples."""
    folders = sorted(path.parent for path in root.glob("*/manifest.json"))
    return folders[0] if folders else None
