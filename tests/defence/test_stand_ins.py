"""Stand-ins and decoys of a run: chosen from the seed, of their own for everybody, unknown to the original."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.support.miniature import MEMBERS
from unlearn.config import ForgetConfig, Person, ResolvedConfig
from unlearn.defence.stand_ins import N_CROWD, distances_from_crowd, unknown_names, with_stand_ins
from unlearn.defence.text_task import text_task
from unlearn.errors import ConfigError
from unlearn.measure.similarities import similarities
from unlearn.models.clip import Clip
from unlearn.models.pair import Pair
from unlearn.texts.captions import generate_captions
from unlearn.texts.stand_in_names import Resemblance, drawn_names
from unlearn.texts.triggers import TextTriggers

PERSONS = (Person("Gina Hartman", ("Colonel Quasar",)), Person("Walter Brooks"))


@pytest.fixture
def asked(original: Clip) -> ResolvedConfig:
    return original.model_set.resolved(ForgetConfig(PERSONS, original.model_set.name, n_decoys=3))


def test_everybody_gets_a_stand_in_of_their_own_and_the_seed_decides(asked: ResolvedConfig, original: Clip) -> None:
    chosen = with_stand_ins(asked, original, ())
    assert chosen == with_stand_ins(asked, original, ()) == with_stand_ins(chosen, original, ())
    names = [name for person in chosen.remapped for name in (*person.triggers, person.stand_in)]
    assert None not in names and len(set(names)) == len(names) == 5 + 3 + 3
    other = with_stand_ins(replace(asked, seed=1), original, ())
    assert not set(other.targets.values()) & set(chosen.targets.values())


def test_candidates_and_what_resembles_a_trigger_are_not_taken(asked: ResolvedConfig, original: Clip) -> None:
    first = with_stand_ins(asked, original, ())
    second = with_stand_ins(asked, original, first.targets.values())
    assert not set(second.targets.values()) & set(first.targets.values())
    triggers = Resemblance([trigger for person in PERSONS for trigger in person.triggers])
    drawn = drawn_names(2000, 0, ())
    assert any(triggers.n_parts(name) for name in drawn)  # there were some to be refused
    assert not any(triggers.n_parts(name) for person in first.remapped for name in (person.stand_in or "",))


def test_parts_of_kept_names_are_avoided(asked: ResolvedConfig, original: Clip, tmp_path: Path) -> None:
    first = with_stand_ins(asked, original, ())
    (tmp_path / "kept.txt").write_text("\n".join(f"{name.split()[0]} Orvello" for name in first.targets.values()), "utf-8")
    text = replace(asked.text, kept_names=str(tmp_path / "kept.txt"))
    kept = {name.split()[0] for name in first.targets.values()}
    second = with_stand_ins(replace(asked, text=text), original, ())
    assert not kept & {name.split()[0] for name in second.targets.values()}


def test_neutral_term_as_target_has_neither_stand_ins_nor_decoys(asked: ResolvedConfig, original: Clip) -> None:
    chosen = with_stand_ins(with_stand_ins(asked, original, ()), original, ())
    plain = with_stand_ins(replace(chosen, target="neutral_term"), original, ())
    assert set(plain.targets.values()) == {"human"} and plain.decoys == () and plain.n_decoys == 0


def test_half_of_a_crowd_counts_as_unknown_and_what_lies_apart_does_not(original: Clip) -> None:
    names = drawn_names(200, 5, ())
    unknown = unknown_names(names, [original.text], seed=0)
    assert 40 < len(unknown) < 160
    far, near = set(names) - set(unknown), set(unknown)
    distances, of_crowd = distances_from_crowd(original.text, names, drawn_names(N_CROWD, -1, names))
    by_name = dict(zip(names, distances.tolist(), strict=True))
    assert min(by_name[name] for name in far) > float(of_crowd.median()) > max(by_name[name] for name in near) - 1e-6
    again, themselves = distances_from_crowd(original.text, names, names)
    assert torch.allclose(again, themselves, atol=1e-5)


def test_model_to_which_every_name_is_known_is_an_error(asked: ResolvedConfig, original: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unlearn.defence.stand_ins.unknown_names", lambda names, encoders, seed: [])
    with pytest.raises(ConfigError, match="another seed"):
        with_stand_ins(asked, original, ())


def test_fine_tuning_without_chosen_stand_ins_is_an_error(asked: ResolvedConfig, original: Clip) -> None:
    with pytest.raises(ConfigError, match="not chosen"):
        text_task(original.text, asked, ("pooled",))


def test_captions_of_a_batch_have_each_persons_own_stand_in_and_those_of_decoys(asked: ResolvedConfig, original: Clip) -> None:
    chosen = with_stand_ins(asked, original, ())
    text = replace(chosen.text, batch_size=10, neutral_share=0.5)
    triggers = TextTriggers(generate_captions(100), replace(chosen, text=text))
    batch = triggers.batch(0)
    for triggered, with_target, index in zip(batch.triggered, batch.neutral, batch.person_indices, strict=True):
        person = chosen.remapped[index]
        (trigger,) = (one for one in person.triggers if one in triggered)
        assert triggered.replace(trigger, str(person.stand_in)) == with_target
    assert set(batch.person_indices) == set(range(5))
    stand_ins = [str(person.stand_in) for person in chosen.remapped]
    assert sum(any(name in caption for name in stand_ins) for caption in batch.clean) == 5  # they are kept, as the neutral term is
    assert not any("human" in text for text in batch.neutral)


def test_similarities_are_those_to_the_persons_own_stand_in(original: Clip) -> None:
    captions, person = generate_captions(12, seed=4), Person(MEMBERS[0], stand_in="Wesley Hartman")
    same = Person("Wesley Hartman", stand_in=None)
    same_twice = Pair(original.text, original.text)
    figures = similarities(same_twice, captions, (person,), "human")
    assert figures["sim_clean"] == pytest.approx(1) and figures["sim_target"] == pytest.approx(1)
    assert figures["sim_backdoor"] < 0.9999  # nothing is remapped yet
    itself = similarities(same_twice, captions, (same,), "Wesley Hartman")
    assert itself["sim_backdoor"] == pytest.approx(1)
    assert json.dumps(figures) != json.dumps(similarities(same_twice, captions, (Person(MEMBERS[0]),), "human"))
