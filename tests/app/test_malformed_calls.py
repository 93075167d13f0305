"""Some hundred malformed calls to a running app: each is answered by a sentence, and the log holds kinds and places only.

The values hold a made-up name that must neither be logged nor repeated; nothing here may start a job.
"""

from __future__ import annotations

import http.client
import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.app.test_client import ENDPOINTS

NAME = "Quendolina Marbrecht"  # in every call; of nobody
FORGET = [[NAME], "human", 0, None, "text", None, False, "neutral_term", 0, "backdoor"]
JOB = "no-such-job"
GOOD: dict[str, list[Any]] = {
    "forget": FORGET,
    "status": [JOB],
    "cancel": [JOB],
    "rerun": [JOB],
    "delete": [JOB],
    "portraits": [JOB, [NAME], [1], None],
    "predict": [JOB, {"path": NAME}, [NAME, "a cat"]],
    "attack": [JOB, NAME, None, None],
    "probe": [JOB, [NAME]],
    "verify": [JOB, 0, 0],
    "recover": [JOB, ["aliases"], "quick", 0, 0, None],
    "document": [JOB, "report", None],
}
FILE = {"path": f"/srv/{NAME}.jpg", "meta": {"_type": "gradio.FileData"}}
HOST = {"path": f"http://127.0.0.1:9/{NAME}.jpg", "meta": {"_type": "gradio.FileData"}}
# Values that fit no argument, or only one that is not asked about here.
RUBBISH: list[Any] = [
    None,
    True,
    1.5,
    10**400,
    -(10**30),
    float("nan"),
    float("inf"),
    NAME + "\ud800",
    [[NAME]],
    [{NAME: NAME}],
    {NAME: [NAME]},
    {"path": [NAME]},
    FILE,
    HOST,
    [FILE],
    [None],
    [NAME, 3],
    [[[[[[NAME]]]]]],
]
FITS = {
    "names": (),
    "neutral_term": (None,),
    "target": (None,),
    "decoys": (),
    "seed": (),
    "settings": (None,),
    "encoder": (),
    "faces": (None,),
    "crops": (True,),
    "job": (),
    "prompts": (None,),
    "seeds": (None,),
    "photo": (),
    "labels": (),
    "name": (),
    "photos": (None,),
    "texts": (),
    "attacks": (None,),
    "budget": (),
    "person": (),
    "kind": (),
    "details": (None,),
}
NAMES = {
    "forget": ["names", "neutral_term", "seed", "settings", "encoder", "faces", "crops", "target", "decoys"],
    "status": ["job"],
    "cancel": ["job"],
    "rerun": ["job"],
    "delete": ["job"],
    "portraits": ["job", "prompts", "seeds", "settings"],
    "predict": ["job", "photo", "labels"],
    "attack": ["job", "name", "settings", "photos"],
    "probe": ["job", "texts"],
    "verify": ["job", "seed", "person"],
    "recover": ["job", "attacks", "budget", "person", "seed", "texts"],
    "document": ["job", "kind", "details"],
}
SETTINGS: list[Any] = [
    {"colour": NAME},
    {NAME: 1},
    {"schedule": "paper", "n_steps": 5},
    {"schedule": NAME},
    {"schedule": "own", "n_steps": "5"},
    {"schedule": "own", "n_steps": 5.5},
    {"schedule": "own", "n_steps": 10**12},
    {"schedule": "own", "learning_rate": True},
    {"schedule": "own", "early_stop": 1},
    {"schedule": "own", "image_n_steps": 5},
    {"schedule": "own", "backdoor_weight": 1e300},
    {"seeds": [1.5]},
    {"seeds": []},
    {"seeds": NAME},
    {"seeds": list(range(11))},
    {"n_candidate_names": 10**7},
    {"n_images": 10**7},
    {"prompt_template": NAME},
    {"prompt_template": "{0}" + "x" * 1000},
    {"portrait_steps": 10**6},
    {"portrait_steps": 0},
    {"guidance_scale": 1e9},
    {"names": [NAME]},
    {"seed": 3},
    {"encoder": "both"},
    {"neutral_term": NAME},
    {"text": {"n_steps": 3}},
    {"min_correct_templates": [NAME]},
]
PEOPLE: list[Any] = [
    [],
    [""],
    [" "],
    [NAME, NAME],
    [NAME * 10],
    [NAME * 50_000],
    [f"{NAME}, Clara Quarnby"],
    [f"{NAME}\nClara Quarnby"],
    [f"{NAME}\tClara"],
    [f"{NAME};Clara Quarnby"],
    [f"{NAME} and Clara Quarnby"],
    [f"{NAME} & Clara"],
    [f"{NAME}/Clara Quarnby"],
    [f"Marbrecht, {NAME}"],
    [NAME + "|x" * 70],
    [f"{NAME} {i}" for i in range(65)],
    [f"{NAME} {i}|{NAME} alias {i}" for i in range(64)],
    ["human"],
    [NAME + "\0"],
    [f"{NAME}|human"],
    [f"{NAME}|A, B"],
    ["|".join([NAME] * 20_000)],
]


