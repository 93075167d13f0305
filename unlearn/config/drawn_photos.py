"""Portraits in the place of photos, where there are none of a person; imported through `unlearn.config`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from unlearn.config import limits
from unlearn.config.limits import require_range
from unlearn.config.plain_values import require
from unlearn.config.portraits import PortraitConfig, require_size

FIRST_SEED = 40_000  # of these portraits; far from those that a run shows, and from those of faces to remap to


@dataclass(frozen=True)
class DrawnPhotosConfig:
    """What the original Stable Diffusion draws for the attack of somebody of whom neither the set nor the user has photos.

    Attributes:
        n_portraits: of the name, and of each control; 0: nothing is drawn, and such a person is not attacked.
        n_controls: names that the original does not know, drawn and attacked in the same way.
        n_steps: denoising steps, at most; None: as many as for the portraits that a run shows. They are attacked, not looked at.
        size_px: side of the pictures; None: as for those.
    """

    n_portraits: int = 20
    n_controls: int = 3
    n_steps: int | None = 15
    size_px: int | None = None

    def __post_init__(self) -> None:
        require_range("drawn_photos: n_portraits", self.n_portraits, 0, limits.MAX_PORTRAIT_SEEDS)
        require_range("drawn_photos: n_controls", self.n_controls, 0, limits.MAX_DRAWN_CONTROLS)
        if self.n_steps is not None:
            require_range("drawn_photos: n_steps", self.n_steps, 1, 1000)
        require_size("drawn_photos: size_px", self.size_px)

    def check_enough(self, min_images: int) -> None:
        """Raise `ConfigError` where portraits are drawn, but fewer than the attack takes (`IdiaConfig.min_images`)."""
        is_enough = self.n_portraits == 0 or self.n_portraits >= min_images
        require(is_enough, f"drawn_photos: n_portraits is {self.n_portraits}; use 0 (none are drawn), or {min_images} or more.")

    def drawing(self, portraits: PortraitConfig) -> PortraitConfig:
        """How these pictures are drawn.

        Args:
            portraits: how a run's other portraits are drawn, which says what is not said here.
        """
        seeds = tuple(range(FIRST_SEED, FIRST_SEED + self.n_portraits))
        n_steps = min(self.n_steps or portraits.n_steps, portraits.n_steps)
        return replace(portraits, seeds=seeds, n_steps=n_steps, size_px=self.size_px or portraits.size_px)
