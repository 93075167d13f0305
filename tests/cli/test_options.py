"""The options that choose settings: one reader of FIELD=VALUE, and what overrides what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from unlearn.cli.folders import photo_folders
from unlearn.cli.options import ScheduleOptions, chosen_target, starting_config, with_fields, with_text_options
from unlearn.config import (
    EarlyStop,
    ForgetConfig,
    ImageFineTuneConfig,
    Person,
    PortraitConfig,
    TextFineTuneConfig,
    check_schedule,
)
from unlearn.errors import ConfigError, InputError
from unlearn.models.sets import find_model_set

CONFIG = ForgetConfig((Person("Ann Lee"),))


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    config = ForgetConfig((Person("Ann Lee", ("Boss",)),), "vit-b-32", "person", seed=7, text=TextFineTuneConfig(n_steps=5))
    (tmp_path / "config.json").write_text(config.to_json(), "utf-8")
    return tmp_path / "config.json"


def test_starting_config_without_options_is_the_config_itself(earlier: Path) -> None:
    assert starting_config(earlier, {}).to_json() == earlier.read_text("utf-8")


def test_starting_config_options_override_the_config(earlier: Path) -> None:
    overrides = {"persons": (Person("Bo Tan"),), "neutral_term": "child", "seed": 3, "model_set": "rn50", "labelled_images": "things"}
    config = starting_config(earlier, overrides)
    assert {name: getattr(config, name) for name in overrides} == overrides
    assert config.text == TextFineTuneConfig(n_steps=5)
    changed = starting_config(earlier, {"seed": 0})
    assert (changed.seed, changed.neutral_term) == (0, "person")


@pytest.mark.parametrize(("is_paper", "has_steps", "words"), [(True, False, "paper's method"), (False, True, "makes no steps")])
def test_other_methods_exclude_the_papers_schedule_and_a_number_of_steps(is_paper: bool, has_steps: bool, words: str) -> None:
    check_schedule("backdoor", is_paper, has_steps)
    for method in ("closed-form", "slug"):
        check_schedule(method, False)
        with pytest.raises(ConfigError, match=words):
            check_schedule(method, is_paper, has_steps)


def test_starting_config_without_file_has_the_documented_defaults() -> None:
    config = starting_config(None, {"persons": (Person("Bo Tan"),)})
    assert (config.neutral_term, config.seed, config.labelled_images) == ("human", 0, None)


def test_starting_config_persons_are_checked_against_the_term_of_the_config(earlier: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neutral term"):
        starting_config(earlier, {"persons": (Person("Person"),)})
    with pytest.raises(InputError, match="0 persons"):
        starting_config(None, {})
    (tmp_path / "bytes").write_bytes(b"\xff")
    for path in (tmp_path / "missing", tmp_path / "bytes"):
        with pytest.raises(InputError, match="cannot be read"):
            starting_config(path, {})


def fields(*assignments: str, option: str = "--text") -> Any:
    return with_fields({"--text": TextFineTuneConfig(early_stop=EarlyStop()), "--portrait": PortraitConfig()}[option], option, assignments)


def test_fields_take_json_words_and_none() -> None:
    text = fields(
        "captions=hub:owner/set:text", "kept_names=some names.txt", "regularization_weight=0", "bystander_share=0.25",
        "lr_milestones=[2, 5]", "n_steps=7", "early_stop=none",
    )  # fmt: skip
    assert (text.captions, text.kept_names, text.early_stop) == ("hub:owner/set:text", "some names.txt", None)
    assert (text.regularization_weight, text.bystander_share, text.lr_milestones, text.n_steps) == (0, 0.25, (2, 5), 7)
    assert fields('early_stop={"every": 3}').early_stop == EarlyStop(every=3)
    assert fields("captions=a.txt", "captions=null").captions is None
    portrait = ("n_steps=9", "guidance_scale=5", "scheduler=DDIMScheduler", "prompt_template={0} = me", "seeds=[3, 4]")
    assert fields(*portrait, option="--portrait") == PortraitConfig((3, 4), 9, 5, "DDIMScheduler", "{0} = me")


@pytest.mark.parametrize(
    ("option", "text", "words"),
    [
        ("--text", "colour=1", "FIELD=VALUE with a field out of n_steps, batch_size"),
        ("--text", "n_steps", "FIELD=VALUE with a field out of n_steps, batch_size"),
        ("--portrait", "captions=a.txt", "--portrait 'captions=a.txt' is no setting.* guidance_scale, scheduler"),
        ("--text", "n_steps=many", "--text n_steps takes a whole number"),
        ("--text", "early_stop=off", "--text early_stop takes an object"),
        ("--text", "n_steps=0", "--text: n_steps is 0"),
        ("--text", "neutral_share=0.9", "--text: bystander_share"),
        ("--text", "regularization_weight=Infinity", "regularization_weight takes a number"),
        ("--portrait", "seeds=[1.5]", r"--portrait seeds\[0\] takes a whole number"),
        ("--portrait", "seeds=[1, 1]", "--portrait: seeds"),
        ("--portrait", "prompt_template=nobody", "--portrait: prompt_template"),
    ],
)
def test_fields_that_cannot_be_used_are_one_clear_line(option: str, text: str, words: str) -> None:
    assignments = ("bystander_share=0.9", text) if "neutral_share" in text else (text,)
    with pytest.raises(ConfigError, match=words) as error:
        fields(*assignments, option=option)
    assert "\n" not in str(error.value)


def test_fields_are_read_for_images_by_the_same_reader() -> None:
    assert with_fields(ImageFineTuneConfig(), "--image", ["early_stop=none", "face_share=[0.3, 0.4]"]).face_share == (0.3, 0.4)


def test_single_fields_override_schedule_and_seeds() -> None:
    config = with_text_options(CONFIG, ScheduleOptions(True, 9), 2, ["n_steps=4"], ["n_steps=3", "seeds=[8]"])
    assert config.text == TextFineTuneConfig.paper(n_steps=4, lr_milestones=(2, 3))
    assert config.portraits is not None and (config.portraits.n_steps, config.portraits.seeds) == (3, (8,))
    plain = with_text_options(CONFIG, ScheduleOptions(), 2, [], [])
    assert plain.text == find_model_set("embedded").text
    assert plain.portraits is not None and plain.portraits.seeds == (0, 1)


def test_photo_folders_belong_to_names_and_nobody_is_given_twice() -> None:
    assert photo_folders(["Ann Lee|Boss=a=b", "Bo\u200b Tan=c"]) == {"Ann Lee": Path("a=b"), "Bo Tan": Path("c")}
    with pytest.raises(InputError, match="twice"):
        photo_folders(["Ann Lee=a", "ann lee=b"])
    for text in ("Ann Lee", "Ann Lee="):
        with pytest.raises(InputError, match="FOLDER"):
            photo_folders([text])


@pytest.mark.parametrize(
    ("target", "neutral_term", "is_paper", "expected"),
    [
        (None, None, False, None), (None, None, True, "neutral_term"), (None, "child", False, "neutral_term"),
        ("stand_in", "child", False, "stand_in"), ("stand_in", None, False, "stand_in"), ("neutral_term", None, True, "neutral_term"),
    ],
)  # fmt: skip
def test_target_is_the_neutral_term_with_the_papers_schedule_and_with_a_term(
    target: str | None, neutral_term: str | None, is_paper: bool, expected: str | None
) -> None:
    assert chosen_target(target, neutral_term, is_paper) == expected


def test_stand_in_with_the_papers_schedule_is_refused() -> None:
    with pytest.raises(ConfigError, match="--paper"):
        chosen_target("stand_in", None, True)
