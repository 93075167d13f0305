"""Encoders behind their protocol: open_clip's own numbers, transformers' too, and exact shortcuts."""

import copy
import json
from pathlib import Path

import numpy as np
import open_clip
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from safetensors.torch import load_file

from tests.support.miniature import CONTEXT_LENGTH, EMBED_DIM, IMAGE_SIZE, WIDTH
from unlearn.models.clip import Clip
from unlearn.models.diffusion_text import load_diffusion_text
from unlearn.models.encoders import OpenClipText

TEXTS = ["a photo of Ada Brook", "a photo of a human", "x", "a photo of Ben Carver at a gala in the evening"]


def _reference(miniature: Path) -> open_clip.CLIP:
    config = json.loads((miniature / "clip" / "open_clip_config.json").read_text())["model_cfg"]
    model = open_clip.CLIP(**config)
    state = load_file(miniature / "clip" / "open_clip_model.safetensors")
    model.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    return model.eval()


def test_embeddings_equal_those_of_open_clip(miniature: Path, original: Clip) -> None:
    model, tokens = _reference(miniature), original.text.tokenize(TEXTS)
    with torch.inference_mode():
        assert torch.allclose(original.text.embed_texts(tokens), model.encode_text(tokens), atol=1e-5)
        pixels = torch.rand(3, 3, IMAGE_SIZE, IMAGE_SIZE)
        mean, std = _published_statistics()
        assert torch.allclose(original.image.embed_images(pixels), model.encode_image((pixels - mean) / std), atol=1e-5)


def _published_statistics() -> tuple[torch.Tensor, torch.Tensor]:
    mean, std = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
    return torch.tensor(mean)[:, None, None], torch.tensor(std)[:, None, None]


def test_cut_context_changes_no_embedding(original: Clip) -> None:
    tokens = original.text.tokenize(TEXTS)
    length = int(original.text.end_of_text_positions(tokens).max()) + 1
    assert length < CONTEXT_LENGTH
    with torch.inference_mode():
        full, cut = original.text.embed_texts(tokens), original.text.embed_texts(tokens[:, :length])
        assert torch.allclose(full, cut, atol=1e-6)
        assert torch.allclose(full, original.text.hidden_and_pooled(tokens)[1], atol=1e-6)
    assert full.shape == (len(TEXTS), EMBED_DIM)


def test_shortcuts_change_no_embedding_and_no_state(original: Clip) -> None:
    assert isinstance(original.text, OpenClipText)
    literal, tokens = original.text.without_shortcuts(), original.text.tokenize(TEXTS)
    with torch.inference_mode():
        for one, other in zip(original.text.hidden_and_pooled(tokens), literal.hidden_and_pooled(tokens), strict=True):
            assert torch.allclose(one, other, atol=1e-5)
        assert torch.allclose(original.text.embed_texts(tokens), literal.embed_texts(tokens), atol=1e-5)


def test_equal_texts_in_one_batch_are_embedded_alike(original: Clip) -> None:
    with torch.inference_mode():
        one = original.text.embed_texts(original.text.tokenize(["a photo"]))
        many = original.text.embed_texts(original.text.tokenize(["a photo"] * 3))
    assert torch.allclose(one.expand(3, -1), many, atol=1e-6)


def test_hidden_states_equal_those_of_transformers(miniature: Path, original: Clip) -> None:
    theirs = load_diffusion_text(miniature / "stable-diffusion", torch.float32)
    tokens = original.text.tokenize(TEXTS)
    assert torch.equal(theirs.tokenize(TEXTS), tokens)
    with torch.inference_mode():
        states = original.text.hidden_states(tokens)
        assert torch.allclose(theirs.hidden_states(tokens), states, atol=1e-5)
    assert states.shape == (len(TEXTS), CONTEXT_LENGTH, WIDTH)
    assert original.text.pools and not theirs.pools


def test_deep_copy_shares_no_weights_and_leaves_the_original_alone(original: Clip) -> None:
    before = original.text.weights_hash
    student = copy.deepcopy(original.text)
    assert student.weights_hash == before
    with torch.no_grad():
        next(student.blocks.parameters()).add_(1.0)
    assert student.weights_hash != before == original.text.weights_hash
    assert student.tokenizer_hash == original.text.tokenizer_hash


def test_resize_agrees_with_open_clips_own_preprocessing(original: Clip) -> None:
    config = PreprocessCfg(size=IMAGE_SIZE)
    transform = image_transform_v2(config, is_train=False)
    generator = np.random.default_rng(0)
    for height, width in ((48, 48), (70, 50), (32, 90), (20, 25)):
        rows = np.linspace(0, 255, height)[:, None, None] * np.ones((1, width, 3))
        image = np.clip(rows + generator.normal(0, 10, rows.shape), 0, 255).astype(np.uint8)
        mean, std = (torch.tensor(part)[:, None, None] for part in (config.mean, config.std))
        expected = transform(Image.fromarray(image)) * std + mean
        found = original.image.resize(image[None])[0]
        assert found.shape == (3, IMAGE_SIZE, IMAGE_SIZE)
        levels = 255 * (found - expected).abs()
        assert levels.max() <= 4 and levels.mean() < 0.5  # both round to 8 bits, at different places
        assert found.min() >= 0 and found.max() <= 1


def test_resize_of_several_images_is_that_of_each(original: Clip) -> None:
    images = np.random.default_rng(1).integers(0, 256, (3, 40, 60, 3), dtype=np.uint8)
    together = original.image.resize(images)
    assert all(torch.equal(together[i], original.image.resize(images[i : i + 1])[0]) for i in range(3))
