"""What a running app gives to whom, and what it keeps: login, uploaded photos, deletion. Over HTTP, with the test backend."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from tests.app.test_client import NAME, wait_for
from tests.support import ui_world
from tests.support.photo_traces import traces
from tests.support.photo_zoo import encoded, picture, zipped
from tests.support.running_app import start_app
from tests.support.ui_fixture import EXAMPLES

OURS = ("media/{job}/metrics.json", "media/{job}/report.html", "take-home/{job}.zip", "people/0-0.webp")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("app") / "data"


@pytest.fixture(scope="module")
def address(data_dir: Path) -> Iterator[str]:
    limits = ("--max-upload-mb", "1", "--max-zip-mb", "3", "--max-total-mb", "4")
    process, found = start_app(data_dir, "--auth", "ann:secret,bob:hidden", *limits)
    yield found
    process.terminate()
    process.wait(20)


@pytest.fixture(scope="module")
def client(address: str) -> Client:
    return Client(address, auth=("ann", "secret"), verbose=False)


@pytest.fixture(scope="module")
def finished(client: Client) -> str:
    job = client.predict([NAME], api_name="/forget")["job"]
    assert wait_for(client, job)["state"] == "succeeded"
    return str(job)


def files_of(folder: Path) -> set[str]:
    """Everything below a folder but what SQLite writes beside its file when it likes."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    return {name for name in found if not name.startswith("jobs.sqlite")}


@pytest.mark.parametrize("path", OURS)
def test_our_routes_need_the_login_where_there_is_one(address: str, finished: str, path: str) -> None:
    url = address + path.format(job=finished)
    assert httpx.get(url).status_code == 401
    assert httpx.get(url, cookies={"access-token-unsecure-x": "y"}).status_code == 401
    with httpx.Client() as visitor:
        assert visitor.post(f"{address}login", data={"username": "bob", "password": "hidden"}).status_code == 200
        assert visitor.get(url).status_code == 200


def test_wrong_password_and_endpoints_without_login_are_refused(address: str) -> None:
    assert httpx.post(f"{address}login", data={"username": "ann", "password": "x"}).status_code == 400
    assert httpx.post(f"{address}gradio_api/call/status", json={"data": ["x"]}).status_code == 401
    assert httpx.get(f"{address}config").status_code == 401


def test_uploaded_photo_is_gone_once_it_is_read_and_with_its_job_for_good(
    client: Client, finished: str, data_dir: Path, tmp_path: Path
) -> None:
    before = files_of(data_dir)
    photo = tmp_path / "Aunt Mabel.png"
    ui_world.portrait(0, 1).save(photo)
    client.predict(finished, handle_file(photo), [NAME, "a human"], api_name="/predict")
    left = files_of(data_dir) - before
    assert all(name.startswith("runs/") for name in left), left
    assert not [name for name in left if "Mabel" in name or name.endswith((".png", ".webp", ".jpg"))]


def test_photo_that_cannot_be_read_is_removed_all_the_same(
    client: Client, finished: str, data_dir: Path, tmp_path: Path
) -> None:
    before = files_of(data_dir)
    photo = tmp_path / "words.png"
    photo.write_text("not a photo", encoding="utf-8")
    with pytest.raises(AppError, match="is not a photo"):
        client.predict(finished, handle_file(photo), [NAME, "a human"], api_name="/predict")
    assert files_of(data_dir) == before


def test_limits_reach_page_and_worker_and_one_large_file_costs_only_itself(
    client: Client, finished: str, data_dir: Path, tmp_path: Path
) -> None:
    large, packed, huge = tmp_path / "large.bmp", tmp_path / "all.zip", tmp_path / "huge.bin"
    large.write_bytes(encoded(picture(1, 700, 700)))
    large.write_bytes(large.read_bytes() + b"\0" * 1_500_000)
    with pytest.raises(AppError, match="This photo is larger than 1 MB; make it smaller"):
        client.predict(finished, handle_file(large), [NAME, "a human"], api_name="/predict")
    members = {path.name: path.read_bytes() for path in sorted(sorted(EXAMPLES.iterdir())[0].glob("fine-tuning-*"))[:12]}
    packed.write_bytes(zipped({**members, "large.png": large.read_bytes(), "rest.bin": os.urandom(1_800_000)}))
    assert 1_000_000 < packed.stat().st_size < 3_000_000
    faces = [handle_file(packed), handle_file(large)]
    job = client.predict([NAME], encoder="image", faces=[faces], api_name="/forget")["job"]
    assert wait_for(client, job)["state"] == "succeeded"
    shots = [np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in members.values()]
    assert traces(data_dir, shots) == [] and not [path for path in (data_dir / "uploads").rglob("*") if path.is_file()]
    huge.write_bytes(b"\0" * 4_500_000)
    with pytest.raises(ValueError, match="maximum file size of 4000000 bytes"):
        client.predict(finished, handle_file(huge), [NAME, "a human"], api_name="/predict")
