"""The opponent of a run without a server: who sees and keeps what it found, what is refused, how it is shown. The answers are made up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.ui_fixture_recovery import FINDING, result
from tests.support.ui_fixture_runs import NAMES
from tests.ui.test_endpoints import ANN, BOB
from ui import build_app
from ui.page.endpoints import Endpoints, _owner
from ui.page.screen import View
from ui.page.tabs import opponent as tab
from ui.server.opponent import ask_attacks, ask_texts, own_tries, recovery_of
from ui.server.service import Service
from ui.views.opponent import OpponentView, not_tried, opponent, own_answer, prompts_to_draw
from unlearn.attacks.recovery.catalogue import ATTACKS, NEVER_TRIED
from unlearn.errors import UnlearnError
from unlearn.jobs import Succeeded
from unlearn.runs.json_types import from_json
from unlearn.runs.recovery_records import ON_DEMAND, AttackResult, NotTried, OwnTry, Recovery, TryScore
from unlearn.runs.recovery_sentences import recovery_sentence, result_words, visible

NASTY = "<img src=x onerror=alert(1)>"
NAME = NAMES[0]
QUICK = [kind.name for kind in ATTACKS if kind.is_quick]


def results(*attacks: str) -> tuple[AttackResult, ...]:
    return from_json(tuple[AttackResult, ...], [result(attack) for attack in attacks])


@pytest.fixture
def endpoints(service: Service) -> Endpoints:
    build_app(service)
    return Endpoints(service)


@pytest.fixture
def job(service: Service, endpoints: Endpoints) -> str:
    """A finished job of Ann's with two persons."""
    key = str(endpoints.forget(NAMES[:2], ANN)["job"])
    assert isinstance(service.jobs.wait(key, 120.0).state, Succeeded)
    return key


def recovery(service: Service, key: str, caller: Any) -> Recovery:
    run = service.run(key)
    assert run is not None
    return recovery_of(run, service.questions(key, _owner(service, caller)))


def test_sentence_counts_the_ways_and_names_what_finds_the_person_now() -> None:
    none = recovery_sentence(NAME, results("surface-forms", "templates"))
    assert none == f"2 of 2 ways found {NAME} before; none of them finds this person now."
    found = recovery_sentence(NAME, results("surface-forms", FINDING))
    assert found == f"2 of 2 ways found {NAME} before; 1 finds this person now: other names (“try of {FINDING}”)."
    typed = (OwnTry(TryScore(), TryScore(), "Storm", True, True), OwnTry(TryScore(), TryScore(), "Sun", True, False))
    assert recovery_sentence(NAME, results("surface-forms"), typed).endswith("What was typed here finds this person now: “Storm”.")
    assert recovery_sentence(NAME, ()) == f"No attack was tried yet that could bring {NAME} back."


def test_putting_the_original_weights_back_is_told_apart() -> None:
    (reversal,) = results("reversal")
    sentence = recovery_sentence(NAME, (*results("surface-forms"), replace(reversal, found_defended=True)))
    assert sentence.startswith(f"The one way tried found {NAME} before; it does not find this person now.")
    assert "put its weights back" in sentence


def test_words_of_an_outcome_follow_what_the_attack_counts() -> None:
    (forms,), (sentences,) = results("surface-forms"), results("templates")
    assert result_words(forms, forms.original) == "21 of 21 prompts"
    assert result_words(sentences, TryScore(True, 6)) == "6 of 7 sentences"
    (looks,) = results("descriptions")
    assert result_words(looks, TryScore(True, 20, 0.2, 2)) == "nearer than 2 of 3 strangers"
    assert result_words(forms, TryScore(steps=1)) == "after 1 step" and result_words(forms, TryScore()) == ""


def test_tries_that_are_one_sentence_each_have_no_number_of_prompts() -> None:
    (sentences,), (forms,) = results("templates"), results("surface-forms")
    tries = [opponent(OpponentView(NAME, 0, Recovery(attacks=(result,)))).partition("<details>")[2].partition("</details>")[0]
             for result in (sentences, forms)]  # fmt: skip
    assert ["prompts" in shown for shown in tries] == [False, True] and all("found" in shown for shown in tries)


def test_third_column_is_there_only_where_a_model_never_met_the_person() -> None:
    (forms,), (tokens,) = results("surface-forms"), results("soft-tokens")
    tries = (replace(forms.tries[0], never_met=TryScore(False, 2)), forms.tries[1])
    third = replace(forms, never_met=TryScore(False, 3), found_never_met=False, tries=tries)
    shown = opponent(OpponentView(NAME, 0, Recovery(attacks=(third, tokens))))
    assert ">Never met</th>" in shown and "3 of 21 prompts" in shown and "2 of 21 prompts" in shown
    assert f"On a model that never met {NAME}, the one of these ways that was tried does not find this person." in shown
    assert "ever met" not in opponent(OpponentView(NAME, 0, Recovery(attacks=(forms, tokens))))
    own = OwnTry(TryScore(True, 21), TryScore(False, 0), "Storm", True, False, never_met=TryScore(False, 4), found_never_met=False)
    assert "4 of 21 prompts" in opponent(OpponentView(NAME, 0, Recovery(own=(own,))))


def test_table_has_danger_first_and_escapes_what_was_typed() -> None:
    own = OwnTry(TryScore(True, 20), TryScore(False, 0), NASTY, True, False)
    html = opponent(OpponentView(NASTY, 0, Recovery(attacks=results("templates", FINDING), own=(own,)), askable=True))
    assert html.index("Other names") < html.index("Typed on this page") < html.index("Unseen sentences")
    assert NASTY not in html and "&lt;img" in html
    assert html.count("<tr class") == 3 and "data-value=\"templates\"" in html and "Try all" in html
    assert "data-action" not in opponent(OpponentView(NAME, 0, Recovery(attacks=results(FINDING))))  # nothing can be asked of this run


