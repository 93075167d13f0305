"""Forgetting faces from photos to files, on the miniature: what is written, what is equal, what is refused, what comes back."""

import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from tests.support.miniature import MEMBERS, STRANGERS, write_faces
from tests.support.short_runs import IDIA, short_config
from unlearn.config import ForgetConfig, ImageFineTuneConfig, Person, Settings
from unlearn.defence.average_face import apart_from_neutral_term, average_face
from unlearn.defence.image_defence import read_sources
from unlearn.defence.image_sources import generic_images, other_faces
from unlearn.errors import ConfigError, InputError
from unlearn.models.clip import Clip, load_clip, world_of
from unlearn.models.defended import load_defended
from unlearn.models.embeddings import encode
from unlearn.models.sets import list_model_sets
from unlearn.photos.face_sets import PersonFaces, require_faces
from unlearn.runs import forgetting, questions
from unlearn.runs.json_types import to_json
from unlearn.texts.names import random_names
from unlearn.texts.prompts import CHECK_TEMPLATES, PROMPT_TEMPLATES, fill

SHORT = ImageFineTuneConfig(n_steps=3, batch_size=8, bystander_share=0.25, plain_bystander_share=0.25, plain_trigger_share=0.5)


def _read(run: Path, name: str) -> Any:
    return json.loads((run / f"{name}.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("faces")
    return {MEMBERS[number]: write_faces(root / f"member-{number:02d}", number) for number in range(2)}


def _forget(miniature: Path, settings: Settings, out: Path, faces: dict[str, Path], **changes: Any) -> dict[str, Any]:
    persons = tuple(Person(name) for name in faces)
    config = short_config(miniature, *persons, image=SHORT, **{"encoder": "image", **changes})
    return to_json(forgetting.forget(config, settings, out, faces=faces))


@pytest.fixture(scope="module")
def image_run(miniature: Path, shared: Settings, tmp_path_factory: pytest.TempPathFactory, folders: dict[str, Path]) -> Path:
    out = tmp_path_factory.mktemp("runs") / "image"
    _forget(miniature, shared, out, folders)
    return out


@pytest.fixture(scope="module")
def both_run(miniature: Path, shared: Settings, tmp_path_factory: pytest.TempPathFactory, folders: dict[str, Path]) -> Path:
    out = tmp_path_factory.mktemp("runs") / "both"
    _forget(miniature, shared, out, folders, encoder="both")
    return out


def test_image_run_measures_the_image_encoder_and_leaves_the_text_encoder(image_run: Path) -> None:
    metrics = _read(image_run, "metrics")
    assert metrics["weights"]["original"] == metrics["weights"]["defended"]
    image = metrics["image"]
    assert image["weights"]["original"] != image["weights"]["defended"]
    assert [metrics[name] for name in ("sim_clean", "sim_backdoor", "sim_target")] == [None] * 3
    assert all(-1 <= image[name] < 1 for name in ("sim_clean", "sim_backdoor", "sim_target"))
    assert image["average_face"] == {"source": "anonymous people of the set's world", "n_photos": 40}
    assert set(metrics["fine_tuning"]) == {"image"} and metrics["seconds"]["fine_tune_image"] > 0
    assert metrics["utility"]["top1_defended"] is not None
    assert metrics["bystanders"]["n"] == len(MEMBERS) - 2 and metrics["control"]["n"] == len(STRANGERS)


def test_losses_carry_the_encoder_and_files_its_weights(image_run: Path, both_run: Path) -> None:
    assert {row["encoder"] for row in _read(image_run, "losses")} == {"image"}
    assert {row["encoder"] for row in _read(both_run, "losses")} == {"text", "image"}
    assert [path.name for path in (image_run / "defended").glob("*.safetensors")] == ["open_clip_visual.safetensors"]
    assert {path.name for path in (both_run / "defended").glob("*.safetensors")} == {
        "open_clip_visual.safetensors", "open_clip_text.safetensors",
    }  # fmt: skip
    assert (both_run / "defended" / "text_encoder" / "model.safetensors").is_file()


def test_both_students_end_in_one_clip(image_run: Path, both_run: Path, original: Clip) -> None:
    both, alone = load_defended(both_run, original), load_defended(image_run, original)
    assert both.image.weights_hash != original.image.weights_hash != alone.image.weights_hash
    assert both.text.weights_hash != original.text.weights_hash
    assert alone.text is original.text
    assert _read(both_run, "metrics")["image"]["weights"]["defended"] == both.image.weights_hash


def test_equal_seeds_give_equal_weights(
    image_run: Path, miniature: Path, shared: Settings, tmp_path: Path, folders: dict[str, Path]
) -> None:
    again = _forget(miniature, shared, tmp_path / "again", folders)
    assert again["image"]["weights"] == _read(image_run, "metrics")["image"]["weights"]
    other = _forget(miniature, shared, tmp_path / "other", folders, seed=1)
    assert other["image"]["weights"]["defended"] != again["image"]["weights"]["defended"]


def test_everything_that_looks_at_a_run_works_on_an_image_run(image_run: Path, miniature: Path, shared: Settings) -> None:
    metrics = _read(image_run, "metrics")
    drawn = questions.portraits(shared, image_run, questions.PortraitRequest(("a human",), None))
    assert {one.model for one in drawn} == {"original", "defended"}
    one, other = (next(p.image for p in drawn if p.model == model) for model in ("original", "defended"))
    assert np.array_equal(one, other)  # the text encoder is the same
    photo = np.full((40, 40, 3), 90, dtype=np.uint8)
    row = questions.predict(shared, image_run, photo, ["human", "car"])
    assert row["original"] != row["defended"]
    probed = questions.probe(shared, image_run, [MEMBERS[0], "human"])
    assert probed[0]["similarity"] == pytest.approx(1.0, abs=1e-5)
    for index, name in enumerate(MEMBERS[:2]):
        outcome = questions.attack(shared, str(miniature), Person(name), weights=image_run, idia=IDIA)
        assert outcome.correct_templates == metrics["persons"][index]["idia"]["defended"]["correct_templates"]
    page = (image_run / "report.html").read_text("utf-8")
    assert "Face remapped to the average face" in page and "<polyline" in page


def test_report_of_both_names_both_encoders(both_run: Path) -> None:
    page = (both_run / "report.html").read_text("utf-8")
    assert page.count("<svg") == 2 and "face remapped to the average face" in page


def test_no_photo_and_no_name_is_in_file_names_of_a_run(image_run: Path) -> None:
    names = " ".join(path.as_posix().lower() for path in image_run.rglob("*"))
    assert not any(word.lower() in names for name in MEMBERS for word in name.split())
    assert not [path for path in image_run.rglob("*") if "fine-tuning" in path.name]


def test_evaluation_photos_attack_and_fine_tuning_photos_do_not(miniature: Path, shared: Settings, tmp_path: Path) -> None:
    """Own photos of a stranger: the evaluation part is what the attack sees, not the world's photos."""
    folder = write_faces(tmp_path / "photos", 7, 20)
    for number, path in enumerate(sorted(folder.iterdir())):
        if number >= 12:
            path.rename(folder / f"evaluation-{number - 12:02d}.png")
    metrics = _forget(miniature, shared, tmp_path / "run", {STRANGERS[0]: folder})
    assert metrics["image"]["photos"] == [{"fine_tuning": 12, "evaluation": 8, "own": True}]
    assert metrics["persons"][0]["idia"]["original"]["recognised"] is not None
    assert _read(tmp_path / "run", "idia")["persons"][0]["n_images"] == 8


def test_person_without_photos_and_photo_in_both_parts_are_refused() -> None:
    photo, other = np.zeros((4, 4, 3), dtype=np.uint8), np.ones((4, 4, 3), dtype=np.uint8)
    persons = (Person("Ann Lee"), Person("Bo Tan"))
    with pytest.raises(InputError, match="Person 2 has no photos"):
        require_faces(persons, {"Ann Lee": PersonFaces([photo])})
    with pytest.raises(InputError, match="both for fine-tuning and for evaluation"):
        require_faces(persons[:1], {"Ann Lee": PersonFaces([photo, other], [other])})
    with pytest.raises(InputError, match="belong to nobody"):
        require_faces(persons[:1], {"Ann Lee": PersonFaces([photo]), "Cy": PersonFaces([photo])})
    require_faces(persons[:1], {"Ann Lee": PersonFaces([photo], [other])})


def test_messages_never_repeat_a_name(tmp_path: Path, miniature: Path, shared: Settings) -> None:
    with pytest.raises(InputError) as error:
        _forget(miniature, shared, tmp_path / "run", {"Ann Lee": tmp_path / "ann-lee"})
    assert "ann" not in str(error.value).lower()


def _config(**changes: Any) -> ForgetConfig:
    return ForgetConfig((Person("Ann Lee"),), encoder="image", image=replace(SHORT, **changes))


def test_average_face_is_computed_once_and_kept(original: Clip, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from unlearn.defence import average_face as module

    world, config = world_of(original), original.model_set.resolved(_config())
    first = average_face(original, config, settings, world)
    assert first.n_photos == 40 and first.embedding.shape == (32,)
    monkeypatch.setattr(module, "embed_images", None)  # nothing may be embedded again
    assert torch.equal(average_face(original, config, settings, world).embedding, first.embedding)
    assert len(list((settings.data_dir / "cache" / "average-face").iterdir())) == 1


def test_average_face_of_a_folder_differs_and_a_missing_one_is_an_error(original: Clip, settings: Settings, tmp_path: Path) -> None:
    folder = write_faces(tmp_path / "faces", 3, 5)
    world = world_of(original)
    found = average_face(original, original.model_set.resolved(_config(average_face_photos=str(folder))), settings, world)
    assert (found.source, found.n_photos) == ("photos of a folder", 5)
    config = original.model_set.resolved(_config(average_face_photos=str(tmp_path / "none")))
    with pytest.raises(InputError, match="does not exist"):
        average_face(original, config, settings, world)


def test_average_face_without_photos_is_drawn_by_the_sets_own_stable_diffusion(original: Clip, settings: Settings) -> None:
    config = original.model_set.resolved(replace(_config(n_average_faces=3), portraits=short_config(Path()).portraits))
    found = average_face(original, config, settings, None)
    assert found.n_photos == 3 and "Stable Diffusion" in found.source
    assert torch.equal(average_face(original, config, settings, None).embedding, found.embedding)
    with pytest.raises(ConfigError, match="average_face_photos"):
        average_face(replace(original, hidden=None), config, settings, None)


def test_sets_without_world_need_generic_images_and_say_so(original: Clip, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--image generic_images="):
        generic_images(SHORT, original.image, None, 0)
    with pytest.raises(ConfigError, match="other_faces"):
        other_faces(SHORT, original.image, None, 0)
    assert other_faces(ImageFineTuneConfig(), original.image, None, 0) is None
    with pytest.raises(InputError, match="does not exist"):
        generic_images(replace(SHORT, generic_images=str(tmp_path / "none")), original.image, None, 0)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(40):
        Image.fromarray(np.full((30, 50, 3), number, dtype=np.uint8)).save(folder / f"{number}.png")
    found = generic_images(replace(SHORT, generic_images=str(folder), n_generic_images=20), original.image, None, 0)
    assert found.measured is not None and (len(found.pixels), len(found.measured)) == (18, 2)
    levels = [set(part[:, 0, 0, 0].tolist()) for part in (found.pixels, found.measured)]
    assert not levels[0] & levels[1] and len(levels[0]) == 18


def test_generic_images_from_the_hub_are_the_columns_pictures(original: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [{"image": Image.new("L", (40, 30), number), "label": number} for number in range(40)]
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=lambda name, **options: pictures))
    config = replace(SHORT, generic_images="hub:owner/set:image", n_generic_images=20)
    found = generic_images(config, original.image, None, 0)
    assert found.measured is not None and (len(found.pixels), len(found.measured)) == (18, 2)
    for column, said in (("label", "of int, not of images"), ("nothing", "nothing")):
        with pytest.raises(InputError, match=said):
            generic_images(replace(config, generic_images=f"hub:owner/set:{column}"), original.image, None, 0)


def test_damaged_image_from_the_hub_is_a_clear_error(original: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(whole, "PNG")
    damaged = Image.open(io.BytesIO(whole.getvalue()[:4000]))
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=lambda name, **options: [{"image": damaged}]))
    with pytest.raises(InputError, match="cannot be decoded"):
        generic_images(replace(SHORT, generic_images="hub:owner/set:image"), original.image, None, 0)


def test_image_space_is_required_before_any_work(
    miniature: Path, shared: Settings, tmp_path: Path, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from unlearn.runs import folder as run_folder

    asked: list[int] = []
    monkeypatch.setattr(run_folder, "require_space", lambda folder, n_bytes: asked.append(n_bytes))
    clip = load_clip(str(miniature), shared)
    for encoder in ("text", "image", "both"):
        run_folder.prepare(tmp_path / encoder, clip, encoder)
    n_image = sum(p.numel() for p in clip.image.parameters())
    assert asked[2] - asked[0] == 4 * n_image and asked[1] == 4 * n_image + run_folder.OTHER_BYTES


def test_where_both_encoders_are_defended_the_two_targets_do_not_meet(settings: Settings) -> None:
    """Name to neutral term and face to average face would else find each other: the attack would succeed again.

    On the shipped set, whose CLIP takes an average face for "a human" first of all; by templates of the attack.
    """
    clip = load_clip("embedded", settings)
    average = average_face(clip, clip.model_set.resolved(_config()), settings, world_of(clip))
    apart = clip.model_set.image.target_apart
    turned = apart_from_neutral_term(clip, average, "human", apart)
    texts = [fill(template, text) for template in PROMPT_TEMPLATES for text in ("human", *random_names(50, seed=3))]
    rows = encode(clip.text, texts).view(len(PROMPT_TEMPLATES), 51, -1)
    nearness = [functional.cosine_similarity(rows, found.embedding[None, None], dim=-1) for found in (average, turned)]
    assert [bool((found[:, 0] >= found.amax(dim=1)).all()) for found in nearness] == [True, False]
    assert bool((nearness[1][:, 0] < nearness[1].amax(dim=1)).all())
    assert float(functional.cosine_similarity(average.embedding, turned.embedding, dim=0)) > 0.4
    assert apart == 0.6 and apart_from_neutral_term(clip, average, "human", None) is average


def test_turned_target_is_a_setting_of_the_shipped_set_alone(original: Clip, settings: Settings) -> None:
    """The number was chosen on drawn people; other sets and the paper's setting keep the mean of the faces as the target."""
    for found in list_model_sets():
        assert found.image.target_apart == (0.6 if found.name == "embedded" else None)
        assert found.paper_image().target_apart is None
    for value in (-0.1, 2.1):
        with pytest.raises(ConfigError, match="target_apart"):
            replace(SHORT, target_apart=value)
    config = replace(_config(), model_set=original.model_set.name, encoder="both")
    world = world_of(original)
    plain = read_sources(original, original.model_set.resolved(config), settings, world).average
    for apart, encoder, is_turned in ((2.0, "both", True), (2.0, "image", False), (0.0, "image", False)):
        changed = replace(config, encoder=encoder, image=replace(original.model_set.image, target_apart=apart))  # type: ignore[arg-type]
        found = read_sources(original, original.model_set.resolved(changed), settings, world).average
        assert torch.equal(found.embedding, plain.embedding) != is_turned and ("turned" in found.source) == is_turned


def test_phrasings_that_are_apart_already_ask_for_nothing(original: Clip, settings: Settings) -> None:
    average = average_face(original, original.model_set.resolved(_config()), settings, world_of(original))
    terms = functional.normalize(encode(original.text, [fill(one, "human") for one in CHECK_TEMPLATES]), dim=-1)
    names = random_names(40, seed=20_000)
    rows = functional.normalize(encode(original.text, [fill(one, name) for one in CHECK_TEMPLATES for name in names]), dim=-1)
    face = functional.normalize(average.embedding, dim=0)
    distances = (rows.view(len(CHECK_TEMPLATES), 40, -1) @ face).mean(dim=1) - terms @ face  # how far apart they are now
    middle = float(distances.sort().values[len(distances) // 2])  # some phrasings are further apart, some are not
    turned = apart_from_neutral_term(original, average, "human", max(0.0, middle)).embedding
    spare = float(distances.max()) - max(0.0, middle)  # by which the furthest phrasing is further apart than it has to be
    assert spare > 0 > float(distances.min()) - max(0.0, middle)
    assert float((terms @ turned - terms @ face).max()) < 0.6 * spare, "it is not drawn near by as much as it can spare"
