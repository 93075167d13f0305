"""Defended encoders on disk: bit-equal again, readable by other programs, and never half-written."""

import copy
import errno
import json
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
import torch

from tests.support.miniature import build_miniature
from unlearn.config import Settings
from unlearn.errors import InputError, ModelLoadError
from unlearn.files import require_space, write_json
from unlearn.models import defended as store
from unlearn.models.clip import Clip, load_clip
from unlearn.models.defended import load_defended, save_defended

TEXTS = ["a photo of Ada Brook", "a human"]


def _moved(clip: Clip) -> Clip:
    """The CLIP with a text encoder whose blocks were changed a little."""
    student = copy.deepcopy(clip.text)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in student.blocks.parameters():
            parameter.add_(0.01 * torch.randn(parameter.shape, generator=generator))
    return clip.with_text(student)


@pytest.fixture(scope="module")
def defended(original: Clip) -> Clip:
    return _moved(original)


@pytest.fixture
def folder(tmp_path: Path, original: Clip, defended: Clip) -> Path:
    save_defended(tmp_path / "defended", original, defended)
    return tmp_path / "defended"


def test_saved_encoder_loads_bit_equal(folder: Path, original: Clip, defended: Clip) -> None:
    loaded = load_defended(folder, original)
    assert loaded.text.weights_hash == defended.text.weights_hash != original.text.weights_hash
    assert loaded.hidden is loaded.text
    assert loaded.image is original.image
    assert not any(parameter.requires_grad for parameter in loaded.text.parameters())


def test_run_folder_loads_like_the_defended_folder_in_it(folder: Path, original: Clip, defended: Clip) -> None:
    assert load_defended(folder.parent, original).text.weights_hash == defended.text.weights_hash


def test_open_clip_loads_the_text_file(folder: Path, miniature: Path, defended: Clip) -> None:
    import open_clip
    from safetensors.torch import load_file

    model = open_clip.create_model(f"local-dir:{miniature / 'clip'}").eval()
    result = model.load_state_dict(load_file(folder / "open_clip_text.safetensors"), strict=False)
    assert result.unexpected_keys == []
    assert {name.split(".")[0] for name in result.missing_keys} == {"visual", "logit_scale"}
    tokens = defended.text.tokenize(TEXTS)
    with torch.inference_mode():
        assert torch.allclose(model.encode_text(tokens), defended.text.embed_texts(tokens), atol=1e-5)


def test_transformers_loads_the_text_encoder_folder(folder: Path, defended: Clip) -> None:
    from transformers import CLIPTextModel

    model = CLIPTextModel.from_pretrained(folder / "text_encoder").eval()
    tokens = defended.text.tokenize(TEXTS)
    with torch.inference_mode():
        theirs, ours = model(tokens).last_hidden_state, defended.text.hidden_states(tokens)
    assert torch.allclose(theirs, ours, atol=1e-5)
    assert model.config.eos_token_id == int(tokens.max())


def test_second_encoder_of_the_diffusion_model_is_saved_and_loaded_apart(
    miniature: Path, tmp_path: Path, settings: Settings
) -> None:
    from safetensors.torch import load_file, save_file

    root = Path(shutil.copytree(miniature, tmp_path / "set"))
    file = root / "stable-diffusion" / "text_encoder" / "model.safetensors"
    state = load_file(file)
    save_file({name: tensor * 1.01 for name, tensor in state.items()}, file, metadata={"format": "pt"})
    clip = load_clip(str(root), settings)
    assert clip.hidden is not None and not clip.is_shared
    hidden = copy.deepcopy(clip.hidden)
    with torch.no_grad():
        next(hidden.blocks.parameters()).add_(0.1)
    defended = _moved(clip).with_text(_moved(clip).text, hidden)
    save_defended(tmp_path / "out", clip, defended)
    loaded = load_defended(tmp_path / "out", clip)
    assert loaded.hidden is not None
    assert loaded.hidden.weights_hash == hidden.weights_hash
    assert loaded.text.weights_hash == defended.text.weights_hash


