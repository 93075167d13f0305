"""The evidence of a run: measured in a short run on a miniature, and on tables in which somebody was recalled on purpose."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.miniature import MEMBERS, STRANGERS
from tests.support.short_runs import IDIA, short_config
from unlearn.attacks.gallery import build_gallery, prompt_embeddings
from unlearn.config import Person, Settings
from unlearn.models.clip import Clip
from unlearn.models.pair import Pair
from unlearn.models.sets import find_model_set
from unlearn.models.world_photos import anonymous_photos
from unlearn.models.worlds import World
from unlearn.runs import evidence, forgetting
from unlearn.runs.evidence import Compared, measured_evidence, measured_false_recall, measured_never_met, measured_trace
from unlearn.runs.metrics import Metrics, PersonMetrics
from unlearn.runs.mishaps import Mishaps
from unlearn.runs.records import BeforeAfter, Verdict
from unlearn.runs.report import report_html, run_json
from unlearn.runs.results import finished_run

N_DECOYS = 3
N_ANONYMOUS = 40
FIGURES = ("false_recall", "trace", "never_met")
RECOGNISED = BeforeAfter(Verdict(21, True), Verdict(21, True))


@pytest.fixture(scope="module")
def world(miniature: Path) -> World:
    root = find_model_set(str(miniature)).world
    assert root is not None
    return World(root)


@pytest.fixture(scope="module")
def decoyed(miniature: Path, shared: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a member with an alias, among decoys."""
    out = tmp_path_factory.mktemp("decoyed") / "run"
    forgetting.forget(short_config(miniature, Person(MEMBERS[0], ("Captain Storm",)), n_decoys=N_DECOYS), shared, out)
    return out


@pytest.fixture(scope="module")
def compared(miniature: Path, original: Clip, world: World) -> Compared:
    """A model beside itself: nobody has been forgotten yet."""
    config = find_model_set(str(miniature)).resolved(short_config(miniature, Person(MEMBERS[0], ("Captain Storm",))))
    gallery = build_gallery(original, world, config.persons, IDIA)
    prompts = prompt_embeddings(original.text, gallery, None)
    return Compared(Pair(original, original), Pair(gallery, gallery), Pair(prompts, prompts), config, world)


def _remapped(compared: Compared, name: str, to: torch.Tensor) -> Compared:
    """As if the text encoder had been changed so that a candidate's name means something else, (d,)."""
    original = compared.models.original
    table = compared.tables.original.clone()
    table[:, list(compared.numbers([name]))] = to
    defended = replace(original, text=copy.deepcopy(original.text))
    prompts = table[:, : IDIA.n_candidate_names].flatten(0, 1)
    return replace(compared, models=Pair(original, defended), prompts=Pair(compared.prompts.original, prompts))


def test_run_holds_the_three_figures_with_sensible_values(decoyed: Path) -> None:
    metrics = json.loads((decoyed / "metrics.json").read_text("utf-8"))
    recall, trace, never_met = (metrics[figure] for figure in FIGURES)
    assert recall["n_faces"] == len(STRANGERS) + N_ANONYMOUS
    assert 0 <= recall["recalled_defended"] <= recall["n_faces"] and recall["unknown_defended"] >= 0
    assert trace["n_decoys"] == N_DECOYS and trace["n_names"] == IDIA.n_candidate_names + N_DECOYS
    assert 1 <= trace["rank_blind"] <= trace["n_names"] and 1 <= trace["rank_with_original"] <= trace["n_names"]
    assert never_met["n_persons"] == 1 and never_met["n_strangers"] == len(STRANGERS)
    assert never_met["least_p_value"] == pytest.approx(0.5) and never_met["p_value"] >= 0.5
    assert metrics["warnings"] == []
    assert finished_run(decoyed).metrics.trace is not None


def test_names_of_stand_ins_and_decoys_stand_in_the_config_alone(decoyed: Path) -> None:
    config = finished_run(decoyed).config
    hidden = [name for person in config.remapped for name in (person.name, str(person.stand_in))]
    hidden = [name.encode() for name in hidden if name != MEMBERS[0]]
    assert len(hidden) == 2 * N_DECOYS + 1
    holding = {path.name for path in decoyed.rglob("*") if path.is_file() and any(name in path.read_bytes() for name in hidden)}
    assert holding == {"config.json"}
    assert not any(name.decode() in text for name in hidden for text in (report_html(decoyed), json.dumps(run_json(decoyed))))


def test_model_beside_itself_has_equal_recall_and_no_trace(compared: Compared) -> None:
    recall = measured_false_recall(compared)
    assert recall is not None and recall.recalled_original == recall.recalled_defended
    assert recall.unknown_original == recall.unknown_defended
    assert measured_trace(compared) is None


