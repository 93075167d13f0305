"""The evaluation as tables in Markdown, beside the paper's figures and the aims."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from unlearn.runs.sentences import HIDDEN

# Hintersdorf et al. 2024, tables 5 and 6: regularised text encoders, means over ten runs.
PAPER = (
    ("paper, ViT-B/32, 1 name", "0 % TPR", ".99", ".99", ".99"),
    ("paper, ViT-B/32, 32 names", "0 % TPR", ".99", ".99", ".99"),
    ("paper, ViT-L/14, 32 names", "0 % TPR", ".99", ".99", ".99"),
)


DASH = "–"  # not measured
STAND_IN = "stand-in"  # the target of rows without a neutral term


def measured(rows: Sequence[dict[str, Any]], key: str) -> list[float]:
    """The values of the rows that have one."""
    return [row[key] for row in rows if row.get(key) is not None]


def tables(result: dict[str, Any]) -> str:
    """All tables."""
    original = [_original(result["original"])] if result["original"] is not None else []
    beside = [row for row in result["rows"] if row.get("never_met_model")]
    return "\n\n".join((*original, _forgotten(result["rows"]), *_counted(result["rows"]), *([_three_models(beside)] if beside else [])))


def _counted(rows: Sequence[dict[str, Any]]) -> list[str]:
    """On how many captions the similarities were measured; nothing where the rows of an earlier version do not tell."""
    counts = sorted({int(count) for count in measured(rows, "n_captions")})
    return [f"Sim_Clean, Sim_Backdoor and Sim_Target over {' or '.join(f'{n:,}' for n in counts)} captions."] if counts else []


def _original(row: dict[str, Any]) -> str:
    named = row["portraits_named"]
    wins = ", ".join(f"{term} {DASH if n is None else n}" for term, n in row["neutral_wins"].items())
    median = row["median_templates"]
    lines = [
        ("members recognised by the attack", _of(row["members_recognised"], row["n_members"]), "46"),
        ("median of correct templates", DASH if median is None else f"{median:g} of 21", "12"),
        ("strangers recognised (control)", _of(row["strangers_recognised"], row["n_strangers"]), "0"),
        ("aliases recognised", _of(row["aliases_recognised"], row["n_aliases"]), "10"),
        ("neutral term beats all 999 other names", wins, "at most 2 each"),
        ("object zero-shot top-1", _percent(row["object_top1"]), "95 %"),
        ("person or thing", _percent(row["person_or_thing"]), "99 %"),
        ("portraits named right", _percent(statistics.mean(named.values()) if named else None), "95 %"),
    ]
    return markdown_table(("original model", "measured", "aim"), lines)


def _forgotten(rows: Sequence[dict[str, Any]]) -> str:
    groups: dict[tuple[int, str | None, bool], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((len(row["names"]), row["neutral_term"], row["are_members"]), []).append(row)
    lines = [(_title(*key), *_cells(group)) for key, group in groups.items()]
    lines += [(name, tpr, "", "", clean, backdoor, target, *[""] * 7) for name, tpr, clean, backdoor, target in PAPER]
    head = ("forgotten", "to 0 of 21 templates", "others kept", "strangers recognised", "Sim_Clean", "Sim_Backdoor", "Sim_Target",
            "top-1 change", "false recall", "hidden (rank blind)", "never met", "seconds", "portraits still named",
            "others' portraits named")  # fmt: skip
    return markdown_table(head, lines)


def _three_models(rows: Sequence[dict[str, Any]]) -> str:
    """Everybody whom a second model never met: original, defended and never met, the models of one line in this order."""
    people = [(_forgotten_one(name, row), models) for row in rows for name, models in row["never_met_model"].items()]
    head = ("forgotten", "right prompts: original / defended / never met", "place among the names", "lead, standard deviations",
            "order of faces: original to never met", "defended to never met", "an unknown name")  # fmt: skip
    return markdown_table(head, [(title, *_three_cells(models)) for title, models in people])


def _forgotten_one(name: str, row: dict[str, Any]) -> str:
    crowd = "alone" if len(row["names"]) == 1 else f"one of {len(row['names'])}"
    return f"{name}, {crowd}, {row['neutral_term'] or STAND_IN}"


def _three_cells(models: dict[str, Any]) -> tuple[str, ...]:
    sides = [models[side] for side in ("original", "defended", "never_met")]
    counts = [*models["right_prompts"].values(), models["correct_templates"]]
    agreed = models["agreement"] or {}
    return (
        " / ".join(DASH if count is None else str(count) for count in counts),
        " / ".join(f"{side['rank']:g}" for side in sides),
        " / ".join(f"{side['place']:+.2f}" for side in sides),
        *(DASH if (value := agreed.get(key)) is None else f"{value:.2f}"
          for key in ("original_never_met", "defended_never_met", "unknown_original_never_met")),
    )  # fmt: skip


def _title(n: int, term: str | None, are_members: bool) -> str:
    return f"{n}{'' if are_members else ' unknown'} at once, {STAND_IN if term is None else term}"


def _cells(group: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    by_seed: dict[int, list[int]] = {}
    for row in group:
        by_seed.setdefault(row["seed"], []).extend(count for count in row["correct_templates"] if count is not None)
    n_persons, n_names = sum(map(len, by_seed.values())), sum(len(row["names"]) for row in group)
    forgotten = [sum(count == 0 for count in counts) for counts in by_seed.values()]
    each = f" ({', '.join(map(str, forgotten))} by seed)" if len(forgotten) > 1 else ""
    own = [share for row in group for share in (row["portraits_named"] or {}).values()]
    other = [share for row in group for share in (row["others_portraits_named"] or {}).values()]
    return (
        _of(sum(forgotten), n_persons) + (each if n_persons else ""),
        _spread(measured(group, "others_kept"), lambda x: f"{100 * x:.1f} %"),
        _spread(measured(group, "strangers_recognised"), lambda x: f"{x:g}"),
        *(_spread(measured(group, key), lambda x: f"{x:.3f}") for key in ("sim_clean", "sim_backdoor", "sim_target")),
        _spread(measured(group, "object_top1_change"), lambda x: f"{100 * x:+.2f} pts"),
        _spread(measured(group, "false_recalled"), lambda x: f"{x:g}"),
        _hidden(group),
        _spread(measured(group, "never_met"), lambda x: f"{x:.2f}"),
        _spread(measured(group, "seconds"), lambda x: f"{x:.0f}"),
        _percent(statistics.mean(own) if own else None) + (f" (of {len(own)})" if 0 < len(own) < n_names else ""),
        _percent(statistics.mean(other) if other else None),
    )


def _hidden(group: Sequence[dict[str, Any]]) -> str:
    """In how many runs the forgotten name stands behind the first per cent of the names, and the least rank."""
    ranks = [(row["rank_blind"], row["n_traced"]) for row in group if row.get("rank_blind") is not None]
    if not ranks:
        return DASH
    return f"{_of(sum(rank > HIDDEN * n for rank, n in ranks), len(ranks))} (first at {min(rank for rank, _ in ranks)})"


def _spread(values: Sequence[float], show: Callable[[float], str]) -> str:
    """Mean and range; a dash for no values."""
    if not values:
        return DASH
    mean = show(statistics.mean(values))
    return mean if len(values) == 1 else f"{mean} ({show(min(values))} to {show(max(values))})"


def _percent(share: float | None) -> str:
    return DASH if share is None else f"{100 * share:.1f} %"


def _of(count: int, n: int) -> str:
    return f"{count} of {n}" if n else DASH


def markdown_table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table under a line of titles."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
