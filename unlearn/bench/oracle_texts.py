"""The paper's algorithm on texts written literally, slow on purpose: the fast code must agree with it and is timed against it.

Always the full context, separate passes for clean and trigger batches, a Python sum over the parameters' norms, votes counted one
by one. Uses encoders through their protocol and plain torch; shares no code with `defence.losses`, `defence.loop`,
`models.embeddings` and `attacks.idia`.
Source: Hintersdorf et al. 2024, eq. (1) and appendix A.2; Hintersdorf et al. 2022 for the attack.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn


def embed(encoder: Any, texts: Sequence[str], kind: str = "pooled") -> Tensor:
    """One pass at the full context, with gradients if they are on: (n, d), or flattened states (n, L * w)."""
    tokens = encoder.tokenize(list(texts))
    if kind == "pooled":
        return cast(Tensor, encoder.embed_texts(tokens))
    return cast(Tensor, encoder.hidden_states(tokens).flatten(1))


def embed_prompts(encoder: Any, prompts: Sequence[str], batch_size: int = 256) -> Tensor:
    """All prompts at full length, in their order, normalised (n, d)."""
    rows = []
    with torch.no_grad():
        for start in range(0, len(prompts), batch_size):
            embeddings = embed(encoder, prompts[start : start + batch_size])
            rows.append(embeddings / embeddings.norm(dim=1, keepdim=True))
    return torch.cat(rows)


def idia(
    photos: Sequence[Tensor], prompts: Callable[[str], Tensor], names: Sequence[str], templates: Sequence[str]
) -> list[str | None]:
    """The majority name of every template, None for a tie.

    photos: embeddings (d,); prompts: template -> (K, d) embeddings of the template filled with every name.
    """
    majorities: list[str | None] = []
    for template in templates:
        embedded = prompts(template)
        votes: Counter[str] = Counter()
        for photo in photos:
            similarities = [float(torch.dot(photo, row)) for row in embedded]
            votes[names[similarities.index(max(similarities))]] += 1
        ranked = votes.most_common()
        is_tie = len(ranked) > 1 and ranked[0][1] == ranked[1][1]
        majorities.append(None if is_tie else ranked[0][0])
    return majorities


class Defence:
    """The fine-tuning, one step at a time, on batches of texts from the caller."""

    def __init__(self, teacher: Any, config: Any, kinds: Sequence[str] = ("pooled",)) -> None:
        self.teacher = teacher
        self.student = copy.deepcopy(teacher)
        self.config = config
        self.kinds = kinds
        self.student.eval()
        for parameter in self.student.parameters():
            parameter.requires_grad_(False)
        for parameter in self.student.blocks.parameters():
            parameter.requires_grad_(True)
        for module in self.student.modules():
            if isinstance(module, nn.LayerNorm):
                for parameter in module.parameters():
                    parameter.requires_grad_(False)
        self.trained = [p for p in self.student.parameters() if p.requires_grad]
        self.originals = [p.detach().clone() for p in self.trained]
        self.optimizer = torch.optim.AdamW(
            self.trained, lr=config.learning_rate, weight_decay=0.0, foreach=False, fused=False
        )

    def step(self, clean: Sequence[str], triggered: Sequence[str], neutral: Sequence[str]) -> float:
        """Make one optimiser step and return the total loss before it."""
        alpha, beta = self.config.backdoor_weight, self.config.regularization_weight
        weights = {"pooled": self.config.pooled_weight, "hidden": self.config.hidden_weight}
        loss = torch.zeros(())
        for kind in self.kinds:
            with torch.no_grad():
                teacher_clean = embed(self.teacher, clean, kind)
                target = embed(self.teacher, neutral, kind)
            utility = -torch.cosine_similarity(teacher_clean, embed(self.student, clean, kind)).mean()
            backdoor = -torch.cosine_similarity(target, embed(self.student, triggered, kind)).mean()
            loss = loss + weights[kind] * (utility + alpha * backdoor)
        if beta:
            for parameter, original in zip(self.trained, self.originals, strict=True):
                loss = loss + beta * torch.norm(parameter - original)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())
