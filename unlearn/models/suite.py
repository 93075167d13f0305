"""A model set, loaded once and kept for the next call of the same process: its CLIP, its world, its diffusion model, its caches.

`suite_of` chooses the device, finds the files and loads the weights. One set is kept at a time, because a set of full size fills a GPU.
Everything that is kept is freed together when another set is loaded. A kept model is never changed: fine-tuning works on copies.
"""

from __future__ import annotations

import copy
import gc
import threading
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

import torch

from unlearn.config import PortraitConfig, Settings
from unlearn.memory import free_memory
from unlearn.models.clip import Clip, drawing_precision, load_clip, resolve_device, resolve_precision, use_threads
from unlearn.models.defended import defended_folder, load_defended
from unlearn.models.diffusion import Diffusion, load_diffusion, require_drawing
from unlearn.models.diffusion_memory import drawing_plan
from unlearn.models.embeddings import EmbeddingCache, original_cache
from unlearn.models.latest import Latest
from unlearn.models.never_met import NeverMetModel, left_out
from unlearn.models.pair import Pair
from unlearn.models.set_files import SetFiles, file_state
from unlearn.models.sets import ModelSet
from unlearn.models.weights import require_diffusion
from unlearn.models.worlds import World

MAX_PAIRS = 2  # defended models kept beside the original
ROOM = 4  # times the size of the loaded models: so much memory has to be free for all of them to stay during a fine-tuning


class Suite:
    """A loaded model set; made by `suite_of`.

    Attributes:
        settings: device, folders.
        files: where the set was loaded from.
        clip: the original, frozen, in eval mode.
        world: who is known about the set, with photos; None: nobody.
        embeddings: cache of the original's text embeddings.
        answers: the latest result that a caller derived from this suite and may need again.
    """

    def __init__(self, files: SetFiles, settings: Settings) -> None:
        """Load the CLIP; the diffusion model is loaded when it is first needed.

        Raises:
            ConfigError: a GPU is asked for and there is none.
            ModelLoadError: weights that cannot be used.
        """
        self.files = files
        self.clip: Clip = load_clip(files.model_set.name, settings)
        self.world = World(files.model_set.world) if files.model_set.world is not None else None
        self._pairs: Latest[Pair[Clip]] = Latest(MAX_PAIRS)
        self._diffusion: Latest[Diffusion] = Latest(1)
        self._never_met: Latest[NeverMetModel] = Latest(1)
        self._checked: Latest[bool] = Latest(1)
        self._use(settings)

    def _use(self, settings: Settings) -> None:
        self.settings = settings
        self.embeddings: EmbeddingCache = original_cache(settings)
        self.answers: Latest[Any] = Latest(1)

    def with_settings(self, settings: Settings) -> Suite:
        """The same models with other folders; the device and the precision have to be the same."""
        if settings == self.settings:
            return self
        suite = copy.copy(self)
        suite._use(settings)
        return suite

    @property
    def model_set(self) -> ModelSet:
        """Names and defaults of the set."""
        return self.files.model_set

    @property
    def can_draw(self) -> bool:
        """Whether the set has a diffusion model."""
        return self.files.diffusion is not None

    def diffusion(self) -> Diffusion:
        """The set's diffusion model, loaded at the first call.

        Raises:
            ModelLoadError: the set has none, or it cannot be loaded.
        """
        folder, device = self.diffusion_folder, resolve_device(self.settings)
        precision, choice = drawing_precision(self.settings, device), self.settings.memory

        def load() -> Diffusion:
            return load_diffusion(folder, device, precision, drawing_plan(folder, device, precision, free_device_memory(device), choice))

        return self._diffusion.get(choice, load)

    @property
    def draws_at_once(self) -> bool:
        """Whether a picture can be drawn beside other work: the diffusion model is loaded, and none of its parts waits elsewhere."""
        return any(not diffusion.placement.plan.note for diffusion in self._diffusion.kept())

    @property
    def diffusion_folder(self) -> Path:
        """Where the diffusion model was found; raises `ModelLoadError` where the set has none."""
        require_diffusion(self.model_set)
        assert self.files.diffusion is not None  # `SetFiles.find` fails otherwise
        return self.files.diffusion

    def require_drawing(self, config: PortraitConfig) -> None:
        """Raise where drawing with these settings would fail; nothing is asked of a set without diffusion model.

        The weights are read once at most, and not at all where they are loaded already.

        Raises:
            ConfigError: a scheduler that cannot be used.
            ModelLoadError: weights that cannot be used.
        """
        folder = self.files.diffusion
        if folder is None:
            return
        require_drawing(folder, config, with_weights=not self._diffusion.kept() and not self._checked.kept())
        self._checked.get("weights", lambda: True)

    def pair(self, weights: Path) -> Pair[Clip]:
        """The original and the defended CLIP of a run folder or a folder of defended weights; the latest ones are kept.

        Raises:
            ModelLoadError: missing or damaged files, or made from other weights than the original's.
        """
        folder = defended_folder(weights)
        states = tuple(file_state(path) for path in sorted(folder.rglob("*")) if path.is_file())
        return self._pairs.get(states, lambda: Pair(self.clip, load_defended(folder, self.clip)))

    def never_met(self, names: Iterable[str]) -> NeverMetModel | None:
        """The set's second CLIP if it was trained without one of these persons; loaded when it is first needed, else None.

        Raises:
            ModelLoadError: damaged files, or weights of another architecture.
        """
        folder, world = self.model_set.never_met, self.world
        if folder is None or world is None:
            return None
        people = left_out(folder, world)
        if not any(world.find(name) in people for name in names):
            return None
        return self._never_met.get("never met", lambda: NeverMetModel.load(folder, self.clip, world, self.settings))

    def make_room(self) -> None:
        """Drop what can be loaded again, where a fine-tuning might need its memory."""
        device = resolve_device(self.settings)
        loaded = [self.clip.text, self.clip.image, self.clip.hidden]
        for diffusion in self._diffusion.kept():
            loaded += [diffusion.unet, diffusion.vae]
        n_bytes = sum(map(_n_bytes, {id(module): module for module in loaded if module is not None}.values()))
        free = free_device_memory(device)
        if free is not None and free < ROOM * n_bytes:
            for cache in (self._diffusion, self._pairs, self._never_met, self.answers):
                cache.clear()
            _collect(device)


