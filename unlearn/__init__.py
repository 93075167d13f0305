"""Make CLIP and Stable Diffusion forget people, and measure whether they did.

The public names. Settings, configs and errors are imported at once; what needs torch is imported when it is first
asked for, so that `import unlearn` costs nothing.
"""

from typing import TYPE_CHECKING, Any

from unlearn.config import (
    EarlyStop,
    ForgetConfig,
    IdiaConfig,
    ImageFineTuneConfig,
    Person,
    PortraitConfig,
    Progress,
    Settings,
    TextFineTuneConfig,
)
from unlearn.errors import ConfigError, InputError, JobCancelled, ModelLoadError, UnlearnError

if TYPE_CHECKING:
    from unlearn.experiment import PortraitRequest, attack, forget, people, portraits, predict, probe

_FROM_EXPERIMENT = ("PortraitRequest", "attack", "forget", "people", "portraits", "predict", "probe")

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
    if name in _FROM_EXPERIMENT:
        from unlearn import experiment

        return getattr(experiment, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
