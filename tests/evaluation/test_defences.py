"""The comparison of defences on a miniature set: who is forgotten by what, finished rows kept, and the tables."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.miniature import build_miniature
from unlearn.config import Settings
from unlearn.errors import ConfigError
from unlearn.evaluation.defence_kinds import DEFENCES, DefenceKind
from unlearn.evaluation.defence_tables import defence_tables
from unlearn.evaluation.defences import DefenceEvaluation, DefenceEvaluationConfig, evaluate_defences
from unlearn.evaluation.shared import SharedEvaluation
from unlearn.evaluation.shared_calls import DEFENCES as DEFENCES_KIND
from unlearn.jobs.tasks import Task, resolve
from unlearn.progress import no_report

TEXT = {"n_steps": 2, "batch_size": 4, "n_captions": 100, "early_stop": None, "learning_rate": 1e-9}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = build_miniature(tmp_path_factory.mktemp("set"), with_diffusion=False)
    (folder / "defaults.json").write_text(json.dumps({"text": TEXT, "neutral_text": {"n_steps": 3}}))
    return folder


def kind(name: str):  # type: ignore[no-untyped-def]
    return next(one for one in DEFENCES if one.name == name)


def test_every_defence_is_a_run_of_its_own(root: Path, tmp_path: Path) -> None:
    evaluation = DefenceEvaluation(DefenceEvaluationConfig(str(root), faces=tmp_path), Settings(data_dir=tmp_path))
    order = evaluation.order()
    assert sorted(order) == sorted(evaluation.members)
    aliased = [bool(evaluation._aliases(name)) for name in order]
    n_both = min(sum(aliased), len(aliased) - sum(aliased))
    assert aliased[: 2 * n_both] == [True, False] * n_both, "second names in turn"
    configs = {one.name: evaluation.run_config(one, order[0]) for one in DEFENCES}
    assert {name: config.target for name, config in configs.items() if name.startswith("term")} == dict.fromkeys(
        ("term", "term-aliases", "term-forms", "term-ball"), "neutral_term"
    )
    assert configs["term"].text.n_steps == 3 and configs["stand-in"].text.n_steps == 2
    assert configs["term-aliases"].persons[0].aliases == evaluation._aliases(order[0]) and not configs["term"].persons[0].aliases
    assert configs["stand-in-forms-ball"].text.surface_forms > 0 and configs["term-ball"].text.ball_radius > 0
    assert [configs[name].method for name in ("closed-form", "slug", "stand-in")] == ["closed-form", "slug", "backdoor"]
    assert configs["both"].encoder == "both" and len({repr(config) for config in configs.values()}) == len(DEFENCES)


def test_faces_are_forgotten_only_where_there_are_photos(root: Path, tmp_path: Path) -> None:
    assert [one.encoder for one in DefenceEvaluationConfig(str(root)).chosen].count("both") == 0
    assert DefenceEvaluationConfig(str(root), ("both",), faces=tmp_path).chosen == (kind("both"),)
    for changes, words in (({"kinds": ("magic",)}, "no defence; use term"), ({"budget": "huge"}, "quick or full")):
        with pytest.raises(ConfigError, match=words):
            replace(DefenceEvaluationConfig(str(root)), **changes)  # type: ignore[arg-type]


def test_defence_that_does_nothing_is_found_as_the_original_is_and_rows_are_kept(root: Path, tmp_path: Path) -> None:
    settings, config = Settings(data_dir=tmp_path), DefenceEvaluationConfig(str(root), ("stand-in",), n_members=1)
    result = evaluate_defences(config, settings, out=tmp_path / "result.json")
    (row,) = result["rows"]
    assert result == json.loads((tmp_path / "result.json").read_text())
    assert {"surface-forms", "templates", "languages", "soft-tokens", "trace"} <= set(row["attacks"])
    forms = row["attacks"]["surface-forms"]
    assert (forms["before"], forms["tries_before"]) == (forms["after"], forms["tries_after"]), "steps of no size"
    assert row["object_top1_change"] == 0.0 and row["kind"] == "stand-in" and row["budget"] == "quick"

    evaluation = DefenceEvaluation(config, settings)

    def never(*arguments: object) -> None:
        raise AssertionError("nothing may be computed again")

    evaluation.row = never  # type: ignore[method-assign,assignment]
    assert evaluation.run() == result == evaluation.run(finished_only=True)
    shared = SharedEvaluation([Here(settings)], {"kind": DEFENCES_KIND, "config": _plain(config)}, [], tmp_path)  # type: ignore[list-item]
    assert shared.run(no_report) == result, "lanes find the same rows"


class Here:
    """A lane that is this process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.to_plain()

    def call(self, work: str, request: dict[str, Any], folders: Sequence[str] = ()) -> dict[str, Any]:
        task = Task("here", work, json.loads(json.dumps(request)), Path("unused"), self._settings)
        answer: dict[str, Any] = json.loads(json.dumps(resolve(work)(task, no_report)))
        return answer


