"""The settings of a process and of a run as frozen dataclasses whose defaults are the paper's, but for the target; validated when made.

A value outside its range raises `ConfigError`, a name that cannot be used raises `InputError`. Source of the defaults:
Hintersdorf et al. 2024, appendix A.2.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from unlearn.config import limits
from unlearn.config.devices import is_device
from unlearn.config.drawn_photos import DrawnPhotosConfig
from unlearn.config.limits import require_range, require_short
from unlearn.config.methods import PAPERS, Method, check_method
from unlearn.config.paths import user_path
from unlearn.config.persons import Person, check_persons, clean_name
from unlearn.config.plain_values import from_plain, require
from unlearn.config.portraits import PortraitConfig
from unlearn.config.schedules import ImageFineTuneConfig, TextFineTuneConfig
from unlearn.config.stand_ins import check_remapped
from unlearn.config.zero_shot import ZeroShotSource, check_sources
from unlearn.errors import ConfigError

_PICTURES = ("generic_images", "other_faces", "face_targets")
_UPLOAD_LIMITS = ("max_upload_mb", "max_zip_mb", "max_total_mb")


@dataclass(frozen=True)
class Settings:
    """Where things are and what may be used; the same for all jobs of a process.

    Attributes:
        data_dir: folder for runs, uploads and caches; made when first needed.
        device: "auto", "cpu", "cuda" or "cuda:N".
        models_dir: folder searched for downloaded weights first; None: only the libraries' own caches.
        offline: True: never ask the network, fail at once with what is missing.
        n_threads: CPU threads for torch; None: leave torch's own choice.
        precision: "auto" (bf16 on a GPU that has it, else fp32), "fp32" or "bf16".
        max_upload_mb, max_zip_mb, max_total_mb: largest photo, zip, and all files of one upload together that are accepted, in MB.
        max_cache_mb: most that embeddings of original models take in `data_dir`, and most that those of a run take in its folder.
        face_pack: InsightFace pack that finds the faces in the photos of jobs, where it is at hand.
        generic_images, other_faces, face_targets: pictures for the defence of faces, where a set has no world: a folder, or
            "hub:owner/data-set:column" (face_targets: a sub-folder a person, or a second column that tells people apart).
        face_root: folder that holds `models/PACK` of InsightFace; None: its own, `~/.insightface`.
        memory: "auto" (by what a GPU has free), "low" (as little as possible, slower) or "full" (nothing waits or is cut).
    """

    data_dir: Path = Path("data")
    device: str = "auto"
    models_dir: Path | None = None
    offline: bool = False
    n_threads: int | None = None
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    max_upload_mb: int = 20
    max_zip_mb: int = 1000
    max_total_mb: int = 2000
    max_cache_mb: int = 500
    face_pack: str = "buffalo_l"
    face_root: Path | None = None
    memory: Literal["auto", "low", "full"] = "auto"
    generic_images: str | None = None
    other_faces: str | None = None
    face_targets: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "data_dir", user_path(self.data_dir))
        for name in ("models_dir", "face_root"):
            if (folder := getattr(self, name)) is not None:
                object.__setattr__(self, name, user_path(folder))
        require(is_device(self.device), f"device is {self.device!r}; use auto, cpu, cuda or cuda:N.")
        require(self.n_threads is None or 1 <= self.n_threads <= limits.MAX_THREADS, f"n_threads must be 1 to {limits.MAX_THREADS}.")
        require(self.precision in ("auto", "fp32", "bf16"), "precision must be auto, fp32 or bf16.")
        require(self.memory in ("auto", "low", "full"), f"memory is {self.memory!r}; use auto, low or full.")
        for name in _UPLOAD_LIMITS:
            require(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}; use 1 or more.")
        for name in _PICTURES:
            require_short(name, source := getattr(self, name))
            if source is not None and not source.startswith("hub:"):
                object.__setattr__(self, name, str(user_path(Path(source))))
        require(self.max_cache_mb >= 0, f"max_cache_mb is {self.max_cache_mb}; use 0 (nothing is kept) or more.")

    def to_plain(self) -> dict[str, Any]:
        """As values of JSON, for another process; `from_plain` gives back equal settings there."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in dataclasses.asdict(self).items()}

    @classmethod
    def from_plain(cls, values: object) -> Settings:
        """The settings that `to_plain` wrote.

        Raises:
            ConfigError: an unknown setting, or a value that cannot be used.
        """
        return from_plain(cls, values, "The server's setting ")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """From UNLEARN_DATA_DIR, _DEVICE, _MODELS_DIR, _OFFLINE (or HF_HUB_OFFLINE), _THREADS, _PRECISION, _MEMORY, _MAX_UPLOAD_MB,
        _MAX_ZIP_MB, _MAX_TOTAL_MB, _MAX_CACHE_MB, _FACE_PACK, _FACE_ROOT, _GENERIC_IMAGES, _OTHER_FACES, _FACE_TARGETS."""
        get = environment.get
        threads = get("UNLEARN_THREADS")
        require(not threads or (threads.isascii() and threads.isdigit()), f"UNLEARN_THREADS is {threads!r}; use a whole number.")
        limits = {name: value for name in (*_UPLOAD_LIMITS, "max_cache_mb") if (value := get(f"UNLEARN_{name.upper()}"))}
        for name, value in limits.items():
            is_number = value.isascii() and value.isdecimal() and len(value) < 10
            require(is_number, f"UNLEARN_{name.upper()} is {value[:20]!r}; use a whole number of MB.")
        return cls(
            data_dir=Path(get("UNLEARN_DATA_DIR") or "data"),
            device=get("UNLEARN_DEVICE") or "auto",
            models_dir=Path(models) if (models := get("UNLEARN_MODELS_DIR")) else None,
            offline=(get("UNLEARN_OFFLINE") or get("HF_HUB_OFFLINE") or "0").lower() in ("1", "true", "yes"),
            n_threads=int(threads) if threads else None,
            precision=get("UNLEARN_PRECISION") or "auto",  # type: ignore[arg-type]  # checked in __post_init__
            memory=get("UNLEARN_MEMORY") or "auto",  # type: ignore[arg-type]  # checked in __post_init__
            face_pack=get("UNLEARN_FACE_PACK") or "buffalo_l",
            face_root=Path(root) if (root := get("UNLEARN_FACE_ROOT")) else None,
            **{name: int(value) for name, value in limits.items()},
            generic_images=get("UNLEARN_GENERIC_IMAGES") or None,
            other_faces=get("UNLEARN_OTHER_FACES") or None,
            face_targets=get("UNLEARN_FACE_TARGETS") or None,
        )


