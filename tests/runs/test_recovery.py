"""Attacks on a finished run, the quick set within a run, own tries, and what recovery.json holds; on a miniature that knows nobody."""

from __future__ import annotations

import copy
import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.miniature import MEMBERS, STRANGERS
from tests.support.short_runs import IDIA, short_config
from unlearn.attacks.gallery import build_gallery, prompt_embeddings
from unlearn.attacks.recovery import opponent, soft_tokens
from unlearn.attacks.recovery.catalogue import ATTACKS, NEVER_TRIED
from unlearn.attacks.recovery.context import Clock
from unlearn.attacks.recovery.scores import TryScore, bound
from unlearn.config import Person, Settings
from unlearn.errors import ConfigError, InputError, JobCancelled
from unlearn.models.clip import Clip
from unlearn.models.pair import Pair
from unlearn.models.sets import find_model_set
from unlearn.models.worlds import World
from unlearn.progress import Progress
from unlearn.runs import forgetting, recovery
from unlearn.runs.evidence import Compared
from unlearn.runs.json_types import from_json, to_json
from unlearn.runs.opponent_context import Opponent
from unlearn.runs.recovery import RecoveryRequest, recover, try_text
from unlearn.runs.recovery_records import AttackResult, Recovery, n_found, summary
from unlearn.runs.results import finished_run

FAST = ("aliases", "languages", "reversal")
POINT_ONE = {"attack", "family", "n_tries", "budget_s", "best_try", "original", "defended", "found_original", "found_defended", "seconds"}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soft_tokens, "N_STEPS", {"quick": 2, "full": 2})
    monkeypatch.setattr(opponent, "budget_s", lambda kind, budget: 1e6)  # a slow machine must not reach a limit
    monkeypatch.setattr(recovery, "TOTAL_S", {"quick": 1e6, "full": 1e6})


@pytest.fixture
def finished(run: Path, tmp_path: Path) -> Path:
    """A run of one's own."""
    return Path(shutil.copytree(run, tmp_path / "run"))


def test_results_are_kept_and_a_new_one_takes_the_place_of_the_earlier(finished: Path, shared: Settings) -> None:
    first = recover(shared, finished, RecoveryRequest(FAST))
    assert [result.attack for result in first.attacks] == list(FAST)
    assert first == finished_run(finished).recovery == from_json(Recovery, json.loads((finished / "recovery.json").read_text("utf-8")))
    second = recover(shared, finished, RecoveryRequest(("languages",), seed=1))
    assert [result.attack for result in second.attacks] == ["aliases", "reversal", "languages"]
    other = recover(shared, finished, RecoveryRequest(("languages",), person_index=1))
    assert [(result.attack, result.person_index) for result in other.attacks][-2:] == [("languages", 0), ("languages", 1)]


def test_rows_say_what_was_tried_and_what_was_not(finished: Path, shared: Settings) -> None:
    result = recover(shared, finished, RecoveryRequest())
    assert {row.attack for row in result.attacks} | {row.attack for row in result.not_tried} == {kind.name for kind in ATTACKS} | set(
        NEVER_TRIED
    )
    reasons = {row.attack: row.why for row in result.not_tried}
    assert reasons["photo-to-photo"].startswith("It is part of the full set") and "described" in reasons["descriptions"]
    row = next(row for row in result.attacks if row.attack == "surface-forms")
    assert to_json(row).keys() >= POINT_ONE and row.best_try and row.n_tries > 20 and row.is_prompt and len(row.tries) == 5
    assert row.control is not None and row.control.n_strangers == 1 and row.tries[0].text == row.best_try
    assert result.success is not None and result.success.n_cases >= 2 * 4 and result.budget == "quick"
    assert [kept.attack for kept in result.by_danger] != [] and len(result.by_danger) == len(result.attacks)


def test_own_try_is_answered_and_kept_once_the_latest_first(finished: Path, shared: Settings) -> None:
    recover(shared, finished, RecoveryRequest(("reversal",)))
    for text in ("Ada", "Captain  Storm", "Ada"):
        answer = try_text(shared, finished, text)
    assert answer.text == "Ada" and answer.defended.correct_templates is not None and answer.found_defended is not None
    kept = recover(shared, finished, RecoveryRequest(("reversal",)))
    assert [own.text for own in kept.own] == ["Ada", "Captain Storm"] and len(kept.attacks) == 1


