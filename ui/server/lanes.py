"""Where jobs run, as the server's flags say: a lane for each device of this machine, or lanes on a cluster; and what a job needs there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ui.server.default_set import EMBEDDED, DefaultSet, check_devices, default_set
from ui.server.photos import WHO
from unlearn.cluster.ray_cluster import ENGINES, ClusterConfig, RayCluster
from unlearn.cluster.ray_worker import RemoteLanes
from unlearn.config import Settings, devices_of
from unlearn.errors import ConfigError
from unlearn.jobs import Task, inputs_of
from unlearn.runs.results import PREPARED


@dataclass(frozen=True)
class LaneFlags:
    """The flags of these names; `address` and `share` are those of Ray."""

    set: str
    device: str
    engine: str
    address: str | None
    share: float


@dataclass(frozen=True)
class Lanes:
    """What the flags mean: the model set that suits the devices, the device of each lane, and the cluster, if there is one."""

    model_set: DefaultSet
    devices: tuple[str, ...]
    remote: RemoteLanes | None = None


def lanes_of(flags: LaneFlags, settings: Settings) -> Lanes:
    """The lanes; those on a cluster are connected until `RemoteLanes.close` is called.

    Raises:
        ConfigError: a flag cannot be used, a GPU is not there, Ray is not installed, or the cluster cannot be used.
    """
    if flags.engine not in ENGINES:
        raise ConfigError(f"--engine is {flags.engine[:20]!r}; use {' or '.join(ENGINES)}.")
    if flags.engine == "ray":
        if flags.set == "auto" and flags.device != "cpu":
            raise ConfigError("--set is 'auto', which asks this machine for a GPU; with --engine ray name the model set.")
        model_set = DefaultSet(EMBEDDED if flags.set == "auto" else flags.set)
        cluster = RayCluster(ClusterConfig(flags.address, flags.device, flags.share), settings.data_dir)
        remote = RemoteLanes(cluster, settings.data_dir, folders_of)
        return Lanes(model_set, remote.devices, remote)
    devices = devices_of(flags.device)
    if len(devices) > 1:
        check_devices(settings, devices)
    return Lanes(default_set(settings) if flags.set == "auto" else DefaultSet(flags.set), devices)


def folders_of(task: Task) -> list[str]:
    """What a task of `ui.worker.tasks` reads or changes besides its own folder, relative to the data folder.

    The files that it was given, the run that is asked, and the searches for faces that it begins with.
    """
    inputs, request = inputs_of(task.folder), task.request
    parts = [request.get("run"), *(row.get("search") for row in request.get("faces") or []), *_searches_of_asked(inputs)]
    runs = [f"{task.folder.parent.name}/{part}" for part in parts if part and part != PREPARED]
    return [f"{inputs.parent.name}/{inputs.name}", *runs]


def _searches_of_asked(inputs: Path) -> list[str | None]:
    """The searches of a question about the form's persons (`ui.server.recognition`)."""
    try:
        return [row["search"] for row in json.loads((inputs / WHO).read_text("utf-8"))]
    except FileNotFoundError:
        return []
