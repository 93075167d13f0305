"""The parts of a run as HTML: predictions, attack, bystanders, probes; the portraits have a module of their own.

Original is always left, defended right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ui.views import story
from ui.views.jobs import N_TEMPLATES
from ui.views.render import DASH, decimal, render
from unlearn.attacks.figures import DRAWN
from unlearn.config import IdiaConfig
from unlearn.runs.drawn_sentences import drawn_note
from unlearn.runs.many_persons import MOST_ALONE
from unlearn.runs.metrics import Counts, Metrics
from unlearn.runs.records import (
    SIDES,
    AttackRecord,
    BystanderRow,
    Prediction,
    Probe,
    ProbeRow,
    ProbeSide,
    TemplateVotes,
    Verdict,
)
from unlearn.runs.results import Run
from unlearn.runs.sentences import compared_sentence, third_bystanders, third_verdict, verdict_sentence

MAX_BARS = 8
REMAPPED = 0.5  # of the way from a text to the target, from which on it is marked as remapped; a cosine would suit one model only


def prediction_bars(prediction: Prediction) -> dict[str, Any]:
    labels, original, defended, third = prediction.labels, prediction.original, prediction.defended, prediction.never_met
    tops = [max(range(len(labels)), key=lambda i: side[i]) if labels else None for side in (original, defended)]
    order = sorted(range(len(labels)), key=lambda i: -max(original[i], defended[i]))
    rows = [
        {"label": labels[i], "original": original[i], "defended": defended[i], "original_top": i == tops[0],
         "defended_top": i == tops[1], "never_met": None if third is None else third[i]}
        for i in order[:MAX_BARS]
    ]  # fmt: skip
    if rest := order[MAX_BARS:]:
        left: dict[str, Any] = {side: sum(getattr(prediction, side)[i] for i in rest) for side in SIDES}
        left["never_met"] = None if third is None else sum(third[i] for i in rest)
        rows.append({"label": f"{len(rest)} other labels together", **left, "original_top": False, "defended_top": False})
    if tops[0] == tops[1]:
        sentence = f"Both models answer “{labels[tops[0]]}”." if tops[0] is not None else ""
    else:
        sentence = f"The top answer changed: “{labels[tops[0] or 0]}” became “{labels[tops[1] or 0]}”."
    if third is not None and labels:
        sentence += f" A model that never met the person answers “{labels[max(range(len(labels)), key=lambda i: third[i])]}”."
    return {"rows": rows, "sentence": sentence, "is_three": third is not None}


def predictions(run: Run) -> str:
    """The run's example photos with the labels' shares before and after; a visitor's photos are not kept, so not shown."""
    photos = []
    n_own: Counter[str] = Counter()
    for number, row in enumerate(run.predictions, start=1):
        who = row.name or "a photo"
        src, title = f"media/{run.key}/{row.photo}", who
        if row.photos is not None:
            title = f"{who}, {row.photos}"
        if not row.photo:
            n_own[who] += 1
            src, title = "", f"{who}: your photo {n_own[who]} (not kept)"
        photos.append({"src": src, "title": title, "alt": f"Example photo {number}: {title}", **prediction_bars(row)})
    return render("predictions", photos=photos, uid=run.key)


@dataclass(frozen=True)
class AttackedPerson:
    """What is shown of the attack on one person.

    `counts`: correct prompts before and after. `votes` are those by template, {0} replaced; `is_three`: also those of a model that never
    met the person.
    """

    name: str
    sentence: str
    counts: str
    votes: list[TemplateVotes]
    is_three: bool = False


def attacked_person(record: AttackRecord, verdict: str) -> AttackedPerson:
    """The attack on somebody; `verdict` is its outcome in a sentence."""
    before, after = (_count(side) for side in (record.original, record.defended))
    sentence = f"{verdict} Correct prompts: {before} before, {after} after."
    votes = [replace(votes, template=votes.template.replace("{0}", "[name]")) for votes in record.templates]
    if record.never_met is not None:
        sentence += f" {third_verdict(record.name, record.never_met)}"
    counts = f"{before} → {after} correct prompts"
    return AttackedPerson(record.name, sentence, counts, votes, record.never_met is not None)


def _count(side: Verdict | ProbeSide, of: str = "") -> str:
    return DASH if side.correct_templates is None else f"{side.correct_templates}{of}"


def settings_sentence(idia: IdiaConfig, n_photos: Sequence[int], whose: Literal["set", "own", "drawn"] = "set") -> str:
    """The attack's settings, with the numbers of photos that it really had, and whose these were."""
    counts, least = sorted(n for n in n_photos if n), idia.min_correct_templates
    if not counts:
        return ""
    number = f"{counts[0]}" if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
    noun, verb = ("photo", "was") if counts[-1] == 1 else ("photos", "were")
    what = {"own": "of your own", "set": f"that {verb} not used for training", "drawn": f"that {verb} {DRAWN}"}[whose]
    if whose == "drawn":
        noun = noun.replace("photo", "portrait")
    return (
        f"{idia.n_candidate_names:,} candidate names, {number} {noun} {what}. A prompt counts when most photos agree on the right "
        f"name without a tie. The person counts as recognised with at least {least} such prompt{'' if least == 1 else 's'}."
    )


