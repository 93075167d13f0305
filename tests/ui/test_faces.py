"""The face step without browser and without models: searches, picks, hand-over to a job, deletion, and how it looks."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.ui_fixture import EXAMPLES
from tests.ui.test_views import NASTY, Tags, text_of
from ui.page import fields, forms
from ui.server import photo_sets
from ui.server.options import Options
from ui.server.photo_sets import PhotoSet
from ui.server.service import Service
from ui.views import answers, jobs, plots, portraits, results
from ui.views import numbers as views_numbers
from ui.views import photo_sets as views_faces
from unlearn.config import ForgetConfig, ImageFineTuneConfig, Person, PortraitConfig, Settings
from unlearn.errors import InputError
from unlearn.jobs import Job, Succeeded
from unlearn.models.sets import find_model_set
from unlearn.runs.results import read_run

NAME = "Tilda Brackwater"
CROPS = {"crops": True, "picks": {}}


def photo_files(folder: Path, n: int) -> list[Path]:
    """Pictures of one drawn person, all different, under names that are nobody's business."""
    folder.mkdir(parents=True, exist_ok=True)
    example = sorted(EXAMPLES.iterdir())[0]
    for shot, path in enumerate(sorted(example.glob("fine-tuning-*"))[:n]):
        shutil.copy(path, folder / f"Aunt Mabel {shot}.webp")
    return sorted(folder.iterdir())


def search(service: Service, paths: list[Path], owner: str = "ann", **request: Any) -> Job:
    with photo_sets.given(service) as inputs:
        photo_sets.take(paths, inputs)
        job = photo_sets.search(service, NAME, owner, {**CROPS, **request}, inputs)
    return service.jobs.wait(job.id, 60.0)


def forget(service: Service, encoder: Any = "image", key: str = "", owner: str = "ann") -> Job:
    return photo_sets.forget(service, ForgetConfig((Person(NAME),), encoder=encoder), owner, key)


def test_search_takes_files_and_zips_and_splits_once(service: Service, tmp_path: Path) -> None:
    paths = photo_files(tmp_path / "photos", 12)
    packed = tmp_path / "rest.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in paths[8:]:
            archive.write(path, path.name)
    job = search(service, [*paths[:8], packed])
    (found,) = photo_sets.photo_sets(service, "ann", "")
    assert found.ready and found.found["n_usable"] == 12 and isinstance(job.state, Succeeded)
    parts = [set(found.found[part]) for part in ("fine_tuning", "evaluation")]
    assert not parts[0] & parts[1] and len(parts[0] | parts[1]) == 12
    assert not [path for path in paths[:8] if path.exists()], "moved, not copied"
    names = [path.name for path in service.settings.data_dir.rglob("*")]
    assert not [name for name in names if "Mabel" in name]


def test_too_few_photos_are_told_and_cannot_start_a_job(service: Service, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="photos are needed"):
        forget(service)
    search(service, photo_files(tmp_path / "photos", 4))
    with pytest.raises(InputError, match=r"Too few photos of this person can be used \(4\)"):
        forget(service)
    assert isinstance(service.jobs.wait(forget(service, "text").id, 60.0).state, Succeeded), "the name needs none"


def test_photos_become_part_of_the_job_and_are_deleted_with_it(service: Service, tmp_path: Path) -> None:
    search(service, photo_files(tmp_path / "photos", 12))
    job = forget(service, "both")
    assert isinstance(service.jobs.wait(job.id, 60.0).state, Succeeded)
    assert photo_sets.photo_sets(service, "ann", "") == []
    (used,) = photo_sets.photo_sets(service, "ann", job.id)
    assert used.job.parent == job.id
    assert photo_sets.photo_sets(service, "bob", job.id) == [], "a guest with the link sees no photos"
    service.jobs.delete(job.id)
    left = [path for path in service.settings.data_dir.rglob("*") if path.is_file()]
    assert {path.name for path in left} <= {"jobs.sqlite", "jobs.sqlite-wal", "jobs.sqlite-shm", "jobs.lock", "server-key"}


