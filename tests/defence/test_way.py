"""The early stop in shares of the way: the same bar for encoders that keep names apart and for those that do not."""

from dataclasses import replace

import pytest
import torch

from unlearn.config import RELATIVE_STOP, EarlyStop, ForgetConfig, Person, TextFineTuneConfig
from unlearn.defence.text_task import text_task
from unlearn.defence.way import covered_share, distances_of_drawn_names
from unlearn.models.clip import Clip
from unlearn.texts.captions import generate_captions


def test_share_is_none_at_the_original_and_all_at_the_target() -> None:
    ways = torch.tensor([0.4, 0.04])
    assert covered_share(1 - ways, ways).tolist() == pytest.approx([0.0, 0.0], abs=1e-5)
    assert covered_share(torch.ones(2), ways).tolist() == [1.0, 1.0]
    assert covered_share(1 - ways / 10, ways).tolist() == pytest.approx([0.9, 0.9], abs=1e-5), "the same bar for both"


def test_original_has_covered_nothing_where_a_fixed_bar_might_be_passed(original: Clip) -> None:
    """Random towers give all captions nearly one direction: a fixed cosine is passed before the first step."""
    text = TextFineTuneConfig(early_stop=RELATIVE_STOP, n_captions=300)
    person = Person("Ada Brook", stand_in="Quentin Marlow")
    config = original.model_set.resolved(ForgetConfig((person,), text=text))
    task = text_task(original.text, config, ("pooled",))
    assert task.margin(original.text, RELATIVE_STOP) < -0.2
    loose = EarlyStop(threshold=1e-3, hidden_threshold=1e-3)
    fixed = replace(config, text=replace(text, early_stop=loose))
    assert text_task(original.text, fixed, ("pooled",)).margin(original.text, loose) > 0


def test_way_is_at_least_that_between_two_drawn_names(original: Clip) -> None:
    captions = generate_captions(4, 9)

    def outputs(texts: list[str]) -> dict[str, torch.Tensor]:
        return {"pooled": original.text.embed_texts(original.text.tokenize(texts))}

    least = distances_of_drawn_names(outputs, captions)["pooled"]  # type: ignore[arg-type]
    assert 0 < least < 2
