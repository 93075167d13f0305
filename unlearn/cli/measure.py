"""The commands that measure: how good a model set's defence is over everybody in it, and how fast the program is."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from unlearn.cli.console import print_json, progress_bar
from unlearn.cli.options import AsJson, OutFile, Texts, chosen_set, settings_of
from unlearn.config import Settings, numbered_seeds
from unlearn.errors import ConfigError

if TYPE_CHECKING:
    from unlearn.cluster.ray_cluster import ClusterConfig
    from unlearn.evaluation.defences import DefenceEvaluationConfig
    from unlearn.evaluation.faces import FaceEvaluationConfig
    from unlearn.evaluation.names import EvaluationConfig


@dataclass(frozen=True)
class Output:
    """What becomes of an evaluation's rows.

    Attributes:
        file: that the JSON is written to, too.
        finished_only: only rows of earlier calls; no further one is computed.
        as_json: JSON on stdout instead of tables.
        cluster: whose lanes compute the rows; None: this process does.
    """

    file: Path | None
    finished_only: bool
    as_json: bool
    cluster: ClusterConfig | None = None


def bench(
    context: typer.Context,
    points: Annotated[str, typer.Option(help="Which points: letters out of abcdefghij.")] = "abcdefghij",
    model_set: Annotated[str, typer.Option("--set", help="Model set of the points d to g and j.")] = "embedded",
    quick: Annotated[bool, typer.Option("--quick", help="Smaller batches and fewer names: a first look.")] = False,
    out: OutFile = None,
) -> None:
    """Measure speed and memory against the paper's algorithm written literally; prints JSON."""
    from unlearn.bench.points import run_bench
    from unlearn.bench.timing import BenchConfig
    from unlearn.files import check_writable, write_json

    if out is not None:
        check_writable(out)
    settings = settings_of(context)
    config = BenchConfig(points, chosen_set(model_set, settings))
    if quick:
        config = replace(config, batch_size=8, n_steps=2, n_names=20, n_paper_steps=4)
    results = run_bench(config, settings, lambda text: print(text, file=sys.stderr, flush=True))
    if out is not None:
        write_json(out, results)
    print_json(results)


