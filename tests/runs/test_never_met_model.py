"""The third column of a run: there for whom the second CLIP never met, on every page; nowhere for anybody else."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.support.miniature import MEMBERS, STRANGERS, with_never_met
from tests.support.short_runs import IDIA, short_config
from ui.views import jobs, numbers, portraits
from ui.views import opponent as opponent_views
from ui.views import results as views
from ui.views.opponent import OpponentView
from unlearn.attacks.recovery import opponent
from unlearn.cli.console import print_metrics
from unlearn.config import Person, Settings
from unlearn.errors import ModelLoadError
from unlearn.models.never_met import NeverMetModel
from unlearn.models.suite import drop_suite, suite_of
from unlearn.models.worlds import World
from unlearn.runs import forgetting, questions, recovery
from unlearn.runs.json_types import from_json, to_json
from unlearn.runs.never_met_questions import attack_by_never_met
from unlearn.runs.records import Probe, Verdict
from unlearn.runs.recovery import RecoveryRequest
from unlearn.runs.report import report_html
from unlearn.runs.results import Run, finished_run, write_results

LEFT_OUT = MEMBERS[:2]
N_TEMPLATES = 21


@pytest.fixture(scope="module")
def two_clips(miniature: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("two-clips") / "set"
    shutil.copytree(miniature, root)
    return with_never_met(root, LEFT_OUT)


@pytest.fixture(scope="module")
def run(two_clips: Path, shared: Settings, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of one whom the second CLIP never met, under an alias of no meaning, and of one whom it met."""
    out = tmp_path_factory.mktemp("three") / "run"
    forgetting.forget(short_config(two_clips, Person(MEMBERS[0]), Person(MEMBERS[2])), shared, out)
    return finished_run(out)


def test_person_left_out_has_a_third_column_and_nobody_else(run: Run) -> None:
    left_out, met = run.idia.persons
    assert left_out.never_met is not None and left_out.never_met.correct_templates is not None
    votes = [row.never_met for row in left_out.templates]
    assert len(votes) == N_TEMPLATES and sum(vote is not None and vote.correct for vote in votes) == left_out.never_met.correct_templates
    assert met.never_met is None and all(row.never_met is None for row in met.templates)
    shares = {row.name: row.never_met for row in run.predictions}
    third = shares[MEMBERS[0]]
    assert third is not None and sum(third) == pytest.approx(1, abs=1e-4) and shares[MEMBERS[2]] is None
    assert third != run.predictions[0].original
    assert all(record.never_met is not None for record in run.idia.controls), "the control has it, too"


def test_probes_have_the_third_column_for_the_same_person(run: Run) -> None:
    third = {(row.person_index, row.kind): row.never_met for row in run.probes}
    own = third[0, "name"]
    assert own is not None and own.correct_templates == run.idia.persons[0].never_met.correct_templates  # type: ignore[union-attr]
    assert own.nearest is None and own.to_neutral is not None
    assert all((side is None) == (index == 1) for (index, _), side in third.items())


def test_bystanders_have_the_third_column(run: Run) -> None:
    attacked = [row for row in run.bystanders if row.is_attacked]
    assert attacked and all(row.never_met is not None and row.never_met.correct_templates is not None for row in attacked)
    counts = run.metrics.bystanders
    assert counts.recognised_never_met == sum(bool(row.never_met and row.never_met.recognised) for row in attacked)
    assert counts.also_never_met == 1 and run.metrics.control.also_never_met == 0, "the other one who was left out is a bystander here"


