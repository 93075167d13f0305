"""The check for a machine with a GPU: its bars, its wheels, and that it needs nothing of the page."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.cuda_check.rows import Row, table
from tests.cuda_check.wheels import without_other_languages
from tests.structure import ROOT

# What a machine for the check need not have: the page, the command line, the job queue, faces.
ABSENT = ("gradio", "insightface", "onnxruntime", "sqlmodel", "sqlalchemy", "fastapi", "starlette", "uvicorn", "typer", "rich", "pydantic",
          "cv2", "skimage", "scipy", "pandas", "matplotlib", "sklearn", "pillow_heif", "timm", "datasets")  # fmt: skip
HIDING = """
import runpy, sys

class Hiding:
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, *arguments):
        return None if name.partition(".")[0] in ABSENT else self.finder.find_spec(name, *arguments)

sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
sys.argv = ["tests.cuda_check", *sys.argv[1:]]
runpy.run_module("tests.cuda_check", run_name="__main__")
"""


def _checked(out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = f"ABSENT = {ABSENT!r}\n{HIDING}"
    command = [sys.executable, "-c", script, "--out", str(out), "--device", "cpu", "--small", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, check=False)


def test_a_bar_is_kept_broken_or_not_there() -> None:
    assert Row("a", "b", 1.0).is_met is None
    assert Row("a", "b", 1.0, most=2.0, least=1.0).is_met is True
    assert Row("a", "b", 3.0, most=2.0).is_met is False
    assert Row("a", "b", None, most=2.0).is_met is False, "what was not measured keeps no bar"
    assert Row("a", "b", float("nan"), most=2.0).is_met is False
    lines = table([Row("speed", "steps", 12.345, "a second"), Row("run", "prompts", 3, most=0, note="measured")]).splitlines()
    assert "12.35 a second" in lines[1] and "<= 0" in lines[2] and "NO" in lines[2]


def test_wheel_keeps_american_names_only(tmp_path: Path) -> None:
    wheel = tmp_path / "faker-1.0-py3-none-any.whl"
    provider = "faker/providers/person"
    kept = ["faker/__init__.py", f"{provider}/__init__.py", f"{provider}/en_US/__init__.py", "faker-1.0.dist-info/METADATA"]
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in (*kept, f"{provider}/de_DE/__init__.py"):
            archive.writestr(name, name)
    without_other_languages(wheel)
    assert sorted(zipfile.ZipFile(wheel).namelist()) == sorted(kept)
    assert list(tmp_path.iterdir()) == [wheel]


def test_check_agrees_with_itself_on_a_cpu_and_needs_nothing_of_the_page(tmp_path: Path) -> None:
    done = _checked(tmp_path, "--only", "agreement")
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "check.json").read_text("utf-8"))
    figures = {row["what"]: row["value"] for row in content["rows"]}
    assert figures["losses over 3 text steps, fp32"] == figures["latents after 5 steps, relative, fp32"] == 0
    assert 0 < figures["pooled embeddings, bf16"] < 1e-2
    assert "latents after 5 steps, relative, bf16" in (tmp_path / "check.txt").read_text("utf-8")


@pytest.mark.slow
def test_rehearsal_goes_through_all_sections(tmp_path: Path) -> None:
    done = _checked(tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    sections = {row["section"] for row in json.loads((tmp_path / "check.json").read_text("utf-8"))["rows"]}
    assert sections == {"agreement", "speed", "variants", "whole run", "check"}
