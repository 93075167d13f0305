"""Bounds of settings, and the checks against them. Imported through the settings' modules."""

from __future__ import annotations

from unlearn.config.plain_values import require

MAX_GROWN_BATCH = 128  # the paper's batch, whatever the number of names
MAX_TRIGGERS = 64  # names and aliases of a run together; the paper forgot at most 64 names at once
# Upper bounds: far above what has a use, and low enough that one run cannot fill the memory or hold a machine for good.
MAX_STEPS = 10_000  # 25 times the paper's
MAX_STEP = 10**9  # of what is compared with a step; beyond the last one it has no effect
MAX_MILESTONES = 100
MAX_WEIGHT = 1000.0
MAX_BYSTANDER_NAMES = 100_000
MAX_CLOSED_FORM_TEXTS = 20_000
MAX_SURFACE_FORMS = 120  # of each name; a name has hardly more
MAX_BALL_RADIUS = 10.0
MAX_CAPTIONS = 500_000  # as many as the grammar of captions holds
MAX_GENERIC_IMAGES = 20_000  # held in memory: 3 GB at 224 px
MAX_AVERAGE_FACES = 1000
MAX_PATH_LENGTH = 4096  # what systems take
MAX_SEED = 2**63 - 1  # of what torch takes
MAX_CANDIDATE_NAMES = 20_000  # 20 times the paper's; 21 prompts each are embedded
MAX_IMAGES = 1000
MAX_PORTRAIT_SEEDS = 100
MAX_PORTRAIT_PX = 2048  # 4 times the side of Stable Diffusion 1.4
MAX_DRAWN_CONTROLS = 20
MAX_PROMPT_LENGTH = 500  # characters; a CLIP context holds fewer
MAX_THREADS = 1024


def require_range(name: str, value: float, low: float, high: float) -> None:
    """Raise `ConfigError` with field, value and range unless low <= value <= high."""
    require(low <= value <= high, f"{name} is {value}; use {low:,} to {high:,}.")


def require_short(name: str, text: str | None, most: int = MAX_PATH_LENGTH) -> None:
    """Raise `ConfigError` where a text is longer than `most` characters."""
    require(text is None or len(text) <= most, f"{name} has {len(text or ''):,} characters; use at most {most:,}.")
