"""The machine of a lane, without Ray: the files of a job come, change and leave; nothing stays behind, whatever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.waiting import WITHIN_S, until
from unlearn.cluster.host import PREFIX, HostPlan, LaneHost
from unlearn.cluster.parcels import Piece
from unlearn.cluster.scratch import Scratch
from unlearn.config import Settings
from unlearn.jobs import Cancelled, Succeeded, Task
from unlearn.jobs.tasks import Message
from unlearn.jobs.workers import WorkerPlan

NAME = "Zebulon Quartermain"
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def host(tmp_path: Path) -> Iterator[LaneHost]:
    made = LaneHost(HostPlan(WorkerPlan("unlearn-test"), tmp_path))
    yield made
    made.close()
    assert list(tmp_path.iterdir()) == [], "it leaves nothing behind"


def task_of(work: str, **request: object) -> Task:
    settings = Settings(data_dir=Path("/of/the/server"), device="cpu").to_plain()
    return Task("one", f"tests.support.job_works:{work}", dict(request), Path("runs/one"), settings)


def end_of(host: LaneHost) -> Message:
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        message = host.receive(0.1)
        if message is not None and message.end is not None:
            return message
    raise AssertionError("waited too long")


def taken(host: LaneHost) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    while pieces := host.take():
        for piece in pieces:
            files[piece.path] = files.get(piece.path, b"") + piece.content
    return files


def test_job_reads_its_inputs_and_its_changes_leave_again(host: LaneHost, tmp_path: Path) -> None:
    host.expect(["runs/one", "inputs/one", "runs/asked"])
    host.put([Piece("inputs/one/000.bin", b"secret", True), Piece("runs/asked/kept", b"k", True), Piece("runs/asked/log", b"l", True)])
    host.start(task_of("use_up_inputs"), "runs/one")
    end = end_of(host).end
    assert isinstance(end, Succeeded) and end.result["read"] == "secret"
    assert Path(end.result["data_dir"]).parent == tmp_path and end.result["data_dir"] != "/of/the/server"
    assert host.finish() == ["inputs/one/000.bin"], "what it removed"
    assert taken(host) == {"runs/asked/log": b"l and more", "runs/one/result.txt": b"done"}, "what it did not change stays"
    host.clear()
    left = [path.name for path in tmp_path.glob(f"{PREFIX}*/*/*")]
    assert left == []


def test_cancelled_job_ends_and_so_does_one_that_is_killed(host: LaneHost) -> None:
    host.expect(["runs/one"])
    host.start(task_of("count", n=100_000, pause_s=0.01), "runs/one")
    until(lambda: host.receive(0.1) is not None)
    host.ask_to_cancel("one")
    assert isinstance(end_of(host).end, Cancelled)
    host.start(task_of("hang"), "runs/one")
    until(lambda: host.receive(0.1) is not None)
    host.kill()
    assert host.wait_for_end() == -signal.SIGKILL and host.receive(5.0) is None


def test_error_of_a_machine_has_no_text(host: LaneHost, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object, pieces: object) -> None:
        raise ValueError(NAME)

    monkeypatch.setattr("unlearn.cluster.parcels.Unpacker.write", fail)
    with pytest.raises(OSError) as caught:
        host.put([])
    assert NAME not in str(caught.value) and "ValueError" in str(caught.value) and caught.value.__cause__ is None


def test_files_do_not_outlive_a_machine_process_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from tests.cluster.test_host import *\n"
        "if __name__ == '__main__':\n"
        "    host = LaneHost(HostPlan(WorkerPlan('unlearn-test'), Path(sys.argv[1])))\n"
        "    host.expect(['runs/one']); host.start(task_of('hang'), 'runs/one')\n"
        "    while host.receive(1.0) is None: pass\n"
        "    print('hangs', flush=True); time.sleep(600)\n"
    )
    program = tmp_path / "machine.py"
    program.write_text(script, encoding="utf-8")
    folder = tmp_path / "scratch"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, str(program), str(folder)], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None and process.stdout.readline() == "hangs\n"
    assert list(folder.glob(f"{PREFIX}*/runs/one/half.txt"))
    process.kill()
    process.wait()
    process.stdout.close()
    until(lambda: not list(folder.iterdir()))


def test_folder_that_was_left_is_removed_and_one_in_use_is_not(tmp_path: Path) -> None:
    left, used = tmp_path / "x-left", Scratch(tmp_path, "x-")
    for folder in (left, tmp_path / "y-other"):
        folder.mkdir()
    (used.path / "photo").touch()
    Scratch(tmp_path, "x-").remove()
    assert not left.exists() and (used.path / "photo").is_file() and (tmp_path / "y-other").is_dir()
    used.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["y-other"]
