"""How a text encoder forgets: the methods, and what each of them excludes. Imported through `unlearn.config`."""

from __future__ import annotations

from typing import Literal

from unlearn.config.plain_values import require

Method = Literal["backdoor", "closed-form", "slug"]
METHODS: tuple[Method, ...] = ("backdoor", "closed-form", "slug")
PAPERS: Method = "backdoor"


def check_method(method: str, encoder: str) -> None:
    """Raise `ConfigError` unless the method is known, and there is a text encoder to use it on."""
    require(method in METHODS, f"method must be {', '.join(METHODS[:-1])} or {METHODS[-1]}.")
    is_idle = encoder == "image" and method != PAPERS
    require(not is_idle, f"The method {method} changes the text encoder, which encoder=image leaves as it is; choose text or both.")


def check_schedule(method: str, is_paper: bool, has_steps: bool = False) -> None:
    """Raise `ConfigError` where another method than the paper's is asked for with the paper's schedule, or with a number of steps."""
    require(method == PAPERS or not is_paper, f"The paper's method is {PAPERS}; leave the paper's schedule or the method {method} out.")
    require(method == PAPERS or not has_steps, f"The method {method} makes no steps of a schedule; leave their number or the method out.")
