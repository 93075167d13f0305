"""Short runs on the miniature, for tests of several files; knows no assertion."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.support.miniature import MEMBERS
from unlearn.config import ForgetConfig, IdiaConfig, Person, PortraitConfig, TextFineTuneConfig

SHORT = TextFineTuneConfig(n_steps=3, batch_size=8, n_captions=200)
IDIA = IdiaConfig(n_candidate_names=20)
DRAWN = PortraitConfig(seeds=(0, 1), n_steps=2, guidance_scale=2.0, prompt_template="a portrait of {0}")


def short_config(miniature: Path, *persons: Person, **changes: Any) -> ForgetConfig:
    """A run of seconds; of the first member unless persons are given."""
    given = ForgetConfig(persons or (Person(MEMBERS[0]),), str(miniature), text=SHORT, idia=IDIA, portraits=DRAWN, opponent="off")
    return replace(given, **changes)
