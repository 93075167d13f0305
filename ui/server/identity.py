"""Who somebody is to the server: its secret key, the tokens that browsers keep, and the names of owners.

An owner is written "user:NAME" (logged in), "visitor:ID" (a browser that holds a token of ours) or "api:HASH" (a caller's address).
The key never leaves the server. A token that it did not sign is nobody's, so that a browser can claim to be none of these.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import os
import re
import secrets
import tempfile
import time
from pathlib import Path
from typing import Any

from unlearn.errors import ConfigError

NOBODY = "nobody"  # what somebody owns to whom no token was given yet: nothing
KEY_BYTES = 32
KEY_TEXT = re.compile(rb"[0-9a-f]{%d}\s*" % (2 * KEY_BYTES))
TOKEN = re.compile(r"([A-Za-z0-9_-]{22})\.([0-9a-f]{64})")
VISITOR, CALLER = "visitor", "caller"  # what is signed; a signature of one is none of the other

log = logging.getLogger(__name__)


def server_key(data_dir: Path) -> bytes:
    """The key of the server that uses a data folder: made at its first start, the same ever after.

    Raises:
        ConfigError: the file cannot be read or written.
    """
    path = data_dir / "server-key"
    try:
        (data_dir / "browser-key").unlink(missing_ok=True)  # of earlier versions, which sent it to every browser
        if (key := _read(path)) is None:
            key = secrets.token_bytes(KEY_BYTES)
            _write(path, key)
    except OSError as error:
        raise ConfigError(
            f"The server's key {path} cannot be read or written ({error.strerror}); let the server own the data folder."
        ) from error
    return key


def _read(path: Path) -> bytes | None:
    """The key in a file; None when there is none. What is no key is set aside, since somebody may want to know what it was."""
    if path.is_file():
        written = path.read_bytes()
        if KEY_TEXT.fullmatch(written):
            with contextlib.suppress(PermissionError):  # a file system without permissions
                path.chmod(0o600)
            return bytes.fromhex(written.decode("ascii"))
    if os.path.lexists(path):
        aside = path.with_name(f"{path.name}.unusable-{time.time_ns()}")
        path.rename(aside)
        log.warning("The server's key was unusable and is now %s; a new one is made, so visitors lose sight of earlier jobs.", aside.name)
    return None


def _write(path: Path, key: bytes) -> None:
    """Write the key whole or not at all, for the server's own user only, whatever the umask."""
    handle, partial = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with contextlib.suppress(PermissionError):
            os.fchmod(handle, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(key.hex().encode("ascii"))
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError:
        Path(partial).unlink(missing_ok=True)
        raise


class Identity:
    """What the server signs, and what it makes of what comes back."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def new_token(self) -> str:
        """A token for a visitor who has none."""
        visitor = secrets.token_urlsafe(16)
        return f"{visitor}.{self._signature(VISITOR, visitor)}"

    def visitor(self, token: Any) -> str | None:
        """The owner whose token this is; None unless it is one of `new_token`."""
        parts = TOKEN.fullmatch(token) if isinstance(token, str) else None
        if parts is None or not hmac.compare_digest(parts[2], self._signature(VISITOR, parts[1])):
            return None
        return f"visitor:{parts[1]}"

    def caller(self, address: str) -> str:
        """The owner that stands for an address; the address itself is not stored."""
        return f"api:{self._signature(CALLER, address)[:32]}"

    @staticmethod
    def user(name: str) -> str:
        """The owner that stands for a login name."""
        return f"user:{name}"

    def _signature(self, what: str, text: str) -> str:
        return hmac.new(self._key, f"{what}\0{text}".encode(), hashlib.sha256).hexdigest()
