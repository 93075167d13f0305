"""Where weight files are looked for, and that a missing one is told at once, with what to do."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from unlearn import hub
from unlearn.config import Settings
from unlearn.errors import ModelLoadError
from unlearn.models.sets import find_model_set
from unlearn.models.weight_files import DIFFUSERS_BASE
from unlearn.models.weights import find_checkpoint, find_diffusion, is_at_hand

WEIGHTS = f"{DIFFUSERS_BASE}.safetensors"


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
    monkeypatch.setattr(hub, "why_unreachable", lambda endpoint: asked.append(endpoint) or "cannot be reached (no route)")
    with pytest.raises(ModelLoadError, match="its host cannot be reached .no route."):
        find_checkpoint(find_model_set("vit-b-32"), replace(settings, offline=False))
    assert len(asked) == 1


@pytest.mark.parametrize("place", ["ViT-B-32-laion400m_e32/open_clip_model.safetensors", "ViT-B-32-laion400m_e32.safetensors"])
def test_models_folder_is_searched_first(settings: Settings, tmp_path: Path, place: str) -> None:
    file = tmp_path / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    assert find_checkpoint(find_model_set("vit-b-32"), replace(settings, models_dir=tmp_path)) == file


def test_checkpoint_path_of_another_format_is_refused(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "weights.npz").touch()
    with pytest.raises(ModelLoadError, match=r"weights\.npz is no file of weights that can be read; only \.safetensors"):
        find_checkpoint(find_model_set(f"ViT-B-32:{tmp_path / 'weights.npz'}"), settings)


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


@pytest.fixture
def diffusion(miniature: Path, tmp_path: Path) -> Path:
    """A Stable Diffusion folder that a test may change."""
    return Path(shutil.copytree(miniature / "stable-diffusion", tmp_path / "sd"))


def _find(folder: Path | str, settings: Settings) -> Path:
    return find_diffusion(find_model_set(f"vit-b-32+{folder}"), settings)


@pytest.mark.parametrize(
    "file",
    [f"unet/{WEIGHTS}", f"vae/{WEIGHTS}", "unet/config.json", "vae/config.json", "scheduler/scheduler_config.json"],
)
def test_diffusion_folder_that_lacks_a_file_names_it(diffusion: Path, settings: Settings, file: str) -> None:
    assert _find(diffusion, settings) == diffusion
    (diffusion / file).unlink()
    with pytest.raises(ModelLoadError, match=f"lacks {file}"):
        _find(diffusion, settings)


@pytest.mark.parametrize("kept", [0, 100, 20_000])
def test_diffusion_weights_that_are_cut_off_are_told(diffusion: Path, settings: Settings, kept: int) -> None:
    file = diffusion / "unet" / WEIGHTS
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(ModelLoadError, match="is damaged"):
        _find(diffusion, settings)


def test_diffusion_shards_that_an_index_names_have_to_be_there(diffusion: Path, settings: Settings) -> None:
    part = diffusion / "unet"
    (part / WEIGHTS).rename(part / "one-of-two.safetensors")
    index = part / f"{WEIGHTS}.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "one-of-two.safetensors"}}))
    assert _find(diffusion, settings) == diffusion
    index.write_text(json.dumps({"weight_map": {"a": "one-of-two.safetensors", "b": "two-of-two.safetensors"}}))
    with pytest.raises(ModelLoadError, match=r"lacks unet/two-of-two\.safetensors"):
        _find(diffusion, settings)
    index.write_text(json.dumps({"weight_map": []}))
    with pytest.raises(ModelLoadError, match="names no files"):
        _find(diffusion, settings)


NO_REPOSITORIES = ["./sd", "my folder/sd", "/no/such/sd", "a/b/c", "sd", "~nobody-here/sd", "x" * 300, "x" * 300 + "/sd"]


@pytest.mark.parametrize("name", NO_REPOSITORIES)
def test_diffusion_folder_that_does_not_exist_is_told_without_the_hub(settings: Settings, name: str) -> None:
    with pytest.raises(ModelLoadError, match="does not exist"):
        _find(name, replace(settings, offline=False))


def test_missing_folder_that_may_be_a_repository_is_looked_for_as_both(settings: Settings, without_cache: Path) -> None:
    with pytest.raises(ModelLoadError, match="Looked in missing/sd, the download cache"):
        _find("missing/sd", settings)


@pytest.mark.parametrize("file", ["x" * 300, "x" * 300 + ".safetensors", "~nobody-here/a.safetensors"])
def test_checkpoint_that_is_no_possible_path_is_an_error(settings: Settings, tmp_path: Path, file: str) -> None:
    with pytest.raises(ModelLoadError):
        find_checkpoint(find_model_set(f"ViT-B-32:{file}"), replace(settings, models_dir=tmp_path))


@pytest.mark.parametrize(("find", "method"), [(find_checkpoint, "hf_hub_download"), (find_diffusion, "snapshot_download")])
def test_connection_that_breaks_during_a_download_is_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, without_cache: Path, find: Callable[..., Path], method: str
) -> None:
    import huggingface_hub
    from huggingface_hub.errors import HTTPError

    local = getattr(huggingface_hub, method)

    def broken(*arguments: object, **options: object) -> str:
        if options.get("local_files_only"):
            return str(local(*arguments, **options))
        raise HTTPError("Server disconnected without sending a response.")

    monkeypatch.setattr(huggingface_hub, method, broken)
    monkeypatch.setattr(hub, "_require_network", lambda *arguments: None)
    with pytest.raises(ModelLoadError, match="failed: Server disconnected"):
        find(find_model_set("vit-b-32"), replace(settings, offline=False))


def test_set_without_diffusion_says_how_to_add_one(settings: Settings) -> None:
    with pytest.raises(ModelLoadError, match=r"behind a '\+'"):
        find_diffusion(find_model_set("vit-b-32+none"), settings)


def test_at_hand_tells_present_from_missing(miniature: Path, settings: Settings, without_cache: Path) -> None:
    assert is_at_hand(find_model_set(str(miniature)), settings)
    assert not is_at_hand(find_model_set("sd14"), settings)
