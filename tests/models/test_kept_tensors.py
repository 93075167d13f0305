"""Tensors kept in a folder: up to a total size, and nothing of an earlier version that may hold a name."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from unlearn.models.kept_tensors import FORMAT, KeptTensors

TENSOR = torch.arange(1000, dtype=torch.float32)  # about 4 KB a file


def keys(folder: Path) -> set[str]:
    return {path.stem for path in folder.iterdir()}


def test_what_was_used_least_recently_goes_first(tmp_path: Path) -> None:
    kept = KeptTensors(tmp_path, 10_000)
    for when, key in enumerate(("a", "b")):
        kept.write(key, "x", TENSOR + when)
        os.utime(tmp_path / f"{key}.safetensors", (when, when))
    found = kept.read("a", "x")  # now "b" is the one that nobody asked for
    assert found is not None and torch.equal(found, TENSOR)
    kept.write("c", "x", TENSOR)
    assert keys(tmp_path) == {"a", "c"} and kept.read("b", "x") is None
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 10_000


def test_a_tensor_larger_than_the_limit_is_not_kept_and_drives_nothing_out(tmp_path: Path) -> None:
    KeptTensors(tmp_path, 10_000).write("a", "x", TENSOR)
    KeptTensors(tmp_path, 10_000).write("b", "x", TENSOR.repeat(3))
    assert keys(tmp_path) == {"a"}
    KeptTensors(tmp_path / "none", 0).write("a", "x", TENSOR)
    assert not (tmp_path / "none").exists()


def test_parts_that_a_killed_process_left_count_and_go(tmp_path: Path) -> None:
    left = tmp_path / "tmp123.part"
    left.write_bytes(bytes(9000))
    os.utime(left, (0, 0))
    KeptTensors(tmp_path, 10_000).write("a", "x", TENSOR)
    assert keys(tmp_path) == {"a"}


def test_files_of_the_first_version_are_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    names = [f"{64 * 'a'}.safetensors", f"{32 * 'b'}.safetensors", f"{FORMAT}-{64 * 'a'}.safetensors", "mine.safetensors"]
    for name in [*names, f"photos/{64 * 'c'}.safetensors"]:
        (tmp_path / name).write_bytes(b"")
    KeptTensors(tmp_path, 10_000)
    assert {path.name for path in tmp_path.iterdir()} == {*names[2:], "photos"}
    assert len(list((tmp_path / "photos").iterdir())) == 1