def test_image_encoder_is_saved_and_loaded(original: Clip, tmp_path: Path) -> None:
    image = copy.deepcopy(original.image)
    with torch.no_grad():
        next(image.parameters()).add_(0.1)
    save_defended(tmp_path / "out", original, original.with_image(image))
    loaded = load_defended(tmp_path / "out", original)
    assert loaded.image.weights_hash == image.weights_hash
    assert loaded.text is original.text
    assert not (tmp_path / "out" / "text_encoder").exists()


def test_encoder_of_another_set_is_refused(folder: Path, tmp_path: Path, settings: Settings) -> None:
    other = load_clip(str(build_miniature(tmp_path / "other", seed=1, with_diffusion=False)), settings)
    with pytest.raises(ModelLoadError, match="other weights"):
        load_defended(folder, other)


def test_damaged_file_is_refused(folder: Path, original: Clip) -> None:
    file = folder / "open_clip_text.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ModelLoadError, match="damaged"):
        load_defended(folder, original)


@pytest.mark.parametrize(
    ("content", "words"), [(b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"), (b"", "it is empty"), (None, "No such file")]
)
def test_file_that_is_none_is_told_by_what_it_is(folder: Path, original: Clip, content: bytes | None, words: str) -> None:
    file = folder / "open_clip_text.safetensors"
    (folder / "open_clip_visual.safetensors").touch()  # so that the folder is one of ours all the same
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ModelLoadError, match=words):
        load_defended(folder, original)


def test_weights_that_are_no_numbers_are_refused(folder: Path, original: Clip) -> None:
    from safetensors.torch import load_file, save_file

    file, described = folder / "open_clip_text.safetensors", folder / "config.json"
    state = load_file(file)
    save_file({**state, "ln_final.bias": state["ln_final.bias"] * float("nan")}, file)
    content = json.loads(described.read_text())
    content["files"][file.name]["sha256"] = store.file_hash(file)
    described.write_text(json.dumps(content))
    with pytest.raises(ModelLoadError, match="values of ln_final.bias are no finite numbers"):
        load_defended(folder, original)


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 1}'])
def test_unreadable_config_is_refused(folder: Path, original: Clip, content: str) -> None:
    (folder / "config.json").write_text(content)
    with pytest.raises(ModelLoadError, match=r"config\.json"):
        load_defended(folder, original)


def test_folder_without_defended_encoder_is_refused(tmp_path: Path, original: Clip) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ModelLoadError, match="holds no defended encoder"):
            load_defended(path, original)


def test_path_too_long_is_told_as_such(original: Clip, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="too long"):
        load_defended(tmp_path / ("x" * 300), original)


@pytest.mark.parametrize("files", [{}, {"other.safetensors": {}}, {"text_encoder/model.safetensors": {}}])
def test_config_that_names_no_encoder_of_the_set_never_passes_the_original_off(
    folder: Path, original: Clip, files: dict[str, object]
) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "files": files}))
    with pytest.raises(ModelLoadError, match="names no file"):
        load_defended(folder, original)


def test_nothing_defended_is_not_saved(original: Clip, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Nothing was defended"):
        save_defended(tmp_path / "out", original, original)


def test_full_disk_is_told_and_leaves_nothing_behind(
    original: Clip, defended: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(state: object, path: Path, **options: object) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store, "save_file", full)
    with pytest.raises(InputError, match="disk is full"):
        save_defended(tmp_path / "out", original, defended)
    assert list(tmp_path.iterdir()) == []


def test_failing_save_leaves_the_earlier_folder_alone(
    folder: Path, original: Clip, defended: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (folder / "config.json").read_text()

    def fail(*arguments: object, **options: object) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(store, "save_file", fail)
    with pytest.raises(InputError, match="broken"):
        save_defended(folder, original, defended)
    assert (folder / "config.json").read_text() == before


def test_too_little_space_is_told_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(100, 99, 1_000_000))
    require_space(tmp_path / "new" / "run", 900_000)
    with pytest.raises(InputError, match=r"has only 1 MB left"):
        require_space(tmp_path / "new" / "run", 2_000_000)


def test_json_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    write_json(path, {"name": "Zoë"})
    assert json.loads(path.read_text("utf-8")) == {"name": "Zoë"}
    with pytest.raises(TypeError):
        write_json(path, {"bad": object()})
    assert json.loads(path.read_text("utf-8")) == {"name": "Zoë"}
    assert list(tmp_path.iterdir()) == [path]
