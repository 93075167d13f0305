"""The model sets: which CLIP and which Stable Diffusion belong together, and the defaults that suit them.

Nothing is loaded here, and torch is not imported: `weights` finds the files of a set, `suite` loads them. A set is named by

    embedded | sd14 | vit-b-32 | vit-b-16 | vit-l-14 | rn50        the table below
    FOLDER                                                         a folder laid out as assets/embedded, or a CLIP of open_clip
                                                                   or transformers
    CLIP:WEIGHTS                                                   an open_clip model and its tag or checkpoint file

each with `@gelu` or `@quick_gelu` behind it to force an activation that the weights were not trained with, and
`+DIFFUSION` to choose a Stable Diffusion 1.x folder or file (or repository name; `+none` for none). Paths may hold `+` and `@`,
too: of several readings the one holds whose CLIP is there and is written longest.
Source of the table: Hintersdorf et al. 2024, section 4 and appendix A.2.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

from unlearn.config import (
    RELATIVE_STOP,
    ClosedForm,
    DrawnPhotosConfig,
    FinderBars,
    ForgetConfig,
    ImageFineTuneConfig,
    PortraitConfig,
    ResolvedConfig,
    TextFineTuneConfig,
)
from unlearn.errors import ConfigError
from unlearn.models.clip_folders import family, is_clip_folder
from unlearn.models.set_defaults import folder_defaults
from unlearn.models.weight_files import SUFFIXES

Activation = Literal["matched", "gelu", "quick_gelu"]
ACTIVATIONS = ("gelu", "quick_gelu")

PROJECT = Path(__file__).resolve().parent.parent.parent
EMBEDDED_ROOT = PROJECT / "assets" / "embedded"
STABLE_DIFFUSION_14 = "CompVis/stable-diffusion-v1-4"

PAPER_RESNET = ImageFineTuneConfig(learning_rate=1e-5, regularization_weight=0.01)
PAPER_LARGE = TextFineTuneConfig(regularization_weight=0.005)


@dataclass(frozen=True)
class ModelSet:
    """What is loaded together, before anything is loaded.

    Attributes:
        name: as the user wrote it; what `ForgetConfig.model_set` holds.
        title: one line for people.
        clip: open_clip model name; "" when `clip_folder` holds an open_clip configuration of its own.
        weights: open_clip tag or path of a checkpoint file; "" when they lie in `clip_folder`.
        clip_folder: folder with configuration and weights of open_clip, or of transformers' CLIPModel.
        activation: "matched" to the weights, or forced.
        diffusion: folder, file or repository name of a Stable Diffusion 1.x; None: portraits are not possible.
        world: folder with world.json and photos/ of persons whose membership is known; None: no such thing.
        never_met: folder with a second CLIP, trained without some of the members; None: no such thing.
        text, image, portraits, drawn_photos: the defaults of this set; `text` with stand-ins as target.
        neutral_text: the default with the neutral term as target; None: the same.
        needs_gpu: False where the models are so small that a GPU gains nothing.
        family: of the CLIP in `clip_folder`, as of `clip_folders.family`; "" where `clip` tells.
        same_person: least cosine of the image embeddings of two pictures of one person; None: not measured.
        finder: the bars of what finds faces in photos for this set.
    """

    name: str
    title: str
    clip: str = ""
    weights: str = ""
    clip_folder: Path | None = None
    activation: Activation = "matched"
    diffusion: str | None = None
    world: Path | None = None
    never_met: Path | None = None
    text: TextFineTuneConfig = field(default_factory=TextFineTuneConfig)
    image: ImageFineTuneConfig = field(default_factory=ImageFineTuneConfig)
    portraits: PortraitConfig = field(default_factory=PortraitConfig)
    drawn_photos: DrawnPhotosConfig = field(default_factory=DrawnPhotosConfig)
    neutral_text: TextFineTuneConfig | None = None
    needs_gpu: bool = True
    family: str = ""
    same_person: float | None = None
    finder: FinderBars = field(default_factory=FinderBars)

    def text_for(self, target: str) -> TextFineTuneConfig:
        """The text encoder's default schedule for a target, "stand_in" or "neutral_term"."""
        return self.text if target == "stand_in" or self.neutral_text is None else self.neutral_text

    def paper_text(self, **changes: Any) -> TextFineTuneConfig:
        """The paper's setting for this set's kind of text encoder: that of ViT-L/14 is held less close to the original."""
        is_large = self.family == "large" or self.clip.upper().startswith("VIT-L")
        return replace(PAPER_LARGE if is_large else TextFineTuneConfig.paper(), **changes)

    def resolved(self, config: ForgetConfig) -> ResolvedConfig:
        """The config with this set's defaults where it says None."""
        text = config.text or self.text_for(config.target)
        if config.method == "closed-form" and text.closed_form is None:  # as the set has it, with its file of what is kept
            text = replace(text, closed_form=self.text.closed_form or ClosedForm())
        filled = {"text": text, "image": config.image or self.image, "portraits": config.portraits or self.portraits}
        filled["drawn_photos"] = config.drawn_photos or self.drawn_photos
        return ResolvedConfig(**{**vars(config), **filled})

    def paper_image(self, **changes: Any) -> ImageFineTuneConfig:
        """The paper's setting for this set's kind of image encoder: a ResNet's, or a vision transformer's."""
        is_resnet = self.family == "resnet" or self.clip.upper().startswith("RN")
        return replace(PAPER_RESNET if is_resnet else ImageFineTuneConfig.paper(), **changes)