def _n_bytes(module: Any) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())


def free_device_memory(device: torch.device) -> int | None:
    """Bytes that this process can still take on a device; None where the system does not say."""
    if device.type != "cuda":
        return free_memory()
    reserved = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # torch's own, and free to be used again
    return int(torch.cuda.mem_get_info(device)[0]) + reserved


def _collect(device: torch.device) -> None:
    gc.collect()  # modules of a library may hold each other
    if device.type == "cuda":
        torch.cuda.empty_cache()


class _Latest:
    """The suite that this process has loaded."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.key: Hashable = None
        self.suite: Suite | None = None


_LATEST = _Latest()


def suite_of(model_set: str, settings: Settings) -> Suite:
    """The loaded suite of a model set; the one from the last call where set, device, precision and files are the same.

    Another set takes its place: the former one is freed first, unless somebody still uses it.

    Args:
        model_set: name of a set; the grammar is in `models.sets`.
        settings: device, precision, threads, folders.

    Raises:
        ConfigError: unknown set, or a GPU that is not there.
        ModelLoadError: weights missing, unreadable, not fitting, or an activation they were not trained with.
    """
    use_threads(settings)
    device = resolve_device(settings)
    with _LATEST.lock:
        files = SetFiles.find(model_set, settings)
        key = (files, device, resolve_precision(settings, device))
        if _LATEST.suite is None or _LATEST.key != key:
            drop_suite()
            _LATEST.suite, _LATEST.key = Suite(files, settings), key
        _LATEST.suite = _LATEST.suite.with_settings(settings)
        return _LATEST.suite


def drop_suite() -> None:
    """Free the suite that this process has loaded; the next call of `suite_of` loads one again."""
    with _LATEST.lock:
        if _LATEST.suite is not None:
            device = _LATEST.suite.clip.text.device
            _LATEST.suite = _LATEST.key = None
            _collect(device)
