"""The evaluation of the image defence on a miniature set: every figure, finished rows kept, a do-nothing defence seen as such."""

import json
from pathlib import Path

import pytest

from tests.support.miniature import MEMBERS, build_miniature, write_faces
from unlearn.config import Settings
from unlearn.errors import ConfigError, InputError
from unlearn.evaluation.faces import FaceEvaluation, FaceEvaluationConfig, evaluate_faces, face_table

IMAGE = {"n_steps": 2, "batch_size": 4, "plain_bystander_share": 0.5}
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
    before = evaluation.gallery.attack(evaluation.prompts, evaluation.drawn(2, 0))
    assert row["correct_templates"] == [one.correct_templates for one in before]
    assert row["sim_clean"] > 0.999 and row["object_top1_change"] == 0.0


def test_both_encoders_and_kept_rows(root: Path, faces: Path, tmp_path: Path) -> None:
    settings, config = Settings(data_dir=tmp_path), config_of(root, faces, n_at_once=(1,), kinds=("ours", "both"))
    first = evaluate_faces(config, settings, out=tmp_path / "result.json")
    assert [row["kind"] for row in first["rows"]] == ["ours", "both"]
    evaluation = FaceEvaluation(config, settings)
    evaluation.forgotten = None  # type: ignore[method-assign,assignment]  # nothing may be computed again
    assert evaluation.run() == first == json.loads((tmp_path / "result.json").read_text())
    table = face_table(first)
    assert "| 1 at once, image encoder, ours |" in table and "both encoders" in table and "ViT-B/32, 8 faces" in table


def test_missing_photos_and_unknown_kinds_are_errors(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"assets\.build\.photos"):
        FaceEvaluation(config_of(root, tmp_path), Settings(data_dir=tmp_path)).forgotten("ours", 1, 0)
    with pytest.raises(ConfigError, match="kinds"):
        config_of(root, tmp_path, kinds=("theirs",))
