"""The server's key and the tokens that it signs: what is accepted, what is made anew, who can read the file."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

import pytest

from ui.server.identity import Identity, server_key
from unlearn.errors import ConfigError


def test_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    (tmp_path / "browser-key").write_text("was sent to everybody", encoding="ascii")
    before = os.umask(0)
    try:
        key = server_key(tmp_path)
    finally:
        os.umask(before)
    assert len(key) == 32 and server_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / "server-key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["server-key"]
    (tmp_path / "server-key").chmod(0o644)
    assert server_key(tmp_path) == key and stat.S_IMODE((tmp_path / "server-key").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"abc123", "ü".encode() * 32, b"\xff" * 64, b"\0" * 64, b"Z" * 64, b"a" * 65])
def test_key_that_is_none_is_set_aside_and_told_in_one_line(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "server-key").write_bytes(content)
    with caplog.at_level(logging.WARNING):
        key = server_key(tmp_path)
    assert len(key) == 32 and server_key(tmp_path) == key
    assert [path.read_bytes() for path in tmp_path.glob("server-key.unusable-*")] == [content]
    assert len(caplog.records) == 1 and "unusable" in caplog.text and "Traceback" not in caplog.text


def test_key_path_that_is_a_folder_or_a_dead_link_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "a" / "server-key").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "server-key").symlink_to(tmp_path / "nothing")
    assert len(server_key(tmp_path / "a")) == len(server_key(tmp_path / "b")) == 32


def test_key_that_cannot_be_written_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match=r"server's key .* \(No space left on device\)"):
        server_key(tmp_path)
    assert list(tmp_path.iterdir()) == [], "nothing half-written stays"


def test_tokens_are_accepted_as_issued_only() -> None:
    ours, other = Identity(b"a" * 32), Identity(b"b" * 32)
    token = ours.new_token()
    owner = ours.visitor(token)
    assert owner is not None and owner.startswith("visitor:") and token not in owner
    assert ours.visitor(ours.new_token()) != owner
    visitor, signature = token.split(".")
    forged = [
        "", "nobody", "user:ann", owner, ours.caller("10.0.0.1"), visitor, f"{visitor}.",
        f"{visitor}.{'0' * 64}", f"{token}x", f"{token}\n",
        f"{visitor[:-1]}x.{signature}", f"{visitor}.{signature.upper()}x", other.new_token(), None, 3, [token], {"visitor": token},
    ]  # fmt: skip
    assert [ours.visitor(one) for one in forged] == [None] * len(forged)


def test_signature_of_an_address_is_no_token() -> None:
    identity = Identity(b"a" * 32)
    visitor = identity.new_token().split(".")[0]
    assert identity.visitor(f"{visitor}.{identity._signature('caller', visitor)}") is None
    assert identity.caller("10.0.0.1") == identity.caller("10.0.0.1") != identity.caller("10.0.0.2")
    assert "10.0.0.1" not in identity.caller("10.0.0.1")
