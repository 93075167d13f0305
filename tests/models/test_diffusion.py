"""Portraits: the very pictures of a diffusers pipeline, side by side, from equal noise."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unlearn.config import PortraitConfig
from unlearn.errors import ConfigError, JobCancelled, ModelLoadError
from unlearn.models import diffusion as diffusion_module
from unlearn.models.clip import Clip
from unlearn.models.diffusion import Diffusion, conditions, draw, load_diffusion, require_drawing
from unlearn.models.diffusion_memory import Placement, placed
from unlearn.models.encoders import TextEncoder
from unlearn.models.memory_plan import Offload, Plan
from unlearn.progress import Progress

CONFIG = PortraitConfig(seeds=(0, 3), n_steps=4, guidance_scale=3.0, prompt_template="{0}")
PROMPTS = ["a portrait of Ada Brook", "a portrait of a human"]


@pytest.fixture(scope="module")
def diffusion(miniature: Path) -> Diffusion:
    return load_diffusion(miniature / "stable-diffusion", torch.device("cpu"), torch.float32)


@pytest.fixture(scope="module")
def encoder(original: Clip) -> TextEncoder:
    assert original.hidden is not None
    return original.hidden


def _pipeline(miniature: Path, scheduler: str | None) -> Any:
    import diffusers

    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(miniature / "stable-diffusion", safety_checker=None)
    if scheduler:
        pipeline.scheduler = getattr(diffusers, scheduler).from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.mark.parametrize("scheduler", [None, "DDIMScheduler", "EulerAncestralDiscreteScheduler"])
def test_pictures_equal_those_of_a_pipeline_with_the_same_seed(
    miniature: Path, diffusion: Diffusion, encoder: TextEncoder, scheduler: str | None
) -> None:
    drawn = draw(diffusion, conditions(encoder, PROMPTS), replace(CONFIG, scheduler=scheduler))
    pipeline = _pipeline(miniature, scheduler)
    for s, seed in enumerate(CONFIG.seeds):
        for p, prompt in enumerate(PROMPTS):
            generator = torch.Generator("cpu").manual_seed(seed)
            made = pipeline(prompt, num_inference_steps=4, guidance_scale=3.0, generator=generator).images[0]
            difference = np.abs(np.asarray(made).astype(int) - drawn[s, p])
            assert difference.max() <= 2, (scheduler, seed, prompt)  # levels of 255; a batch rounds a little differently


def test_equal_conditions_of_a_seed_give_equal_pictures_and_other_seeds_others(
    diffusion: Diffusion, encoder: TextEncoder
) -> None:
    (one,) = conditions(encoder, PROMPTS[:1])
    drawn = draw(diffusion, [one, one], CONFIG).astype(int)
    assert np.abs(drawn[:, 0] - drawn[:, 1]).max() <= 1
    assert np.abs(drawn[0] - drawn[1]).max() > 10


def test_equal_calls_give_equal_bytes(diffusion: Diffusion, encoder: TextEncoder) -> None:
    wanted = conditions(encoder, PROMPTS)
    assert np.array_equal(draw(diffusion, wanted, CONFIG), draw(diffusion, wanted, CONFIG))


def _in_passes(diffusion: Diffusion, n_rows: int, n_decoded: int = 1, note: str = "") -> Diffusion:
    return replace(diffusion, placement=Placement(diffusion.device, Plan("none", (n_rows, n_decoded), note)))


def test_small_batches_draw_the_same_pictures(diffusion: Diffusion, encoder: TextEncoder) -> None:
    wanted = conditions(encoder, PROMPTS)
    together = draw(diffusion, wanted, CONFIG).astype(int)
    assert np.abs(draw(_in_passes(diffusion, 1), wanted, CONFIG) - together).max() <= 2


def test_batches_hold_whole_seeds_where_one_fits(diffusion: Diffusion) -> None:
    for pictures, n_conditions, expected in ((7, 2, 6), (7, 4, 4), (3, 4, 3), (0, 4, 1)):
        assert diffusion_module._pictures_a_batch(_in_passes(diffusion, 2 * pictures), CONFIG, n_conditions) == expected


@pytest.mark.parametrize("offload", ["parts", "layers"])
def test_parts_that_wait_on_the_cpu_draw_the_very_same_pictures(
    offload: Offload, diffusion: Diffusion, encoder: TextEncoder, miniature: Path
) -> None:
    wanted, rows = conditions(encoder, PROMPTS), diffusion.placement.plan.samples
    plan = Plan(offload, rows, "drawing with CPU offload: 5.1 GB are free")
    waiting, told = load_diffusion(miniature / "stable-diffusion", torch.device("cpu"), torch.float32, plan), list[Progress]()
    assert np.array_equal(draw(waiting, wanted, CONFIG, told.append), draw(diffusion, wanted, CONFIG))
    assert np.array_equal(draw(waiting, wanted, CONFIG), draw(diffusion, wanted, CONFIG)), "a second time"
    assert {progress.note for progress in told} == {"portraits, drawing with CPU offload: 5.1 GB are free"}


def test_a_waiting_part_comes_to_the_device_when_it_is_its_turn_and_goes_back(diffusion: Diffusion) -> None:
    class Recorded(torch.nn.Linear):
        moves: list[str]

        def to(self, device: Any, *arguments: Any, **options: Any) -> Any:
            self.moves.append(torch.device(device).type)
            return self if torch.device(device).type == "meta" else super().to(device, *arguments, **options)

        def forward(self, inputs: Any) -> Any:
            return inputs

    unet, decoder = Recorded(2, 2), Recorded(2, 2)
    unet.moves = decoder.moves = moves = []
    placement = placed(unet, decoder, torch.device("meta"), Plan("parts", (2, 1)))
    assert moves == ["cpu", "cpu"], "nothing is on the device before its turn"
    unet(torch.zeros(1)), decoder(torch.zeros(1))
    placement.rest()
    assert moves[2:] == ["meta", "meta", "cpu", "cpu"]


def test_guidance_of_one_needs_no_empty_prompt(diffusion: Diffusion, encoder: TextEncoder) -> None:
    unguided = draw(diffusion, conditions(encoder, PROMPTS), replace(CONFIG, guidance_scale=1.0))
    assert unguided.shape == (2, 2, 64, 64, 3)
    assert unguided.dtype == np.uint8


def test_progress_counts_every_step_of_every_batch(diffusion: Diffusion, encoder: TextEncoder) -> None:
    told: list[Progress] = []
    draw(_in_passes(diffusion, 1), conditions(encoder, PROMPTS), CONFIG, told.append)
    assert [progress.step for progress in told] == list(range(1, 17))
    assert {progress.total for progress in told} == {16}


def test_cancelling_comes_out_of_drawing(diffusion: Diffusion, encoder: TextEncoder) -> None:
    def cancel(progress: Progress) -> None:
        raise JobCancelled

    with pytest.raises(JobCancelled):
        draw(diffusion, conditions(encoder, PROMPTS), CONFIG, cancel)


@pytest.mark.parametrize("scheduler", ["NoSuchScheduler", "UNet2DConditionModel"])
def test_unknown_scheduler_is_an_error(diffusion: Diffusion, encoder: TextEncoder, scheduler: str) -> None:
    with pytest.raises(ConfigError, match="scheduler"):
        draw(diffusion, conditions(encoder, PROMPTS), replace(CONFIG, scheduler=scheduler))


@pytest.mark.parametrize("scheduler", ["NoSuchScheduler", "UNet2DConditionModel"])
def test_scheduler_is_known_before_anything_is_loaded(miniature: Path, tmp_path: Path, scheduler: str) -> None:
    require_drawing(miniature / "stable-diffusion", CONFIG)
    with pytest.raises(ConfigError, match=scheduler):
        require_drawing(miniature / "stable-diffusion", replace(CONFIG, scheduler=scheduler))
    (tmp_path / "scheduler").mkdir()
    (tmp_path / "scheduler" / "scheduler_config.json").write_text(f'{{"_class_name": "{scheduler}"}}')
    with pytest.raises(ConfigError, match=scheduler):
        require_drawing(tmp_path, CONFIG)


def test_missing_weights_are_told_by_the_error_alone(
    miniature: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(miniature / "stable-diffusion", tmp_path / "sd"))
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(ModelLoadError, match=r"diffusion_pytorch_model\.safetensors cannot be read"):
        load_diffusion(folder, torch.device("cpu"), torch.float32)
    assert capfd.readouterr() == ("", "")


def test_folder_without_weights_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"diffusion_pytorch_model\.safetensors cannot be read"):
        load_diffusion(tmp_path, torch.device("cpu"), torch.float32)
