"""Searches for faces as HTML: the outcome for every photo, and its use for fine-tuning or evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ui.server.face_pictures import DrawnFirst
from ui.server.photo_sets import PhotoSet
from ui.views.jobs import small_job
from ui.views.render import duration, render

PARTS = (
    ("fine_tuning", "For fine-tuning", "the model is trained to forget with these"),
    ("evaluation", "For evaluation", "kept aside: the attack looks at these only"),
    (None, "Not used", "with the reason; several faces need your pick"),
)


def _photo(base: str, row: dict[str, Any], may_pick: bool) -> dict[str, Any]:
    number = row["number"]
    several = row["status"] == "several faces"
    return {
        "number": number, "message": row["message"], "different": row["looks_different"],
        "status": row["status"], "src": f"{base}/{number:03d}.webp" if row["status"] == "usable" else "",
        "alt": f"Face of photo {number}",
        "faces": [
            {"src": f"{base}/{number:03d}-{face}.webp", "value": f"{number}:{face}", "number": face}
            for face in range(1, row["n_faces"] + 1)
        ] if several and may_pick else [],
    }  # fmt: skip


def _set(photo_set: PhotoSet) -> dict[str, Any]:
    job, summary = photo_set.job, photo_set.found
    base, may_pick = f"media/{job.id}/shown", job.parent is None
    groups = []
    for part, title, why in PARTS if not photo_set.deleted else ():
        rows = [_photo(base, row, may_pick) for row in summary.get("photos", []) if row["part"] == part]
        if part is None and not summary.get("ready"):
            title, why = "Photos", "they are split when there are enough"
        if rows:
            groups.append({"title": title, "why": why, "photos": rows, "small": part is not None})
    return {
        "job": job.id, "name": photo_set.name, "done": bool(summary), "note": small_job(job), "ready": bool(summary.get("ready")),
        "used": job.parent is not None, "deleted": photo_set.deleted, "finder": summary.get("finder", ""),
        "n_usable": summary.get("n_usable", 0), "n_photos": len(summary.get("photos", [])),
        "split_note": summary.get("split_note", ""), "warnings": summary.get("warnings", []), "groups": groups, "ended": job.ended,
    }  # fmt: skip


def photo_sets(sets: Sequence[PhotoSet]) -> str:
    """All searches of a visitor, newest first."""
    return render("faces", sets=[_set(photo_set) for photo_set in sets])


def examples(rows: Sequence[dict[str, Any]], people: Sequence[dict[str, Any]]) -> str:
    """The shipped example sets to choose from, with a picture of each person."""
    indices = {person["name"]: index for index, person in enumerate(people)}
    examples_shown = [
        {
            "name": row["name"], "folder": row["folder"].replace("\\", "/").rsplit("/", 1)[-1], "member": row["member"],
            "photo": f"people/{indices[row['name']]}-0.webp" if row["name"] in indices else "",
        }
        for row in rows
    ]
    return render("examples", rows=examples_shown)


def drawn_first(drawn: DrawnFirst) -> str:
    """What is drawn before a model set's first defence of a face, and how long that takes; empty where nothing is."""
    if not drawn.n_pictures:
        return ""
    if not drawn.can_draw:
        text = (
            "The face cannot be defended here: this model set brings no everyday pictures and no anonymous faces, and has no Stable "
            "Diffusion that could draw them. Whoever runs the server can name some."
        )
    else:
        text = (
            f"Before the first face, Stable Diffusion draws {drawn.n_pictures} pictures that this model set lacks: everyday scenes, and "
            f"faces of people who do not exist. That takes about {duration(drawn.seconds)} on a fast GPU, much longer on a CPU. They are "
            "kept for later jobs."
        )
    return render("waiting", text=text)
