"""Runs with many persons on the page and on a terminal: one summary and a table, those who were not forgotten first."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.ui.test_views import NASTY, text_of, write
from ui.views import hearing, results
from ui.views import jobs as views
from unlearn.attacks.figures import Standing, ThreeModels
from unlearn.cli.console import print_metrics
from unlearn.config import Person
from unlearn.runs.many_persons import many_summary, not_forgotten_first, outcomes, persons_summary
from unlearn.runs.metrics import PersonMetrics
from unlearn.runs.records import BeforeAfter, Verdict
from unlearn.runs.results import Run

NAMES = [f"Person {letter}" for letter in "ABCDEFGHIJKLMNOPQR"]
KNOWN, UNKNOWN, NOT_ATTACKED = Verdict(21, True), Verdict(0, False), Verdict()


def persons(n: int, **changed: tuple[Verdict, Verdict]) -> tuple[PersonMetrics, ...]:
    """Everybody forgotten but those of the given letters."""
    rows = [PersonMetrics(name, BeforeAfter(*changed.get(name[-1], (KNOWN, UNKNOWN)))) for name in NAMES[:n]]
    return tuple(rows)


MIXED = persons(16, B=(KNOWN, KNOWN), F=(UNKNOWN, UNKNOWN), P=(NOT_ATTACKED, NOT_ATTACKED))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = write(tmp_path / "run", *map(Person, NAMES[:16]))
    return replace(made, metrics=replace(made.metrics, persons=MIXED))


def test_summary_counts_the_forgotten_and_names_the_others_with_the_reason() -> None:
    assert many_summary(outcomes(MIXED)) == (
        "13 of 16 persons are forgotten; not: Person B (still recognised), Person F (unknown before and after), Person P (not attacked)."
    )
    assert many_summary(outcomes(persons(5))) == "All 5 persons are forgotten."
    nobody = persons(18, **{name[-1]: (KNOWN, KNOWN) for name in NAMES})
    assert many_summary(outcomes(nobody)).endswith("Person F (still recognised) and 12 more.")
    half = outcomes(persons(4, A=(KNOWN, NOT_ATTACKED)))[0]
    assert half.is_forgotten is None and half.verdict == "attacked on the original only"


def test_up_to_three_persons_keep_their_sentence() -> None:
    assert persons_summary(persons(1)) == "" and persons_summary(persons(3)) == "3 persons: 3 recognised before and not any more."
    assert persons_summary(persons(4)) == "All 4 persons are forgotten."


def test_verdict_of_many_persons_is_a_table_without_large_figures(run: Run) -> None:
    page = views.verdict(run)
    assert "13 of 16 persons are forgotten" in page and 'class="mirror big"' not in page
    rows = [text_of(row) for row in re.findall(r"<tr.*?</tr>", page, flags=re.DOTALL)]
    assert rows[:4] == [
        "Person Before After Verdict", "Person B 21 21 still recognised", "Person F 0 0 unknown before and after",
        "Person P – – not attacked",
    ]  # fmt: skip
    assert len(rows) == 17 and "Rank" not in page
    assert [row.name for row in not_forgotten_first(outcomes(MIXED))][3:5] == ["Person A", "Person C"]


def test_rank_of_the_name_is_shown_where_it_was_measured(run: Run) -> None:
    side = Standing(1.0, 1, 5.0)
    models = ThreeModels(1000, 200, side, replace(side, rank=920.0), replace(side, rank=955.0), 0, False, None)
    ranked = replace(run, metrics=replace(run.metrics, persons=(replace(MIXED[0], never_met_model=models), *MIXED[1:])))
    assert "Rank of the name" in views.verdict(ranked) and "1 → 920" in views.verdict(ranked)


def test_of_very_many_persons_only_those_not_forgotten_are_open(run: Run) -> None:
    crowd = replace(run, metrics=replace(run.metrics, persons=persons(18, B=(KNOWN, KNOWN))))
    opened, folded = views.verdict(crowd).split("<details", 1)
    assert "Person B" in opened and "Person C" not in opened and "All 18 persons" in folded and "Person C" in folded


def test_names_of_many_persons_are_escaped(tmp_path: Path) -> None:
    run = write(tmp_path / "run", Person(NASTY), *map(Person, NAMES[:4]))
    for page in (views.verdict(run), results.attack(run), hearing.hearing(run)):
        assert "<img src=x" not in page and "&lt;img src=x" in page


def test_tabs_of_many_persons_are_folded_and_of_few_are_not(run: Run, tmp_path: Path) -> None:
    few = write(tmp_path / "few", *map(Person, NAMES[:3]))
    for show in (results.attack, hearing.hearing):
        assert show(run).count("one-of-many") == 16 and "one-of-many" not in show(few)
    assert "Person A: 0 → 0 correct prompts" in text_of(results.attack(run))


def test_console_has_a_row_each_and_the_same_summary(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    print_metrics(run.metrics, run.config)
    out = capsys.readouterr().out
    assert "13 of 16 persons are forgotten; not: Person B" in out and re.search(r"Person B +21 +21 +still recognised", out)
    assert re.search(r"Person P +- +- +not attacked", out)
