"""What a lane of a cluster computes of an evaluation, as functions that are called there by their names."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from typing import Any

from unlearn.config import Settings
from unlearn.config.plain_values import from_plain
from unlearn.evaluation.defences import DefenceEvaluation, DefenceEvaluationConfig
from unlearn.evaluation.faces import FaceEvaluation, FaceEvaluationConfig
from unlearn.evaluation.names import Evaluation, EvaluationConfig
from unlearn.jobs.tasks import Task
from unlearn.progress import Report

NAMES, FACES, DEFENCES = "names", "faces", "defences"
AnyEvaluation = Evaluation | FaceEvaluation | DefenceEvaluation
OUTLINE, COMPUTED, GATHERED = (f"{__name__}:{function}" for function in ("outline", "computed", "gathered"))


def outline(task: Task, report: Report) -> dict[str, Any]:
    """The name of the file of rows, and of each unit what it is and the keys of its rows."""
    evaluation = _evaluation_of(task)
    units = [{"label": label, "keys": [key for key, _ in measurements]} for label, measurements in evaluation.units()]
    return {"file": evaluation.rows.file.name, "units": units}


def computed(task: Task, report: Report) -> dict[str, Any]:
    """The row with the request's key."""
    measurements = dict(measurement for _, measurements in _evaluation_of(task).units() for measurement in measurements)
    return {"row": measurements[task.request["key"]]()}


def gathered(task: Task, report: Report) -> dict[str, Any]:
    """What the evaluation says of the rows that are finished."""
    return _evaluation_of(task).run(finished_only=True)


def _evaluation_of(task: Task) -> AnyEvaluation:
    return _evaluation(task.request["kind"], json.dumps(task.request["config"]), json.dumps(task.settings))


@lru_cache(maxsize=1)
def _evaluation(kind: str, config: str, settings: str) -> AnyEvaluation:
    """The evaluation that this process works on; its set is loaded once."""
    own, plain = Settings.from_plain(json.loads(settings)), json.loads(config)
    if kind == NAMES:
        return Evaluation(from_plain(EvaluationConfig, plain, "The setting "), own)
    if kind == DEFENCES:
        defences = from_plain(DefenceEvaluationConfig, plain, "The setting ")
        return DefenceEvaluation(replace(defences, faces=None if defences.faces is None else own.data_dir / defences.faces), own)
    faces = from_plain(FaceEvaluationConfig, plain, "The setting ")
    return FaceEvaluation(replace(faces, faces=own.data_dir / faces.faces), own)
