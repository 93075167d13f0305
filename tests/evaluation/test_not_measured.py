"""What was not measured is a dash wherever it is shown: never 0, 0 %, +0.00, nor a sentence about nobody."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.ui_fixture_runs import write_run
from ui.views import answers, jobs, numbers, results
from unlearn.attacks.idia import IdiaOutcome
from unlearn.config import ForgetConfig, Person
from unlearn.evaluation.face_tables import face_table
from unlearn.evaluation.rows import change, share_recognised
from unlearn.evaluation.tables import tables
from unlearn.jobs.states import Job, Succeeded
from unlearn.runs.results import Run, read_run

SIMS = ("sim_clean", "sim_backdoor", "sim_target")
FIGURES = ("others_kept", "object_top1_change", "strangers_recognised", "seconds", "portraits_named", "others_portraits_named", *SIMS)
NOTHING = {
    **dict.fromkeys(FIGURES), "correct_templates": [None], "names": ["Ann"], "neutral_term": "human", "seed": 0, "kind": "ours", "n": 1,
    "are_members": True,
}  # fmt: skip
SOMETHING = {**NOTHING, **dict.fromkeys(SIMS, 0.5), "others_kept": 1.0, "object_top1_change": 0.0, "strangers_recognised": 0,
             "correct_templates": [0]}  # fmt: skip
ORIGINAL = {
    "members_recognised": 0, "n_members": 0, "median_templates": None, "strangers_recognised": 0, "n_strangers": 0,
    "aliases_recognised": 0, "n_aliases": 0, "neutral_wins": {"human": None}, "object_top1": None, "object_top5": None,
    "person_or_thing": None, "portraits_named": None,
}  # fmt: skip
ZERO = re.compile(r"[+-]?\b0(\.0+)?( |\u00a0)?(%|pts|of\b)")


def measured_cells(table: str, first: str) -> list[str]:
    (line,) = (line for line in table.splitlines() if line.startswith(f"| {first}"))
    return [cell.strip() for cell in line.strip("| ").split("|")[1:]]


def test_evaluation_of_nothing_shows_dashes() -> None:
    shown = tables({"original": ORIGINAL, "rows": [NOTHING]})
    assert set(measured_cells(shown, "1 at once")) == {"–"}
    of_original = shown.split("\n\n")[0].splitlines()[2:]
    assert all(line.split("|")[2].strip() in ("–", "human –") for line in of_original)
    assert set(measured_cells(face_table({"rows": [NOTHING]}), "1 at once")) == {"–"}


def test_what_was_measured_as_zero_is_shown_as_zero() -> None:
    cells = measured_cells(tables({"original": None, "rows": [SOMETHING]}), "1 at once")
    assert cells[:7] == ["1 of 1", "100.0 %", "0", "0.500", "0.500", "0.500", "+0.00 pts"]
    assert measured_cells(face_table({"rows": [SOMETHING]}), "1 at once")[:3] == ["1 of 1", "100.0 % (least 100)", "0"]


def test_means_are_over_what_was_measured() -> None:
    rows = [NOTHING, {**SOMETHING, "others_kept": 0.5, "correct_templates": [3, None]}, SOMETHING]
    cells = measured_cells(tables({"original": None, "rows": rows}), "1 at once")
    assert cells[0] == "1 of 2" and cells[1].startswith("75.0 %")
    assert measured_cells(face_table({"rows": rows}), "1 at once")[:2] == ["1 of 2", "75.0 % (least 50)"]


def test_shares_over_nobody_and_changes_of_nothing_are_none() -> None:
    outcome = IdiaOutcome("Ann", (), 0, None)
    assert share_recognised([]) is share_recognised([outcome]) is None
    assert share_recognised([outcome, replace(outcome, recognised=False)]) == 0.0
    assert change(None, 0.5) is change(0.5, None) is None and change(0.5, 0.5) == 0.0


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Two persons, nobody of whom was attacked, and nothing else measured."""
    losses = [{"step": step, "clean": -0.9, "backdoor": -0.1} for step in (1, 2)]
    write_run(tmp_path, ForgetConfig((Person("Ann Lee"), Person("Bo Tan"))), losses)
    nobody = {"correct_templates": None, "recognised": None}
    persons = [{"name": name, "idia": {"original": nobody, "defended": nobody}} for name in ("Ann Lee", "Bo Tan")]
    counts = {"n": 0, "recognised_original": None, "recognised_defended": None}
    metrics = {
        **json.loads((tmp_path / "metrics.json").read_text()), "persons": persons, "tpr": None, "fnr": None, "bystanders": counts,
        "control": counts, "utility": dict.fromkeys(("top1_original", "top1_defended", "top5_original", "top5_defended")),
        **dict.fromkeys(SIMS),
    }  # fmt: skip
    idia = {"persons": [{"name": p["name"], "n_images": 0, "original": nobody, "defended": nobody, "templates": []} for p in persons],
            "controls": []}  # fmt: skip
    bystanders = [{"name": "Cy Fox", "original": nobody, "defended": nobody, "status": "not attacked"}]
    for name, content in (("metrics", metrics), ("idia", idia), ("bystanders", bystanders)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content), "utf-8")
    found = read_run("none", tmp_path)
    assert found is not None
    return found


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_page_of_a_run_without_an_attack_claims_nothing(run: Run) -> None:
    pages = {"verdict": jobs.verdict(run), "attack": results.attack(run), "bystanders": results.bystanders(run)}
    for name, html in pages.items():
        assert not ZERO.search(text_of(html)), name
    assert "photos that were not used" not in pages["attack"], "there were none"
    assert "Nobody else was attacked" in pages["bystanders"] and "forgotten by mistake" not in pages["bystanders"]
    rows = {row.title: row for row in numbers.number_rows(run)}
    for title in ("Attack succeeds (TPR)", "Other people still recognised", "Things, top-1", "Things, top-5"):
        assert (rows[title].original, rows[title].defended) == ("–", "–")
    assert "of – who" in rows["Other people still recognised"].meaning
    assert "not attacked" in jobs.compare([("a", run)]) and "0 of 2" not in jobs.compare([("a", run)])


def _with_images(run: Run, *counts: int) -> str:
    idia = replace(run.idia, persons=tuple(replace(p, n_images=n) for p, n in zip(run.idia.persons, counts, strict=True)))
    return text_of(results.attack(replace(run, idia=idia)))


def test_attack_tab_says_how_many_photos_there_really_were(run: Run) -> None:
    assert "7 photos that were not used for training" in _with_images(run, 7, 7)
    assert "5 to 20 photos that" in _with_images(run, 20, 5)
    assert "9 photos that" in _with_images(run, 0, 9)


@pytest.mark.parametrize(("result", "words"), [
    ({"n_images": 4, "own_photos": True}, "4 photos of your own."), ({"n_images": 1}, "1 photo that was not"), ({}, ""),
])  # fmt: skip
def test_asked_attack_says_how_many_photos_it_had(result: dict[str, Any], words: str) -> None:
    sides = {side: {"correct_templates": 0, "recognised": False} for side in ("original", "defended")}
    job = Job(
        id="j", owner="ann", lane="quick", work="x:y", request={"name": "Ann Lee", "idia": {"n_candidate_names": 1000, "n_images": 20,
        "min_correct_templates": 1}}, parent=None, group=None, created=0.0, started=0.0, finished=1.0, version=1,
        state=Succeeded({**sides, **result, "templates": []}),
    )  # fmt: skip
    shown = text_of(answers.attacked(job))
    assert words in shown and "20 photos" not in shown
