"""The evaluation of faces as a table in Markdown, beside the paper's figures."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from unlearn.evaluation.tables import DASH, measured

KINDS = ("ours", "paper", "both")
# Hintersdorf et al. 2024, ViT-B/32 image encoder, regularised, means over ten runs; ImageNet-V2 top-1 against the original's 52.4 %
PAPER_ROWS = (
    ("paper: ViT-B/32, 1 face", "0 % TPR", "–", "–", "0.96", "0.93", "0.95", "-4.0 pts"),
    ("paper: ViT-B/32, 8 faces", "2.5 % TPR", "–", "–", "0.96", "0.87", "0.95", "-4.0 pts"),
    ("paper: ViT-B/32, 16 faces", "10.6 % TPR", "–", "–", "0.96", "0.86", "0.96", "-4.3 pts"),
)  # fmt: skip


def face_table(result: dict[str, Any]) -> str:
    """A row for each kind and number of faces, in Markdown, over all draws; the paper's figures below."""
    groups: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for row in result["rows"]:
        groups.setdefault((row["n"], row["kind"]), []).append(row)
    titles = {"ours": "image encoder, ours", "paper": "image encoder, paper's setting", "both": "both encoders, ours"}
    head = ("forgotten", "to 0 of 21 templates", "other members still recognised", "strangers recognised", "Sim_Clean", "Sim_Backdoor",
            "Sim_Target", "object top-1")  # fmt: skip
    lines = [(f"{n} at once, {titles[kind]}", *_cells(rows)) for (n, kind), rows in sorted(groups.items(), key=_place)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *lines, *PAPER_ROWS))


def _place(group: tuple[tuple[int, str], Any]) -> tuple[int, int]:
    return group[0][0], KINDS.index(group[0][1])


def _cells(rows: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    counts = [count for row in rows for count in row["correct_templates"] if count is not None]
    change, kept = measured(rows, "object_top1_change"), measured(rows, "others_kept")
    strangers = measured(rows, "strangers_recognised")
    similarities = [measured(rows, key) for key in ("sim_clean", "sim_backdoor", "sim_target")]
    return (
        f"{sum(count == 0 for count in counts)} of {len(counts)}" if counts else DASH,
        f"{100 * statistics.mean(kept):.1f} % (least {100 * min(kept):.0f})" if kept else DASH,
        f"{max(strangers):.0f}" if strangers else DASH,
        *(f"{statistics.mean(values):.3f}" if values else DASH for values in similarities),
        f"{100 * statistics.mean(change):+.1f} pts (least {100 * min(change):+.1f})" if change else DASH,
    )
