"""Devices as users write them: one, or several of a server."""

from __future__ import annotations

from pathlib import Path

import pytest

import app
from tests.support.zero_platform import Platform
from ui.server import default_set as asking
from ui.server.options import Options
from ui.server.service import Service
from unlearn.config import Settings, devices_of
from unlearn.errors import ConfigError
from unlearn.jobs import ZeroGpu


@pytest.mark.parametrize(("text", "devices"), [
    ("auto", ("auto",)), ("cuda:12", ("cuda:12",)), ("cuda:0, cuda:1", ("cuda:0", "cuda:1")), ("cpu,cpu", ("cpu", "cpu")),
])  # fmt: skip
def test_devices_are_separated_by_commas(text: str, devices: tuple[str, ...]) -> None:
    assert devices_of(text) == devices


@pytest.mark.parametrize("text", ["", "tpu", "cuda:", "cuda:-1", "cuda:٣", "cuda:123", "auto,cpu", "cpu,", "cpu,gpu"])
def test_other_texts_are_refused_with_what_may_be_written(text: str) -> None:
    with pytest.raises(ConfigError, match="separated by commas"):
        devices_of(text)


def test_one_process_has_one_device() -> None:
    with pytest.raises(ConfigError, match="use auto, cpu, cuda or cuda:N"):
        Settings(device="cpu,cpu")


def test_flag_gives_every_queue_a_lane_for_each_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNLEARN_DEVICE", "cpu,cpu")
    flags = app._parser().parse_args(["--data-dir", str(tmp_path)])
    settings = app.settings_of(flags)
    service = Service(settings, app.options_of(flags, settings, "tests.support.ui_fixture"))
    service.stop()
    assert settings.device == "cpu" and list(service.jobs._lanes) == ["forget", "forget-2", "quick", "quick-2"]


@pytest.mark.parametrize(("n_gpus", "devices", "problem"), [
    (2, ("cuda:0", "cuda:1"), None), (2, ("cuda:0", "cuda:2"), "names cuda:2, but torch finds 2 GPUs"),
    (0, ("cpu", "cuda"), "finds 0 GPUs"),
])  # fmt: skip
def test_gpu_that_is_not_there_is_told_when_the_server_starts(
    n_gpus: int, devices: tuple[str, ...], problem: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_ask_torch", lambda settings: {"n_gpus": n_gpus})
    if problem is None:
        asking.check_devices(Settings(), devices)
    else:
        with pytest.raises(ConfigError, match=problem):
            asking.check_devices(Settings(), devices)


def test_lent_gpus_are_one_at_a_time() -> None:
    zero = ZeroGpu(Platform(), 60)
    with pytest.raises(ConfigError, match="use auto"):
        Options(zero=zero, devices=("cuda:0", "cuda:1"))
