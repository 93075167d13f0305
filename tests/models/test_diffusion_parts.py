"""A Stable Diffusion whose parts do not fit is refused while it is found, from descriptions and heads of files; what fits draws."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from unlearn.config import PortraitConfig, Settings
from unlearn.errors import ConfigError, ModelLoadError
from unlearn.models.clip import Clip, load_clip
from unlearn.models.clip_text_files import context_length
from unlearn.models.diffusion import conditions, draw, load_diffusion, require_drawing
from unlearn.models.sets import find_model_set
from unlearn.models.weight_files import DIFFUSERS_BASE
from unlearn.models.weights import find_diffusion

CONFIG = PortraitConfig(seeds=(0,), n_steps=2, guidance_scale=2.0, prompt_template="{0}")
WEIGHTS = f"{DIFFUSERS_BASE}.safetensors"
BASES = {"unet": DIFFUSERS_BASE, "vae": DIFFUSERS_BASE, "text_encoder": "model"}


@pytest.fixture
def changed(miniature: Path, tmp_path: Path) -> Path:
    """A copy of the miniature that a test may change."""
    return Path(shutil.copytree(miniature, tmp_path / "set"))


def _describe(root: Path, file: str, **changes: Any) -> None:
    path = root / "stable-diffusion" / file
    kept = {key: value for key, value in json.loads(path.read_text("utf-8")).items() if changes.get(key, 0) is not ...}
    path.write_text(json.dumps({**kept, **{key: value for key, value in changes.items() if value is not ...}}), "utf-8")


def _rewrite(root: Path, part: str, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    file = root / "stable-diffusion" / part / f"{BASES[part]}.safetensors"
    save_file({name: value.contiguous() for name, value in change(load_file(file)).items()}, file, metadata={"format": "pt"})


def _find(root: Path, settings: Settings) -> Path:
    return find_diffusion(find_model_set(str(root)), settings)


MISFITS: list[tuple[str, dict[str, Any], str]] = [
    ("unet/config.json", {"in_channels": 9}, r"reads 9 channels .*its decoder 4 .*an inpainting U-Net; use a text-to-image"),
    ("unet/config.json", {"in_channels": 7, "num_class_embeds": 1000}, "reads 7 channels .*decoder 4 .*upscaler"),
    ("unet/config.json", {"out_channels": 8}, "reads 4 channels and gives 8"),
    ("unet/config.json", {"cross_attention_dim": 2048}, r"reads 2048 numbers a token .*its text encoder gives 32"),
    ("unet/config.json", {"cross_attention_dim": [32, 768]}, "reads 32 and 768 numbers a token"),
    ("unet/config.json", {"cross_attention_dim": ...}, "reads 1280 numbers a token"),
    ("unet/config.json", {"addition_embed_type": "text_time"}, r"addition_embed_type in unet/config.json is 'text_time', where null"),
    ("unet/config.json", {"class_embed_type": "projection"}, "class_embed_type .* 'projection'"),
    ("unet/config.json", {"time_cond_proj_dim": 256}, "time_cond_proj_dim .* 256"),
    ("unet/config.json", {"encoder_hid_dim": 32, "encoder_hid_dim_type": "ip_image_proj"}, "reads 32|ip_image_proj"),
    ("unet/config.json", {"sample_size": [8, 8]}, r"sample_size in unet/config.json is \[8, 8\]"),
    ("unet/config.json", {"sample_size": ...}, "sample_size in unet/config.json is None"),
    ("unet/config.json", {"_class_name": "UNet2DModel"}, "describes a UNet2DModel, where UNet2DConditionModel"),
    ("vae/config.json", {"latent_channels": 16}, "reads 4 channels .*its decoder 16"),
    ("vae/config.json", {"_class_name": "AutoencoderTiny"}, "describes a AutoencoderTiny, where AutoencoderKL"),
    ("vae/config.json", {"out_channels": 1}, "gives 1 colours, where 3"),
    ("vae/config.json", {"scaling_factor": None}, "scaling_factor in vae/config.json is None"),
    ("text_encoder/config.json", {"hidden_size": 768}, "reads 32 numbers a token .* gives 768"),
    ("text_encoder/config.json", {"num_hidden_layers": 12}, r"lacks encoder.layers.2.*\(160 of 196 tensors are missing\)"),
    ("text_encoder/config.json", {"vocab_size": 1000}, "1414 x 32 in the text encoder's file, but 1000 x 32 in its config.json"),
    ("text_encoder/config.json", {"max_position_embeddings": 77}, "32 x 32 in the text encoder's file, but 77 x 32"),
    ("text_encoder/config.json", {"num_attention_heads": 5}, "32 cannot be divided by num_attention_heads 5"),
    ("text_encoder/config.json", {"architectures": ["T5EncoderModel"], "model_type": "t5"}, "describes a T5EncoderModel"),
    ("text_encoder/config.json", {"hidden_size": None}, "gives None"),
    ("text_encoder/config.json", {"intermediate_size": "many"}, "a size that is no number"),
]


@pytest.mark.parametrize(("file", "changes", "words"), MISFITS)
def test_parts_that_do_not_fit_are_told_with_two_values(
    changed: Path, settings: Settings, file: str, changes: dict[str, Any], words: str
) -> None:
    _describe(changed, file, **changes)
    with pytest.raises(ModelLoadError, match=words) as caught:
        _find(changed, settings)
    assert str(caught.value).startswith("The Stable Diffusion stable-diffusion does not fit: ")
    assert str(changed) not in str(caught.value) and "\n" not in str(caught.value)


def test_stable_diffusion_xl_is_named(changed: Path, settings: Settings) -> None:
    (changed / "stable-diffusion" / "text_encoder_2").mkdir()
    _describe(changed, "unet/config.json", cross_attention_dim=2048, addition_embed_type="text_time")
    with pytest.raises(ModelLoadError, match="Stable Diffusion XL, whose U-Net reads 2048 .* gives 32"):
        _find(changed, settings)


@pytest.mark.parametrize(
    ("part", "name", "shape", "words"),
    [
        ("unet", "conv_in.weight", (16, 9, 3, 3), "conv_in.weight has 9 channels in unet's file, but 4 in unet/config.json"),
        ("unet", "conv_out.weight", (8, 16, 3, 3), "conv_out.weight has 8 channels"),
        ("unet", "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight", (16, 768), "reads 768 numbers a token .* 32 in its"),
        ("vae", "decoder.conv_in.weight", (8, 16, 3, 3), "decoder.conv_in.weight has 16 channels in vae's file, but 4"),
    ],
)  # fmt: skip
def test_weights_of_another_model_than_described_are_told(
    changed: Path, settings: Settings, part: str, name: str, shape: tuple[int, ...], words: str
) -> None:
    _rewrite(changed, part, lambda state: {**state, name: torch.zeros(shape)})
    with pytest.raises(ModelLoadError, match=words):
        _find(changed, settings)


def test_tokenizer_with_more_tokens_than_embeddings_is_told(changed: Path, settings: Settings) -> None:
    file = changed / "stable-diffusion" / "tokenizer" / "tokenizer.json"
    stored = json.loads(file.read_text("utf-8"))
    stored["model"]["vocab"]["onemore"] = 5000
    file.write_text(json.dumps(stored), "utf-8")
    with pytest.raises(ModelLoadError, match="its tokenizer has 5001 tokens, its text encoder embeddings for 1414"):
        _find(changed, settings)


def test_other_formats_and_other_designs_are_named(changed: Path, settings: Settings, tmp_path: Path) -> None:
    folder = changed / "stable-diffusion"
    (folder / "unet" / WEIGHTS).rename(folder / "unet" / "diffusion_flax_model.msgpack")
    with pytest.raises(ModelLoadError, match=rf"lacks unet/{WEIGHTS}\. It has unet/diffusion_flax_model\.msgpack, but only .*\.ckpt"):
        _find(changed, settings)
    (folder / "unet").rename(folder / "transformer")
    with pytest.raises(ModelLoadError, match="a transformer in place of the U-Net"):
        _find(changed, settings)
    (tmp_path / "one.safetensors").touch()
    with pytest.raises(ModelLoadError, match=r"one\.safetensors is damaged .it is empty"):
        find_diffusion(find_model_set(f"{changed}+{tmp_path / 'one.safetensors'}"), settings)
    (tmp_path / "one.gguf").touch()
    with pytest.raises(ModelLoadError, match=r"one\.gguf is no file of weights that can be read; only"):
        find_diffusion(find_model_set(f"{changed}+{tmp_path / 'one.gguf'}"), settings)


@pytest.mark.parametrize(
    ("part", "changes", "words"),
    [
        ("unet", {"block_out_channels": [16, 64]}, r"conv1.weight is 32 x 16 x 3 x 3 in unet's file, but 64 x 16 x 3 x 3 in unet/config"),
        ("unet", {"down_block_types": ["Foo", "DownBlock2D"]}, "describes no UNet2DConditionModel: Foo does not exist"),
        ("vae", {"block_out_channels": [8, 8, 8, 16]}, "16 x 8 x 3 x 3 in vae/config.json"),
    ],
)  # fmt: skip
def test_every_tensor_is_compared_before_the_fine_tuning(changed: Path, part: str, changes: dict[str, Any], words: str) -> None:
    _describe(changed, f"{part}/config.json", **changes)
    with pytest.raises(ModelLoadError, match=words):
        require_drawing(changed / "stable-diffusion", CONFIG)


@pytest.mark.parametrize("part", ["unet", "vae"])
def test_missing_tensors_and_values_that_are_no_numbers_are_told_before_the_fine_tuning(changed: Path, part: str) -> None:
    name = {"unet": "mid_block.resnets.0.conv1.bias", "vae": "decoder.mid_block.resnets.0.conv1.bias"}[part]
    _rewrite(changed, part, lambda state: {**state, name: state[name] * float("inf")})
    with pytest.raises(ModelLoadError, match=rf"{part}/{WEIGHTS} is damaged .*values of {name} are no finite numbers"):
        require_drawing(changed / "stable-diffusion", CONFIG)
    _rewrite(changed, part, lambda state: {key: value for key, value in state.items() if key != name})
    with pytest.raises(ModelLoadError, match=rf"lacks {name}"):
        require_drawing(changed / "stable-diffusion", CONFIG)


@pytest.mark.parametrize("scheduler", ["FlowMatchEulerDiscreteScheduler", "RePaintScheduler"])
def test_scheduler_that_cannot_step_is_told_before_the_fine_tuning(miniature: Path, scheduler: str) -> None:
    with pytest.raises(ConfigError, match=f"{scheduler} cannot draw this Stable Diffusion in 2 steps"):
        require_drawing(miniature / "stable-diffusion", replace(CONFIG, scheduler=scheduler))


def _to_variant(folder: Path, part: str, base: str) -> None:
    (folder / part / f"{base}.safetensors").rename(folder / part / f"{base}.fp16.safetensors")


def _to_shards(folder: Path, part: str, base: str) -> None:
    file = folder / part / f"{base}.safetensors"
    state, file_of = load_file(file), dict[str, str]()
    for number in (1, 2):
        name = f"{base}-0000{number}-of-00002.safetensors"
        names = sorted(state)[number - 1 :: 2]
        save_file({key: state[key] for key in names}, folder / part / name, metadata={"format": "pt"})
        file_of |= dict.fromkeys(names, name)
    file.unlink()
    (folder / part / f"{base}.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": file_of}))


@pytest.mark.parametrize("change", [_to_variant, _to_shards])
def test_fp16_variants_and_shards_draw_the_same_picture(
    change: Callable[[Path, str, str], None], original: Clip, miniature: Path, changed: Path, settings: Settings
) -> None:
    for part, base in BASES.items():
        change(changed / "stable-diffusion", part, base)
    folder = _find(changed, settings)
    require_drawing(folder, CONFIG)
    found = load_clip(str(changed), settings)
    assert found.is_shared and found.hidden is not None and original.hidden is not None
    pictures = [
        draw(load_diffusion(root, torch.device("cpu"), torch.float32), conditions(encoder, ["a boat"]), CONFIG)
        for root, encoder in ((folder, found.hidden), (miniature / "stable-diffusion", original.hidden))
    ]
    assert np.array_equal(*pictures)


@pytest.mark.parametrize("told", [1e30, int(1e30), 512, "unknown", None, ...])
def test_tokenizer_without_a_usable_maximum_takes_the_encoders_length(changed: Path, settings: Settings, told: object) -> None:
    _describe(changed, "text_encoder/config.json", hidden_act="gelu")  # an encoder of its own
    _describe(changed, "tokenizer/tokenizer_config.json", model_max_length=told, pad_token=None)
    found = load_clip(str(changed), settings).hidden
    assert found is not None and not found.pools and found.context_length == 32
    tokens = found.tokenize(["a boat", "a " * 100])
    assert tokens.shape == (2, 32) and int(tokens[0, -1]) == int(tokens.max())
    assert found.hidden_states(tokens).shape == (2, 32, 32)


@pytest.mark.parametrize(
    ("told", "length"), [(77, 77), (20, 20), (248, 77), (1e30, 77), (0, 77), (-1, 77), (True, 77), (None, 77), ("77", 77)]
)
def test_context_is_what_both_tokenizer_and_encoder_have(told: object, length: int) -> None:
    assert context_length(told, 77) == length


def test_model_that_leaves_out_last_layers_is_an_encoder_of_its_own(changed: Path, settings: Settings) -> None:
    _describe(changed, "text_encoder/config.json", num_hidden_layers=1)
    assert not load_clip(str(changed), settings).is_shared


def test_stable_diffusion_2_with_its_wider_text_encoder_and_v_prediction_fits_and_draws(changed: Path, settings: Settings) -> None:
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    folder, width = changed / "stable-diffusion", 48
    UNet2DConditionModel(
        sample_size=8, block_out_channels=(16, 32), layers_per_block=1, norm_num_groups=8, cross_attention_dim=width,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        attention_head_dim=(2, 4), use_linear_projection=True,
    ).save_pretrained(folder / "unet")  # fmt: skip
    sizes = {"vocab_size": 1414, "hidden_size": width, "intermediate_size": 96, "num_hidden_layers": 1, "num_attention_heads": 4}
    described = CLIPTextConfig(**sizes, max_position_embeddings=32, hidden_act="gelu", bos_token_id=1412, eos_token_id=1413)
    CLIPTextModel(described).save_pretrained(folder / "text_encoder")
    require_drawing(_find(changed, settings), CONFIG)
    found = load_clip(str(changed), settings).hidden
    assert found is not None and not found.pools
    drawn = draw(load_diffusion(folder, torch.device("cpu"), torch.float32), conditions(found, ["a boat"]), CONFIG)
    assert drawn.shape == (1, 1, 64, 64, 3)