def evaluate(
    context: typer.Context,
    model_set: Annotated[str, typer.Option("--set", help="A model set whose members are known.")] = "embedded",
    target: Annotated[list[str] | None, typer.Option(help="stand_in or neutral_term; both by default.")] = None,
    neutral_term: Texts = None,
    at_once: Annotated[list[int] | None, typer.Option(help="Persons forgotten together; several times.")] = None,
    seeds: Annotated[int, typer.Option(help="How many seeds of the fine-tuning.")] = 1,
    members: Annotated[int | None, typer.Option(min=1, help="Only so many members one at a time, in random order.")] = None,
    strangers: Annotated[int | None, typer.Option(min=0, help="The same for people whom the model never met.")] = None,
    singles_only: Annotated[bool, typer.Option("--singles-only", help="Nobody is forgotten together with others.")] = False,
    finished_only: Annotated[bool, typer.Option("--finished-only", help="Print what is finished; compute no further row.")] = False,
    without_portraits: Annotated[bool, typer.Option("--without-portraits", help="Draw no portraits.")] = False,
    faces: Annotated[Path | None, typer.Option(help="Forget faces instead: folders of `python -m assets.build.photos`.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="With --faces: ours, paper or both; several times.")] = None,
    defences: Annotated[bool, typer.Option("--defences", help="Compare defences and methods by what brings the forgotten back.")] = False,
    defence: Annotated[list[str] | None, typer.Option(help="With --defences: only this one, as term or slug; several times.")] = None,
    budget: Annotated[str, typer.Option(help="With --defences: of the attacks, quick or full.")] = "quick",
    engine: Annotated[str, typer.Option(help="Where rows are computed: local, or ray for a cluster.")] = "local",
    ray_address: Annotated[str | None, typer.Option(help="HOST:PORT of the cluster's head, or auto; unset: a Ray of its own.")] = None,
    ray_share: Annotated[float, typer.Option(help="Part of a GPU, or number of CPUs, that works on a row.")] = 1.0,
    out: OutFile = None,
    as_json: AsJson = False,
) -> None:
    """Forget every member of a set, one at a time and many at once, and print tables beside the paper's figures.

    With `--defences` the same members are forgotten by each defence, and the opponent tries to bring each of them back.
    Without `--target` the defence with stand-ins stands beside the one with each neutral term.
    Takes hours for a whole set; what was finished is kept, and the next call goes on there.
    """
    settings = settings_of(context)
    output = Output(out, finished_only, as_json, _cluster_of(engine, ray_address, ray_share, settings))
    name, counts = chosen_set(model_set, settings), tuple(at_once or ())
    changes: dict[str, Any]
    if defences:
        from unlearn.evaluation.defences import N_MEMBERS, DefenceEvaluationConfig

        chosen = tuple(defence or ())
        compared = DefenceEvaluationConfig(name, chosen, cast(Any, budget), members or N_MEMBERS, faces=faces)
        return _evaluate_defences(compared, settings, output)
    if faces is not None:
        from unlearn.evaluation.faces import FaceEvaluationConfig

        changes = {"n_at_once": counts, "kinds": tuple(kind or ())}
        config = FaceEvaluationConfig(name, faces, n_draws=seeds, **{field: value for field, value in changes.items() if value})
        return _evaluate_faces(config, settings, output)
    from unlearn.evaluation.names import EvaluationConfig

    changes = {"targets": tuple(target or ()), "neutral_terms": tuple(neutral_term or ())}
    changes = {field: value for field, value in changes.items() if value}
    if counts or singles_only:
        changes["n_at_once"] = () if singles_only else counts
    if without_portraits:
        changes["portrait_seeds"] = ()
    changes |= {"n_members": members, "n_strangers": strangers}
    _evaluate_names(EvaluationConfig(name, seeds=numbered_seeds(seeds, "--seeds"), **changes), settings, output)


def _cluster_of(engine: str, address: str | None, share: float, settings: Settings) -> ClusterConfig | None:
    """The cluster that the options name; None for this machine."""
    from unlearn.cluster.ray_cluster import ENGINES, ClusterConfig

    if engine not in ENGINES:
        raise ConfigError(f"--engine is {engine[:20]!r}; use {' or '.join(ENGINES)}.")
    return ClusterConfig(address, settings.device, share) if engine == "ray" else None


def _evaluate_names(config: EvaluationConfig, settings: Settings, output: Output) -> None:
    from unlearn.evaluation.names import evaluate
    from unlearn.evaluation.shared import evaluate_shared
    from unlearn.evaluation.tables import tables

    with progress_bar() as report:
        if output.cluster is not None and not output.finished_only:
            result = evaluate_shared(config, settings, output.cluster, report, output.file)
        else:
            result = evaluate(config, settings, report, output.file, output.finished_only)
    print_json(result) if output.as_json else print(tables(result))


def _evaluate_defences(config: DefenceEvaluationConfig, settings: Settings, output: Output) -> None:
    from unlearn.evaluation.defence_tables import defence_tables
    from unlearn.evaluation.defences import evaluate_defences
    from unlearn.evaluation.shared import evaluate_shared

    with progress_bar() as report:
        if output.cluster is not None and not output.finished_only:
            result = evaluate_shared(config, settings, output.cluster, report, output.file)
        else:
            result = evaluate_defences(config, settings, report, output.file, output.finished_only)
    print_json(result) if output.as_json else print(defence_tables(result))


def _evaluate_faces(config: FaceEvaluationConfig, settings: Settings, output: Output) -> None:
    from unlearn.evaluation.face_tables import face_table
    from unlearn.evaluation.faces import evaluate_faces
    from unlearn.evaluation.shared import evaluate_shared

    with progress_bar() as report:
        if output.cluster is not None and not output.finished_only:
            result = evaluate_shared(config, settings, output.cluster, report, output.file)
        else:
            result = evaluate_faces(config, settings, report, output.file, output.finished_only)
    print_json(result) if output.as_json else print(face_table(result))
