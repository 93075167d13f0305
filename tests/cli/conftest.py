"""The command line as a function."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from unlearn.cli import app as command_line


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Run the command line with arguments; gives (exit code, stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        data = ("--data-dir", tmp_path / "data", "--device", "cpu", "--offline")
        monkeypatch.setattr(sys, "argv", ["unlearn", *map(str, (*data, *arguments))])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run
