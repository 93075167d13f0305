"""Target, stand-ins and decoys in a config: what is refused, and what is handed on."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from unlearn.config import ForgetConfig, Person, TextFineTuneConfig
from unlearn.config.stand_ins import without_stand_ins
from unlearn.errors import ConfigError, InputError
from unlearn.models.sets import find_model_set

PERSONS = (Person("Ann Lee", ("Boss",), "Wes Hart"), Person("Bo Tan", stand_in="Ida Quill"))
DECOYS = (Person("Cy Doe", stand_in="Di Fox"),)


def test_config_with_stand_ins_and_decoys_is_read_as_it_was_written() -> None:
    config = ForgetConfig(PERSONS, n_decoys=2, decoys=DECOYS)
    assert ForgetConfig.from_json(config.to_json()) == config
    assert config.targets == {"Ann Lee": "Wes Hart", "Bo Tan": "Ida Quill"}
    assert config.remapped == (*PERSONS, *DECOYS) and config.n_triggers == 5


def test_target_is_a_stand_in_by_default_and_the_neutral_term_where_none_is_chosen_yet() -> None:
    config = ForgetConfig((Person("Ann Lee"),))
    assert config.target == "stand_in" and config.targets == {"Ann Lee": "human"}


@pytest.mark.parametrize(
    "changes",
    [
        {"target": "average"}, {"n_decoys": -1}, {"n_decoys": 64}, {"n_decoys": 62}, {"decoys": DECOYS},
        {"persons": (Person("Ann Lee", stand_in="bo tan"), Person("Bo Tan"))},
        {"persons": tuple(replace(person, stand_in="Wes Hart") for person in PERSONS)},
        {"n_decoys": 1, "decoys": (Person("ann lee", stand_in="Di Fox"),)},
        {"n_decoys": 1, "decoys": (Person("Cy Doe", stand_in="wes  hart"),)},
    ],
)  # fmt: skip
def test_unusable_targets_and_crowds_are_refused_without_a_name(changes: dict[str, object]) -> None:
    with pytest.raises((ConfigError, InputError)) as refusal:
        ForgetConfig(**{"persons": PERSONS, **changes})  # type: ignore[arg-type]
    assert not any(name in str(refusal.value).casefold() for name in ("ann lee", "bo tan", "wes", "cy doe"))


def test_as_many_decoys_as_names_are_left_are_allowed() -> None:
    assert ForgetConfig(PERSONS, n_decoys=61).n_triggers == 64


def test_what_is_handed_on_names_no_stand_in_and_no_decoy() -> None:
    config = ForgetConfig(PERSONS, n_decoys=1, decoys=DECOYS)
    handed_on = without_stand_ins(json.loads(config.to_json()))
    assert not any(name in json.dumps(handed_on) for name in ("Wes Hart", "Ida Quill", "Cy Doe", "Di Fox"))
    persons = tuple(replace(person, stand_in=None) for person in PERSONS)
    assert ForgetConfig.from_json(json.dumps(handed_on)) == replace(config, persons=persons, decoys=())


def test_schedule_counts_decoys_as_names_and_goes_beyond_any_number_of_stand_ins() -> None:
    model_set = find_model_set("embedded")
    text = TextFineTuneConfig(batch_size=16, captions_per_trigger=4, overshoot=0.3)
    alone = model_set.resolved(ForgetConfig((Person("Ann Lee"),), text=text))
    crowd = model_set.resolved(ForgetConfig((Person("Ann Lee"),), text=text, n_decoys=31))
    assert crowd.text.batch_sizes(crowd.n_triggers) > alone.text.batch_sizes(1)
    assert alone.text_schedule.overshoot == crowd.text_schedule.overshoot == 0.3
    many = ForgetConfig(tuple(Person(f"Person {i}") for i in range(32)), text=text, target="neutral_term")
    assert [model_set.resolved(replace(many, persons=many.persons[:n])).text_schedule.overshoot for n in (1, 32)] == [0.0, 0.3]
