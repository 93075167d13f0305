"""A run by another method than the backdoor: its results, its report and its command say so, and two text encoders are both changed."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.miniature import MEMBERS, build_miniature, with_own_diffusion_text
from tests.support.short_runs import short_config
from ui.views import jobs
from unlearn.cli.console import print_metrics
from unlearn.config import ClosedForm, Settings
from unlearn.defence import methods
from unlearn.defence.defend import defend_text
from unlearn.defence.loop import FineTuned
from unlearn.defence.slug import single_step
from unlearn.defence.stand_ins import with_stand_ins
from unlearn.models.clip import load_clip
from unlearn.models.encoders import TextEncoder
from unlearn.progress import no_report
from unlearn.runs import forgetting
from unlearn.runs.results import finished_run

FORM = ClosedForm(n_kept_texts=24, n_general_texts=60, min_texts=12)


@pytest.mark.parametrize("method", ["slug", "closed-form"])
def test_results_report_and_command_name_the_method(method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = build_miniature(tmp_path / "set", with_diffusion=False)
    config = replace(short_config(root), method=method, opponent="off")  # type: ignore[arg-type]
    config = replace(config, text=replace(config.text, closed_form=FORM))  # type: ignore[type-var]
    metrics = forgetting.forget(config, Settings(tmp_path / "data", device="cpu", offline=True), tmp_path / "run")
    written, run = json.loads((tmp_path / "run" / "metrics.json").read_text("utf-8")), finished_run(tmp_path / "run")
    assert written["method"] == run.metrics.method == metrics.method == method
    assert ("layer" in written["fine_tuning"]["text"]) == (method == "slug")
    assert run.metrics == metrics and [row.step for row in run.losses] == [0, 1]
    sentence = {"slug": "by one gradient step in one layer (SLUG)", "closed-form": "by the closed form alone"}[method]
    assert sentence in (tmp_path / "run" / "report.html").read_text("utf-8")
    assert sentence in jobs.verdict(run) and f"--method {method}" in jobs.command(run.config)
    print_metrics(metrics, run.config)
    assert sentence in capsys.readouterr().out


def test_both_text_encoders_of_a_set_are_changed_by_slug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone: list[float] = []

    def timed(*arguments: Any) -> FineTuned[TextEncoder]:
        tuned: FineTuned[TextEncoder] = single_step(*arguments)
        alone.append(tuned.seconds)
        return tuned

    monkeypatch.setattr(methods, "single_step", timed)
    root = with_own_diffusion_text(build_miniature(tmp_path / "two"))
    clip = load_clip(str(root), Settings(device="cpu", offline=True))
    config = with_stand_ins(clip.model_set.resolved(replace(short_config(root), method="slug")), clip, MEMBERS)
    defended, tuned = defend_text(clip, config, no_report, watch=lambda moment, encoder: time.sleep(0.2))
    assert [part.seconds for part in tuned.values()] == pytest.approx(alone, abs=0.1), "the time of looking does not count"
    assert set(tuned) == {"text", "diffusion_text"} and all(part.layer is not None for part in tuned.values())
    assert clip.hidden is not None and defended.hidden is not None
    assert defended.hidden.weights_hash != clip.hidden.weights_hash and defended.text.weights_hash != clip.text.weights_hash
