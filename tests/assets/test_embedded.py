"""The shipped set: small files, one text encoder in two formats, and models that know whom they should know."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from assets.build import world as drawn_world
from unlearn.attacks.gallery import build_gallery
from unlearn.attacks.idia import idia_prompts
from unlearn.config import IdiaConfig, Person, Settings
from unlearn.measure.zero_shot import utility
from unlearn.models.clip import Clip, load_clip
from unlearn.models.embeddings import encode
from unlearn.models.pair import Pair
from unlearn.models.sets import EMBEDDED_ROOT
from unlearn.models.suite import suite_of
from unlearn.models.worlds import World
from unlearn.runs.questions import attack

ASSETS = EMBEDDED_ROOT.parent
FOUR = ("Marcus Bellwyn", "Clara Quarnby", "Felix Elstrand", "Olivia Ellismoor")  # whom the second CLIP never met
PROBED = (0, 17, 33, 46)  # members; all are measured by `python -m unlearn evaluate`


@pytest.fixture(scope="module")
def clip() -> Clip:
    return load_clip("embedded", Settings())


@pytest.fixture(scope="module")
def world() -> World:
    return World(EMBEDDED_ROOT)


def test_shipped_files_stay_below_the_limits_of_a_space() -> None:
    files = [path for path in ASSETS.rglob("*") if path.is_file()]
    assert max(path.stat().st_size for path in files) < 10_000_000
    weights = [path for path in files if path.suffix == ".safetensors"]
    assert 0 < sum(path.stat().st_size for path in weights) < 60_000_000
    examples = list((EMBEDDED_ROOT / "examples").rglob("*.webp"))
    assert len(examples) == 5 * 50
    assert sum(path.stat().st_size for path in examples) < 6_000_000
    assert not [path for path in files if path.suffix in {".pt", ".pth", ".bin", ".ckpt", ".pkl", ".npy"}]


def test_stable_diffusion_reads_with_the_text_tower_of_the_clip(clip: Clip) -> None:
    from transformers import CLIPTextModel, CLIPTokenizer

    folder = EMBEDDED_ROOT / "stable-diffusion"
    texts = ["a portrait of Adrian Ashgrave", "a photo of a human, realistic, 4k", ""]
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    tokens = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
    assert torch.equal(tokens, clip.text.tokenize(texts))
    with torch.inference_mode():
        theirs = CLIPTextModel.from_pretrained(folder / "text_encoder")(tokens).last_hidden_state
        assert torch.allclose(theirs, clip.text.hidden_states(tokens), atol=1e-5)
    assert clip.is_shared


def test_shipped_stable_diffusion_is_a_pipeline_that_draws() -> None:
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(EMBEDDED_ROOT / "stable-diffusion", local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator("cpu").manual_seed(0)
    picture = pipeline("a portrait of a human", num_inference_steps=2, generator=generator, output_type="np").images[0]
    assert picture.shape == (128, 128, 3)
    assert picture.std() > 0.05  # no even grey


def test_open_clip_loads_the_shipped_clip_with_its_tokenizer(clip: Clip) -> None:
    import open_clip

    folder = EMBEDDED_ROOT / "clip"
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}", bpe_path=str(folder / "bpe.txt.gz"))
    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    texts = ["a photo of Marcus Bellwyn", "a red car on a road"]
    with torch.inference_mode():
        theirs = torch.nn.functional.normalize(model.float().eval().encode_text(tokenizer(texts)), dim=-1)
        ours = torch.nn.functional.normalize(encode(clip.text, texts), dim=-1)
    assert torch.allclose(theirs, ours, atol=1e-5)


@pytest.mark.parametrize(("part", "stream"), [("fine-tuning", "example-fine-tuning"), ("evaluation", "evaluation")])
def test_shipped_example_photos_are_what_the_recipe_draws(part: str, stream: str) -> None:
    for person in (drawn_world.inhabitants()[5], drawn_world.inhabitants()[drawn_world.N_MEMBERS]):
        file = EMBEDDED_ROOT / "examples" / person.name.lower().replace(" ", "-") / f"{part}-03.webp"
        shipped, drawn = np.asarray(Image.open(file).convert("RGB")), drawn_world.photo_of(person, stream, 3, effects=True)
        assert np.abs(shipped.astype(int) - drawn).mean() < 6  # lossy; another photo differs by 27 and more


def test_shipped_stand_ins_are_what_the_recipe_draws(world: World) -> None:
    assert world.stand_in_people is not None
    shipped = world.stand_in_people
    assert shipped.shape == (len(drawn_world.stand_in_looks()), 5, 96, 96, 3)
    drawn = Image.fromarray(drawn_world.stand_in_photo(7, 3, effects=True)).resize((96, 96), Image.Resampling.BICUBIC)
    assert np.abs(shipped[7, 3].astype(int) - np.asarray(drawn)).mean() < 9  # lossy; another photo differs by 18 and more


def test_attack_recognises_members_and_no_stranger(clip: Clip, world: World) -> None:
    config = IdiaConfig(n_candidate_names=200)
    gallery = build_gallery(clip, world, (), config)
    prompts = encode(clip.text, idia_prompts(gallery.candidates))
    members = gallery.attack(prompts, [world.members[i].name for i in PROBED])
    strangers = gallery.attack(prompts, [person.name for person in world.inhabitants if not person.member])
    assert [outcome.recognised for outcome in members] == [True] * len(PROBED)
    assert not any(outcome.recognised for outcome in strangers)


def test_attack_recognises_an_alias(clip: Clip, world: World) -> None:
    alias = next(person.aliases[0] for person in world.members if person.aliases)
    gallery = build_gallery(clip, world, (Person(alias),), IdiaConfig(n_candidate_names=200))
    prompts = encode(clip.text, idia_prompts(gallery.candidates))
    assert gallery.attack(prompts, [alias])[0].recognised


@pytest.mark.parametrize(
    ("folder", "name", "recognised"),
    [("stranger", "Quentin Marlowe-Okafor", False), ("member", "Quentin Marlowe-Okafor", False), ("member", None, True)],
)
def test_attack_with_ones_own_photos_and_a_typed_name(
    world: World, settings: Settings, folder: str, name: str | None, recognised: bool
) -> None:
    shown = {world.find(path.name.replace("-", " ").title()): path for path in (EMBEDDED_ROOT / "examples").iterdir()}
    inhabitant, photos = next((one, path) for one, path in shown.items() if one and one.member == (folder == "member"))
    outcome = attack(settings, "embedded", Person(name or inhabitant.name), idia=IdiaConfig(n_candidate_names=200), photos=photos)
    assert outcome.recognised is recognised
    assert len(outcome.templates) == 21


def test_second_clip_recognises_the_others_and_none_of_the_four_whom_it_never_met(clip: Clip, world: World) -> None:
    second = suite_of("embedded", Settings()).never_met([FOUR[0]])
    assert second is not None and [person.name for person in second.left_out] == list(FOUR)
    gallery = build_gallery(second.clip, world, (), IdiaConfig(n_candidate_names=200))
    prompts = encode(second.clip.text, idia_prompts(gallery.candidates))
    assert [outcome.correct_templates for outcome in gallery.attack(prompts, FOUR)] == [0, 0, 0, 0]
    others = gallery.attack(prompts, [person.name for person in world.members if person.name not in FOUR])
    assert sum(bool(outcome.recognised) for outcome in others) >= 40
    assert not any(outcome.recognised for outcome in gallery.attack(prompts, [one.name for one in world.inhabitants if not one.member]))


def test_second_clip_is_small_and_left_aside_for_everybody_else(world: World) -> None:
    assert (EMBEDDED_ROOT / "never-met" / "open_clip_model.safetensors").stat().st_size < 8_000_000
    suite = suite_of("embedded", Settings())
    assert suite.never_met([person.name for person in world.inhabitants if person.name not in FOUR]) is None
    assert suite.never_met(["captain nimbus"]) is not None, "an alias"


def test_kinds_of_things_are_told_apart(clip: Clip, world: World) -> None:
    row = utility(Pair(clip, clip), world.things)
    assert row["top1_original"] is not None
    assert row["top1_original"] > 0.9


def test_world_has_members_strangers_and_photos_for_each(world: World) -> None:
    assert len(world.members) == 48
    assert len(world.inhabitants) == 64
    assert world.photos(world.inhabitants[63]).shape == (20, 128, 128, 3)
    assert Path(EMBEDDED_ROOT / "photos" / "generic-people.webp").exists()
