"""A list of jobs that cannot be used as it is: a damaged file, or one bad row, is set aside, so that the server starts all the same.

What is set aside lies beside the list, is reported in the log and in the server's health, and is deleted like old results. Knows the
columns of the tables, no job.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Column
from sqlmodel import SQLModel

from unlearn.jobs.tables import STATES

# An error of these kinds says nothing about the content of the file: it is another program's, or the system's.
OUTSIDE = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_AUTH,
}  # fmt: skip
LATEST_S = 1e11  # no time of a job is later, in seconds since the epoch
_IS_ID = re.compile(r"[A-Za-z0-9_-]+").fullmatch  # of a job: its folder, which is deleted with it, has the same name
BEGINS_ANEW = "A new list is begun, which does not know the jobs of before."

log = logging.getLogger(__name__)


def is_about_content(error: BaseException) -> bool:
    """Whether an error of SQLite means that the file itself is bad."""
    original = getattr(error, "orig", None) or error
    code = int(getattr(original, "sqlite_errorcode", 0) or 0) & 0xFF
    return isinstance(original, sqlite3.DatabaseError) and code not in OUTSIDE


def set_aside(path: Path, what: str) -> str:
    """Rename a list that cannot be used, with its log, to `….damaged-N` beside it; a sentence on that."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for ending in ("", "-wal", "-shm"):
        old, new = Path(f"{path}{ending}"), Path(f"{aside}{ending}")
        if old.exists():
            old.rename(new)
            with suppress(PermissionError):  # of a file that belongs to somebody else
                new.chmod(0o600)
                os.utime(new)  # from now on it is kept as long as a result
    note = f"The list of jobs {what}; it was set aside as {aside.name}. {BEGINS_ANEW}"
    log.error("%s", note)
    return note


def set_aside_if_damaged(path: Path, timeout_s: float) -> list[str]:
    """Check whether the file can be used; sentences on what was done. Raises SQLite's errors that are not about its content."""
    if not path.is_file() or path.stat().st_size == 0:
        return []
    try:
        with closing(sqlite3.connect(path, timeout=timeout_s)) as connection:
            what = _damage(connection)
    except sqlite3.Error as error:
        if not is_about_content(error):
            raise
        what = "is damaged"
    return [set_aside(path, what)] if what else []


def _damage(connection: sqlite3.Connection) -> str:
    if connection.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok":
        return "is damaged"
    for table in SQLModel.metadata.sorted_tables:
        entry = connection.execute("SELECT type FROM sqlite_master WHERE name = ?", (table.name,)).fetchone()
        if entry is None:
            continue
        columns = connection.execute(f'PRAGMA table_info("{table.name}")').fetchall()  # id, name, type, not null, default, key
        keys = {column[1] for column in columns if column[5]}
        if entry[0] != "table" or keys != {"id"}:
            return "is of another program"
        known = {column.name for column in table.columns}
        if any(column[3] and column[4] is None and column[1] not in known for column in columns):
            return "was written by a newer version of this program"
        connection.execute(f'SELECT rowid FROM "{table.name}" LIMIT 1')
    return ""


def set_aside_bad_rows(path: Path, timeout_s: float) -> list[str]:
    """Move rows that cannot be read as jobs into a file of their own; sentences on that."""
    notes = []
    with closing(sqlite3.connect(path, timeout=timeout_s)) as connection:
        for table in SQLModel.metadata.sorted_tables:
            bad = list(_bad_rows(connection, table.name, list(table.columns)))
            if bad:
                notes.append(_move(connection, path, table.name, bad))
    return notes


def _bad_rows(connection: sqlite3.Connection, table: str, columns: list[Column[Any]]) -> Iterator[int]:
    connection.text_factory = _Text
    names = ", ".join(f'"{column.name}"' for column in columns)
    for rowid, *values in connection.execute(f'SELECT rowid, {names} FROM "{table}"'):
        if not all(_fits(value, column) for value, column in zip(values, columns, strict=True)):
            yield rowid


def _fits(value: Any, column: Column[Any]) -> bool:
    if value is None:
        return bool(column.nullable)
    if not _CHECKS[str(column.type)](value):
        return False
    if column.name == "id" and isinstance(value, _Text):
        return bool(_IS_ID(value.decode()))
    return column.name != "state" or value.decode() in STATES


class _Text(bytes):
    """Text as it lies in the file, which may be no UTF-8; bytes that are not of this class were stored as such."""


def _is_text(value: Any) -> bool:
    try:
        return isinstance(value, _Text) and value.decode() is not None
    except UnicodeDecodeError:
        return False


def _is_object(value: Any) -> bool:
    try:
        return isinstance(json.loads(value), dict)
    except (ValueError, TypeError, RecursionError):
        return False


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and abs(value) < LATEST_S


def _is_whole(value: Any) -> bool:
    return isinstance(value, int)


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "JSON": _is_object, "FLOAT": _is_time, "VARCHAR": _is_text, "INTEGER": _is_whole, "BOOLEAN": _is_whole,
}  # fmt: skip


def _move(connection: sqlite3.Connection, path: Path, table: str, rowids: list[int]) -> str:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    aside.touch(mode=0o600)
    connection.execute("ATTACH ? AS aside", (str(aside),))
    chosen = f"rowid IN ({', '.join(str(rowid) for rowid in rowids)})"
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute(f'CREATE TABLE aside."{table}" AS SELECT * FROM main."{table}" WHERE {chosen}')
    connection.execute(f'DELETE FROM main."{table}" WHERE {chosen}')
    connection.commit()
    connection.execute("DETACH aside")
    note = f"{len(rowids)} entries of the list of jobs could not be read ({table}); they were set aside as {aside.name}."
    log.error("%s", note)
    return note
