"""CLIPs between an original and a defended one."""

from pathlib import Path

import pytest
import torch
from torch import nn

from tests.support.miniature import with_own_diffusion_text
from unlearn.config import Settings
from unlearn.errors import ConfigError
from unlearn.models.clip import Clip, load_clip
from unlearn.models.defended import load_defended
from unlearn.models.interpolation import interpolated
from unlearn.models.pair import Pair


@pytest.fixture
def models(original: Clip, run: Path) -> Pair[Clip]:
    return Pair(original, load_defended(run, original))


def _numbers(module: object) -> list[torch.Tensor]:
    assert isinstance(module, nn.Module)
    return list(module.state_dict().values())


def test_ends_are_the_models_themselves_bit_by_bit(models: Pair[Clip]) -> None:
    assert interpolated(models, 0.0) is models.original and interpolated(models, 1.0) is models.defended


def test_between_every_number_lies_on_the_line_and_no_model_is_changed(models: Pair[Clip]) -> None:
    before = [model.text.weights_hash for model in models]
    clip = interpolated(models, 0.25)
    assert clip.hidden is clip.text and clip.image is models.original.image
    for low, high, now in zip(*map(_numbers, (models.original.text, models.defended.text, clip.text)), strict=True):
        assert torch.allclose(now, low + 0.25 * (high - low), atol=1e-7)
    assert clip.text.weights_hash not in before
    assert [model.text.weights_hash for model in models] == before


def test_between_gives_weights_that_are_exact_at_both_ends_of_the_formula(models: Pair[Clip]) -> None:
    for low, high in zip(*map(_numbers, (models.original.text, models.defended.text)), strict=True):
        assert torch.equal(torch.lerp(low, high, 0.0), low) and torch.equal(torch.lerp(low, high, 1.0), high)


def test_text_encoder_of_the_diffusion_model_moves_too_where_it_is_another_one(miniature: Path, tmp_path: Path, settings: Settings) -> None:
    import copy
    import shutil

    root = with_own_diffusion_text(Path(shutil.copytree(miniature, tmp_path / "set")))
    original = load_clip(str(root), settings)
    text, hidden = copy.deepcopy(original.text), copy.deepcopy(original.hidden)
    for encoder in (text, hidden):
        assert isinstance(encoder, nn.Module)
        with torch.no_grad():
            for parameter in encoder.parameters():
                parameter.add_(1.0)
    clip = interpolated(Pair(original, original.with_text(text, hidden)), 0.5)
    assert clip.hidden is not clip.text and clip.hidden is not None and original.hidden is not None
    for now, low in zip(_numbers(clip.hidden), _numbers(original.hidden), strict=True):
        assert torch.allclose(now, low + 0.5, atol=1e-6) or not now.is_floating_point()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_share_outside_the_way_is_an_error(models: Pair[Clip], share: float) -> None:
    with pytest.raises(ConfigError, match="0 to 1"):
        interpolated(models, share)
