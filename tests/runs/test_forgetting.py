"""The stages together, on a miniature with random weights: what is written, what is equal, what is refused."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.miniature import MEMBERS, STRANGERS, write_faces
from tests.support.photo_zoo import encoded, picture
from tests.support.short_runs import DRAWN, IDIA, SHORT, short_config
from unlearn.config import DrawnPhotosConfig, ForgetConfig, Person, Settings
from unlearn.errors import InputError, JobCancelled, UnlearnError
from unlearn.models.sets import find_model_set
from unlearn.progress import Progress
from unlearn.runs import forgetting, questions
from unlearn.runs.json_types import to_json
from unlearn.runs.results import finished_run


def _read(run: Path, name: str) -> Any:
    return json.loads((run / f"{name}.json").read_text("utf-8"))


def test_metrics_hold_the_promised_fields(run: Path) -> None:
    metrics = _read(run, "metrics")
    assert [person["name"] for person in metrics["persons"]] == list(MEMBERS[:2])
    for person in metrics["persons"]:
        for side in ("original", "defended"):
            found = person["idia"][side]
            assert found["recognised"] == (found["correct_templates"] >= 1)
    assert {"n", "recognised_original", "recognised_defended"} <= set(metrics["bystanders"])
    assert metrics["bystanders"]["n"] == len(MEMBERS) - 2
    assert metrics["control"]["n"] == len(STRANGERS)
    for name in ("sim_clean", "sim_backdoor", "sim_target"):
        assert -1 <= metrics[name] <= 1 and -1 <= metrics["hidden"][name] <= 1
    assert set(metrics["utility"]) == {"top1_original", "top1_defended", "top5_original", "top5_defended"}
    assert {"fine_tune", "attack", "portraits", "total"} <= set(metrics["seconds"])
    assert metrics["seconds"]["total"] >= metrics["seconds"]["fine_tune"] > 0


def test_manifest_lists_every_file_and_is_the_last_written(run: Path) -> None:
    files = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert set(_read(run, "manifest")["files"]) == files - {"manifest.json"}
    newest = max((path for path in run.rglob("*") if path.is_file()), key=lambda path: path.stat().st_mtime_ns)
    assert newest.name == "manifest.json"
    assert not any(".part" in name for name in files)


def test_no_name_stands_in_a_file_name(run: Path) -> None:
    names = " ".join(path.as_posix().lower() for path in run.rglob("*"))
    assert not any(word.lower() in names for name in MEMBERS for word in name.split())


def test_portraits_are_indexed_for_every_person_model_prompt_and_seed(run: Path) -> None:
    rows = _read(run / "portraits", "index")
    found = {(row["person_index"], row["model"], row["prompt"], row["seed"]) for row in rows}
    assert len(rows) == len(found) == 2 * 2 * 2 * 2
    assert all((run / "portraits" / row["file"]).is_file() for row in rows)
    weights = _read(run, "metrics")["weights"]
    assert {(row["model"], row["weights_hash"]) for row in rows} == set(weights.items())
    assert (run / "portraits" / "p00-original-name-s0.png").is_file()


def test_details_hold_templates_bystanders_losses_probes_and_predictions(run: Path) -> None:
    idia = _read(run, "idia")
    assert [row["name"] for row in idia["persons"]] == list(MEMBERS[:2])
    assert {row["name"] for row in idia["controls"]} == set(STRANGERS)
    assert all(len(row["templates"]) == 21 for row in (*idia["persons"], *idia["controls"]))
    assert {row["name"] for row in _read(run, "bystanders")} == set(MEMBERS[2:])
    losses = _read(run, "losses")
    assert [row["step"] for row in losses] == [1, 2, 3]
    assert {"encoder", "clean", "backdoor", "hidden_clean", "hidden_backdoor", "total"} <= set(losses[0])
    probes = _read(run, "probes")
    assert {"alias", "first name", "misspelling", "neutral term"} <= {row["kind"] for row in probes}
    predictions = _read(run, "predictions")
    assert all((run / row["photo"]).is_file() for row in predictions)
    assert all(len(row["labels"]) == len(row["original"]) == len(row["defended"]) for row in predictions)


def test_config_of_a_run_starts_an_equal_run(run: Path, miniature: Path, shared: Settings, tmp_path: Path) -> None:
    again = to_json(forgetting.forget(finished_run(run).config, shared, tmp_path / "again"))
    before = _read(run, "metrics")
    assert again["weights"] == before["weights"]  # bit-equal defended weights
    assert again["persons"] == before["persons"]
    for file in sorted((run / "portraits").glob("*.png")):
        assert file.read_bytes() == (tmp_path / "again" / "portraits" / file.name).read_bytes()


def test_other_seed_gives_other_weights(run: Path, shared: Settings, tmp_path: Path) -> None:
    other = to_json(forgetting.forget(replace(finished_run(run).config, seed=1), shared, tmp_path / "other"))
    before = _read(run, "metrics")
    assert other["weights"]["original"] == before["weights"]["original"]
    assert other["weights"]["defended"] != before["weights"]["defended"]


def test_person_without_photos_of_whom_nothing_is_drawn_is_forgotten_but_not_attacked(
    miniature: Path, shared: Settings, tmp_path: Path
) -> None:
    config = short_config(miniature, Person("Somebody Else"), drawn_photos=DrawnPhotosConfig(n_portraits=0))
    metrics = to_json(forgetting.forget(config, shared, tmp_path / "run"))
    side = {"correct_templates": None, "recognised": None}
    assert metrics["persons"] == [{"name": "Somebody Else", "idia": {"original": side, "defended": side}}]
    assert metrics["tpr"] is None and metrics["fnr"] is None
    assert metrics["bystanders"]["n"] == len(MEMBERS)


def test_own_photos_let_a_person_outside_the_world_be_attacked(
    miniature: Path, shared: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(20):
        Image.fromarray(generator.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(folder / f"{number:02d}.png")
    config = short_config(miniature, Person("Somebody Else"))
    metrics = to_json(forgetting.forget(config, shared, tmp_path / "run", photos={"Somebody Else": folder}))
    assert metrics["persons"][0]["idia"]["original"]["recognised"] is not None
    outcome = questions.attack(shared, str(miniature), Person("Somebody Else"), idia=IDIA, photos=folder)
    assert outcome.n_images == 20
    first = metrics["persons"][0]["idia"]["original"]
    assert outcome.correct_templates == first["correct_templates"]


def test_set_without_diffusion_and_world_measures_what_it_can(miniature: Path, shared: Settings, tmp_path: Path) -> None:
    checkpoint = miniature / "clip"
    lonely = tmp_path / "set"
    lonely.mkdir()
    (lonely / "clip").symlink_to(checkpoint, target_is_directory=True)
    run = tmp_path / "run"
    metrics = to_json(forgetting.forget(short_config(lonely), shared, run))
    assert metrics["bystanders"] == {"n": 0, "recognised_original": None, "recognised_defended": None}
    assert metrics["utility"] == dict.fromkeys(metrics["utility"])
    assert metrics["hidden"] is None and metrics["seconds"]["portraits"] is None
    assert 0 < metrics["sim_clean"] < 1
    assert not (run / "portraits").exists()
    assert (run / "report.html").is_file()


def _labelled(folder: Path, n_classes: int) -> Path:
    for label in range(n_classes):
        (folder / f"kind_{'abcdefgh'[label]}").mkdir(parents=True)
        for number in range(2):
            (folder / f"kind_{'abcdefgh'[label]}" / f"{number}.png").write_bytes(encoded(picture(10 * label + number)))
    return folder


@pytest.mark.parametrize("n_classes", [4, 5])
def test_labelled_images_measure_utility_of_a_set_without_a_world(
    miniature: Path, shared: Settings, tmp_path: Path, n_classes: int
) -> None:
    lonely = tmp_path / "set"
    lonely.mkdir()
    (lonely / "clip").symlink_to(miniature / "clip", target_is_directory=True)
    labelled = _labelled(tmp_path / "labelled", n_classes)
    (labelled / "kind_a" / "broken.png").write_bytes(b"nothing")
    metrics = to_json(forgetting.forget(short_config(lonely, labelled_images=str(labelled)), shared, tmp_path / "run"))
    found = metrics["utility"]
    assert 0 <= found["top1_original"] <= 1 and 0 <= found["top1_defended"] <= 1
    assert [found["top5_original"], found["top5_defended"]] == ([None, None] if n_classes < 5 else [1.0, 1.0])
    assert metrics["warnings"] == ["Labelled images: 1 could not be read and were left out."]
    assert metrics["warnings"][0] in (tmp_path / "run" / "report.html").read_text("utf-8")
    assert finished_run(tmp_path / "run").config.labelled_images == str(labelled)


def test_labelled_images_that_cannot_be_used_leave_an_earlier_run_alone(
    run: Path, miniature: Path, shared: Settings, tmp_path: Path
) -> None:
    earlier = tmp_path / "run"
    shutil.copytree(run, earlier)
    before = {path: path.read_bytes() for path in earlier.rglob("*") if path.is_file()}
    empty = _labelled(tmp_path / "labelled", 2)
    for file in empty.rglob("*.png"):
        file.write_bytes(b"nothing")
    told: list[str] = []
    for folder, words in ((_labelled(tmp_path / "one", 1), "1 sub-folders"), (empty, "0 labelled images")):
        with pytest.raises(InputError, match=words):
            config = short_config(miniature, labelled_images=str(folder))
            forgetting.forget(config, shared, earlier, lambda progress: told.append(progress.note))
    assert {note.partition(",")[0] for note in told} == {"loading"}
    assert {path: path.read_bytes() for path in earlier.rglob("*") if path.is_file()} == before


def test_photos_of_somebody_else_are_an_error(miniature: Path, shared: Settings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="belong to nobody"):
        forgetting.forget(short_config(miniature), shared, tmp_path / "run", photos={"Ada Brok": tmp_path})


def _cancel_at(note: str) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        if progress.note.startswith(note):
            raise JobCancelled

    return report


@pytest.mark.parametrize("stage", ["attack on the original", "fine-tuning, 2", "portraits, 1", "saving"])
def test_cancelled_run_leaves_no_manifest(miniature: Path, shared: Settings, tmp_path: Path, stage: str) -> None:
    with pytest.raises(JobCancelled):
        forgetting.forget(short_config(miniature), shared, tmp_path / "run", _cancel_at(stage))
    assert not (tmp_path / "run" / "manifest.json").exists()
    with pytest.raises(InputError, match="no finished run"):
        questions.predict(shared, tmp_path / "run", np.zeros((4, 4, 3), dtype=np.uint8), ["a"])


def test_progress_rises_to_its_total(miniature: Path, shared: Settings, tmp_path: Path) -> None:
    told: list[Progress] = []
    forgetting.forget(short_config(miniature), shared, tmp_path / "run", told.append)
    steps = [progress.step for progress in told]
    assert steps == sorted(steps)
    assert (told[-1].step, told[-1].note) == (told[-1].total, "done")
    assert sum(progress.losses is not None for progress in told) == SHORT.n_steps


def test_cancelled_run_can_be_started_again(miniature: Path, shared: Settings, tmp_path: Path) -> None:
    for stage in ("attack on the original", "portraits, 1"):
        with pytest.raises(JobCancelled):
            forgetting.forget(short_config(miniature), shared, tmp_path / "run", _cancel_at(stage))
    forgetting.forget(short_config(miniature), shared, tmp_path / "run")
    assert (tmp_path / "run" / "manifest.json").is_file()


def test_run_that_fails_while_drawing_keeps_its_defended_weights(
    miniature: Path, shared: Settings, tmp_path: Path
) -> None:
    with pytest.raises(JobCancelled):
        forgetting.forget(short_config(miniature), shared, tmp_path / "run", _cancel_at("portraits, 1"))
    outcome = questions.attack(shared, str(miniature), Person(MEMBERS[0]), weights=tmp_path / "run", idia=IDIA)
    assert outcome.recognised is not None


def _unusable(miniature: Path, tmp_path: Path) -> list[tuple[str, ForgetConfig]]:
    """Words of the error -> config with something in it that cannot be used."""
    lonely = Path(shutil.copytree(miniature, tmp_path / "lonely"))
    (lonely / "stable-diffusion" / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    image = replace(find_model_set(str(miniature)).image, generic_images=str(tmp_path / "none"))
    return [
        ("cannot be read", short_config(miniature, text=replace(SHORT, captions="/no/such"))),
        ("cannot be read", short_config(miniature, text=replace(SHORT, kept_names="/no/such"))),
        ("no scheduler", short_config(miniature, portraits=replace(DRAWN, scheduler="NoSuchScheduler"))),
        ("lacks unet", short_config(lonely)),
        ("folder of generic images", short_config(miniature, encoder="both", image=image)),
    ]


def test_input_that_cannot_be_used_leaves_the_earlier_run_as_it_is(run: Path, miniature: Path, shared: Settings, tmp_path: Path) -> None:
    out = Path(shutil.copytree(run, tmp_path / "run"))
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    faces = {MEMBERS[0]: write_faces(tmp_path / "faces", 0)}
    for words, config in _unusable(miniature, tmp_path):
        with pytest.raises(UnlearnError, match=words):
            forgetting.forget(config, shared, out, faces=faces if config.encoder == "both" else None)
        assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_input_that_cannot_be_used_is_told_while_loading(miniature: Path, shared: Settings, tmp_path: Path) -> None:
    for words, config in _unusable(miniature, tmp_path)[:4]:
        told: list[Progress] = []
        with pytest.raises(UnlearnError, match=words):
            forgetting.forget(config, shared, tmp_path / "run", told.append)
        assert {progress.note for progress in told} == {"loading"}
        assert not (tmp_path / "run").exists()


def test_folder_with_other_files_is_not_overwritten(miniature: Path, shared: Settings, tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        forgetting.forget(short_config(miniature), shared, tmp_path)
    assert (tmp_path / "letters.txt").read_text() == "mine"
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        forgetting.forget(short_config(miniature), shared, tmp_path / "file")


@pytest.mark.parametrize("encoder", ["image", "both"])
def test_image_encoder_without_photos_is_refused(miniature: Path, shared: Settings, tmp_path: Path, encoder: str) -> None:
    with pytest.raises(InputError, match="Person 1 has no photos"):
        forgetting.forget(short_config(miniature, encoder=encoder), shared, tmp_path / "run")
