"""The parts of a run as HTML: portraits, predictions, attack, bystanders, probes.

Original is always left, defended right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ui.views import story
from ui.views.jobs import small_job, verdict_sentence
from ui.views.render import DASH, decimal, render
from unlearn.jobs import Job, Succeeded
from unlearn.runs.results import Run

SIDES = ("original", "defended")
MAX_BARS = 8
N_TEMPLATES = 21
REMAPPED = 0.2  # a rise of the similarity to the neutral term from which a text is marked as remapped
PROMPT_TITLES = {"name": "With the name", "neutral": "With the neutral term"}


def _cell(base: str, row: dict[str, Any], what: str) -> dict[str, Any]:
    return {
        "src": f"{base}/{row['file']}", "hash": str(row.get("weights_hash") or "")[:8], "seed": row["seed"],
        "alt": f"Portrait by the {row['model']} model, {what}, seed {row['seed']}",
    }  # fmt: skip


def _prompt_text(row: dict[str, Any], run: Run, name: str) -> str:
    if row.get("text"):
        return str(row["text"])
    template = row.get("template") or (run.config.get("portraits") or {}).get("prompt_template") or "{0}"
    neutral = run.neutral_term
    return str(template).replace("{0}", name if row["prompt"] == "name" else neutral)


def portraits(run: Run) -> str:
    """The 2 x 2 of every seed and person: original left, defended right; name above, neutral term below."""
    base, people = f"media/{run.key}/portraits", []
    for index, name in enumerate(run.names):
        rows = [row for row in run.portraits if row.get("person_index", 0) == index]
        if not rows:
            continue
        seeds = []
        for seed in dict.fromkeys(row["seed"] for row in rows):
            lines = []
            for prompt in dict.fromkeys(row["prompt"] for row in rows):
                cells = {r["model"]: r for r in rows if r["seed"] == seed and r["prompt"] == prompt}
                what = PROMPT_TITLES.get(prompt, prompt).lower()
                line: dict[str, Any] = {s: _cell(base, cells[s], what) if s in cells else None for s in SIDES}
                line["text"] = _prompt_text(next(iter(cells.values())), run, name) if cells else prompt
                lines.append(line)
            seeds.append({"seed": seed, "lines": lines})
        people.append({"name": name, "index": index, "seeds": seeds})
    note = story.IMAGE_ONLY_PORTRAITS if run.encoder == "image" else ""
    return render("portraits", people=people, uid=run.key, note=note)


def drawn(jobs: Sequence[Job]) -> str:
    """Portraits that were asked for on a finished run, newest first; a job that is not done shows its state."""
    sets = []
    for job in jobs:
        lines: list[dict[str, Any]] = []
        rows = job.state.result.get("rows", []) if isinstance(job.state, Succeeded) else []
        base = f"media/{job.id}"
        for text in dict.fromkeys(row["text"] for row in rows):
            pairs = []
            for seed in dict.fromkeys(row["seed"] for row in rows):
                cells = {r["model"]: r for r in rows if r["seed"] == seed and r["text"] == text}
                pairs.append({s: _cell(base, cells[s], "asked for") if s in cells else None for s in SIDES})
            lines.append({"text": text, "pairs": pairs})
        sets.append({"id": job.id, "title": "Drawn on demand", "note": small_job(job), "lines": lines})
    return render("drawn", sets=sets)


def _prediction(labels: Sequence[str], original: Sequence[float], defended: Sequence[float]) -> dict[str, Any]:
    tops = [max(range(len(labels)), key=lambda i: side[i]) if labels else None for side in (original, defended)]
    order = sorted(range(len(labels)), key=lambda i: -max(original[i], defended[i]))
    rows = [
        {"label": labels[i], "original": original[i], "defended": defended[i], "original_top": i == tops[0],
         "defended_top": i == tops[1]}
        for i in order[:MAX_BARS]
    ]  # fmt: skip
    if rest := order[MAX_BARS:]:
        left = {side: sum(shares[i] for i in rest) for side, shares in (("original", original), ("defended", defended))}
        rows.append({"label": f"{len(rest)} other labels together", **left, "original_top": False, "defended_top": False})
    if tops[0] == tops[1]:
        sentence = f"Both models answer “{labels[tops[0]]}”." if tops[0] is not None else ""
    else:
        sentence = f"The top answer changed: “{labels[tops[0] or 0]}” became “{labels[tops[1] or 0]}”."
    return {"rows": rows, "sentence": sentence}


def predictions(run: Run) -> str:
    """The run's example photos with the labels' shares before and after; a visitor's photos are not kept, so not shown."""
    photos = []
    n_own: Counter[str] = Counter()
    for index, photo in enumerate(run.predictions):
        who = photo.get("name") or "a photo"
        src, title = f"media/{run.key}/{photo['photo']}", who
        if not photo.get("photo"):
            n_own[who] += 1
            src, title = "", f"{who}: your photo {n_own[who]} (not kept)"
        photos.append({
            "src": src, "title": title, "alt": f"Example photo {index + 1}: {who}",
            **_prediction(photo["labels"], photo["original"], photo["defended"]),
        })  # fmt: skip
    return render("predictions", photos=photos, uid=run.key)


