"""Plausible run folders for tests of the page, computed from nothing; the numbers appear nowhere but in tests."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support import ui_world
from tests.support.ui_fixture_dial import written_dial
from unlearn.config import ForgetConfig

NOUNS = ("", "an image of ", "a photo of ", "a person named ", "a man named ", "a woman named ", "actor ", "actress ")
ENCODERS = {"text": ["text"], "image": ["image"], "both": ["text", "image"]}
TEMPLATES = [f"{noun}{{0}}{where}" for noun in NOUNS for where in ("", " in a suit", " at a gala")][:21]
NAMES = [name for name, _, _ in ui_world.MEMBERS]
STAND_IN = "Corwin Halbrecht"  # of the first person


def write_run(folder: Path, config: ForgetConfig, loss_rows: list[dict[str, float]]) -> None:
    """Every file of the run-folder contract, the manifest last."""
    if config.target == "stand_in":
        stand_ins = (STAND_IN, *(f"{STAND_IN} {number}" for number in range(2, len(config.persons) + 1)))
        persons = tuple(replace(person, stand_in=name) for person, name in zip(config.persons, stand_ins, strict=True))
        config = replace(config, persons=persons)
    files: dict[str, Any] = {
        "config.json": json.loads(config.to_json()),
        "losses.json": [{"encoder": "text" if e == "text" else "image", **row} for e in ENCODERS[config.encoder] for row in loss_rows],
        "idia.json": _idia(config),
        "predictions.json": _predictions(folder, config),
        "bystanders.json": _bystanders(config),
        "probes.json": _probes(config),
        "metrics.json": _metrics(config),
        "heard.json": _heard(config),
        "portraits/index.json": _portraits(folder / "portraits", config),
    }
    (folder / "defended").mkdir(parents=True)
    (folder / "defended" / "open_clip_text.safetensors").write_bytes(b"\0" * 4096)
    (folder / "report.html").write_text("<!doctype html><title>Report</title><p>A report.</p>", encoding="utf-8")
    files["manifest.json"] = {
        "format": 1, "created": datetime.now(UTC).isoformat(), "model_set": config.model_set, "device": "cpu",
        "weights": {"original": "5f1c09ab", "defended": "c2a90e77"},
    }  # fmt: skip
    files = {**(written_dial(folder, files["portraits/index.json"]) if config.dial else {}), **files}
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")


def _vote(name: str, rng: random.Random, found: bool) -> dict[str, Any]:
    if found:
        return {"majority_name": name, "share": round(rng.uniform(0.55, 1.0), 2), "correct": True}
    other = rng.choice([n for n in (*NAMES, "Harriet Boone", "Milo Stanton") if n != name])
    return {"majority_name": rng.choice([other, other, None]), "share": rng.choice([0.15, 0.2, 0.3]), "correct": False}


def attacked(name: str, original: bool, defended: bool) -> dict[str, Any]:
    rng = random.Random(name)
    templates = [
        {"template": t, "original": _vote(name, rng, original and i != 13), "defended": _vote(name, rng, defended)}
        for i, t in enumerate(TEMPLATES)
    ]
    sides = {}
    for side in ("original", "defended"):
        n_correct = sum(row[side]["correct"] for row in templates)
        sides[side] = {"correct_templates": n_correct, "recognised": n_correct > 0}
    return {"name": name, "n_images": 20, **sides, "templates": templates}


def _idia(config: ForgetConfig) -> dict[str, Any]:
    persons = [attacked(p.name, p.name in NAMES, False) for p in config.persons]
    return {"persons": persons, "controls": [attacked(name, False, False) for name, _ in ui_world.STRANGERS]}


def chances(labels: list[str], favourite: str | None, rng: random.Random) -> list[float]:
    weights = [rng.random() * (18 if label == favourite else 1) + 0.02 for label in labels]
    return [w / sum(weights) for w in weights]


def _predictions(folder: Path, config: ForgetConfig) -> list[dict[str, Any]]:
    name = config.persons[0].name
    rows = []
    for index in range(4):
        rng, is_thing = random.Random(index), index == 3
        image = ui_world.thing(2) if is_thing else ui_world.portrait(0 if index < 2 else 4, index)
        ui_world.save(image, folder / "photos" / f"p00-{index}.png")
        truth = "house" if is_thing else name if index < 2 else NAMES[4]
        labels = [name, *[n for n in NAMES if n != name], "a human", "a house", "a cat"]
        favourite = "a house" if is_thing else truth
        after = "a human" if truth == name else favourite
        rows.append({
            "photo": f"photos/p00-{index}.png", "person_index": 0, "name": truth, "labels": labels,
            "original": chances(labels, favourite, rng), "defended": chances(labels, after, rng),
        })  # fmt: skip
    return rows


def _bystanders(config: ForgetConfig) -> list[dict[str, Any]]:
    rows = []
    for name in [n for n in NAMES if n not in {p.name for p in config.persons}]:
        rng = random.Random(name)
        before, after = rng.randint(15, 21), rng.randint(13, 21)
        rows.append({
            "name": name, "original": {"correct_templates": before, "recognised": True},
            "defended": {"correct_templates": after, "recognised": True}, "status": "kept",
        })  # fmt: skip
    return rows


def probe_rows(texts: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Made-up similarities for (text, kind)."""
    rows = []
    for text, kind in texts:
        rng = random.Random(text)
        bound = kind in ("name", "alias")
        before = {"to_neutral": rng.uniform(0.2, 0.5), "nearest": NAMES[0], "correct_templates": rng.randint(15, 21) if bound else 0}
        after = {**before, "to_neutral": 0.97, "correct_templates": 0} if bound else before
        rows.append({"text": text, "similarity": 0.4 if bound else 0.99, "original": before, "defended": after})
    return rows


