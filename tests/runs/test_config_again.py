"""A run's config.json used for another run: it holds the schedule as it was chosen, not as it was stretched for many names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.support.miniature import MEMBERS
from tests.support.short_runs import SHORT, short_config
from unlearn.cli.options import starting_config
from unlearn.config import ForgetConfig, Person
from unlearn.defence.defend import defend_text
from unlearn.models.clip import Clip
from unlearn.progress import no_report
from unlearn.runs.results import write_results


def n_steps_of(original: Clip, config: ForgetConfig) -> int:
    _, tuned = defend_text(original, original.model_set.resolved(config), no_report)
    return tuned["text"].n_steps_done


def test_config_of_a_run_with_many_names_gives_one_name_its_own_schedule(miniature: Path, original: Clip, tmp_path: Path) -> None:
    text, one = replace(SHORT, n_steps=2, steps_per_trigger=2), Person(MEMBERS[0])
    many = short_config(miniature, one, Person(MEMBERS[1], ("Captain Storm",)), text=text)
    assert n_steps_of(original, many) == 6, "2 steps, and 2 more for each of the two further triggers"
    write_results(tmp_path, config=original.model_set.resolved(many))
    again = starting_config(tmp_path / "config.json", {"persons": (one,)})
    assert again.text == text
    assert n_steps_of(original, again) == 2