def predicted(job: Job) -> str:
    """A prediction that was asked for."""
    if not isinstance(job.state, Succeeded):
        return render("waiting", text=small_job(job), job=job.id)
    result, request = job.state.result, job.request
    photo = {"src": "", "title": "Your photo (not kept)", "alt": "",
             **_prediction(result["labels"], result["original"], result["defended"])}  # fmt: skip
    if request.get("person"):
        src = f"people/{int(request['person_index'])}-{int(request['shot'])}.webp"
        photo |= {"src": src, "title": request["person"], "alt": f"A picture of {request['person']}"}
    return render("predictions", photos=[photo], uid=job.id)


def _attacked(person: dict[str, Any]) -> dict[str, Any]:
    found = [(person.get(side) or {}).get("recognised") for side in SIDES]
    counts = [(person.get(side) or {}).get("correct_templates") for side in SIDES]
    before, after = (DASH if count is None else str(count) for count in counts)
    sentence = f"{verdict_sentence(person['name'], found[0], found[1])} Correct prompts: {before} before, {after} after."
    templates = [
        {"template": vote["template"].replace("{0}", "[name]"), **{side: vote.get(side) for side in SIDES}}
        for vote in person.get("templates") or []
    ]
    return {"name": person["name"], "sentence": sentence, "templates": templates}


def _settings_sentence(idia: dict[str, Any], n_photos: Sequence[int], is_own: bool = False) -> str:
    """The attack's settings, with the numbers of photos that it really had."""
    names, least = idia.get("n_candidate_names"), idia.get("min_correct_templates")
    counts = sorted(n for n in n_photos if n)
    if not names or not counts:
        return ""
    number = f"{counts[0]}" if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
    noun, verb = ("photo", "was") if counts[-1] == 1 else ("photos", "were")
    what = "of your own" if is_own else f"that {verb} not used for training"
    return (
        f"{names:,} candidate names, {number} {noun} {what}. A prompt counts when most photos "
        f"agree on the right name without a tie; the person counts as recognised from {least} of the prompts on."
    )


def _control_sentence(counts: dict[str, Any]) -> str:
    n, before, after = (counts.get(k) for k in ("n", "recognised_original", "recognised_defended"))
    if not n:
        return ""
    return (
        f"Of {n} people whom the models never saw, the original recognises {before} and the defended model {after}. "
        "It should be none: only then does a hit say something."
    )


def attack(run: Run) -> str:
    """Verdict and prompt-by-prompt votes of everybody in the run, and the negative control."""
    idia = run.idia or {}
    controls = idia.get("controls") or []
    control = _attacked(controls[0]) if controls else None
    if control is not None:
        control["sentence"] = _control_sentence(run.metrics.get("control") or {}) or control["sentence"]
    n_photos = [person.get("n_images") or 0 for person in idia.get("persons") or []]
    return render(
        "attack", persons=[_attacked(person) for person in idia.get("persons") or []], control=control,
        settings=_settings_sentence(run.config.get("idia") or {}, n_photos), open_first=True,
    )  # fmt: skip


