"""What fails after the fine-tuning costs its part of the result, and no more; what ends a run still ends it."""

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.miniature import MEMBERS, write_faces
from tests.support.short_runs import DRAWN, short_config
from unlearn.config import ImageFineTuneConfig, Settings
from unlearn.errors import InputError, JobCancelled, ModelLoadError, UnlearnError
from unlearn.models import diffusion_memory, suite
from unlearn.progress import Progress
from unlearn.runs import forgetting, measuring, questions, showing
from unlearn.runs.json_types import to_json
from unlearn.runs.mishaps import Mishaps, reason
from unlearn.runs.report import run_json

ERRORS: list[tuple[Exception, str]] = [
    (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "the memory did not suffice"),
    (RuntimeError("alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried"), "the memory did not suffice"),
    (MemoryError(), "the memory did not suffice"),
    (OSError(errno.ENOSPC, "No space left on device", "/srv/runs/x.png"), "the disk is full"),
    (ModelLoadError("/srv/models/sd/unet/x.safetensors is damaged; copy it again."), "x.safetensors is damaged; copy it again"),
    (KeyError("Ada Brook"), "something unexpected went wrong (KeyError)"),
    (AttributeError("'NoneType' object has no attribute 'shape'"), "something unexpected went wrong (AttributeError)"),
]

MEASURED = ("_predicted", "default_probes", "_similarities")  # stages of the measuring


@pytest.mark.parametrize(("error", "words"), ERRORS)
def test_reason_of_a_failure_is_short_and_names_no_folder(error: Exception, words: str) -> None:
    assert reason(error) == words
    wrapped = InputError("/srv/runs cannot be written: Ada Brook.")
    wrapped.__cause__ = error
    if not words.startswith(("something", "x.")):
        assert reason(wrapped) == words


