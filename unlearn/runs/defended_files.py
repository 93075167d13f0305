"""Hashes of the files with defended weights in a run's folder; loads no model."""

from __future__ import annotations

from pathlib import Path

from unlearn.files import file_hash

DEFENDED = "defended"  # the folder of the weights, within the run's


def defended_files(run: Path) -> dict[str, str]:
    """File, relative to the run's folder -> its SHA-256 as it is now, sorted; empty where the weights are not at hand."""
    files = sorted(path for path in (run / DEFENDED).rglob("*.safetensors") if path.is_file())
    return {path.relative_to(run).as_posix(): file_hash(path) for path in files}
