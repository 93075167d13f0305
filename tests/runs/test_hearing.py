"""What the models hear in a name: the nearest captions of all, none with the name, and a control that does not depend on the run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch

from tests.support.miniature import MEMBERS
from unlearn.measure.hearing import N_NEAREST, common_captions, nearest_captions
from unlearn.runs.heard_records import Heard, HeardCaption
from unlearn.runs.recovery_sentences import heard_sentence
from unlearn.runs.report import report_html
from unlearn.runs.results import finished_run
from unlearn.texts.looks import descriptions


def test_nearest_captions_are_ordered_by_cosine_whatever_the_length() -> None:
    captions = [f"caption {number}" for number in range(8)]
    embedded = torch.randn(8, 16, generator=torch.Generator().manual_seed(0))
    name = torch.stack([3 * embedded[5] + 0.1 * embedded[2], embedded[5]])
    found = nearest_captions(name, captions, embedded * torch.arange(1.0, 9.0)[:, None])
    assert found[0][0] == "caption 5" and len(found) == N_NEAREST
    assert [cosine for _, cosine in found] == sorted((cosine for _, cosine in found), reverse=True) and found[0][1] > 0.99


def test_captions_are_a_thousand_different_ones_and_the_same_again(tmp_path: Path) -> None:
    (tmp_path / "captions.txt").write_text("a red ball\na blue ball\n", "utf-8")
    generated = common_captions(None)
    assert len(generated) == len(set(generated)) > 1900 and generated == common_captions(None)
    assert common_captions("hub:owner/set:text") == generated  # nothing is downloaded for it
    assert common_captions(str(tmp_path / "captions.txt")) == [*descriptions(), "a red ball", "a blue ball"]


def test_run_tells_what_it_hears_in_each_name_and_an_older_run_is_read(run: Path, tmp_path: Path) -> None:
    heard = finished_run(run).heard
    assert [row.person_index for row in heard] == [0, 1] and heard[0].unknown == heard[1].unknown != ()
    for row in heard:
        assert len(row.original) == len(row.defended) == N_NEAREST and row.n_captions > 1900
        assert not any(MEMBERS[0] in caption.text or "Captain Storm" in caption.text for caption in (*row.original, *row.defended))
    assert "sounds most like" in report_html(run)
    older = tmp_path / "older"
    shutil.copytree(run, older)
    (older / "heard.json").unlink()
    assert finished_run(older).heard == () and "sounds most like" not in report_html(older)
    assert [row["person_index"] for row in json.loads((run / "heard.json").read_text("utf-8"))] == [0, 1]


def test_sentence_quotes_before_now_and_the_control() -> None:
    row = Heard((HeardCaption("a bob", 0.5),), (HeardCaption("stripes", 0.9),), (HeardCaption("a pie", 1.0),), 1000)
    assert heard_sentence("Ann", row) == (
        "To the original model, Ann sounds most like “a bob”; to the defended one, like “stripes”. "
        "For comparison: a name that the model never met sounds like “a pie”."
    )
