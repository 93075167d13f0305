"""Every setting, validated when it is made: persons, schedules, folders and devices; no torch, no model, no files beyond paths."""

from unlearn.config.devices import devices_of
from unlearn.config.drawn_photos import DrawnPhotosConfig
from unlearn.config.finder_bars import FinderBars
from unlearn.config.limits import MAX_SEED
from unlearn.config.methods import METHODS, check_schedule
from unlearn.config.persons import Person, check_persons, clean_name, is_same_name, name_key
from unlearn.config.portraits import PortraitConfig, numbered_seeds
from unlearn.config.schedule_parts import RELATIVE_STOP, ClosedForm, EarlyStop
from unlearn.config.schedules import FineTuneConfig, ImageFineTuneConfig, TextFineTuneConfig
from unlearn.config.settings import ForgetConfig, IdiaConfig, ResolvedConfig, Settings

__all__ = [
    "MAX_SEED",
    "METHODS",
    "RELATIVE_STOP",
    "ClosedForm",
    "DrawnPhotosConfig",
    "EarlyStop",
    "FinderBars",
    "FineTuneConfig",
    "ForgetConfig",
    "IdiaConfig",
    "ImageFineTuneConfig",
    "Person",
    "PortraitConfig",
    "ResolvedConfig",
    "Settings",
    "TextFineTuneConfig",
    "check_persons",
    "check_schedule",
    "clean_name",
    "devices_of",
    "is_same_name",
    "name_key",
    "numbered_seeds",
]