def arguments() -> Iterator[tuple[str, list[Any]]]:
    """(endpoint, arguments) that do not fit."""
    for endpoint, good in GOOD.items():
        yield endpoint, []
        yield endpoint, [*good, NAME]
        if len(good) > 1:
            yield endpoint, good[:-1]
        for place, name in enumerate(NAMES[endpoint]):
            for value in RUBBISH:
                if not any(value is fitting for fitting in FITS[name]):
                    yield endpoint, [*good[:place], value, *good[place + 1 :]]
    for endpoint, place in (("forget", 3), ("portraits", 3), ("attack", 2)):
        for given in SETTINGS:
            yield endpoint, [*GOOD[endpoint][:place], given, *GOOD[endpoint][place + 1 :]]
    for people in PEOPLE:
        yield "forget", [people, *FORGET[1:]]
    yield from (
        ("forget", [NAME, *FORGET[1:]]),
        ("forget", [{NAME: 1}, *FORGET[1:]]),
        ("forget", [[NAME], *FORGET[1:4], "sound", None, False]),
    )
    for faces in ([], [[]], [[FILE]], [[HOST]], [[{"path": "a\0b"}]], [[{"path": "x" * 9000}]], [[{}]], [[FILE], [FILE]]):
        yield "forget", [[NAME], "human", 0, None, "image", faces, False]
    yield "probe", [JOB, ["x" * 300]]
    yield "probe", [JOB, [str(i) for i in range(60)]]
    yield "probe", [JOB, [NAME + "\x07"]]
    yield "attack", [JOB, f"{NAME} & Clara", None, None]
    yield "recover", [JOB, [NAME], "quick", 0, 0, None]
    yield "recover", [JOB, None, NAME, 0, 0, None]
    yield "recover", [JOB, None, "quick", 0, 0, [NAME] * 11]
    yield "document", [JOB, "report", {NAME: 1}]