def test_questions_on_a_run_are_answered_by_the_second_clip_too(run: Run, two_clips: Path, shared: Settings) -> None:
    outcome = attack_by_never_met(shared, str(two_clips), Person(MEMBERS[0]), IDIA)
    assert outcome is not None and Verdict.of(outcome) == run.idia.persons[0].never_met
    assert attack_by_never_met(shared, str(two_clips), Person(MEMBERS[2]), IDIA) is None
    photo, labels = World(two_clips).photos(World(two_clips).members[0])[0], run.predictions[0].labels
    row = questions.predict(shared, run.folder, photo, labels, MEMBERS[0])
    assert row["never_met"] == pytest.approx(run.predictions[0].never_met, abs=1e-5)
    probed = {row.text: row.never_met for row in run.probes if row.person_index == 0}
    texts = list(probed)[:2]
    answers = [from_json(Probe, row).never_met for row in questions.probe(shared, run.folder, texts)]
    assert [side and side.correct_templates for side in answers] == [side and side.correct_templates for side in map(probed.get, texts)]
    assert not any("never_met" in row for row in questions.probe(shared, run.folder, texts, 1))
    assert not any("never_met" in questions.predict(shared, run.folder, photo, labels, person) for person in (None, MEMBERS[2]))


def test_figures_of_the_three_models_stand_in_the_metrics(run: Run) -> None:
    assert run.metrics.warnings == ()
    models, nothing = (person.never_met_model for person in run.metrics.persons)
    assert models is not None and nothing is None
    assert models.n_names == IDIA.n_candidate_names and models.correct_templates == run.idia.persons[0].never_met.correct_templates  # type: ignore[union-attr]
    for side in (models.original, models.defended, models.never_met):
        assert 1 <= side.best_rank <= side.rank <= models.n_names
    agreed = models.agreement
    assert agreed is not None and models.n_faces > 0 and agreed.unknown_original_never_met is not None
    assert all(-1 <= value <= 1 for value in vars(agreed).values())
    content = json.loads((run.folder / "metrics.json").read_text("utf-8"))
    assert "never_met_model" not in content["persons"][1] and content["persons"][0]["never_met_model"] == to_json(models)


