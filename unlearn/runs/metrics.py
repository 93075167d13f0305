"""The figures of a run: the schema of metrics.json, as `runs.records` has those of the other files."""

from __future__ import annotations

from dataclasses import dataclass, field

from unlearn.attacks.figures import DRAWN, FalseRecall, NeverMet, ThreeModels, Trace
from unlearn.defence.figures import ChosenLayer
from unlearn.measure.figures import DataSetAccuracy
from unlearn.runs.json_types import absent
from unlearn.runs.records import NO_WEIGHTS, BeforeAfter, Verdict


@dataclass(frozen=True)
class Similarities:
    """Sim_Clean, Sim_Backdoor and Sim_Target: mean cosines, 1 is perfect; over so many captions, where they are those of texts."""

    sim_clean: float | None = None
    sim_backdoor: float | None = None
    sim_target: float | None = None
    n_captions: int | None = absent()


@dataclass(frozen=True)
class PersonMetrics:
    """The attack's verdicts on one person to forget.

    `never_met_model`: beside a model that never met the person; None where the set has none, or it met the person.
    """

    name: str
    idia: BeforeAfter[Verdict]
    never_met_model: ThreeModels | None = absent()


@dataclass(frozen=True)
class Counts:
    """How many of `n` attacked people were recognised, and what became of them; with n = 0 the rest is None.

    `recognised_never_met`: by a model that never met the forgotten person, where there is one; `also_never_met`: how many of the `n`
    that model never met either.
    """

    n: int = 0
    recognised_original: int | None = None
    recognised_defended: int | None = None
    wrongly_forgotten: int | None = absent()
    newly_recalled: int | None = absent()
    unchanged: int | None = absent()
    recognised_never_met: int | None = absent()
    also_never_met: int | None = absent()


@dataclass(frozen=True)
class DrawnPhotos(Counts):
    """Pictures in the place of photos: how they were made; the counts are those of the controls, whose names the original does not know.

    Attributes:
        source: what they are.
        n_portraits: of each name.
        n_persons: of the run, who were attacked with them.
    """

    source: str = DRAWN
    n_portraits: int = 0
    n_persons: int = 0


@dataclass(frozen=True)
class Utility:
    """Zero-shot accuracy over things."""

    top1_original: float | None = None
    top5_original: float | None = None
    top1_defended: float | None = None
    top5_defended: float | None = None


@dataclass(frozen=True)
class Check:
    """An early-stop check: the margin of the worst trigger after so many steps; 0 or more is a pass."""

    step: int
    margin: float


@dataclass(frozen=True)
class FineTuning:
    """The fine-tuning of one encoder.

    Attributes:
        n_steps_done: of the schedule, or of SLUG.
        stopped: "all steps", "early stop", "closed form" (which makes no steps) or "binary search" (SLUG's).
        checks: of the early stop.
        layer: that SLUG has changed.
    """

    n_steps_done: int
    stopped: str
    checks: tuple[Check, ...] = ()
    layer: ChosenLayer | None = absent()


@dataclass(frozen=True)
class Seconds:
    """Run times.

    Attributes:
        fine_tune: of all encoders, without the film.
        fine_tune_image: the image encoder's part of it.
        film: of drawing the same portrait again and again.
    """

    loading: float | None = None
    fine_tune: float | None = None
    fine_tune_image: float | None = None
    attack: float | None = None
    measure: float | None = None
    opponent: float | None = absent()
    film: float | None = absent()
    portraits: float | None = None
    dial: float | None = absent()
    total: float | None = None


@dataclass(frozen=True)
class AverageFace:
    """The one target of all faces: what it was made of."""

    source: str
    n_photos: int


@dataclass(frozen=True)
class StandIns:
    """The people whom faces may be remapped to: `n_people` to choose among, `n_photos` of all of them together."""

    source: str
    n_photos: int
    n_people: int


@dataclass(frozen=True)
class Pictures:
    """Images that the image encoder was trained or measured on."""

    source: str
    n: int


@dataclass(frozen=True)
class PhotosUsed:
    """Photos of one person; `own`: they were given, not the model set's."""

    fine_tuning: int
    evaluation: int
    own: bool = False


@dataclass(frozen=True)
class ImageMetrics(Similarities):
    """Figures of the image encoder; `photos` has one entry a person, `weights` are hashes."""

    average_face: AverageFace | None = None
    stand_ins: StandIns | None = absent()
    generic_images: Pictures | None = None
    other_faces: Pictures | None = None
    weights: BeforeAfter[str | None] = NO_WEIGHTS
    photos: tuple[PhotosUsed, ...] = ()


@dataclass(frozen=True)
class Metrics(Similarities):
    """metrics.json: the figures of a run.

    Attributes:
        persons: one entry a person to forget.
        tpr, fnr: share of the persons still recognised among those recognised before, and 1 minus it.
        bystanders, control: other members of the set's world, and strangers.
        sim_clean, sim_backdoor, sim_target: of pooled embeddings of the text encoder.
        hidden: of the hidden states that Stable Diffusion reads.
        image: of the image encoder; None where it was not defended.
        fine_tuning: by encoder ("text", "diffusion_text", "image").
        weights: hashes of the text encoder's weights.
        warnings: sentences for whoever reads the result.
        false_recall: in how many people whom nobody asked to forget a forgotten name wins; None without photos of such people.
        trace: how well the attack "who was forgotten?" finds the names; None where the text encoder was left as it was.
        zero_shot: accuracy on the published data sets that the run was given.
        drawn_photos: pictures of persons of whom there are no photos; None where there were none.
        never_met: whether the persons stand where strangers stand; None without strangers, and where nobody was attacked.
        method: how the text encoder has forgotten, as of `ForgetConfig`; None where it was not defended.
    """

    persons: tuple[PersonMetrics, ...] = ()
    tpr: float | None = None
    fnr: float | None = None
    bystanders: Counts = Counts()
    control: Counts = Counts()
    hidden: Similarities | None = None
    utility: Utility = Utility()
    weights: BeforeAfter[str | None] = NO_WEIGHTS
    warnings: tuple[str, ...] = ()
    image: ImageMetrics | None = None
    fine_tuning: dict[str, FineTuning] = field(default_factory=dict)
    seconds: Seconds = Seconds()
    false_recall: FalseRecall | None = None
    trace: Trace | None = None
    never_met: NeverMet | None = None
    method: str | None = absent()
    drawn_photos: DrawnPhotos | None = absent()
    zero_shot: tuple[DataSetAccuracy, ...] = ()