def _failing(error: BaseException) -> Callable[..., Any]:
    def fail(*arguments: object, **options: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("stage", "error", "missing"),
    [
        ("load_diffusion", ERRORS[0][0], "The portraits are missing: the memory did not suffice. Draw them with"),
        ("write_portraits", ERRORS[3][0], "The portraits are missing: the disk is full."),
        ("write_portraits", ERRORS[6][0], r"The portraits are missing: something unexpected went wrong (AttributeError)."),
        ("_predicted", ERRORS[5][0], "The predictions are missing: something unexpected"),
        ("default_probes", ERRORS[2][0], "The probes are missing: the memory did not suffice. Ask"),
        ("_similarities", ERRORS[1][0], "The similarities are missing: the memory"),
        ("defended_gallery", ERRORS[0][0], "The attack on the defended model is missing: the memory"),
        ("write_report", InputError("/srv/x cannot be read."), "The report is missing: x cannot be read. Write it with"),
    ],
)  # fmt: skip
def test_failure_after_the_fine_tuning_leaves_a_run_that_says_what_is_missing(
    miniature: Path, shared: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, error: Exception, missing: str
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        if stage == "load_diffusion":
            suite.drop_suite()  # an earlier test may have drawn with this set
            patch.setattr(suite, stage, _failing(error))
        else:
            module = measuring if stage in MEASURED else showing if stage == "write_portraits" else forgetting
            patch.setattr(module, stage, _failing(error))
        metrics = to_json(forgetting.forget(short_config(miniature), shared, run))
    assert metrics["warnings"][0].startswith(missing)
    written = run_json(run)
    assert written["metrics"] == json.loads(json.dumps(metrics))
    assert (run / "manifest.json").is_file() and not (run / "unfinished.json").exists()
    if stage != "write_report":
        assert metrics["warnings"][0].partition(":")[0] in (run / "report.html").read_text("utf-8")
    is_drawn = metrics["seconds"]["portraits"] is not None
    assert is_drawn == bool(written["portraits"]) == (run / "portraits").is_dir() == ("portraits" not in missing)
    for part, key in (("probes", "default_probes"), ("predictions", "_predicted")):
        assert (written[part] == []) == (stage == key or (part == "probes" and stage == "defended_gallery"))
    assert (metrics["persons"][0]["idia"]["defended"]["recognised"] is None) == (stage == "defended_gallery")
    drawn = questions.portraits(shared, run, questions.PortraitRequest(("a boat",), DRAWN))  # what is missing can be asked for
    assert len(drawn) == 4
    assert len(questions.probe(shared, run, ["a boat"])) == 1


def test_weights_are_saved_before_anything_that_may_fail(
    miniature: Path, shared: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "write_attack", _failing(SystemExit(9)))  # as if the process ended there
    with pytest.raises(SystemExit):
        forgetting.forget(short_config(miniature), shared, tmp_path / "run")
    assert (tmp_path / "run" / "defended" / "config.json").is_file()
    assert not (tmp_path / "run" / "manifest.json").exists()


def test_defended_weights_that_cannot_be_saved_end_the_run(
    miniature: Path, shared: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "save_defended", _failing(InputError("The disk is full.")))
    with pytest.raises(InputError, match="disk is full"):
        forgetting.forget(short_config(miniature), shared, tmp_path / "run")
    assert not (tmp_path / "run" / "manifest.json").exists()


@pytest.mark.parametrize("stage", ["attack on the defended", "measuring", "portraits, 2"])
@pytest.mark.parametrize("error", [JobCancelled(), UnlearnError("The job took longer than 3 h.")])
def test_what_the_report_raises_ends_the_run_in_every_stage(
    miniature: Path, shared: Settings, tmp_path: Path, stage: str, error: Exception
) -> None:
    def report(progress: Progress) -> None:
        if progress.note.startswith(stage):
            raise error

    with pytest.raises(type(error)):
        forgetting.forget(short_config(miniature), shared, tmp_path / "run", report)
    assert not (tmp_path / "run" / "manifest.json").exists()


def test_interrupt_is_no_mishap() -> None:
    mishaps = Mishaps(lambda progress: None)
    with pytest.raises(KeyboardInterrupt), mishaps.spared("It is missing", "Again."):
        raise KeyboardInterrupt
    with mishaps.spared("It is missing", "Again."):
        raise ValueError(MEMBERS[0])
    assert mishaps.warnings == ["It is missing: something unexpected went wrong (ValueError). Again."]


def test_weights_larger_than_the_memory_are_not_loaded(
    miniature: Path, shared: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.drop_suite()  # an earlier test may have drawn with this set
    for module in (diffusion_memory, suite):
        monkeypatch.setattr(module, "free_memory", lambda: 1000)
    metrics = to_json(forgetting.forget(short_config(miniature), shared, tmp_path / "run"))
    assert metrics["warnings"][0].startswith("The portraits are missing: The memory does not suffice for drawing: U-Net and decoder")
    assert (tmp_path / "run" / "manifest.json").is_file()


def test_full_disk_while_photos_are_kept_does_not_cost_the_attack(
    miniature: Path, shared: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "keep_photos", _failing(ERRORS[3][0]))
    metrics = to_json(forgetting.forget(short_config(miniature), shared, tmp_path / "run"))
    assert [warning.partition(". ")[0] for warning in metrics["warnings"]] == [
        "What later questions need of the photos is missing: the disk is full"
    ]
    assert metrics["persons"][0]["idia"]["defended"]["recognised"] is not None
    assert run_json(tmp_path / "run")["probes"] != []


def test_photos_that_the_defended_model_did_not_see_are_not_measured_as_if_it_had(
    miniature: Path, shared: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "defended_gallery", _failing(MemoryError()))
    image = ImageFineTuneConfig(n_steps=2, batch_size=4)
    faces = {MEMBERS[0]: write_faces(tmp_path / "faces", 0)}
    config = short_config(miniature, encoder="image", image=image)
    metrics = to_json(forgetting.forget(config, shared, tmp_path / "run", faces=faces))
    assert metrics["image"]["sim_clean"] is not None and metrics["image"]["sim_backdoor"] is None
    assert metrics["image"]["photos"] == [{"fine_tuning": 7, "evaluation": 5, "own": True}]
    assert "The attack on the defended model is missing" in metrics["warnings"][0]
    assert "The attack on the defended model is missing" in (tmp_path / "run" / "report.html").read_text("utf-8")
