"""Rows that the lanes of a Ray on this machine compute are those that one process computes; both kinds of evaluation."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.miniature import MEMBERS, build_miniature, write_faces
from unlearn.cluster.calls import LaneCaller, folders_of
from unlearn.cluster.ray_cluster import ClusterConfig, RayCluster
from unlearn.cluster.ray_worker import RemoteLanes
from unlearn.config import Settings
from unlearn.errors import UnlearnError
from unlearn.evaluation import shared
from unlearn.evaluation.faces import FaceEvaluationConfig, evaluate_faces
from unlearn.evaluation.names import EvaluationConfig, evaluate
from unlearn.evaluation.shared import evaluate_shared

TEXT = {"n_steps": 2, "batch_size": 4, "n_captions": 100, "early_stop": None}
IMAGE = {"n_steps": 2, "batch_size": 4, "plain_bystander_share": 0.5}
CLUSTER = ClusterConfig(device="cpu", share=(os.cpu_count() or 2) / 2)

pytestmark = pytest.mark.slow  # a Ray of its own, which two busy cores start in half a minute or not at all


@pytest.fixture(scope="module", autouse=True)
def one_ray(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One Ray for all evaluations of the file."""
    ray = RayCluster(CLUSTER, tmp_path_factory.mktemp("ray"))
    close, ray.close = ray.close, lambda: None  # type: ignore[method-assign]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared, "RayCluster", lambda config, data_dir: ray)
        yield ray
    close()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = build_miniature(tmp_path_factory.mktemp("set"), with_diffusion=False)
    (folder / "defaults.json").write_text(json.dumps({"text": TEXT, "image": IMAGE}))
    return folder


def settings_in(folder: Path) -> Settings:
    return Settings(folder, device="cpu", n_threads=1, offline=True)


def without_times(result: dict[str, Any]) -> dict[str, Any]:
    return {**result, "rows": [{key: value for key, value in row.items() if key != "seconds"} for row in result["rows"]]}


def test_rows_of_names_are_those_of_one_process(root: Path, tmp_path: Path) -> None:
    config = EvaluationConfig(str(root), ("neutral_term",), ("human",), n_at_once=(2,), n_members=2, n_strangers=1, n_others_drawn=1)
    serial, told = evaluate(config, settings_in(tmp_path / "one")), []
    together = evaluate_shared(config, settings_in(tmp_path / "lanes"), CLUSTER, told.append, tmp_path / "out.json")
    assert len(together["rows"]) == 4 and without_times(together) == without_times(serial)
    assert json.loads((tmp_path / "out.json").read_text()) == together
    assert told[-1].step == told[-1].total == 5 and max(progress.step for progress in told) == 5, "with the original's"
    files = [sorted(path.name for path in (tmp_path / run / "evaluation").glob("*.jsonl")) for run in ("one", "lanes")]
    assert files[0] == files[1] and len(files[0]) == 1
    assert evaluate(config, settings_in(tmp_path / "lanes"), finished_only=True) == together, "this machine keeps the rows"
    more = evaluate_shared(replace(config, n_members=None), settings_in(tmp_path / "lanes"), CLUSTER)
    assert [row for row in more["rows"] if row in together["rows"]] == together["rows"], "nothing is computed again"
    assert not list((tmp_path / "lanes" / "lanes").iterdir()), "the lanes keep nothing"


def test_rows_of_faces_are_those_of_one_process(root: Path, tmp_path: Path) -> None:
    for number in range(len(MEMBERS)):
        write_faces(tmp_path / "faces" / f"member-{number:02d}", number)
    config = FaceEvaluationConfig(str(root), tmp_path / "faces", n_at_once=(1, 2), n_draws=1, kinds=("ours",))
    serial = evaluate_faces(config, settings_in(tmp_path / "one"))
    together = evaluate_shared(config, settings_in(tmp_path / "lanes"), CLUSTER)
    assert len(together["rows"]) == 2 and without_times(together) == without_times(serial)
    assert not list((tmp_path / "lanes").glob("*photos*")), "the copy of the photos is gone"


def test_process_that_is_lost_is_made_anew_once(one_ray: RayCluster, tmp_path: Path) -> None:
    caller = LaneCaller(RemoteLanes(one_ray, tmp_path, folders_of), "test", settings_in(tmp_path).to_plain())
    try:
        with pytest.raises(UnlearnError, match="2 times .exit code -9"):
            caller.call("tests.support.job_works:crash", {})
        with pytest.raises(UnlearnError, match="The name is empty"):
            caller.call("tests.support.job_works:refuse", {})
        assert caller.call("tests.support.job_works:tell", {"label": "x"})["label"] == "x"
        caller.stop()
        with pytest.raises(UnlearnError, match="stopped"):
            caller.call("tests.support.job_works:tell", {"label": "x"})
    finally:
        caller.end()
