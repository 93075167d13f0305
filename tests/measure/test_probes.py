"""What a run measures: similarities, predictions, probes, all on an original and a defended model."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support import similarities as paper
from tests.support.miniature import MEMBERS, STRANGERS
from unlearn.attacks.gallery import build_gallery, prompt_embeddings
from unlearn.config import ForgetConfig, IdiaConfig, Person
from unlearn.errors import InputError
from unlearn.measure.probes import Prober, default_probes, misspelled
from unlearn.measure.similarities import N_CAPTIONS, captions_to_measure, measuring_captions, similarities
from unlearn.measure.zero_shot import predictions, utility
from unlearn.models.clip import Clip
from unlearn.models.pair import Pair
from unlearn.models.worlds import World
from unlearn.texts.trigger_pairs import trigger_pairs

PERSON = Person(MEMBERS[0], ("Captain Storm",))


@pytest.fixture(scope="module")
def defended(original: Clip) -> Clip:
    student = copy.deepcopy(original.text)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in student.blocks.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return original.with_text(student)


def test_captions_hold_neither_triggers_nor_the_neutral_term() -> None:
    captions = measuring_captions([PERSON, Person("dog")], "red", seed=0)
    assert len(set(captions)) == len(captions) > 500
    words = [set(caption.lower().replace(",", " ").split()) for caption in captions]
    assert not any({"dog", "red"} & found for found in words)


@pytest.mark.parametrize("kind", ["pooled", "hidden"])
def test_similarities_equal_those_of_the_papers_formulas(original: Clip, defended: Clip, kind: str) -> None:
    captions = measuring_captions([Person("Ada Brook")], "human", seed=0)[:40]
    found = similarities(Pair(original.text, defended.text), captions, [Person("Ada Brook")], "human", kind)  # type: ignore[arg-type]
    pairs = trigger_pairs(captions, "Ada Brook", "human", 0)
    expected = {
        "sim_clean": paper.sim_clean(original.text, defended.text, captions, kind),  # type: ignore[arg-type]
        "sim_backdoor": paper.sim_backdoor(defended.text, pairs.triggered, pairs.neutral, kind),  # type: ignore[arg-type]
        "sim_target": paper.sim_target(original.text, defended.text, pairs.neutral, kind),  # type: ignore[arg-type]
    }
    assert found == pytest.approx(expected, abs=1e-6)
    assert found["sim_clean"] < 0.999


def test_similarities_of_a_defence_that_did_nothing_show_no_remapping(original: Clip) -> None:
    captions = measuring_captions([PERSON], "human", seed=0)[:40]
    found = similarities(Pair(original.text, original.text), captions, [PERSON], "human")
    assert found["sim_clean"] == found["sim_target"] == pytest.approx(1.0)
    assert found["sim_backdoor"] < 0.999


def test_utility_is_none_without_things(original: Clip, defended: Clip, miniature: Path) -> None:
    keys = {"top1_original", "top1_defended", "top5_original", "top5_defended"}
    assert utility(Pair(original, defended), None) == dict.fromkeys(keys)
    found = utility(Pair(original, defended), World(miniature).things)
    assert set(found) == keys
    assert all(share is not None and 0 <= share <= 1 for share in found.values())
    assert (found["top1_original"] or 0) <= (found["top5_original"] or 0)


def test_predictions_are_shares_that_sum_to_one(original: Clip, defended: Clip) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 40, 40, 3), dtype=np.uint8)
    rows = predictions(Pair(original, defended), images, ["Ada Brook", "a car", "human"])
    assert len(rows) == 3
    for row in rows:
        assert row["labels"] == ["Ada Brook", "a car", "human"]
        assert sum(row["original"]) == pytest.approx(1) == pytest.approx(sum(row["defended"]))
    assert rows[0]["original"] != rows[0]["defended"]
    for row in predictions(Pair(original, original), images, ["a", "b"]):
        assert row["original"] == row["defended"]


def test_default_probes_hold_each_text_once() -> None:
    rows = default_probes(PERSON, "human", ["human", "person"])
    assert [row["kind"] for row in rows] == [
        "name", "alias", "first name", "last name", "misspelling", "lower case", "neutral term", "neutral term",
    ]  # fmt: skip
    texts = [row["text"] for row in rows]
    assert len(set(texts)) == len(texts)
    assert texts[0] == "Ada Brook" and texts[2:4] == ["Ada", "Brook"]
    assert default_probes(Person("cher"), "human", [])[0] == {"kind": "name", "text": "cher"}


@pytest.mark.parametrize("name", ["Ada Brook", "Cher", "Aa", "Li Po", "J. R.", "李"])
def test_misspelling_differs_from_the_name_in_little(name: str) -> None:
    found = misspelled(name)
    assert found != name
    assert abs(len(found) - len(name)) <= 1


def test_probe_tells_each_text_before_and_after(original: Clip, defended: Clip, miniature: Path) -> None:
    world = World(miniature)
    gallery = build_gallery(original, world, [PERSON], IdiaConfig(n_candidate_names=30))
    models = Pair(original, defended)
    prompts = models.map(lambda clip: prompt_embeddings(clip.text, gallery, None))
    prober = Prober(models, Pair(gallery, gallery), prompts, {PERSON.name: "human", "Nobody Known": "human"}, world)
    kept = prompts[0].clone()
    rows = prober.probe([PERSON.name, "human", "the storm"], PERSON.name)
    assert [row["text"] for row in rows] == [PERSON.name, "human", "the storm"]
    assert rows[1]["original"]["to_neutral"] == pytest.approx(1, abs=1e-5)
    assert all(row["original"]["nearest"] in {*MEMBERS, *STRANGERS} for row in rows)
    (outcome,) = gallery.attack(prompts[0], [PERSON.name])
    assert rows[0]["original"]["correct_templates"] == outcome.correct_templates
    assert rows[0]["similarity"] < 0.999
    assert torch.equal(prompts[0], kept)
    unknown = prober.probe(["somebody"], "Nobody Known")[0]
    assert unknown["original"]["correct_templates"] is None


def test_named_captions_are_measured_on_without_names_to_forget(original: Clip, tmp_path: Path) -> None:
    file = tmp_path / "captions.txt"
    file.write_text("a boat\nAda Brook waves\na human on a hill\na red car\na boat\n")
    config = ForgetConfig((PERSON,), measured_captions=str(file))
    assert captions_to_measure(config, original.text) == ["a boat", "a red car"]
    assert len(captions_to_measure(replace(config, measured_captions=None), original.text)) == N_CAPTIONS
    file.write_text("Captain Storm\n")
    with pytest.raises(InputError, match="Each of the 1 captions to measure on holds a name"):
        captions_to_measure(config, original.text)
