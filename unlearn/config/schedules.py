"""How an encoder is fine-tuned: the two schedules with the paper's values as defaults (appendix A.2).

Imported through `unlearn.config`. A value out of range raises `ConfigError`. Source: Hintersdorf et al. 2024.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from unlearn.config import limits
from unlearn.config.limits import require_range, require_short
from unlearn.config.plain_values import require
from unlearn.config.schedule_parts import ClosedForm, EarlyStop


@dataclass(frozen=True)
class FineTuneConfig:
    """What both encoders share.

    Attributes:
        n_steps: optimiser steps.
        batch_size: clean samples a step; as many with a trigger come on top, whatever the number of persons.
        learning_rate: of AdamW (weight decay 0).
        lr_milestones: steps after which the rate is multiplied by `lr_gamma`.
        backdoor_weight: alpha, weight of the trigger term.
        regularization_weight: beta, weight of the sum of L2 distances of the parameters; 0 turns it off.
        early_stop: None runs all steps.
        trainable: "blocks" trains the transformer blocks (the paper's parameter counts), "all" also the
            embeddings and projection. Norm layers are frozen in both.
    """

    n_steps: int
    batch_size: int = 128
    learning_rate: float = 1e-4
    lr_milestones: tuple[int, ...] = ()
    lr_gamma: float = 1.0
    backdoor_weight: float = 0.0
    regularization_weight: float = 0.0
    early_stop: EarlyStop | None = None
    trainable: Literal["blocks", "all"] = "all"

    def __post_init__(self) -> None:
        require_range("n_steps", self.n_steps, 1, limits.MAX_STEPS)
        require_range("batch_size", self.batch_size, 1, 4096)
        require(0.0 < self.learning_rate <= 1.0, "learning_rate must be above 0, as 1e-4.")
        n_milestones = len(self.lr_milestones)
        require(n_milestones <= limits.MAX_MILESTONES, f"lr_milestones has {n_milestones} steps; use at most {limits.MAX_MILESTONES}.")
        require(all(1 <= m <= limits.MAX_STEP for m in self.lr_milestones), f"lr_milestones are steps, 1 to {limits.MAX_STEP:,}.")
        require(0.0 < self.lr_gamma <= 1.0, f"lr_gamma is {self.lr_gamma}; use 0 to 1.")
        require_range("backdoor_weight", self.backdoor_weight, 0.0, limits.MAX_WEIGHT)
        require_range("regularization_weight", self.regularization_weight, 0.0, limits.MAX_WEIGHT)
        require(self.trainable in ("blocks", "all"), f"trainable is {self.trainable!r}; use blocks or all.")
        object.__setattr__(self, "lr_milestones", tuple(self.lr_milestones))


@dataclass(frozen=True)
class TextFineTuneConfig(FineTuneConfig):
    """Text encoder: the paper's schedule, and what it can be extended with (all of that off by default).

    Attributes:
        pooled_weight: weight of the losses on the pooled embedding (what CLIP uses); 0 leaves them out.
        hidden_weight: weight of those on the flattened hidden states (what Stable Diffusion uses).
        bystander_share: share of the clean captions in which another person's name takes a word's place.
        n_bystander_names: how many such names are drawn from the seed.
        kept_names: a text file of people to keep, one a line, aliases behind a "|"; every second bystander's name is then one of
            theirs, but nobody's who goes by a trigger. Common captions name well-known people, too; so does a list,
            where the captions do not.
        near_names: every third of those is one of the so many names that the original takes for nearest to a trigger, for
            they are what a remapping drags along first. 0: all kept names in equal shares.
        neutral_share: share of the clean captions in which the neutral term takes a word's place.
        name_only_share: share of the trigger captions that are the trigger alone.
        captions_per_trigger: least number of captions with each trigger in a step; for many names the trigger part of a
            batch grows to give it (to limits.MAX_GROWN_BATCH at most), the clean part to half of that. 0 (the paper): neither grows.
        steps_per_trigger: for many names the whole schedule (n_steps, lr_milestones, the earliest stop) is stretched, so that
            there are so many more steps for every trigger after the first; where the batch grows, too, all of them are made,
            without an early stop. 0 (the paper): the same for any number.
        overshoot: for many names (where the batch grows; if it never does, for more than one; with stand-ins for any number): how
            far beyond its target term the pooled target lies, seen from the trigger, as a share of their distance. What remains of
            a name after a remapping points back to it, and where names fall together that little would decide. 0 (the paper): not at all.
        closed_form: where given, the steps begin at an encoder that is edited by least squares; None (the paper): at the original.
        surface_forms: so many forms of each name and alias (other order, titles, misspellings, other letters) are triggers as well,
            with the same target. 0 (the paper): none.
        ball_radius: the name's tokens are moved at random within this radius while it is remapped, as a share of the mean norm of all
            tokens' vectors (the paper's future work). 0 (the paper): not at all.
        n_captions: captions generated; they are drawn from again and again.
        captions: a text file (one caption a line) or "hub:owner/data-set:column"; None: generated.
    """

    n_steps: int = 400
    trainable: Literal["blocks", "all"] = "blocks"
    lr_milestones: tuple[int, ...] = (200, 300)
    lr_gamma: float = 0.5
    backdoor_weight: float = 0.6
    regularization_weight: float = 0.01
    pooled_weight: float = 1.0
    hidden_weight: float = 1.0
    bystander_share: float = 0.0
    n_bystander_names: int = 1000
    kept_names: str | None = None
    near_names: int = 0
    neutral_share: float = 0.0
    name_only_share: float = 0.0
    captions_per_trigger: int = 0
    steps_per_trigger: int = 0
    overshoot: float = 0.0
    closed_form: ClosedForm | None = None
    surface_forms: int = 0
    ball_radius: float = 0.0
    n_captions: int = 20_000
    captions: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        lowest, highest = sorted((self.pooled_weight, self.hidden_weight))
        in_range = 0.0 <= lowest <= highest <= limits.MAX_WEIGHT and highest > 0.0
        require(in_range, f"pooled_weight and hidden_weight: 0 to {limits.MAX_WEIGHT:,.0f}, one above 0.")
        shares = (self.bystander_share, self.neutral_share, self.name_only_share)
        require(all(0.0 <= s <= 1.0 for s in shares), "shares of captions must lie in 0 to 1.")
        both = f"bystander_share ({self.bystander_share:g}) + neutral_share ({self.neutral_share:g})"
        require(sum(shares[:2]) <= 1.0, f"{both} must not exceed 1; lower one of them.")
        require_range("n_bystander_names", self.n_bystander_names, 1, limits.MAX_BYSTANDER_NAMES)
        require_range("near_names", self.near_names, 0, 1000)
        require_range("captions_per_trigger", self.captions_per_trigger, 0, 64)
        require_range("steps_per_trigger", self.steps_per_trigger, 0, 100)
        most_steps = self.n_steps + self.steps_per_trigger * (limits.MAX_TRIGGERS - 1)
        stretched = f"n_steps and steps_per_trigger give {most_steps:,} steps for {limits.MAX_TRIGGERS} triggers"
        require(most_steps <= limits.MAX_STEPS, f"{stretched}; use numbers that give at most {limits.MAX_STEPS:,}.")
        require_range("overshoot", self.overshoot, 0.0, 1.0)
        require_range("surface_forms", self.surface_forms, 0, limits.MAX_SURFACE_FORMS)
        require_range("ball_radius", self.ball_radius, 0.0, limits.MAX_BALL_RADIUS)
        require_range("n_captions", self.n_captions, 100, limits.MAX_CAPTIONS)
        for name in ("kept_names", "captions"):
            require_short(name, getattr(self, name))

    def batch_sizes(self, n_triggers: int) -> tuple[int, int]:
        """(clean captions, captions with a trigger) of a step, where there are so many triggers."""
        grown = min(limits.MAX_GROWN_BATCH, self.captions_per_trigger * n_triggers)
        return max(self.batch_size, grown // 2), max(self.batch_size, grown)

    def for_triggers(self, n_triggers: int) -> TextFineTuneConfig:
        """The schedule as it is for so many triggers; asked again, it stays as it is."""
        is_grown = self.batch_sizes(n_triggers)[1] > self.batch_size
        is_many = is_grown if self.captions_per_trigger else n_triggers > 1
        overshoot = self.overshoot if is_many else 0.0
        closed_form = self.closed_form.for_triggers(n_triggers) if self.closed_form is not None else None
        if self.steps_per_trigger == 0:
            return replace(self, overshoot=overshoot, closed_form=closed_form)
        n_steps = self.n_steps + self.steps_per_trigger * (n_triggers - 1)
        milestones = tuple(min(step * n_steps // self.n_steps, limits.MAX_STEP) for step in self.lr_milestones)
        stop = self.early_stop
        if is_grown:
            stop = None  # among many the check passes before the last one is forgotten: of sixteen names one stayed known
        elif stop is not None:
            stop = replace(stop, min_steps=min(stop.min_steps * n_steps // self.n_steps, limits.MAX_STEP))
        stretched = replace(self, n_steps=n_steps, lr_milestones=milestones, early_stop=stop, steps_per_trigger=0)
        return replace(stretched, overshoot=overshoot, closed_form=closed_form)

    @classmethod
    def paper(cls, **changes: Any) -> TextFineTuneConfig:
        """The paper's setting for ViT-B/32 (ViT-L/14: regularization_weight=0.005)."""
        return cls(**changes)


