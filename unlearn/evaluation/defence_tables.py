"""The comparison of defences as tables in Markdown: what the opponent finds on each, and what each costs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from unlearn.attacks.recovery.catalogue import ATTACKS, attack_kind
from unlearn.evaluation.defence_kinds import DEFENCES
from unlearn.evaluation.tables import DASH, markdown_table, measured

Row = dict[str, Any]
# Attacks that only put something into the name's place; those behind them train, or change the weights.
INPUTS = ("surface-forms", "aliases", "descriptions", "templates", "languages", "soft-tokens", "soft-tokens-photos", "hard-prompts",
          "concept-vector")  # fmt: skip


def defence_tables(result: Row) -> str:
    """What was found, and what it cost; one line each, under the original's."""
    by_kind = {kind: [row for row in result["rows"] if row["kind"] == kind.name] for kind in DEFENCES}
    shown = {kind.title: rows for kind, rows in by_kind.items() if rows}
    made = [kind.name for kind in ATTACKS if any(kind.name in row["attacks"] for row in result["rows"])]
    everybody = list({row["member"]: row for rows in shown.values() for row in rows}.values())
    titles = ("found by", *(attack_kind(name).title.lower() for name in made), "all inputs together")
    found = [("the original", *_found(everybody, made, "before"))] if everybody else []
    found += [(title, *_found(rows, made, "after")) for title, rows in shown.items()]
    head = ("defence", "members", "to 0 of 21", "others kept", "strangers recognised", "top-1 change", "forms that find", "place, blind",
            "steps to undo (1, 3, 10 sentences)", "seconds of one core")  # fmt: skip
    cost = [(title, *_cost(rows)) for title, rows in shown.items()]
    return "\n\n".join((markdown_table(titles, found), markdown_table(head, cost)))


def _found(rows: Sequence[Row], made: Sequence[str], side: str) -> list[str]:
    """Of how many members each attack says something, and in how many it found them; at last the same over all inputs."""
    cells = [_share(_verdicts(rows, [name], side)) for name in made]
    return [*cells, _share(_verdicts(rows, INPUTS, side))]


def _verdicts(rows: Sequence[Row], names: Sequence[str], side: str) -> list[bool]:
    verdicts = [row["attacks"][name][side] for row in rows for name in names if name in row["attacks"]]
    return [bool(verdict) for verdict in verdicts if verdict is not None]


def _share(verdicts: Sequence[bool]) -> str:
    return f"{sum(verdicts)} of {len(verdicts)}" if verdicts else DASH


def _cost(rows: Sequence[Row]) -> tuple[str, ...]:
    counts, ranks, strangers = (measured(rows, key) for key in ("correct_templates", "rank_blind", "strangers_recognised"))
    kept, change = measured(rows, "others_kept"), measured(rows, "object_top1_change")
    return (
        str(len(rows)),
        f"{sum(count == 0 for count in counts)} of {len(counts)}" if counts else DASH,
        f"{100 * statistics.mean(kept):.1f} % (least {100 * min(kept):.0f})" if kept else DASH,
        f"{max(strangers):.0f} at most" if strangers else DASH,
        f"{100 * statistics.mean(change):+.1f} pts" if change else DASH,
        _forms(rows),
        f"{statistics.median(ranks):.0f}" if ranks else DASH,
        _steps(rows),
        f"{statistics.median(measured(rows, 'core_seconds')):.1f}",
    )


def _forms(rows: Sequence[Row]) -> str:
    """Of all forms of names that were tried, the share that finds the person."""
    made = [row["attacks"]["surface-forms"] for row in rows if "surface-forms" in row["attacks"]]
    n_tries = sum(one["tries"] for one in made)
    return f"{100 * sum(one['tries_after'] for one in made) / n_tries:.1f} %" if n_tries else DASH


def _steps(rows: Sequence[Row]) -> str:
    """The median number of steps after which relearning finds the person, by number of sentences; "never" where it does not."""
    made = [row["attacks"]["undoing"]["steps"] for row in rows if "undoing" in row["attacks"]]
    if not made:
        return DASH
    columns = [[float("inf") if one.get(text) is None else one[text] for one in made] for text in made[0]]
    medians = [statistics.median(column) for column in columns]
    return ", ".join("never" if median == float("inf") else f"{median:g}" for median in medians)
