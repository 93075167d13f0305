"""Small pieces of work for the tests of jobs; run inside worker processes, so they live in a module of their own."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from unlearn.config import Settings
from unlearn.errors import InputError, ModelLoadError
from unlearn.jobs import Task, inputs_of
from unlearn.progress import Progress, Report


def count(task: Task, report: Report) -> dict[str, Any]:
    """Count to `n`, `pause_s` between the steps; leaves a file."""
    for step in range(1, task.request["n"] + 1):
        report(Progress(step, task.request["n"], "counting", {"clean": 1.0 / step}))
        time.sleep(task.request.get("pause_s", 0.0))
    (task.folder / "done.txt").write_text("done", encoding="utf-8")
    return {"counted": task.request["n"], "pid": os.getpid()}


def show_settings(task: Task, report: Report) -> dict[str, Any]:
    """Give back the server's settings as they arrived here, and what the environment says of the device."""
    settings = Settings.from_plain(task.settings)
    warm = Path(settings.data_dir / "warm.json")
    return {
        "settings": settings.to_plain(), "environment": os.environ.get("UNLEARN_DEVICE"), "pid": os.getpid(),
        "warm": json.loads(warm.read_text("utf-8")) if warm.is_file() else None,
    }  # fmt: skip


def warm_up(settings: dict[str, Any]) -> None:
    """Leave the settings as they arrived in the data folder."""
    (Settings.from_plain(settings).data_dir / "warm.json").write_text(json.dumps(settings), "utf-8")


def note_start(task: Task, report: Report) -> dict[str, Any]:
    """Append the job's label to a file that all jobs share."""
    with Path(task.request["log"]).open("a", encoding="utf-8") as file:
        file.write(task.request["label"] + "\n")
    return {}


def meet(task: Task, report: Report) -> dict[str, Any]:
    """Wait until as many jobs as `n` are here at the same time; tell the device that this one is on."""
    here = Path(task.request["folder"])
    (here / task.job).touch()
    while len(list(here.iterdir())) < task.request["n"]:
        report(Progress(1, 2, "waiting for the others"))
        time.sleep(0.02)
    return {"device": task.settings["device"], "pid": os.getpid()}


def hang(task: Task, report: Report) -> dict[str, Any]:
    """Never report again, as work that is stuck."""
    (task.folder / "half.txt").write_text("half", encoding="utf-8")
    report(Progress(1, 2, "stuck"))
    time.sleep(600)
    return {}


def refuse(task: Task, report: Report) -> dict[str, Any]:
    """Fail by something the user can mend."""
    raise InputError("The name is empty; write one.")


def break_down(task: Task, report: Report) -> dict[str, Any]:
    """Fail by a defect of the program."""
    raise ZeroDivisionError("secret name in the message")


def crash(task: Task, report: Report) -> dict[str, Any]:
    """End the process as the system does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def read_inputs(task: Task, report: Report) -> dict[str, Any]:
    """Tell what stands in the file that the job was given."""
    return {"read": (inputs_of(task.folder) / "000.bin").read_text(encoding="utf-8")}


def use_up_inputs(task: Task, report: Report) -> dict[str, Any]:
    """Read and remove the file that the job was given, add to one in the folder of the run that is asked, and leave a result."""
    given, asked = inputs_of(task.folder) / "000.bin", task.folder.parent / "asked" / "log"
    read = given.read_text(encoding="utf-8")
    given.unlink()
    asked.write_text(asked.read_text(encoding="utf-8") + " and more", encoding="utf-8")
    (task.folder / "result.txt").write_text("done", encoding="utf-8")
    return {"read": read, "data_dir": task.settings["data_dir"]}


def tell_lock(task: Task, report: Report) -> dict[str, Any]:
    """Give back what cannot be sent to another process."""
    return {"lock": threading.Lock()}


def look(task: Task, report: Report) -> dict[str, Any]:
    """The part of `after_look` that needs no GPU."""
    report(Progress(1, 1, "looking"))
    if task.request.get("refuse"):
        raise InputError("There are too few photos.")
    (task.folder / "looked.txt").write_text(str(os.getpid()), encoding="utf-8")
    return {}


def after_look(task: Task, report: Report) -> dict[str, Any]:
    """Tell which process did the first part, and which the second."""
    return {"looked": int((task.folder / "looked.txt").read_text(encoding="utf-8")), "pid": os.getpid()}


def tell(task: Task, report: Report) -> dict[str, Any]:
    """Report once, work on for `pause_s` without looking up, and give back the label; leaves the file named `leaves`."""
    report(Progress(1, 2, "working"))
    time.sleep(task.request.get("pause_s", 0.0))
    if "leaves" in task.request:
        (task.folder / task.request["leaves"]).write_text("{}", encoding="utf-8")
    return {"label": task.request["label"], "pid": os.getpid()}


def tell_what_cannot_be_stored(task: Task, report: Report) -> dict[str, Any]:
    """Give back what is no JSON."""
    return {"set": {1, 2}}


def tell_odd_text(task: Task, report: Report) -> dict[str, Any]:
    """Report and give back text that is no Unicode."""
    report(Progress(1, 2, "\ud800"))
    return {"text": "\ud800"}


def run_out_of_memory(task: Task, report: Report) -> dict[str, Any]:
    """Fail as memory does where the request says it, in the place `at`: "gpu", "cpu", "python", or while a model is loaded."""
    kinds: dict[str, Exception] = {
        "gpu": RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB"), "python": MemoryError(),
        "cpu": RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
    }  # fmt: skip
    try:
        raise kinds.get(task.request["at"], kinds["cpu"])
    except RuntimeError as error:
        if task.request["at"] == "loading":
            raise ModelLoadError("The weights of Secret Name cannot be loaded.") from error
        raise
