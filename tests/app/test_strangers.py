"""What somebody can do with what the server tells everybody: read the page's configuration, forge who one is, call its private events.

The victim has a job of the page and one of the endpoints; the stranger knows the links to both, and even the name of the victim's session.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client

VICTIM, BY_ENDPOINT = "Slow Always", "Hangs Always"  # both stay at work, or wait, as long as nobody stops them


class Visitor:
    """A browser without a browser: calls the page's private events by their numbers."""

    def __init__(self, address: str, session: str, page: str = "0" * 32) -> None:
        self.address, self.session, self.page = address, session, page
        self.memory: dict[str, Any] = {"visitor": "", "job": ""}
        self.config = httpx.get(f"{address}config", timeout=60.0).json()

    def event(self, elem_id: str | None, event: str = "click") -> dict[str, Any]:
        """The private event of a component; without one that of the page's opening."""
        ids = [one["id"] for one in self.config["components"] if elem_id and one["props"].get("elem_id") == elem_id]
        found = [one for one in self.config["dependencies"] if one["backend_fn"] and any(
            target[1] == event and (target[0] in ids or elem_id is None) for target in one["targets"])]  # fmt: skip
        return dict(found[0])

    def call(self, elem_id: str | None, event: str = "click", data: Any = None, query: str = "", **inputs: Any) -> str:
        """Everything that the server answers."""
        chosen = self.event(elem_id, event)
        props = {one["id"]: one["props"] for one in self.config["components"]}
        said = {**self.memory, "page": self.page} if isinstance(self.memory, dict) else self.memory
        values: list[Any] = [json.dumps(said), None]
        values += [inputs.get(props[i].get("elem_id") or "", props[i].get("value")) for i in chosen["inputs"][2:]]
        body = {"data": values, "fn_index": chosen["id"], "session_hash": self.session, "event_data": data}
        answer = httpx.post(f"{self.address}gradio_api/run/predict{query}", json=body, timeout=120.0)
        self.status = answer.status_code
        return answer.text

    def act(self, action: str, job: str, **more: Any) -> str:
        """Press a button of the list of jobs."""
        return self.call("history", data={"action": action, "job": job, **more})

    def remember(self, answer: str) -> None:
        """Keep what the server wants a browser to keep."""
        kept = re.search(r'\{\\"visitor\\": \\"([^\\]+)\\", \\"job\\": \\"([^\\]*)\\"\}', answer)
        assert kept is not None, answer[:500]
        self.memory = {"visitor": kept[1], "job": kept[2]}


@pytest.fixture(scope="module")
def victim(address: str) -> Visitor:
    made = Visitor(address, "session-of-the-victim", "5" * 32)
    made.remember(made.call(None, "load"))
    made.remember(made.call("start", names=VICTIM))
    assert made.memory["job"]
    return made


@pytest.fixture(scope="module")
def by_endpoint(client: Client, victim: Visitor) -> str:
    return str(client.predict([BY_ENDPOINT], api_name="/forget")["job"])


def state(client: Client, job: str) -> str:
    return str(client.predict(job, api_name="/status")["state"])


def identities(victim: Visitor) -> list[Any]:
    """Whom a stranger may try to be, and with which session."""
    secrets = [one["props"].get("secret") for one in victim.config["components"] if one["props"].get("secret")]
    keys = [key.encode() for key in secrets] or [b"x"]
    hashes = [hashlib.blake2b(b"127.0.0.1", key=key, digest_size=8).hexdigest() for key in keys]
    owner = victim.memory["visitor"].split(".")[0]
    claims = [f"api:{one}" for one in hashes]
    claims += ["", "nobody", "user:ann", "user:", owner, f"visitor:{owner}", f"{owner}.", f"{owner}.{'0' * 64}"]
    return [{"visitor": claim, "job": ""} for claim in claims]


def test_configuration_holds_no_key_and_no_name(victim: Visitor, data_dir: Path, by_endpoint: str) -> None:
    text = json.dumps(victim.config) + httpx.get(victim.address).text
    key = (data_dir / "server-key").read_text(encoding="ascii")
    assert key not in text and VICTIM not in text and victim.memory["visitor"] not in text
    assert [one["type"] for one in victim.config["components"] if one["props"].get("secret")] == []


def test_victim_lists_the_own_job_and_a_stranger_none(victim: Visitor, by_endpoint: str) -> None:
    again = Visitor(victim.address, "another-session", "6" * 32)
    again.memory = victim.memory
    assert VICTIM in again.call("repaint")
    for number, memory in enumerate(identities(victim)):
        for session in (f"own-{number}", victim.session):
            stranger = Visitor(victim.address, session)
            stranger.memory = memory
            answer = stranger.call("repaint")
            assert stranger.status == 200 and VICTIM not in answer and BY_ENDPOINT not in answer
            stranger.remember(answer)
            assert stranger.memory["visitor"] not in (memory["visitor"], victim.memory["visitor"])


