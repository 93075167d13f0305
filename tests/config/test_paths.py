"""Paths as users write them, and modes of what is written."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from unlearn import modes
from unlearn.config import Settings, paths
from unlearn.errors import ConfigError
from unlearn.files import write_json
from unlearn.jobs.store import JobStore
from unlearn.models.kept_tensors import KeptTensors

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(params=[0o022, 0o002, 0o077])
def plain_mode(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield 0o666 & ~request.param
    os.umask(before)


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_tilde_is_the_home_folder_in_settings_of_every_origin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("UNLEARN_DATA_DIR", "~/x y")
    monkeypatch.setenv("UNLEARN_MODELS_DIR", "~/m+é")
    settings = Settings.from_environment()
    assert (settings.data_dir, settings.models_dir) == (tmp_path / "x y", tmp_path / "m+é")
    assert Settings(data_dir=Path("~/x")).data_dir == tmp_path / "x"


def test_home_of_nobody_is_an_error() -> None:
    with pytest.raises(ConfigError, match="'~nobody-here/x' starts with a home folder"):
        Settings(data_dir=Path("~nobody-here/x"))


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("~/a", "{}/a"), ("--out=~/a", "{}/a"), ("captions=~/a b", "{}/a b"), ("~", "{}"), ("a~/b", "a~/b"),
        ("--name=Ann Lee", "--name=Ann Lee"), ("~ about", "~ about"),
    ],
)  # fmt: skip
def test_argument_of_the_command_line_has_its_tilde_replaced(
    argument: str, expected: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    key = argument.rpartition("=")[0]
    expected = expected.format(tmp_path)
    assert paths.expanded_argument(argument) == (f"{key}={expected}" if key and "{" not in expected and "~" in argument else expected)


def test_home_is_in_the_data_folder_where_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing(cls: type[Path]) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setenv("HOME", "/there")
    paths.settle_home(tmp_path)
    assert os.environ["HOME"] == "/there"
    monkeypatch.setattr(Path, "home", classmethod(missing))
    paths.settle_home(tmp_path)
    assert os.environ["HOME"] == str(tmp_path / "home")


HOMELESS = """
import os, pwd, sys

def getpwuid(uid):
    raise KeyError(uid)

pwd.getpwuid = getpwuid  # as for a number without an entry
os.environ.pop("HOME", None)
sys.argv = ["unlearn", *sys.argv[1:]]
from unlearn.cli.app import main
main()
"""


def test_command_line_works_for_a_user_without_name_and_home(tmp_path: Path) -> None:
    outside = {**os.environ, "PYTHONPATH": str(ROOT), "UNLEARN_DATA_DIR": str(tmp_path / "data")}
    for arguments in (["sets", "--json"], ["--offline", "people", "--set", "sd14"]):
        done = subprocess.run(
            [sys.executable, "-c", HOMELESS, *arguments], cwd=tmp_path, env=outside, capture_output=True, text=True, timeout=300
        )
        assert (done.returncode, "Traceback" in done.stderr) in ((0, False), (2, False)), done.stderr
    assert not (tmp_path / "~").exists()


def test_files_of_runs_and_caches_follow_the_umask(plain_mode: int, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    write_json(tmp_path / "a.json", {})
    KeptTensors(tmp_path, 1_000_000).write("b", "b", torch.zeros(1))
    save_file({"c": torch.zeros(1)}, tmp_path / "c.safetensors")
    modes.follow_umask(tmp_path / "c.safetensors")
    assert {_mode(path) for path in tmp_path.iterdir()} == {plain_mode}
    assert len(list(tmp_path.iterdir())) == 3  # nothing is left of the ways there


def test_list_of_jobs_is_private_whatever_the_umask_with_all_that_sqlite_writes(plain_mode: int, tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs.sqlite")
    files = sorted(tmp_path.iterdir())
    assert "jobs.sqlite-wal" in [path.name for path in files]
    assert {_mode(path) for path in files} == {0o600}
    store.close()
