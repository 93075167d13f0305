"""The page's jobs with real (tiny, random) models: every request reaches the core and its result is what views read."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.miniature import MEMBERS, build_miniature
from tests.support.ui_fixture import EXAMPLES
from ui.server.photos import ASKED, WHO
from ui.views import dial, jobs, numbers, plots, portraits, results, sleeve
from ui.worker import tasks
from unlearn.attacks.figures import DRAWN
from unlearn.config import ForgetConfig, IdiaConfig, ImageFineTuneConfig, Person, PortraitConfig, Settings, TextFineTuneConfig
from unlearn.config.persons import SOMEBODY
from unlearn.errors import InputError
from unlearn.jobs import Job, Succeeded, Task
from unlearn.progress import Progress, no_report
from unlearn.runs.json_types import from_json
from unlearn.runs.records import Probe
from unlearn.runs.results import Run, read_run
from unlearn.runs.stamps import read_stamp

PORTRAITS = PortraitConfig(seeds=(0,), n_steps=2, guidance_scale=3.0, prompt_template="a portrait of {0}")
IDIA = IdiaConfig(n_candidate_names=20, n_images=3)


@pytest.fixture(scope="module")
def model_set(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(build_miniature(tmp_path_factory.mktemp("set")))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of runs; the environment says what no job could use, and is not asked."""
    folder = tmp_path_factory.mktemp("data") / "runs"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNLEARN_DATA_DIR", "~nobody/data")
        patch.setenv("UNLEARN_DEVICE", "no device")
        yield folder


@pytest.fixture(scope="module")
def notes() -> list[Progress]:
    return []


@pytest.fixture(scope="module")
def run(model_set: str, runs: Path, notes: list[Progress]) -> Run:
    text = TextFineTuneConfig(n_steps=3, batch_size=4, lr_milestones=(), n_captions=200)
    config = ForgetConfig((Person(MEMBERS[0]),), model_set, text=text, idia=IDIA, portraits=PORTRAITS)
    assert tasks.forget(task(runs, "job", {"config": json.loads(config.to_json())}), notes.append) == {}
    found = read_run("job", runs / "job")
    assert found is not None
    return found


def task(runs: Path, name: str, request: dict[str, Any]) -> Task:
    settings = Settings(data_dir=runs.parent, device="cpu")
    return Task(name, f"ui.worker.tasks:{name}", request, runs / name, settings.to_plain())


def ask(runs: Path, name: str, request: dict[str, Any]) -> dict[str, Any]:
    (runs / name).mkdir(exist_ok=True)
    answer = getattr(tasks, name)(task(runs, name, {"run": "job", **request}), no_report)
    return dict(json.loads(json.dumps(answer)))  # what a worker sends is stored as JSON


def test_forget_reports_steps_with_losses_and_fills_every_view(run: Run, notes: list[Progress]) -> None:
    assert [p.losses["step"] for p in notes if p.losses] == [1, 2, 3]
    assert notes[-1].step == notes[-1].total
    assert run.has_weights and run.names == [MEMBERS[0]]
    pages = [jobs.verdict(run), numbers.numbers(run), jobs.take_home(run, True, None), portraits.portraits(run),
             results.predictions(run), results.attack(run), results.bystanders(run),
             results.probes(run.probes, run)]  # fmt: skip
    assert all(MEMBERS[0] in page for page in (pages[2], pages[4], pages[5], pages[7]))
    assert pages[3].count("<figure class=\"shot") == 4, "the 2 x 2 of one seed"
    assert "report.html" in pages[2]


