"""Files that travel as pieces of bytes: they arrive as they were, the last one last, and in their own folders only."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unlearn.cluster import parcels
from unlearn.cluster.parcels import Piece, Unpacker, files_below, pieces_of
from unlearn.errors import UnlearnError


def write(root: Path, **contents: bytes) -> None:
    for number, (name, content) in enumerate(contents.items()):
        path = root / "runs" / "one" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, ns=(number, number))


def test_files_of_every_length_arrive_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcels, "MAX_BYTES", 10)
    contents = {"z": b"", "deep__er__a": bytes(range(10)), "b": b"x" * 20, "c": b"y" * 23, "d": b"small", "manifest": b"{}"}
    write(tmp_path / "here", **contents)
    sent = list(pieces_of(tmp_path / "here", files_below(tmp_path / "here", ["runs/one", "runs/none"])))
    assert all(sum(len(piece.content) for piece in pieces) <= 10 for pieces in sent)
    assert sent[-1][-1].path == "runs/one/manifest", "what was written last arrives last"
    unpacker = Unpacker(tmp_path / "there", ["runs/one"])
    for pieces in sent:
        unpacker.write(pieces)
    arrived = {path: (tmp_path / "there" / path).read_bytes() for path in files_below(tmp_path / "there", ["runs"])}
    assert arrived == {f"runs/one/{name.replace('__', '/')}": content for name, content in contents.items()}


def test_file_has_its_name_only_once_it_is_whole(tmp_path: Path) -> None:
    write(tmp_path, one=b"before")
    unpacker = Unpacker(tmp_path, ["runs/one"])
    unpacker.write([Piece("runs/one/one", b"after", False)])
    assert (tmp_path / "runs/one/one").read_bytes() == b"before"
    unpacker.close()
    assert [path.name for path in (tmp_path / "runs/one").iterdir()] == ["one"]
    unpacker.write([Piece("runs/one/one", b"after", False), Piece("runs/one/one", b"wards", True)])
    assert (tmp_path / "runs/one/one").read_bytes() == b"afterwards"


@pytest.mark.parametrize("path", ["runs/two/a", "runs/one/../two/a", "/etc/passwd", "jobs.sqlite", "runs/onesie"])
def test_nothing_is_written_or_removed_outside_the_folders_of_the_job(tmp_path: Path, path: str) -> None:
    unpacker = Unpacker(tmp_path, ["runs/one"])
    with pytest.raises(UnlearnError, match="none of its job's"):
        unpacker.write([Piece(path, b"", True)])
    with pytest.raises(UnlearnError):
        unpacker.remove([path])
    assert list(tmp_path.iterdir()) == []


def test_removed_files_take_empty_folders_along_but_not_those_of_all_jobs(tmp_path: Path) -> None:
    write(tmp_path, photos__a=b"1", photos__b=b"2", kept=b"3")
    unpacker = Unpacker(tmp_path, ["runs/one"])
    unpacker.remove(["runs/one/photos/a", "runs/one/photos/b", "runs/one/gone"])
    assert [path.name for path in (tmp_path / "runs/one").iterdir()] == ["kept"]
    unpacker.remove(["runs/one/kept"])
    assert list((tmp_path / "runs").iterdir()) == []
