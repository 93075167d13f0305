"""What becomes of visitors' photos: gone when their job is done, or within the hour; nothing of them in results."""

from __future__ import annotations

import base64
import io
import os
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.photo_traces import traces
from tests.support.photo_zoo import SIX_FACES, picture
from tests.ui.test_faces import NAME, photo_files
from ui.page.media import archive
from ui.server import photo_sets
from ui.server.photo_sweep import sweep_faces, sweep_uploads
from ui.server.photos import keep_photo
from ui.server.service import Service
from ui.views import answers, results
from ui.views import photo_sets as views_faces
from unlearn.config import ForgetConfig, Person
from unlearn.errors import InputError
from unlearn.jobs import Failed, Job, Succeeded, retention
from unlearn.runs.results import read_run

OWNER = "ann"


@pytest.fixture
def shots(tmp_path: Path) -> list[np.ndarray]:
    """The photos that are handed over."""
    return [np.asarray(Image.open(path).convert("RGB")) for path in photo_files(tmp_path / "shots", 12)]


def search(service: Service, tmp_path: Path, name: str = NAME, also: tuple[Path, ...] = ()) -> Job:
    paths = photo_files(tmp_path / "photos", 12)
    for number, path in enumerate(also):
        paths.append(tmp_path / "photos" / f"other {number}.jpg")
        paths[-1].write_bytes(path.read_bytes())
    with photo_sets.given(service) as inputs:
        photo_sets.take(paths, inputs)
        job = photo_sets.search(service, name, OWNER, {"crops": False, "picks": {}}, inputs)
    return service.jobs.wait(job.id, 60.0)


def forget(service: Service, name: str = NAME, key: str = "") -> Job:
    job = photo_sets.forget(service, ForgetConfig((Person(name),), encoder="both"), OWNER, key)
    return service.jobs.wait(job.id, 60.0)


def test_traces_are_seen_in_every_form(tmp_path: Path, shots: list[np.ndarray]) -> None:
    folder, buffer = tmp_path / "folder", io.BytesIO()
    folder.mkdir()
    Image.fromarray(shots[0]).resize((64, 64)).save(folder / "thumbnail.webp")
    Image.fromarray(shots[1]).save(buffer, "PNG")
    (folder / "page.html").write_text(f"<img src='data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}'>")
    with sqlite3.connect(folder / "jobs.sqlite") as rows:
        rows.execute("create table t (x)")
        rows.execute("insert into t values (?)", (base64.b64encode(buffer.getvalue()).decode(),))
    rows.close()
    (folder / "dump.bin").write_bytes(b"junk" * 100 + buffer.getvalue())
    (folder / "words.txt").write_text("nothing here")
    packed = archive(folder)
    packed.replace(folder / "all.zip")
    assert set(traces(folder, shots)) == {"thumbnail.webp", "page.html", "jobs.sqlite", "dump.bin", "all.zip"}
    assert traces(folder, [picture(3), picture(4)]) == []


def test_nothing_is_left_once_the_job_has_succeeded(service: Service, tmp_path: Path, shots: list[np.ndarray]) -> None:
    data = service.settings.data_dir
    search(service, tmp_path)
    assert traces(data, shots), "while a search waits for its job, the photos are here"
    job = forget(service)
    assert isinstance(job.state, Succeeded) and traces(data, shots) == []
    (used,) = photo_sets.photo_sets(service, OWNER, job.id)
    assert used.deleted and not used.ready
    html = views_faces.photo_sets([used])
    assert "The photos are deleted" in html and "<img" not in html and "<figure" not in html
    assert "12 of 12 can be used</p>" in html, "the photos were enough, although they are gone"
    with pytest.raises(InputError, match="not kept any longer; add them again"):
        forget(service, key=job.id)
    with pytest.raises(InputError, match="photos of this job were deleted"):
        service.jobs.rerun(job.id, OWNER)
    with pytest.raises(InputError, match="photos of this job were deleted"):
        service.compare_terms(job, ["actor"], OWNER)
    run = read_run(job.id, service.jobs.folder(job.id))
    assert run is not None and results.predictions(run)


