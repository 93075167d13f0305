"""What a run found, as frozen dataclasses; each class is the schema of a JSON file in the run's folder, or of a part of one.

The fields of a class are the keys in JSON. A default says what a file of an earlier version means that lacks the key; fields
that are marked `absent()` are left out of JSON where they are None. None always means "not measured", never 0. Shares are
fractions, and everything that is told of two models has the fields `original` and `defended`. The schema of metrics.json is in
`runs.metrics`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from unlearn.attacks.figures import DRAWN
from unlearn.runs.json_types import absent

if TYPE_CHECKING:
    from unlearn.attacks.idia import IdiaOutcome, TemplateVote

Value = TypeVar("Value")
Side = Literal["original", "defended"]
SIDES: tuple[Side, Side] = ("original", "defended")


@dataclass(frozen=True)
class BeforeAfter(Generic[Value]):
    """One quantity before and after the defence."""

    original: Value
    defended: Value


NO_WEIGHTS = BeforeAfter[str | None](None, None)  # their hashes are not known


# ---- manifest.json -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Manifest:
    """manifest.json, written last: a folder without it holds no finished run.

    Attributes:
        format: version of the layout of the folder.
        created: time in UTC, ISO 8601.
        device: what the run was computed on.
        model_set: name of the model set.
        weights: hashes of the text encoder's weights.
        files: the folder's other files, relative.
    """

    format: int = 1
    created: str = ""
    device: str = ""
    model_set: str = ""
    weights: BeforeAfter[str | None] = NO_WEIGHTS
    files: tuple[str, ...] = ()


# ---- idia.json and bystanders.json -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """Outcome of the attack on one model: templates that named the person, and whether these are enough; None: not attacked.

    `photos` says so where the pictures are no photos.
    """

    correct_templates: int | None = None
    recognised: bool | None = None
    photos: str | None = absent()

    @classmethod
    def of(cls, outcome: IdiaOutcome) -> Verdict:
        return cls(outcome.correct_templates, outcome.recognised, DRAWN if outcome.is_drawn else None)

    @property
    def is_drawn(self) -> bool:
        """Whether the attack looked at pictures that the original model drew."""
        return self.photos is not None


@dataclass(frozen=True)
class Vote:
    """One template's majority vote; `majority_name` is None for a tie."""

    majority_name: str | None
    share: float
    correct: bool

    @classmethod
    def of(cls, vote: TemplateVote) -> Vote:
        return cls(vote.majority_name, vote.share, vote.correct)


@dataclass(frozen=True)
class TemplateVotes(BeforeAfter[Vote]):
    """One template, with {0} in the name's place, and its votes; `never_met`: of a model that never met the person."""

    template: str
    never_met: Vote | None = absent()


@dataclass(frozen=True)
class AttackRecord(BeforeAfter[Verdict]):
    """The attack on one person; `n_images` is 0, and there are no templates, where the person was not attacked.

    `never_met`: by a model that never met the person, where there is one.
    """

    name: str
    n_images: int = 0
    templates: tuple[TemplateVotes, ...] = ()
    never_met: Verdict | None = absent()

    @classmethod
    def of(cls, before: IdiaOutcome, after: IdiaOutcome) -> AttackRecord:
        """From the attacks on both models; the templates are left out where one of the attacks is missing."""
        is_compared = len(before.templates) == len(after.templates)
        pairs = zip(before.templates, after.templates, strict=True) if is_compared else ()
        votes = tuple(TemplateVotes(Vote.of(original), Vote.of(defended), original.template) for original, defended in pairs)
        return cls(Verdict.of(before), Verdict.of(after), before.name, before.n_images, votes)


@dataclass(frozen=True)
class AttackAnswer(AttackRecord):
    """The attack that was asked for on a finished run; `own_photos`: on photos of one's own."""

    own_photos: bool = False


@dataclass(frozen=True)
class Attacks:
    """idia.json: the persons to forget, in the order of the config, and strangers as control."""

    persons: tuple[AttackRecord, ...] = ()
    controls: tuple[AttackRecord, ...] = ()


@dataclass(frozen=True)
class BystanderRow(BeforeAfter[Verdict]):
    """A row of bystanders.json. `status`: "kept", "never recognised", "wrongly forgotten", "newly recalled" or "not attacked".

    `never_met`: by a model that never met the forgotten person, where there is one.
    """

    name: str
    status: str = "not attacked"
    never_met: Verdict | None = absent()

    @classmethod
    def of(cls, before: IdiaOutcome, after: IdiaOutcome) -> BystanderRow:
        status = "newly recalled" if after.recognised else "wrongly forgotten"
        if before.recognised is None or after.recognised is None:
            status = "not attacked"
        elif before.recognised == after.recognised:
            status = "kept" if before.recognised else "never recognised"
        return cls(Verdict.of(before), Verdict.of(after), before.name, status)

    @property
    def is_attacked(self) -> bool:
        return self.status != "not attacked"

    @property
    def is_damaged(self) -> bool:
        """True where the defence changed what the attack says."""
        return self.status in ("wrongly forgotten", "newly recalled")


# ---- predictions.json, probes.json, losses.json, portraits/index.json ---------------------------------------------


@dataclass(frozen=True)
class Prediction(BeforeAfter[tuple[float, ...]]):
    """Zero-shot shares of labels for a photo; a share a label, which sum to 1. `never_met`: by a model that never met the person."""

    labels: tuple[str, ...]
    never_met: tuple[float, ...] | None = absent()


@dataclass(frozen=True)
class PredictionRow(Prediction):
    """A row of predictions.json. `photo`: its file, relative; None: a user's, which is not kept. `photos` as of `Verdict`."""

    photo: str | None = None
    person_index: int = 0
    name: str = ""
    photos: str | None = absent()


@dataclass(frozen=True)
class ProbeSide:
    """What a text means to one model.

    Attributes:
        to_neutral: cosine with what the person was remapped to, a stand-in or the neutral term.
        nearest: whose photos the text is closest to.
        correct_templates: templates by which the text, in the name's place, finds the person's photos.
    """

    to_neutral: float | None = None
    nearest: str | None = None
    correct_templates: int | None = None


@dataclass(frozen=True)
class Probe(BeforeAfter[ProbeSide]):
    """What a text means; `similarity` is the cosine between original and defended embedding.

    `never_met`: to a model that never met the person, without nearest face.
    """

    text: str
    similarity: float | None = None
    never_met: ProbeSide | None = absent()


@dataclass(frozen=True)
class ProbeRow(Probe):
    """A row of probes.json. `kind`: "name", "alias"..."""

    person_index: int = 0
    kind: str = ""


@dataclass(frozen=True)
class LossRow:
    """A row of losses.json: the losses of one step (1-based) of one encoder. Rows without an encoder are the text encoder's."""

    step: int
    encoder: str = "text"
    clean: float | None = absent()
    backdoor: float | None = absent()
    hidden_clean: float | None = absent()
    hidden_backdoor: float | None = absent()
    total: float | None = absent()
    regularization: float | None = absent()


@dataclass(frozen=True)
class Drawing:
    """One picture by one model, beside the file that lists it; `weights_hash` is the text encoder's."""

    file: str
    model: Side
    seed: int
    weights_hash: str = ""


@dataclass(frozen=True)
class PortraitEntry(Drawing):
    """A row of portraits/index.json. `prompt`: "name", or "neutral" for what the name was remapped to."""

    person_index: int = 0
    prompt: str = "name"


@dataclass(frozen=True)
class DrawnPrompt(Drawing):
    """A picture that was asked for on a finished run; `text` is its prompt."""

    text: str = ""