def test_photos_expire_like_everything_else(tmp_path: Path) -> None:
    from unlearn.jobs import JobLimits

    limits = JobLimits(retention_s=0.0)
    made = Service(Settings(data_dir=tmp_path / "data"), Options(backend="tests.support.ui_fixture", limits=limits))
    made.start()
    try:
        search(made, photo_files(tmp_path / "photos", 11))
        made.jobs.expire()
        assert [path for path in (tmp_path / "data").rglob("*") if path.suffix in (".png", ".webp", ".upload")] == []
    finally:
        made.stop()


def test_new_search_of_the_same_name_replaces_the_last_and_a_refused_one_leaves_nothing(
    service: Service, tmp_path: Path
) -> None:
    search(service, photo_files(tmp_path / "one", 11))
    search(service, photo_files(tmp_path / "two", 12))
    (found,) = photo_sets.photo_sets(service, "ann", "")
    assert found.found["n_usable"] == 12
    before = set(service.jobs.inputs_dir.iterdir())
    with pytest.raises(InputError, match="empty"), photo_sets.given(service) as inputs:
        photo_sets.take(photo_files(tmp_path / "three", 2), inputs)
        photo_sets.search(service, " ", "ann", CROPS, inputs)
    assert set(service.jobs.inputs_dir.iterdir()) == before


def test_example_set_is_searched_by_its_name_only(service: Service) -> None:
    folder = Path(service.examples[0]["folder"]).name
    assert photo_sets.search_example(service, folder, "ann") == NAME
    (found,) = photo_sets.photo_sets(service, "ann", "")
    service.jobs.wait(found.job.id, 60.0)
    (found,) = photo_sets.photo_sets(service, "ann", "")
    assert len(found.found["fine_tuning"]) == 30 and len(found.found["evaluation"]) == 20
    with pytest.raises(InputError, match="no such example"):
        photo_sets.search_example(service, "../../etc", "ann")


def test_pick_belongs_to_the_owner_and_searches_again(service: Service, tmp_path: Path) -> None:
    job = search(service, photo_files(tmp_path / "photos", 11))
    for value, owner in (("1:1", "bob"), ("x:1", "ann"), ("1", "ann")):
        with pytest.raises(InputError, match="cannot be picked"):
            photo_sets.pick(service, job.id, value, owner)
    again = service.jobs.wait(photo_sets.pick(service, job.id, "2:1", "ann").id, 60.0)
    assert again.request["picks"] == {"2": 1} and isinstance(again.state, Succeeded)
    assert [one.job.id for one in photo_sets.photo_sets(service, "ann", "")] == [again.id]


# ---- forms -------------------------------------------------------------------------------------------------------


def form(**values: Any) -> ForgetConfig:
    portraits = PortraitConfig(prompt_template="a portrait of {0}")
    return forms.forget_config({"names": NAME, **values}, "embedded", portraits)


def test_encoder_is_chosen_by_label_or_name() -> None:
    assert [form(encoder=label).encoder for label in fields.ENCODERS] == ["text", "image", "both"]
    assert form(encoder="both").encoder == "both" and form().encoder == "text"