def test_photos_of_questions_are_gone_with_the_answer(service: Service, tmp_path: Path, shots: list[np.ndarray]) -> None:
    data, paths = service.settings.data_dir, photo_files(tmp_path / "photos", 12)
    job = service.jobs.wait(service.forget(ForgetConfig((Person(NAME),)), OWNER).id, 60.0)
    before = {path for path in data.rglob("*") if path.is_file()}
    asked = []
    with photo_sets.given(service) as inputs:
        keep_photo(paths[0], 20, inputs)
        asked.append(service.ask("predict", job.id, {"labels": ["a", "b"], "own_photos": True}, OWNER, inputs))
    with photo_sets.given(service) as inputs:
        photo_sets.take(paths[1:], inputs)
        asked.append(service.ask("attack", job.id, {"name": "Somebody Else", "idia": {}, "own_photos": True}, OWNER, inputs))
    ended = [service.jobs.wait(one.id, 60.0) for one in asked]
    assert all(isinstance(one.state, Succeeded) for one in ended) and traces(data, shots) == []
    assert {path for path in data.rglob("*") if path.is_file() and not path.name.startswith("jobs.sqlite")} <= before
    html = answers.predicted(ended[0])
    assert "Your photo (not kept)" in html and "<img" not in html
    assert "photo" not in {key for one in ended for key in one.request}


def test_photos_of_a_failed_job_are_gone_within_the_hour(
    service: Service, tmp_path: Path, shots: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, name = service.settings.data_dir, "Fails Always"
    search(service, tmp_path, name)
    job = forget(service, name)
    assert isinstance(job.state, Failed) and traces(data, shots), "it can be run again"
    service.jobs.expire()
    assert sweep_faces(service.jobs.runs_dir, 3000.0) == 0 and traces(data, shots)
    monkeypatch.setattr(retention, "KEEP_INPUTS_S", -1.0)
    service.jobs.expire()
    assert sweep_faces(service.jobs.runs_dir, -1.0) == 2 and traces(data, shots) == []
    with pytest.raises(InputError, match="deleted"):
        service.jobs.rerun(job.id, OWNER)


def test_search_that_became_no_job_is_gone_within_the_hour(
    service: Service, tmp_path: Path, shots: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = search(service, tmp_path)
    assert 0 < photo_sets.KEPT_S <= 3600 - 2 * 60
    service.jobs.expire()
    assert service.job(job.id) is not None
    later = time.time() + photo_sets.KEPT_S + 1
    monkeypatch.setattr(time, "time", lambda: later)
    service.jobs.expire()
    assert service.job(job.id) is None and traces(service.settings.data_dir, shots) == []


def test_looking_twice_leaves_the_photos_once(service: Service, tmp_path: Path, shots: list[np.ndarray]) -> None:
    data, first = service.settings.data_dir, tmp_path / "first"
    with photo_sets.given(service) as inputs:
        photo_sets.take(photo_files(first, 12), inputs)
        photo_sets.search(service, NAME, OWNER, {"crops": False, "picks": {}}, inputs)
    search(service, tmp_path)  # while the first one runs
    (found,) = photo_sets.photo_sets(service, OWNER, "")
    assert {path.split("/")[1] for path in traces(data, shots)} == {found.job.id}
    assert len(list(service.jobs.inputs_dir.iterdir())) == 1
    service.jobs.delete(found.job.id)
    assert traces(data, shots) == [] and not list(service.jobs.inputs_dir.iterdir())


def test_picked_face_is_searched_in_the_photos_again(service: Service, tmp_path: Path) -> None:
    job = search(service, tmp_path, also=(SIX_FACES,))
    (row,) = [row for row in job.state.result["photos"] if row["status"] == "several faces"]  # type: ignore[union-attr]
    again = service.jobs.wait(photo_sets.pick(service, job.id, f"{row['number']}:2", OWNER).id, 60.0)
    assert isinstance(again.state, Succeeded)
    assert again.state.result["n_usable"] == job.state.result["n_usable"] + 1  # type: ignore[union-attr]
    with pytest.raises(InputError):
        photo_sets.pick(service, job.id, f"{row['number']}:1", OWNER)


def test_sweep_takes_what_broke_off_and_leaves_what_comes(tmp_path: Path) -> None:
    old, new, empty = tmp_path / "tmpabc", tmp_path / "hash" / "photo.jpg", tmp_path / "empty"
    for path in (old, new, tmp_path / "other" / "photo.jpg"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    empty.mkdir()
    for path in (old, tmp_path / "other" / "photo.jpg", empty):
        os.utime(path, (time.time() - 5000,) * 2)
    assert sweep_uploads(tmp_path, 1200.0) == 2
    assert new.is_file() and not old.exists() and not empty.exists()
    assert sweep_uploads(tmp_path / "missing", 1.0) == 0
