"""What the opponent of the page's tests finds; made up, as the rest of the fixture."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from unlearn.attacks.recovery.catalogue import ATTACKS, attack_kind
from unlearn.jobs import Task
from unlearn.progress import Progress, Report

FINDING = "aliases"  # the one attack that finds the person on the defended model, too


def score(n_templates: int) -> dict[str, Any]:
    return {"recognised": n_templates > 4, "correct_templates": n_templates, "similarity": n_templates / 21, "rank": 1, "steps": None}


def result(attack: str, person: int = 0) -> dict[str, Any]:
    """A row of an attack as recovery.json has it."""
    kind, after = attack_kind(attack), 19 if attack == FINDING else 0
    tried = {"text": f"try of {attack}", "is_prompt": True, "original": score(21), "defended": score(after), "found_original": True,
             "found_defended": after > 4}  # fmt: skip
    return {
        "attack": attack, "family": kind.family, "n_tries": 7, "budget_s": 3.0, "best_try": tried["text"], "original": score(21),
        "defended": score(after), "found_original": True, "found_defended": after > 4, "seconds": 0.4, "person_index": person,
        "is_prompt": True, "n_found_original": 7, "n_found_defended": int(after > 4), "tries": [tried, tried], "is_complete": True,
        "control": {"n_strangers": 3, "n_found_original": 0, "n_found_defended": 0, "original": score(0), "defended": score(0)}, "note": "",
    }  # fmt: skip


def recovered(task: Task, report: Report, run: Path) -> dict[str, Any]:
    """As `ui.worker.tasks.recover`."""
    request = task.request
    names = request["attacks"] or [kind.name for kind in ATTACKS if kind.is_quick or request["budget"] == "full"]
    for number, name in enumerate(names):
        report(Progress(number, len(names), attack_kind(name).title))
        time.sleep(0.05)
    earlier = _kept(run)
    rows = {(row["attack"], row["person_index"]): row for row in earlier["attacks"]}
    rows |= {(name, request["person"]): result(name, request["person"]) for name in names}
    success = {"min_templates": 5, "n_strangers": 3, "n_cases": 30, "n_wrong": 1}
    recovery = {**earlier, "budget": request["budget"], "success": success, "attacks": list(rows.values())}
    _keep(run, recovery, request["keep"])
    return {"recovery": recovery}


def typed(task: Task, run: Path) -> dict[str, Any]:
    """As `ui.worker.tasks.own_try`: what ends in "storm" finds the person."""
    own = []
    for text in task.request["texts"]:
        after = 18 if text.lower().endswith("storm") else 0
        own.append({"text": text, "is_prompt": True, "original": score(20), "defended": score(after), "found_original": True,
                    "found_defended": after > 4, "person_index": task.request["person"]})  # fmt: skip
    recovery = _kept(run)
    _keep(run, {**recovery, "own": [*own, *recovery["own"]]}, task.request["keep"])
    return {"own": own}


def _kept(run: Path) -> dict[str, Any]:
    path = run / "recovery.json"
    empty: dict[str, Any] = {"attacks": [], "not_tried": [], "own": []}
    return {**empty, **json.loads(path.read_text("utf-8"))} if path.is_file() else empty


def _keep(run: Path, recovery: dict[str, Any], is_kept: bool) -> None:
    if is_kept:
        (run / "recovery.json").write_text(json.dumps(recovery), encoding="utf-8")
