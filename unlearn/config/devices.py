"""Devices as users write them. Imported through `unlearn.config`."""

from __future__ import annotations

import re

from unlearn.errors import ConfigError

MAX_DEVICES = 64
AUTO = "auto"


def is_device(text: str) -> bool:
    """Whether a text names a device: auto, cpu, cuda or cuda:N."""
    return text in (AUTO, "cpu", "cuda") or re.fullmatch(r"cuda:[0-9]{1,2}", text) is not None


def devices_of(text: str) -> tuple[str, ...]:
    """The devices of a server, separated by commas; one that stands twice is used twice.

    Raises:
        ConfigError: no device, too many, or `auto` beside others, which would not say where it is.
    """
    devices = tuple(part.strip() for part in text.split(","))
    for device in devices:
        if not is_device(device) or (device == AUTO and len(devices) > 1):
            raise ConfigError(f"device is {text!r}; use auto, cpu, cuda or cuda:N; several are separated by commas, as cuda:0,cuda:1.")
    if len(devices) > MAX_DEVICES:
        raise ConfigError(f"{len(devices)} devices are too many; use at most {MAX_DEVICES}.")
    return devices
