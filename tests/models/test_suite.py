"""A model set is loaded once for a process, one at a time, and again only when its files, device or precision change."""

import copy
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import ref

import pytest
import torch

from tests.support.miniature import build_miniature
from unlearn.config import PortraitConfig, Settings
from unlearn.errors import ModelLoadError
from unlearn.models import suite as module
from unlearn.models.defended import save_defended
from unlearn.models.latest import Latest
from unlearn.models.suite import suite_of

pytestmark = pytest.mark.usefixtures("nothing_loaded")


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the loaders that were called."""
    called: list[str] = []

    def counted(name: str, loader: Callable[..., Any]) -> Callable[..., Any]:
        def load(*arguments: Any, **options: Any) -> Any:
            called.append(name)
            return loader(*arguments, **options)

        return load

    for name in ("load_clip", "load_diffusion", "load_defended"):
        monkeypatch.setattr(module, name, counted(name, getattr(module, name)))
    return called


@pytest.fixture
def own_set(miniature: Path, tmp_path: Path) -> Path:
    """A copy of the miniature that a test may change."""
    return Path(shutil.copytree(miniature, tmp_path / "set"))


def test_set_is_loaded_once_with_its_world_and_its_diffusion_model(miniature: Path, settings: Settings, loads: list[str]) -> None:
    first = suite_of(str(miniature), settings)
    assert loads == ["load_clip"]
    assert first.world is not None and first.can_draw
    diffusion = first.diffusion()
    again = suite_of(str(miniature), settings)
    assert again is first and again.diffusion() is diffusion
    assert loads == ["load_clip", "load_diffusion"]


def test_other_folders_share_the_models_but_not_the_caches(miniature: Path, settings: Settings, tmp_path: Path, loads: list[str]) -> None:
    first = suite_of(str(miniature), settings)
    diffusion = first.diffusion()
    other = suite_of(str(miniature), replace(settings, data_dir=tmp_path / "other", n_threads=1))
    assert other.clip is first.clip and other.diffusion() is diffusion
    assert other.embeddings is not first.embeddings and other.settings.data_dir == tmp_path / "other"
    assert loads == ["load_clip", "load_diffusion"]


def test_other_precision_is_loaded_anew(miniature: Path, settings: Settings, loads: list[str]) -> None:
    suite_of(str(miniature), settings)
    assert suite_of(str(miniature), replace(settings, precision="bf16")).clip.text.precision is torch.bfloat16
    assert loads == ["load_clip"] * 2


@pytest.mark.parametrize(
    "file", ["stable-diffusion/unet/config.json", "stable-diffusion/scheduler/scheduler_config.json", "clip/open_clip_config.json",
             "world.json"],
)  # fmt: skip
def test_file_that_was_written_to_makes_the_set_be_loaded_again(own_set: Path, settings: Settings, loads: list[str], file: str) -> None:
    before = suite_of(str(own_set), settings)
    (own_set / file).write_text((own_set / file).read_text("utf-8") + "\n", "utf-8")
    assert suite_of(str(own_set), settings) is not before and loads == ["load_clip"] * 2


def test_weights_of_equal_size_and_time_are_read_again(own_set: Path, settings: Settings, tmp_path: Path) -> None:
    file = own_set / "clip" / "open_clip_model.safetensors"
    before = suite_of(f"{own_set}+none", settings).clip.text.weights_hash
    other = build_miniature(tmp_path / "other", seed=1) / "clip" / file.name
    status = file.stat()
    shutil.copyfile(other, file)
    assert file.stat().st_size == status.st_size
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert suite_of(f"{own_set}+none", settings).clip.text.weights_hash != before


def test_former_set_is_freed_before_the_next_one_is_loaded(
    miniature: Path, own_set: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = suite_of(str(miniature), settings)
    towers = [ref(suite.clip.text), ref(suite.clip.image), ref(suite.diffusion().unet)]
    del suite
    alive: list[bool] = []
    load = module.load_clip

    def load_clip(name: str, settings: Settings) -> Any:
        alive.extend(tower() is not None for tower in towers)
        return load(name, settings)

    monkeypatch.setattr(module, "load_clip", load_clip)
    suite_of(str(own_set), settings)
    assert alive == [False] * 3


def test_set_that_cannot_be_loaded_leaves_nothing_behind(miniature: Path, settings: Settings, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(miniature, tmp_path / "set"))
    (broken / "clip" / "open_clip_model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelLoadError):
        suite_of(str(broken), settings)
    assert suite_of(str(miniature), settings).clip.text is not None


def test_threads_that_ask_at_the_same_time_get_one_suite(miniature: Path, settings: Settings, loads: list[str]) -> None:
    barrier = threading.Barrier(4)

    def ask(number: int) -> tuple[int, int]:
        barrier.wait()
        suite = suite_of(str(miniature), settings)
        return id(suite), id(suite.diffusion())

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(ask, range(4)))) == 1
    assert sorted(loads) == ["load_clip", "load_diffusion"]


def test_defended_weights_are_kept_until_they_are_replaced(
    miniature: Path, settings: Settings, tmp_path: Path, loads: list[str]
) -> None:
    suite = suite_of(str(miniature), settings)

    def save(factor: float) -> None:
        save_defended(tmp_path / "defended", suite.clip, suite.clip.with_text(_scaled(suite.clip.text, factor)))

    save(1.1)
    first = suite.pair(tmp_path / "defended")
    assert suite.pair(tmp_path) is first and first.original is suite.clip
    save(1.2)
    second = suite.pair(tmp_path / "defended")
    assert second.defended.text.weights_hash != first.defended.text.weights_hash != suite.clip.text.weights_hash
    assert loads == ["load_clip", "load_defended", "load_defended"]


def _scaled(encoder: Any, factor: float) -> Any:
    student = copy.deepcopy(encoder)
    with torch.no_grad():
        for parameter in student.blocks.parameters():
            parameter.mul_(factor)
    return student


def test_little_memory_lets_go_of_the_diffusion_model(
    miniature: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, loads: list[str]
) -> None:
    suite = suite_of(str(miniature), settings)
    suite.diffusion()
    for free, n_loads in ((None, 1), (10**12, 1), (1000, 2)):
        monkeypatch.setattr(module, "free_memory", lambda free=free: free)
        suite.make_room()
        suite.diffusion()
        assert loads.count("load_diffusion") == n_loads


def test_weights_are_checked_for_drawing_once(miniature: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[bool] = []
    monkeypatch.setattr(module, "require_drawing", lambda folder, config, with_weights: checked.append(with_weights))
    suite = suite_of(str(miniature), settings)
    for _ in range(2):
        suite.require_drawing(PortraitConfig())
    assert checked == [True, False]


def test_set_without_diffusion_model_says_so(miniature: Path, settings: Settings) -> None:
    suite = suite_of(f"{miniature}+none", settings)
    suite.require_drawing(PortraitConfig())
    assert not suite.can_draw
    with pytest.raises(ModelLoadError, match="has no Stable Diffusion"):
        suite.diffusion()


def test_latest_keeps_so_many_and_makes_room_before_it_computes() -> None:
    latest = Latest[str](2)
    sizes: list[int] = []

    def compute(value: str) -> str:
        sizes.append(len(latest.kept()))
        return value

    for key in "abaca":
        assert latest.get(key, lambda key=key: compute(key)) == key  # type: ignore[misc]
    assert latest.kept() == ["c", "a"] and sizes == [0, 1, 1]
    latest.clear()
    assert latest.kept() == []
