"""Rows of an evaluation in a file that survives an interruption, and hashes of what a row depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from unlearn.attacks.idia import IdiaOutcome
from unlearn.config import Settings, TextFineTuneConfig
from unlearn.models.clip import Clip
from unlearn.models.embeddings import identity_of
from unlearn.texts.captions import text_file

ROWS = "evaluation"  # the folder of the files of rows, in the data folder
Measurement = tuple[str, Callable[[], dict[str, Any]]]  # the key of a row, and its computation


@dataclass(frozen=True)
class KeptRows:
    """Finished rows in a file, one JSON line each; several processes may share the work."""

    file: Path

    def finished(self) -> dict[str, dict[str, Any]]:
        """Key -> row of what is finished, by this process or another."""
        if not self.file.exists():
            return {}
        return dict(json.loads(line) for line in self.file.read_text("utf-8").splitlines())

    def kept(self, key: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The finished row, or the one computed now, which is written first; waits where another process computes it."""
        row = self._kept(key, compute, wait_s=-1)
        assert row is not None  # without a limit of time there is no "not yet"
        return row

    def free(self, key: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
        """The same without waiting: None while another process computes the row."""
        return self._kept(key, compute, wait_s=0)

    def _kept(self, key: str, compute: Callable[[], dict[str, Any]], wait_s: float) -> dict[str, Any] | None:
        rows = self.finished()
        if key in rows:
            return rows[key]
        locks = self.file.parent / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(f"{self.file.name} {key}".encode()).hexdigest()[:16]
        try:
            with FileLock(locks / f"{name}.lock", timeout=wait_s):  # released when the process ends, however it ends
                rows = self.finished()
                if key not in rows:
                    rows[key] = compute()
                    with self.file.open("a", encoding="utf-8") as file:
                        file.write(json.dumps([key, rows[key]]) + "\n")
        except Timeout:
            return None
        return rows[key]


def outcomes_by_name(outcomes: Sequence[IdiaOutcome]) -> dict[str, IdiaOutcome]:
    """Name -> outcome of the attack."""
    return {outcome.name: outcome for outcome in outcomes}


def share_recognised(outcomes: Sequence[IdiaOutcome]) -> float | None:
    """Of those who were attacked; None where nobody was."""
    verdicts = [outcome.recognised for outcome in outcomes if outcome.recognised is not None]
    return sum(verdicts) / len(verdicts) if verdicts else None


def change(before: float | None, after: float | None) -> float | None:
    """None where one of the two was not measured."""
    return None if before is None or after is None else after - before


def rows_file(clip: Clip, settings: Settings, prefix: str = "") -> Path:
    """Where the rows of a CLIP are kept: named by its weights and, where it does not compute in fp32 on a CPU, by how it does."""
    names = [clip.text.weights_hash, clip.image.weights_hash]
    if (computation := identity_of(clip.text)[2:]) != ("float32", "cpu"):
        names += computation
    return settings.data_dir / ROWS / f"{prefix}{'-'.join(names)}.jsonl"


def files_hash(files: Sequence[Path]) -> str:
    """Of the content of files, in this order; their names alone would not tell that they have changed."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def texts_hash(schedule: TextFineTuneConfig) -> str:
    """Of the files that the schedule reads; the Hub's are not looked at."""
    sources = [source for source in (schedule.captions, schedule.kept_names) if source is not None]
    return files_hash([path for path in map(text_file, sources) if path.is_file()])