def test_third_column_is_on_every_page_and_in_report_and_console(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    pages = {
        "attack": views.attack(run), "predictions": views.predictions(run), "numbers": numbers.numbers(run),
        "report": report_html(run.folder), "probes": views.probes(run.probes, run), "bystanders": views.bystanders(run),
    }  # fmt: skip
    for page in pages.values():
        assert ">Never met<" in page or ">never met<" in page
    sentence = f"A model trained by the same recipe without {MEMBERS[0]} gives the right name in"
    assert sentence in jobs.verdict(run) and sentence in pages["attack"] and sentence in pages["report"]
    for shown in (pages["report"], portraits.portraits(run)):
        assert "no portrait by the model that never met the person" in shown
    assert f"Beside a model that never met {MEMBERS[0]}" in numbers.evidence(run)
    assert not any(f"never met {MEMBERS[2]}" in page or f"without {MEMBERS[2]}" in page for page in pages.values())
    print_metrics(run.metrics, run.config)
    assert "never met" in capsys.readouterr().out.splitlines()[0]


def test_run_of_others_neither_loads_the_second_clip_nor_mentions_it(
    two_clips: Path, shared: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(NeverMetModel, "load", None)  # would fail if it were called
    drop_suite()
    forgetting.forget(short_config(two_clips, Person(MEMBERS[3])), shared, tmp_path / "run")
    run = finished_run(tmp_path / "run")
    assert run.metrics.warnings == () and run.metrics.persons[0].never_met_model is None
    assert not any("never_met_model" in path.read_text("utf-8") for path in run.folder.glob("*.json"))
    for page in (views.attack(run), views.predictions(run), numbers.numbers(run), report_html(run.folder), portraits.portraits(run)):
        assert not any(words in page for words in (">Never met</span>", ">Never met</th>", ">never met</th>", "never met the person"))
    print_metrics(run.metrics, run.config)
    assert capsys.readouterr().out.splitlines()[0].split() == ["person", "original", "defended"]


def test_second_clip_with_the_originals_weights_sees_what_the_original_sees(two_clips: Path, shared: Settings, tmp_path: Path) -> None:
    root = tmp_path / "set"
    shutil.copytree(two_clips, root)
    shutil.copy(root / "clip" / "open_clip_model.safetensors", root / "never-met")
    forgetting.forget(short_config(root, Person(MEMBERS[1])), shared, tmp_path / "run")
    run = finished_run(tmp_path / "run")
    models, record = run.metrics.persons[0].never_met_model, run.idia.persons[0]
    assert models is not None and models.agreement is not None
    assert models.original == models.never_met and record.never_met == record.original
    assert models.agreement.original_never_met == pytest.approx(1) == models.agreement.unknown_original_never_met
    assert run.predictions[0].never_met == pytest.approx(run.predictions[0].original, abs=1e-5)
    assert all(row.never_met == row.original for row in run.bystanders) and run.bystanders


def test_opponents_tries_are_made_on_the_second_clip_too(
    two_clips: Path, run: Run, shared: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opponent, "budget_s", lambda kind, budget: 1e6)  # a slow machine must not reach a limit
    monkeypatch.setattr(recovery, "TOTAL_S", {"quick": 1e6, "full": 1e6})
    root, folder = tmp_path / "set", tmp_path / "run"
    shutil.copytree(two_clips, root)
    shutil.copytree(run.folder, folder)
    shutil.copy(root / "clip" / "open_clip_model.safetensors", root / "never-met")
    write_results(folder, config=replace(run.config, model_set=str(root)))
    found = recovery.recover(shared, folder, RecoveryRequest(("surface-forms", "languages", "reversal")))
    by_name = {result.attack: result for result in found.attacks}
    for result in (by_name["surface-forms"], by_name["languages"]):
        assert result.never_met == replace(result.original, rank=None) and result.found_never_met == result.found_original
        assert all(one.never_met == one.original and one.found_never_met == one.found_original for one in result.tries)
    assert by_name["reversal"].never_met is None, "weights that are put back are no try on another model"
    typed = recovery.try_text(shared, folder, "Captain Storm")
    assert typed.never_met == typed.original and typed.found_never_met == typed.found_original
    shown = opponent_views.opponent(OpponentView(MEMBERS[0], 0, finished_run(folder).recovery))
    assert ">Never met</th>" in shown and f"On a model that never met {MEMBERS[0]}" in shown
    met = recovery.recover(shared, folder, RecoveryRequest(("languages",), person_index=1))
    assert all(result.never_met is None for result in met.attacks if result.person_index == 1)


@pytest.mark.parametrize("names", [[STRANGERS[0]], ["Nobody Known"], "Ada Brook", None])
def test_list_of_those_left_out_that_names_no_members_is_refused(two_clips: Path, shared: Settings, tmp_path: Path, names: object) -> None:
    root = tmp_path / "set"
    shutil.copytree(two_clips, root)
    (root / "never-met" / "left-out.json").write_text(json.dumps({"left_out": names}), "utf-8")
    with pytest.raises(ModelLoadError, match=r"left-out\.json") as refused:
        suite_of(str(root), shared).never_met([MEMBERS[0]])
    assert "Brook" not in str(refused.value) and "Known" not in str(refused.value)


def test_weights_of_another_architecture_are_refused(two_clips: Path, shared: Settings, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    root = tmp_path / "set"
    shutil.copytree(two_clips, root)
    file = root / "never-met" / "open_clip_model.safetensors"
    state = load_file(file)
    save_file({**state, "text_projection": torch.zeros(32, 16)}, file)
    with pytest.raises(ModelLoadError):
        suite_of(str(root), shared).never_met([MEMBERS[0]])
    file.unlink()
    with pytest.raises(ModelLoadError, match="does not exist"):
        suite_of(str(root), shared).never_met([MEMBERS[0]])


def test_set_without_a_second_clip_has_none(miniature: Path, shared: Settings) -> None:
    assert suite_of(str(miniature), shared).never_met(MEMBERS) is None
