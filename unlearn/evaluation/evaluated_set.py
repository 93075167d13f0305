"""The model set under evaluation: loaded once, with the world's people and their photos, who are the same from run to run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from unlearn.attacks.gallery import Gallery, build_gallery, prompt_embeddings
from unlearn.config import IdiaConfig, ResolvedConfig, Settings
from unlearn.defence.defend import Defence, defend, sources_of, stages_of
from unlearn.defence.stand_ins import with_stand_ins
from unlearn.errors import ConfigError
from unlearn.models.clip import Clip
from unlearn.models.embeddings import original_cache
from unlearn.models.suite import suite_of
from unlearn.models.worlds import World, known_names
from unlearn.photos.face_sets import Faces
from unlearn.progress import Stages, no_report


@dataclass(frozen=True)
class EvaluatedSet:
    """A model set with a world.

    Attributes:
        original: its CLIP.
        world: whose membership is known.
        settings: of the process.
    """

    original: Clip
    world: World
    settings: Settings

    @classmethod
    def load(cls, model_set: str, settings: Settings) -> EvaluatedSet:
        """Load the set.

        Raises:
            ConfigError: the set has no world, so nobody's membership is known.
        """
        suite = suite_of(model_set, settings)
        if suite.world is None:
            raise ConfigError(f"Model set {model_set!r} has no world of known members; evaluate needs one.")
        return cls(suite.clip, suite.world, settings)

    @property
    def members(self) -> list[str]:
        """Names of those whom the model was trained with."""
        return [inhabitant.name for inhabitant in self.world.members]

    @property
    def strangers(self) -> list[str]:
        """Names of those whom it was not: the control."""
        return [inhabitant.name for inhabitant in self.world.inhabitants if not inhabitant.member]

    def gallery(self) -> Gallery:
        """Everybody of the world under their own names, as the original sees them."""
        return build_gallery(self.original, self.world, (), IdiaConfig())

    def prompts(self, gallery: Gallery) -> Tensor:
        """The original's embeddings of the attack's prompts, which are kept on disk."""
        return prompt_embeddings(self.original.text, gallery, original_cache(self.settings))

    def with_stand_ins(self, config: ResolvedConfig, gallery: Gallery) -> ResolvedConfig:
        """The config with its stand-ins, as a run chooses them."""
        return with_stand_ins(config, self.original, [*gallery.candidates, *gallery.base_names, *known_names(self.world)])

    def defend(self, config: ResolvedConfig, faces: Faces) -> Defence:
        """The defence of a run with this config."""
        sources = sources_of(self.original, config, self.settings, self.world)
        return defend(self.original, config, faces, sources, Stages(no_report, stages_of(config)))


@dataclass(frozen=True)
class Forgotten:
    """One forgetting: its config, its outcome, and the gallery that is attacked afterwards."""

    config: ResolvedConfig
    defence: Defence
    gallery: Gallery

    @cached_property
    def prompts(self) -> Tensor:
        """The defended encoder's embeddings of the attack's prompts."""
        return prompt_embeddings(self.defence.defended.text, self.gallery, None)
