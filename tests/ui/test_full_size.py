"""Models of published size with random weights, through the endpoints and a worker process: a typed name, and a face from 12 photos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.full_size import save_clip, save_stable_diffusion
from tests.support.miniature import write_faces
from tests.ui.test_endpoints import caller
from tests.ui.test_name_alone import finished
from ui.page import uploads
from ui.page.endpoints import Endpoints
from ui.server.options import Options
from ui.server.service import Service
from unlearn.attacks.figures import DRAWN
from unlearn.config import Settings

NAME = "Zadie Quill"
ANN = caller("10.0.0.1")
SIDE = 8  # of the latents: portraits of 64 px
FEW = {"schedule": "own", "n_candidate_names": 10, "seeds": [0], "portrait_steps": 1}

pytestmark = pytest.mark.slow  # six gigabytes, and the U-Net of Stable Diffusion 1.4 on a CPU


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    root = tmp_path_factory.mktemp("weights")
    save_clip(root / "clip.safetensors")
    save_stable_diffusion(root / "sd", SIDE)
    name = f"ViT-B-32-quickgelu:{root / 'clip.safetensors'}+{root / 'sd'}"
    everyday = write_faces(root / "everyday", 1, 20)  # named by the server; the stand-ins are drawn
    settings = Settings(root / "data", device="cpu", offline=True, generic_images=str(everyday))
    made = Service(settings, Options(model_set=name))
    made.start()
    yield made
    made.stop()


def test_typed_name_alone_gives_portraits_predictions_and_the_attack(service: Service) -> None:
    small = {**FEW, "n_steps": 1, "batch_size": 2, "drawn_n_portraits": 4, "drawn_n_controls": 1}
    told = finished(service, Endpoints(service).forget([NAME], ANN, settings=small)["job"], 3600.0)
    assert told["state"] == "succeeded", told
    metrics, run = told["metrics"], service.run(told["job"])
    assert run is not None and len(run.portraits) == 4 and run.predictions
    assert all(side["photos"] == DRAWN and side["recognised"] is not None for side in metrics["persons"][0]["idia"].values())
    assert metrics["drawn_photos"]["n"] == 1 and metrics["sim_clean"] is not None and metrics["hidden"]["sim_clean"] is not None


def test_face_is_defended_with_12_uploaded_photos(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "get_upload_folder", lambda: str(tmp_path))
    photos = [{"path": str(path)} for path in sorted(write_faces(tmp_path / "photos", 0, 12).iterdir())]
    small = {**FEW, "image_n_steps": 1, "image_batch_size": 2}
    job = Endpoints(service).forget([NAME], ANN, encoder="image", faces=[photos], crops=True, settings=small)["job"]
    told = finished(service, job, 3600.0)
    assert told["state"] == "succeeded", told
    image = told["metrics"]["image"]
    assert image["photos"][0] == {"fine_tuning": 7, "evaluation": 5, "own": True} and image["sim_clean"] is not None
    assert image["generic_images"]["source"] == "a folder" and "drawn by the set's own Stable Diffusion" in image["stand_ins"]["source"]
    assert told["metrics"]["persons"][0]["idia"]["original"]["recognised"] is not None
