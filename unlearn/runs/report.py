"""A run as one HTML page that stands alone, and as one JSON object; both from the run folder's files.

The page has its pictures inside (data URIs), no script and no request to anybody. Every text that came from a user
is escaped by the template engine. Knows files; computes nothing.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unlearn.config import ForgetConfig
from unlearn.config.stand_ins import OLDER_RUNS, without_stand_ins
from unlearn.errors import InputError
from unlearn.files import disk_errors, read_json_file

TEMPLATES = Path(__file__).resolve().parent / "templates"
REPORT_NAME = "report.html"
N_PREDICTED = 5  # labels shown per photo and model
PARTS = ("metrics", "idia", "bystanders", "losses", "probes", "predictions", "config")


def run_json(run: Path) -> dict[str, Any]:
    """All results of a run by the names of their files; pictures are told by file name. Stand-ins are left out: a report is handed on.

    Raises:
        InputError: a file is missing or unreadable.
    """
    content = {name: read_json_file(run / f"{name}.json") for name in PARTS}
    content["config"] = without_stand_ins({**OLDER_RUNS, **content["config"]})
    index = run / "portraits" / "index.json"
    return {**content, "portraits": read_json_file(index) if index.is_file() else []}


def write_report(run: Path) -> Path:
    """Write `report.html` into the run folder and return its path."""
    target = run / REPORT_NAME
    page = report_html(run)
    with disk_errors(str(target)):
        partial = run / f".{REPORT_NAME}.part"
        partial.write_text(page, "utf-8")
        os.replace(partial, target)
    return target


def report_html(run: Path) -> str:
    """The page of a run.

    Raises:
        InputError: a file of the run is missing or unreadable.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    content = run_json(run)
    config = ForgetConfig.from_json(json.dumps(content["config"]))
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    environment.filters.update(percent=_percent, number=_number)
    return environment.get_template("report.html").render(
        config=config,
        config_json=json.dumps(content["config"], ensure_ascii=False, indent=2),
        metrics=content["metrics"],
        image=content["metrics"].get("image"),  # runs of before this existed have none
        warnings=content["metrics"].get("warnings", []),  # likewise
        persons=[_person(index, config, content, run) for index in range(len(config.persons))],
        controls=content["idia"]["controls"],
        bystanders=content["bystanders"],
        curves=[(title, what, curve) for encoder, title, what in _CURVES if (curve := _curve(content["losses"], encoder))],
    )


def _person(index: int, config: ForgetConfig, content: dict[str, Any], run: Path) -> dict[str, Any]:
    """What the page shows of one person."""
    drawn = [row for row in content["portraits"] if row["person_index"] == index]
    seeds = list(dict.fromkeys(row["seed"] for row in drawn))
    rows = [
        {f"{row['model']}_{row['prompt']}": picture(run / "portraits" / row["file"]) for row in drawn if row["seed"] == seed}
        | {"seed": seed}
        for seed in seeds
    ]
    predicted = [row for row in content["predictions"] if row["person_index"] == index]
    return {
        "person": config.persons[index],
        "idia": content["idia"]["persons"][index],
        "portraits": rows,
        "probes": [row for row in content["probes"] if row["person_index"] == index],
        "photos": [
            {
                "image": picture(run / row["photo"]) if row["photo"] else "",  # a user's photos are not kept
                "original": _top(row["labels"], row["original"]),
                "defended": _top(row["labels"], row["defended"]),
            }
            for row in predicted
        ],
    }


def picture(path: Path) -> str:
    """A PNG file as a data URI."""
    try:
        return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}.") from error


def _top(labels: Sequence[str], shares: Sequence[float]) -> list[tuple[str, float]]:
    return sorted(zip(labels, shares, strict=True), key=lambda pair: -pair[1])[:N_PREDICTED]


_CURVES = (
    ("text", "CLIP's text encoder", ("captions with the name to the neutral term", "clean captions")),
    ("diffusion_text", "Stable Diffusion's text encoder", ("captions with the name to the neutral term", "clean captions")),
    ("image", "image encoder", ("images with the face to their target", "clean images")),
)


def _curve(losses: Sequence[dict[str, Any]], encoder: str) -> dict[str, str] | None:
    """Points of the clean and trigger losses (cosine distances 0 to 1) in a 100 x 40 drawing; None without steps.

    A row without an encoder is of an earlier version, which had only one. An encoder that only a diffusion model uses has
    the losses of its hidden states.
    """
    rows = [row for row in losses if (row.get("encoder") or "text") == encoder]
    points = {}
    for name in ("clean", "backdoor"):
        given = [row.get(name, row.get(f"hidden_{name}")) for row in rows]
        values = [min(1.0, max(0.0, 1.0 + value)) for value in given if value is not None]
        if len(values) < 2:
            return None
        last = len(values) - 1
        points[name] = " ".join(f"{100 * i / last:.2f},{40 - 40 * value:.2f}" for i, value in enumerate(values))
    return points


def _percent(share: float | None, decimals: int = 1) -> str:
    return "–" if share is None else f"{100 * share:.{decimals}f} %"


def _number(value: float | None, decimals: int = 3) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"
