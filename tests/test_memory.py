"""Keeping freed memory: taken by glibc, harmless elsewhere; and knowing when there is too little."""

import subprocess
import sys
from pathlib import Path

import pytest

from unlearn.memory import free_memory, is_out_of_memory, keep_freed_memory


def test_other_systems_are_left_alone(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False


def test_glibc_takes_the_settings_in_a_process_of_its_own() -> None:
    code = "import platform; from unlearn.memory import keep_freed_memory as keep; print(keep(), platform.libc_ver()[0])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    taken, library = done.stdout.rstrip("\n").split(" ")
    assert taken == str(library == "glibc")


def test_free_memory_is_the_machines_or_its_containers(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:    5000 kB\nSwapFree: 1000 kB\nHugePages_Total: 0\n")
    assert free_memory(tmp_path / "meminfo", tmp_path / "none") == 6000 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("3000000\n")
    (tmp_path / "memory.stat").write_text("anon 1000000\nfile 2000000\n")
    assert free_memory(tmp_path / "meminfo", tmp_path) == 6000 * 1024
    (tmp_path / "memory.max").write_text("4000000\n")
    assert free_memory(tmp_path / "meminfo", tmp_path) == 4000000 - 3000000 + 2000000
    assert free_memory(tmp_path / "none", tmp_path) is None


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA error: out of memory"), OSError(12, "Cannot allocate memory")])
def test_too_little_memory_is_known_whatever_says_so(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