# The app's schedule for full-size encoders: the paper's, ended as soon as held-out texts show every trigger remapped.
_STOPPING = TextFineTuneConfig(early_stop=RELATIVE_STOP)
_STOPPING_LARGE = replace(PAPER_LARGE, early_stop=RELATIVE_STOP)

_TABLE: tuple[ModelSet, ...] = (
    ModelSet(
        "sd14", "Stable Diffusion 1.4 and the CLIP that it reads with (ViT-L/14, OpenAI)",
        clip="ViT-L-14", weights="openai", diffusion=STABLE_DIFFUSION_14, text=_STOPPING_LARGE,
    ),
    ModelSet(
        "vit-b-32", "CLIP ViT-B/32 (LAION-400M) beside Stable Diffusion 1.4",
        clip="ViT-B-32", weights="laion400m_e32", diffusion=STABLE_DIFFUSION_14, text=_STOPPING,
    ),
    ModelSet(
        "vit-b-16", "CLIP ViT-B/16 (LAION-400M) beside Stable Diffusion 1.4",
        clip="ViT-B-16", weights="laion400m_e32", diffusion=STABLE_DIFFUSION_14, text=_STOPPING,
    ),
    ModelSet(
        "vit-l-14", "CLIP ViT-L/14 (LAION-400M) beside Stable Diffusion 1.4",
        clip="ViT-L-14", weights="laion400m_e32", diffusion=STABLE_DIFFUSION_14, text=_STOPPING_LARGE,
    ),
    ModelSet(
        "rn50", "CLIP ResNet-50 (OpenAI) beside Stable Diffusion 1.4",
        clip="RN50", weights="openai", diffusion=STABLE_DIFFUSION_14, text=_STOPPING, image=PAPER_RESNET,
    ),
)  # fmt: skip


def list_model_sets() -> tuple[ModelSet, ...]:
    """All sets of the table, the embedded one first."""
    return (folder_set("embedded", EMBEDDED_ROOT), *_TABLE)


def folder_set(name: str, root: Path) -> ModelSet:
    """The set of a folder laid out as assets/embedded; what is not there is not possible with it.

    An optional `defaults.json` in the folder overrides fields; see `set_defaults`.
    """
    diffusion = root / "stable-diffusion"
    has_world, never_met = (root / "world.json").is_file(), root / "never-met"
    return ModelSet(
        name=name,
        title="Tiny CLIP and Stable Diffusion of an invented world, shipped with the program"
        if root == EMBEDDED_ROOT
        else "CLIP and Stable Diffusion of a folder",
        clip_folder=root / "clip",
        diffusion=str(diffusion) if diffusion.is_dir() else None,
        world=root if has_world else None,
        never_met=never_met if has_world and never_met.is_dir() else None,
        **folder_defaults(root / "defaults.json", PROJECT),
    )