@pytest.mark.parametrize(("text", "message"), [(" ", "0 characters"), ("x" * 201, "201 characters"), ("é" * 150, "tokens")])
def test_text_that_cannot_be_tried_is_refused(finished: Path, shared: Settings, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        try_text(shared, finished, text)
    assert not (finished / "recovery.json").exists()


def test_bad_requests_are_refused_in_a_sentence(finished: Path, shared: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'telepathy' is no attack; use surface-forms"):
        RecoveryRequest(("telepathy",))
    with pytest.raises(ConfigError, match="use quick or full"):
        RecoveryRequest(budget="huge")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="Person 2 does not exist; the run has 2"):
        recover(shared, finished, RecoveryRequest(person_index=2))
    with pytest.raises(InputError, match="no finished run"):
        recover(shared, tmp_path / "nothing", RecoveryRequest())


def test_wish_to_stop_ends_the_attacks_and_keeps_what_there_was(finished: Path, shared: Settings) -> None:
    earlier = recover(shared, finished, RecoveryRequest(("reversal",)))

    def stop(progress: Progress) -> None:
        if progress.note.startswith("Other ways"):
            raise JobCancelled

    with pytest.raises(JobCancelled):
        recover(shared, finished, RecoveryRequest(), stop)
    assert finished_run(finished).recovery == earlier


def test_run_has_the_quick_set_unless_the_opponent_is_off(
    miniature: Path, shared: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        forgetting.forget(short_config(miniature, Person(STRANGERS[0]), opponent="quick"), shared, tmp_path / "run")
    found = finished_run(tmp_path / "run")
    assert found.recovery.budget == "quick" and {"surface-forms", "soft-tokens"} <= {row.attack for row in found.recovery.attacks}
    assert found.metrics.seconds.opponent and "recovery.json" in found.manifest.files
    assert not any(name.split()[0] in caplog.text for name in (*STRANGERS, *MEMBERS))
    forgetting.forget(short_config(miniature, Person(STRANGERS[0])), shared, tmp_path / "run")
    assert not (tmp_path / "run" / "recovery.json").exists() and finished_run(tmp_path / "run").recovery == Recovery()


@pytest.fixture(scope="module")
def faceless(miniature: Path, original: Clip) -> Compared:
    """A defence of the image encoder that learned nothing."""
    world = World(find_model_set(str(miniature)).world or Path())
    config = find_model_set(str(miniature)).resolved(short_config(miniature))
    gallery = build_gallery(original, world, config.persons, IDIA)
    prompts = prompt_embeddings(original.text, gallery, None)
    models = Pair(original, original.with_image(copy.deepcopy(original.image)))
    return Compared(models, Pair(gallery, gallery), Pair(prompts, prompts), config, world)


def test_defence_of_faces_is_attacked_by_photos_and_not_by_words(faceless: Compared) -> None:
    request = RecoveryRequest(budget="full")
    result = recovery.attacked_person(Opponent(faceless), faceless.config.persons[0], None, request, Clock())
    assert [row.attack for row in result.attacks] == ["photo-to-photo", "linear-probe", "reversal"]
    assert all("text encoder" in row.why for row in result.not_tried)
    for row in result.attacks[:2]:
        assert row.original.recognised and row.original == row.defended and row.original.similarity is not None
        assert row.found_original is None  # three strangers are too few


def test_person_without_photos_is_not_attacked(faceless: Compared) -> None:
    request = RecoveryRequest(("reversal",))
    result = recovery.attacked_person(Opponent(faceless), Person("Nobody Known"), None, request, Clock())
    assert not result.attacks and "no photos" in result.not_tried[0].why


def test_time_that_is_over_is_told(faceless: Compared) -> None:
    clock = Clock(total_s=-1.0)
    result = recovery.attacked_person(Opponent(faceless), faceless.config.persons[0], None, RecoveryRequest(("reversal",)), clock)
    assert result.not_tried[0].why == recovery.NO_TIME


def test_sentence_counts_what_can_be_said() -> None:
    row = AttackResult(TryScore(True, 21, 0.5), TryScore(True, 21, 0.5), "aliases", "another name", 1, 1.0, "x", True, True, 0.1)
    rows = [row, replace(row, attack="templates", found_defended=False), replace(row, found_original=None, found_defended=None)]
    assert n_found(rows) == (2, 2, 1)
    assert summary(rows) == "2 of 2 ways found the person before, 1 finds the person now: other names."
    assert "none finds" in summary(rows[1:]) and "No attack" in summary(rows[2:])


def test_bound_lies_above_what_strangers_reach() -> None:
    assert bound([0.1, 0.2, 0.3]) is None
    limit = bound([0.1, 0.2, 0.3, 0.2])
    assert limit is not None and limit > 0.4