@dataclass(frozen=True)
class ImageFineTuneConfig(FineTuneConfig):
    """Image encoder: the paper's schedule (ViTs; ResNet-50: learning_rate 1e-5, regularization_weight 0.01).

    Attributes:
        face_share: least and greatest side of the pasted face as shares of the image's side (56-112 of 224).
        color_jitter: brightness, contrast and saturation are multiplied by 1 +- this.
        hue_jitter: hue is turned by +- this share of the circle.
        rotation_degrees: the face is turned by up to this to either side.
        plain_trigger_share: share of the trigger images that are the person's photo itself, filling the image, with the
            flip and colours but unturned (the paper: 0).
        bystander_share: share of the clean images in which another person's face is pasted (the paper: 0).
        plain_bystander_share: share of the clean images that are another person's photo itself (the paper: 0).
        generic_images: clean images: a folder, or "hub:owner/data-set:column"; None: the world's pictures of things.
        other_faces: a folder of face photos of other people; None: the world's. Needed for the bystander shares.
        average_face_photos: a folder of face photos of many people, of whom the target is the mean; None: the
            world's, or portraits of the neutral term by the set's own Stable Diffusion.
        face_targets: where faces are remapped to stand-ins: a folder with a sub-folder of photos for each of several people, of
            whom every face gets one of its own; None: the world's anonymous people, or portraits of unknown names by the set's
            own Stable Diffusion.
        n_generic_images: at most so many are read.
        n_average_faces: portraits drawn where there are no photos.
        n_drawn_images, n_drawn_faces: pictures of captions, and portraits of unknown names, where nobody names clean images and
            other faces and no world has them; they are drawn once and kept.
        drawn_steps: denoising steps of these and of portraits as stand-ins, at most; the pictures are trained on, not looked at.
    """

    n_steps: int = 100
    lr_milestones: tuple[int, ...] = (25, 75)
    lr_gamma: float = 0.1
    backdoor_weight: float = 0.8
    regularization_weight: float = 0.005
    face_share: tuple[float, float] = (0.25, 0.5)
    color_jitter: float = 0.5
    hue_jitter: float = 0.1
    rotation_degrees: float = 30.0
    plain_trigger_share: float = 0.0
    bystander_share: float = 0.0
    plain_bystander_share: float = 0.0
    generic_images: str | None = None
    other_faces: str | None = None
    average_face_photos: str | None = None
    face_targets: str | None = None
    n_generic_images: int = 2000
    n_average_faces: int = 32
    n_drawn_images: int = 128
    n_drawn_faces: int = 64
    drawn_steps: int = 25

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "face_share", tuple(self.face_share))
        require(len(self.face_share) == 2, "face_share is (least, greatest).")
        require(0.0 < self.face_share[0] <= self.face_share[1] <= 1.0, "face_share must rise within 0 to 1.")
        require(0.0 <= self.color_jitter < 1.0, f"color_jitter is {self.color_jitter}; use 0 to 1.")
        require(0.0 <= self.hue_jitter <= 0.5, f"hue_jitter is {self.hue_jitter}; use 0 to 0.5.")
        require(0.0 <= self.rotation_degrees <= 180.0, "rotation_degrees must be 0 to 180.")
        shares = (self.plain_trigger_share, self.bystander_share, self.plain_bystander_share)
        require(all(0.0 <= share <= 1.0 for share in shares), "shares of images must lie in 0 to 1.")
        both = f"bystander_share ({self.bystander_share:g}) + plain_bystander_share ({self.plain_bystander_share:g})"
        require(sum(shares[1:]) <= 1.0, f"{both} must not exceed 1; lower one of them.")
        require_range("n_generic_images", self.n_generic_images, 10, limits.MAX_GENERIC_IMAGES)
        require_range("n_average_faces", self.n_average_faces, 1, limits.MAX_AVERAGE_FACES)
        require_range("n_drawn_images", self.n_drawn_images, 10, limits.MAX_AVERAGE_FACES)
        require_range("n_drawn_faces", self.n_drawn_faces, 10, limits.MAX_AVERAGE_FACES)
        require_range("drawn_steps", self.drawn_steps, 1, 1000)
        for name in ("generic_images", "other_faces", "average_face_photos", "face_targets"):
            require_short(name, getattr(self, name))

    @classmethod
    def paper(cls, **changes: Any) -> ImageFineTuneConfig:
        """The paper's setting for the vision transformers."""
        return cls(**changes)
