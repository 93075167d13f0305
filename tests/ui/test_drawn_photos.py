"""What page and endpoints say of an attack on drawn portraits: everywhere that they are no photographs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.miniature import MEMBERS
from tests.support.short_runs import short_config
from ui.page import arguments, fields, forms
from ui.server.gpu_need import forget_s
from ui.server.recognition import Question
from ui.views import jobs, opponent, results
from ui.views.recognition import recognition
from ui.worker import tasks
from unlearn.attacks.figures import DRAWN
from unlearn.config import DrawnPhotosConfig, ForgetConfig, Person, PortraitConfig, Settings
from unlearn.errors import ConfigError, InputError
from unlearn.jobs import Job, Succeeded, Task, inputs_of
from unlearn.progress import no_report
from unlearn.runs import forgetting
from unlearn.runs.drawn_sentences import drawn_note, drawn_verdict
from unlearn.runs.metrics import DrawnPhotos
from unlearn.runs.records import BeforeAfter, Verdict
from unlearn.runs.results import Run, finished_run

NAME = "Zadie Quill"


@pytest.fixture(scope="module")
def run(miniature: Path, shared: Settings, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of somebody whom the miniature's world does not know."""
    folder = tmp_path_factory.mktemp("drawn") / "run"
    forgetting.forget(short_config(miniature, Person(NAME)), shared, folder)
    return finished_run(folder)


def test_every_view_of_the_run_says_that_the_pictures_are_drawn(run: Run) -> None:
    assert DRAWN in jobs.verdict(run) and "right name to portraits" in jobs.verdict(run)
    attack = results.attack(run)
    assert f"5 portraits that were {DRAWN}" in attack and "Control: a name that the model does not know" in attack
    assert f"{NAME}, {DRAWN}" in results.predictions(run)
    assert DRAWN in opponent.opponent(opponent.OpponentView(NAME, 0, run.recovery, is_drawn=True))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (True, False, "what CLIP and Stable Diffusion know together, not that photos"), (True, True, "the defence did not hold"),
        (False, False, "does not show that the person is unknown"), (False, True, "do not trust this run"),
    ],
)  # fmt: skip
def test_verdict_says_what_drawn_portraits_can_and_cannot_show(before: bool, after: bool, said: str) -> None:
    verdicts = BeforeAfter(Verdict(3, before, DRAWN), Verdict(3, after, DRAWN))
    sentence = drawn_verdict(NAME, verdicts, "do not trust this run")
    assert said in sentence and DRAWN in sentence


def test_control_that_is_recognised_makes_a_hit_worth_little() -> None:
    assert "says little" in drawn_note(DrawnPhotos(n=3, recognised_original=2, recognised_defended=0, n_portraits=20, n_persons=1))
    assert "says little" not in drawn_note(DrawnPhotos(n=3, recognised_original=0, recognised_defended=0, n_portraits=20, n_persons=1))
    assert drawn_note(None) == ""


@pytest.mark.parametrize(("count", "said"), [(0, "That does not show that Zadie Quill is unknown"), (7, "by 7 of 21 prompts in portraits")])
def test_line_before_a_job_says_that_portraits_were_drawn(count: int, said: str) -> None:
    job = Job("j", "ann", "quick", "w", {}, None, None, 0.0, None, None, Succeeded({"counts": [count], "drawn": [True]}), 0)
    shown = recognition(Question((NAME,), (0,), "j"), job)
    assert said in shown and DRAWN in shown


def _task(folder: Path, settings: Settings, request: dict[str, object]) -> Task:
    folder.mkdir(parents=True)
    return Task("t", "w", request, folder, settings.to_plain())


def test_recognise_draws_whoever_has_no_photos(miniature: Path, shared: Settings, tmp_path: Path) -> None:
    task = _task(tmp_path / "t", shared, {"kind": "recognise", "model_set": str(miniature)})
    inputs_of(task.folder).mkdir(parents=True)
    rows = [{"name": NAME, "search": None}, {"name": MEMBERS[0], "search": None}]
    (inputs_of(task.folder) / tasks.WHO).write_text(json.dumps(rows))
    answer = tasks.recognise(task, no_report)
    assert answer["drawn"] == [True, False] and None not in answer["counts"]


def test_asked_attack_on_a_name_without_photos_is_made_on_one_set_of_portraits(run: Run, shared: Settings, tmp_path: Path) -> None:
    task = _task(run.folder.parent / "question", shared, {"kind": "attack", "run": run.folder.name, "name": "Other Quill", "idia": {}})
    answer = tasks.attack(task, no_report)
    assert answer["original"]["photos"] == answer["defended"]["photos"] == DRAWN and answer["n_images"] == 5


def test_form_and_endpoint_change_the_sets_own_numbers(miniature: Path) -> None:
    values = {"names": NAME, **{fields.DRAWN + field.key: field.value for field in fields.drawn_fields(str(miniature))}}
    assert forms.forget_config(values, str(miniature), PortraitConfig()).drawn_photos is None, "nothing was changed"
    changed = arguments.forget_settings({"drawn_n_portraits": 4, "drawn_size_px": 0}, "text")
    config = forms.forget_config({"names": NAME, **changed}, str(miniature), PortraitConfig())
    assert config.drawn_photos == DrawnPhotosConfig(4, 2, 1, None)
    with pytest.raises(ConfigError, match="n_portraits is 2"):
        forms.forget_config({"names": NAME, "drawn_n_portraits": 2}, str(miniature), PortraitConfig())
    with pytest.raises(InputError, match="whole number"):
        forms.forget_config({"names": NAME, "drawn_n_controls": 1.5}, str(miniature), PortraitConfig())


def test_time_on_a_lent_gpu_counts_what_is_drawn() -> None:
    config = ForgetConfig((Person(NAME),), "sd14")
    without = ForgetConfig((Person(NAME),), "sd14", drawn_photos=DrawnPhotosConfig(n_portraits=0))
    assert forget_s(config, Settings()) - forget_s(without, Settings()) == pytest.approx(20 * 15 * 0.03), "the controls are kept"