def _plain(config: DefenceEvaluationConfig) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return plain


def test_rows_are_shared_out_among_lanes_and_each_is_computed_once(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def row(self: DefenceEvaluation, kind: DefenceKind, name: str) -> dict[str, Any]:
        asked.append(f"{kind.name} {name}")
        return {"kind": kind.name, "member": self.members.index(name)}

    monkeypatch.setattr(DefenceEvaluation, "row", row)
    config, settings = DefenceEvaluationConfig(str(root), ("term", "slug"), n_members=2, seed=5), Settings(data_dir=tmp_path)
    lanes = [Here(settings), Here(settings)]
    shared = SharedEvaluation(lanes, {"kind": DEFENCES_KIND, "config": _plain(config)}, [], tmp_path)  # type: ignore[arg-type]
    result = shared.run(no_report)
    assert len(result["rows"]) == 4 == len(asked) == len(set(asked))
    assert result == DefenceEvaluation(config, settings).run(finished_only=True)


def _row(name: str, member: int, after: bool, steps: int | None = None) -> dict[str, object]:
    forms = {"before": True, "after": after, "tries": 10, "tries_before": 5, "tries_after": 5 * after, "templates": 21 * after}
    undoing = {**forms, "steps": {"1 caption": steps, "3 captions": 2, "10 captions": None}}
    return {
        "kind": name, "member": member, "correct_templates": 0, "others_kept": 1.0 - 0.5 * after, "rank_blind": 7 + member,
        "strangers_recognised": int(after), "object_top1_change": -0.002, "core_seconds": 5.0,
        "attacks": {"surface-forms": forms, "descriptions": {**forms, "before": None, "after": None}, "undoing": undoing},
    }  # fmt: skip


def test_tables_count_what_is_found_and_what_it_costs() -> None:
    rows = [_row("term", 0, True, 1), _row("term", 1, True, None), _row("stand-in", 0, False, 4)]
    found, cost = (table.splitlines() for table in defence_tables({"rows": rows}).split("\n\n"))
    assert found[0] == "| found by | other ways to write the name | descriptions | price of undoing | all inputs together |"
    assert found[2:] == [
        "| the original | 2 of 2 | – | 2 of 2 | 2 of 2 |", "| paper's term | 2 of 2 | – | 2 of 2 | 2 of 2 |",
        "| stand-in | 0 of 1 | – | 0 of 1 | 0 of 1 |",
    ]  # fmt: skip
    assert cost[2].split(" | ") == [
        "| paper's term", "2", "2 of 2", "50.0 % (least 50)", "1 at most", "-0.2 pts", "50.0 %", "8", "never, 2, never", "5.0 |"
    ]  # fmt: skip
    assert cost[3].split(" | ")[6:9] == ["0.0 %", "7", "4, 2, never"]
    assert defence_tables({"rows": []}).count("\n") == 4, "titles alone"
