"""The evaluation of the image defence on a miniature set: every figure, finished rows kept, a do-nothing defence seen as such."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Literal

import pytest

from tests.support.miniature import MEMBERS, build_miniature, write_faces
from unlearn.attacks.gallery import build_gallery
from unlearn.config import ForgetConfig, Person, Settings
from unlearn.errors import ConfigError, InputError
from unlearn.evaluation.face_tables import KINDS, face_table
from unlearn.evaluation.faces import FaceEvaluation, FaceEvaluationConfig, evaluate_faces
from unlearn.runs.forgetting import forget
from unlearn.runs.json_types import to_json

IMAGE = {"n_steps": 2, "batch_size": 4, "plain_bystander_share": 0.5}
SIMILARITIES = ("sim_clean", "sim_backdoor", "sim_target")
TEXT = {"n_steps": 2, "batch_size": 4, "n_captions": 100, "early_stop": None}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = build_miniature(tmp_path_factory.mktemp("set"), with_diffusion=False)
    (folder / "defaults.json").write_text(json.dumps({"text": TEXT, "image": {**IMAGE, "learning_rate": 1e-9}}))
    return folder


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces")
    for number in range(len(MEMBERS)):
        write_faces(folder / f"member-{number:02d}", number)
    return folder


def config_of(root: Path, faces: Path, **changes: object) -> FaceEvaluationConfig:
    return FaceEvaluationConfig(str(root), faces, **{"n_at_once": (1, 2), "n_draws": 1, "kinds": ("ours",), **changes})  # type: ignore[arg-type]


def test_draws_are_nested_and_differ(root: Path, faces: Path, tmp_path: Path) -> None:
    evaluation = FaceEvaluation(config_of(root, faces), Settings(data_dir=tmp_path))
    assert evaluation.drawn(4, 0)[:2] == evaluation.drawn(2, 0) != evaluation.drawn(2, 1)


def test_defence_that_does_nothing_shows_as_nothing_forgotten(root: Path, faces: Path, tmp_path: Path) -> None:
    evaluation = FaceEvaluation(config_of(root, faces), Settings(data_dir=tmp_path))
    row = evaluation.forgotten("ours", 2, 0)
    config, names = evaluation.run_config("ours", 2, 0), evaluation.drawn(2, 0)
    original, world, attacked = evaluation.evaluated.original, evaluation.evaluated.world, evaluation.photos(names).attacked
    gallery = build_gallery(original, world, config.persons, config.idia, attacked)
    before = gallery.attack(evaluation.evaluated.prompts(gallery), names)
    assert row["correct_templates"] == [outcome.correct_templates for outcome in before]
    assert row["sim_clean"] > 0.999 and row["object_top1_change"] == 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_row_is_what_forget_writes_with_the_same_photos_and_seed(root: Path, faces: Path, tmp_path: Path, kind: str) -> None:
    settings = Settings(data_dir=tmp_path)
    learning = root.with_name(f"{root.name}-{kind}")
    shutil.copytree(root, learning)
    defaults = {"text": {**TEXT, "learning_rate": 1e-2}, "image": {**IMAGE, "learning_rate": 1e-2}}
    (learning / "defaults.json").write_text(json.dumps(defaults))
    evaluation = FaceEvaluation(config_of(learning, faces), settings)
    row, (name,) = evaluation.forgotten(kind, 1, 3), evaluation.drawn(1, 3)
    encoder: Literal["image", "both"] = "both" if kind == "both" else "image"
    config = ForgetConfig((Person(name),), str(learning), encoder=encoder, seed=3, image=evaluation.schedule(kind))
    config = replace(config, target="neutral_term" if kind == "paper" else "stand_in")
    folder = faces / f"member-{evaluation.members.index(name):02d}"
    metrics = to_json(forget(config, settings, tmp_path / "run", faces={name: folder}))
    (person,), image, bystanders, control = metrics["persons"], metrics["image"], metrics["bystanders"], metrics["control"]
    assert row["correct_templates"] == [person["idia"]["defended"]["correct_templates"]]
    assert row["n_recognised_before"] == person["idia"]["original"]["recognised"]
    assert {key: row[key] for key in SIMILARITIES} == {key: image[key] for key in SIMILARITIES}
    assert image["photos"] == [{"fine_tuning": row["n_fine_tuning"][0], "evaluation": row["n_evaluation"][0], "own": True}]
    n_before = bystanders["recognised_original"]
    assert row["others_kept"] == (1 - bystanders["wrongly_forgotten"] / n_before if n_before else None)
    assert row["strangers_recognised"] == control["recognised_defended"]
    assert row["object_top1_change"] == metrics["utility"]["top1_defended"] - metrics["utility"]["top1_original"]
    assert row["n_steps"] == metrics["fine_tuning"]["image"]["n_steps_done"]
    assert abs(row["sim_clean"] - 1) > 1e-4, "the encoder has learnt something, so that equality says something"


def test_no_photo_is_both_trained_with_and_attacked(root: Path, faces: Path, tmp_path: Path) -> None:
    evaluation = FaceEvaluation(config_of(root, faces), Settings(data_dir=tmp_path))
    (name,) = evaluation.drawn(1, 0)
    photos = evaluation.photos([name])
    trained, attacked = ({photo.tobytes() for photo in part} for part in (photos.faces[name].fine_tuning, photos.attacked[name]))
    assert (len(trained), len(attacked)) == (7, 5) and not trained & attacked


def test_row_of_other_photos_is_computed_anew(root: Path, tmp_path: Path) -> None:
    for number in range(len(MEMBERS)):
        write_faces(tmp_path / "faces" / f"member-{number:02d}", number)
    evaluation = FaceEvaluation(config_of(root, tmp_path / "faces"), Settings(data_dir=tmp_path))
    first = evaluation.key("ours", 1, 0)
    assert evaluation.key("ours", 1, 0) == first
    (name,) = evaluation.drawn(1, 0)
    next((tmp_path / "faces" / f"member-{evaluation.members.index(name):02d}").iterdir()).unlink()
    assert evaluation.key("ours", 1, 0) != first


def test_both_encoders_and_kept_rows(root: Path, faces: Path, tmp_path: Path) -> None:
    settings, config = Settings(data_dir=tmp_path), config_of(root, faces, n_at_once=(1,), kinds=("ours", "both"))
    first = evaluate_faces(config, settings, out=tmp_path / "result.json")
    assert [row["kind"] for row in first["rows"]] == ["ours", "both"]
    evaluation = FaceEvaluation(config, settings)

    def never(*arguments: object) -> dict[str, object]:
        raise AssertionError("nothing may be computed again")

    evaluation.forgotten = never  # type: ignore[method-assign,assignment]
    assert evaluation.run() == first == json.loads((tmp_path / "result.json").read_text())
    table = face_table(first)
    assert "| 1 at once, image encoder, ours |" in table and "both encoders" in table and "ViT-B/32, 8 faces" in table


def test_two_evaluations_at_once_share_the_rows(root: Path, faces: Path, tmp_path: Path) -> None:
    evaluations = [FaceEvaluation(config_of(root, faces), Settings(data_dir=tmp_path)) for _ in range(2)]
    begun = Barrier(2, timeout=60)
    for evaluation in evaluations:
        evaluation.forgotten = lambda kind, n, draw: {"n": n, "begun": begun.wait() >= 0}  # type: ignore[method-assign]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda evaluation: evaluation.run(), evaluations))
    assert results[0] == results[1] and [row["n"] for row in results[0]["rows"]] == [1, 2]


def test_missing_photos_and_unknown_kinds_are_errors(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"assets\.build\.photos"):
        FaceEvaluation(config_of(root, tmp_path), Settings(data_dir=tmp_path)).forgotten("ours", 1, 0)
    with pytest.raises(ConfigError, match="kinds"):
        config_of(root, tmp_path, kinds=("theirs",))
