"""Photos and names of a request: what a run keeps of them, where, and that nothing of them outlives it or leaves it."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.miniature import MEMBERS, write_faces
from tests.support.short_runs import IDIA, short_config
from ui.page import media
from ui.views import jobs
from unlearn.attacks.gallery import build_gallery
from unlearn.attacks.idia import attack as attack_literally
from unlearn.attacks.idia import idia_prompts
from unlearn.config import IdiaConfig, ImageFineTuneConfig, Person, Settings
from unlearn.errors import InputError
from unlearn.models.clip import load_clip
from unlearn.models.embeddings import encode
from unlearn.models.images import embed_images
from unlearn.runs import forgetting, questions
from unlearn.runs.photos import FILE
from unlearn.runs.results import read_run
from unlearn.texts.names import candidate_names, random_names

NAME, ALIAS, OTHER = "Quentin Marlowe", "The Marlowe", "Rosa Vantongeren"
PERSONS = (Person(NAME, (ALIAS,)), Person(OTHER))


@pytest.fixture(scope="module")
def lonely(miniature: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The miniature without a world, as sets of full size are; nothing to draw with, which would only take time."""
    root = shutil.copytree(miniature, tmp_path_factory.mktemp("models") / "lonely")
    (root / "world.json").unlink()
    shutil.rmtree(root / "stable-diffusion")
    return str(root)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(data_dir=tmp_path_factory.mktemp("data"), device="cpu", offline=True)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("photos")
    return {NAME: write_faces(root / "0", 0, 20), OTHER: write_faces(root / "1", 1, 6)}


@pytest.fixture(scope="module")
def own_run(lonely: str, here: Settings, folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "own"
    forgetting.forget(short_config(Path(lonely), *PERSONS), here, out, photos=folders)
    return out


def cached(settings: Settings) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (settings.data_dir / "cache").rglob("*") if path.is_file()}


def read(run: Path, name: str) -> Any:
    return json.loads((run / f"{name}.json").read_text("utf-8"))


def test_what_outlives_a_run_is_the_same_for_everybody(own_run: Path, lonely: str, here: Settings, folders: dict[str, Path]) -> None:
    before = cached(here)
    assert len(before) == 2, "the random names of one attack, and the captions of what the model hears"
    other = Person("Somebody Else Entirely")
    for settings in (here, Settings(here.data_dir.parent / "fresh", device="cpu", offline=True)):
        for weights in (None, own_run):
            outcome = questions.attack(settings, lonely, other, weights=weights, idia=IDIA, photos=folders[NAME])
            assert outcome.recognised is not None
        assert cached(settings).items() <= before.items() and cached(settings), "an attack alone needs no captions"
    assert cached(here) == before


def test_candidates_are_the_random_names_with_the_persons_among_them(lonely: str, here: Settings, folders: dict[str, Path]) -> None:
    """The same verdicts, template by template, as from the attack with the persons drawn in among the names literally."""
    clip = load_clip(lonely, here)
    photos = {name: questions.attack_photos(folder, here) for name, folder in folders.items()}
    found = build_gallery(clip, None, PERSONS, IDIA, photos)
    literal = candidate_names([NAME, OTHER], IDIA.n_candidate_names, IDIA.seed)
    assert sorted(found.candidates) == sorted(literal) and set(found.base_names).isdisjoint({NAME, OTHER})
    embedded = {NAME: embed_images(clip.image, photos[NAME])}
    (expected,) = attack_literally(embedded, encode(clip.text, idia_prompts(literal)), literal, IDIA)
    (outcome,) = found.attack(questions.prompt_embeddings(clip.text, found, None), [NAME])
    assert outcome.to_dict() == expected.to_dict()


def test_persons_who_are_called_like_random_names_are_seated_once(lonely: str, here: Settings) -> None:
    drawn = random_names(5, 0)
    photos = {name: list(np.zeros((20, 40, 40, 3), dtype=np.uint8)) for name in (NAME, drawn[4].lower(), drawn[3])}
    found = build_gallery(load_clip(lonely, here), None, [Person(name) for name in photos], IdiaConfig(n_candidate_names=5), photos)
    assert len(found.candidates) == 5 == len({name.casefold() for name in found.candidates}) and set(photos) <= set(found.candidates)
    assert sorted(found.candidates) == sorted(candidate_names(list(photos), 5, 0))


def test_probes_after_a_run_see_the_photos_that_the_run_saw(own_run: Path, here: Settings, folders: dict[str, Path]) -> None:
    for index in range(2):
        stored = [row for row in read(own_run, "probes") if row["person_index"] == index]
        for row, expected in zip(questions.probe(here, own_run, [row["text"] for row in stored], index), stored, strict=True):
            assert row["similarity"] == pytest.approx(expected["similarity"], abs=1e-6)
            for side in ("original", "defended"):
                assert row[side] == {**expected[side], "to_neutral": pytest.approx(expected[side]["to_neutral"], abs=1e-6)}
                assert row[side]["correct_templates"] is not None


