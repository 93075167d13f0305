"""The report for a data-protection officer as data: what its page shows and its JSON holds. None always means "not measured"."""

from __future__ import annotations

from dataclasses import dataclass

from unlearn.runs.documents.intervals import Share
from unlearn.runs.records import BeforeAfter
from unlearn.runs.sentences import Finding


@dataclass(frozen=True)
class Request:
    """What was asked, and by whom; empty where it is filled in by hand."""

    number: str
    received: str | None
    role: str


@dataclass(frozen=True)
class RunFacts:
    """When and how; dates in ISO 8601."""

    made: str
    written: str
    retest: str
    model_set: str
    seed: int
    device: str


@dataclass(frozen=True)
class PersonRow(BeforeAfter[Share | None]):
    """A person: prompts that give the right name before and after, and the verdict. `rank` of the name among all, where it was measured."""

    label: str
    verdict: str
    forgotten: bool | None
    rank: BeforeAfter[float | None]


@dataclass(frozen=True)
class EvidenceRow(BeforeAfter[Share | None]):
    """A measure before and after, and beside it the same with people whom the model never met; `remark` says what a share cannot."""

    measure: str
    control: BeforeAfter[Share | None]
    remark: str = ""


@dataclass(frozen=True)
class Tried:
    """An attack over all persons on whom it was made: how many it found before and after, and how many strangers, who must not be found."""

    title: str
    n_tries: int
    budget_s: float
    n_persons: int
    found_original: int | None
    found_defended: int | None
    n_strangers: int
    strangers_found: int | None


@dataclass(frozen=True)
class NotTried:
    """Attacks that were not made, and why."""

    titles: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Bystanders:
    """Other people of the set. `names` of those harmed, where they are invented; `sentence` sums it up."""

    n: int
    wrongly_forgotten: int | None
    newly_recalled: int | None
    names: tuple[str, ...]
    sentence: str


@dataclass(frozen=True)
class Hash(BeforeAfter[str | None]):
    """Hashes of what was changed, before and after."""

    what: str


@dataclass(frozen=True)
class FileHash:
    """SHA-256 of a file of the defended model."""

    file: str
    sha256: str


@dataclass(frozen=True)
class OfficerReport:
    """The whole report.

    Attributes:
        statement: what suppression is and is not.
        summary: the outcome in a sentence or two.
        is_named: whether names are shown.
        done, not_done: a sentence each.
        interval: what the intervals are.
        undoing: what it takes to bring the person back, sentences.
        law: what the European Data Protection Board asks for.
        warnings: of the run.
    """

    title: str
    statement: str
    summary: str
    is_named: bool
    request: Request
    run: RunFacts
    persons: tuple[PersonRow, ...]
    done: tuple[str, ...]
    not_done: tuple[str, ...]
    evidence: tuple[EvidenceRow, ...]
    interval: str
    findings: tuple[Finding, ...]
    bystanders: Bystanders
    namesakes: tuple[str, ...]
    tried: tuple[Tried, ...]
    success: str
    not_tried: tuple[NotTried, ...]
    undoing: tuple[str, ...]
    hashes: tuple[Hash, ...]
    files: tuple[FileHash, ...]
    law: str
    warnings: tuple[str, ...]
