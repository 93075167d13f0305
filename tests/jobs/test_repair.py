"""A list of jobs that is damaged, old, new, foreign or locked: the server starts all the same, or says why it cannot."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unlearn.errors import UnlearnError
from unlearn.jobs import JobLimits, Jobs, Submission
from unlearn.jobs.states import Interrupted, Queued, Succeeded
from unlearn.jobs.store import JobStore
from unlearn.jobs.tables import new_row

# As the first version made it.
FIRST_VERSION = (
    "CREATE TABLE job (id VARCHAR NOT NULL, owner VARCHAR NOT NULL, lane VARCHAR NOT NULL, work VARCHAR NOT NULL,"
    ' request JSON NOT NULL, parent VARCHAR, "group" VARCHAR, created FLOAT NOT NULL, started FLOAT, finished FLOAT,'
    " state VARCHAR NOT NULL, step INTEGER NOT NULL, total INTEGER NOT NULL, note VARCHAR NOT NULL, message VARCHAR NOT NULL,"
    " details VARCHAR NOT NULL, result JSON NOT NULL, cancel_requested BOOLEAN NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (id))",
    "CREATE TABLE loss (id INTEGER NOT NULL, job VARCHAR NOT NULL, step INTEGER NOT NULL, losses JSON NOT NULL, PRIMARY KEY (id))",
    "INSERT INTO job VALUES ('old', 'ann', 'long', 'x:y', '{\"a\": 1}', NULL, NULL, 1e9, 1e9, 1000000005, 'succeeded', 1, 1, '', '', '',"
    " '{\"b\": 2}', 0, 3), ('next', 'ann', 'long', 'x:y', '{}', NULL, NULL, 1e9, NULL, NULL, 'queued', 0, 0, '', '', '', '{}', 0, 0)",
    "INSERT INTO loss VALUES (1, 'old', 1, '{\"clean\": 0.5}')",
)


def write(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def filled(path: Path, n_jobs: int = 200) -> None:
    store = JobStore(path)
    for number in range(n_jobs):
        store.add(new_row(Submission("long", "x:y", {"name": "Zebulon" * 50, "number": number}, "ann"), False), 10_000)
    store.remove([])
    store.close()


def not_sqlite(path: Path) -> None:
    path.write_bytes(b"This is no database.\n" * 500)


def truncated(path: Path) -> None:
    filled(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 100])


def malformed_page(path: Path) -> None:
    filled(path)
    content = bytearray(path.read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    path.write_bytes(bytes(content))


def other_program(path: Path) -> None:
    write(path, "CREATE TABLE job (name TEXT PRIMARY KEY, size INTEGER)")


def a_view(path: Path) -> None:
    write(path, "CREATE TABLE t (id TEXT)", "CREATE VIEW job AS SELECT * FROM t")


def without_rowid(path: Path) -> None:
    write(path, *(part.replace("PRIMARY KEY (id))", "PRIMARY KEY (id)) WITHOUT ROWID") for part in FIRST_VERSION[:1]))


def newer(path: Path) -> None:
    write(path, *FIRST_VERSION[:2], "ALTER TABLE job ADD COLUMN extra TEXT", "DROP TABLE job",
          FIRST_VERSION[0].replace("PRIMARY KEY", "extra TEXT NOT NULL, PRIMARY KEY"))  # fmt: skip


@pytest.mark.parametrize("damage", [not_sqlite, truncated, malformed_page, other_program, a_view, without_rowid, newer])
def test_list_that_cannot_be_used_is_set_aside_and_the_server_starts(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    path = data_dir / "jobs.sqlite"
    damage(path)
    before = path.read_bytes()
    jobs = Jobs(data_dir, ("long",), JobLimits(niceness=0))
    jobs.start()
    (note,) = jobs.health().notes
    assert "set aside as jobs.sqlite.damaged-1" in note and str(tmp_path) not in note
    aside = data_dir / "jobs.sqlite.damaged-1"
    assert aside.read_bytes() == before and aside.stat().st_mode & 0o777 == 0o600
    job = jobs.submit(Submission("long", "tests.support.job_works:tell", {"label": "ann"}, "ann"))
    assert isinstance(jobs.wait(job.id, 60.0).state, Succeeded)
    jobs.stop()
    path.write_bytes(b"bad again" * 100)
    store = JobStore(path)
    assert "damaged-2" in store.notes[0]
    store.close()
    store = JobStore(path)
    assert store.notes == [] and path.stat().st_mode & 0o777 == 0o600
    store.close()


def test_empty_file_is_an_empty_list(tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite").touch()
    store = JobStore(tmp_path / "jobs.sqlite")
    assert store.notes == [] and store.find() == []
    store.close()


def test_list_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    write(tmp_path / "jobs.sqlite", *FIRST_VERSION)
    store = JobStore(tmp_path / "jobs.sqlite")
    assert store.notes == []
    old = store.get("old")
    assert old.state == Succeeded({"b": 2}) and old.run_time_s == 5.0 and old.must_leave is None and not old.had_inputs
    assert store.losses("old") == [{"step": 1, "clean": 0.5}]
    assert store.get("next").state == Queued(1)
    claimed = store.claim("long")
    assert claimed is not None and claimed.id == "next"
    store.finish("next", Succeeded({}))
    assert store.get("next").state == Succeeded({})
    store.close()
    again = JobStore(tmp_path / "jobs.sqlite")
    assert again.notes == [] and len(again.find()) == 2
    again.close()


@pytest.mark.parametrize("column", ["result", "cancel_requested", "version", "details", "group", "step", "state"])
def test_any_column_that_an_older_list_lacks_is_added(tmp_path: Path, column: str) -> None:
    store = JobStore(tmp_path / "jobs.sqlite")
    job = store.add(new_row(Submission("long", "x:y", {}, "ann"), False), 5)
    store.close()
    write(tmp_path / "jobs.sqlite", f'DROP INDEX IF EXISTS "ix_job_{column}"', f'ALTER TABLE job DROP COLUMN "{column}"')
    store = JobStore(tmp_path / "jobs.sqlite")
    assert store.notes == [] and store.get(job.id).state == Queued(1)
    store.add(new_row(Submission("long", "x:y", {}, "ann"), False), 5)
    store.close()


def test_columns_that_are_no_longer_filled_are_dropped_with_the_photos_in_requests(tmp_path: Path) -> None:
    write(
        tmp_path / "jobs.sqlite", *FIRST_VERSION, "ALTER TABLE job ADD COLUMN private_keys VARCHAR NOT NULL DEFAULT ''",
        "ALTER TABLE job ADD COLUMN has_lost_parts BOOLEAN NOT NULL DEFAULT 0", "UPDATE job SET private_keys = 'photo' WHERE id = 'next'",
    )  # fmt: skip
    store = JobStore(tmp_path / "jobs.sqlite")
    store.add(new_row(Submission("long", "x:y", {}, "bob"), False), 5)
    assert [job.id for job in store.find(owner="ann")] == ["old"] and len(store.find()) == 2 and store.notes == []
    store.close()


def test_newer_list_whose_further_columns_may_be_empty_is_used(tmp_path: Path) -> None:
    write(tmp_path / "jobs.sqlite", *FIRST_VERSION, "ALTER TABLE job ADD COLUMN extra TEXT", "CREATE TABLE more (id TEXT)")
    store = JobStore(tmp_path / "jobs.sqlite")
    assert store.notes == [] and len(store.find()) == 2
    store.add(new_row(Submission("long", "x:y", {}, "ann"), False), 5)
    store.close()


@pytest.mark.parametrize(("column", "value"), [
    ("state", "paused"), ("state", None), ("request", "{not json"), ("request", "[1]"), ("request", "null"), ("result", "[" * 100_000),
    ("owner", None), ("created", "yesterday"), ("created", None), ("finished", float("inf")), ("step", "x"), ("note", None),
    ("note", b"\xff\xfe"), ("id", None), ("version", 1.5),
])  # fmt: skip
def test_one_bad_row_is_set_aside_and_the_others_stay(tmp_path: Path, column: str, value: Any) -> None:
    free = FIRST_VERSION[0].replace(" NOT NULL", "")
    write(tmp_path / "jobs.sqlite", free, *FIRST_VERSION[1:])
    connection = sqlite3.connect(tmp_path / "jobs.sqlite")
    connection.execute(f"UPDATE job SET {column} = {'CAST(? AS TEXT)' if isinstance(value, bytes) else '?'} WHERE id = 'old'", (value,))
    connection.commit()
    connection.close()
    jobs = Jobs(tmp_path, ("long",), JobLimits())
    assert [job.id for job in jobs.store.find()] == ["next"] and jobs.get("next").state == Queued(1)
    (note,) = jobs.health().notes
    assert "1 entries" in note and "jobs.sqlite.damaged-1" in note
    jobs.stop()
    aside = sqlite3.connect(tmp_path / "jobs.sqlite.damaged-1")
    aside.text_factory = bytes
    assert len(aside.execute("SELECT * FROM job").fetchall()) == 1
    aside.close()


@pytest.mark.parametrize("change", [
    "state = CAST(state AS BLOB)", "owner = CAST(owner AS BLOB)", "id = CAST(id AS BLOB)",
    "id = ''", "id = '..'", "id = '../inputs'", "id = 'a/b'",
])  # fmt: skip
def test_row_whose_text_is_stored_as_bytes_or_whose_id_is_a_path_is_set_aside(tmp_path: Path, change: str) -> None:
    write(tmp_path / "jobs.sqlite", *FIRST_VERSION, f"UPDATE job SET {change} WHERE id = 'old'")
    jobs = Jobs(tmp_path, ("long",), JobLimits())
    assert [job.id for job in jobs.store.find()] == ["next"] and len(jobs.health().notes) == 1
    jobs.stop()


def test_bad_losses_are_set_aside_too(tmp_path: Path) -> None:
    write(tmp_path / "jobs.sqlite", *FIRST_VERSION, "INSERT INTO loss VALUES (2, 'old', 2, 'nonsense')")
    store = JobStore(tmp_path / "jobs.sqlite")
    assert len(store.notes) == 1 and [row["step"] for row in store.losses("old")] == [1]
    store.close()


def test_lists_of_a_killed_server_are_taken_up_with_their_log(tmp_path: Path) -> None:
    filled(tmp_path / "jobs.sqlite", 3)
    other = sqlite3.connect(tmp_path / "jobs.sqlite")
    other.execute("UPDATE job SET state = 'running'")
    other.commit()
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("jobs.sqlite", "jobs.sqlite-wal"):
        (copy / name).write_bytes((tmp_path / name).read_bytes())
    other.close()
    jobs = Jobs(copy, ("long",), JobLimits())
    jobs.store.interrupt_running()
    assert [job.state for job in jobs.store.find()] == [Interrupted()] * 3
    jobs.stop()


def test_list_that_another_program_locks_gets_its_own_sentence(tmp_path: Path) -> None:
    filled(tmp_path / "jobs.sqlite", 1)
    other = sqlite3.connect(tmp_path / "jobs.sqlite", isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("PRAGMA journal_mode=DELETE")
    other.execute("BEGIN EXCLUSIVE")
    started = time.monotonic()
    with pytest.raises(UnlearnError, match="locked by another program"):
        Jobs(tmp_path, ("long",), JobLimits(), busy_timeout_s=0.2)
    assert time.monotonic() - started < 5.0
    other.close()
    Jobs(tmp_path, ("long",), JobLimits()).stop()  # nothing was set aside, the folder is free again
    assert not list(tmp_path.glob("*damaged*"))


def test_list_that_is_a_folder_or_read_only_gets_its_own_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jobs.sqlite").mkdir()
    with pytest.raises(UnlearnError, match="cannot be opened"):
        JobStore(tmp_path / "jobs.sqlite")
    filled(tmp_path / "other.sqlite", 1)

    def read_only(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA query_only=ON")

    store = JobStore(tmp_path / "other.sqlite")
    store._engine.dispose()
    from sqlalchemy import event

    event.listen(store._engine, "connect", read_only)
    with pytest.raises(UnlearnError, match="read-only"):
        store.add(new_row(Submission("long", "x:y", {}, "ann"), False), 5)
    store.close()
