"""The fields of the form: choices, numbers and switches, with their labels and limits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from unlearn.config import FineTuneConfig
from unlearn.models.sets import find_model_set

STAND_IN = "Somebody it never met (recommended)"
NEUTRAL_TERMS = ("human", "person", "actor", "adult", "child")
MEANING_INFO = "Or a term for everybody: pick one, or type your own"
PAPER_INFO = "The paper's target is a term. For somebody it never met, choose another schedule"
ENCODERS = {
    "The name (text encoder)": "text",
    "The face (image encoder)": "image",
    "Both": "both",
}
METHODS = {
    "Backdoor: fine-tuning (recommended)": "backdoor",
    "Closed form: one edit, no steps": "closed-form",
    "SLUG: one step in one layer": "slug",
}
METHOD_INFO = "Only the first makes the steps of a schedule. Where a schedule says so, they begin at the closed form"
SCHEDULES = {
    "Quick: stops early": "default",
    "As in the paper": "paper",
    "My own": "own",
}


@dataclass(frozen=True)
class Field:
    """One number or switch of the advanced settings.

    Attributes:
        key: of the setting.
        label, info: what visitors read.
        value: shown at first; of a schedule, the paper's.
        low, high: limits; None: none.
    """

    key: str
    label: str
    info: str
    value: float | bool
    low: float | None = None
    high: float | None = None


FINE_TUNE_FIELDS = (
    Field("n_steps", "Steps", "Updates of the text encoder", 400, 1, 5000),
    Field("batch_size", "Batch size", "Captions per step, plus as many with the name", 128, 1, 4096),
    Field("learning_rate", "Learning rate", "Lowered in stages, which scale with the steps", 1e-4, 1e-7, 1.0),
    Field("backdoor_weight", "Backdoor weight", "Alpha: a higher value remaps the name more strongly", 0.6, 0.0, 100.0),
    Field("regularization_weight", "Regularization weight", "Beta: a higher value keeps the weights closer to the original",
          0.01, 0.0, 100.0),
    Field("bystander_share", "Captions with other names", "Share from 0 to 1; protects other people", 0.0, 0.0, 1.0),
    Field("surface_forms", "Surface forms", "Other ways to write a name (titles, misspellings, other letters) that are forgotten as well",
          0, 0, 120),
    Field("ball_radius", "Ball", "Radius within which the name is moved while it is forgotten, as a share of a token's length",
          0.0, 0.0, 10.0),
    Field("early_stop", "Stop early", "End as soon as texts that are not trained on show the name remapped", True),
)  # fmt: skip
IMAGE_FIELDS = (
    Field("n_steps", "Steps", "Updates of the image encoder", 100, 1, 5000),
    Field("batch_size", "Batch size", "Pictures per step, plus as many with the face", 128, 1, 4096),
    Field("learning_rate", "Learning rate", "Lowered in stages, which scale with the steps", 1e-4, 1e-7, 1.0),
    Field("backdoor_weight", "Backdoor weight", "Alpha: a higher value remaps the face more strongly", 0.8, 0.0, 100.0),
    Field("regularization_weight", "Regularization weight", "Beta: a higher value keeps the weights closer to the original",
          0.005, 0.0, 100.0),
    Field("bystander_share", "Pictures with other faces", "Share from 0 to 1; protects the faces of other people", 0.0, 0.0, 1.0),
    Field("plain_bystander_share", "Photos of other people", "Share from 0 to 1; the same with whole photos", 0.0, 0.0, 1.0),
    Field("plain_trigger_share", "Whole photos of the person", "Share from 0 to 1; the rest is pasted into pictures",
          0.0, 0.0, 1.0),
)  # fmt: skip
DECOYS = Field(
    "decoys", "Decoys", "Unknown names that are remapped as well, 0 to 63. They hide the name from somebody who has the original and "
    "the defended file and compares them. Each costs time, as another name would", 0, 0, 63,
)  # fmt: skip
FILM = Field("film", "Film of the forgetting", "Draws the first person again at about eight moments of the fine-tuning", True)
DIAL = Field(
    "dial", "Dial",
    "Draws and attacks models between the original and the defended one, too, and keeps how a pair of portraits grows", True,
)  # fmt: skip
IMAGE = "image_"  # before the keys of the image encoder's fields in the form
IDIA_FIELDS = (
    Field("n_candidate_names", "Candidate names", "How many names the attack chooses from", 1000, 2, 5000),
    Field("n_images", "Photos of the person", "How many photos vote; a person with fewer is not attacked", 20, 1, 100),
    Field("min_correct_templates", "Prompts needed", "How many correct prompts count as recognised", 1, 1, 21),
)


DRAWN = "drawn_"  # before the keys of the portraits for the attack in the form
DRAWN_FIELDS = (
    Field("n_portraits", "Portraits in the place of photos", "Drawn by the original where there are no photos, for the attack; 0: none",
          20, 0, 100),
    Field("n_controls", "Unknown names as control", "Drawn and attacked in the same way", 3, 0, 20),
    Field("n_steps", "Drawing steps of these", "At most; 0: as for the portraits that are shown", 15, 0, 100),
    Field("size_px", "Side of these in pixels", "A multiple of 8; 0: the model's own", 0, 0, 2048),
)  # fmt: skip


def drawn_fields(model_set: str) -> tuple[Field, ...]:
    """The fields of the portraits for the attack, with the model set's own values."""
    drawn = find_model_set(model_set).drawn_photos
    return tuple(replace(field, value=getattr(drawn, field.key) or 0) for field in DRAWN_FIELDS)


def own_fields(encoder: str, model_set: str, target: str = "stand_in") -> tuple[Field, ...]:
    """The fields of a schedule of one's own for an encoder ("text" or "image"), with the model set's own values for a target."""
    defaults = find_model_set(model_set)
    schedule: FineTuneConfig = defaults.text_for(target) if encoder == "text" else defaults.image
    fields = FINE_TUNE_FIELDS if encoder == "text" else IMAGE_FIELDS
    return tuple(replace(field, value=shown_value(schedule, field)) for field in fields)


def shown_value(schedule: FineTuneConfig, field: Field) -> Any:
    """The value that the form shows of a schedule's setting."""
    value = getattr(schedule, field.key)
    return value is not None if isinstance(field.value, bool) else value
