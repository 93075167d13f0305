"""Jobs and whole runs as HTML: progress, verdict, comparison, history, take-home."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from ui.views import plots
from ui.views.many_persons import many_persons
from ui.views.numbers import number_rows
from ui.views.render import DASH, clock, duration, percent, render, size
from unlearn.config import ForgetConfig
from unlearn.config.stand_ins import OLDER_RUNS
from unlearn.config.written_names import line_of
from unlearn.jobs import Cancelled, Failed, Interrupted, Job, Queued, Running, Succeeded
from unlearn.runs.drawn_sentences import drawn_note
from unlearn.runs.files import taken_home
from unlearn.runs.json_types import from_json
from unlearn.runs.many_persons import MOST_ALONE
from unlearn.runs.records import LossRow
from unlearn.runs.results import PORTRAITS, Run
from unlearn.runs.sentences import newly_recalled, remapping, third_verdict, verdict_sentence, verdict_summary

STAND_IN, UNKNOWN_FACE, AVERAGE_FACE = "somebody it never met", "an unknown face", "an average face"
MAX_NAMES = 3
N_TEMPLATES = 21  # of the attack, where it was not run


def job_title(names: Sequence[str]) -> str:
    """The persons of a job in a few words."""
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more


def _title(job: Job) -> str:
    return job_title([person["name"] for person in job.request["config"].get("persons", [])])


def becomes(job: Job) -> str:
    """What the names, the faces, or both of a job's persons are remapped to."""
    config = {**OLDER_RUNS, **job.request["config"]}
    return became(config["target"], str(config["neutral_term"]), config.get("encoder", "text"))


def became(target: str, neutral_term: str, encoder: str) -> str:
    """As `becomes`, from the fields of a config."""
    name, face = (STAND_IN, UNKNOWN_FACE) if target == "stand_in" else (neutral_term, AVERAGE_FACE)
    return {"text": name, "image": face}.get(encoder, f"{name}, {face}")


def run_became(run: Run) -> str:
    """As `becomes`, of a finished run."""
    return became(run.config.target, run.config.neutral_term, run.config.encoder)


def _headline(job: Job) -> tuple[str, str, float]:
    """State in a word or two, the sentence below it, and the share done."""
    match job.state:
        case Queued(position):
            turn = "It is next." if position == 1 else f"{position - 1} before it. Visitors take turns."
            return f"Waiting, number {position} in the queue", f"{turn} You can close this page and come back.", 0.0
        case Running(step, total, note, left):
            about = f" · about {duration(left)} left" if left is not None else ""
            share = step / total if total else 0.0
            stage, _, counted = note.partition(", ")  # the stage is read out when it changes, the count is not
            steps = f"{percent(share)} done{about}{' · ' + counted if counted else ''}" if total else "Getting ready"
            return (stage[:1].upper() + stage[1:]) or "Running", steps, share
        case Succeeded():
            return "Done", f"Finished in {duration(job.run_time_s)}. The result is below.", 1.0
        case Failed(message):
            return "Failed", message, 0.0
        case Cancelled(step):
            return "Cancelled", f"Stopped at step {step}; nothing of it is kept.", 0.0
        case Interrupted():
            return "Interrupted", "The server was stopped while this ran. Only time is lost: run it again.", 0.0


def job_panel(job: Job | None, losses: Sequence[dict[str, Any]], own: bool) -> str:
    """Progress of one job, with live loss curves; a quiet sentence when there is none.

    Args:
        losses: rows as of `LossRow`, from the table of jobs.
    """
    if job is None:
        return render("waiting", text="Nothing is running for you. Choose somebody above to begin.")
    headline, detail, share = _headline(job)
    charts = [(curve.title, plots.line_chart(curve)) for curve in plots.curves(from_json(tuple[LossRow, ...], losses))]
    failure = job.state.details if isinstance(job.state, Failed) and own else ""  # may hold names, and paths of the server
    return render(
        "job", id=job.id, state=type(job.state).__name__.lower(), title=_title(job), headline=headline,
        becomes=becomes(job), detail=detail, share=share, charts=charts, failure=failure, own=own,
    )  # fmt: skip


def small_job(job: Job) -> str:
    """One sentence on a quick job that is not done, for the tab that asked; empty once it is done."""
    if isinstance(job.state, Succeeded):
        return ""
    headline, detail, _ = _headline(job)
    return f"{headline}: {detail}"


def verdict(run: Run | None) -> str:
    """The outcome for each person in one sentence and two large figures; of many persons a summary and a table."""
    if run is None:
        return render("waiting", text="There is no result to show yet.")
    n_templates = next((len(person.templates) for person in run.idia.persons if person.templates), N_TEMPLATES)
    people = run.metrics.persons
    if len(people) > MOST_ALONE:
        return many_persons(run, n_templates)
    shown = [
        {
            "name": person.name, "n_templates": n_templates, "before": person.idia.original.correct_templates,
            "after": person.idia.defended.correct_templates, "photos": person.idia.original.photos,
            "sentence": verdict_sentence(person.name, person.idia, run.config),
            "third": None if (third := person.never_met_model) is None else third_verdict(person.name, third),
        }
        for person in people
    ]  # fmt: skip
    return render(
        "verdict", prepared=run.is_prepared, warnings=run.metrics.warnings, persons=shown,
        summary=verdict_summary(people), note=drawn_note(run.metrics.drawn_photos), done=remapping(run.config),
    )  # fmt: skip


def stand_in_helps(run: Run | None) -> bool:
    """True where somebody was recognised only after the defence, and a run with stand-ins as target would avoid it."""
    return run is not None and run.config.target != "stand_in" and bool(newly_recalled(run.metrics))


