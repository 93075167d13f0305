"""The form's values as checked configs; no Gradio is imported."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ui.page import fields, forms
from unlearn.config import ForgetConfig, PortraitConfig, TextFineTuneConfig
from unlearn.errors import ConfigError, InputError, UnlearnError
from unlearn.models.sets import find_model_set

PORTRAITS = PortraitConfig(seeds=(0, 1), n_steps=20, guidance_scale=3.0, prompt_template="a portrait of {0}")
OWN = list(fields.SCHEDULES)[2]


def config(**values: Any) -> ForgetConfig:
    return forms.forget_config({"names": "Ada Lark", **values}, "embedded", PORTRAITS, max_persons=3)


def test_forget_config_name_alone_takes_all_defaults() -> None:
    made = config()
    assert [p.name for p in made.persons] == ["Ada Lark"]
    assert (made.neutral_term, made.seed, made.text, made.portraits) == ("human", 0, None, PORTRAITS)
    assert made.idia.n_candidate_names == 1000 and made.idia.n_images == 20


@pytest.mark.parametrize(
    ("values", "target", "term"),
    [
        ({}, "stand_in", "human"), ({"neutral_term": "actor"}, "neutral_term", "actor"),
        ({"target": "neutral_term"}, "neutral_term", "human"),
        ({"target": "stand_in", "neutral_term": None}, "stand_in", "human"), ({"schedule": "paper"}, "neutral_term", "human"),
        ({"meaning": fields.STAND_IN}, "stand_in", "human"), ({"meaning": "a  sailor"}, "neutral_term", "a sailor"),
        ({"meaning": "human", "schedule": "As in the paper"}, "neutral_term", "human"),
    ],
)  # fmt: skip
def test_forget_config_target_follows_the_choice_of_the_form_or_of_the_caller(values: dict[str, Any], target: str, term: str) -> None:
    made = config(**values)
    assert (made.target, made.neutral_term, made.n_decoys) == (target, term, 0)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"meaning": fields.STAND_IN, "schedule": "As in the paper"}, "never to a stand-in"),
        ({"target": "stand_in", "schedule": "paper"}, "never to a stand-in"),
        ({"target": "stand_in", "neutral_term": "human"}, "no effect"), ({"target": "Ada Lark"}, "use stand_in or neutral_term"),
        ({"meaning": None}, "is empty"), ({"meaning": "human", "decoys": 1}, "use 0 decoys"), ({"decoys": 64}, "0 to 63"),
        ({"decoys": 1.5}, "whole number"), ({"decoys": -1}, "0 to 63"), ({"decoys": 63, "names": "A|B"}, "use fewer"),
    ],
)  # fmt: skip
def test_forget_config_targets_that_contradict_other_settings_are_refused_in_a_sentence(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises((InputError, ConfigError), match=sentence) as caught:
        config(**values)
    assert "Lark" not in str(caught.value)


def test_method_is_a_label_of_the_form_or_a_word_of_a_caller() -> None:
    assert config().method == "backdoor"
    assert [config(method=label).method for label in fields.METHODS] == ["backdoor", "closed-form", "slug"]
    assert config(method="slug", encoder="both").method == "slug"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"method": "magic"}, "must be backdoor, closed-form or slug"),
        ({"method": "slug", "schedule": "paper"}, "paper's method is backdoor"),
        ({"method": "closed-form", "encoder": "image"}, "choose text or both"),
    ],
)  # fmt: skip
def test_method_that_contradicts_other_settings_is_refused_in_a_sentence(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        config(**values)


def test_decoys_reach_the_config() -> None:
    assert config(decoys=31.0).n_decoys == 31


@pytest.mark.parametrize(("meaning", "target"), [(fields.STAND_IN, "stand_in"), ("human", "neutral_term")])
def test_schedule_own_starts_from_the_sets_defaults_of_the_chosen_target(tmp_path: Path, meaning: str, target: str) -> None:
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "open_clip_config.json").write_text("{}")
    (tmp_path / "defaults.json").write_text('{"text": {"n_steps": 120}, "neutral_text": {"n_steps": 240, "near_names": 7}}')
    model_set = str(tmp_path)
    shown = {field.key: field.value for field in fields.own_fields("text", model_set, target)}
    assert shown["n_steps"] == {"stand_in": 120, "neutral_term": 240}[target]
    values = {"names": "Ada Lark", "meaning": meaning, "schedule": OWN, **shown, "batch_size": 16}
    made = forms.forget_config(values, model_set, PORTRAITS)
    assert made.text == replace(find_model_set(model_set).text_for(target), batch_size=16)


def test_forget_config_lines_and_aliases_become_persons() -> None:
    made = config(names="  Ada  Lark | The Wren |\n\nBo Finch\n")
    assert [(p.name, p.aliases) for p in made.persons] == [("Ada Lark", ("The Wren",)), ("Bo Finch", ())]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ("", "There is no name yet"), ("\n \n", "There is no name yet"), ("x" * 300, "300 characters"),
        ("A\nB\nC\nD", "at most 3"), ("Human", "neutral term"), ("Ada Lark\nada lark", "twice"), ("|Alias", "empty"),
    ],
)  # fmt: skip
def test_forget_config_bad_names_say_what_to_do(names: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        config(names=names)


def test_forget_config_message_never_repeats_a_long_name() -> None:
    with pytest.raises(InputError) as caught:
        config(names="Quentin " * 40)
    assert "Quentin" not in str(caught.value)


def test_schedule_paper_is_the_papers() -> None:
    assert config(schedule=list(fields.SCHEDULES)[1]).text == TextFineTuneConfig.paper()


def test_schedule_own_takes_every_field() -> None:
    values = {
        "n_steps": 80, "batch_size": 16, "learning_rate": 5e-5, "backdoor_weight": 0.9, "regularization_weight": 0.0,
        "bystander_share": 0.25, "early_stop": False,
    }  # fmt: skip
    text = config(schedule=OWN, **values).text
    assert text is not None
    assert {key: getattr(text, key) for key in values if key != "early_stop"} == {
        key: value for key, value in values.items() if key != "early_stop"
    }
    of_set = find_model_set("embedded").text_for("stand_in")
    moved = tuple(step * 80 // of_set.n_steps for step in of_set.lr_milestones)
    assert text.early_stop is None and text.lr_milestones == moved, "those of the set, moved along"
    unseen = ("kept_names", "captions", "overshoot", "near_names")
    assert [getattr(text, key) for key in unseen] == [getattr(of_set, key) for key in unseen], "what the form does not show is the set's"


def test_schedule_own_one_step_is_possible() -> None:
    text = config(schedule=OWN, n_steps=1).text
    assert text is not None and text.n_steps == 1


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"schedule": OWN, "n_steps": None}, "“Steps” is empty"), ({"schedule": OWN, "n_steps": 0}, "n_steps is 0"),
        ({"schedule": OWN, "n_steps": 2.5}, "whole number"), ({"schedule": OWN, "learning_rate": 7}, "learning_rate"),
        ({"n_candidate_names": 1}, "n_candidate_names is 1"), ({"min_correct_templates": 22}, "1 to 21"),
        ({"seed": float("nan")}, "The seed must be a whole number"), ({"seed": 10**400}, "The seed must be a whole number"),
        ({"seed": "3"}, "The seed must be a whole number"), ({"guidance_scale": 0}, "guidance_scale is 0"),
        ({"neutral_term": ""}, "is empty"),
        ({"guidance_scale": "much"}, "must be a number"), ({"portrait_steps": 0}, "n_steps is 0"), ({"encoder": ""}, "encoder must be"),
        ({"seeds": "²"}, "whole numbers"), ({"seeds": "1 " * 5000}, "characters long"), ({"n_candidate_names": 10**7}, "2 to 20,000"),
        ({"schedule": OWN, "n_steps": 10**12}, "n_steps is 1000000000000; use 1 to 10,000"),
        ({"names": "Ada Lark, Bo Finch"}, "has a comma"),
        ({"seed": None}, "The seed must be a whole number"), ({"seeds": "one"}, "whole numbers"),
        ({"seeds": ", ".join(map(str, range(11)))}, "at most 10"), ({"prompt_template": "a portrait"}, r"\{0\} once"),
        ({"portrait_steps": 2000}, "1 to 1000"), ({"neutral_term": "\t"}, "neutral term"), ({"encoder": "both?"}, "encoder"),
    ],
)  # fmt: skip
def test_forget_config_bad_values_are_errors_for_the_visitor(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UnlearnError, match=sentence):
        config(**values)


def test_portrait_config_changes_only_what_is_given() -> None:
    made = forms.portrait_config({"seeds": "3 4,5", "guidance_scale": 6}, PORTRAITS)
    assert made == PortraitConfig((3, 4, 5), 20, 6.0, None, "a portrait of {0}")


@pytest.mark.parametrize(("text", "seeds"), [("7", (7,)), ("1, 2;3  4", (1, 2, 3, 4)), ("5,5", (5,))])
def test_parse_seeds_separators_and_repeats(text: str, seeds: tuple[int, ...]) -> None:
    assert forms.parse_seeds(text) == seeds


def test_parse_texts_cleans_and_limits() -> None:
    assert forms.parse_texts(" a  cat \n\na cat\na dog", "labels") == ["a cat", "a dog"]
    with pytest.raises(InputError, match="no labels yet"):
        forms.parse_texts(" \n", "labels")
    with pytest.raises(InputError, match="51 labels"):
        forms.parse_texts("\n".join(map(str, range(51))), "labels")
    with pytest.raises(InputError, match="control characters"):
        forms.checked_texts(["a\0cat"], "labels")
    with pytest.raises(InputError, match="longer than 200"):
        forms.parse_texts("x" * 201, "labels")


def test_idia_config_unknown_values_are_ignored_known_ones_taken() -> None:
    made = forms.idia_config({"n_images": 5.0, "other": 1})
    assert (made.n_images, made.n_candidate_names, made.min_correct_templates) == (5, 1000, 1)
    with pytest.raises(ConfigError):
        forms.idia_config({"n_images": 0})


def test_forms_and_views_import_neither_gradio_nor_torch() -> None:
    code = (
        "import sys, ui.page.forms, ui.views.jobs, ui.views.results, ui.server.service, unlearn.runs.results, app; "
        "found = {'gradio', 'torch', 'open_clip', 'diffusers'} & set(sys.modules); print(found); sys.exit(bool(found))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
