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

from tests.support.miniature import MEMBERS, N_STAND_INS, STRANGERS, write_faces
from tests.support.short_runs import IDIA, short_config
from unlearn.config import ForgetConfig, ImageFineTuneConfig, Person, ResolvedConfig, Settings
from unlearn.defence import image_defence
from unlearn.defence.average_face import AverageFace, average_face
from unlearn.defence.drawn_sources import nobodies
from unlearn.defence.face_stand_ins import StandInPeople
from unlearn.defence.image_defence import ImageDefence, Sources, defend_image, read_sources
from unlearn.defence.image_sources import Pictures, generic_images, other_faces
from unlearn.errors import ConfigError, InputError
from unlearn.measure.similarities import image_metrics
from unlearn.models import drawings
from unlearn.models.clip import Clip, load_clip, world_of
from unlearn.models.defended import load_defended
from unlearn.models.picture_sources import picture_source
from unlearn.models.suite import suite_of
from unlearn.models.worlds import World
from unlearn.photos.face_sets import PersonFaces, require_faces
from unlearn.progress import Progress
from unlearn.runs import forgetting, questions
from unlearn.runs.inputs import read_faces
from unlearn.runs.json_types import to_json

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
    people = {"source": "anonymous people of the set's world", "n_photos": 5 * N_STAND_INS, "n_people": N_STAND_INS}
    assert image["stand_ins"] == people and image["average_face"] is None
    assert set(metrics["fine_tuning"]) == {"image"} and metrics["seconds"]["fine_tune_image"] > 0
    assert metrics["utility"]["top1_defended"] is not None
    assert metrics["bystanders"]["n"] == len(MEMBERS) - 2 and metrics["control"]["n"] == len(STRANGERS)


def test_each_face_has_a_stand_in_and_the_papers_target_is_one_for_all(
    original: Clip, settings: Settings, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_defence, "fine_tune", lambda teacher, task, *rest: SimpleNamespace(student=teacher))
    faces, world = read_faces(folders, settings), world_of(original)
    persons, chosen = tuple(Person(name) for name in faces), {}
    for target in ("stand_in", "neutral_term"):
        config = original.model_set.resolved(ForgetConfig(persons, target=target, encoder="image", image=SHORT))
        sources = read_sources(original, config, settings, world)
        targets = defend_image(original, config, faces, sources).targets
        assert torch.equal(defend_image(original, config, faces, sources).targets, targets), "equal seeds, equal stand-ins"
        chosen[target] = targets, sources.target
    (own, people), (same, average) = chosen["stand_in"], chosen["neutral_term"]
    assert isinstance(people, StandInPeople) and isinstance(average, AverageFace)
    assert [int((people.embeddings == row).all(dim=1).sum()) for row in own] == [1, 1] and not torch.equal(own[0], own[1])
    assert all(torch.equal(row, average.embedding) for row in same) and len(same) == 2


def test_sim_backdoor_compares_each_person_with_the_target_of_that_person(original: Clip) -> None:
    targets = torch.eye(32)[:3]
    tuned = SimpleNamespace(student=original.image)
    sources = Sources(Pictures("none", torch.zeros(0)), None, StandInPeople(targets, "people of a folder", 6))
    defence = ImageDefence(original, tuned, sources, targets)  # type: ignore[arg-type]
    photos = [torch.eye(32)[:1], None, torch.eye(32)[[2, 2, 1]]]
    assert image_metrics(original, defence, photos, None)["sim_backdoor"] == pytest.approx(3 / 4)
    assert image_metrics(original, defence, [None] * 3, None)["sim_backdoor"] is None


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
    assert "aces remapped to unknown faces" in page and "<polyline" in page


def test_report_of_both_names_both_encoders(both_run: Path) -> None:
    page = (both_run / "report.html").read_text("utf-8")
    assert page.count("<svg") == 2 and "aces remapped to unknown faces, one for each, in the image encoder" in page


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
    with pytest.raises(ConfigError, match="--other-faces"):
        average_face(replace(original, hidden=None), config, settings, None)


def _resolved(clip: Clip, image: ImageFineTuneConfig) -> ResolvedConfig:
    """The config of a run on a set without world, drawn in few steps."""
    config = clip.model_set.resolved(ForgetConfig((Person("Ann Lee"),), encoder="image", image=image))
    return replace(config, portraits=replace(config.portraits, n_steps=1, size_px=32))


def test_sets_without_world_and_stable_diffusion_say_what_is_missing(original: Clip, settings: Settings) -> None:
    mute, config = replace(original, hidden=None), _resolved(original, SHORT)
    with pytest.raises(ConfigError, match="everyday pictures.*--generic-images"):
        generic_images(mute, config, settings, None)
    with pytest.raises(ConfigError, match="faces of other people.*--other-faces"):
        other_faces(mute, config, settings, None)
    assert other_faces(mute, _resolved(original, ImageFineTuneConfig()), settings, None) is None, "they have no share"