@dataclass(frozen=True)
class IdiaConfig:
    """The identity inference attack.

    Attributes:
        n_candidate_names: K, the persons' names and random ones together.
        n_images: I, photos of a person; who has fewer is not attacked.
        min_images: least number of a user's photos that do in the place of I; of fewer a majority says little, since any two agree.
        min_correct_templates: templates that must name the person for the attack to succeed.
        seed: draws the random names.
    """

    n_candidate_names: int = 1000
    n_images: int = 20
    min_images: int = 4
    min_correct_templates: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        require_range("n_candidate_names", self.n_candidate_names, 2, limits.MAX_CANDIDATE_NAMES)
        require_range("n_images", self.n_images, 1, limits.MAX_IMAGES)
        require_range("min_images", self.min_images, 1, limits.MAX_IMAGES)
        require(1 <= self.min_correct_templates <= 21, "min_correct_templates must be 1 to 21.")
        require(abs(self.seed) <= limits.MAX_SEED, "seed must be a whole number of at most 64 bits.")


@dataclass(frozen=True)
class ForgetConfig:
    """Everything that one run of forgetting depends on, besides weights and photos.

    Attributes:
        persons: 1 to 64, with at most 64 names and aliases together, none of them twice.
        model_set: name of a model set, as printed by the command `sets`.
        neutral_term: what a trigger is remapped to under that target; with stand-ins it is only shown beside the names.
        encoder: what is defended; "text", "image" or "both".
        seed: of fine-tuning (captions, words, order).
        text, image, portraits, drawn_photos: None: the model set's defaults.
        idia: the attack that is run before and after.
        labelled_images: a folder with one sub-folder a class, on which zero-shot accuracy is measured before and after;
            None: on the things of the set's world, if it has one.
        target: what triggers are remapped to: "stand_in" (for each person the name of somebody whom the original does not know)
            or "neutral_term" (the paper's: one term for all).
        n_decoys: with stand-ins: so many unknown names are remapped to other unknown names in the same run, as a crowd; each counts.
        decoys: who they are, each with its stand-in; those that are missing are drawn from the seed.
        opponent: attacks that try to bring the persons back in the same run; "quick" or "off".
        method: how the text encoder forgets: "backdoor" (the paper's; its steps begin at a closed form where the schedule has one),
            "closed-form" (that edit alone) or "slug" (one step in one layer); an image encoder always by the backdoor.
        zero_shot: published data sets on which zero-shot accuracy is measured before and after, each once.
        measured_captions: a file or a column of the Hub with captions on which the similarities are measured, at most the paper's
            10,000; None: generated ones.
        film: the first person is drawn again and again while the name is forgotten.
        dial: whether models between the original and the defended one are drawn and attacked, too.
    """

    persons: tuple[Person, ...]
    model_set: str = "embedded"
    neutral_term: str = "human"
    encoder: Literal["text", "image", "both"] = "text"
    seed: int = 0
    text: TextFineTuneConfig | None = None
    image: ImageFineTuneConfig | None = None
    idia: IdiaConfig = field(default_factory=IdiaConfig)
    portraits: PortraitConfig | None = None
    labelled_images: str | None = None
    target: Literal["stand_in", "neutral_term"] = "stand_in"
    n_decoys: int = 0
    decoys: tuple[Person, ...] = ()
    opponent: Literal["quick", "off"] = "quick"
    method: Method = PAPERS
    drawn_photos: DrawnPhotosConfig | None = None
    zero_shot: tuple[ZeroShotSource, ...] = ()
    measured_captions: str | None = None
    film: bool = True
    dial: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "persons", tuple(self.persons))
        object.__setattr__(self, "decoys", tuple(self.decoys))
        require(self.target in ("stand_in", "neutral_term"), "target must be stand_in or neutral_term.")
        require(self.opponent in ("quick", "off"), "opponent must be quick or off.")
        object.__setattr__(self, "neutral_term", clean_name(self.neutral_term, "neutral term"))
        require(self.encoder in ("text", "image", "both"), "encoder must be text, image or both.")
        check_method(self.method, self.encoder)
        require(bool(self.model_set.strip()), "model_set is empty; name one of the model sets.")
        require(self.labelled_images is None or bool(self.labelled_images), "labelled_images is empty; name a folder.")
        require_short("model_set", self.model_set, 2 * limits.MAX_PATH_LENGTH)
        require_short("labelled_images", self.labelled_images)
        require(self.measured_captions != "", "measured_captions is empty; name a file.")
        require_short("measured_captions", self.measured_captions)
        require(abs(self.seed) <= limits.MAX_SEED, "seed must be a whole number of at most 64 bits.")
        check_persons(self.persons, self.neutral_term)
        check_remapped(self.persons, self.decoys, self.n_decoys)
        check_sources(self.zero_shot)
        if self.drawn_photos is not None:
            self.drawn_photos.check_enough(self.idia.min_images)

    @property
    def remapped(self) -> tuple[Person, ...]:
        """Whoever's names are remapped: the persons, then the decoys."""
        return (*self.persons, *self.decoys)

    @property
    def names_in_use(self) -> list[str]:
        """All names of whoever is remapped, the stand-ins' among them."""
        return [name for person in self.remapped for name in person.borne]

    @property
    def targets(self) -> dict[str, str]:
        """Name of each person -> what it is remapped to."""
        return {person.name: person.target(self.neutral_term) for person in self.persons}

    @property
    def n_triggers(self) -> int:
        """Names and aliases of the persons, and the decoys, drawn or not."""
        return sum(len(person.triggers) for person in self.persons) + self.n_decoys

    def to_json(self) -> str:
        """One JSON object; `from_json` gives back an equal config."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, indent=2)

    @classmethod
    def from_json(cls, text: str) -> ForgetConfig:
        """The config written by `to_json`; fields left out take their defaults, unknown ones are an error."""
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f"The settings are not valid JSON ({error}).") from error
        require(isinstance(values, dict), "The settings are no JSON object; give a config.json as a run holds it.")
        return from_plain(cls, values, "The setting ")


@dataclass(frozen=True)
class ResolvedConfig(ForgetConfig):
    """A config in which nothing is left open; `ModelSet.resolved` makes it, once, before the work begins."""

    text: TextFineTuneConfig = field(default_factory=TextFineTuneConfig)
    image: ImageFineTuneConfig = field(default_factory=ImageFineTuneConfig)
    portraits: PortraitConfig = field(default_factory=PortraitConfig)
    drawn_photos: DrawnPhotosConfig = field(default_factory=DrawnPhotosConfig)

    @property
    def text_schedule(self) -> TextFineTuneConfig:
        """`text` for the number of names to remap.

        With stand-ins the overshoot holds for any number: even one name comes to lie in the crowd of all names that the model does
        not know, where what remains of it decides.
        """
        schedule = self.text.for_triggers(self.n_triggers)
        return replace(schedule, overshoot=self.text.overshoot) if self.target == "stand_in" else schedule
