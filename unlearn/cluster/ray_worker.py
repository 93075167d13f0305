"""A lane's worker on another machine: the handle on a Ray actor, with the interface of `jobs.worker.Worker`.

The server alone writes its data folder: the actor gets copies of the files that a job reads, and sends back what the job changed.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unlearn.cluster.host import HostPlan, LaneHost
from unlearn.cluster.parcels import Unpacker, files_below, pieces_of
from unlearn.cluster.ray_cluster import RayCluster
from unlearn.errors import UnlearnError
from unlearn.jobs.health import reason_of
from unlearn.jobs.states import Failed
from unlearn.jobs.tasks import Message, Task
from unlearn.jobs.workers import WorkerPlan

START_S = 120.0  # until an actor has a place and answers; on a busy machine its process alone takes more than half a minute
END_S = 1.0  # for an actor to remove its files, before it is killed
LONG_POLL_S = 5.0
QUICK_SHARE = 0.1  # of a lane's share, for its short questions; so each GPU has room for one lane of each queue
NO_PLACE = "no machine of the cluster has room for it"
NOT_BROUGHT = "The result of this work could not be brought to the server ({}). Run it again."

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RemoteLanes:
    """Makes the workers of a server's lanes on a cluster.

    Attributes:
        cluster: the connection.
        data_dir: the server's data folder.
        folders_of: the folders that a task reads or changes, relative to the data folder, besides its own.
    """

    cluster: RayCluster
    data_dir: Path
    folders_of: Callable[[Task], Sequence[str]]

    @property
    def devices(self) -> tuple[str, ...]:
        """The device of each lane of a queue."""
        return (self.cluster.device,) * self.cluster.n_lanes

    def close(self) -> None:
        """End the connection to the cluster; all workers have ended before."""
        self.cluster.close()

    def worker(self, plan: WorkerPlan) -> RayWorker:
        """A worker for a lane.

        Raises:
            OSError: the cluster has no place for it just now.
        """
        return RayWorker(self, plan)

    def resources(self, is_quick: bool) -> dict[str, float]:
        """What an actor takes, as Ray's options."""
        share = self.cluster.config.share
        if self.cluster.device == "cuda":
            return {"num_cpus": 0, "num_gpus": round(share * (QUICK_SHARE if is_quick else 1 - QUICK_SHARE), 4)}
        return {"num_cpus": 0 if is_quick else share}


class RayWorker:
    """The server's handle on one actor."""

    def __init__(self, lanes: RemoteLanes, plan: WorkerPlan) -> None:
        """Start the actor and wait until it answers.

        Raises:
            OSError: no machine has room for it just now.
        """
        self._lanes, self._ray = lanes, lanes.cluster.ray
        scratch = lanes.data_dir / "lanes" if lanes.cluster.is_own else None
        actor = self._ray.remote(LaneHost).options(max_concurrency=4, **lanes.resources(plan.is_quick))
        self._actor = actor.remote(HostPlan(plan, scratch))
        self._life = self._actor.wait_for_end.remote()
        self._pending: Any = None
        self._folders: tuple[str, ...] = ()
        ready, _ = self._ray.wait([self._actor.expect.remote(()), self._life], timeout=START_S)
        if not ready:
            self.end()
            raise OSError(errno.EAGAIN, NO_PLACE)
        if not self.alive:
            raise OSError(errno.ECHILD, "the process on a machine of the cluster ended at once")

    @property
    def alive(self) -> bool:
        """False once the actor or the process that does its work has ended, for whatever reason."""
        return not self._ray.wait([self._life], timeout=0)[0]

    @property
    def exit_code(self) -> int | None:
        """Of the process; None while it runs, and where its machine is lost."""
        if self.alive:
            return None
        try:
            code: int | None = self._ray.get(self._life)
        except self._ray.exceptions.RayError:
            return None
        return code

    def _ask(self, call: Any) -> Any:
        """The answer of the actor.

        Raises:
            OSError: its machine is lost, or says that it cannot do it.
        """
        try:
            return self._ray.get(call)
        except self._ray.exceptions.RayTaskError as error:
            raise OSError(getattr(error.cause, "errno", 0), getattr(error.cause, "strerror", "")) from None
        except self._ray.exceptions.RayError as error:
            raise BrokenPipeError(errno.EPIPE, type(error).__name__) from None

    def start(self, task: Task) -> None:
        """Send the task and its files; there must be none at work.

        Raises:
            OSError: the actor has ended, or its machine cannot take the files.
        """
        data_dir = self._lanes.data_dir
        own = task.folder.relative_to(data_dir).as_posix()
        self._folders = (own, *self._lanes.folders_of(task))
        self._ask(self._actor.expect.remote(self._folders))
        for pieces in pieces_of(data_dir, files_below(data_dir, self._folders)):
            self._ask(self._actor.put.remote(pieces))
        self._ask(self._actor.start.remote(replace(task, folder=Path(own)), own))

    def receive(self, timeout_s: float) -> Message | None:
        """The next message, or None when none came in time; the last one comes when the files of the result are here.

        Raises:
            OSError: the actor has ended.
        """
        if self._pending is None:
            self._pending = self._actor.receive.remote(LONG_POLL_S)
        if not self._ray.wait([self._pending], timeout=timeout_s)[0]:
            return None
        pending, self._pending = self._pending, None
        message: Message | None = self._ask(pending)
        return message if message is None or message.end is None else self._with_files(message)

    def _with_files(self, message: Message) -> Message:
        """The end of a task, after what it changed was written here."""
        unpacker = Unpacker(self._lanes.data_dir, self._folders)
        try:
            removed = self._ask(self._actor.finish.remote())
            while pieces := self._ask(self._actor.take.remote()):
                unpacker.write(pieces)
            unpacker.remove(removed)
            self._ask(self._actor.clear.remote())
        except BrokenPipeError:
            raise
        except (OSError, UnlearnError) as error:
            log.error("a result could not be brought here: %s", reason_of(error))
            return replace(message, end=Failed(NOT_BROUGHT.format(reason_of(error))), is_spent=True)
        finally:
            unpacker.close()
        return message

    def ask_to_cancel(self, job: str) -> None:
        """Make the next report of this job's task raise `JobCancelled`; no other job's."""
        self._actor.ask_to_cancel.remote(job)

    def kill(self) -> None:
        """Kill the process that does the work; its actor then removes the files."""
        self._actor.kill.remote()

    def end(self) -> None:
        """End the actor; it removes its files and frees all its memory."""
        self._ray.wait([self._actor.close.remote()], timeout=END_S)
        self._ray.kill(self._actor)
