"""The answer to the person, in plain language: one page as HTML, the same as text. What only the organisation knows stays a blank."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from unlearn.errors import InputError
from unlearn.runs.documents.details import Details
from unlearn.runs.documents.evidence import n_templates
from unlearn.runs.documents.naming import Naming
from unlearn.runs.documents.officer import made_on, retest_on
from unlearn.runs.documents.pages import rendered
from unlearn.runs.documents.tried import ways_back
from unlearn.runs.records import AttackRecord, Verdict
from unlearn.runs.results import Run

BLANKS = ("Name and address of your organisation", "Contact, telephone, e-mail", "Your data-protection officer", "Place, date",
          "Name and address of the supervisory authority in charge", "Signature")  # fmt: skip
SUBJECT = "Your request to be forgotten by our image models"
REFERENCE = "Our reference: {number}"
OF_DAY = "Your request of {day}"
GREETING, GREETING_BY_NAME = "Dear Sir or Madam,", "Dear {name},"
OPENING = "You asked us to make our models forget you. Here is what we have done, what it means, and what it does not mean."

DONE_TITLE = "What we have done"
DONE = {
    "text": "On {day} we changed the part of the models that reads text, so that your name should no longer lead to you. "
            "This is called suppression. It is not deletion: nothing was taken out of the models.",
    "image": "On {day} we changed the part of the model that looks at pictures, so that photos of your face should no longer lead to you. "
             "This is called suppression. It is not deletion: nothing was taken out of the model.",
    "both": "On {day} we changed the parts of the models that read text and look at pictures, so that neither your name nor photos of your "
            "face should lead to you any more. This is called suppression. It is not deletion: nothing was taken out of the models.",
}  # fmt: skip

FOUND_TITLE = "What we found"
TESTED = (
    "We showed the model {images} pictures of you and asked in {n} ways who this is. Before, it gave your name in {before} of them; "
    "now in {after}."
)
TESTED_DRAWN = (
    "There were no photos of you for a test. So we had {images} portraits drawn for your name by the model that draws, as it was before, "
    "showed them to the model that knows names, and asked in {n} ways who this is. Before, it gave your name in {before} of these ways; "
    "now in {after}."
)
DRAWN_MAY_BE_OTHERS = "The portraits may show somebody else, so this test says less than one with photos."
OUTCOMES = {
    (True, False): "So the model knew you by name, and in this test it does not any more.",
    (True, True): "So the model still knows you by name. What we did has not worked in your case. We will tell you what we do next.",
    (False, False): "So in this test the model did not know you by name, neither before nor now.",
    (False, True): "So in this test the model gives your name only now. This must not happen. We will tell you what we do next.",
}
NOT_TESTED = "We could not test whether the model knew you: there were not enough photos of you that the change itself had not used."
TRIED_NOBODY = "We also tried {n} other ways to bring you back. None of them worked."
TRIED_ONE_FOUND = "We also tried {n} other ways to bring you back. One of them still worked."
TRIED_FOUND = "We also tried {n} other ways to bring you back. {found} of them still worked."
NOT_TRIED = "We have not tried other ways to bring you back."

MEANS_TITLE = "What this means for you"
MEANS = "Whoever uses the changed model and writes your name should get somebody who is not you. We test this again by {day}."
MEANS_IMAGE = "Whoever shows the changed model a photo of you should not get your name. We test this again by {day}."

NOT_TITLE = "What it does not mean"
NOT_MEANS = (
    "Photos and texts about you that the models have learned from are still where they were. We have not deleted them.",
    "The part of the model that draws was not changed. A description of you, a nickname or a photo may still lead to a picture of you.",
    "Copies of the old model that others have downloaded still know you, and so may the models of others.",
    "Other people who have your name are suppressed together with you.",
    "Tests show what was tried, not that nobody can ever find a way.",
)

RIGHTS_TITLE = "If you do not agree"
RIGHTS = (
    "Write to us or to our data-protection officer, at the address above; it costs you nothing. You may also complain to a supervisory "
    "authority, above all where you live, where you work, or where you think the law was broken (Article 77 of the General Data "
    "Protection Regulation), and you may go to court (Article 79). The authority in charge of us is:"
)
CLOSING = "Yours faithfully"
INVENTED = "This is an example: the person of this letter is invented."


@dataclass(frozen=True)
class Section:
    """A title and what stands below it: paragraphs, or items of a list."""

    title: str
    paragraphs: tuple[str, ...] = ()
    items: tuple[str, ...] = ()


@dataclass(frozen=True)
class Letter:
    """The letter; blanks are what the organisation fills in, in the order of `BLANKS`."""

    subject: str
    reference: str
    greeting: str
    opening: str
    sections: tuple[Section, ...]
    closing: str
    note: str
    blanks: tuple[str, ...] = BLANKS


def letter_html(run: Run, details: Details) -> str:
    """The letter as a page that prints on one sheet of A4.

    Raises:
        InputError: the run has no such person, or the details do not fit it.
    """
    return rendered("letter.html", letter=letter(run, details))


def letter_text(run: Run, details: Details) -> str:
    """The same as text.

    Raises:
        InputError: the run has no such person, or the details do not fit it.
    """
    return rendered("letter.txt", letter=letter(run, details))


def letter(run: Run, details: Details) -> Letter:
    """The letter to one person of a run.

    Raises:
        InputError: the run has no such person, or the details do not fit it.
    """
    number = person_number(run, details)
    naming = Naming(run.config, details)
    reference = [REFERENCE.format(number=naming.cleaned(details.request_number))] if details.request_number else []
    if details.request_date is not None:
        reference.append(OF_DAY.format(day=long_date(details.request_date)))
    retest, is_image = long_date(retest_on(run, details)), run.config.encoder == "image"
    sections = (
        Section(DONE_TITLE, (DONE[run.config.encoder].format(day=long_date(made_on(run))),)),
        Section(FOUND_TITLE, (_tested(run, number), _tried(run, number))),
        Section(MEANS_TITLE, ((MEANS_IMAGE if is_image else MEANS).format(day=retest),)),
        Section(NOT_TITLE, (), tuple(one for place, one in enumerate(NOT_MEANS) if not (is_image and place == 3))),
    )
    greeting = GREETING_BY_NAME.format(name=naming.of(number)) if naming.is_shown else GREETING
    return Letter(
        SUBJECT, ". ".join(reference), greeting, OPENING, (*sections, Section(RIGHTS_TITLE, (RIGHTS,))), CLOSING,
        INVENTED if naming.invented[number] else "",
    )  # fmt: skip


def person_number(run: Run, details: Details) -> int:
    """The person whom a document is about.

    Raises:
        InputError: the run has no such person.
    """
    n_persons = len(run.config.persons)
    if details.person >= n_persons:
        raise InputError(f"Person {details.person} is not in this run, which has {n_persons}; persons are counted from 0.")
    return details.person


def long_date(day: date) -> str:
    """A day as letters write it."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")


def _tested(run: Run, number: int) -> str:
    persons = run.idia.persons
    record = persons[number] if number < len(persons) else AttackRecord(Verdict(), Verdict(), "")
    before, after = record.original, record.defended
    if before.correct_templates is None or after.correct_templates is None or before.recognised is None or after.recognised is None:
        return NOT_TESTED
    told, limit = (TESTED_DRAWN, f" {DRAWN_MAY_BE_OTHERS}") if before.is_drawn else (TESTED, "")
    counts = told.format(images=record.n_images, n=n_templates(record), before=before.correct_templates, after=after.correct_templates)
    return f"{counts} {OUTCOMES[before.recognised, after.recognised]}{limit}"


def _tried(run: Run, number: int) -> str:
    n_tried, n_found = ways_back(run.recovery, number)
    if not n_tried:
        return NOT_TRIED
    sentence = TRIED_NOBODY if not n_found else TRIED_ONE_FOUND if n_found == 1 else TRIED_FOUND
    return sentence.format(n=n_tried, found=n_found)
