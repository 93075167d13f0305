"""Whether the original knows the persons in the form, in a line each."""

from __future__ import annotations

from dataclasses import dataclass

from ui.server.recognition import Question
from ui.views.render import render
from unlearn.attacks.figures import DRAWN
from unlearn.jobs import Failed, Job, Queued, Running, Succeeded

N_TEMPLATES = 21  # of the attack
NOTHING_TO_FORGET = "nothing to forget."


def recognition(question: Question, job: Job | None) -> str:
    """The lines on the latest question; none where its job was stopped."""
    if job is None:
        return _shown(question, {})
    match job.state:
        case Queued() | Running():
            who = question.names[question.asked[0]] if len(question.asked) == 1 else "these people"
            return render("recognition", lines=[f"Asking the model whether it knows {who}."])
        case Succeeded(result):
            answers = zip(result["counts"], result["drawn"], strict=True)
            return _shown(question, {place: _Answer(*answer) for place, answer in zip(question.asked, answers, strict=True)})
        case Failed(message):
            return render("recognition", lines=[f"The model could not be asked whether it knows them: {message}"])
        case _:
            return ""


@dataclass(frozen=True)
class _Answer:
    """Correct templates of the attack, None where it was not run; whether it looked at pictures that the original drew."""

    count: int | None = None
    is_drawn: bool = False


def _shown(question: Question, answers: dict[int, _Answer]) -> str:
    is_one = len(question.names) == 1
    lines = [_line(name, is_one, answers.get(number)) for number, name in enumerate(question.names)]
    more = [f"The other {question.n_more} were not asked about."] if question.n_more else []
    return render("recognition", lines=[*lines, *more])


def _line(name: str, is_one: bool, answer: _Answer | None) -> str:
    """What is known of one person; no answer where nobody could be asked."""
    count = answer.count if answer is not None else None
    if answer is None or count is None:
        few, none = ("Too few", ", or none,") if answer is not None else ("No", "")
        return f"{few} photos of {'this person' if is_one else name}{none} are at hand, so the model cannot be asked."
    if answer.is_drawn:
        return _drawn_line(name, count)
    if count == 0:
        whom = "anybody of this name" if is_one else f"anybody by the name {name}"
        return f"The model does not know {whom}: {NOTHING_TO_FORGET}"
    return f"The model recognises {name} by {count} of {N_TEMPLATES} prompts."


def _drawn_line(name: str, count: int) -> str:
    """As `_line`, where the attack looked at drawn portraits."""
    if count == 0:
        return (
            f"The model does not recognise {name} in portraits, {DRAWN}. That does not show that {name} is unknown; photos of your own "
            "tell more."
        )
    return f"The model recognises {name} by {count} of {N_TEMPLATES} prompts in portraits, {DRAWN}."