BODIES: list[tuple[str, Any, str]] = [
    *(
        (f"{route}/forget", body, "application/json")
        for route in ("call", "run", "api", "call/v2")
        for body in (
            "",
            "{",
            "[]",
            f'"{NAME}"',
            "null",
            "7",
            "{}",
            f'{{"{NAME}": 1}}',
            b"\xff\xfe\x00",
            "[" * 100_000,
            f'{{"data": [["{NAME}"]], "session_hash": 5}}',
            f'{{"data": [["{NAME}"]], "session_hash": "{NAME}"}}',
            f'{{"data": [["{NAME}"]], "session_hash": "{"x" * 500}"}}',
            f'{{"data": [{"9" * 5000}]}}',
        )
    ),
    *(
        (f"{route}/forget", body, "application/json")
        for route in ("call", "run")
        for body in (
            f'{{"data": "{NAME}"}}',
            f'{{"data": {{"names": ["{NAME}"]}}}}',
            '{"data": null}',
            f'{{"data": [], "trigger_id": "{NAME}"}}',
            f'{{"data": [], "event_id": ["{NAME}"]}}',
            f'{{"data": [], "batched": "{NAME}"}}',
            '{"data": ' + "[" * 500 + "]" * 500 + "}",
        )
    ),
    *(
        (f"{route}/forget", f'{{"data": [["{NAME}"]]}}', kind)
        for route in ("call", "run")
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", "nonsense")
    ),
    *(
        (f"{route}/{name}", '{"data": []}', "application/json")
        for route in ("call", "run", "api", "call/v2")
        for name in ("nothing", "FORGET", "%00")
    ),
    *(
        ("queue/join", body, "application/json")
        for body in (
            "{}",
            '{"data": []}',
            '{"data": [], "fn_index": 1}',
            '{"data": [], "fn_index": 99999, "session_hash": "a"}',
            '{"data": [], "fn_index": -1, "session_hash": "a"}',
            '{"data": [], "fn_index": true, "session_hash": "a"}',
            f'{{"data": [], "fn_index": "{NAME}", "session_hash": "a"}}',
            '{"data": [], "fn_index": 1e99, "session_hash": "a"}',
        )
    ),
    *(
        ("run/predict", f'{{"data": {data}, "fn_index": {number}, "session_hash": "a"}}', "application/json")
        for number in range(6)
        for data in ("[]", json.dumps([NAME] * 30))
    ),
    *(
        (route, body, "application/json")
        for route in ("cancel", "reset", "component_server", "stream/x", "vibe-edit", "nothing", "queue/data")
        for body in ("", "[]", "{}", f'{{"session_hash": "{NAME}"}}', f'{{"event_id": 3, "fn_index": "{NAME}"}}')
    ),
    ("component_server", f'{{"data": "{NAME}", "component_id": 9999, "session_hash": "a", "fn_name": "{NAME}"}}', "application/json"),
    ("component_server", NAME, "multipart/form-data; boundary=x"),
    ("upload", NAME, "text/plain"),
    ("upload", NAME, "multipart/form-data; boundary=x"),
    ("process_recording", NAME, "multipart/form-data; boundary=x"),
    ("call/v2/status", "{}", "application/json"),
    ("call/v2/forget", f'{{"names": ["{NAME}"], "colour": 1}}', "application/json"),
]
LONG = "x" * 5000
PATHS = [
    "/media/..",
    "/media/../..",
    "/media/%2e%2e",
    "/media/%2e%2e/%2e%2e/jobs.sqlite",
    "/media/..%2f..%2fjobs.sqlite",
    "/media/",
    "/media/x",
    "/media/x/",
    "/media/prepared/",
    "/media/prepared/..",
    "/media/prepared/%00",
    f"/media/prepared/{LONG}",
    f"/media/{LONG}/metrics.json",
    "/media/%00/metrics.json",
    "/media/prepared/metrics.json%00.png",
    "/media/prepared/%2fetc%2fpasswd",
    "/media/prepared//etc/passwd",
    "/media/prepared/%ff%fe",
    "/media/prepared/" + "a/" * 2000,
    "/people/x-y.webp",
    "/people/0.webp",
    "/people/-1-0.webp",
    "/people/0--1.webp",
    f"/people/{'9' * 5000}-0.webp",
    f"/people/0-{'9' * 5000}.webp",
    "/people/999-0.webp",
    "/people/0-0.png",
    "/people/%D9%A1-0.webp",
    "/take-home/.zip",
    "/take-home/x.zip",
    "/take-home/%00.zip",
    f"/take-home/{LONG}.zip",
    "/take-home/..%2fx.zip",
    "/pulse/",
    "/pulse/a/b",
    "/nothing",
    f"/{LONG}",
    "/static/%00",
    f"/static/{LONG}",
    "/assets/%00",
    "/svelte/%00",
    "/gradio_api/nothing",
    "/gradio_api/call/forget/unknown",
    "/gradio_api/call/nothing/unknown",
    "/gradio_api/call/v2/forget/unknown",
    f"/gradio_api/call/forget/{LONG}",
    "/gradio_api/call/forget/%00",
    "/gradio_api/proxy=%00",
    "/gradio_api/stream/a/1/2/playlist.m3u8",
]
PYTHONS_WORDS = ("Traceback", "object has no", "NoneType", "<class", "unhashable", "keyword")


@pytest.fixture
def log_is_clean(data_dir: Path) -> Iterator[None]:
    """What the app logs meanwhile has neither a traceback nor the name, and no job was started."""
    yield
    logs = "".join(path.read_text(encoding="utf-8", errors="replace") for path in data_dir.parent.glob("app-*.log"))
    assert "Traceback" not in logs and "Exception" not in logs.replace("Exceptions", ""), logs[-3000:]
    assert "Quendolina" not in logs and "Marbrecht" not in logs
    with sqlite3.connect(data_dir / "jobs.sqlite") as database:
        assert database.execute("SELECT count(*) FROM job").fetchone() == (0,)


def is_sentence(text: Any) -> bool:
    return isinstance(text, str) and text[:1].isalnum() and text.rstrip().endswith((".", '"')) and " " in text


def post(client: httpx.Client, route: str, body: str | bytes, kind: str = "application/json") -> httpx.Response:
    return client.post(f"gradio_api/{route}", content=body, headers={"content-type": kind})


