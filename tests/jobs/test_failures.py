"""What an unexpected error is told as: lack of memory by its name, places without values; also on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from unlearn.cli import app as command_line
from unlearn.errors import InputError, ModelLoadError, OutOfMemory
from unlearn.jobs.failures import lack_of_memory, places


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("error", [
    MemoryError(), torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("CUDA error: out of memory"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried"),
    OSError(12, "Cannot allocate memory"), caused(ModelLoadError("x cannot be loaded"), MemoryError()),
    caused(InputError("x"), caused(ValueError("y"), RuntimeError("std::bad_alloc"))), OutOfMemory("too little"),
])  # fmt: skip
def test_lack_of_memory_is_recognised_whoever_tells_it(error: Exception) -> None:
    assert isinstance(lack_of_memory(error), OutOfMemory)


@pytest.mark.parametrize("error", [
    InputError("The name is 'out of memory'; write another."), RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    OSError(28, "No space left on device"), KeyError("Memory Lane"), ModelLoadError("weights cannot be loaded: out of memory"),
])  # fmt: skip
def test_other_errors_are_not_taken_for_it(error: Exception) -> None:
    assert lack_of_memory(error) is None


def test_gpu_and_machine_are_told_apart() -> None:
    assert "--device cpu" in str(lack_of_memory(torch.OutOfMemoryError("CUDA out of memory.")))
    assert "GPU" not in str(lack_of_memory(MemoryError()))


def test_memory_that_a_tensor_does_not_get_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert lack_of_memory(caught.value) is not None


def test_places_hold_files_of_the_project_and_of_packages_but_no_folder_and_no_text() -> None:
    def read() -> None:
        try:
            json.loads("Secret Name")
        except ValueError as error:
            raise KeyError("Secret Name") from error

    with pytest.raises(KeyError) as caught:
        read()
    told = places(caught.value)
    assert "tests/jobs/test_failures.py:" in told and "in read" in told and told.endswith("KeyError from JSONDecodeError")
    assert "Secret" not in told and str(Path(__file__).parent.parent.parent) not in told
    with pytest.raises(TypeError) as caught_within:
        torch.nn.Linear(2, 2)(None)
    assert "\ntorch/nn/modules/linear.py:" in places(caught_within.value)


@pytest.mark.parametrize("error", [
    MemoryError(), RuntimeError("CUDA out of memory."), caused(ModelLoadError("x cannot be loaded"), MemoryError()),
    OSError(12, "Cannot allocate memory"),
])  # fmt: skip
def test_command_line_names_the_lack_of_memory(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(command_line, "app", fail)
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == 2 and "did not suffice" in " ".join(capsys.readouterr().err.split())


def test_command_line_hides_no_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(command_line, "app", fail)
    with pytest.raises(ZeroDivisionError):
        command_line.main()