def test_what_was_not_tried_says_why_and_can_be_started_where_that_helps() -> None:
    skipped = (NotTried("descriptions", "Nobody has described the looks."), NotTried("ageing", ON_DEMAND))
    html = not_tried(OpponentView(NAME, 0, Recovery(attacks=results(*QUICK), not_tried=skipped), askable=True))
    assert "data-value=\"ageing\"" in html and "data-value=\"aliases\"" not in html
    assert all(why in html for why in NEVER_TRIED.values())
    refused = not_tried(OpponentView(NAME, 0, Recovery(not_tried=skipped), askable=True))
    assert "Nobody has described the looks." in refused and "data-value=\"descriptions\"" not in refused


def test_prompts_to_draw_are_the_dangerous_tries_each_once() -> None:
    own = OwnTry(TryScore(), TryScore(), "Storm", True, True)
    found = Recovery(attacks=results("templates", FINDING), own=(own,))
    drawn = prompts_to_draw(found, 0, 4, "a portrait of {0}")
    assert drawn == ["a portrait of Storm", f"a portrait of try of {FINDING}", "try of templates"]
    assert prompts_to_draw(found, 1, 4, "{0}") == []


def test_invisible_characters_are_shown() -> None:
    assert visible("Til\u200bda") == "Til⟨U+200B⟩da" and visible("José Ñandú") == "José Ñandú"


def test_owner_keeps_what_was_found_and_others_keep_their_own_to_themselves(service: Service, endpoints: Endpoints, job: str) -> None:
    rows = endpoints.recover(job, ANN)["attacks"]
    assert [row["attack"] for row in rows] == QUICK and {row["person_index"] for row in rows} == {0}
    assert endpoints.recover(job, BOB, attacks=["ageing"], person=1)["attacks"][0]["person_index"] == 1
    assert endpoints.recover(job, BOB, texts=["Captain Storm"])["own"][0]["found_defended"] is True
    folder = service.run_folder(job)
    assert folder is not None
    kept = json.loads((folder / "recovery.json").read_text("utf-8"))
    assert [row["attack"] for row in kept["attacks"]] == QUICK and kept["own"] == []
    assert len(recovery(service, job, ANN).attacks) == len(QUICK) and recovery(service, job, ANN).own == ()
    theirs = recovery(service, job, BOB)
    assert len(theirs.attacks) == len(QUICK) + 1 and [one.text for one in theirs.own] == ["Captain Storm"]


def test_own_try_of_the_owner_is_answered_at_once_and_stays_in_the_table(service: Service, endpoints: Endpoints, job: str) -> None:
    asked = ask_texts(service, job, _owner(service, ANN), ["Captain Storm"])
    service.jobs.wait(asked.id, 60.0)
    done = service.jobs.get(asked.id)
    assert "still finds" in own_answer(done, own_tries(done), NAME)
    view = View(service, job, _owner(service, ANN))
    assert "Typed on this page" in tab.show(view) and "Captain Storm" in tab.show_answer(view)
    assert "Captain Storm" not in tab.show(replace(view, chosen=1)) and tab.show_answer(replace(view, chosen=1)) == ""


def test_run_of_an_earlier_version_offers_the_attacks(service: Service, job: str) -> None:
    view = View(service, job, _owner(service, ANN))
    assert "No attack was tried yet" in tab.show(view) and "data-value=\"quick\"" in tab.show(view)
    assert tab.show_not_tried(view).count("data-value") == len(ATTACKS)
    assert tab.choices(view)["visible"] and [number for _, number in tab.choices(view)["choices"]] == [0, 1]


def test_attacks_show_in_the_tab_and_not_as_a_job_of_forgetting(service: Service, job: str) -> None:
    owner = _owner(service, ANN)
    asked = ask_attacks(service, job, owner, {"budget": "full", "person": 1})
    view = View(service, job, owner, 1)
    assert [one.id for one in service.forgets(owner)] == [job] and service.forget_job(asked.id) is None
    service.jobs.wait(asked.id, 120.0)
    view = View(service, job, owner, 1)
    assert tab.show(view).count("<tr class") == len(ATTACKS) and "data-value=\"quick\"" not in tab.show(view)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"attacks": ["witchcraft"]}, "attacks is unknown"), ({"budget": "endless"}, "quick or full"), ({"person": 2}, "the run has 2"),
        ({"person": -1}, "the run has 2"), ({"seed": -1}, "whole number from 0"),
        ({"texts": [f"text {n}" for n in range(11)]}, "send 1 to 10"), ({"texts": []}, "no texts"), ({"texts": ["x" * 201]}, "longer than"),
        ({"texts": ["x"], "attacks": ["aliases"]}, "not both"),
    ],
)  # fmt: skip
def test_endpoint_refuses_with_a_sentence(endpoints: Endpoints, job: str, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UnlearnError, match=sentence):
        endpoints.recover(job, ANN, **given)


def test_prepared_example_is_left_as_it_is(service: Service, endpoints: Endpoints) -> None:
    before = _files(service.options.prepared_dir)
    assert endpoints.recover("prepared", ANN, texts=["Captain Storm"])["own"]
    assert _files(service.options.prepared_dir) == before
    assert recovery(service, "prepared", BOB).own == () and len(recovery(service, "prepared", ANN).own) == 1


def _files(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
