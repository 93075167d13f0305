"""The schedules by choice: page, endpoints and command line agree for every set, and with the paper's table."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from ui.page import fields, forms
from unlearn.cli.options import ScheduleOptions, with_image_options, with_text_options
from unlearn.config import RELATIVE_STOP, ForgetConfig, ImageFineTuneConfig, Person, PortraitConfig, TextFineTuneConfig
from unlearn.errors import ConfigError, InputError
from unlearn.models.schedule_choices import schedule
from unlearn.models.sets import find_model_set, list_model_sets

TARGET: Literal["stand_in"] = "stand_in"  # of the form and the command line, where nobody says otherwise
SETS = [found.name for found in list_model_sets()]
OTHERS = ["ViT-L-14:openai", "ViT-L-14-336:openai", "ViT-B-32:laion2b_s34b_b79k", "RN50-quickgelu:openai", "sd14@gelu", "vit-l-14+none"]
LABELS = dict(zip(fields.SCHEDULES.values(), fields.SCHEDULES, strict=True))
# Hintersdorf et al. 2024, appendix A.2: (learning rate, milestones, gamma, alpha, beta)
TEXT_ROW: tuple[Any, ...] = (400, 128, 1e-4, (200, 300), 0.5, 0.6)
IMAGE_ROW: tuple[Any, ...] = (100, 128, (25, 75), 0.1, 0.8)


def page(name: str, **values: Any) -> ForgetConfig:
    return forms.forget_config({"names": "Ada Lark", "encoder": "both", **values}, name, PortraitConfig())


def command_line(name: str, paper: bool, steps: int | None = None, text: tuple[str, ...] = (), image: tuple[str, ...] = ()) -> ForgetConfig:
    options = ScheduleOptions(paper, steps)
    config = with_text_options(ForgetConfig((Person("Ada Lark"),), name, target=TARGET), options, None, text, ())
    return with_image_options(config, "both", options, image)


def shown(name: str) -> dict[str, Any]:
    """The values that the form shows before anybody changes them, as the page sends them."""
    texts = {field.key: field.value for field in fields.own_fields("text", name)}
    return texts | {fields.IMAGE + field.key: field.value for field in fields.own_fields("image", name)}


@pytest.mark.parametrize("name", [*SETS, *OTHERS])
def test_paper_on_page_and_command_line_is_the_papers_table(name: str) -> None:
    for found in (page(name, schedule=LABELS["paper"]), page(name, schedule="paper", **shown(name)), command_line(name, True)):
        text, image = found.text, found.image
        assert text is not None and image is not None
        assert (text.n_steps, text.batch_size, text.learning_rate, text.lr_milestones, text.lr_gamma, text.backdoor_weight) == TEXT_ROW
        assert text.regularization_weight == (0.005 if "sd14" in name or "l-14" in name.lower() else 0.01)
        assert (image.n_steps, image.batch_size, image.lr_milestones, image.lr_gamma, image.backdoor_weight) == IMAGE_ROW
        is_resnet = name.lower().startswith("rn")
        assert (image.learning_rate, image.regularization_weight) == ((1e-5, 0.01) if is_resnet else (1e-4, 0.005))
        assert text.early_stop is image.early_stop is None
        beta = text.regularization_weight
        assert text == TextFineTuneConfig(regularization_weight=beta), "nothing but the paper's: no kept names, no overshoot..."
    sources = {"generic_images", "other_faces", "average_face_photos", "face_targets"}
    assert all(getattr(image, key) == getattr(find_model_set(name).image, key) for key in sources)


@pytest.mark.parametrize("name", [*SETS, *OTHERS])
def test_own_begins_with_the_sets_own_and_changes_what_is_changed(name: str) -> None:
    defaults = find_model_set(name)
    for untouched in (page(name, schedule=LABELS["own"], **shown(name)), page(name, schedule="own"), command_line(name, False)):
        assert (untouched.text, untouched.image) == (defaults.text_for(TARGET), defaults.image)
    changes = {"backdoor_weight": 0.123, "bystander_share": 0.3, "image_learning_rate": 3e-6}
    own = page(name, schedule=LABELS["own"], **{**shown(name), **changes})
    line = command_line(name, False, None, ("backdoor_weight=0.123", "bystander_share=0.3"), ("learning_rate=3e-6",))
    assert own.text == line.text and own.image == line.image
    assert own.text is not None and own.image is not None
    kept = ("kept_names", "near_names", "captions", "overshoot", "neutral_share", "name_only_share", "steps_per_trigger", "early_stop")
    start = defaults.text_for(TARGET)
    assert all(getattr(own.text, key) == getattr(start, key) for key in kept) and own.text.backdoor_weight == 0.123
    kept = ("color_jitter", "hue_jitter", "rotation_degrees", "early_stop", "lr_gamma")
    assert all(getattr(own.image, key) == getattr(defaults.image, key) for key in kept) and own.image.learning_rate == 3e-6


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("n_steps", [1, 60])
def test_other_steps_move_the_milestones_along_in_the_same_way(name: str, n_steps: int) -> None:
    defaults = find_model_set(name)
    own = page(name, **{**shown(name), "schedule": "own", "n_steps": n_steps, "image_n_steps": n_steps})
    assert (own.text, own.image) == ((line := command_line(name, False, n_steps)).text, line.image)
    assert own.text is not None and own.image is not None
    for found, start in ((own.text, defaults.text_for(TARGET)), (own.image, defaults.image)):
        assert found.n_steps == n_steps and len(found.lr_milestones) == len(start.lr_milestones)
        assert all(m == max(1, n * n_steps // start.n_steps) for m, n in zip(found.lr_milestones, start.lr_milestones, strict=True))
        assert found.early_stop is None or found.early_stop.min_steps <= n_steps
    assert own.text.for_triggers(5).n_steps == n_steps, "as many steps as were asked for"
    given = command_line(name, False, n_steps, ("lr_milestones=[7]", "steps_per_trigger=3")).text
    assert given is not None and (given.lr_milestones, given.steps_per_trigger) == ((7,), 3)


def test_early_stop_is_switched_off_and_on() -> None:
    of_embedded = find_model_set("embedded").text_for(TARGET).early_stop or RELATIVE_STOP
    for name, start in (("embedded", of_embedded), ("vit-b-32", RELATIVE_STOP)):
        off, on = (page(name, schedule="own", early_stop=value).text for value in (False, True))
        assert off is not None and off.early_stop is None
        assert on is not None and on.early_stop == start


def test_form_shows_the_sets_values() -> None:
    for name in SETS:
        defaults = find_model_set(name)
        for field in fields.own_fields("image", name):
            assert field.value == getattr(defaults.image, field.key)
        values = {field.key: field.value for field in fields.own_fields("text", name)}
        assert values.pop("early_stop") is (defaults.text_for(TARGET).early_stop is not None)
        assert values == {key: getattr(defaults.text_for(TARGET), key) for key in values}


def test_callers_who_name_fields_alone_mean_their_own() -> None:
    defaults = find_model_set("embedded")
    assert page("embedded").text is None and page("embedded").image is None
    assert page("embedded", batch_size=5).text == schedule(defaults, "text", "own", {"batch_size": 5}, defaults.text_for(TARGET))
    assert page("embedded", image_batch_size=5).image == schedule(defaults, "image", "own", {"batch_size": 5})
    assert page("embedded", schedule=LABELS["default"], **shown("embedded")).text is None


@pytest.mark.parametrize("chosen", ["Paper", "fast", "", 3, ["own"]])
def test_unknown_schedule_is_refused_not_taken_for_the_default(chosen: Any) -> None:
    with pytest.raises(InputError, match="use default, paper or own"):
        page("embedded", schedule=chosen)
    with pytest.raises(ConfigError, match="schedule is"):
        schedule(find_model_set("embedded"), "text", str(chosen), {})


def test_an_earlier_run_is_the_start_of_its_own_schedule() -> None:
    earlier = (TextFineTuneConfig(n_steps=7, overshoot=0.1), ImageFineTuneConfig(n_steps=9, hue_jitter=0.3, generic_images="pictures"))
    for start, encoder in zip(earlier, ("text", "image"), strict=True):
        defaults = find_model_set("rn50")
        assert schedule(defaults, encoder, "own", {"batch_size": 3}, start).n_steps == start.n_steps  # type: ignore[arg-type]
    paper = schedule(find_model_set("rn50"), "image", "paper", {}, earlier[1])
    assert paper == find_model_set("rn50").paper_image(generic_images="pictures")
