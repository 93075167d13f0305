"""A set whose Stable Diffusion reads with a text encoder of its own: one progress, and one curve for each encoder everywhere."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.miniature import MEMBERS, build_miniature, with_own_diffusion_text, write_faces
from tests.support.short_runs import SHORT, short_config
from ui.views import jobs, plots
from unlearn.cli.console import print_metrics
from unlearn.config import EarlyStop, ImageFineTuneConfig, Settings
from unlearn.defence.defend import TEXT_STAGE, defend_text
from unlearn.jobs.states import Submission
from unlearn.jobs.store import JobStore
from unlearn.jobs.tables import new_row
from unlearn.jobs.tasks import Message, Reporter
from unlearn.models.clip import load_clip
from unlearn.progress import Progress
from unlearn.runs import forgetting
from unlearn.runs.json_types import from_json
from unlearn.runs.metrics import Metrics
from unlearn.runs.records import LossRow
from unlearn.runs.report import report_html
from unlearn.runs.results import finished_run, read_run

ENCODERS = ("text", "diffusion_text", "image")
N_STEPS = SHORT.n_steps


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_own_diffusion_text(build_miniature(tmp_path_factory.mktemp("set") / "two"))


@pytest.fixture(scope="module")
def told() -> list[Progress]:
    return []


@pytest.fixture(scope="module")
def run(root: Path, told: list[Progress], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    config = short_config(root, encoder="both", image=ImageFineTuneConfig(n_steps=N_STEPS, batch_size=8))
    settings = Settings(folder / "data", device="cpu", offline=True)
    forgetting.forget(config, settings, folder / "run", told.append, faces={MEMBERS[0]: write_faces(folder / "faces", 0)})
    return folder / "run"


def read(run: Path, name: str) -> Any:
    return json.loads((run / f"{name}.json").read_text("utf-8"))


def test_progress_is_one_scale_over_the_whole(run: Path, told: list[Progress]) -> None:
    steps = [progress.step for progress in told]
    assert steps == sorted(steps) and {progress.total for progress in told} == {1000} and steps[-1] == 1000
    fine_tuning = [progress for progress in told if progress.losses]
    assert len({progress.step for progress in fine_tuning}) == 3 * N_STEPS, "each step brings it on"
    assert [progress.encoder for progress in fine_tuning] == [encoder for encoder in ENCODERS for _ in range(N_STEPS)]
    assert [progress.losses["step"] for progress in fine_tuning if progress.losses] == 3 * list(range(1, N_STEPS + 1))
    notes = [progress.note for progress in fine_tuning if progress.note.startswith(f"{TEXT_STAGE}, ")]
    assert notes == [f"{TEXT_STAGE}, {step} of {2 * N_STEPS}" for step in range(1, 2 * N_STEPS + 1)]


def test_progress_does_not_go_back_where_the_first_encoder_stops_early(root: Path, settings: Settings) -> None:
    seen: list[Progress] = []
    text = replace(SHORT, n_steps=6, learning_rate=1e-9, early_stop=EarlyStop(every=1, threshold=0.01, patience=1, min_steps=2))
    clip = load_clip(str(root), settings)
    _, parts = defend_text(clip, clip.model_set.resolved(short_config(root, text=text, target="neutral_term")), seen.append)
    assert parts["text"].n_steps_done < 6, "the check of pooled embeddings passes at once"
    assert [progress.step for progress in seen] == sorted({progress.step for progress in seen})
    assert {progress.total for progress in seen} == {12} and seen[-1].step <= 12
    assert next(progress.step for progress in seen if progress.encoder == "diffusion_text") == 7


def test_rows_of_losses_and_every_view_have_one_curve_for_each_encoder(run: Path) -> None:
    rows = read(run, "losses")
    assert [(row["encoder"], row["step"]) for row in rows] == [(e, step) for e in ENCODERS for step in range(1, N_STEPS + 1)]
    curves = plots.curves(from_json(tuple[LossRow, ...], rows))
    assert len(curves) == 9 == len({curve.title for curve in curves})
    assert all(curve.steps == tuple(range(1, N_STEPS + 1)) for curve in curves), "no curve runs through two encoders"
    page = report_html(run)
    assert page.count("<svg") == 3
    for title in ("CLIP&#39;s text encoder", "Stable Diffusion&#39;s text encoder", "image encoder"):
        assert f"Fine-tuning: {title}" in page


def test_console_names_each_encoder(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_metrics(from_json(Metrics, read(run, "metrics")), finished_run(run).config)
    printed = capsys.readouterr().out
    for title in ("CLIP's text encoder", "Stable Diffusion's text encoder", "image encoder"):
        assert f"{title}: {N_STEPS} steps (all steps)" in printed


def test_live_rows_of_a_job_are_those_of_the_finished_run(run: Path, told: list[Progress], tmp_path: Path) -> None:
    """Through worker, table and a server that was started again, to the curves on the page."""
    messages: list[Message] = []
    reporter = _reporter(messages)
    for progress in told:
        reporter(progress)
    reporter.send()
    store = JobStore(tmp_path / "jobs.sqlite")
    job = store.add(new_row(Submission("forget", "x:y", {"config": read(run, "config")}, "ann"), False), 5)
    store.claim("forget")
    for message in messages:
        store.progress(job.id, message.progress, message.losses)
    live = store.losses(job.id)
    store.close()
    again = JobStore(tmp_path / "jobs.sqlite")
    assert again.losses(job.id) == live
    assert from_json(tuple[LossRow, ...], live) == from_json(tuple[LossRow, ...], read(run, "losses"))
    html = jobs.job_panel(again.get(job.id), live, own=True)
    assert html.count("<figure") == 9
    again.close()


def _reporter(messages: list[Message]) -> Reporter:
    return Reporter("job", messages.append, lambda: False)


def test_losses_of_earlier_versions_still_open(run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run, tmp_path / "old")
    for rows in ([{key: value for key, value in row.items() if key != "encoder"} for row in read(run, "losses")[:N_STEPS]], []):
        (folder / "losses.json").write_text(json.dumps(rows), "utf-8")
        assert report_html(folder).count("<svg") == (1 if rows else 0)
        (folder / "manifest.json").touch()
        found = read_run(str(len(rows)), folder)
        assert found is not None and len(plots.curves(found.losses)) == (3 if rows else 0)


def test_losses_that_were_not_measured_are_not_drawn(run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run, tmp_path / "gaps")
    rows = [row for row in read(run, "losses") if row["encoder"] == "text"]
    (folder / "losses.json").write_text(json.dumps([{**row, "clean": None} for row in rows]), "utf-8")
    assert report_html(folder).count("<svg") == 0
    (folder / "losses.json").write_text(json.dumps([*rows, {"encoder": "text", "step": 9}]), "utf-8")
    points = re.findall(r'points="([^"]+)"', report_html(folder))
    assert [len(line.split()) for line in points] == [N_STEPS, N_STEPS]
