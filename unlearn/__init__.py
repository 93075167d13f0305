"""Make CLIP and Stable Diffusion forget people, and measure whether they did.

The public names. Settings, configs and errors are imported at once; what needs torch is imported when it is first
asked for, so that `import unlearn` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

from unlearn.config import EarlyStop, ForgetConfig, IdiaConfig, ImageFineTuneConfig, Person, PortraitConfig, Settings, TextFineTuneConfig
from unlearn.errors import ConfigError, InputError, JobCancelled, ModelLoadError, UnlearnError
from unlearn.progress import Progress

if TYPE_CHECKING:
    from unlearn.runs.forgetting import forget
    from unlearn.runs.questions import PortraitRequest, attack, people, portraits, predict, probe

_LATE = {
    "forget": "unlearn.runs.forgetting",
    **dict.fromkeys(("PortraitRequest", "attack", "people", "portraits", "predict", "probe"), "unlearn.runs.questions"),
}  # name -> the module that defines it

__all__ = [
    "ConfigError",
    "EarlyStop",
    "ForgetConfig",
    "IdiaConfig",
    "ImageFineTuneConfig",
    "InputError",
    "JobCancelled",
    "ModelLoadError",
    "Person",
    "PortraitConfig",
    "PortraitRequest",
    "Progress",
    "Settings",
    "TextFineTuneConfig",
    "UnlearnError",
    "attack",
    "forget",
    "people",
    "portraits",
    "predict",
    "probe",
]


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(importlib.import_module(_LATE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
