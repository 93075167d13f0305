"""Sim_Clean, Sim_Backdoor and Sim_Target as the paper writes them, each by itself; `unlearn.measure.similarities` needs fewer passes.

Source: Hintersdorf et al. 2024, appendix A.3, eq. (2) to (4).
"""

from __future__ import annotations

from collections.abc import Sequence

from unlearn.measure.similarities import mean_similarity
from unlearn.models.embeddings import Kind, encode
from unlearn.models.encoders import TextEncoder


def sim_clean(teacher: TextEncoder, student: TextEncoder, captions: Sequence[str], kind: Kind = "pooled") -> float:
    """Original and defended encoder on captions without a trigger."""
    return mean_similarity(encode(teacher, captions, kind), encode(student, captions, kind))


def sim_backdoor(student: TextEncoder, triggered: Sequence[str], neutral: Sequence[str], kind: Kind = "pooled") -> float:
    """The defended encoder on captions with the trigger, and on the same captions with the neutral term."""
    return mean_similarity(encode(student, triggered, kind), encode(student, neutral, kind))


def sim_target(teacher: TextEncoder, student: TextEncoder, neutral: Sequence[str], kind: Kind = "pooled") -> float:
    """Original and defended encoder on captions with the neutral term."""
    return mean_similarity(encode(teacher, neutral, kind), encode(student, neutral, kind))
