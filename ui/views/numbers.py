"""The measures of a run as a table: similarities of each encoder, utility, run times."""

from __future__ import annotations

from ui.views.render import DASH, decimal, percent, render
from unlearn.runs.results import Run

SIMILARITIES = {
    "sim_clean": "texts without the name mean what they meant; 1 is best",
    "sim_backdoor": "the name now means the neutral term; 1 is best",
    "sim_target": "the neutral term kept its meaning; 1 is best",
}
IMAGE_SIMILARITIES = {
    "sim_clean": "other pictures mean what they meant; 1 is best",
    "sim_backdoor": "photos of the face now mean their target; 1 is best",
    "sim_target": "faces of people nobody knows kept their meaning; 1 is best",
}
SECONDS_TITLES = {
    "loading": "loading", "fine_tune": "fine-tuning", "fine_tune_image": "of it the face", "attack": "attacks", "measure": "measuring",
    "portraits": "portraits", "total": "in all",
}  # fmt: skip


def number_rows(run: Run) -> list[dict[str, str]]:
    """Rows {title, original, defended, why}; a dash for what was not measured."""
    metrics, utility = run.metrics, run.metrics.get("utility") or {}
    bystanders = metrics.get("bystanders") or {}
    rows = [
        ("Other people still recognised", bystanders.get("recognised_original"), bystanders.get("recognised_defended"),
         f"of {bystanders.get('n') or DASH} who were not to be forgotten; should not change"),
        ("Things, top-1", percent(utility.get("top1_original"), 1), percent(utility.get("top1_defended"), 1),
         "zero-shot accuracy; should not change"),
        ("Things, top-5", percent(utility.get("top5_original"), 1), percent(utility.get("top5_defended"), 1),
         "the same, five guesses"),
    ]  # fmt: skip
    rows = [
        ("Attack succeeds (TPR)", DASH if metrics.get("tpr") is None else percent(1.0, 1), percent(metrics.get("tpr"), 1),
         "share of the persons recognised before; none is the aim"),
        *rows,
    ]  # fmt: skip
    parts = (
        (metrics, SIMILARITIES, ""), (metrics.get("hidden") or {}, SIMILARITIES, ", hidden states"),
        (metrics.get("image") or {}, IMAGE_SIMILARITIES, ", image encoder"),
    )  # fmt: skip
    for part, titles, suffix in parts:
        for key, why in titles.items():
            if (not suffix and run.encoder != "image") or part.get(key) is not None:
                rows.append((f"{'_'.join(w.capitalize() for w in key.split('_'))}{suffix}", "", decimal(part.get(key)), why))
    made = []
    for title, original, defended, why in rows:
        before, after = (DASH if value is None else str(value) for value in (original, defended))
        made.append({"title": title, "original": before, "defended": after, "why": why})
    return made


def numbers(run: Run) -> str:
    """Similarities, utility and run times."""
    times = run.metrics.get("seconds") or {}
    seconds = [(SECONDS_TITLES.get(name, name), value) for name, value in times.items() if value is not None]
    return render("numbers", rows=number_rows(run), seconds=seconds, device=run.manifest.get("device") or "")