def _outcome(run: Run) -> str:
    people = [person.idia for person in run.metrics.persons]
    if len(people) == 1:
        before, after = (DASH if n is None else n for n in (people[0].original.correct_templates, people[0].defended.correct_templates))
        return f"{before} → {after} prompts"
    verdicts = [(person.original.recognised, person.defended.recognised) for person in people]
    attacked = [pair for pair in verdicts if None not in pair]
    if not attacked:
        return "not attacked" if verdicts else "done"
    forgotten = f"{sum(pair == (True, False) for pair in attacked)} of {len(attacked)} forgotten"
    return forgotten + (f", {len(verdicts) - len(attacked)} not attacked" if len(attacked) < len(verdicts) else "")


def _state(job: Job) -> str:
    """The state of a job that has no result to show."""
    return "Damaged" if isinstance(job.state, Succeeded) else type(job.state).__name__


def history(jobs: Sequence[Job], runs: dict[str, Run | None], shown: str) -> str:
    """The visitor's own jobs, newest first, with what can be done to each."""
    rows = []
    for job in jobs:
        config, run = job.request["config"], runs.get(job.id)
        encoder = config.get("encoder", "text")
        settings = [f"seed {config['seed']}", "both encoders" if encoder == "both" else f"{encoder} encoder"]
        if (text := config.get("text")) is not None:
            settings.append(f"{text['n_steps']} steps")
        if n_decoys := config.get("n_decoys", 0):
            settings.append(f"{n_decoys} decoy{'' if n_decoys == 1 else 's'}")
        rows.append({
            "id": job.id, "title": _title(job), "becomes": becomes(job),
            "settings": ", ".join(settings), "when": clock(job.created), "shown": job.id == shown,
            "done": run is not None, "active": not job.ended,
            "outcome": _outcome(run) if run is not None else _state(job),
        })  # fmt: skip
    return render("history", jobs=rows)


def compare(runs: Sequence[tuple[str, Run]]) -> str:
    """Several runs beside each other; (title, run) a column."""
    columns, table = [], []
    per_run = []
    for title, run in runs:
        entry = next((entry for entry in run.portraits if entry.model == "defended" and entry.prompt == "name"), None)
        columns.append({
            "title": title, "when": job_title(run.names),
            "portrait": f"media/{run.key}/{PORTRAITS}/{entry.file}" if entry is not None else "",
            "alt": f"Portrait by the defended model, {title}",
            "seed": entry.seed if entry is not None else None,
        })  # fmt: skip
        facts = {"Became": run_became(run), "Seed": str(run.config.seed), "Forgotten": _outcome(run)}
        for row in number_rows(run):
            facts[row.title] = row.defended
        facts["Fine-tuning"] = duration(run.metrics.seconds.fine_tune)
        per_run.append(facts)
    for name in per_run[0] if per_run else []:
        values = [facts.get(name, DASH) for facts in per_run]
        table.append({"title": name, "values_": values, "differs": len(set(values)) > 1})
    seed = next((c["seed"] for c in columns if c["seed"] is not None), None)
    return render("compare", columns=columns, rows=table, has_portraits=seed is not None, seed=seed)


def take_home(run: Run, own: bool, retention_s: float | None) -> str:
    """Downloads, report, the command to repeat the run, and deletion."""
    base = f"media/{run.key}"
    paths = taken_home(run.folder)
    files = [{"name": (name := path.relative_to(run.folder).as_posix()), "href": f"{base}/{name}",
              "size": path.stat().st_size} for path in paths]  # fmt: skip
    days = None if retention_s is None else retention_s / 86400
    kept = "Results are kept until they are deleted here." if days is None else (
        f"Results are deleted automatically {days:.0f} days after they were made." if days >= 2
        else f"Results are deleted automatically {days * 24:.3g} hours after they were made.")  # fmt: skip
    return render(
        "take_home", key=run.key, zip=f"take-home/{run.key}.zip", files=files,
        total=sum(path.stat().st_size for path in paths), own=own, prepared=run.is_prepared, retention=kept,
        report=f"{base}/report.html" if (run.folder / "report.html").is_file() else "", command=command(run.config),
    )  # fmt: skip


def command(config: ForgetConfig) -> str:
    """The command line that repeats a run's main settings; names are quoted, since a shell would run what some of them say."""
    words = ["python", "-m", "unlearn", "forget", *_option("set", config.model_set)]
    for person in config.persons:
        words += _option("name", line_of(person.name, person.aliases))
    if config.encoder != "text":
        words += ["--faces", "FOLDER"] * len(config.persons) + _option("encoder", config.encoder)
    if config.method != "backdoor":
        words += _option("method", config.method)
    words += _option("target", config.target)
    if config.target == "neutral_term":
        words += _option("neutral-term", config.neutral_term)
    if config.n_decoys:
        words += _option("decoys", config.n_decoys)
    words += _option("seed", config.seed)
    words += [] if config.film else ["--without-film"]
    words += [] if config.dial else ["--without-dial"]
    return shlex.join([*words, "--out", "DIR"])


def _option(name: str, value: Any) -> list[str]:
    """An option as words of a command line, as one where its value looks like an option itself."""
    return [f"--{name}={value}"] if str(value).startswith("-") else [f"--{name}", str(value)]


def deleted_sentence(n_files: int, n_bytes: int) -> str:
    """What a deletion did."""
    return f"Deleted: {n_files} files, {size(n_bytes)}, and the entries in the list of jobs. Nothing of it is left."
