"""The figures of a defence that metrics.json holds; loads no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ChosenLayer:
    """The one layer that SLUG changes (`defence.slug`).

    Attributes:
        name: of its weights.
        importance: norm of the forget gradient, as a share of the norm of the weights.
        alignment: cosine between the gradients of the forget and the retain loss.
        step_size: what the forget gradient was multiplied with.
        n_layers: that were searched, those on the Pareto front.
        n_found: of the texts of the search, so many still find the name; 0 where the search came to its end.
    """

    name: str
    importance: float
    alignment: float
    step_size: float
    n_layers: int
    n_found: int
