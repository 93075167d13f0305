"""A set of published layouts without a world, through the endpoints and a worker process of its own: a typed name alone, and a face.

The models are tiny and random; the folder is laid out as people have them: an open_clip folder beside a Stable Diffusion folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.miniature import build_miniature, with_own_diffusion_text, write_faces
from tests.ui.test_endpoints import caller
from ui.page import uploads
from ui.page.endpoints import Endpoints
from ui.server.options import Options
from ui.server.service import Service
from unlearn.attacks.figures import DRAWN
from unlearn.config import Settings

NAME = "Zadie Quill"
ANN = caller("10.0.0.1")
SMALL = {
    "schedule": "own", "n_steps": 2, "batch_size": 4, "n_candidate_names": 30, "seeds": [0], "portrait_steps": 1,
    "drawn_n_portraits": 4, "drawn_n_controls": 1, "drawn_size_px": 32,
}  # fmt: skip


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    root = with_own_diffusion_text(build_miniature(tmp_path_factory.mktemp("set") / "full", seed=3))
    for path in (root / "world.json", root / "defaults.json"):
        path.unlink()
    data = tmp_path_factory.mktemp("data")
    made = Service(Settings(data_dir=data, device="cpu", offline=True), Options(model_set=str(root)))
    made.start()
    yield made
    made.stop()


def finished(service: Service, job: str, within_s: float = 600.0) -> dict[str, Any]:
    """The answer of `status` once the job has ended."""
    service.jobs.wait(job, within_s)
    return Endpoints(service).status(job)


def test_typed_name_alone_gives_portraits_predictions_and_the_attack(service: Service) -> None:
    told = finished(service, Endpoints(service).forget([NAME], ANN, settings=SMALL)["job"])
    assert told["state"] == "succeeded", told
    metrics, run = told["metrics"], service.run(told["job"])
    assert run is not None and run.portraits and run.predictions
    assert all(side["photos"] == DRAWN and side["recognised"] is not None for side in metrics["persons"][0]["idia"].values())
    assert metrics["drawn_photos"]["n"] == 1 and run.idia.persons[0].n_images == 4
    assert run.recovery.attacks, "the opponent looks at them, too"


def test_face_is_defended_with_uploaded_photos_and_what_is_missing_is_drawn(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "get_upload_folder", lambda: str(tmp_path))
    photos = [{"path": str(path)} for path in sorted(write_faces(tmp_path / "photos", 0, 12).iterdir())]
    small = {"image_n_steps": 2, "image_batch_size": 2, **{key: SMALL[key] for key in ("schedule", "n_candidate_names", "seeds")}}
    job = Endpoints(service).forget(
        [NAME], ANN, encoder="image", faces=[photos], crops=True, settings={**small, "portrait_steps": 1},
    )["job"]  # fmt: skip
    told = finished(service, job)
    assert told["state"] == "succeeded", told
    image = told["metrics"]["image"]
    assert image["generic_images"]["n"] > 100 and image["stand_ins"]["n_people"] == 5
    assert all("drawn by the set's own Stable Diffusion" in image[part]["source"] for part in ("generic_images", "stand_ins"))
    assert image["photos"][0] == {"fine_tuning": 7, "evaluation": 5, "own": True} and image["sim_clean"] is not None
    assert told["metrics"]["persons"][0]["idia"]["original"]["recognised"] is not None
    assert "drawn_photos" not in told["metrics"], "the photos were enough"
    assert NAME not in json.dumps([str(path) for path in service.settings.data_dir.rglob("*")])
