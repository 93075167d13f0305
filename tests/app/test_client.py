"""The whole app over HTTP: page, headers, files, and one flow through the named endpoints by gradio_client.

The app runs as a program with the test backend, so that no model is needed.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from tests.support import ui_world
from tests.support.running_app import ROOT

NAME = "Tilda Brackwater"
ENDPOINTS = [
    f"/{name}" for name in (
        "attack", "cancel", "delete", "document", "forget", "portraits", "predict", "probe", "recover", "rerun", "status", "verify",
    )
]  # fmt: skip


def wait_for(client: Client, job: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60.0
    while (told := client.predict(job, api_name="/status"))["state"] in ("queued", "running"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return dict(told)


@pytest.fixture(scope="module")
def finished(client: Client) -> str:
    told = client.predict([f"{NAME}|Captain Ember"], api_name="/forget")
    assert told["state"] in ("queued", "running")
    assert wait_for(client, told["job"])["state"] == "succeeded"
    return str(told["job"])


def test_endpoints_only_the_named_ones_are_public(client: Client) -> None:
    named = client.view_api(return_format="dict")["named_endpoints"]
    assert sorted(named) == ENDPOINTS
    assert client.view_api(return_format="dict")["unnamed_endpoints"] == {}


def test_status_of_a_finished_job_has_its_metrics(client: Client, finished: str) -> None:
    metrics = client.predict(finished, api_name="/status")["metrics"]
    assert metrics["persons"][0]["idia"]["defended"]["recognised"] is False
    assert metrics["sim_clean"] > 0.9


def test_portraits_rows_lead_to_pictures_of_both_models(client: Client, finished: str, address: str) -> None:
    rows = client.predict(finished, ["a person in a park"], [3], api_name="/portraits")["rows"]
    assert [(row["model"], row["seed"]) for row in rows] == [("original", 3), ("defended", 3)]
    answer = httpx.get(address + rows[0]["url"])
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/png"


def test_predict_a_photo_gives_shares_before_and_after(client: Client, finished: str, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    ui_world.portrait(0, 1).save(photo)
    told = client.predict(finished, handle_file(photo), [NAME, "a human"], api_name="/predict")
    assert told["labels"] == [NAME, "a human"]
    assert sum(told["original"]) == pytest.approx(1.0) and sum(told["defended"]) == pytest.approx(1.0)


def test_predict_a_path_of_the_server_is_refused(address: str, finished: str, tmp_path: Path) -> None:
    photo = tmp_path / "private.png"
    ui_world.portrait(0, 1).save(photo)
    data = [finished, {"path": str(photo), "meta": {"_type": "gradio.FileData"}}, ["a", "b"]]
    event = httpx.post(f"{address}gradio_api/call/predict", json={"data": data})
    if event.status_code == 200:
        stream = httpx.get(f"{address}gradio_api/call/predict/{event.json()['event_id']}", timeout=60.0).text
        assert "event: error" in stream and "original" not in stream


def test_attack_and_probe_answer_for_both_models(client: Client, finished: str) -> None:
    attacked = client.predict(finished, NAME, api_name="/attack")
    assert attacked["original"]["recognised"] and not attacked["defended"]["recognised"]
    assert len(attacked["templates"]) == 21
    assert client.predict(finished, f"{NAME}|Somebody Else", api_name="/attack") == attacked  # as names are written when forgetting
    probed = client.predict(finished, ["Tilda"], api_name="/probe")
    assert probed["rows"][0]["text"] == "Tilda" and "to_neutral" in probed["rows"][0]["defended"]


@pytest.mark.parametrize(
    ("endpoint", "arguments", "sentence"),
    [
        ("/forget", [[]], "There is no name yet"), ("/forget", [["x" * 300]], "300 characters"),
        ("/forget", [["human"]], "neutral term"), ("/status", ["no-such-job"], "no such job"),
        ("/probe", ["no-such-job", ["x"]], "no finished result"),
    ],
)  # fmt: skip
def test_endpoints_bad_input_is_answered_with_a_sentence(
    client: Client, endpoint: str, arguments: list[Any], sentence: str
) -> None:
    with pytest.raises(AppError, match=sentence):
        client.predict(*arguments, api_name=endpoint)


def test_failed_question_tells_its_reason(client: Client, finished: str) -> None:
    with pytest.raises(AppError, match="no photos of this person"):
        client.predict(finished, "Nobody Known", api_name="/attack")


def test_cancel_a_running_job_that_never_reports_takes_effect(client: Client) -> None:
    job = client.predict(["Hangs Always"], api_name="/forget")["job"]
    while client.predict(job, api_name="/status")["state"] == "queued":
        time.sleep(0.1)
    assert client.predict(job, api_name="/cancel")["state"] == "cancelled"


def test_failed_job_shows_a_sentence_without_the_programs_insides(client: Client) -> None:
    job = client.predict(["Fails Always"], api_name="/forget")["job"]
    told = wait_for(client, job)
    assert told["state"] == "failed" and "RuntimeError" in told["message"] and "details" not in told


# ---- page and files ----------------------------------------------------------------------------------------------


def test_page_sends_headers_that_keep_requests_at_home(address: str) -> None:
    answer = httpx.get(address)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy and "http" not in policy
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "fonts.googleapis.com" not in answer.text and "fonts.gstatic.com" not in answer.text


def test_page_analytics_and_history_are_off(address: str) -> None:
    config = httpx.get(f"{address}config").json()
    assert config["analytics_enabled"] is False and config["run_history"] is False
    assert httpx.get(f"{address}monitoring").status_code in (403, 404)


def test_media_serves_only_what_lies_in_the_run(address: str, finished: str, data_dir: Path) -> None:
    assert (data_dir / "jobs.sqlite").is_file()
    for name in ("../../jobs.sqlite", "%2e%2e/%2e%2e/jobs.sqlite", "..%2f..%2fserver-key", "nothing.png"):
        assert httpx.get(f"{address}media/{finished}/{name}").status_code == 404
    assert httpx.get(f"{address}media/not-a-job/metrics.json").status_code == 404
    answer = httpx.get(f"{address}media/{finished}/metrics.json")
    assert answer.status_code == 200 and "attachment" in answer.headers["content-disposition"]


def test_report_cannot_run_scripts(address: str, finished: str) -> None:
    answer = httpx.get(f"{address}media/{finished}/report.html")
    assert answer.status_code == 200 and "default-src 'none'" in answer.headers["content-security-policy"]


def test_documents_are_made_with_the_details_of_a_form_and_name_nobody_unless_asked(client: Client, address: str, finished: str) -> None:
    form = {"request_number": "DS-9981", "role": "a lawyer"}
    page = httpx.post(f"{address}documents/{finished}/report", data=form)
    assert page.status_code == 200 and "DS-9981" in page.text and "Brackwater" not in page.text
    assert "sandbox" in page.headers["content-security-policy"] and page.headers["cache-control"] == "no-store"
    assert "Brackwater" in httpx.post(f"{address}documents/{finished}/letter.txt", data={"with_name": "on"}).text
    card = httpx.get(f"{address}documents/{finished}/card.png")
    assert card.headers["content-type"] == "image/png" and card.headers["content-disposition"] == 'attachment; filename="card.png"'
    assert httpx.post(f"{address}documents/{finished}/report", data={"request_date": "soon"}).status_code == 400
    assert "DS-1" not in httpx.get(f"{address}documents/{finished}/report?request_number=DS-1").text
    for path in (f"{finished}/other", "not-a-job/report"):
        assert httpx.post(f"{address}documents/{path}").status_code == 404
    told = client.predict(finished, "letter", {"request_number": "DS-9982"}, api_name="/document")
    assert "DS-9982" in told["text"] and told["html"].startswith("<!doctype html>")
    assert client.predict(finished, api_name="/document")["json"]["is_named"] is False
    with pytest.raises(AppError, match="report, letter or card"):
        client.predict(finished, "poem", api_name="/document")


def test_take_home_is_the_whole_run_as_a_zip(address: str, finished: str, data_dir: Path) -> None:
    packed = zipfile.ZipFile(io.BytesIO(httpx.get(f"{address}take-home/{finished}.zip").content))
    folder = data_dir / "runs" / finished
    assert sorted(packed.namelist()) == sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    assert json.loads(packed.read("config.json"))["persons"][0]["name"] == NAME


def test_person_pictures_are_small_and_bounded(address: str) -> None:
    answer = httpx.get(f"{address}people/0-0.webp")
    assert answer.headers["content-type"] == "image/webp" and len(answer.content) < 20_000
    assert httpx.get(f"{address}people/999-0.webp").status_code == 404


def test_names_are_not_in_the_log(client: Client, finished: str, data_dir: Path) -> None:
    logs = "".join(path.read_text(encoding="utf-8", errors="replace") for path in data_dir.parent.glob("app-*.log"))
    assert not [word for word in ("Brackwater", "Always", "DS-99") if word in logs]


# ---- flags -------------------------------------------------------------------------------------------------------


def run_app(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "app.py", *flags], cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_help_prints_every_flag_and_its_variable() -> None:
    told = " ".join(run_app("--help").stdout.split())
    for name in ("set", "device", "data-dir", "port", "auth", "max-waiting", "retention-hours", "offline", "threads"):
        assert f"--{name}" in told and f"UNLEARN_{name.upper().replace('-', '_')}" in told


def test_help_never_prints_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNLEARN_AUTH", "ann:s%(cret")
    told = run_app("--help")
    assert told.returncode == 0 and "[UNLEARN_AUTH]" in told.stdout and "cret" not in told.stdout


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--port", "x"), "--port is 'x'"), (("--device", "tpu"), "device is 'tpu'"), (("--auth", "nobody"), "NAME:PASSWORD"),
        (("--retention-hours", "-1"), "--retention-hours"), (("--set", "no-such-set"), "no-such-set"),
    ],
)  # fmt: skip
def test_bad_flags_exit_2_with_one_line(flags: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    done = run_app("--data-dir", str(tmp_path / "data"), *flags)
    assert done.returncode == 2 and sentence in done.stderr and "Traceback" not in done.stderr


# ---- faces -------------------------------------------------------------------------------------------------------


def face_files(n: int) -> list[Any]:
    example = sorted((ROOT / "assets" / "embedded" / "examples").iterdir())[0]
    return [handle_file(path) for path in sorted(example.iterdir())[:n]]


def test_forget_a_face_with_uploaded_photos(client: Client, data_dir: Path) -> None:
    told = client.predict([NAME], encoder="both", faces=[face_files(14)], crops=True, api_name="/forget")
    ended = wait_for(client, told["job"])
    assert ended["state"] == "succeeded" and ended["metrics"]["image"]["sim_clean"] > 0.9
    assert not [path for path in (data_dir / "uploads").rglob("*") if path.is_file()]


def test_forget_a_face_with_too_few_photos_fails_with_a_sentence(client: Client) -> None:
    told = client.predict([NAME], encoder="image", faces=[face_files(4)], crops=True, api_name="/forget")
    ended = wait_for(client, told["job"])
    assert ended["state"] == "failed" and "4 can be used and at least 10 are needed" in ended["message"]
    with pytest.raises(AppError, match="send photos of every person"):
        client.predict([NAME, "Orson Vell"], encoder="image", faces=[face_files(2)], api_name="/forget")


def test_attack_on_photos_of_somebody_who_is_not_in_the_model(client: Client, finished: str) -> None:
    told = client.predict(finished, "Nobody Known", photos=face_files(5), api_name="/attack")
    assert told["n_images"] == 5 and not told["original"]["recognised"] and not told["defended"]["recognised"]
