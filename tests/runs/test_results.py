"""A run's results as types: what is written is read again, keys stay, older runs open, damaged files give a sentence."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from tests.support.ui_fixture_runs import write_run
from ui.views import jobs, numbers, plots
from ui.views import results as views
from ui.views.portraits import portraits
from unlearn.attacks.idia import IdiaOutcome, TemplateVote
from unlearn.cli.console import print_metrics
from unlearn.config import ForgetConfig, Person
from unlearn.errors import InputError
from unlearn.runs.json_types import absent, field_types, from_json, to_json
from unlearn.runs.metrics import Check, Counts, Metrics
from unlearn.runs.records import AttackRecord, BeforeAfter, BystanderRow, LossRow, Verdict
from unlearn.runs.report import report_html, run_json
from unlearn.runs.results import FILES, MANIFEST, PARTS, Run, finished_run, read_results, read_run, write_results

SHIPPED = Path(__file__).parent.parent.parent / "assets" / "prepared" / "clara-quarnby"
SIDES = ["defended", "original"]
VERDICT = ["correct_templates", "recognised"]
SIMS = ["sim_backdoor", "sim_clean", "sim_target"]
COUNTS = ["n", "newly_recalled", "recognised_defended", "recognised_original", "unchanged", "wrongly_forgotten"]
OF_THIRD = ["also_never_met", "recognised_never_met"]
IMAGE = {
    "sim_clean": 0.98, "sim_backdoor": 0.96, "sim_target": None, "average_face": {"source": "drawn", "n_photos": 32},
    "generic_images": {"source": "a folder", "n": 5}, "other_faces": None, "weights": {"original": "a", "defended": "b"},
    "photos": [{"fine_tuning": 12, "evaluation": 8, "own": True}],
}  # fmt: skip

# The keys of each file, by the path to them; they are read by other programs, so none may go.
KEYS = {
    "manifest": {"": ["created", "device", "files", "format", "model_set", "weights"], "weights": SIDES},
    "metrics": {
        "": ["bystanders", "control", "false_recall", "fine_tuning", "fnr", "hidden", "image", "method", "n_captions", "never_met",
             "persons", "seconds", *SIMS, "tpr", "trace", "utility", "warnings", "weights", "zero_shot"],
        "persons": ["idia", "name", "never_met_model"], "persons.idia": SIDES, "persons.idia.original": VERDICT,
        "bystanders": [*COUNTS, *OF_THIRD], "control": [*COUNTS, *OF_THIRD],
        "hidden": ["n_captions", *SIMS], "utility": ["top1_defended", "top1_original", "top5_defended", "top5_original"], "weights": SIDES,
        "fine_tuning": ["text"], "fine_tuning.text": ["checks", "n_steps_done", "stopped"],
        "seconds": ["attack", "dial", "film", "fine_tune", "fine_tune_image", "loading", "measure", "opponent", "portraits", "total"],
    },
    "idia": {
        "": ["controls", "persons"], "persons": ["defended", "n_images", "name", "never_met", "original", "templates"],
        "persons.original": VERDICT,
        "persons.templates": ["defended", "never_met", "original", "template"],
        "persons.templates.original": ["correct", "majority_name", "share"],
    },
    "bystanders": {"": ["defended", "name", "never_met", "original", "status"], "original": VERDICT},
    "losses": {"": ["backdoor", "clean", "encoder", "hidden_backdoor", "hidden_clean", "step", "total"]},
    "probes": {
        "": ["defended", "kind", "never_met", "original", "person_index", "similarity", "text"],
        "original": ["correct_templates", "nearest", "to_neutral"],
    },
    "predictions": {"": ["defended", "labels", "name", "never_met", "original", "person_index", "photo"]},
    "portraits": {"": ["file", "model", "person_index", "prompt", "seed", "weights_hash"]},
}  # fmt: skip


def _at(content: Any, path: str) -> Any:
    for name in path.split("."):
        content = content[0] if isinstance(content, list) else content
        content = content[name] if name else content
    return content[0] if isinstance(content, list) else content


@pytest.fixture(scope="module")
def shipped() -> Run:
    return finished_run(SHIPPED)


@pytest.mark.parametrize("part", KEYS)
def test_keys_of_every_file_are_those_that_others_read(shipped: Run, part: str) -> None:
    content = to_json(getattr(shipped, part))
    for path, keys in KEYS[part].items():
        assert sorted(_at(content, path)) == sorted(keys), path
    shipped_content = json.loads((SHIPPED / FILES[part]).read_text("utf-8"))
    assert content == shipped_content, "nothing of the shipped run is lost"


def test_every_part_of_a_run_is_written_and_read_again(shipped: Run, tmp_path: Path) -> None:
    (tmp_path / "portraits").mkdir()
    metrics = from_json(Metrics, {**to_json(shipped.metrics), "image": IMAGE, "warnings": ["a sentence"]})
    parts = {part: getattr(shipped, part) for part in PARTS} | {"metrics": metrics}
    write_results(tmp_path, **parts, manifest=shipped.manifest)
    again = finished_run(tmp_path)
    assert {part: getattr(again, part) for part in PARTS} == parts and again.manifest == shipped.manifest
    assert to_json(again.metrics.image) == IMAGE


def test_keys_that_the_shipped_run_has_no_use_for() -> None:
    assert to_json(Check(10, 0.5)) == {"step": 10, "margin": 0.5}
    assert to_json(LossRow(1, regularization=0.5)) == {"step": 1, "encoder": "text", "regularization": 0.5}


def _types(kind: Any, found: set[Any]) -> set[Any]:
    for inner in (*get_args(kind), *field_types(kind).values()):
        if inner not in found:
            found.add(inner)
            _types(inner, found)
    return found


def test_every_type_of_the_results_is_frozen_and_its_fields_are_of_types_that_can_be_read() -> None:
    kinds = {kind for part in PARTS.values() for kind in _types(part, {part}) if is_dataclass(kind)}
    assert {Metrics, LossRow, BystanderRow, Verdict} <= kinds and len(kinds) > 20
    for kind in kinds:
        assert kind.__dataclass_params__.frozen and set(field_types(kind)) == {field.name for field in fields(kind)}


# ---- None, versions, damage --------------------------------------------------------------------------------------


def test_not_measured_stays_apart_from_zero() -> None:
    assert to_json(Counts()) == {"n": 0, "recognised_original": None, "recognised_defended": None}
    assert to_json(Counts(3, 0, 0, 0, 0, 3)) == dict(zip(COUNTS, (3, 0, 0, 0, 3, 0), strict=True))
    assert to_json(LossRow(1, clean=0.0)) == {"step": 1, "encoder": "text", "clean": 0.0}
    assert from_json(Verdict, {}) == Verdict(None, None) != from_json(Verdict, {"correct_templates": 0, "recognised": False})


def _outcome(recognised: bool | None, n_votes: int = 2) -> IdiaOutcome:
    votes = tuple(TemplateVote("{0}", "Ann Lee" if recognised else None, 0.5, bool(recognised)) for _ in range(n_votes))
    return IdiaOutcome("Ann Lee", votes if recognised is not None else (), 4 if recognised is not None else 0, recognised)


@pytest.mark.parametrize(("before", "after", "status"), [
    (True, True, "kept"), (False, False, "never recognised"), (True, False, "wrongly forgotten"), (False, True, "newly recalled"),
    (True, None, "not attacked"), (None, None, "not attacked"),
])  # fmt: skip
def test_before_and_after_of_an_attack(before: bool | None, after: bool | None, status: str) -> None:
    record = AttackRecord.of(_outcome(before), _outcome(after))
    assert (record.original.recognised, record.defended.recognised) == (before, after)
    assert len(record.templates) == (2 if None not in (before, after) else 0), "a missing attack has no votes to compare"
    assert BystanderRow.of(_outcome(before), _outcome(after)).status == status


def test_generic_classes_are_read_with_their_parameters() -> None:
    assert from_json(BeforeAfter[str | None], {"original": None, "defended": "x"}) == BeforeAfter(None, "x")
    with pytest.raises(InputError, match=r"original takes a whole number"):
        from_json(BeforeAfter[int], {"original": "1", "defended": 2})


@dataclass(frozen=True)
class Newer(Metrics):
    """Metrics of a version that measures one thing more: one line."""

    recovery: float | None = None
    crowding: float | None = absent()


def test_a_field_more_is_a_line_and_older_versions_skip_it() -> None:
    newer = to_json(Newer(recovery=0.25))
    assert newer == {**to_json(Metrics()), "recovery": 0.25}
    assert from_json(Newer, newer).recovery == 0.25
    assert from_json(Metrics, newer) == Metrics() and from_json(Newer, to_json(Metrics())).recovery is None
    assert "recovery" in get_type_hints(Newer)


def _old_run(folder: Path) -> Path:
    """A run as the first version wrote it: fewer settings, no encoders in losses.json, no warnings, no image, no fine_tuning."""
    shutil.copytree(SHIPPED, folder, ignore=shutil.ignore_patterns("*.safetensors", "*.png", "dial*", "denoising.json", "seal.json"))
    shutil.rmtree(folder / "portraits")
    contents = {name: json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("config", "metrics", "losses", "predictions")}
    config, metrics = contents["config"], contents["metrics"]
    contents["config"] = {name: config[name] for name in ("persons", "model_set", "neutral_term", "seed", "idia")}
    contents["config"]["text"] = {"n_steps": 400, "of_an_earlier_version": 1}
    for name in ("warnings", "image", "fine_tuning", "hidden"):
        del metrics[name]
    del metrics["seconds"]["fine_tune_image"]
    contents["losses"] = [{name: value for name, value in row.items() if name != "encoder"} for row in contents["losses"][:20]]
    contents["predictions"] = [{**row, "photo": None} for row in contents["predictions"]]
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content), "utf-8")
    (folder / MANIFEST).write_text(json.dumps({"format": 1, "model_set": "embedded", "written_by": "a newer version"}), "utf-8")
    return folder


def test_run_of_the_first_version_opens_on_page_report_and_console(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = read_run("old", _old_run(tmp_path / "old"))
    assert run is not None and run.config.encoder == "text" and run.metrics.image is None and run.portraits == ()
    assert run.metrics.hidden is None and run.metrics.persons[0].idia.defended.correct_templates == 0
    assert "does not any more" in jobs.verdict(run) and "Sim_Clean" in numbers.numbers(run) and "None of the 47" in views.bystanders(run)
    assert "Clara Quarnby" in views.attack(run) and "Clara" in views.probes(run.probes, run) and "not kept" in views.predictions(run)
    assert "no portraits" in portraits(run) and len(plots.curves(run.losses)) == 4
    assert report_html(run.folder).count("<svg") == 1
    print_metrics(run.metrics, run.config)
    assert "Clara Quarnby" in capsys.readouterr().out
    assert set(run_json(run.folder)) == set(PARTS)


@pytest.mark.parametrize(("part", "content", "place"), [
    ("metrics", '{"persons": [{"idia": {}}]}', r"persons\[0\]\.name is missing"),
    ("metrics", '{"persons": [{"name": "Ann Lee", "idia": {"original": {}}}]}', r"persons\[0\]\.idia\.defended is missing"),
    ("metrics", '{"tpr": "0.5"}', "tpr takes a number"), ("metrics", "[1]", "The content is no object"),
    ("metrics", '{"fine_tuning": {"text": {"n_steps_done": true, "stopped": "x"}}}', r"fine_tuning\[...\].n_steps_done takes a whole"),
    ("idia", '{"persons": 3}', "persons is no list"), ("bystanders", '[{"name": 7}]', r"\[0\]\.original is missing"),
    ("losses", '[{"step": 1.5}]', r"\[0\]\.step takes a whole number"), ("probes", "{", "no JSON text"),
    ("predictions", "\ud800", "no JSON"),
    ("predictions", '[{"labels": ["a"], "original": [1], "defended": "x"}]', r"\[0\]\.defended is no list"),
    ("portraits", '[{"file": "x.png", "model": "third", "seed": 0}]', r"\[0\]\.model takes original or defended"),
    ("config", '{"persons": []}', "persons"), ("config", '{"model_type": "clip"}', "persons is missing"),
    ("manifest", '"x"', "The content is no object"), ("config", '{"persons": [{"name": "\\ud800"}]}', "no text"),
])  # fmt: skip
def test_damaged_or_foreign_file_gives_one_sentence_without_folder_and_names(
    tmp_path: Path, part: str, content: str, place: str
) -> None:
    write_run(tmp_path, ForgetConfig((Person("Ann Lee"),)), [{"step": 1, "clean": -0.9}])
    (tmp_path / FILES[part]).write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError, match=place) as caught:
        finished_run(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{FILES[part]} of the run is damaged (") and message.endswith("); run it again.")
    assert str(tmp_path) not in message and "Ann" not in message
    if part != "manifest":
        with pytest.raises(InputError, match=place):
            report_html(tmp_path)


def test_folder_without_a_run_is_told_so(tmp_path: Path) -> None:
    assert read_run("x", tmp_path) is None
    with pytest.raises(InputError, match="no finished run"):
        finished_run(tmp_path)
    with pytest.raises(InputError, match=r"holds no run \(no config.json\)"):
        read_results(tmp_path)


def test_run_is_read_again_when_its_manifest_is_written_again(tmp_path: Path) -> None:
    write_run(tmp_path, ForgetConfig((Person("Ann Lee"),)), [])
    first = finished_run(tmp_path)
    assert finished_run(tmp_path) is first
    write_results(tmp_path, metrics=Metrics(), manifest=first.manifest)
    assert finished_run(tmp_path).metrics == Metrics()