def test_pictures_without_any_source_are_drawn_once_and_kept(
    original: Clip, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _resolved(original, replace(SHORT, n_drawn_images=20, n_drawn_faces=20))
    notes: list[Progress] = []
    clean, faces = generic_images(original, config, settings, None, notes.append), other_faces(original, config, settings, None)
    assert clean.measured is not None and faces is not None and faces.measured is not None
    assert (len(clean.pixels), len(clean.measured), len(faces.pixels)) == (18, 2, 18) and "Stable Diffusion" in clean.source
    assert len({picture.tobytes() for picture in clean.pixels.numpy()}) == 18
    assert [note.step / note.total for note in notes] == [0.5, 1.0], "two groups"
    monkeypatch.setattr(drawings, "draw", None)  # nothing may be drawn again, whatever the seed of the run
    assert torch.equal(generic_images(original, replace(config, seed=7), settings, None).pixels, clean.pixels)


def test_what_a_run_forgets_is_never_drawn_as_nobody(original: Clip, settings: Settings) -> None:
    config, suite = _resolved(original, SHORT), suite_of(original.model_set.name, settings)
    first = nobodies(suite, config, 3, 0)
    other = nobodies(suite, replace(config, persons=(Person(first[1].lower()),)), 3, 0)
    assert first[1] not in other and other[:2] == [first[0], first[2]]


def test_source_is_the_configs_the_worlds_the_servers_or_drawn(miniature: Path, settings: Settings) -> None:
    world, named = World(miniature), replace(settings, generic_images="hub:a/b:image", other_faces="/faces")
    assert named.other_faces == "/faces"
    for kind, config, of_world, expected in (
        ("generic_images", replace(SHORT, generic_images="x"), world, ("named", "x")), ("generic_images", SHORT, world, ("world", "")),
        ("generic_images", SHORT, None, ("named", "hub:a/b:image")), ("average_face_photos", SHORT, None, ("named", "/faces")),
        ("face_targets", SHORT, None, ("drawn", "")),
    ):  # fmt: skip
        source = picture_source(kind, config, named, of_world)  # type: ignore[arg-type]
        assert (source.kind, source.name) == expected


def test_folder_of_the_config_or_the_server_is_read_and_checked(original: Clip, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        generic_images(original, _resolved(original, replace(SHORT, generic_images=str(tmp_path / "none"))), settings, None)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(40):
        Image.fromarray(np.full((30, 50, 3), number, dtype=np.uint8)).save(folder / f"{number}.png")
    config = _resolved(original, replace(SHORT, generic_images=str(folder), n_generic_images=20))
    found = generic_images(original, config, settings, None)
    assert found.measured is not None and (len(found.pixels), len(found.measured)) == (18, 2)
    levels = [set(part[:, 0, 0, 0].tolist()) for part in (found.pixels, found.measured)]
    assert not levels[0] & levels[1] and len(levels[0]) == 18
    faces = other_faces(original, _resolved(original, ImageFineTuneConfig()), replace(settings, other_faces=str(folder)), None)
    assert faces is not None and len(faces.pixels) == 36, "named by the server, they are measured on although they have no share"


def test_generic_images_from_the_hub_are_the_columns_pictures(
    original: Clip, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [{"image": Image.new("L", (40, 30), number), "label": number} for number in range(40)]
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=lambda name, **options: pictures))
    config = replace(SHORT, generic_images="hub:owner/set:image", n_generic_images=20)
    found = generic_images(original, _resolved(original, config), settings, None)
    assert found.measured is not None and (len(found.pixels), len(found.measured)) == (18, 2)
    for column, said in (("label", "of int, not of images"), ("nothing", "nothing"), ("image:label", "does not name a column")):
        with pytest.raises(InputError, match=said):
            generic_images(original, _resolved(original, replace(config, generic_images=f"hub:owner/set:{column}")), settings, None)


def test_damaged_image_from_the_hub_is_a_clear_error(original: Clip, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(whole, "PNG")
    damaged = Image.open(io.BytesIO(whole.getvalue()[:4000]))
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=lambda name, **options: [{"image": damaged}]))
    with pytest.raises(InputError, match="cannot be decoded"):
        generic_images(original, _resolved(original, replace(SHORT, generic_images="hub:owner/set:image")), settings, None)


def test_missing_source_is_found_before_the_first_attack(
    miniature: Path, shared: Settings, tmp_path: Path, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "_attack_original", None)
    image = replace(SHORT, face_targets=str(tmp_path / "none"))
    config = short_config(miniature, *map(Person, folders), encoder="image", image=image)
    with pytest.raises(InputError, match="face_targets. does not exist"):
        forgetting.forget(config, shared, tmp_path / "run", faces=folders)


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
