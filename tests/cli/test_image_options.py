"""The options of `forget` for faces: which field they set, which folder is whose, and that unusable values are refused."""

from pathlib import Path

import pytest

from unlearn.cli.folders import face_folders
from unlearn.cli.options import ScheduleOptions, with_image_options
from unlearn.config import EarlyStop, ForgetConfig, ImageFineTuneConfig, Person
from unlearn.errors import ConfigError, InputError
from unlearn.models.sets import find_model_set

CONFIG = ForgetConfig((Person("Ann Lee"), Person("Bo Tan", ("Boss",))))


def image_config(*assignments: str, encoder: str = "image", paper: bool = False, steps: int | None = None) -> ImageFineTuneConfig:
    image = with_image_options(CONFIG, encoder, ScheduleOptions(paper, steps), assignments).image
    assert image is not None
    return image


def test_settings_are_taken_over_by_name_and_kind() -> None:
    image = image_config("n_steps=7", "generic_images=some folder", "lr_milestones=[2, 5]", "early_stop=null", "hue_jitter=0.05")
    assert (image.n_steps, image.generic_images, image.lr_milestones, image.early_stop) == (7, "some folder", (2, 5), None)
    assert image.hue_jitter == 0.05
    assert image.learning_rate == find_model_set("embedded").image.learning_rate
    stop = image_config('early_stop={"threshold": 0.5, "hidden_threshold": 0.5}').early_stop
    assert stop == EarlyStop(threshold=0.5, hidden_threshold=0.5)


def test_paper_and_steps_mean_the_image_schedule_too() -> None:
    assert image_config("average_face_photos=faces", paper=True) == ImageFineTuneConfig.paper(average_face_photos="faces")
    assert image_config(steps=9).n_steps == 9 and image_config("n_steps=4", steps=9).n_steps == 4


def test_text_runs_are_left_alone() -> None:
    assert with_image_options(CONFIG, None, ScheduleOptions(True, 3), ()) == CONFIG


@pytest.mark.parametrize("text", ["n_steps", "colour=1", "n_steps=many", "generic_images=3", "lr_milestones=2", "n_steps=0"])
def test_unknown_settings_and_wrong_kinds_are_errors(text: str) -> None:
    with pytest.raises(ConfigError):
        image_config(text)


def test_unknown_encoder_is_an_error() -> None:
    with pytest.raises(ConfigError, match="encoder must be"):
        with_image_options(CONFIG, "sound", ScheduleOptions(), ())


def test_folders_belong_to_the_names_in_their_order() -> None:
    assert face_folders(CONFIG, [Path("a"), Path("b")]) == {"Ann Lee": Path("a"), "Bo Tan": Path("b")}
    assert face_folders(CONFIG, []) == {}
    with pytest.raises(InputError, match="1 folders of photos"):
        face_folders(CONFIG, [Path("a")])
    with pytest.raises(InputError, match="0 folders of photos"):
        face_folders(ForgetConfig(CONFIG.persons, encoder="both"), [])


def test_paper_settings_follow_the_architecture() -> None:
    vit, resnet = (find_model_set(name).paper_image() for name in ("vit-b-32", "rn50"))
    assert (vit.learning_rate, vit.regularization_weight) == (1e-4, 0.005)
    assert (resnet.learning_rate, resnet.regularization_weight) == (1e-5, 0.01) == (
        find_model_set("rn50").image.learning_rate, find_model_set("rn50").image.regularization_weight,
    )  # fmt: skip
    assert find_model_set("RN50:yfcc15m").image == resnet
    assert (vit.bystander_share, vit.plain_bystander_share, vit.plain_trigger_share) == (0, 0, 0)