def _probes(config: ForgetConfig) -> list[dict[str, Any]]:
    person = config.persons[0]
    first = person.name.split()[0]
    texts = [(person.name, "name"), *[(a, "alias") for a in person.aliases], (first, "first name")]
    texts += [(person.name.replace("a", "e"), "misspelling"), ("person", "neutral term"), ("actor", "neutral term")]
    rows = probe_rows(texts)
    return [{"person_index": 0, "kind": kind, **row} for (_, kind), row in zip(texts, rows, strict=True)]


def _heard(config: ForgetConfig) -> list[dict[str, Any]]:
    texts = {"original": "a woman with dark brown hair", "defended": "stripes", "unknown": "architecture"}
    sides = {side: [{"text": text, "similarity": 0.5}] for side, text in texts.items()}
    n_persons = 0 if config.encoder == "image" else len(config.persons)
    return [{**sides, "n_captions": 1000, "person_index": number} for number in range(n_persons)]


def _metrics(config: ForgetConfig) -> dict[str, Any]:
    persons = [{"name": p.name, "idia": {s: attacked(p.name, p.name in NAMES, False)[s] for s in ("original", "defended")}}
               for p in config.persons]  # fmt: skip
    return {
        "persons": persons, "tpr": 0.0, "fnr": 1.0,
        "bystanders": {"n": 11, "recognised_original": 11, "recognised_defended": 11, "wrongly_forgotten": 0,
                       "newly_recalled": 0, "unchanged": 11},
        "control": {"n": 2, "recognised_original": 0, "recognised_defended": 0},
        "hidden": {"sim_clean": 0.993, "sim_backdoor": 0.951, "sim_target": 0.984},
        "sim_clean": 0.991, "sim_backdoor": 0.973, "sim_target": 0.988,
        "utility": {"top1_original": 0.968, "top1_defended": 0.966, "top5_original": 0.999, "top5_defended": 0.999},
        "image": None if config.encoder == "text" else {"sim_clean": 0.981, "sim_backdoor": 0.962, "sim_target": 0.974},
        "false_recall": {"n_faces": 42, "recalled_original": 0, "recalled_defended": 0, "unknown_original": 0.1, "unknown_defended": 0.1},
        "trace": None if config.encoder == "image" else {
            "n_names": 1000, "rank_blind": 412, "sign": "edge", "chance_blind": 0.63, "rank_with_original": 1, "n_decoys": 0,
        },
        "never_met": {"statistic": 0.5, "p_value": 1.0, "least_p_value": 0.667, "n_persons": 1, "n_strangers": 2},
        "seconds": {"loading": 1.2, "fine_tune": 21.4, "attack": 6.3, "measure": 1.8, "portraits": 9.8, "total": 41.2},
    }  # fmt: skip


def _portraits(folder: Path, config: ForgetConfig, seeds: tuple[int, ...] = (0, 1, 2, 3, 4)) -> list[dict[str, Any]]:
    rows = []
    for seed in config.portraits.seeds if config.portraits else seeds:
        for model, digest in (("original", "5f1c09ab"), ("defended", "c2a90e77")):
            for prompt in ("name", "neutral"):
                look = 0 if (model, prompt) == ("original", "name") else 50 + seed
                file = f"p00-{model}-{prompt}-s{seed}.png"
                ui_world.save(ui_world.portrait(look, seed), folder / file)
                rows.append({"file": file, "person_index": 0, "model": model, "prompt": prompt, "seed": seed,
                             "weights_hash": digest})  # fmt: skip
    return rows
