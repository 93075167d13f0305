"""Which model set "auto" means. A process of its own asks torch, because the server never imports it."""

from __future__ import annotations

import json
import logging
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unlearn.config import Settings
from unlearn.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent.parent
WITHIN_S = 180.0  # torch is imported from a cold disk, and a driver that hangs must not keep the server from starting
EMBEDDED = "embedded"
NOTICE = "No GPU could be used when this server started, so it shows its small embedded model. The server's log says why."
QUESTION = """
import json, sys, warnings
from unlearn.models.clip import default_model_set
from unlearn.config import Settings
from unlearn.errors import UnlearnError
import torch
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    is_usable = torch.cuda.is_available()
answer = {"gpu": is_usable, "built_for": torch.version.cuda, "said": [str(warning.message) for warning in caught]}
answer["n_gpus"] = torch.cuda.device_count() if is_usable else 0
try:
    answer["set"] = default_model_set(Settings.from_plain(json.loads(sys.argv[1])))
except UnlearnError as error:
    answer["error"] = str(error)
print()
print(json.dumps(answer))
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DefaultSet:
    """The set, and, where it is not what the machine promises, a sentence for the page; "": all is well."""

    name: str
    notice: str = ""


def default_set(settings: Settings) -> DefaultSet:
    """The set that suits this machine; the log says why where a GPU seems to be there and cannot be used.

    Raises:
        ConfigError: a GPU is asked for by `device`, and it cannot be used.
    """
    if settings.device == "cpu" or (settings.device == "auto" and shutil.which("nvidia-smi") is None):
        return DefaultSet(EMBEDDED)
    answer = _ask_torch(settings)
    if isinstance(answer, str):
        problem = f"torch could not be asked for a GPU: the process that does so {answer}"
    elif "error" in answer:
        raise ConfigError(str(answer["error"]))
    elif not answer["gpu"]:
        problem = f"nvidia-smi is on this machine, but torch finds no GPU ({_why_none(answer)})"
    else:
        return DefaultSet(str(answer["set"]))
    if settings.device != "auto":
        raise ConfigError(f"device is {settings.device!r}, but {problem}. Mend that, or use --device cpu.")
    log.warning("%s. The embedded set is used, on the CPU; --device cpu says that this is meant.", problem)
    return DefaultSet(EMBEDDED, NOTICE)


def check_devices(settings: Settings, devices: Sequence[str]) -> None:
    """Check that the GPUs among several devices are there: a lane that fails every job would take them from those that work.

    Raises:
        ConfigError: one is not.
    """
    gpus = [device for device in devices if device.startswith("cuda")]
    if not gpus:
        return
    answer = _ask_torch(settings)
    if isinstance(answer, str):
        raise ConfigError(f"--device is {','.join(devices)!r}, but the process that asks torch for GPUs {answer}. Mend that, or use cpu.")
    for device in gpus:
        if int(device.partition(":")[2] or 0) >= answer["n_gpus"]:
            raise ConfigError(f"--device names {device}, but torch finds {answer['n_gpus']} GPUs, counted from cuda:0; name one of them.")


def _why_none(answer: dict[str, Any]) -> str:
    if answer["built_for"] is None:
        return "this torch was built without CUDA"
    reason = " ".join(str(answer["said"][0] if answer["said"] else "no reason given").split())
    return reason[:300]


def _ask_torch(settings: Settings) -> dict[str, Any] | str:
    """The answer to `QUESTION`, or what went wrong, as words behind "the process"."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", QUESTION, json.dumps(settings.to_plain())], cwd=ROOT, capture_output=True, text=True,
            errors="replace", check=False, timeout=WITHIN_S, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"gave no answer within {WITHIN_S:.0f} s"
    except OSError as error:
        return f"could not be started ({error.strerror})"
    last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1][:300]
    if done.returncode < 0:
        return f"was ended by {_signal_name(-done.returncode)}"
    if done.returncode > 0:
        return f"ended with exit code {done.returncode} ({last})"
    try:
        answer = json.loads(done.stdout.strip().splitlines()[-1])
        is_whole = isinstance(answer["gpu"], bool) and (isinstance(answer.get("set"), str) or "error" in answer)
        return {"built_for": None, "said": [], "n_gpus": 0, **answer} if is_whole else "printed something else"
    except (ValueError, LookupError, TypeError):
        return "printed something else"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
