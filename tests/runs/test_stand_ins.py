"""Stand-ins in a run's folder: in its config and nowhere else; the control portraits are theirs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from unlearn.config import ForgetConfig, Person
from unlearn.runs.portraits import _subjects
from unlearn.runs.report import report_html, run_json
from unlearn.runs.results import finished_run


def test_stand_ins_stand_in_the_config_of_a_run_and_in_no_other_file(run: Path) -> None:
    config = finished_run(run).config
    assert config.target == "stand_in" and all(person.stand_in for person in config.persons)
    names = [str(person.stand_in).encode() for person in config.persons]
    holding = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file() and any(n in path.read_bytes() for n in names)}
    assert holding == {"config.json"} and any((run / "defended").glob("*.safetensors"))
    assert not any(name.decode() in text for name in names for text in (report_html(run), json.dumps(run_json(run))))


def test_run_of_a_written_config_has_the_same_stand_ins(run: Path) -> None:
    assert ForgetConfig.from_json((run / "config.json").read_text("utf-8")).persons == finished_run(run).config.persons


def test_control_portraits_are_of_each_persons_own_stand_in(run: Path) -> None:
    rows = json.loads((run / "portraits" / "index.json").read_text("utf-8"))
    controls = [row for row in rows if row["prompt"] == "neutral"]
    assert {(row["person_index"], row["file"][:3]) for row in controls} == {(0, "p00"), (1, "p01")}
    assert len({row["file"] for row in controls}) == len(controls) == 2 * 2 * 2  # persons, models, seeds


def test_who_is_drawn_as_control_is_drawn_once_where_all_share_the_neutral_term() -> None:
    persons = (Person("Ann Lee"), Person("Bo Tan"))
    assert [(one.text, one.kind, one.person_indices) for one in _subjects(persons, "human")] == [
        ("Ann Lee", "name", (0,)), ("Bo Tan", "name", (1,)), ("human", "neutral", (0, 1)),
    ]  # fmt: skip
    own = tuple(replace(person, stand_in=name) for person, name in zip(persons, ("Wes Hart", "Ida Quill"), strict=True))
    assert [(one.text, one.person_indices) for one in _subjects(own, "human")][2:] == [("Wes Hart", (0,)), ("Ida Quill", (1,))]


@pytest.mark.parametrize("missing", ["target", "n_decoys", "decoys"])
def test_runs_that_know_no_target_are_read_as_remapped_to_the_neutral_term(run: Path, tmp_path: Path, missing: str) -> None:
    values = json.loads((run / "config.json").read_text("utf-8"))
    del values[missing]
    (tmp_path / "config.json").write_text(json.dumps(values), "utf-8")
    (tmp_path / "manifest.json").write_bytes((run / "manifest.json").read_bytes())
    assert finished_run(tmp_path).config.target == ("neutral_term" if missing == "target" else "stand_in")