def attacked(job: Job) -> str:
    """An attack that was asked for on a finished run."""
    if not isinstance(job.state, Succeeded):
        return render("waiting", text=small_job(job), job=job.id)
    person = {"name": job.request["name"], **job.state.result}
    result = job.state.result
    settings = _settings_sentence(job.request.get("idia") or {}, [result.get("n_images") or 0], bool(result.get("own_photos")))
    return render("attack", persons=[_attacked(person)], control=None, settings=settings, open_first=True)


def _bystander(person: dict[str, Any]) -> dict[str, Any]:
    status = person.get("status") or ""
    damaged = status in ("wrongly forgotten", "newly recalled")
    row: dict[str, Any] = {"name": person["name"], "lost": damaged, "remark": "" if status == "kept" else status}
    for side, name in (("original", "before"), ("defended", "after")):
        count = (person.get(side) or {}).get("correct_templates")
        row[f"{name}_share"] = None if count is None else count / N_TEMPLATES
        row[f"{name}_text"] = DASH if count is None else f"{count} of {N_TEMPLATES}"
    return row


def bystanders(run: Run) -> str:
    """People and things that had to stay as they were; damage first."""
    rows = sorted((_bystander(person) for person in run.bystanders), key=lambda row: not row["lost"])
    attacked = [person for person in run.bystanders if person.get("status") not in (None, "not attacked")]
    n_lost, n_all = sum(person.get("status") == "wrongly forgotten" for person in attacked), len(attacked)
    if not n_all:
        sentence = "Nobody else was attacked, so nothing is known about other people."
    elif n_lost == 0:
        sentence = f"None of the {n_all} other people was forgotten by mistake."
    else:
        sentence = f"{n_lost} of {n_all} other people were wrongly forgotten; they stand first."
    counts = run.metrics.get("utility") or {}
    titles = {"top1": "right at the first guess", "top5": "right within five guesses"}
    things = [
        {"title": title, **{s: counts.get(f"{key}_{s}") for s in SIDES}}
        for key, title in titles.items() if counts.get(f"{key}_original") is not None
    ]  # fmt: skip
    sims = [(run.metrics, "texts without the name"), (run.metrics.get("image") or {}, "pictures without the face")]
    kept = [f"{what}: Sim_Clean {decimal(part.get('sim_clean'))}" for part, what in sims if part.get("sim_clean") is not None]
    return render("bystanders", persons=rows or None, things=things or None, sentence=sentence, kept="; ".join(kept))


def probes(rows: Sequence[dict[str, Any]], run: Run) -> str:
    """Texts before and after: how near to the neutral term, and how well they still find the person."""
    made = []
    for row in rows:
        sides: dict[str, dict[str, Any]] = {}
        for side in SIDES:
            found = row.get(side) or {}
            count, nearest = found.get("correct_templates"), found.get("nearest")
            sides[side] = {
                "target": found.get("to_neutral"), "person": None if count is None else count / N_TEMPLATES,
                "count": DASH if count is None else f"{count} of {N_TEMPLATES}", "nearest": nearest,
            }  # fmt: skip
        before, after = sides["original"]["target"], sides["defended"]["target"]
        moved = before is not None and after is not None and after - before > REMAPPED
        made.append({"text": row["text"], "kind": row.get("kind") or "", "moved": moved, **sides})
    names = run.names
    note = story.IMAGE_ONLY_PROBES if run.encoder == "image" else ""
    return render("probes", note=note, rows=made, target=run.neutral_term, person=names[0] if len(names) == 1 else "the person")


def probed(job: Job, run: Run) -> str:
    """Probes that were asked for on a finished run."""
    if not isinstance(job.state, Succeeded):
        return render("waiting", text=small_job(job), job=job.id)
    return probes(job.state.result["rows"], run)
