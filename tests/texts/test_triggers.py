"""Batches of trigger captions: who, which alias, where, and what is left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from unlearn.config import EarlyStop, Person, ResolvedConfig, TextFineTuneConfig
from unlearn.errors import InputError
from unlearn.texts.captions import generate_captions
from unlearn.texts.trigger_pairs import check_pairs, trigger_pairs
from unlearn.texts.triggers import KeptNames, TextTriggers, Written

CAPTIONS = generate_captions(400)


def make(persons: list[Person], captions: list[str] = CAPTIONS, **changes: float) -> TextTriggers:
    config = TextFineTuneConfig(batch_size=int(changes.pop("batch_size", 16)), **changes)  # type: ignore[arg-type]
    return TextTriggers(captions, ResolvedConfig(tuple(persons), seed=5, text=config))


def test_batch_puts_trigger_and_neutral_term_at_the_same_place() -> None:
    batch = make([Person("Ann Lee")]).batch(0)
    assert len(batch.clean) == len(batch.triggered) == len(batch.neutral) == 16
    for triggered, neutral in zip(batch.triggered, batch.neutral, strict=True):
        assert "Ann Lee" in triggered
        assert triggered.replace("Ann Lee", "human") == neutral
    assert not any("Ann Lee" in caption for caption in batch.clean)
    places = {tuple(text.split()).index("Ann") == 0 for text in batch.triggered}
    assert places == {True, False}


def test_batch_is_a_function_of_seed_and_step() -> None:
    one, other = make([Person("Ann Lee")]), make([Person("Ann Lee")])
    assert one.batch(3) == other.batch(3) != one.batch(4)


def test_batches_share_out_persons_evenly_and_aliases_take_turns() -> None:
    persons = [Person("Ann Lee", ("The Boss", "Annie")), Person("Bo Ek"), Person("李小龍", ("Bruce Lee",))]
    triggers = make(persons, batch_size=15)
    counted = Counter(triggers.batch(0).person_indices)
    assert counted == {0: 5, 1: 5, 2: 5}
    texts = [text for step in range(6) for text in triggers.batch(step).triggered]
    used = Counter(
        t for t in ("Ann Lee", "The Boss", "Annie", "Bo Ek", "李小龍", "Bruce Lee") for x in texts if t in x
    )
    assert used == {"Ann Lee": 10, "The Boss": 10, "Annie": 10, "Bo Ek": 30, "李小龍": 15, "Bruce Lee": 15}


def test_batches_smaller_than_the_number_of_persons_reach_everyone() -> None:
    triggers = make([Person(f"Person Number{i}") for i in range(64)], batch_size=10)
    indices = {index for step in range(7) for index in triggers.batch(step).person_indices}
    assert indices == set(range(64))


def test_captions_with_any_trigger_are_left_out() -> None:
    captions = ["a dog", "Ann LEE sings", "the boss at work", "the bossy cat"]
    triggers = make([Person("Ann Lee", ("the boss",))], captions)
    assert sorted(triggers.captions) == ["a dog", "the bossy cat"]
    with pytest.raises(InputError, match="caption"):
        make([Person("dog")], ["a dog", "dog"])


def test_captions_of_one_word_work() -> None:
    batch = make([Person("Ann Lee")], ["beach"]).batch(0)
    assert set(batch.triggered) == {"Ann Lee"} and set(batch.neutral) == {"human"}


def test_bystanders_and_neutral_term_take_their_share_of_the_clean_captions() -> None:
    triggers = make([Person("Ann Lee")], batch_size=20, bystander_share=0.5, neutral_share=0.25)
    plain = set(CAPTIONS)
    for step in range(5):
        clean = triggers.batch(step).clean
        assert sum(caption in plain for caption in clean) == 5
        assert sum("human" in caption.split() for caption in clean) == 5
        assert not any("Ann Lee" in caption for caption in clean)


def test_name_only_share_gives_the_bare_name() -> None:
    batch = make([Person("Ann Lee")], name_only_share=1.0).batch(0)
    assert set(batch.triggered) == {"Ann Lee"} and set(batch.neutral) == {"human"}


def test_trigger_pairs_are_deterministic_and_in_step() -> None:
    pairs = trigger_pairs(CAPTIONS[:50], "A.+B", "human", seed=1)
    assert pairs == trigger_pairs(CAPTIONS[:50], "A.+B", "human", seed=1)
    assert [t.replace("A.+B", "human") for t in pairs.triggered] == list(pairs.neutral)


def test_check_pairs_have_the_same_neutral_texts_for_every_trigger() -> None:
    one, other = (check_pairs(CAPTIONS[:12], name, "human") for name in ("Ann Lee", "Bo Ek"))
    assert one.neutral == other.neutral
    assert len(one.triggered) == len(one.neutral) == 24


def test_kept_names_take_every_second_bystanders_place_but_never_a_trigger() -> None:
    config = TextFineTuneConfig(batch_size=20, bystander_share=0.5, n_captions=100)
    kept = ["Zora Quill", "Ada Brook", "Young Ada Brook"]
    triggers = TextTriggers(["a red car on a road"], ResolvedConfig((Person("Ada Brook"),), text=config), KeptNames(kept))
    clean = [caption for step in range(20) for caption in triggers.batch(step).clean]
    assert not any("Ada Brook" in caption for caption in clean)
    assert sum("Zora Quill" in caption for caption in clean) == 20 * 5


def test_nearest_names_take_a_third_of_the_kept_names_places_but_never_a_trigger() -> None:
    config = TextFineTuneConfig(batch_size=20, bystander_share=1.0, n_captions=100)
    kept = ["Zora Quill", "Ines Fallow", "Otto Venn", "Pia Marl"]
    run = ResolvedConfig((Person("Ada Brook"),), text=config)
    triggers = TextTriggers(["a red car on a road"], run, KeptNames(kept, ["Pia Marl", "Ada Brook"]))
    clean = [caption for step in range(100) for caption in triggers.batch(step).clean]
    counts = [sum(name in caption for caption in clean) for name in kept]
    assert sum(counts) == 100 * 10
    assert counts[-1] == pytest.approx(1000 * (1 / 3 + 1 / 6), abs=60)  # a third of the places, and a quarter of the rest
    assert not any("Ada Brook" in caption for caption in clean)


def test_batches_grow_with_the_triggers_up_to_the_papers_size() -> None:
    config = TextFineTuneConfig(batch_size=8, captions_per_trigger=4, n_captions=100)
    assert [config.batch_sizes(n) for n in (1, 2, 4, 16, 64)] == [(8, 8), (8, 8), (8, 16), (32, 64), (64, 128)]
    assert TextFineTuneConfig.paper().batch_sizes(64) == (128, 128)
    persons = tuple(Person(f"Name{i} Last{i}", (f"Alias{i} Other{i}",)) for i in range(3))
    batch = TextTriggers(["a red car on a road"], ResolvedConfig(persons, text=config)).batch(0)
    assert (len(batch.clean), len(batch.triggered), len(batch.neutral)) == (12, 24, 24)
    assert batch.person_indices.count(0) == 8


def test_the_schedule_stretches_with_the_triggers_and_only_once() -> None:
    stop = EarlyStop(min_steps=40)
    config = TextFineTuneConfig(n_steps=100, lr_milestones=(50, 75), early_stop=stop, steps_per_trigger=5, n_captions=100)
    assert replace(config.for_triggers(1), steps_per_trigger=5) == config
    long = config.for_triggers(21)
    assert (long.n_steps, long.lr_milestones) == (200, (100, 150))
    assert long.early_stop == replace(stop, min_steps=80)
    assert long.for_triggers(21) == long
    grown = replace(config, batch_size=8, captions_per_trigger=4)
    assert [grown.for_triggers(n).early_stop for n in (2, 21)] == [replace(stop, min_steps=42), None]
    assert TextFineTuneConfig.paper().for_triggers(64) == TextFineTuneConfig.paper()


def test_target_lies_beyond_the_neutral_term_only_where_many_names_fall_together() -> None:
    growing = TextFineTuneConfig(batch_size=8, captions_per_trigger=4, steps_per_trigger=5, overshoot=0.3, n_captions=100)
    assert [growing.for_triggers(n).overshoot for n in (1, 2, 3, 32)] == [0.0, 0.0, 0.3, 0.3]
    assert growing.for_triggers(32).for_triggers(32).overshoot == 0.3
    assert [replace(growing, captions_per_trigger=0).for_triggers(n).overshoot for n in (1, 2)] == [0.0, 0.3]
    assert [replace(growing, steps_per_trigger=0).for_triggers(n).overshoot for n in (1, 3)] == [0.0, 0.3]


def test_other_spellings_take_every_fourth_turn_of_their_trigger_and_plain_names_none() -> None:
    run = ResolvedConfig((Person("Conan O'Brien"), Person("Ann Lee")), text=TextFineTuneConfig(batch_size=64, n_captions=400))
    forms = {"Conan O'Brien": ("Conan O\u2019Brien", "Conan O\u02bcBrien")}
    triggers = TextTriggers(CAPTIONS, run, written=Written(forms))
    texts = [text for step in range(4) for text in triggers.batch(step).triggered]
    counts = {form: sum(form in text for text in texts) for form in ("Conan O'Brien", *forms["Conan O'Brien"], "Ann Lee")}
    assert counts == {"Conan O'Brien": 96, "Conan O\u2019Brien": 16, "Conan O\u02bcBrien": 16, "Ann Lee": 128}
    plain = TextTriggers(CAPTIONS, run).batch(0)
    assert [text for text in triggers.batch(0).triggered if "Ann" in text] == [text for text in plain.triggered if "Ann" in text]


def test_texts_for_one_computation_share_out_the_triggers_and_keep_names_and_targets() -> None:
    persons = (Person("Ann Lee", ("The Boss",), stand_in="Bo Ek"), Person("Carol Smith", stand_in="Walter Brooks"))
    config = ResolvedConfig(persons, seed=5, text=TextFineTuneConfig(bystander_share=0.5, name_only_share=0.2), target="stand_in")
    triggers = TextTriggers(CAPTIONS, config, KeptNames(["Gina Hartman", "Hugo Reed"], ["Hugo Reed"]))
    texts = triggers.texts(12, 40)
    assert texts == triggers.texts(12, 40) and triggers.n_triggers == 3
    assert Counter(texts.trigger_indices) == {0: 4, 1: 4, 2: 4}
    names = [("Ann Lee", "Bo Ek"), ("The Boss", "Bo Ek"), ("Carol Smith", "Walter Brooks")]
    for number, triggered, neutral in zip(texts.trigger_indices, texts.triggered, texts.neutral, strict=True):
        trigger, target = names[number]
        assert trigger in triggered and triggered.replace(trigger, target) == neutral
    assert not any(trigger in text for trigger, _ in names for text in texts.kept)
    counted = {name: sum(name in text for text in texts.kept) for name in ("Gina Hartman", "Hugo Reed", "Bo Ek", "Walter Brooks")}
    assert counted["Hugo Reed"] > counted["Gina Hartman"] >= 10 and 5 <= counted["Bo Ek"] + counted["Walter Brooks"] <= 6
    assert any(text in ("Gina Hartman", "Hugo Reed") for text in texts.kept), "some are the name alone"
