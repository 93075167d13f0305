"""The example that is shipped: small, and as ready to be asked as the run that it was made from."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from assets.build.prepared import MAX_FILE_BYTES, finish
from ui.server.options import PREPARED_DIR
from unlearn.config import Settings
from unlearn.files import read_json_file
from unlearn.models.clip import Clip
from unlearn.models.defended import load_defended
from unlearn.runs import questions
from unlearn.runs.results import PREPARED, prepared_folder, read_run


@pytest.fixture(scope="module")
def shipped(run: Path, shared: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared") / "example"
    shutil.copytree(run, folder)
    finish(folder, shared)
    return folder


def test_finished_example_is_half_as_large_and_complete(shipped: Path, run: Path) -> None:
    file = Path("defended") / "open_clip_text.safetensors"
    assert (shipped / file).stat().st_size < 0.6 * (run / file).stat().st_size
    assert {tensor.dtype for tensor in load_file(shipped / file).values()} == {torch.float16}
    assert not (shipped / "cache").exists() and not (shipped / "defended" / "text_encoder").exists()
    listed = set(read_json_file(shipped / "manifest.json")["files"])
    assert listed == {p.relative_to(shipped).as_posix() for p in shipped.rglob("*") if p.is_file()} - {"manifest.json"}


def test_hash_under_every_picture_is_that_of_the_weights_beside_it(shipped: Path, original: Clip) -> None:
    digest = load_defended(shipped, original).text.weights_hash
    rows = read_json_file(shipped / "portraits" / "index.json")
    assert {row["weights_hash"] for row in rows if row["model"] == "defended"} == {digest}
    assert read_json_file(shipped / "metrics.json")["weights"]["defended"] == digest
    assert read_json_file(shipped / "manifest.json")["weights"]["defended"] == digest


def test_finished_example_answers_nearly_as_the_run_did(shipped: Path, run: Path, shared: Settings) -> None:
    texts = ["somebody", "a tree"]
    for now, then in zip(*(questions.probe(shared, folder, texts) for folder in (shipped, run)), strict=True):
        assert now["defended"]["to_neutral"] == pytest.approx(then["defended"]["to_neutral"], abs=5e-3)


def test_what_the_repository_ships_is_small_and_a_finished_run() -> None:
    folder = prepared_folder(PREPARED_DIR)
    assert folder is not None and read_run(PREPARED, folder) is not None
    assert max(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < MAX_FILE_BYTES
