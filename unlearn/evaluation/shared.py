"""An evaluation whose rows are computed on a cluster; this machine alone keeps them, as if they were its own.

Each lane takes units that no other has begun, as several processes on one machine do. A unit is what one fine-tuning is measured for.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from unlearn.cluster.calls import LaneCaller, folders_of
from unlearn.cluster.ray_cluster import ClusterConfig, RayCluster
from unlearn.cluster.ray_worker import RemoteLanes
from unlearn.cluster.scratch import Scratch
from unlearn.config import Settings
from unlearn.errors import InputError
from unlearn.evaluation.defences import DefenceEvaluationConfig
from unlearn.evaluation.faces import FaceEvaluationConfig
from unlearn.evaluation.names import EvaluationConfig
from unlearn.evaluation.rows import ROWS, KeptRows
from unlearn.evaluation.shared_calls import COMPUTED, DEFENCES, FACES, GATHERED, NAMES, OUTLINE
from unlearn.files import also_written
from unlearn.progress import Progress, Report, no_report

Config = EvaluationConfig | FaceEvaluationConfig | DefenceEvaluationConfig


def evaluate_shared(
    config: Config, settings: Settings, cluster: ClusterConfig, report: Report = no_report, out: Path | None = None
) -> dict[str, Any]:
    """Evaluate a set on a cluster; the result is also written to `out` where one is given.

    Raises:
        ConfigError: the cluster cannot be used.
        InputError: the folder of `out` is missing, or that of the photos.
        UnlearnError: what an evaluation on this machine raises, or a process of the cluster was lost.
    """
    return also_written(out, lambda: _evaluated(config, replace(settings, data_dir=settings.data_dir.resolve()), cluster, report))


def _evaluated(config: Config, settings: Settings, cluster: ClusterConfig, report: Report) -> dict[str, Any]:
    with _plain(config, settings.data_dir) as (plain, folders), _callers(settings, cluster) as callers:
        kind = NAMES if isinstance(config, EvaluationConfig) else FACES if isinstance(config, FaceEvaluationConfig) else DEFENCES
        return SharedEvaluation(callers, {"kind": kind, "config": plain}, folders, settings.data_dir).run(report)


@contextmanager
def _plain(config: Config, data_dir: Path) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """The config as plain values, and the folders of the data folder that its lanes read: a copy of the photos."""
    if isinstance(config, EvaluationConfig) or config.faces is None:
        yield json.loads(json.dumps(dataclasses.asdict(config))), []
        return
    if not config.faces.is_dir():
        raise InputError(f"{config.faces} is no folder; name the one that holds a folder of photos for each member.")
    copy = Scratch(data_dir, "unlearn-photos-")
    try:
        shutil.copytree(config.faces, copy.path, dirs_exist_ok=True)
        yield json.loads(json.dumps({**dataclasses.asdict(config), "faces": copy.path.name})), [copy.path.name]
    finally:
        copy.remove()


@contextmanager
def _callers(settings: Settings, config: ClusterConfig) -> Iterator[list[LaneCaller]]:
    """The lanes of a cluster, which is left afterwards."""
    cluster = RayCluster(config, settings.data_dir)
    lanes = RemoteLanes(cluster, settings.data_dir, folders_of)
    plain = {**settings.to_plain(), "device": cluster.device}
    callers = [LaneCaller(lanes, f"evaluate-{number}", plain) for number in range(1, cluster.n_lanes + 1)]
    try:
        yield callers
    finally:
        for caller in callers:
            caller.end()
        lanes.close()


@dataclass(frozen=True)
class SharedEvaluation:
    """An evaluation on lanes.

    Attributes:
        callers: the lanes.
        request: what every call tells: the kind of evaluation, and its config.
        folders: what every call reads.
        data_dir: where the rows are kept.
    """

    callers: Sequence[LaneCaller]
    request: dict[str, Any]
    folders: Sequence[str]
    data_dir: Path

    def run(self, report: Report) -> dict[str, Any]:
        """All rows, and what the evaluation says of them."""
        first = self.callers[0]
        plan = first.call(OUTLINE, self.request, self.folders)
        rows, units = KeptRows(self.data_dir / ROWS / plan["file"]), plan["units"]
        done = _Done(report, len(units))
        with ThreadPoolExecutor(len(self.callers)) as threads:
            fillings = [threads.submit(self._fill, caller, units, rows, done) for caller in self.callers]
            try:
                for filling in as_completed(fillings):
                    filling.result()
            except BaseException:  # the others would go on for hours
                for caller in self.callers:
                    caller.stop()
                raise
        result = first.call(GATHERED, self.request, [*self.folders, ROWS])
        report(Progress(len(units), len(units), "done"))
        return result

    def _fill(self, caller: LaneCaller, units: Sequence[dict[str, Any]], rows: KeptRows, done: _Done) -> None:
        """Compute what is missing; first what no other lane has begun, then what was begun and may not have been finished."""
        begun = []
        for number, unit in enumerate(units):
            if self._keep(caller, unit, rows.free):
                done.add(number, unit["label"])
            else:
                begun.append(number)
        for number in begun:
            self._keep(caller, units[number], rows.kept)
            done.add(number, units[number]["label"])

    def _keep(self, caller: LaneCaller, unit: dict[str, Any], keep: Callable[..., Any]) -> bool:
        """Whether all rows of a unit are kept now; False where another lane works on one."""
        return all(keep(key, partial(self._computed, caller, key)) is not None for key in unit["keys"])

    def _computed(self, caller: LaneCaller, key: str) -> dict[str, Any]:
        row: dict[str, Any] = caller.call(COMPUTED, {**self.request, "key": key}, self.folders)["row"]
        return row


class _Done:
    """The units that are finished, by all lanes."""

    def __init__(self, report: Report, total: int) -> None:
        self._report, self._total, self._numbers, self._lock = report, total, set[int](), threading.Lock()

    def add(self, number: int, label: str) -> None:
        """A unit is finished."""
        with self._lock:
            self._numbers.add(number)
            self._report(Progress(len(self._numbers), self._total, label))