def _control_sentence(counts: Counts) -> str:
    return (
        f"Of {counts.n} people whom the models never saw, the original recognises {counts.recognised_original} and the defended "
        f"model {counts.recognised_defended}. It should be none: only then is a hit evidence."
    )


def attack(run: Run) -> str:
    """Verdict and prompt-by-prompt votes of everybody in the run, and the negative control."""
    persons, counts = run.idia.persons, run.metrics.control
    control, is_drawn = None, any(person.original.is_drawn for person in persons)
    if alike := [control for control in run.idia.controls if control.original.is_drawn == is_drawn]:
        stranger = alike[0]
        control = attacked_person(stranger, compared_sentence(stranger.name, stranger, run.config.idia))
    if control is not None and is_drawn:
        control = replace(control, sentence=drawn_note(run.metrics.drawn_photos))
    elif control is not None and counts.n:
        control = replace(control, sentence=_control_sentence(counts))
    settings = settings_sentence(run.config.idia, [person.n_images for person in persons], "drawn" if is_drawn else "set")
    shown = [attacked_person(person, verdict_sentence(person.name, person, run.config)) for person in persons]
    is_many = len(shown) > MOST_ALONE
    return render("attack", persons=shown, control=control, is_drawn=is_drawn, settings=settings, open_first=True, is_many=is_many)


def _bystander(row: BystanderRow) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": row.name, "lost": row.is_damaged, "remark": "" if row.status == "kept" else row.status}
    for name, side in (("before", row.original), ("after", row.defended), ("third", row.never_met or Verdict())):
        count = side.correct_templates
        shown[f"{name}_share"] = None if count is None else count / N_TEMPLATES
        shown[f"{name}_text"] = _count(side, f" of {N_TEMPLATES}")
    return shown


def bystanders(run: Run) -> str:
    """People and things that had to stay as they were; damage first."""
    rows = [_bystander(row) for row in sorted(run.bystanders, key=lambda row: not row.is_damaged)]
    attacked = [row for row in run.bystanders if row.is_attacked]
    n_lost, n_all = sum(row.status == "wrongly forgotten" for row in attacked), len(attacked)
    if not n_all:
        sentence = "Nobody else was attacked, so nothing is known about other people."
    elif n_lost == 0:
        sentence = f"None of the {n_all} other people was forgotten by mistake."
    else:
        sentence = f"{n_lost} of {n_all} other people were wrongly forgotten; they are listed first."
    return render(
        "bystanders", persons=rows or None, things=_things(run.metrics) or None, sentence=sentence, kept=_kept(run.metrics),
        is_three=any(row.never_met is not None for row in run.bystanders), third=third_bystanders(run.metrics),
    )  # fmt: skip


def _things(metrics: Metrics) -> list[dict[str, Any]]:
    utility = metrics.utility
    rows = [
        {"title": "right at the first guess", "original": utility.top1_original, "defended": utility.top1_defended},
        {"title": "right within five guesses", "original": utility.top5_original, "defended": utility.top5_defended},
    ]
    return [row for row in rows if row["original"] is not None]


def _kept(metrics: Metrics) -> str:
    """How far texts and pictures of anything else kept their meaning; empty where it was not measured."""
    image = metrics.image.sim_clean if metrics.image is not None else None
    texts = "texts without the name" if metrics.n_captions is None else f"{metrics.n_captions:,} texts without the name"
    values = ((texts, metrics.sim_clean), ("pictures without the face", image))
    return "; ".join(f"{what}: Sim_Clean {decimal(value)}" for what, value in values if value is not None)


def probes(rows: Sequence[Probe], run: Run, own: bool = False) -> str:
    """Texts before and after: how near to the target, and how well they still find the person.

    `own`: the visitor started the run, and may read the stand-in's name.
    """
    shown = []
    for row in rows:
        sides = {
            side: None if values is None else {
                "target": values.to_neutral, "count": _count(values, f" of {N_TEMPLATES}"), "nearest": values.nearest,
                "person": None if values.correct_templates is None else values.correct_templates / N_TEMPLATES,
            }
            for side, values in (("original", row.original), ("defended", row.defended), ("never_met", row.never_met))
        }  # fmt: skip
        before, after = row.original.to_neutral, row.defended.to_neutral
        is_moved = before is not None and after is not None and after - before > REMAPPED * (1 - before)
        shown.append({"text": row.text, "kind": row.kind if isinstance(row, ProbeRow) else "", "moved": is_moved, **sides})
    person = run.names[0] if len(run.names) == 1 else "the person"
    note = story.IMAGE_ONLY_PROBES if run.config.encoder == "image" else ""
    is_three = any(row["never_met"] is not None for row in shown)
    return render("probes", note=note, rows=shown, is_three=is_three, target=_target(run, own), person=person)


def _target(run: Run, own: bool) -> str:
    """What the texts are compared with, as words behind "similarity to"."""
    config = run.config
    if config.target == "neutral_term":
        return f"“{config.neutral_term}”"
    if len(config.persons) > 1:
        return "the person’s stand-in, whom the model never met"
    stand_in = config.persons[0].stand_in
    return f"“{stand_in}”, the stand-in" if own and stand_in is not None else "the stand-in, whom the model never met"
