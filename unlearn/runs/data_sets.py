"""Zero-shot accuracy on the published data sets that a run was given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from unlearn.config import ForgetConfig, Settings
from unlearn.config.zero_shot import ZeroShotSource
from unlearn.measure.data_sets.accuracy import Measured, measured_accuracy
from unlearn.measure.data_sets.class_names import templates_of
from unlearn.measure.data_sets.data_set import DataSet
from unlearn.measure.data_sets.opening import open_data_sets
from unlearn.models.clip import Clip
from unlearn.models.pair import Pair
from unlearn.models.suite import suite_of
from unlearn.progress import Report, Stages, no_report, part_of
from unlearn.runs.metrics import Metrics
from unlearn.runs.mishaps import Mishaps
from unlearn.runs.preparation import PreparedRun
from unlearn.runs.results import finished_run

STAGE = "data sets"
SHARE = 40.0  # of a run's time for each
LATER = "Measure it with `python -m unlearn accuracy --run FOLDER`."


def data_set_stages(config: ForgetConfig) -> dict[str, float]:
    """The stage of a run -> its share of the time, where the run has data sets."""
    return {STAGE: SHARE * len(config.zero_shot)} if config.zero_shot else {}


def with_accuracy(run: PreparedRun, defended: Clip, metrics: Metrics, mishaps: Mishaps, stages: Stages) -> Metrics:
    """The metrics with the accuracy on each data set of a run; one that cannot be read to its end is missing, and told."""
    if not run.data_sets:
        return metrics
    models, n_sets = Pair(run.suite.clip, defended), len(run.data_sets)
    with stages.stage(STAGE) as report:
        for number, data_set in enumerate(run.data_sets):
            with mishaps.spared(f"The accuracy on {data_set.name} is missing", LATER):
                measured = _measured(models, data_set, run.suite.settings, part_of(report, number, n_sets))
                mishaps.warnings += measured.warnings
                metrics = replace(metrics, zero_shot=(*metrics.zero_shot, measured.accuracy))
    return metrics


def accuracy_of_run(settings: Settings, run: Path, sources: Sequence[ZeroShotSource], report: Report = no_report) -> list[Measured]:
    """The accuracy of a finished run's models on data sets, one after the other.

    Raises:
        InputError: no finished run, or a data set that cannot be opened; nothing is computed then.
        ModelLoadError: the run's models cannot be loaded.
    """
    config = finished_run(run).config
    data_sets = open_data_sets(sources)
    models = suite_of(config.model_set, settings).pair(run)
    return [_measured(models, data_set, settings, part_of(report, number, len(data_sets))) for number, data_set in enumerate(data_sets)]


def _measured(models: Pair[Clip], data_set: DataSet, settings: Settings, report: Report) -> Measured:
    return measured_accuracy(models, data_set, templates_of(data_set.name), settings.max_upload_mb, report)
