"""The opponent as HTML: which ways back to a forgotten person were tried and what they found, own tries, and what was not tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ui.views.jobs import small_job
from ui.views.render import DASH, render
from unlearn.attacks.figures import DRAWN
from unlearn.attacks.recovery.catalogue import ATTACKS, TOTAL_S, Rule, attack_kind
from unlearn.jobs import Job
from unlearn.runs.recovery_records import AttackResult, OwnTry, Recovery, Try, TryScore
from unlearn.runs.recovery_sentences import (
    N_TEMPLATES,
    control_words,
    of_person,
    own_of,
    own_sentence,
    recovery_sentence,
    result_words,
    score_words,
    success_sentence,
    untried,
    verdict_word,
    visible,
)

MAX_SHOWN_TRIES = 5


@dataclass(frozen=True)
class OpponentView:
    """What the tab shows.

    Attributes:
        name: of the person who is attacked.
        person_index: number of the person in the run's config.
        recovery: what was found so far.
        is_drawn: whether the person is looked for in portraits that the original drew, for want of photos.
        jobs: attacks of this visitor that wait, run or failed, newest first.
        askable: whether attacks can be started.
    """

    name: str
    person_index: int
    recovery: Recovery
    is_drawn: bool = False
    jobs: Sequence[Job] = ()
    askable: bool = False

    @property
    def is_busy(self) -> bool:
        """Whether one of the attacks has not ended."""
        return any(not job.ended for job in self.jobs)


def _side(is_found: bool | None, words: str) -> dict[str, Any]:
    return {"found": is_found, "word": verdict_word(is_found), "words": words}


def _share(score: TryScore) -> float | None:
    return None if score.correct_templates is None else score.correct_templates / N_TEMPLATES


def _row(result: AttackResult) -> dict[str, Any]:
    kind = attack_kind(result.attack)
    return {
        "attack": result.attack, "title": kind.title, "why": kind.explanation, "n_tries": result.n_tries,
        "best": visible(result.best_try or DASH), "is_prompt": result.is_prompt, "seconds": result.seconds,
        "control": control_words(result),
        "before": _side(result.found_original, result_words(result, result.original)),
        "after": _side(result.found_defended, result_words(result, result.defended)),
        "third": None if result.never_met is None else _side(result.found_never_met, result_words(result, result.never_met)),
        "notes": [note for note in (result.note, "" if result.is_complete else "The time ran out before all tries were made.") if note],
        "tries": [_try(one, kind.rule) for one in result.tries[:MAX_SHOWN_TRIES]] if result.n_tries > 1 else [], "own": False,
    }  # fmt: skip


def _try(one: Try, rule: Rule = "templates") -> dict[str, Any]:
    """A try on all models; each try of an attack that counts votes is one sentence, which has no number of prompts."""
    sides = {
        "before": (one.found_original, one.original), "after": (one.found_defended, one.defended),
        "third": (one.found_never_met, one.never_met),
    }  # fmt: skip
    shown = {
        side: score and _side(found, "" if rule == "votes" else score_words(score)) | {"share": _share(score)}
        for side, (found, score) in sides.items()
    }
    return {"text": visible(one.text), **shown}


def _own_row(one: OwnTry) -> dict[str, Any]:
    return {**_try(one), "attack": "", "title": "Typed on this page", "why": "", "n_tries": 1, "best": visible(one.text), "is_prompt": True,
            "seconds": None, "control": "", "notes": [], "tries": [], "own": True}  # fmt: skip


def opponent(view: OpponentView) -> str:
    """Sentence, buttons, and the table sorted by danger."""
    results, own = of_person(view.recovery, view.person_index), own_of(view.recovery, view.person_index)
    rows = sorted([*map(_own_row, own), *map(_row, results)], key=lambda row: not row["after"]["found"])  # stable: danger within
    n_quick = sum(kind.is_quick for kind in ATTACKS)
    return render(
        "opponent", sentence=recovery_sentence(view.name, results, own), drawn=DRAWN if view.is_drawn else "", rows=rows,
        jobs=[{"id": job.id, "note": small_job(job), "active": not job.ended} for job in view.jobs], askable=view.askable,
        busy=view.is_busy, any_tried=bool(results), is_three=any(row["third"] for row in rows),
        success=success_sentence(view.recovery.success),
        can_draw=view.askable and any(row["is_prompt"] and row["best"] != DASH for row in rows), n_quick=n_quick,
        n_all=len(ATTACKS), most_s=TOTAL_S,
    )  # fmt: skip


def not_tried(view: OpponentView) -> str:
    """The attacks that were not made, and why."""
    rows = untried(view.recovery, view.person_index)
    later, never = [row for row in rows if row.startable], [row for row in rows if not row.startable]
    return render("untried", later=later, never=never, can_start=view.askable and not view.is_busy)


def own_answer(job: Job | None, tries: Sequence[OwnTry], name: str) -> str:
    """The answer to what was typed last."""
    if job is None:
        return ""
    if not tries:
        return render("waiting", text=small_job(job), job=job.id) if small_job(job) else ""
    return render("own_try", tries=[{"sentence": own_sentence(one, name), **_try(one)} for one in tries])


def prompts_to_draw(recovery: Recovery, person_index: int, most: int, template: str) -> list[str]:
    """Prompts of the tries that can be drawn, the most dangerous first, none twice; sentences are prompts as they are."""
    own = own_of(recovery, person_index)
    typed = dict.fromkeys([*own[:1], *(one for one in own if one.found_defended)])  # the latest in any case
    found = [template.replace("{0}", one.text) for one in typed]
    for result in of_person(recovery, person_index):
        if result.is_prompt and result.best_try:
            found.append(result.best_try if attack_kind(result.attack).rule == "votes" else template.replace("{0}", result.best_try))
    return list(dict.fromkeys(found))[:most]
