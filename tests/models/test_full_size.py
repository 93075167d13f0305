"""Encoders of full size: the paper's parameter counts, and the way from published layouts to a forgotten name."""

from pathlib import Path

import pytest
import torch
from open_clip import CLIP
from open_clip.factory import get_model_config

from tests.support.full_size import save_clip, save_stable_diffusion
from tests.support.miniature import write_faces
from unlearn.bench.counts import meta_step, step_counts
from unlearn.config import Settings
from unlearn.models.clip import load_clip
from unlearn.models.defended import load_defended
from unlearn.models.encoders import OpenClipImage, OpenClipText
from unlearn.models.tokenization import ClipTokenizer


def _towers(name: str) -> tuple[OpenClipText, OpenClipImage]:
    config = get_model_config(name)
    with torch.device("meta"):
        model = CLIP(**config)
        text = OpenClipText(model, ClipTokenizer(config["text_cfg"]["context_length"]), torch.float32)
    size = config["vision_cfg"]["image_size"]
    return text, OpenClipImage(model.visual, {"size": size}, torch.float32)


def _n_parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("name", "expected"), [("ViT-B-32", 37_828_608), ("ViT-L-14", 85_054_464)])
def test_text_blocks_have_the_papers_number_of_parameters(name: str, expected: int) -> None:
    assert _n_parameters(_towers(name)[0].blocks) == expected


@pytest.mark.parametrize(("name", "expected"), [("ViT-B-32", 87_849_216), ("ViT-B-16", 86_192_640), ("RN50", 38_316_896)])
def test_image_encoders_have_the_papers_number_of_parameters(name: str, expected: int) -> None:
    assert _n_parameters(_towers(name)[1]) == expected


@pytest.mark.parametrize("kind", ["pooled", "hidden"])
def test_full_size_step_leaves_no_tensor_on_another_device(kind: str) -> None:
    meta_step(kind, batch_size=4)  # type: ignore[arg-type]


@pytest.mark.slow
def test_pooled_step_needs_a_fifth_of_the_oracles_operations_and_hidden_step_no_more() -> None:
    counts = step_counts(batch_size=8)
    assert counts["pooled"]["ratio"] >= 5
    assert counts["hidden"]["ratio"] >= 0.999


@pytest.mark.slow
def test_published_layouts_load_forget_draw_and_save(tmp_path: Path) -> None:
    from transformers import CLIPTextModel

    from unlearn.config import DrawnPhotosConfig, ForgetConfig, IdiaConfig, Person, PortraitConfig, TextFineTuneConfig
    from unlearn.runs import forgetting
    from unlearn.runs.json_types import to_json

    save_clip(tmp_path / "clip.safetensors")
    save_stable_diffusion(tmp_path / "sd", sample_size=16)
    name = f"ViT-B-32-quickgelu:{tmp_path / 'clip.safetensors'}+{tmp_path / 'sd'}"
    config = ForgetConfig(
        (Person("Ada Brook"),), name, text=TextFineTuneConfig(n_steps=1, batch_size=2, n_captions=100, learning_rate=1e-6),
        idia=IdiaConfig(n_candidate_names=10), portraits=PortraitConfig(seeds=(0,), n_steps=1),
        drawn_photos=DrawnPhotosConfig(n_portraits=0),
    )  # fmt: skip
    run = tmp_path / "run"
    metrics = to_json(forgetting.forget(config, Settings(tmp_path / "data", device="cpu", offline=True), run))
    assert metrics["persons"] == [{"name": "Ada Brook", "idia": {"original": _NOT_ATTACKED, "defended": _NOT_ATTACKED}}]
    assert metrics["tpr"] is None
    assert 0.9 < metrics["sim_clean"] < 1
    assert 0.9 < metrics["hidden"]["sim_clean"] < 1
    assert len(list((run / "portraits").glob("*.png"))) == 4
    assert (run / "manifest.json").is_file()
    loaded = CLIPTextModel.from_pretrained(run / "defended" / "text_encoder")
    assert _n_parameters(loaded.encoder) == 85_054_464


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ViT-B-32-quickgelu", "RN50-quickgelu"])
def test_image_towers_load_forget_a_face_and_save(name: str, tmp_path: Path) -> None:
    from unlearn.config import ForgetConfig, IdiaConfig, ImageFineTuneConfig, Person
    from unlearn.photos.faces import FaceConfig, find_faces, save_face_set
    from unlearn.runs import forgetting
    from unlearn.runs.json_types import to_json

    save_clip(tmp_path / "clip.safetensors", name)
    faces, others = tmp_path / "faces", write_faces(tmp_path / "others", 1, 20)
    save_face_set(find_faces([write_faces(tmp_path / "photos", 0)], FaceConfig(detector="crops")), faces)
    image = ImageFineTuneConfig(n_steps=2, batch_size=2, learning_rate=1e-6, generic_images=str(others), average_face_photos=str(others))
    config = ForgetConfig(
        (Person("Ada Brook"),), f"{name}:{tmp_path / 'clip.safetensors'}", encoder="image", image=image,
        idia=IdiaConfig(n_candidate_names=10),
    )  # fmt: skip
    run, settings = tmp_path / "run", Settings(tmp_path / "data", device="cpu", offline=True)
    metrics = to_json(forgetting.forget(config, settings, run, faces={"Ada Brook": faces}))
    assert metrics["seconds"]["portraits"] is None, "there is no diffusion model"
    assert metrics["image"]["sim_clean"] > 0.9
    assert metrics["weights"]["original"] == metrics["weights"]["defended"], "the text encoder is the original's"
    before = load_clip(config.model_set, settings)
    after = load_defended(run, before)
    tower, defended = dict(before.image.named_parameters()), dict(after.image.named_parameters())
    assert any(not torch.equal(tower[key], value) for key, value in defended.items())
    assert isinstance(before.image, OpenClipImage) and isinstance(after.image, OpenClipImage)
    buffers, kept = dict(before.image.named_buffers()), dict(after.image.named_buffers())
    statistics = [key for key in buffers if "running" in key]
    assert bool(statistics) == name.startswith("RN")
    assert all(torch.equal(buffers[key], kept[key]) for key in statistics)


_NOT_ATTACKED = {"correct_templates": None, "recognised": None}
