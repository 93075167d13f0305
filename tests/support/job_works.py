"""Small pieces of work for the tests of jobs; run inside worker processes, so they live in a module of their own."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from unlearn.errors import InputError, ModelLoadError
from unlearn.jobs import inputs_of
from unlearn.progress import Progress, Report


def count(request: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """Count to `n`, `pause_s` between the steps; leaves a file."""
    for step in range(1, request["n"] + 1):
        report(Progress(step, request["n"], "counting", {"clean": 1.0 / step}))
        time.sleep(request.get("pause_s", 0.0))
    (folder / "done.txt").write_text("done", encoding="utf-8")
    return {"counted": request["n"], "pid": os.getpid()}


def note_start(request: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """Append the job's label to a file that all jobs share."""
    with Path(request["log"]).open("a", encoding="utf-8") as file:
        file.write(request["label"] + "\n")
    return {}


def hang(request: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """Never report again, as work that is stuck."""
    (folder / "half.txt").write_text("half", encoding="utf-8")
    report(Progress(1, 2, "stuck"))
    time.sleep(600)
    return {}


def refuse(request: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """Fail by something the user can mend."""
    raise InputError("The name is empty; write one.")


def break_down(request: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """Fail by a defect of the program."""
    raise ZeroDivisionError("secret name in the message")


def crash(request: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """End the process as the system does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def read_inputs(request: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """Tell what stands in the file that the job was given."""
    return {"read": (inputs_of(folder) / "000.bin").read_text(encoding="utf-8")}


def tell_lock(request: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """Give back what cannot be sent to another process."""
    return {"lock": threading.Lock()}


def look(request: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """The part of `after_look` that needs no GPU."""
    report(Progress(1, 1, "looking"))
    if request.get("refuse"):
        raise InputError("There are too few photos.")
    (folder / "looked.txt").write_text(str(os.getpid()), encoding="utf-8")
    return {}


def after_look(request: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """Tell which process did the first part, and which the second."""
    return {"looked": int((folder / "looked.txt").read_text(encoding="utf-8")), "pid": os.getpid()}


def tell(request: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """Report once, work on for `pause_s` without looking up, and give back the label; leaves the file named `leaves`."""
    report(Progress(1, 2, "working"))
    time.sleep(request.get("pause_s", 0.0))
    if "leaves" in request:
        (folder / request["leaves"]).write_text("{}", encoding="utf-8")
    return {"label": request["label"], "pid": os.getpid()}


def tell_what_cannot_be_stored(request: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """Give back what is no JSON."""
    return {"set": {1, 2}}


def tell_odd_text(request: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """Report and give back text that is no Unicode."""
    report(Progress(1, 2, "\ud800"))
    return {"text": "\ud800"}


def run_out_of_memory(request: dict[str, Any], folder: Path, report: Report) -> dict[str, Any]:
    """Fail as memory does where the request says it, in the place `at`: "gpu", "cpu", "python", or while a model is loaded."""
    kinds: dict[str, Exception] = {
        "gpu": RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB"), "python": MemoryError(),
        "cpu": RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
    }  # fmt: skip
    try:
        raise kinds.get(request["at"], kinds["cpu"])
    except RuntimeError as error:
        if request["at"] == "loading":
            raise ModelLoadError("The weights of Secret Name cannot be loaded.") from error
        raise
