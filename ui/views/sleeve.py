"""The seal of a run, portraits by a seed that somebody called out, and the check of the run, as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ui.views.jobs import small_job
from ui.views.portraits import cells
from ui.views.render import render
from unlearn.jobs import Job, Succeeded
from unlearn.runs.dial_records import Seal
from unlearn.runs.json_types import from_json
from unlearn.runs.records import DrawnPrompt
from unlearn.runs.results import Run
from unlearn.runs.verification_records import Verification
from unlearn.runs.verification_sentences import picture_words, verification_sentence, weights_words

GROUP = 8  # digits of a hash that are read in one go


def moment(iso: str) -> str:
    """A time as ISO 8601 writes it, as day and time in UTC."""
    return f"{datetime.fromisoformat(iso).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def seal(run: Run) -> str:
    """The hashes of the defended weights and their time; that an older run has none."""
    sealed: Seal = run.seal
    files = [
        {"file": file, "groups": [digest[start : start + GROUP] for start in range(0, len(digest), GROUP)]}
        for file, digest in sealed.weights.items()
    ]  # fmt: skip
    return render(
        "seal", files=files, iso=sealed.created, when=moment(sealed.created) if sealed.created else "", original_hash=sealed.original_hash,
        drawn={entry.model: entry.weights_hash for entry in run.portraits},
    )  # fmt: skip


def drawn_by_audience(jobs: Sequence[Job], run: Run) -> str:
    """What was drawn by seeds of the audience, newest first; a job that is not done shows its state."""
    drawn: list[dict[str, Any]] = []
    for job in jobs:
        entries = from_json(tuple[DrawnPrompt, ...], job.state.result["rows"] if isinstance(job.state, Succeeded) else ())
        person = int(job.request["person"])
        drawn.append({
            "id": job.id, "seed": job.request["seed"], "note": small_job(job), "pair": cells(f"media/{job.id}", entries, "asked for"),
            "hashes": {entry.model: entry.weights_hash for entry in entries}, "many": len(run.names) > 1,
            "name": run.names[person] if person < len(run.names) else "",
        })  # fmt: skip
    return render("audience", drawn=drawn)


def verified(job: Job) -> str:
    """The check of a run; a job that is not done shows its state."""
    if not isinstance(job.state, Succeeded):
        return render("waiting", text=small_job(job), job=job.id)
    told = from_json(Verification, job.state.result)
    rows: list[dict[str, Any]] = [
        {"file": check.file, "words": weights_words(check), "is_good": check.is_equal, "digest": check.now or ""} for check in told.weights
    ]
    rows += [{"file": check.file, "words": picture_words(check), "is_good": check.is_good, "digest": ""} for check in told.pictures]
    return render("verified", sentence=verification_sentence(told), rows=rows, told=told)