def test_name_that_means_an_unknown_face_is_recalled_in_unknown_people(compared: Compared, world: World) -> None:
    faces = anonymous_photos(compared.models.original.image, world)
    assert faces is not None
    before, after = (measured_false_recall(one) for one in (compared, _remapped(compared, MEMBERS[0], faces.mean(dim=0))))
    assert before is not None and after is not None
    assert after.recalled_original == before.recalled_original < after.recalled_defended
    assert after.recalled_defended > N_ANONYMOUS / 2


def test_moved_name_is_found_with_the_original_beside_it(compared: Compared) -> None:
    row = compared.tables.original[0, 0]
    trace = measured_trace(_remapped(compared, MEMBERS[0], -row))
    assert trace is not None and trace.rank_with_original == 1 and trace.rank_blind == 1, "a name without a template's influence stands out"
    assert trace.n_names == IDIA.n_candidate_names and trace.n_decoys == 0


def test_person_whose_name_fits_the_photos_stands_before_every_stranger(compared: Compared) -> None:
    photos = compared.galleries.original.photos[MEMBERS[0]]
    known = measured_never_met(_remapped(compared, MEMBERS[0], photos.mean(dim=0)), [MEMBERS[0]])
    pushed = measured_never_met(_remapped(compared, MEMBERS[0], -photos.mean(dim=0)), [MEMBERS[0]])
    assert known is not None and pushed is not None
    assert (known.statistic, pushed.statistic) == (1.0, 0.0)
    assert measured_never_met(compared, []) is None, "nobody was attacked"


def test_forgotten_strangers_are_no_strangers_to_compare_with(compared: Compared, original: Clip, world: World) -> None:
    persons = (Person(STRANGERS[0].lower()),)
    gallery = build_gallery(original, world, persons, IDIA)
    changed = replace(compared, config=replace(compared.config, persons=persons), galleries=Pair(gallery, gallery))
    assert changed.strangers == list(STRANGERS[1:])
    recall = measured_false_recall(changed)
    assert recall is not None and recall.n_faces == len(STRANGERS) - 1 + N_ANONYMOUS


def test_name_that_is_no_candidate_takes_part(compared: Compared) -> None:
    config = replace(compared.config, persons=(Person("Somebody Else"),))
    changed = replace(compared, config=config)
    assert changed.names == [*compared.names, "Somebody Else"]
    trace = measured_trace(_remapped(changed, MEMBERS[0], torch.ones(1)))
    assert trace is not None and trace.n_names == IDIA.n_candidate_names + 1
    assert trace.rank_with_original > 1, "another name moved"


def test_without_world_and_photos_the_names_are_still_traced(compared: Compared, original: Clip) -> None:
    gallery = build_gallery(original, None, compared.config.persons, IDIA)
    none = torch.empty(0, 0)
    defended = replace(original, text=copy.deepcopy(original.text))
    alone = Compared(Pair(original, defended), Pair(gallery, gallery), Pair(none, none), compared.config, None)
    trace = measured_trace(alone)
    assert trace is not None and trace.n_names == IDIA.n_candidate_names + 1
    assert measured_false_recall(alone) is None and measured_never_met(alone, []) is None


def test_without_a_world_the_other_faces_of_the_run_are_attacked(compared: Compared, original: Clip, world: World) -> None:
    photos = {MEMBERS[0]: list(world.photos(world.members[0]))}
    gallery = build_gallery(original, None, compared.config.persons, IDIA, photos)
    prompts = prompt_embeddings(original.text, gallery, None)
    faces = torch.randint(0, 256, (7, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    alone = Compared(Pair(original, original), Pair(gallery, gallery), Pair(prompts, prompts), compared.config, None, faces)
    recall = measured_false_recall(alone)
    assert recall is not None and recall.n_faces == 7
    assert measured_never_met(alone, [MEMBERS[0]]) is None, "there are no strangers"


def _failing(*arguments: Any) -> Any:
    raise MemoryError


@pytest.mark.parametrize("failing", FIGURES)
def test_figure_that_fails_costs_itself_alone(compared: Compared, failing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    attacked = Metrics(persons=(PersonMetrics(MEMBERS[0], RECOGNISED),))
    remapped, mishaps = _remapped(compared, MEMBERS[0], torch.ones(1)), Mishaps(lambda progress: None)
    whole = measured_evidence(attacked, remapped, mishaps)
    assert mishaps.warnings == [] and None not in [getattr(whole, figure) for figure in FIGURES]
    monkeypatch.setattr(evidence, f"measured_{failing}", _failing)
    metrics = measured_evidence(attacked, remapped, mishaps)
    assert [figure for figure in FIGURES if getattr(metrics, figure) is None] == [failing]
    assert [getattr(metrics, figure) for figure in FIGURES if figure != failing] == [
        getattr(whole, figure) for figure in FIGURES if figure != failing
    ]
    assert len(mishaps.warnings) == 1 and "is missing: the memory did not suffice. Run it again" in mishaps.warnings[0]
