"""A plausible dial, growing portraits and a seal for tests of the page, and the check of such a run; the numbers are made up."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.support import ui_world

COUNTS = (20, 18, 9, 1, 0)  # prompts that name the person, position by position
WEIGHTS = "defended/open_clip_text.safetensors"


def written_dial(folder: Path, portraits: list[dict[str, Any]]) -> dict[str, Any]:
    """The pictures, in a run's folder whose portraits (rows of their index) and weights are there; and the JSON files by name."""
    seed = portraits[0]["seed"]
    ends = [f"portraits/{row['file']}" for row in _named(portraits, seed)]
    between = []
    for number in (1, 2, 3):
        between.append(f"dial/p00-{25 * number:03d}-s{seed}.png")
        ui_world.save(ui_world.portrait(number, number), folder / between[-1])
    pictures = [ends[0], *between, ends[1]]
    positions = [{"share": number / 4, "picture": picture, "correct_templates": COUNTS[number]} for number, picture in enumerate(pictures)]
    moments = [{"n_steps": 10 * number, "original": pictures[0], "defended": pictures[number]} for number in range(5)]
    growing = {"distances": [step / 40 for step in range(41)], "parted_at": 10, "parted_share": 0.25, "moments": moments, "seed": seed}
    files = [WEIGHTS, *between, *(f"portraits/{row['file']}" for row in portraits)]
    hashes = {file: sha256((folder / file).read_bytes()).hexdigest() for file in files}
    weights = {WEIGHTS: hashes.pop(WEIGHTS)}
    seal = {"created": "2026-01-02T03:04:05+00:00", "weights": weights, "pictures": hashes, "original_hash": "5f1c09ab"}
    return {"dial.json": [{"positions": positions, "seed": seed}], "denoising.json": [growing], "seal.json": seal}


def verified(run: Path, seed: int | None) -> dict[str, Any]:
    """What `unlearn.runs.verification.verify` tells, without drawing: who has the sealed file counts as equal."""
    seal = json.loads((run / "seal.json").read_text("utf-8"))
    now = sha256((run / WEIGHTS).read_bytes()).hexdigest()
    checks = [{"file": WEIGHTS, "sealed": seal["weights"][WEIGHTS], "now": now, "is_equal": seal["weights"][WEIGHTS] == now}]
    pictures = [_compared(run, row, seal["pictures"]) for row in _named(_index(run), seed or 0)]
    return {
        "is_verified": checks[0]["is_equal"] and all(check["is_sealed_file"] for check in pictures), "sealed_at": seal["created"],
        "device": "cpu", "run_device": "cpu", "weights": checks, "pictures": pictures, "tolerance": 2,
    }  # fmt: skip


def _compared(run: Path, row: dict[str, Any], sealed: dict[str, str]) -> dict[str, Any]:
    file = f"portraits/{row['file']}"
    is_sealed = sha256((run / file).read_bytes()).hexdigest() == sealed[file]
    return {
        "file": file, "model": row["model"], "seed": row["seed"], "is_sealed_file": is_sealed, "n_pixels": 16384,
        "n_different": 0 if is_sealed else 16000, "largest_difference": 0 if is_sealed else 200,
        "outcome": "equal" if is_sealed else "different",
    }  # fmt: skip


def _named(rows: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    return [row for row in rows if (row["person_index"], row["prompt"], row["seed"]) == (0, "name", seed)]


def _index(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((folder / "portraits" / "index.json").read_text("utf-8"))
    return rows