def test_portraits_are_drawn_by_both_models_into_the_own_folder(run: Run, runs: Path) -> None:
    asked = {"prompt_template": "a drawing of {0}", "seeds": [4], "n_steps": 2, "guidance_scale": 2.0, "texts": []}
    rows = ask(runs, "portraits", asked)["rows"]
    assert [row["model"] for row in rows] == ["original", "defended"] * 2
    assert {row["text"] for row in rows} == {f"a drawing of {MEMBERS[0]}", f"a drawing of {SOMEBODY}"}
    assert str(run.config.persons[0].stand_in) not in json.dumps(rows), "answers are kept outside the run's folder"
    assert all((runs / "portraits" / row["file"]).is_file() for row in rows)
    controls = [(runs / "portraits" / row["file"]).read_bytes() for row in rows if SOMEBODY in row["text"]]
    again = ask(runs, "portraits", {**asked, "texts": [f"a drawing of {run.config.persons[0].stand_in}"]})["rows"]
    assert controls == [(runs / "portraits" / row["file"]).read_bytes() for row in again], "the stand-in was drawn"


def test_seed_of_the_audience_draws_one_portrait_by_each_model_and_both_say_where_they_come_from(run: Run, runs: Path) -> None:
    rows = ask(runs, "audience", {"seed": 4711, "person": 0})["rows"]
    assert [(row["model"], row["seed"], row["text"]) for row in rows] == [("original", 4711, ""), ("defended", 4711, "")]
    stamps = [read_stamp(runs / "audience" / row["file"]) for row in rows]
    assert all(stamp is not None and stamp.seed == 4711 for stamp in stamps)
    digest = run.seal.weights["defended/open_clip_text.safetensors"]
    assert [(stamp.model, stamp.sha256) for stamp in stamps if stamp] == [("original", digest), ("defended", digest)]
    with pytest.raises(InputError, match="numbered from 0"):
        ask(runs, "audience", {"seed": 1, "person": 1})


def test_check_of_a_run_reaches_the_page(run: Run, runs: Path) -> None:
    told = ask(runs, "verify", {"seed": None, "person": 0})
    assert told["is_verified"] and len(told["pictures"]) == 2
    html = sleeve.verified(Job("id", "ann", "quick", "x:y", {"kind": "verify"}, "job", None, 0.0, 0.0, 1.0, Succeeded(told), 1))
    assert "Verified" in html and "defended/open_clip_text.safetensors" in html
    assert dial.dial(run).count("<img") == 5 and "data-play" in dial.denoising(run)


def test_recognise_asks_the_original_with_photos_at_hand_and_removes_the_names(run: Run, model_set: str, runs: Path) -> None:
    example = sorted(EXAMPLES.iterdir())[0]
    assert ask(runs, "faces", {"example": str(example), "crops": True, "model_set": model_set})["ready"]
    rows = [{"name": name, "search": None} for name in ("Nobody Here", MEMBERS[0])]
    rows += [{"name": "Quendolina Marbrecht", "search": "faces"}]
    given = runs.parent / "inputs" / "recognise"
    given.mkdir(parents=True)
    (given / WHO).write_text(json.dumps(rows))
    answer = ask(runs, "recognise", {"model_set": model_set})
    assert answer["drawn"] == [True, False, False], "there are no photos of the first person"
    assert all(0 <= count <= 21 for count in answer["counts"]) and not (given / WHO).exists()
    with pytest.raises(InputError, match="type the name again"):
        ask(runs, "recognise", {"model_set": model_set})


def test_predict_and_probe_answer_for_both_models(run: Run, model_set: str, runs: Path) -> None:
    shots = tasks.photos(model_set, MEMBERS[0])
    assert shots is not None
    given = runs.parent / "inputs" / "predict"
    give_photos(given, 1)
    (photo,) = given.iterdir()
    shots[0].save(photo.rename(given / ASKED))
    labels = {"labels": ["a car", "a tree"]}
    own = ask(runs, "predict", {"own_photos": True, **labels})
    assert not given.exists(), "the photo is not kept"
    told = ask(runs, "predict", {"person": MEMBERS[0], "shot": 0, "model_set": model_set, **labels})
    assert own == told and sum(told["original"]) == pytest.approx(1.0) and sum(told["defended"]) == pytest.approx(1.0)
    with pytest.raises(InputError, match="not here any more"):
        ask(runs, "predict", {"own_photos": True, **labels})
    with pytest.raises(InputError, match="no picture of this person"):
        ask(runs, "predict", {"person": "Nobody Here", "shot": 0, "model_set": model_set, **labels})
    rows = ask(runs, "probe", {"texts": ["somebody", "a tree"]})["rows"]
    assert [row["text"] for row in rows] == ["somebody", "a tree"]
    assert "somebody" in results.probes(from_json(tuple[Probe, ...], rows), run)


