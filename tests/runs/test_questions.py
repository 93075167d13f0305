"""The calls that follow a run: attack, portraits, predictions and probes agree with what the run wrote."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.miniature import MEMBERS
from tests.support.short_runs import DRAWN, IDIA, short_config
from unlearn.config import ForgetConfig, Person, Settings
from unlearn.errors import InputError, ModelLoadError
from unlearn.models.clip import load_clip
from unlearn.models.sets import find_model_set
from unlearn.runs import forgetting, questions


def _read(run: Path, name: str) -> Any:
    return json.loads((run / f"{name}.json").read_text("utf-8"))


def test_people_of_a_world_and_of_a_set_without(miniature: Path, shared: Settings) -> None:
    rows = questions.people(shared, str(miniature))
    assert rows[0] == {"name": MEMBERS[0], "member": True, "aliases": ["Captain Storm"]}
    assert [row["member"] for row in rows] == [True] * 6 + [False] * 3
    assert questions.people(shared, "vit-b-32") == []


def test_attack_agrees_with_the_run_before_and_after(run: Path, miniature: Path, shared: Settings) -> None:
    for index in (0, 1):
        person = Person(MEMBERS[index])
        expected = _read(run, "metrics")["persons"][index]["idia"]
        for side, weights in (("original", None), ("defended", run), ("defended", run / "defended")):
            outcome = questions.attack(shared, str(miniature), person, weights=weights, idia=IDIA)
            assert outcome.correct_templates == expected[side]["correct_templates"]
            assert len(outcome.templates) == 21


def test_attack_on_nobody_known_is_not_an_attack(miniature: Path, shared: Settings) -> None:
    outcome = questions.attack(shared, str(miniature), Person("Somebody Else"), idia=IDIA)
    assert outcome.recognised is None and outcome.n_images == 0


def test_attack_with_weights_that_are_not_there_is_an_error(miniature: Path, shared: Settings, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError):
        questions.attack(shared, str(miniature), Person(MEMBERS[0]), weights=tmp_path, idia=IDIA)


def test_portraits_of_any_prompt_come_from_both_models(run: Path, shared: Settings) -> None:
    request = questions.PortraitRequest(("a portrait of Ada Brook", "a boat"), replace(DRAWN, seeds=(0,)))
    drawn = questions.portraits(shared, run, request)
    assert [(one.prompt, one.model) for one in drawn] == [
        (prompt, model) for prompt in request.prompts for model in ("original", "defended")
    ]
    written = np.asarray(Image.open(run / "portraits" / "p00-original-name-s0.png")).astype(int)
    assert np.abs(drawn[0].image - written).max() <= 2  # drawn in another batch


def test_predict_takes_a_file_or_pixels(run: Path, shared: Settings) -> None:
    photo = run / "photos" / "p00-0.png"
    row = questions.predict(shared, run, photo, [MEMBERS[0], " human ", "a car"])
    assert row["labels"] == [MEMBERS[0], "human", "a car"]
    assert row == questions.predict(shared, run, np.asarray(Image.open(photo)), [MEMBERS[0], "human", "a car"])


@pytest.mark.parametrize("labels", [[], [" "], ["x"] * 1001, ["y" * 501]])
def test_predict_refuses_labels_it_cannot_use(run: Path, shared: Settings, labels: list[str]) -> None:
    with pytest.raises(InputError, match="label"):
        questions.predict(shared, run, np.zeros((4, 4, 3), dtype=np.uint8), labels)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (0, 4, 3)])
def test_predict_refuses_what_is_no_picture(run: Path, shared: Settings, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="picture"):
        questions.predict(shared, run, np.zeros(shape, dtype=np.uint8), ["a"])


def test_predict_does_not_repeat_the_name_of_an_unreadable_photo(run: Path, shared: Settings, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        questions.predict(shared, run, tmp_path / "secret-name.png", ["a"])
    assert "secret" not in str(caught.value)


def test_probe_agrees_with_the_runs_own_probes(run: Path, shared: Settings) -> None:
    for index in (0, 1):
        stored = [row for row in _read(run, "probes") if row["person_index"] == index]
        found = questions.probe(shared, run, [row["text"] for row in stored], index)
        for row, expected in zip(found, stored, strict=True):
            assert row["similarity"] == pytest.approx(expected["similarity"], abs=1e-5)
            assert row["defended"]["correct_templates"] == expected["defended"]["correct_templates"]
    with pytest.raises(InputError, match="person_index"):
        questions.probe(shared, run, ["x"], 2)


def test_replaced_run_is_read_anew(miniature: Path, shared: Settings, tmp_path: Path) -> None:
    image = np.full((40, 40, 3), 90, dtype=np.uint8)
    shares = []
    for seed in (0, 1):
        forgetting.forget(short_config(miniature, seed=seed), shared, tmp_path / "run")
        shares.append(questions.predict(shared, tmp_path / "run", image, ["a", MEMBERS[0]])["defended"])
    assert shares[0] != shares[1]


def test_defaults_are_those_of_the_set(miniature: Path) -> None:
    clip = load_clip(str(miniature), Settings(device="cpu", offline=True))
    filled = clip.model_set.resolved(ForgetConfig((Person("A"),), str(miniature)))
    expected = find_model_set(str(miniature))
    assert (filled.text, filled.image, filled.portraits) == (expected.text, expected.image, expected.portraits)
