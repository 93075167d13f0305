"""Keeping freed memory: taken by glibc, harmless elsewhere."""

import subprocess
import sys

from unlearn.memory import keep_freed_memory


def test_other_systems_are_left_alone(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False


def test_glibc_takes_the_settings_in_a_process_of_its_own() -> None:
    code = "import platform; from unlearn.memory import keep_freed_memory as keep; print(keep(), platform.libc_ver()[0])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    taken, library = done.stdout.rstrip("\n").split(" ")
    assert taken == str(library == "glibc")
