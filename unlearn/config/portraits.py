"""How portraits are drawn; imported through `unlearn.config`."""

from __future__ import annotations

from dataclasses import dataclass

from unlearn.config import limits
from unlearn.config.limits import require_range, require_short
from unlearn.config.plain_values import require


def numbered_seeds(n_seeds: int, what: str) -> tuple[int, ...]:
    """The seeds 0, 1, 2... where only their number is given; `what` names the option.

    Raises:
        ConfigError: none, or too many to be of use.
    """
    require_range(what, n_seeds, 1, limits.MAX_PORTRAIT_SEEDS)
    return tuple(range(n_seeds))


def require_size(name: str, size_px: int | None) -> None:
    """Raise `ConfigError` for the side of a picture that a Stable Diffusion cannot draw."""
    if size_px is not None:
        require_range(name, size_px, 8, limits.MAX_PORTRAIT_PX)
        require(size_px % 8 == 0, f"{name} is {size_px}; use a multiple of 8.")


@dataclass(frozen=True)
class PortraitConfig:
    """Portraits of original and defended Stable Diffusion, with the name and with what it is remapped to.

    Attributes:
        seeds: one row of four images a seed, all four from the same starting noise.
        n_steps: denoising steps.
        guidance_scale: classifier-free guidance; 1 turns it off.
        scheduler: name of a diffusers scheduler class; None: the model's own.
        prompt_template: {0} is replaced by the name, or by what it is remapped to.
        size_px: side of the pictures; None: the model's own.
    """

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    n_steps: int = 50
    guidance_scale: float = 7.5
    scheduler: str | None = None
    prompt_template: str = "a portrait of {0}, realistic, 4k, high resolution, photograph, portrait"
    size_px: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "seeds", tuple(self.seeds))
        n_seeds, most = len(self.seeds), limits.MAX_PORTRAIT_SEEDS
        require(n_seeds <= most, f"{n_seeds} seeds are given; use at most {most}.")
        require(1 <= len(set(self.seeds)) == n_seeds, "seeds must be one or more different numbers.")
        fit = all(isinstance(seed, int) and -limits.MAX_SEED <= seed <= limits.MAX_SEED for seed in self.seeds)
        require(fit, "seeds must be whole numbers of at most 64 bits.")
        require(1 <= self.n_steps <= 1000, f"n_steps is {self.n_steps}; use 1 to 1000.")
        require(1.0 <= self.guidance_scale <= 50.0, f"guidance_scale is {self.guidance_scale}; use 1 to 50.")
        require_short("prompt_template", self.prompt_template, limits.MAX_PROMPT_LENGTH)
        require(self.prompt_template.count("{0}") == 1, "prompt_template must contain {0} once.")
        require_short("scheduler", self.scheduler, 100)
        require_size("size_px", self.size_px)
