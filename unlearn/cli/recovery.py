"""The command that tries to bring a forgotten person back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unlearn.cli.console import DASH, print_json, progress_bar, table
from unlearn.cli.options import AsJson, RunFolder, Texts, required, settings_of

if TYPE_CHECKING:
    from unlearn.runs.recovery_records import AttackResult, Recovery, TryScore


def recover(
    context: typer.Context,
    run: RunFolder = None,
    attack: Texts = None,
    budget: Annotated[str, typer.Option(help="quick (seconds) or full (minutes).")] = "quick",
    person: Annotated[int, typer.Option(help="Number of the person in the run, from 0.")] = 0,
    seed: Annotated[int, typer.Option(help="Of what is drawn at random.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Attack a run: try to bring the forgotten person back, with strangers as controls. Without --attack all of the budget.

    The results are kept in the run's recovery.json.
    """
    from unlearn.runs import recovery as questions
    from unlearn.runs.json_types import to_json
    from unlearn.runs.recovery_records import AttackRow

    request = questions.RecoveryRequest(tuple(attack or ()), budget, person, seed)  # type: ignore[arg-type]  # checked when it is made
    folder = required(run, "--run")
    with progress_bar() as report:
        recovery = questions.recover(settings_of(context), folder, request, report)
    names = [kind.name for kind in request.kinds]
    results = [result for result in recovery.by_danger if result.person_index == person and result.attack in names]
    if as_json:
        fields = [field.name for field in dataclasses.fields(AttackRow)]
        return print_json({"attacks": [{name: row[name] for name in fields if name in row} for row in map(to_json, results)]})
    _print(results, recovery, person, names)


def _print(results: list[AttackResult], recovery: Recovery, person: int, names: list[str]) -> None:
    from unlearn.runs.recovery_records import summary

    head = ["attack", "tries", "found before", "found now", "templates", "similarity", "best try now", "seconds"]
    rows = [_cells(result) for result in results]
    if any(result.never_met is not None for result in results):  # a further column, by a model that never met the person
        head.append("never met")
        rows = [[*row, _never_met(result)] for row, result in zip(rows, results, strict=True)]
    print(table(rows, head))
    print(f"\n{summary(results)}")
    if recovery.success is not None and recovery.success.false_positive_rate is not None:
        print(f"The same attacks found {recovery.success.n_wrong} times in {recovery.success.n_cases} a person whom the model never met.")
    for row in recovery.not_tried:
        if row.person_index == person and row.attack in names:
            print(f"{row.attack} was not tried: {row.why}")


def _never_met(result: AttackResult) -> str | None:
    from unlearn.runs.recovery_sentences import result_words, verdict_word

    if result.never_met is None:
        return None
    return ", ".join(part for part in (verdict_word(result.found_never_met), result_words(result, result.never_met)) if part != "–")


def _cells(result: AttackResult) -> list[Any]:
    sides = (result.original, result.defended)
    templates = " -> ".join(str(_shown(side.correct_templates)) for side in sides)
    similarities = " -> ".join(_similarity(side) for side in sides)
    found = (_yes(result.found_original), _yes(result.found_defended))
    return [result.attack, result.n_tries, *found, templates, similarities, result.best_try, f"{result.seconds:.1f}"]


def _shown(value: int | None) -> int | str:
    return DASH if value is None else value


def _similarity(side: TryScore) -> str:
    return DASH if side.similarity is None else f"{side.similarity:.2f}"


def _yes(found: bool | None) -> str:
    return DASH if found is None else "yes" if found else "no"
