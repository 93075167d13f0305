"""How good the image defence of a model set with a world is: 1 to 16 faces at once, ours beside the paper's setting, and both encoders.

Every draw forgets members drawn from a seed, on photos of theirs in folders, and is attacked with the world's evaluation
photos, which nobody trains on. Runs the functions of a single `forget`; finished rows are kept in a file. The table is here, too.
"""

from __future__ import annotations

import json
import shlex
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from unlearn.attacks.gallery import build_gallery, prompt_embeddings
from unlearn.config import ForgetConfig, IdiaConfig, ImageFineTuneConfig, Person, Settings
from unlearn.config.schedules import MAX_TRIGGERS
from unlearn.defence.defend import defend_text
from unlearn.defence.image_defence import defend_image, read_sources
from unlearn.defence.stand_ins import with_stand_ins
from unlearn.errors import ConfigError, InputError
from unlearn.evaluation.rows import KeptRows, change, rows_file, share_recognised
from unlearn.evaluation.tables import DASH, measured
from unlearn.files import check_writable, write_json
from unlearn.measure.similarities import image_metrics
from unlearn.measure.zero_shot import utility
from unlearn.models.clip import load_clip, world_of
from unlearn.models.embeddings import original_cache
from unlearn.models.worlds import known_names
from unlearn.progress import Progress, Report, no_report
from unlearn.runs.inputs import read_faces

KINDS = ("ours", "paper", "both")
MAX_DRAWS = 1000
# Hintersdorf et al. 2024, ViT-B/32 image encoder, regularised, means over ten runs; ImageNet-V2 top-1 against the original's 52.4 %
PAPER_ROWS = (
    ("paper: ViT-B/32, 1 face", "0 % TPR", "–", "–", "0.96", "0.93", "0.95", "-4.0 pts"),
    ("paper: ViT-B/32, 8 faces", "2.5 % TPR", "–", "–", "0.96", "0.87", "0.95", "-4.0 pts"),
    ("paper: ViT-B/32, 16 faces", "10.6 % TPR", "–", "–", "0.96", "0.86", "0.96", "-4.3 pts"),
)  # fmt: skip


@dataclass(frozen=True)
class FaceEvaluationConfig:
    """What is evaluated.

    Attributes:
        model_set: a set with a world.
        faces: folder with a folder of photos for each member, member-00, member-01... (`python -m assets.build.photos`).
        n_at_once: numbers of faces forgotten together.
        n_draws: draws of persons for each number; the draw's number is the seed of the fine-tuning, too.
        kinds: "ours" (the set's default), "paper" (its setting for the architecture), "both" (ours, and the text encoder).
    """

    model_set: str
    faces: Path
    n_at_once: tuple[int, ...] = (1, 4, 8, 16)
    n_draws: int = 2
    kinds: tuple[str, ...] = KINDS

    def __post_init__(self) -> None:
        if set(self.kinds) - set(KINDS) or not self.n_at_once or not 1 <= min(self.n_at_once) <= max(self.n_at_once) <= MAX_TRIGGERS:
            raise ConfigError(f"kinds are words out of {', '.join(KINDS)}; numbers of faces are 1 to {MAX_TRIGGERS}.")
        if not 1 <= self.n_draws <= MAX_DRAWS:
            raise ConfigError(f"n_draws is {self.n_draws}; use 1 to {MAX_DRAWS}.")