@pytest.mark.parametrize("name", [NAME, "quentin  marlowe"])
def test_attacks_after_a_run_see_its_photos(own_run: Path, lonely: str, here: Settings, name: str) -> None:
    (row,) = (one for one in read(own_run, "idia")["persons"] if one["name"] == NAME)
    original = questions.attack(here, lonely, Person(name), idia=IDIA, run=own_run)
    defended = questions.attack(here, lonely, Person(name), idia=IDIA, weights=own_run)
    for outcome, expected in ((original, row["original"]), (defended, row["defended"])):
        assert outcome.n_images == 20 and outcome.recognised is not None
        if name == NAME:
            assert outcome.correct_templates == expected["correct_templates"]
    few = questions.attack(here, lonely, PERSONS[1], idia=IDIA, weights=own_run)
    assert few.n_images == 6
    assert questions.attack(here, lonely, Person("Nobody"), idia=IDIA, weights=own_run).recognised is None
    assert questions.attack(here, lonely, Person(NAME), idia=IDIA).recognised is None, "of the original alone no photos are known"


def test_defended_image_encoder_keeps_its_own_view(miniature: Path, here: Settings, tmp_path: Path) -> None:
    faces = write_faces(tmp_path / "faces", 0, 20)
    image = ImageFineTuneConfig(n_steps=3, batch_size=8, learning_rate=1e-3)
    config = short_config(miniature, encoder="image", image=image)
    forgetting.forget(config, here, tmp_path / "run", faces={MEMBERS[0]: faces})
    shutil.rmtree(faces)  # as after a job
    stored = [row for row in read(tmp_path / "run", "probes") if row["person_index"] == 0]
    for row, expected in zip(questions.probe(here, tmp_path / "run", [row["text"] for row in stored]), stored, strict=True):
        assert row["defended"]["correct_templates"] == expected["defended"]["correct_templates"]
        assert row["original"]["correct_templates"] == expected["original"]["correct_templates"]
    (person,) = read(tmp_path / "run", "idia")["persons"]
    for weights, side in ((None, "original"), (tmp_path / "run", "defended")):
        outcome = questions.attack(here, str(miniature), config.persons[0], idia=IDIA, weights=weights, run=tmp_path / "run")
        assert (outcome.n_images, outcome.correct_templates) == (person["n_images"], person[side]["correct_templates"])


def test_cache_of_a_run_holds_no_name_and_neither_leaves_nor_is_shown(own_run: Path, tmp_path: Path) -> None:
    kept = own_run / "cache" / FILE
    assert kept.is_file() and not any(word.encode() in kept.read_bytes() for word in (*NAME.split(), *OTHER.split()))
    packed = media.archive(own_run)
    try:
        with zipfile.ZipFile(packed) as archive:
            assert "manifest.json" in archive.namelist()
            assert not [name for name in archive.namelist() if name.startswith("cache")]
    finally:
        packed.unlink()
    for name in (f"cache/{FILE}", f"photos/../cache/{FILE}", f"./cache//{FILE}"):
        assert media._inside(own_run, name) is None
    assert media._inside(own_run, "report.html") is not None
    found = read_run("key", own_run)
    assert found is not None and "cache/" not in jobs.take_home(found, True, None)


def test_damaged_embeddings_of_photos_are_told_not_taken_for_none(own_run: Path, here: Settings, tmp_path: Path) -> None:
    copy = shutil.copytree(own_run, tmp_path / "copy")
    (copy / "cache" / FILE).write_bytes(b"no tensors")
    with pytest.raises(InputError, match="run it again"):
        questions.probe(here, copy, ["x"])
    shutil.rmtree(copy / "cache")  # as of a run that was taken home
    assert questions.probe(here, copy, ["x"])[0]["original"]["correct_templates"] is None


def test_average_face_of_a_users_photos_or_words_is_not_kept(miniature: Path, settings: Settings, tmp_path: Path) -> None:
    from dataclasses import replace

    from unlearn.defence.average_face import average_face

    (tmp_path / "people").mkdir()
    for number in range(3):
        Image.new("RGB", (40, 40), (60 * number, 90, 30)).save(tmp_path / "people" / f"{number}.png")
    clip = load_clip(str(miniature), settings)
    config = clip.model_set.resolved(short_config(miniature, encoder="image"))
    assert config.image is not None and config.portraits is not None
    of_folder = replace(config, image=replace(config.image, average_face_photos=str(tmp_path / "people")))
    assert average_face(clip, of_folder, settings, None).n_photos == 3
    few = replace(config.image, n_average_faces=2)
    drawn = replace(config, image=few, portraits=clip.model_set.portraits)
    for kept, changed in (
        (0, replace(drawn, neutral_term="Rosa Vantongeren")),
        (0, replace(drawn, portraits=replace(clip.model_set.portraits, prompt_template="{0} beside Rosa"))),
        (1, drawn),
    ):
        average_face(clip, changed, settings, None)
        assert len(cached(settings)) == kept
