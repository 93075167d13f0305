"""The SQLite file of jobs: opens it, brings its tables up to date, and turns its errors into sentences."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError
from sqlmodel import Session, SQLModel, create_engine

from unlearn.errors import InputError, UnlearnError
from unlearn.jobs import repair
from unlearn.modes import make_private

BUSY_TIMEOUT_S = 10.0
CHECKPOINT_TIMEOUT_S = 0.2  # it is tried again; other writers wait meanwhile
LIST = "The list of jobs"
OBSOLETE = {"private_keys", "has_lost_parts"}  # columns of the table of jobs
UNSTORABLE = "A value cannot be stored in the list of jobs ({}); give texts and numbers only."
SENTENCES = {
    sqlite3.SQLITE_BUSY: "{list} is locked by another program; close it (a backup, a database browser), then try again.",
    sqlite3.SQLITE_LOCKED: "{list} is locked by another program; close it (a backup, a database browser), then try again.",
    sqlite3.SQLITE_FULL: "{list} cannot be written, because the disk is full; make room, then try again.",
    sqlite3.SQLITE_READONLY: "{list} cannot be written, because its file or folder is read-only; make both writable.",
    sqlite3.SQLITE_PERM: "{list} cannot be written, because its file or folder is read-only; make both writable.",
    sqlite3.SQLITE_CANTOPEN: "{list} cannot be opened; look at the rights of its file and folder, and at the number of open files.",
    sqlite3.SQLITE_CORRUPT: "{list} is damaged; restart the server, which sets the damaged file aside.",
    sqlite3.SQLITE_NOTADB: "{list} is damaged; restart the server, which sets the damaged file aside.",
    sqlite3.SQLITE_IOERR: "{list} cannot be read or written (an input or output error); look whether the disk is full or broken.",
}


def error_code(error: BaseException) -> int:
    """SQLite's primary result code of an error, whoever raised it; 0 when there is none."""
    original = getattr(error, "orig", None) or error
    return int(getattr(original, "sqlite_errorcode", 0) or 0) & 0xFF


def sentence_of(error: BaseException) -> str:
    """What an error of the file means for whoever runs the server; holds no value of a row and no path."""
    sentence = SENTENCES.get(error_code(error))
    return sentence.format(list=LIST) if sentence else f"{LIST} could not be used ({type(error).__name__}); restart the server."


class Database:
    """One SQLite file; writers of this process take turns, and every foreign error becomes an `UnlearnError`."""

    def __init__(self, path: Path, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        """Open or make the file; one that cannot be used is set aside, and `notes` says so in sentences.

        Raises:
            UnlearnError: another program locks the file, or it cannot be read or written.
        """
        self.path = path
        self.lock = threading.Lock()
        self._busy_timeout_s = busy_timeout_s
        self.engine: Engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": busy_timeout_s})
        event.listen(self.engine, "connect", _set_pragmas)
        with self.mapped():
            self.notes = repair.set_aside_if_damaged(path, busy_timeout_s)
            try:
                self._bring_up_to_date()
            except (SQLAlchemyError, sqlite3.Error) as error:
                if not repair.is_about_content(error):
                    raise
                self.engine.dispose()
                self.notes.append(repair.set_aside(path, "has tables that do not fit"))
                self._bring_up_to_date()
            self.notes += repair.set_aside_bad_rows(path, busy_timeout_s)

    def _bring_up_to_date(self) -> None:
        make_private(self.path)  # first: the files that SQLite writes beside it take over its mode
        SQLModel.metadata.create_all(self.engine)
        with self.engine.begin() as connection:
            add_missing_columns(connection)
            drop_obsolete_columns(connection)

    @staticmethod
    @contextmanager
    def mapped() -> Iterator[None]:
        """The one place where foreign errors are mapped; the driver's own come from the pragmas of a new connection."""
        try:
            yield
        except (UnicodeError, OverflowError) as error:
            raise InputError(UNSTORABLE.format(type(error).__name__)) from error
        except StatementError as error:
            if not isinstance(error, DBAPIError):  # for example a value that is not JSON; the file is fine
                raise InputError(UNSTORABLE.format(type(error.orig).__name__)) from error
            raise UnlearnError(sentence_of(error)) from error
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise UnlearnError(sentence_of(error)) from error
        except OSError as error:  # a folder in its place, no rights, too many open files
            raise UnlearnError(SENTENCES[sqlite3.SQLITE_CANTOPEN].format(list=LIST)) from error

    @contextmanager
    def session(self, write: bool = False) -> Iterator[Session]:
        """One transaction, committed where it writes.

        Raises:
            UnlearnError: as `mapped`; also where other writers of this process wait for another program all the time.
        """
        if write and not self.lock.acquire(timeout=self._busy_timeout_s):
            raise UnlearnError(SENTENCES[sqlite3.SQLITE_BUSY].format(list=LIST))
        try:
            with self.mapped(), Session(self.engine, expire_on_commit=False) as session:
                yield session
                if write:
                    session.commit()
        finally:
            if write:
                self.lock.release()

    def checkpoint(self) -> bool:
        """Move everything from the write-ahead log into the file and empty the log; False where a reader keeps it."""
        with self.lock, self.mapped(), closing(sqlite3.connect(self.path, timeout=CHECKPOINT_TIMEOUT_S)) as connection:
            try:
                busy: int = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            except sqlite3.OperationalError as error:
                if error_code(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise
                return False
        return not busy


def _set_pragmas(connection: Any, _record: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")


def add_missing_columns(connection: Connection) -> None:
    """Add the columns that the models have and the tables of an earlier version lack, with their defaults."""
    quote = connection.dialect.identifier_preparer.quote
    for table in SQLModel.metadata.sorted_tables:
        present = {row[1] for row in connection.exec_driver_sql(f"PRAGMA table_info({quote(table.name)})")}
        for column in table.columns:
            if column.name not in present:
                kind = column.type.compile(connection.dialect)
                change = f"ALTER TABLE {quote(table.name)} ADD COLUMN {quote(column.name)} {kind}"
                connection.exec_driver_sql(change if column.nullable else f"{change} NOT NULL DEFAULT {_default(column)}")


def drop_obsolete_columns(connection: Connection) -> None:
    """Drop the columns of an earlier version that new rows would have to fill, with the jobs that hold a photo in their request."""
    present = {row[1] for row in connection.exec_driver_sql("PRAGMA table_info(job)")}
    if "private_keys" in present:
        connection.exec_driver_sql("DELETE FROM job WHERE private_keys <> ''")
    for name in OBSOLETE & present:
        connection.exec_driver_sql(f"ALTER TABLE job DROP COLUMN {name}")


def _default(column: Column[Any]) -> str:
    """The default of a column as SQL: its own where it is a plain value, else the empty value of its type."""
    value = getattr(column.default, "arg", None)
    if isinstance(value, bool | int | float):
        return str(float(value) if isinstance(value, float) else int(value))
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    kind = str(column.type).upper()
    return "'{}'" if "JSON" in kind else "0" if kind in ("INTEGER", "FLOAT", "BOOLEAN") else "''"