def answer_to(client: httpx.Client, endpoint: str, given: list[Any], is_queued: bool) -> tuple[int, Any]:
    """(status, error) of a call; of a queued one the status is that of an error that came with its answer, 400."""
    answer = post(client, f"{'call' if is_queued else 'run'}/{endpoint}", json.dumps({"data": given}))
    if answer.status_code != 200 or not is_queued:
        return answer.status_code, answer.json().get("error")
    stream = client.get(f"gradio_api/call/{endpoint}/{answer.json()['event_id']}").text
    if not stream.startswith("event: error"):
        return 200, stream[:200]
    return 400, json.loads(stream.split("data: ", 1)[1])["error"]


def wrongly_answered(client: httpx.Client, call: tuple[str, list[Any]], is_queued: bool) -> str | None:
    """What is wrong with the answer to a call, or None."""
    status, said = answer_to(client, *call, is_queued)
    is_right = 400 <= status < 500 and is_sentence(said) and not any(word in said for word in ("Quendolina", *PYTHONS_WORDS))
    return None if is_right else f"{call[0]} {str(call[1])[:200]}: {status} {said}"


def test_calls_with_arguments_that_do_not_fit_are_answered_by_sentences(address: str, log_is_clean: None) -> None:
    calls = list(arguments())
    assert len(calls) > 400 and {f"/{endpoint}" for endpoint, _ in calls} == set(ENDPOINTS)
    with httpx.Client(base_url=address, timeout=120.0) as client, ThreadPoolExecutor(4) as pool:
        wrong = list(filter(None, pool.map(lambda n: wrongly_answered(client, calls[n], n % 2 == 0), range(len(calls)))))
    assert wrong == []


def test_bodies_that_are_no_calls_are_answered_by_sentences(address: str, log_is_clean: None) -> None:
    wrong = []
    with httpx.Client(base_url=address, timeout=120.0) as client:
        for route, body, kind in BODIES:
            answer = post(client, route, body, kind)
            if answer.status_code == 200 and "event_id" in answer.json():  # the envelope is right; the arguments are not
                event = client.get(f"gradio_api/call/forget/{answer.json()['event_id']}").text
                assert event.startswith("event: error") and ("This endpoint takes" in event or "nested" in event or "names" in event)
                continue
            is_refused = 400 <= answer.status_code < 500
            if not is_refused and not (answer.status_code == 200 and route in ("cancel", "reset")):
                wrong.append((route, body[:60], kind, answer.status_code, answer.text[:100]))
            elif is_refused and ("Quendolina" in answer.text or any(word in answer.text for word in PYTHONS_WORDS)):
                wrong.append((route, body[:60], kind, answer.status_code, answer.text[:200]))
    assert wrong == []


def status_of(address: str, path: str) -> int:
    """The status of a path that is sent as it stands: other clients would tidy it up first."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=120.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_paths_that_lead_nowhere_are_404(address: str, log_is_clean: None) -> None:
    found = {path[:60]: status_of(address, path) for path in PATHS}
    assert {path: status for path, status in found.items() if status not in (404, 400)} == {}
    assert [path for path, status in found.items() if status == 400 and "stream" not in path] == []


def test_unknown_calls_are_404_and_name_the_endpoints(address: str, log_is_clean: None) -> None:
    with httpx.Client(base_url=address, timeout=120.0) as client:
        for route in ("call/nothing", "run/nothing", "api/nothing", "call/v2/nothing"):
            answer = post(client, route, '{"data": []}')
            assert answer.status_code == 404 and "the endpoints are attack, cancel, delete" in answer.json()["detail"]


def test_large_requests_are_refused_whether_or_not_they_tell_their_size(address: str, log_is_clean: None) -> None:
    large = json.dumps({"data": [[NAME * 2_500_000], *FORGET[1:]]}).encode()
    parts = (large[start : start + 100_000] for start in range(0, len(large), 100_000))
    with httpx.Client(base_url=address, timeout=120.0) as client:
        for route, body in (("call/forget", large), ("run/forget", parts), ("queue/join", large), ("component_server", large)):
            answer = client.post(f"gradio_api/{route}", content=body, headers={"content-type": "application/json"})
            assert answer.status_code == 413 and "2 MB" in answer.json()["detail"]
        assert client.post("login", content=large).status_code == 413


def test_an_answer_is_handed_out_once(address: str) -> None:
    with httpx.Client(base_url=address, timeout=120.0) as client:
        event = post(client, "call/status", json.dumps({"data": [JOB]})).json()["event_id"]
        assert "no such job" in client.get(f"gradio_api/call/status/{event}").text
        again = client.get(f"gradio_api/call/status/{event}")
        assert again.status_code == 404 and "fetched already" in again.json()["detail"]
