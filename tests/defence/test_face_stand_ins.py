"""The people to choose stand-ins among: of a folder, of a world, or drawn; what is missing is said."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image
from torch.nn import functional

from tests.support.miniature import MEMBERS, N_STAND_INS, write_faces
from tests.support.short_runs import short_config
from unlearn.config import ForgetConfig, ImageFineTuneConfig, Person, ResolvedConfig, Settings
from unlearn.defence import face_stand_ins
from unlearn.defence.face_stand_ins import stand_in_people
from unlearn.errors import ConfigError, InputError
from unlearn.models import drawings
from unlearn.models.clip import Clip, world_of
from unlearn.models.images import embed_images


def _config(original: Clip, n_persons: int = 2, **image: Any) -> ResolvedConfig:
    persons = tuple(Person(f"Ann Lee {chr(65 + number)}") for number in range(n_persons))
    config = original.model_set.resolved(ForgetConfig(persons, encoder="image", image=ImageFineTuneConfig(**image)))
    return replace(config, portraits=replace(config.portraits, n_steps=2))


def _folder(root: Path, n_people: int, n_photos: int = 3) -> Path:
    for number in range(n_people):
        write_faces(root / f"person-{number}", number, n_photos)
    return root


def test_each_target_is_the_mean_of_one_persons_photos(original: Clip, settings: Settings) -> None:
    world = world_of(original)
    assert world is not None and world.stand_in_people is not None
    found = stand_in_people(original, _config(original), settings, world)
    assert found.embeddings.shape == (N_STAND_INS, 32) and found.n_photos == 5 * N_STAND_INS
    alone = functional.normalize(embed_images(original.image, world.stand_in_people[3]), dim=-1).mean(dim=0)
    assert torch.allclose(found.embeddings[3], alone, atol=1e-6)


def test_folder_has_a_sub_folder_a_person_and_enough_of_them(original: Clip, settings: Settings, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "people", 3)
    (folder / ".hidden").mkdir()
    found = stand_in_people(original, _config(original, face_targets=str(folder)), settings, world_of(original))
    assert (len(found.embeddings), found.n_photos, found.source) == (3, 9, "people of a folder")
    with pytest.raises(InputError, match="3 sub-folders for 4 faces"):
        stand_in_people(original, _config(original, 4, face_targets=str(folder)), settings, None)
    with pytest.raises(InputError, match="does not exist"):
        stand_in_people(original, _config(original, face_targets=str(folder / "none")), settings, None)
    for photo in sorted((folder / "person-2").iterdir())[1:]:
        photo.unlink()
    with pytest.raises(InputError, match="Sub-folder 3 .* one photo"):
        stand_in_people(original, _config(original, face_targets=str(folder)), settings, None)


def test_world_with_too_few_people_asks_for_a_folder(original: Clip, settings: Settings) -> None:
    with pytest.raises(ConfigError, match=rf"{N_STAND_INS} anonymous people for {N_STAND_INS + 1} faces.*face_targets"):
        stand_in_people(original, _config(original, N_STAND_INS + 1), settings, world_of(original))


def test_without_photos_the_people_are_drawn_under_names_that_nobody_bears(
    original: Clip, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts: list[str] = []
    real = drawings.conditions
    monkeypatch.setattr(drawings, "conditions", lambda encoder, texts: prompts.extend(texts) or real(encoder, texts))
    monkeypatch.setattr(face_stand_ins, "N_PORTRAITS", 2)
    config = replace(_config(original), portraits=replace(short_config(Path()).portraits, n_steps=2))
    found = stand_in_people(original, config, settings, None)
    assert len(found.embeddings) == 2 + face_stand_ins.N_SPARE and "Stable Diffusion" in found.source
    assert found.n_photos == 2 * len(found.embeddings) == 2 * len(set(prompts))
    assert not any(name in prompt for prompt in prompts for name in (*MEMBERS, "Ann Lee"))
    again = stand_in_people(original, replace(config, seed=5), settings, None)
    assert torch.equal(again.embeddings, found.embeddings) and len(prompts) == len(found.embeddings), "drawn once, and kept"
    with pytest.raises(ConfigError, match="--face-targets"):
        stand_in_people(replace(original, hidden=None), config, settings, None)


def test_people_of_the_hub_are_told_apart_by_a_second_column(
    original: Clip, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"image": Image.new("L", (40, 30), 20 * number), "who": number // 3} for number in range(10)]
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=lambda name, **options: rows))
    found = stand_in_people(original, _config(original), replace(settings, face_targets="hub:owner/set:image:who"), None)
    assert (len(found.embeddings), found.n_photos) == (3, 9), "the fourth has one photo only"
    with pytest.raises(InputError, match="3 people .* for 4 faces"):
        stand_in_people(original, _config(original, 4, face_targets="hub:owner/set:image:who"), settings, None)
    with pytest.raises(InputError, match="2 columns"):
        stand_in_people(original, _config(original, face_targets="hub:owner/set:image"), settings, None)