class FaceEvaluation:
    """A model set under evaluation; what does not change from draw to draw is computed once."""

    def __init__(self, config: FaceEvaluationConfig, settings: Settings) -> None:
        """Load the set.

        Raises:
            ConfigError: the set has no world.
            InputError: a member has no folder of photos.
        """
        self.config, self.settings = config, settings
        self.clip = load_clip(config.model_set, settings)
        world = world_of(self.clip)
        if world is None:
            raise ConfigError(f"Model set {config.model_set!r} has no world of known members; evaluate needs one.")
        self.world = world
        self.idia = IdiaConfig()
        self.gallery = build_gallery(self.clip, world, (), self.idia)
        self.prompts = prompt_embeddings(self.clip.text, self.gallery, original_cache(settings))
        self.members = [inhabitant.name for inhabitant in world.members]
        self.strangers = [inhabitant.name for inhabitant in world.inhabitants if not inhabitant.member]
        self.recognised = {one.name for one in self.gallery.attack(self.prompts, self.members) if one.recognised}
        self.rows = KeptRows(rows_file(self.clip, settings, "faces-"))

    def drawn(self, n: int, draw: int) -> list[str]:
        """The members forgotten in a draw; a larger number of the same draw has those of a smaller one, too."""
        order = torch.randperm(len(self.members), generator=torch.Generator().manual_seed(draw)).tolist()
        return [self.members[i] for i in order[:n]]

    def schedule(self, kind: str) -> ImageFineTuneConfig:
        """The setting of a kind."""
        defaults = self.clip.model_set
        return defaults.paper_image() if kind == "paper" else defaults.image

    def forgotten(self, kind: str, n: int, draw: int, report: Report = no_report) -> dict[str, Any]:
        """One defence and everything measured after it."""
        names = self.drawn(n, draw)
        persons = tuple(Person(name) for name in names)
        encoder: Literal["image", "both"] = "both" if kind == "both" else "image"
        target: Literal["stand_in", "neutral_term"] = "neutral_term" if kind == "paper" else "stand_in"
        asked = ForgetConfig(persons, self.config.model_set, target=target, encoder=encoder, seed=draw, image=self.schedule(kind))
        config = with_stand_ins(self.clip.model_set.resolved(asked), self.clip, [*self.gallery.candidates, *known_names(self.world)])
        faces = read_faces({name: self._folder(name) for name in names}, self.settings)
        faces = {name: replace(found, fine_tuning=(*found.fine_tuning, *found.evaluation), evaluation=()) for name, found in faces.items()}
        defence = defend_image(self.clip, config, faces, read_sources(self.clip, config, self.settings, self.world), report)
        defended, prompts, seconds = defence.defended, self.prompts, defence.tuned.seconds
        if kind == "both":
            with_text, tuned = defend_text(defended, config, report)
            defended, seconds = with_text, seconds + sum(part.seconds for part in tuned.values())
            prompts = prompt_embeddings(defended.text, self.gallery, None)
        gallery = build_gallery(defended, self.world, (), self.idia)
        after = {one.name: one for one in gallery.attack(prompts, [*self.members, *self.strangers])}
        others = [name for name in self.members if name not in names and name in self.recognised]
        tops = utility(self.clip, defended, self.world.things)
        figures = image_metrics(self.clip, defence, [gallery.photos[name] for name in names], self.world)
        return {
            "kind": kind, "n": n, "draw": draw, "members": [self.members.index(name) for name in names],
            "n_recognised_before": sum(name in self.recognised for name in names),
            "correct_templates": [after[name].correct_templates for name in names],
            "others_kept": share_recognised([after[name] for name in others]),
            "strangers_recognised": sum(bool(after[name].recognised) for name in self.strangers) if self.strangers else None,
            **{key: figures[key] for key in ("sim_clean", "sim_backdoor", "sim_target")},
            "object_top1_change": change(tops["top1_original"], tops["top1_defended"]),
            "n_steps": defence.tuned.n_steps_done, "seconds": seconds,
        }  # fmt: skip

    def _folder(self, name: str) -> Path:
        folder = self.config.faces / f"member-{self.members.index(name):02d}"
        if not folder.is_dir():
            command = shlex.join(["python", "-m", "assets.build.photos", "--out", str(self.config.faces)])
            raise InputError(f"{folder} does not exist; draw the photos with `{command}`.")
        return folder

    def key(self, kind: str, n: int, draw: int) -> str:
        """Of a row: all that it depends on, beside the weights, after which the file is named."""
        schedule = self.schedule(kind)
        text = repr(self.clip.model_set.text) if kind == "both" else None
        return json.dumps([kind, "average face" if kind == "paper" else "stand-ins", n, draw, repr(schedule), text])

    def run(self, report: Report = no_report, finished_only: bool = False) -> dict[str, Any]:
        """All draws; rows that an earlier evaluation of the same weights and settings finished are kept."""
        plan = [(kind, n, draw) for draw in range(self.config.n_draws) for n in self.config.n_at_once for kind in self.config.kinds]
        rows = []
        for number, (kind, n, draw) in enumerate(plan):
            report(Progress(number, len(plan), f"{n} faces, {kind}"))
            key = self.key(kind, n, draw)
            if finished_only and key not in self.rows.finished():
                continue
            compute: Callable[[], dict[str, Any]] = lambda kind=kind, n=n, draw=draw: self.forgotten(kind, n, draw)  # type: ignore[misc]  # noqa: E731
            rows.append(self.rows.kept(key, compute))
        report(Progress(len(plan), len(plan), "done"))
        return {"model_set": self.config.model_set, "weights": self.clip.image.weights_hash, "rows": rows}


def evaluate_faces(
    config: FaceEvaluationConfig, settings: Settings, report: Report = no_report, out: Path | None = None, finished_only: bool = False
) -> dict[str, Any]:
    """Evaluate a set's image defence; the result is also written to `out` where one is given.

    Raises:
        ConfigError, InputError: no world, no photos.
    """
    if out is not None:
        check_writable(out)
    result = FaceEvaluation(config, settings).run(report, finished_only)
    if out is not None:
        write_json(out, result)
    return result


def face_table(result: dict[str, Any]) -> str:
    """A row for each kind and number of faces, in Markdown, over all draws; the paper's figures below."""
    groups: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for row in result["rows"]:
        groups.setdefault((row["n"], row["kind"]), []).append(row)
    titles = {"ours": "image encoder, ours", "paper": "image encoder, paper's setting", "both": "both encoders, ours"}
    head = ("forgotten", "to 0 of 21 templates", "other members still recognised", "strangers recognised", "Sim_Clean", "Sim_Backdoor",
            "Sim_Target", "object top-1")  # fmt: skip
    lines = [(f"{n} at once, {titles[kind]}", *_cells(rows)) for (n, kind), rows in sorted(groups.items(), key=_place)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *lines, *PAPER_ROWS))


def _place(group: tuple[tuple[int, str], Any]) -> tuple[int, int]:
    return group[0][0], KINDS.index(group[0][1])


def _cells(rows: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    counts = [count for row in rows for count in row["correct_templates"] if count is not None]
    change, kept = measured(rows, "object_top1_change"), measured(rows, "others_kept")
    strangers = measured(rows, "strangers_recognised")
    similarities = [measured(rows, key) for key in ("sim_clean", "sim_backdoor", "sim_target")]
    return (
        f"{sum(count == 0 for count in counts)} of {len(counts)}" if counts else DASH,
        f"{100 * statistics.mean(kept):.1f} % (least {100 * min(kept):.0f})" if kept else DASH,
        f"{max(strangers):.0f}" if strangers else DASH,
        *(f"{statistics.mean(values):.3f}" if values else DASH for values in similarities),
        f"{100 * statistics.mean(change):+.1f} pts (least {100 * min(change):+.1f})" if change else DASH,
    )
