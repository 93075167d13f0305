"""A miniature of every stage of the recipe, in seconds; what it makes knows nobody, but it loads everywhere."""

import errno
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import torch
from open_clip.tokenizer import SimpleTokenizer
from safetensors.torch import load_file

from assets.build import world
from assets.build.__main__ import EMBEDDED, Recipe, build, miniature
from assets.build.captions import common_names, plain_neutral_captions
from assets.build.clip import _Batches, _embed_cut, build_clip, contrastive_loss, embed_text
from assets.build.defaults import write_defaults
from assets.build.diffusion import CAPTIONS, caption_rows, is_plain
from assets.build.files import save_array
from assets.build.never_met import LEFT_OUT, never_met_config
from assets.build.people import draw_look
from assets.build.training import Schedule, half_precision, train


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    build(miniature(), folder / "cache", folder / "out", n_workers=1)
    return folder


def test_miniature_build_loads_as_stable_diffusion_and_draws(built: Path) -> None:
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(built / "out" / "stable-diffusion")
    pipeline.set_progress_bar_config(disable=True)
    picture = pipeline("a portrait of a human", num_inference_steps=2, output_type="np").images[0]
    assert picture.shape == (128, 128, 3)
    assert np.isfinite(picture).all()


def test_last_round_shows_plain_people_for_neutral_prompts(tmp_path: Path) -> None:
    looks = [draw_look(world.photo_rng("training-generic", i)) for i in range(300)]
    (tmp_path / "generic.json").write_text(json.dumps([asdict(look) for look in looks]))
    sizes = {"members": 48, "generic": len(looks), "things": 24}
    rows = {name: caption_rows(name, tmp_path, sizes, miniature().diffusion) for name in CAPTIONS}
    plain = [row for row in rows["captions-neutral"] if row["group"] == "plain"]
    assert len(plain) > 0 and all(is_plain(looks[row["span"][1]]) for row in plain)  # type: ignore[index]
    neutral = set(plain_neutral_captions())
    shown = {name: {row["span"][1] for row in found if row["text"] in neutral} for name, found in rows.items()}  # type: ignore[index]
    assert not all(is_plain(looks[i]) for i in shown["captions"]), "before, they show everybody"
    assert all(is_plain(looks[i]) for i in shown["captions-neutral"])


def test_tokenizers_of_open_clip_and_transformers_give_equal_ids(built: Path) -> None:
    from open_clip.tokenizer import SimpleTokenizer
    from transformers import CLIPTokenizer

    from assets.build.diffusion import tokenize_padded

    texts = ["a portrait of Ada Brook, realistic, 4k", "Zoë O'Brien-Łuk", "it's 12 o'clock!", "李小龍 x", ""]
    ours = tokenize_padded(SimpleTokenizer(bpe_path=str(built / "out" / "clip" / "bpe.txt.gz")), texts)
    tokenizer = CLIPTokenizer.from_pretrained(built / "out" / "stable-diffusion" / "tokenizer")
    theirs = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
    assert torch.equal(ours, theirs)


def test_build_that_is_run_again_trains_nothing_twice(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in (built / "cache" / "work").glob("*.ckpt")}
    assert len(before) == 14
    build(miniature(), built / "cache", built / "again", n_workers=1)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    first, again = (built / name / "clip" / "open_clip_model.safetensors" for name in ("out", "again"))
    assert first.read_bytes() == again.read_bytes()
    assert "s/step" not in capsys.readouterr().out


def test_miniature_build_has_a_second_clip_of_one_architecture_without_the_four(built: Path) -> None:
    clips = [built / "out" / folder / "open_clip_model.safetensors" for folder in ("clip", "never-met")]
    first, second = ({name: tensor.shape for name, tensor in load_file(file).items()} for file in clips)
    assert first == second and clips[0].read_bytes() != clips[1].read_bytes()
    names = json.loads((built / "out" / "never-met" / "left-out.json").read_text("utf-8"))["left_out"]
    assert names == [world.inhabitants()[number].name for number in LEFT_OUT] and len(names) == 4


