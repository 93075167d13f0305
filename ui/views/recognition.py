"""Whether the original knows the persons in the form, in a line each."""

from __future__ import annotations

from ui.server.recognition import Question
from ui.views.render import render
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
            return _shown(question, dict(zip(question.asked, result["counts"], strict=True)))
        case Failed(message):
            return render("recognition", lines=[f"The model could not be asked whether it knows them: {message}"])
        case _:
            return ""


def _shown(question: Question, counts: dict[int, int | None]) -> str:
    is_one = len(question.names) == 1
    lines = [_line(name, is_one, number in counts, counts.get(number)) for number, name in enumerate(question.names)]
    more = [f"The other {question.n_more} were not asked about."] if question.n_more else []
    return render("recognition", lines=[*lines, *more])


def _line(name: str, is_one: bool, has_photos: bool, count: int | None) -> str:
    """What is known of one person; `count`: correct templates of the attack, None where it was not run."""
    if count is None:
        few = "Too few" if has_photos else "No"
        return f"{few} photos of {'this person' if is_one else name} are at hand, so the model cannot be asked."
    if count == 0:
        whom = "anybody of this name" if is_one else f"anybody by the name {name}"
        return f"The model does not know {whom}: {NOTHING_TO_FORGET}"
    return f"The model recognises {name} by {count} of {N_TEMPLATES} prompts."
