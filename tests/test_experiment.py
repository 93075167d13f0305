"""The stages together, on a miniature with random weights: what is written, what is equal, what is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.miniature import MEMBERS, STRANGERS
from unlearn import experiment
from unlearn.config import ForgetConfig, IdiaConfig, Person, PortraitConfig, Progress, Settings, TextFineTuneConfig
from unlearn.errors import ConfigError, InputError, JobCancelled, ModelLoadError
from unlearn.model_sets import find_model_set
from unlearn.run_folder import read_config

SHORT = TextFineTuneConfig(n_steps=3, batch_size=8, n_captions=200)
IDIA = IdiaConfig(n_candidate_names=20)
DRAWN = PortraitConfig(seeds=(0, 1), n_steps=2, guidance_scale=2.0, prompt_template="a portrait of {0}")


def _config(miniature: Path, *persons: Person, **changes: Any) -> ForgetConfig:
    given = ForgetConfig(persons or (Person(MEMBERS[0]),), str(miniature), text=SHORT, idia=IDIA, portraits=DRAWN)
    return replace(given, **changes)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(data_dir=tmp_path_factory.mktemp("data"), device="cpu", offline=True)


@pytest.fixture(scope="module")
def run(miniature: Path, shared: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    experiment.forget(_config(miniature, Person(MEMBERS[0], ("Captain Storm",)), Person(MEMBERS[1])), shared, out)
    return out


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
    again = experiment.forget(read_config(run), shared, tmp_path / "again")
    before = _read(run, "metrics")
    assert again["weights"] == before["weights"]  # bit-equal defended weights
    assert again["persons"] == before["persons"]
    for file in sorted((run / "portraits").glob("*.png")):
        assert file.read_bytes() == (tmp_path / "again" / "portraits" / file.name).read_bytes()


def test_other_seed_gives_other_weights(run: Path, shared: Settings, tmp_path: Path) -> None:
    other = experiment.forget(replace(read_config(run), seed=1), shared, tmp_path / "other")
    before = _read(run, "metrics")
    assert other["weights"]["original"] == before["weights"]["original"]
    assert other["weights"]["defended"] != before["weights"]["defended"]


def test_person_outside_the_world_is_forgotten_but_not_attacked(
    miniature: Path, shared: Settings, tmp_path: Path
) -> None:
    metrics = experiment.forget(_config(miniature, Person("Somebody Else")), shared, tmp_path / "run")
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
    config = _config(miniature, Person("Somebody Else"))
    metrics = experiment.forget(config, shared, tmp_path / "run", photos={"Somebody Else": folder})
    assert metrics["persons"][0]["idia"]["original"]["recognised"] is not None
    outcome = experiment.attack(shared, str(miniature), Person("Somebody Else"), idia=IDIA, photos=folder)
    assert outcome.n_images == 20
    first = metrics["persons"][0]["idia"]["original"]
    assert outcome.correct_templates == first["correct_templates"]


def test_set_without_diffusion_and_world_measures_what_it_can(miniature: Path, shared: Settings, tmp_path: Path) -> None:
    checkpoint = miniature / "clip"
    lonely = tmp_path / "set"
    lonely.mkdir()
    (lonely / "clip").symlink_to(checkpoint, target_is_directory=True)
    run = tmp_path / "run"
    metrics = experiment.forget(_config(lonely), shared, run)
    assert metrics["bystanders"] == {"n": 0, "recognised_original": None, "recognised_defended": None}
    assert metrics["utility"] == dict.fromkeys(metrics["utility"])
    assert metrics["hidden"] is None and metrics["seconds"]["portraits"] is None
    assert 0 < metrics["sim_clean"] < 1
    assert not (run / "portraits").exists()
    assert (run / "report.html").is_file()


def _cancel_at(note: str) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        if progress.note.startswith(note):
            raise JobCancelled

    return report


@pytest.mark.parametrize("stage", ["attack on the original", "fine-tuning, 2", "portraits, 1", "saving"])
def test_cancelled_run_leaves_no_manifest(miniature: Path, shared: Settings, tmp_path: Path, stage: str) -> None:
    with pytest.raises(JobCancelled):
        experiment.forget(_config(miniature), shared, tmp_path / "run", _cancel_at(stage))
    assert not (tmp_path / "run" / "manifest.json").exists()
    with pytest.raises(InputError, match="no finished run"):
        experiment.predict(shared, tmp_path / "run", np.zeros((4, 4, 3), dtype=np.uint8), ["a"])


def test_progress_rises_to_its_total(miniature: Path, shared: Settings, tmp_path: Path) -> None:
    told: list[Progress] = []
    experiment.forget(_config(miniature), shared, tmp_path / "run", told.append)
    steps = [progress.step for progress in told]
    assert steps == sorted(steps)
    assert (told[-1].step, told[-1].note) == (told[-1].total, "done")
    assert sum(progress.losses is not None for progress in told) == SHORT.n_steps


def test_folder_with_other_files_is_not_overwritten(miniature: Path, shared: Settings, tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        experiment.forget(_config(miniature), shared, tmp_path)
    assert (tmp_path / "letters.txt").read_text() == "mine"
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        experiment.forget(_config(miniature), shared, tmp_path / "file")


def test_image_encoder_is_refused_for_names(miniature: Path, shared: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="use text"):
        experiment.forget(_config(miniature, encoder="image"), shared, tmp_path / "run")


def test_people_of_a_world_and_of_a_set_without(miniature: Path, shared: Settings) -> None:
    rows = experiment.people(shared, str(miniature))
    assert rows[0] == {"name": MEMBERS[0], "member": True, "aliases": ["Captain Storm"]}
    assert [row["member"] for row in rows] == [True] * 6 + [False] * 3
    assert experiment.people(shared, "vit-b-32") == []


def test_attack_agrees_with_the_run_before_and_after(run: Path, miniature: Path, shared: Settings) -> None:
    for index in (0, 1):
        person = Person(MEMBERS[index])
        expected = _read(run, "metrics")["persons"][index]["idia"]
        for side, weights in (("original", None), ("defended", run), ("defended", run / "defended")):
            outcome = experiment.attack(shared, str(miniature), person, weights=weights, idia=IDIA)
            assert outcome.correct_templates == expected[side]["correct_templates"]
            assert len(outcome.templates) == 21


def test_attack_on_nobody_known_is_not_an_attack(miniature: Path, shared: Settings) -> None:
    outcome = experiment.attack(shared, str(miniature), Person("Somebody Else"), idia=IDIA)
    assert outcome.recognised is None and outcome.n_images == 0


def test_attack_with_weights_that_are_not_there_is_an_error(miniature: Path, shared: Settings, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError):
        experiment.attack(shared, str(miniature), Person(MEMBERS[0]), weights=tmp_path, idia=IDIA)


def test_portraits_of_any_prompt_come_from_both_models(run: Path, shared: Settings) -> None:
    request = experiment.PortraitRequest(("a portrait of Ada Brook", "a boat"), replace(DRAWN, seeds=(0,)))
    drawn = experiment.portraits(shared, run, request)
    assert [(one.prompt, one.model) for one in drawn] == [
        (prompt, model) for prompt in request.prompts for model in ("original", "defended")
    ]
    written = np.asarray(Image.open(run / "portraits" / "p00-original-name-s0.png")).astype(int)
    assert np.abs(drawn[0].image - written).max() <= 2  # drawn in another batch


def test_predict_takes_a_file_or_pixels(run: Path, shared: Settings) -> None:
    photo = run / "photos" / "p00-0.png"
    row = experiment.predict(shared, run, photo, [MEMBERS[0], " human ", "a car"])
    assert row["labels"] == [MEMBERS[0], "human", "a car"]
    assert row == experiment.predict(shared, run, np.asarray(Image.open(photo)), [MEMBERS[0], "human", "a car"])


@pytest.mark.parametrize("labels", [[], [" "], ["x"] * 1001, ["y" * 501]])
def test_predict_refuses_labels_it_cannot_use(run: Path, shared: Settings, labels: list[str]) -> None:
    with pytest.raises(InputError, match="label"):
        experiment.predict(shared, run, np.zeros((4, 4, 3), dtype=np.uint8), labels)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (0, 4, 3)])
def test_predict_refuses_what_is_no_picture(run: Path, shared: Settings, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="picture"):
        experiment.predict(shared, run, np.zeros(shape, dtype=np.uint8), ["a"])


def test_predict_does_not_repeat_the_name_of_an_unreadable_photo(run: Path, shared: Settings, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        experiment.predict(shared, run, tmp_path / "secret-name.png", ["a"])
    assert "secret" not in str(caught.value)


def test_probe_agrees_with_the_runs_own_probes(run: Path, shared: Settings) -> None:
    for index in (0, 1):
        stored = [row for row in _read(run, "probes") if row["person_index"] == index]
        found = experiment.probe(shared, run, [row["text"] for row in stored], index)
        for row, expected in zip(found, stored, strict=True):
            assert row["similarity"] == pytest.approx(expected["similarity"], abs=1e-5)
            assert row["defended"]["correct_templates"] == expected["defended"]["correct_templates"]
    with pytest.raises(InputError, match="person_index"):
        experiment.probe(shared, run, ["x"], 2)


def test_replaced_run_is_read_anew(miniature: Path, shared: Settings, tmp_path: Path) -> None:
    image = np.full((40, 40, 3), 90, dtype=np.uint8)
    shares = []
    for seed in (0, 1):
        experiment.forget(_config(miniature, seed=seed), shared, tmp_path / "run")
        shares.append(experiment.predict(shared, tmp_path / "run", image, ["a", MEMBERS[0]])["defended"])
    assert shares[0] != shares[1]


def test_defaults_are_those_of_the_set(miniature: Path) -> None:
    from unlearn.clip import load_clip
    from unlearn.forgetting import fill_defaults

    clip = load_clip(str(miniature), Settings(device="cpu", offline=True))
    filled = fill_defaults(ForgetConfig((Person("A"),), str(miniature)), clip)
    expected = find_model_set(str(miniature))
    assert (filled.text, filled.image, filled.portraits) == (expected.text, expected.image, expected.portraits)