def test_attack_on_anybody_of_the_set_and_on_nobody(run: Run, runs: Path) -> None:
    told = ask(runs, "attack", {"name": MEMBERS[1], "idia": vars(IDIA)})
    assert len(told["templates"]) == 21 and isinstance(told["original"]["recognised"], bool)
    drawn = ask(runs, "attack", {"name": "Nobody Here", "idia": vars(IDIA)})
    assert drawn["original"]["photos"] == DRAWN and "photos" not in told["original"]
    with pytest.raises(InputError, match="no photos of this person, or too few"):
        ask(runs, "attack", {"name": MEMBERS[1], "idia": {**vars(IDIA), "n_images": 30}})


def test_forget_a_face_from_uploaded_photos_and_attack_with_ones_own(
    model_set: str, runs: Path, notes: list[Progress]
) -> None:
    image = ImageFineTuneConfig(n_steps=2, batch_size=2, lr_milestones=())
    config = ForgetConfig((Person(MEMBERS[0]),), model_set, encoder="image", image=image, idia=IDIA, portraits=PORTRAITS)
    given = runs.parent / "inputs" / "face"
    give_photos(given / "p00", 12)
    rows = [{"name": MEMBERS[0], "folder": "p00", "crops": True}]
    told: list[Progress] = []
    tasks.forget(task(runs, "face", {"config": json.loads(config.to_json()), "faces": rows}), told.append)
    found = read_run("face", runs / "face")
    assert found is not None and found.has_weights and found.metrics.image is not None and found.metrics.image.sim_clean is not None
    assert [(p.encoder, p.losses["step"], "backdoor" in p.losses) for p in told if p.losses] == [("image", 1, True), ("image", 2, True)]
    assert {path.name for path in given.iterdir()} == {"p00-set"}, "raw photos are gone once their faces are found"
    assert len(plots.curves(found.losses)) == 3 and "does not use it" in portraits.portraits(found)
    assert "image encoder" in numbers.numbers(found)

    (runs / "own").mkdir()
    give_photos(runs.parent / "inputs" / "own", 4)
    request = {"run": "face", "name": "Nobody Here", "idia": vars(IDIA), "own_photos": True}
    answer = tasks.attack(task(runs, "own", request), no_report)
    assert answer["n_images"] in (3, 4) and answer["own_photos"]
    assert not (runs.parent / "inputs" / "own").exists() and list((runs / "own").iterdir()) == []


def give_photos(folder: Path, n: int) -> None:
    folder.mkdir(parents=True)
    for number, path in enumerate(sorted(sorted(EXAMPLES.iterdir())[0].glob("fine-tuning-*"))[:n]):
        shutil.copy(path, folder / f"{number:03d}.upload")


def test_examples_are_people_of_the_set(model_set: str) -> None:
    shipped = tasks.examples("embedded")
    assert len(shipped) == 5 and sum(row["member"] for row in shipped) == 4
    assert tasks.examples(model_set) == []


def test_question_to_a_deleted_run_says_so(runs: Path) -> None:
    with pytest.raises(InputError, match="not there any more"):
        tasks.probe(task(runs, "probe", {"run": "gone", "texts": ["x"]}), no_report)


def test_page_side_of_the_tasks_does_not_import_torch(model_set: str) -> None:
    code = (
        "import sys; from ui.worker import tasks; name = sys.argv[1]\n"
        "info, people = tasks.set_info(name), tasks.people(name)\n"
        "assert info.invented and people[0]['member'] and not people[-1]['member'], people\n"
        "assert tasks.photos(name, people[0]['name']) and tasks.things(name)['kinds']\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, model_set], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
