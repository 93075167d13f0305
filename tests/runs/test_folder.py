"""The folder of a run: which folders may be written to, what of an earlier run is removed when, and what is no run."""

import errno
import json
from pathlib import Path

import pytest

from tests.support.short_runs import short_config
from unlearn.errors import InputError
from unlearn.models.clip import Clip
from unlearn.runs.folder import UNFINISHED, prepare, start_over, write_manifest
from unlearn.runs.metrics import Metrics
from unlearn.runs.results import MANIFEST, finished_run


def _finish(out: Path, original: Clip) -> None:
    start_over(out, original)
    (out / "metrics.json").write_text("{}")
    write_manifest(out, short_config(Path(original.model_set.name)), Metrics(), "cpu")


@pytest.mark.parametrize("file", ["config.json", MANIFEST, UNFINISHED])
@pytest.mark.parametrize("content", ['{"model_type": "clip", "format": 1}', "[]", "no JSON", '"\\ud800"'])
def test_folder_of_another_program_is_refused_and_keeps_its_files(tmp_path: Path, original: Clip, file: str, content: str) -> None:
    (tmp_path / file).write_text(content)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").touch()
    with pytest.raises(InputError, match="holds no earlier run"):
        prepare(tmp_path, original)
    assert {path.name for path in tmp_path.rglob("*")} == {file, "photos", "holiday.jpg"}


def test_defended_folder_alone_is_no_earlier_run(tmp_path: Path, original: Clip) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"format": 1, "model_set": "embedded", "files": {}}))
    with pytest.raises(InputError, match="holds no earlier run"):
        prepare(tmp_path, original)


def test_failed_run_can_be_started_again_and_is_no_run(tmp_path: Path, original: Clip) -> None:
    out = tmp_path / "run"
    prepare(out, original)
    prepare(out, original)  # failed before anything was written
    start_over(out, original)
    (out / "portraits").mkdir()
    with pytest.raises(InputError, match="no finished run"):
        finished_run(out)
    prepare(out, original)
    start_over(out, original)
    assert [path.name for path in out.iterdir()] == [UNFINISHED]


def test_finished_run_has_no_mark_and_lists_none(tmp_path: Path, original: Clip) -> None:
    prepare(tmp_path, original)
    _finish(tmp_path, original)
    assert {path.name for path in tmp_path.iterdir()} == {"metrics.json", MANIFEST}
    assert json.loads((tmp_path / MANIFEST).read_text())["files"] == ["metrics.json"]


def test_earlier_run_stays_until_the_new_one_starts_over(tmp_path: Path, original: Clip) -> None:
    prepare(tmp_path, original)
    _finish(tmp_path, original)
    (tmp_path / "defended").mkdir()
    for file in ("heard.json", "probes.json", "report.html", "config.json", "notes.txt"):
        (tmp_path / file).write_text("{}")
    prepare(tmp_path, original)
    kept = {"heard.json", "probes.json", "report.html", "config.json", "notes.txt"}
    assert {path.name for path in tmp_path.iterdir()} == {"metrics.json", MANIFEST, "defended"} | kept
    start_over(tmp_path, original)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "notes.txt", UNFINISHED}


def test_folder_that_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, original: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # tests may run as root, who may do everything
    with pytest.raises(InputError, match="cannot be written"):
        prepare(tmp_path, original)


def test_folder_below_an_unreadable_one_is_refused(tmp_path: Path, original: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", denied)
    with pytest.raises(InputError, match="Permission denied"):
        prepare(tmp_path / "run", original)


def test_config_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text("{}")
    (tmp_path / "config.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(InputError, match=r"config\.json of the run is damaged"):
        finished_run(tmp_path)


def test_name_too_long_for_a_path_is_an_error(tmp_path: Path, original: Clip) -> None:
    with pytest.raises(InputError, match="too long"):
        finished_run(tmp_path / ("x" * 300))
    with pytest.raises(InputError, match="too long"):
        prepare(tmp_path / ("x" * 300), original)
