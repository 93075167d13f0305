"""The connection to a Ray cluster, or a Ray of the server's own on this machine. Imports Ray only when it is asked for.

A Ray of its own listens on loopback only, asks each caller for a token, and keeps what does not fit into its memory in the server's
data folder. Usage statistics are never sent.
"""

from __future__ import annotations

import importlib
import os
import re
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unlearn.cluster.scratch import Scratch
from unlearn.errors import ConfigError, first_line

OBJECT_STORE_BYTES = 256 * 2**20  # pieces of files pass through it, a few at a time
START_TRIES = 6  # of a Ray of our own: it gives up where its processes are not there within 15 to 30 s, as on a busy machine
ENGINES = ("local", "ray")
PREFIX = "unlearn-ray-"
TEMPORARY = Path("/tmp")  # for sockets, whose paths must be short, and logs
NOT_INSTALLED = "--engine ray needs the package ray, which is not installed; run `pip install -r requirements-ray.txt`."
_IS_ADDRESS = re.compile(r"auto|[^\s/]+:\d{1,5}").fullmatch
_OWN = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # Ray's way to say that its processes listen on loopback only, on every system
    "RAY_AUTH_MODE": "token",
    "RAY_worker_register_timeout_seconds": "300",  # on a busy machine
}  # fmt: skip


@dataclass(frozen=True)
class ClusterConfig:
    """How lanes are spread over a cluster.

    Attributes:
        address: HOST:PORT of its head node, or "auto" for the one that this machine is part of; None: a Ray of our own.
        device: "cuda", "cpu", or "auto": GPUs where the cluster has any.
        share: part of a GPU that a lane takes, up to 1; on the CPU: how many CPUs.
    """

    address: str | None = None
    device: str = "auto"
    share: float = 1.0

    def __post_init__(self) -> None:
        if self.address is not None and not _IS_ADDRESS(self.address):
            raise ConfigError(f"--ray-address is {self.address[:100]!r}; use HOST:PORT of the cluster's head node, or auto.")
        if self.device not in ("auto", "cpu", "cuda"):
            raise ConfigError(f"--device is {self.device!r}; with --engine ray the cluster chooses the GPUs: use auto, cpu or cuda.")
        if not 0.01 <= self.share <= 1024:
            raise ConfigError(f"--ray-share is {self.share:g}; use 0.01 to 1 of a GPU, or a number of CPUs.")


class RayCluster:
    """A connection that is open until `close` is called; one a process."""

    def __init__(self, config: ClusterConfig, data_dir: Path) -> None:
        """Connect, or start a Ray of our own.

        Raises:
            ConfigError: Ray is not installed, the cluster cannot be reached, or it has nothing for a lane.
        """
        self.config, self._data_dir, self._folders = config, data_dir, list[Scratch]()
        self.is_own = config.address is None
        self.ray = _imported(self.is_own)
        try:
            with _kept_signals():
                self._connect()
            self.device, self.n_lanes = self._lanes()
        except Exception as error:
            self.close()
            if isinstance(error, ConfigError):
                raise
            place = "on this machine" if self.is_own else f"at {config.address}"
            raise ConfigError(f"Ray cannot be used {place} ({type(error).__name__}: {first_line(error)}).") from error

    def _connect(self) -> None:
        options: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": "WARNING"}
        if self.is_own:
            spilled, temporary = (Scratch(parent, PREFIX) for parent in (self._data_dir, TEMPORARY))
            self._folders = [spilled, temporary]
            options |= {
                "object_store_memory": OBJECT_STORE_BYTES, "object_spilling_directory": str(spilled.path), "_temp_dir": str(temporary.path),
            }  # fmt: skip
        for tries_left in reversed(range(START_TRIES if self.is_own else 1)):
            try:
                self.ray.init(address=self.config.address or "local", **options)  # "local": whatever RAY_ADDRESS says
                return
            except Exception:  # Ray has no class of its own for it
                if not tries_left:
                    raise
                self._end_processes()

    def _end_processes(self) -> None:
        """End what a Ray of our own has started, also where it did not come up."""
        self.ray.shutdown()
        psutil = importlib.import_module("psutil")  # comes with Ray
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                if any(str(folder.path) in argument for folder in self._folders for argument in process.cmdline()):
                    process.kill()

    def _lanes(self) -> tuple[str, int]:
        """The device of the lanes, and how many there are room for."""
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        has_gpus = any(node.get("GPU", 0) > 0 for node in nodes)
        device = self.config.device if self.config.device != "auto" else "cuda" if has_gpus else "cpu"
        kind = "GPU" if device == "cuda" else "CPU"
        if kind == "GPU" and self.config.share > 1:
            raise ConfigError(f"--ray-share is {self.config.share:g}; a lane uses one GPU: use at most 1.")
        n_lanes = sum(int(node.get(kind, 0) / self.config.share + 1e-9) for node in nodes)
        if n_lanes == 0:
            raise ConfigError(f"No machine of the Ray cluster has {self.config.share:g} {kind}s for a lane; start its nodes first, "
                              "or change --device or --ray-share.")  # fmt: skip
        return device, n_lanes

    @property
    def folders(self) -> list[Path]:
        """Where a Ray of our own keeps what does not fit into its memory, its sockets and its logs."""
        return [folder.path for folder in self._folders]

    def close(self) -> None:
        """Disconnect; a Ray of our own is ended, and what it kept is removed."""
        if self.is_own:
            self._end_processes()
        else:
            self.ray.shutdown()
        for folder in self._folders:
            folder.remove()


def _imported(is_own: bool) -> Any:
    """The package; what it reads from the environment when it is imported is set before."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if is_own:
        os.environ.update(_OWN)
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise ConfigError(NOT_INSTALLED) from error


@contextmanager
def _kept_signals() -> Iterator[None]:
    """Ray sets a handler of its own for SIGTERM; the server stops in order by its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