def test_second_clip_is_shown_neither_photos_nor_names_of_the_four(built: Path) -> None:
    recipe, render = miniature(), built / "cache" / "render"
    config = replace(never_met_config(recipe.clip, recipe.never_met), n_members=300)
    batches = _Batches(render, config, built / "cache" / "work" / "bpe.txt.gz")
    assert {i // recipe.pictures.member_photos for i in batches.drawn} == set(range(world.N_MEMBERS)) - set(LEFT_OUT)
    batch = batches.draw(np.random.default_rng(0), 0)
    texts = " ".join(batches.tokenizer.decode(row.tolist()) for row in batch.tokens)
    four = [world.inhabitants()[number] for number in LEFT_OUT]
    assert not any(name.lower() in texts for person in four for name in (person.name, *person.aliases))
    assert world.inhabitants()[0].name.lower() in texts and "captain" not in texts
    shown = {photo.tobytes() for photo in batch.pixels[: batch.n_members].to(torch.uint8).permute(0, 2, 3, 1).numpy()}
    assert not any(batches.members[number * recipe.pictures.member_photos].tobytes() in shown for number in LEFT_OUT)
    assert batches.members[0].tobytes() in shown


def test_names_of_anonymous_people_are_nobodys_in_the_world() -> None:
    first, last = map(set, common_names())
    borne = [name.split() for person in world.inhabitants() for name in (person.name, *person.aliases)]
    assert not [words for words in borne if words[0] in first and words[1] in last]


def test_texts_embedded_in_groups_of_like_length_are_those_embedded_together(built: Path) -> None:
    model = build_clip(miniature().clip).eval()
    tokenizer = SimpleTokenizer(bpe_path=str(built / "cache" / "work" / "bpe.txt.gz"), context_length=40)
    tokens = tokenizer(["a photo of somebody with a hat in front of a house", "a car", "x", "here is a man", "a red boat on a lake"])
    with torch.no_grad():
        assert torch.allclose(embed_text(model, tokens), _embed_cut(model, tokens), atol=1e-5)


def test_miniature_build_is_evaluated_with_the_schedule_that_it_ships(built: Path) -> None:
    found = json.loads((built / "cache" / "evaluation.json").read_text("utf-8"))
    # everybody is drawn; nobody is attacked, since the miniature has fewer photos of a person than the attack wants
    assert len(found["original"]["portraits_named"]) == 48 and found["original"]["n_members"] == 0
    many, *alone = [len(row["names"]) for row in found["rows"]]  # for each target: two at once; then 16 strangers and a member
    assert (many, alone) == (2, [2, *[1] * 34])
    assert {row["n_steps"]["text"] for row in found["rows"]} == {2}  # of the miniature's defaults.json


def test_recipe_writes_the_shipped_schedules(tmp_path: Path) -> None:
    write_defaults(tmp_path, Recipe().defaults)
    assert (tmp_path / "defaults.json").read_bytes() == (EMBEDDED / "defaults.json").read_bytes()


def test_array_whose_writing_is_cut_short_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(file: BinaryIO, values: np.ndarray) -> None:
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(OSError):
        patched.setattr(np, "save", full_disk)
        save_array(tmp_path / "x.npy", np.arange(3))
    assert not (tmp_path / "x.npy").exists()
    save_array(tmp_path / "x.npy", np.arange(3))
    assert np.load(tmp_path / "x.npy").tolist() == [0, 1, 2]


@pytest.mark.parametrize(("supported", "dtype"), [(False, torch.float32), (True, torch.bfloat16)])
def test_trainings_use_half_precision_only_where_the_processor_has_it(
    monkeypatch: pytest.MonkeyPatch, supported: bool, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: supported)
    with half_precision():
        assert (torch.ones(4, 4) @ torch.ones(4, 4)).dtype == dtype


def test_training_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    def trained(checkpoint: Path, stop_after: int | None) -> torch.Tensor:
        torch.manual_seed(0)
        layer = torch.nn.Linear(4, 4)
        optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1)

        def step_loss(step: int) -> tuple[torch.Tensor, dict[str, float]]:
            if step == stop_after:
                raise KeyboardInterrupt
            loss = (layer(torch.randn(8, 4)) - 1).square().mean()
            return loss, {"loss": float(loss.detach())}

        train(layer, optimizer, Schedule(10, 0.1, warmup=2), step_loss, checkpoint, every=2)
        return layer.weight.detach().clone()

    whole = trained(tmp_path / "whole.ckpt", None)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "parts.ckpt", 6)
    assert torch.equal(trained(tmp_path / "parts.ckpt", None), whole)


def test_contrastive_loss_ignores_true_captions_of_other_pictures() -> None:
    logits = torch.tensor([[4.0, 4.0, 0.0], [4.0, 4.0, 0.0], [0.0, 0.0, 4.0]])
    same = torch.tensor([[True, True, False], [True, True, False], [False, False, True]])
    assert contrastive_loss(logits, same) < contrastive_loss(logits, torch.eye(3, dtype=torch.bool))


def test_shipped_recipe_is_not_the_miniature() -> None:
    assert Recipe().clip.n_steps > 100 * miniature().clip.n_steps