def test_own_schedule_takes_the_image_encoders_fields() -> None:
    own = {"schedule": "My own", "encoder": "image", "image_n_steps": 40, "image_bystander_share": 0.3, "image_batch_size": 16}
    image = form(**own).image
    assert image is not None and (image.n_steps, image.batch_size, image.bystander_share) == (40, 16, 0.3)
    of_set = find_model_set("embedded").image
    moved = tuple(step * 40 // of_set.n_steps for step in of_set.lr_milestones)
    assert image.lr_milestones == moved and image.color_jitter == of_set.color_jitter, "the set's, moved along with the steps"
    assert form(schedule="As in the paper", encoder="both").image == ImageFineTuneConfig.paper()
    assert form(encoder="both").image is None, "the model set's"
    with pytest.raises(InputError, match="whole number"):
        form(**{**own, "image_n_steps": 1.5})


# ---- views -------------------------------------------------------------------------------------------------------


def photo(number: int, status: str = "usable", **changes: Any) -> dict[str, Any]:
    row = {"number": number, "status": status, "message": "One face.", "n_faces": 0, "part": None, "looks_different": False}
    return {**row, **changes}


def photo_set(folder: Path = Path("x"), **changes: Any) -> PhotoSet:
    rows = [
        photo(1, part="fine_tuning"), photo(2, part="evaluation", looks_different=True), photo(3, "no face", message=NASTY),
        photo(4, "several faces", n_faces=2, message="2 faces."), photo(5, "duplicate"),
    ]  # fmt: skip
    found = {"ready": True, "n_usable": 2, "photos": rows, "finder": "LBP cascade", "split_note": NASTY, "warnings": [NASTY]}
    values: dict[str, Any] = {
        "id": "the-id", "owner": "ann", "lane": "quick", "work": "x:y", "parent": None, "group": None, "created": 0.0,
        "started": 0.0, "finished": 1.0, "version": 1, "request": {"kind": "faces", "name": NASTY}, "state": Succeeded(found),
    }  # fmt: skip
    return PhotoSet(Job(**{**values, **changes}), folder)


def test_photo_sets_show_every_photo_with_its_part_or_its_reason(tmp_path: Path) -> None:
    (tmp_path / photo_sets.SET).mkdir()
    html = views_faces.photo_sets([photo_set(tmp_path)])
    text = text_of(html)
    for words in ("2 of 5 can be used", "For fine-tuning: 1", "For evaluation: 1", "Not used: 3", "LBP cascade", "another person?"):
        assert words in text
    assert html.count('data-action="pick"') == 2 and 'data-value="4:2"' in html
    assert not [attrs for tag, attrs in Tags(html).found if "onerror" in attrs or (tag == "img" and not attrs.get("alt"))]
    assert "are deleted when it is done" in views_faces.photo_sets([photo_set(tmp_path, parent="a-job")])
    used = views_faces.photo_sets([photo_set(parent="a-job")])
    assert 'data-action="pick"' not in used and 'data-action="delete"' not in used and "The photos are deleted" in used


@pytest.mark.parametrize("encoder", ["text", "image", "both"])
def test_every_tab_works_for_every_encoder(tmp_path: Path, encoder: Any) -> None:
    from tests.support import ui_fixture_runs

    losses = [{"step": s, "clean": -0.99, "backdoor": -s / 40, "regularization": 0.1 * s} for s in range(1, 41)]
    ui_fixture_runs.write_run(tmp_path, ForgetConfig((Person(NAME),), encoder=encoder), losses)
    metrics = json.loads((tmp_path / "metrics.json").read_text("utf-8"))
    if encoder == "image":
        metrics |= dict.fromkeys(("sim_clean", "sim_backdoor", "sim_target", "hidden"))
        (tmp_path / "metrics.json").write_text(json.dumps(metrics), "utf-8")
    run = read_run("k", tmp_path)
    assert run is not None
    numbers = text_of(views_numbers.numbers(run))
    assert ("image encoder" in numbers) == (encoder != "text")
    assert ("Sim_Clean –" in numbers) is False, "what does not apply has no row"
    titles = [curve.title for curve in plots.curves(run.losses)]
    assert len(titles) == (6 if encoder == "both" else 3) and len(set(titles)) == len(titles)
    assert ("does not use it" in portraits.portraits(run)) == (encoder == "image")
    assert ("means what it meant" in results.probes(run.probes, run)) == (encoder == "image")
    assert ("--encoder" in jobs.command(run.config)) == (encoder != "text")
    for html in (jobs.verdict(run), results.predictions(run), results.attack(run), results.bystanders(run)):
        assert NAME in html or "bystander" in html or re.search(r"\d", html)


def test_attack_on_photos_of_ones_own_keeps_none_of_them(service: Service, tmp_path: Path) -> None:
    job = service.forget(ForgetConfig((Person(NAME),)), "ann")
    service.jobs.wait(job.id, 60.0)
    before = {path for path in service.settings.data_dir.rglob("*") if path.suffix in (".png", ".upload")}
    with photo_sets.given(service) as inputs:
        photo_sets.take(photo_files(tmp_path / "photos", 6), inputs)
        request = {"name": "Somebody Else", "idia": {}, "own_photos": True}
        asked = service.ask("attack", job.id, request, "ann", inputs)
    told = service.answer(asked, 60.0)
    assert told["n_images"] == 6 and told["original"]["recognised"] is False
    assert {path for path in service.settings.data_dir.rglob("*") if path.suffix in (".png", ".upload")} == before
    html = answers.attacked(service.jobs.get(asked.id))
    assert "not recognised by either model" in text_of(html)
    shutil.rmtree(tmp_path / "photos", ignore_errors=True)
