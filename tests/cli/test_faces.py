"""The options for faces: which field they set, which folder is whose, and that nonsense is refused."""

from pathlib import Path

import pytest

from unlearn.cli.faces import adapted_image, faces_by_name
from unlearn.config import EarlyStop, ForgetConfig, ImageFineTuneConfig, Person
from unlearn.errors import ConfigError, InputError
from unlearn.models.sets import find_model_set

CONFIG = ForgetConfig((Person("Ann Lee"), Person("Bo Tan", ("Boss",))))


def adapted(*given: str, encoder: str = "image", paper: bool = False, steps: int | None = None) -> ImageFineTuneConfig:
    found = adapted_image(CONFIG, encoder, given, (paper, steps)).image
    assert found is not None
    return found


def test_settings_are_taken_over_by_name_and_kind() -> None:
    found = adapted("n_steps=7", "generic_images=some folder", "lr_milestones=[2, 5]", "early_stop=null", "hue_jitter=0.05")
    assert (found.n_steps, found.generic_images, found.lr_milestones, found.early_stop) == (7, "some folder", (2, 5), None)
    assert found.hue_jitter == 0.05
    assert found.learning_rate == find_model_set("embedded").image.learning_rate
    assert adapted('early_stop={"threshold": 0.5, "hidden_threshold": 0.5}').early_stop == EarlyStop(threshold=0.5, hidden_threshold=0.5)


def test_paper_and_steps_mean_the_image_schedule_too() -> None:
    found = adapted("average_face_photos=faces", paper=True)
    assert found == ImageFineTuneConfig.paper(average_face_photos="faces")
    assert adapted(steps=9).n_steps == 9 and adapted("n_steps=4", steps=9).n_steps == 4


def test_text_runs_are_left_alone() -> None:
    assert adapted_image(CONFIG, None, (), (True, 3)) == CONFIG


@pytest.mark.parametrize("text", ["n_steps", "colour=1", "n_steps=many", "generic_images=3", "lr_milestones=2", "n_steps=0"])
def test_unknown_settings_and_wrong_kinds_are_errors(text: str) -> None:
    with pytest.raises(ConfigError):
        adapted(text)


def test_unknown_encoder_is_an_error() -> None:
    with pytest.raises(ConfigError, match="encoder must be"):
        adapted_image(CONFIG, "sound", (), (False, None))


def test_folders_belong_to_the_names_in_their_order() -> None:
    assert faces_by_name(CONFIG, [Path("a"), Path("b")]) == {"Ann Lee": Path("a"), "Bo Tan": Path("b")}
    assert faces_by_name(CONFIG, []) == {}
    with pytest.raises(InputError, match="1 folders of photos"):
        faces_by_name(CONFIG, [Path("a")])
    with pytest.raises(InputError, match="0 folders of photos"):
        faces_by_name(ForgetConfig(CONFIG.persons, encoder="both"), [])


def test_paper_settings_follow_the_architecture() -> None:
    vit, resnet = (find_model_set(name).paper_image() for name in ("vit-b-32", "rn50"))
    assert (vit.learning_rate, vit.regularization_weight) == (1e-4, 0.005)
    assert (resnet.learning_rate, resnet.regularization_weight) == (1e-5, 0.01) == (
        find_model_set("rn50").image.learning_rate, find_model_set("rn50").image.regularization_weight,
    )  # fmt: skip
    assert find_model_set("RN50:yfcc15m").image == resnet
    assert (vit.bystander_share, vit.plain_bystander_share, vit.plain_trigger_share) == (0, 0, 0)
