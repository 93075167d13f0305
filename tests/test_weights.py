"""Where weight files are looked for, and that a missing one is told at once, with what to do."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from unlearn import weights
from unlearn.config import Settings
from unlearn.errors import ModelLoadError
from unlearn.model_sets import find_model_set
from unlearn.weights import find_checkpoint, find_diffusion, is_at_hand


@pytest.fixture
def without_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty download cache, whatever this machine has."""
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.mark.parametrize("name", ["vit-b-32", "vit-b-16", "vit-l-14", "sd14", "rn50"])
def test_missing_checkpoint_offline_says_which_where_and_how_within_seconds(
    name: str, settings: Settings, tmp_path: Path, without_cache: Path
) -> None:
    started = time.perf_counter()
    with pytest.raises(ModelLoadError) as caught:
        find_checkpoint(find_model_set(name), replace(settings, models_dir=tmp_path / "models"))
    assert time.perf_counter() - started < 10
    message = str(caught.value)
    assert "open_clip_model.safetensors" in message
    assert str(tmp_path / "models") in message
    assert str(without_cache) in message
    assert "UNLEARN_MODELS_DIR" in message


def test_missing_diffusion_offline_says_which_where_and_how(settings: Settings, tmp_path: Path, without_cache: Path) -> None:
    with pytest.raises(ModelLoadError) as caught:
        find_diffusion(find_model_set("sd14"), replace(settings, models_dir=tmp_path))
    assert "CompVis/stable-diffusion-v1-4" in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_unreachable_host_is_told_without_entering_a_download(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, without_cache: Path
) -> None:
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    asked: list[str] = []
    monkeypatch.setattr(weights, "_is_reachable", lambda endpoint: bool(asked.append(endpoint)))
    with pytest.raises(ModelLoadError, match="cannot be reached"):
        find_checkpoint(find_model_set("vit-b-32"), replace(settings, offline=False))
    assert len(asked) == 1


def test_probe_of_a_dead_host_is_false_at_once() -> None:
    started = time.perf_counter()
    assert not weights._is_reachable("http://127.0.0.1:9")
    assert time.perf_counter() - started < weights.PROBE_TIMEOUT_S + 1


@pytest.mark.parametrize("place", ["ViT-B-32-laion400m_e32/open_clip_model.safetensors", "ViT-B-32-laion400m_e32.safetensors"])
def test_models_folder_is_searched_first(settings: Settings, tmp_path: Path, place: str) -> None:
    file = tmp_path / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    assert find_checkpoint(find_model_set("vit-b-32"), replace(settings, models_dir=tmp_path)) == file


def test_checkpoint_path_of_another_format_is_refused(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "weights.pt").touch()
    with pytest.raises(ModelLoadError, match=r"\.safetensors"):
        find_checkpoint(find_model_set(f"ViT-B-32:{tmp_path / 'weights.pt'}"), settings)


def test_checkpoint_path_that_does_not_exist_is_named(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"nothing\.safetensors"):
        find_checkpoint(find_model_set(f"ViT-B-32:{tmp_path / 'nothing.safetensors'}"), settings)


def test_unknown_tag_lists_the_known_ones(settings: Settings) -> None:
    with pytest.raises(ModelLoadError, match="laion400m_e32"):
        find_checkpoint(find_model_set("ViT-B-32:no_such_tag"), settings)


def test_diffusion_folder_that_lacks_parts_names_them(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    with pytest.raises(ModelLoadError, match="vae, scheduler, text_encoder, tokenizer"):
        find_diffusion(find_model_set(f"vit-b-32+{tmp_path}"), settings)


def test_set_without_diffusion_says_how_to_add_one(settings: Settings) -> None:
    with pytest.raises(ModelLoadError, match=r"behind a '\+'"):
        find_diffusion(find_model_set("vit-b-32+none"), settings)


def test_at_hand_tells_present_from_missing(miniature: Path, settings: Settings, without_cache: Path) -> None:
    assert is_at_hand(find_model_set(str(miniature)), settings)
    assert not is_at_hand(find_model_set("sd14"), settings)
