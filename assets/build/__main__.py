"""The one command that makes the embedded set again: `python -m assets.build`.

Every stage continues where it stopped, and is skipped where it is finished; `--miniature` runs all of them on a tiny world, in
seconds, to show that they fit together.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from unlearn.cli.console import progress_bar
from unlearn.config import Settings
from unlearn.evaluation.names import EvaluationConfig, evaluate
from unlearn.evaluation.tables import tables

from .autoencoder import AutoencoderConfig, train_autoencoder
from .clip import ClipTrainingConfig, train_clip, train_image_tower
from .defaults import DEFAULTS, write_defaults
from .diffusion import DiffusionConfig, latent_scale, prepare, train_unet
from .never_met import STEPS, never_met_config, train_never_met
from .render import PictureCounts, render
from .ship import (
    PhotoCounts,
    write_captions,
    write_clip,
    write_kept_moments,
    write_names,
    write_never_met,
    write_photos,
    write_stable_diffusion,
    write_text_encoder,
    write_world,
)
from .tokenizer import write_bpe

STAGES = ("render", "clip", "image", "autoencoder", "diffusion", "decoder", "ship", "never-met", "evaluate")
EMBEDDED = Path(__file__).resolve().parent.parent / "embedded"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what comes out; the defaults are those of the shipped set."""

    pictures: PictureCounts = field(default_factory=PictureCounts)
    clip: ClipTrainingConfig = field(default_factory=ClipTrainingConfig)
    never_met: dict[str, Any] = field(default_factory=lambda: STEPS)  # fields of ClipTrainingConfig that differ from `clip`
    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)
    photos: PhotoCounts = field(default_factory=PhotoCounts)
    defaults: dict[str, dict[str, Any]] = field(default_factory=lambda: DEFAULTS)
    evaluation: dict[str, Any] = field(default_factory=dict)  # fields of EvaluationConfig


def miniature() -> Recipe:
    """A recipe that takes seconds; what it makes knows nobody."""
    return Recipe(
        pictures=PictureCounts(member_photos=1, generic=24, things=24, more_things=24),
        clip=ClipTrainingConfig(n_steps=2, image_steps=1, kind_steps=1, last_steps=1, end_steps=1, n_things=6, n_members=4, n_generic=4, layers=2, vision_width=48, text_width=32, embed_dim=16),
        never_met={},
        autoencoder=AutoencoderConfig(block_out_channels=(8, 8, 8, 8), latent_channels=4, crop_steps=1, whole_steps=1, decoder_steps=1, crop_batch=2, whole_batch=1),
        diffusion=DiffusionConfig(block_out_channels=(32, 32, 32), n_steps=2, finish_steps=1, last_steps=1, people_steps=1, faces_steps=1, neutral_steps=1, batch=4, captions_per_member=2),
        photos=PhotoCounts(evaluation=1, fine_tuning=1, things=20, generic=20, clean=20, stand_ins=2),
        defaults={"text": {"n_steps": 2, "batch_size": 4, "bystander_share": 0.5, "kept_names": "names.txt", "near_names": 4, "captions": "captions.txt"},
                  "portraits": {"n_steps": 2}},
        evaluation={"neutral_terms": ("human",), "n_at_once": (2,), "n_members": 1, "portrait_seeds": (0,), "n_others_drawn": 1},
    )  # fmt: skip


def build(recipe: Recipe, cache: Path, root: Path, stages: tuple[str, ...] = STAGES, n_workers: int = 2) -> None:
    """Run the stages in order; each needs in `cache` the results of those before it."""
    pictures, work = cache / "render", cache / "work"
    work.mkdir(parents=True, exist_ok=True)
    bpe = write_bpe(work, recipe.clip.vocabulary_size)
    if "render" in stages:
        render(pictures, recipe.pictures, n_workers)
    if "clip" in stages:
        train_clip(pictures, work, recipe.clip, bpe)
    if "image" in stages:
        train_image_tower(pictures, work, recipe.clip, bpe)
    if "autoencoder" in stages:
        train_autoencoder(pictures, work, recipe.autoencoder)
    if "diffusion" in stages:
        # What is shipped is rounded to half precision; the U-Net learns from the rounded text encoder.
        clip = train_clip(pictures, work, recipe.clip, bpe).half().float()
        prepare(pictures, work, clip, train_autoencoder(pictures, work, recipe.autoencoder), bpe, recipe.diffusion)
        train_unet(work, recipe.diffusion)
    if "decoder" in stages:
        train_autoencoder(pictures, work, recipe.autoencoder, decoder_only=True)
    if "ship" in stages:
        _ship(recipe, pictures, work, root, bpe)
    if "never-met" in stages:
        write_never_met(root, train_never_met(pictures, work, never_met_config(recipe.clip, recipe.never_met), bpe))
    if "evaluate" in stages:
        with progress_bar() as report:  # hours for a whole set; rows that are finished are kept in the cache
            rows = evaluate(EvaluationConfig(str(root), **recipe.evaluation), Settings(data_dir=cache / "evaluate"), report, cache / "evaluation.json")
        print(tables(rows))


def _ship(recipe: Recipe, pictures: Path, work: Path, root: Path, bpe: Path) -> None:
    """Write the set; every training that is finished is only read."""
    root.mkdir(parents=True, exist_ok=True)
    write_world(root)
    write_captions(root)
    write_names(root)
    write_defaults(root, recipe.defaults)
    write_photos(root, recipe.photos)
    clip = train_image_tower(pictures, work, recipe.clip, bpe)
    write_clip(root, clip, recipe.clip)
    autoencoder = train_autoencoder(pictures, work, recipe.autoencoder, decoder_only=True)
    write_text_encoder(root / "stable-diffusion" / "text_encoder", clip, recipe.clip)
    write_stable_diffusion(root, autoencoder, train_unet(work, recipe.diffusion), latent_scale(work))
    write_kept_moments(root)


def main() -> None:
    """Parse the flags and build."""
    parser = argparse.ArgumentParser(prog="python -m assets.build", description="Make the embedded model set again (some hours on two cores; resumable).")
    parser.add_argument("--cache", type=Path, help="where pictures and checkpoints are kept between runs (default: build-cache; the miniature has one of its own in it)")
    parser.add_argument("--out", type=Path, default=EMBEDDED, help="where the set is written (default: the shipped one)")
    parser.add_argument("--stages", default=",".join(STAGES), help=f"comma-separated, of {', '.join(STAGES)}; earlier ones are resumed or reused")
    parser.add_argument("--threads", type=int, default=2, help="threads of the trainings and processes of the renderer")
    parser.add_argument("--miniature", action="store_true", help="next to nothing of everything, in seconds; give --out with it")
    options = parser.parse_args()
    stages = tuple(options.stages.split(","))
    unknown = set(stages) - set(STAGES)
    if unknown:
        parser.error(f"unknown stages: {', '.join(sorted(unknown))}")
    if options.miniature and options.out == EMBEDDED:
        parser.error("--miniature would overwrite the shipped set; give --out DIR")
    torch.set_num_threads(options.threads)
    cache = options.cache or Path("build-cache/miniature" if options.miniature else "build-cache")
    build(miniature() if options.miniature else Recipe(), cache, options.out, stages, options.threads)


if __name__ == "__main__":
    main()