def find_model_set(name: str) -> ModelSet:
    """The set that a name of the module docstring's grammar means.

    Raises:
        ConfigError: no such set; the message lists the known ones.
    """
    base, activation, diffusion = _parts(name.strip())
    if activation not in (None, *ACTIVATIONS):
        raise ConfigError(f"The activation behind '@' is {activation!r}; use gelu or quick_gelu.")
    if diffusion == "":
        raise ConfigError("Nothing stands behind '+'; give a Stable Diffusion folder, its repository, or none.")
    model_set = replace(_find_base(base), name=name.strip())
    if activation is not None:
        model_set = replace(model_set, activation=cast(Activation, activation))
    if diffusion is not None:
        needs_gpu = model_set.needs_gpu or diffusion != "none"
        model_set = replace(model_set, diffusion=None if diffusion == "none" else diffusion, needs_gpu=needs_gpu)
    return model_set


def _parts(name: str) -> tuple[str, str | None, str | None]:
    """(CLIP, activation, Stable Diffusion) of a name: the reading with the longest CLIP that is there.

    Without one, the first reading whose Stable Diffusion is there, and then the one that is cut at the last marks.
    """
    readings = [(*_cut(base, "@"), diffusion) for base, diffusion in _cuts(name, "+")]
    readings += [(base, None, diffusion) for base, diffusion in _cuts(name, "+")]
    for base, activation, diffusion in sorted(readings, key=lambda parts: -len(parts[0])):
        if _is_there(base) and activation in (None, *ACTIVATIONS):
            return base, activation, diffusion
    for base, activation, diffusion in readings:
        if diffusion == "none" or (diffusion and os.path.exists(os.path.expanduser(diffusion))):
            return base, activation, diffusion
    base, diffusion = (name, None) if name.endswith(SUFFIXES) else _cut(name, "+")
    clip, activation = _cut(base, "@")
    return (clip, activation, diffusion) if (activation or "").isidentifier() else (base, None, diffusion)


def _cuts(text: str, mark: str) -> list[tuple[str, str | None]]:
    """The text as it is, and cut at each of its marks, the last one first."""
    places = [place for place in range(len(text) - 1, 0, -1) if text[place] == mark]
    return [(text, None), *((text[:place], text[place + 1 :].strip()) for place in places)]


def _cut(text: str, mark: str) -> tuple[str, str | None]:
    return next(iter(_cuts(text, mark)[1:]), (text, None))


def _is_there(base: str) -> bool:
    """Whether this names a set of the table, a folder, or an open_clip model with a file that exists or a plain tag."""
    if base == "embedded" or any(known.name == base.lower() for known in _TABLE):
        return True
    clip, mark, weights = base.partition(":")
    if mark and clip and weights:
        is_tag = re.fullmatch(r"[\w-]+", weights) is not None
        return is_tag or os.path.isfile(os.path.expanduser(weights))
    folder = Path(os.path.expanduser(base))
    return _is_set_folder(folder) or is_clip_folder(folder)


def _is_set_folder(folder: Path) -> bool:
    return os.path.isfile(folder / "clip" / "open_clip_config.json")  # False for a name too long to be a path, too


def _find_base(base: str) -> ModelSet:
    if base == "embedded":
        return folder_set(base, EMBEDDED_ROOT)
    for known in _TABLE:
        if known.name == base.lower():
            return known
    folder = Path(os.path.expanduser(base))
    if _is_set_folder(folder):
        return folder_set(base, folder)
    if is_clip_folder(folder):
        return _with_paper(ModelSet(base, f"The CLIP of {folder.name}", clip_folder=folder, family=family(folder)))
    clip, mark, weights = base.partition(":")
    if mark and clip and weights:
        return _with_paper(ModelSet(base, f"{clip} with {weights}", clip=clip, weights=weights))
    known_names = ", ".join(known.name for known in list_model_sets())
    raise ConfigError(
        f"Unknown model set {base!r}; use {known_names}, a folder laid out as assets/embedded, the folder of a CLIP, or an open_clip name "
        "with its tag or checkpoint file, such as ViT-B-32:laion2b_s34b_b79k."
    )


def _with_paper(model_set: ModelSet) -> ModelSet:
    """With the paper's settings for its kind of encoders, ended as soon as held-out texts show every trigger remapped."""
    return replace(model_set, text=model_set.paper_text(early_stop=RELATIVE_STOP), image=model_set.paper_image())