@pytest.mark.parametrize("action", ["cancel", "rerun", "delete", "pick"])
def test_links_give_a_stranger_no_right_to_change(action: str, victim: Visitor, by_endpoint: str, client: Client) -> None:
    job = victim.memory["job"]
    for number, memory in enumerate(identities(victim)):
        for session in (f"{action}-{number}", victim.session):
            for target in (job, by_endpoint):
                stranger = Visitor(victim.address, session)
                stranger.memory = {**memory, "job": job}
                assert re.search(r"started by somebody else|cannot be picked", stranger.act(action, target, value="1:1"))
    assert {state(client, one) for one in (job, by_endpoint)} <= {"queued", "running"}


def test_link_shows_the_job_without_its_buttons(victim: Visitor, by_endpoint: str) -> None:
    stranger = Visitor(victim.address, "with-the-link")
    answer = stranger.call(None, "load", query=f"?job={victim.memory['job']}")
    panel = answer.split('data-state', 1)[1].split("</div>", 4)
    assert VICTIM in answer and "Copy link" in answer
    assert 'data-action=\\"cancel\\"' not in "".join(panel) and 'data-action=\\"delete\\"' not in answer


def test_sessions_of_others_are_not_copied_to_a_link(victim: Visitor) -> None:
    answer = httpx.get(f"{victim.address}gradio_api/deep_link", params={"session_hash": victim.session})
    assert answer.status_code == 404


def test_failure_is_told_to_the_owner_only_and_details_as_well(address: str, client: Client, victim: Visitor, by_endpoint: str) -> None:
    owner = Visitor(address, "of-a-failure", "7" * 32)
    owner.remember(owner.call("start", names="Fails Always"))
    job = owner.memory["job"]
    # what the victim started holds the lane; the victim may stop it
    victim.act("cancel", victim.memory["job"])
    client.predict(by_endpoint, api_name="/cancel")
    deadline = time.monotonic() + 120.0
    while state(client, job) != "failed":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    told = owner.call("repaint")
    assert "tests/support/ui_fixture.py" in told and "made to fail" not in told  # places, without the text of a foreign error
    stranger = Visitor(address, "looks-at-a-failure")
    seen = stranger.call(None, "load", query=f"?job={job}")
    assert "Failed" in seen and "ui_fixture" not in seen and "made to fail" not in seen


@pytest.mark.parametrize(
    "memory", [None, 3, [], "x", [{}], {"visitor": {"a": 1}, "job": ["b"]}, {"visitor": "x" * 10_000, "job": "../../jobs"}]
)
def test_memory_of_any_form_makes_a_new_visitor(address: str, memory: Any) -> None:
    stranger = Visitor(address, f"odd-{hash(str(memory))}")
    stranger.memory = memory
    answer = stranger.call("repaint")
    assert stranger.status == 200
    stranger.remember(answer)
    assert re.fullmatch(r"[\w-]{22}\.[0-9a-f]{64}", stranger.memory["visitor"])


@pytest.mark.parametrize(
    "data",
    [None, 3, [], {}, {"action": ["cancel"], "job": {}}, {"action": "compare", "ticked": 5}, {"action": "open", "job": 7}],
)
def test_odd_presses_are_answered_without_the_programs_insides(address: str, data: Any) -> None:
    stranger = Visitor(address, f"press-{hash(str(data))}")
    answer = stranger.call("history", data=data)
    assert stranger.status == 200 and "TypeError" not in answer


def test_callers_behind_a_proxy_on_this_machine_are_told_apart_by_the_address_that_it_sends(address: str) -> None:
    def call(endpoint: str, data: list[Any], caller: str) -> httpx.Response:
        headers = {"X-Forwarded-For": caller}
        return httpx.post(f"{address}gradio_api/run/{endpoint}", json={"data": data}, headers=headers, timeout=120.0)

    started = call("forget", [[VICTIM], "human", 0, None, "text", None, False, "neutral_term", 0, "backdoor"], "10.0.0.1")
    job = started.json()["data"][0]["job"]
    refused = call("cancel", [job], "10.0.0.2")
    assert refused.status_code == 400 and "started by somebody else" in refused.text
    assert call("cancel", [job], "10.0.0.1").json()["data"][0]["state"] == "cancelled"
