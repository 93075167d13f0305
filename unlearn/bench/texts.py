"""Points of the bench on texts: a step of the fine-tuning and the attack's prompts, at full size."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from unlearn.attacks.idia import idia_prompts
from unlearn.bench import oracle_texts
from unlearn.bench.timing import BenchConfig, alternating, full_size_text
from unlearn.config import Person, ResolvedConfig, Settings, TextFineTuneConfig
from unlearn.defence.text_task import text_task
from unlearn.models.embeddings import EmbeddingCache, Kind, encode
from unlearn.models.encoders import OpenClipText
from unlearn.texts.names import random_names
from unlearn.texts.prompts import PROMPT_TEMPLATES, fill


def text_step(config: BenchConfig, settings: Settings) -> dict[str, Any]:
    """(a) Fine-tuning steps on pooled embeddings, ViT-B/32."""
    return {**_steps(config, ("pooled",)), "target": "ratio >= 5 and loss_difference <= 1e-4"}


def hidden_step(config: BenchConfig, settings: Settings) -> dict[str, Any]:
    """(c) Fine-tuning steps on hidden states, ViT-B/32, where every text needs the full context."""
    return {**_steps(config, ("hidden",)), "target": "ratio >= 1"}


def _steps(config: BenchConfig, kinds: tuple[Kind, ...]) -> dict[str, Any]:
    teacher = full_size_text()
    schedule = TextFineTuneConfig(n_steps=config.n_steps + 1, batch_size=config.batch_size, n_captions=2000)
    run = ResolvedConfig((Person("Ada Brook"),), text=schedule, target="neutral_term")
    task = text_task(teacher, run, kinds)
    oracle = oracle_texts.Defence(teacher.without_shortcuts(), schedule, kinds)

    def oracle_step(number: int) -> Callable[[], float]:
        texts = task.triggers.batch(number)
        return lambda: oracle.step(texts.clean, texts.triggered, texts.neutral)

    return alternating(teacher, task, schedule, oracle_step)


def attack_prompts(config: BenchConfig, settings: Settings) -> dict[str, Any]:
    """(b) The attack's prompts, 21 templates x names, ViT-B/32: ours, the oracle's, and ours from the cache."""
    encoder = full_size_text()
    literal = encoder.without_shortcuts()
    names = random_names(config.n_names, seed=0)
    thirds = [PROMPT_TEMPLATES[i : i + 7] for i in range(0, len(PROMPT_TEMPLATES), 7)]
    ours: list[float] = []
    theirs: list[float] = []
    difference = 0.0
    for templates in thirds:  # in turns, so that a change of the machine's load affects both
        prompts = [fill(template, name) for template in templates for name in names]
        started = time.perf_counter()
        embeddings = encode(encoder, prompts)
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        expected: Tensor = oracle_texts.embed_prompts(literal, prompts)
        theirs.append(time.perf_counter() - started)
        difference = max(difference, float((torch.nn.functional.normalize(embeddings, dim=-1) - expected).abs().max()))
    cached = _cached(encoder, idia_prompts(names))
    return {
        "seconds": sum(ours), "oracle_seconds": sum(theirs), "ratio": sum(theirs) / sum(ours),
        "embedding_difference": difference, **cached,
        "target": "ratio >= 5 and embedding_difference <= 1e-5 and cache_ratio >= 100",
    }  # fmt: skip


def _cached(encoder: OpenClipText, prompts: list[str]) -> dict[str, float]:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        EmbeddingCache(Path(folder)).embed(encoder, prompts)
        first = time.perf_counter() - started
        started = time.perf_counter()
        EmbeddingCache(Path(folder)).embed(encoder, prompts)  # a new one: from the disk
        second = time.perf_counter() - started
    return {"uncached_seconds": first, "cached_seconds": second, "cache_ratio": first / second}
