"""The dial, the growing portraits and the seal as HTML: labels, sentences, and that nothing from outside becomes markup."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.ui_fixture_dial import verified as made_up
from tests.ui.test_views import NAME, NASTY, Tags, job, text_of, write
from ui.views import dial, sleeve
from unlearn.config import Person
from unlearn.jobs.states import Failed, Running, Succeeded
from unlearn.runs.dial_records import DenoisingMoment, Seal
from unlearn.runs.results import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write(tmp_path_factory.mktemp("dial"), Person(NAME))


def _only(html: str, tag: str, **attributes: str) -> dict[str, str | None]:
    (found,) = [attrs for name, attrs in Tags(html).found if name == tag and attributes.items() <= attrs.items()]
    return found


def test_dial_is_a_labelled_slider_that_says_its_value(run: Run) -> None:
    html = dial.dial(run)
    slider = _only(html, "input", type="range")
    assert _only(html, "label", **{"for": str(slider["id"])}) and "λ, how much of the defence" in html
    assert (slider["min"], slider["max"], slider["step"]) == ("0", "4", "1")
    assert slider["aria-valuetext"] == "λ = 0, the original: 20 of 21 prompts name the person."
    said = re.findall(r'data-say="[^"]*"[^>]*>([^<]*)<', html)
    assert said[0] == slider["aria-valuetext"] and said[1] == "λ = 0.25: 18 of 21 prompts name the person." and "defended" in said[4]


def test_dial_shows_one_picture_of_each_position_and_says_where_the_name_gives_way(run: Run) -> None:
    html = dial.dial(run)
    images = [attrs for tag, attrs in Tags(html).found if tag == "img"]
    assert [attrs["data-at"] for attrs in images] == list("01234") and ["hidden" in attrs for attrs in images] == [False, *[True] * 4]
    assert images[0]["src"] == "media/job-id/portraits/p00-original-name-s0.png" and "λ = 0.75" in str(images[3]["alt"])
    assert "The name gives way between λ = 0.75 and λ = 1." in html


@pytest.mark.parametrize(
    ("counts", "turn"),
    [((3, 0, 2, 0, 0), ("0.5", "0.75")), ((3, 3, 3, 3, 1), None), ((0,) * 5, None), ((3, None, 0, 0, 0), None)],
)
def test_turn_is_behind_the_last_position_that_names_the_person(run: Run, counts: tuple[int | None, ...], turn: Any) -> None:
    (row,) = run.dial
    positions = tuple(replace(position, correct_templates=count) for position, count in zip(row.positions, counts, strict=True))
    assert dial._turn(replace(row, positions=positions)) == turn


def test_dial_without_pictures_or_attack_still_says_so(run: Run) -> None:
    (row,) = run.dial
    blind = replace(row, positions=tuple(replace(position, picture=None, correct_templates=None) for position in row.positions))
    html = dial.dial(replace(run, dial=(blind,)))
    assert "<img" not in html and "The person was not attacked" in html and "0 of 21" not in html
    assert "does not draw" in dial.dial(replace(run, dial=(replace(row, is_drawn_anew=False),)))
    assert text_of(dial.dial(replace(run, dial=()))) == "" == dial.denoising(replace(run, denoising=()))


def test_growing_portraits_are_a_labelled_player_that_tells_the_parting(run: Run) -> None:
    html = dial.denoising(run)
    slider = _only(html, "input", type="range")
    assert _only(html, "label", **{"for": str(slider["id"])}) and slider["value"] == slider["max"] == "4"
    assert "They part after step 10 of 40." in html and "exceeds 25\N{NO-BREAK SPACE}% of that" in html
    assert "here they part" in html and html.count("data-play") == 1
    images = [attrs for tag, attrs in Tags(html).found if tag == "img"]
    assert len(images) == 10 and all("step" in str(attrs["alt"]) for attrs in images)
    (row,) = run.denoising
    assert "stay the same to the end" in dial.denoising(replace(run, denoising=(replace(row, parted_at=None),)))


def test_seal_shows_the_whole_hash_and_its_time(run: Run) -> None:
    html = sleeve.seal(run)
    (digest,) = run.seal.weights.values()
    assert digest in re.sub(r"\s", "", text_of(html))
    assert "2026-01-02 03:04:05 UTC" in html and 'datetime="2026-01-02T03:04:05+00:00"' in html
    assert "5f1c09ab" in html and "no seal" in sleeve.seal(replace(run, seal=Seal()))


def test_what_the_audience_drew_shows_the_seed_and_both_hashes(run: Run) -> None:
    rows = [{"file": f"q-{model}.png", "model": model, "seed": 4711, "weights_hash": digest, "text": ""}
            for model, digest in (("original", "a" * 16), ("defended", "b" * 16))]  # fmt: skip
    asked = job(Succeeded({"rows": rows}), request={"kind": "audience", "seed": 4711, "person": 0})
    html = sleeve.drawn_by_audience([asked], run)
    assert "Seed 4711" in html and "a" * 16 in html and "b" * 16 in html and html.count("<figure") == 2
    waiting = job(Running(1, 2, "portraits"), request={"kind": "audience", "seed": 5, "person": 0})
    assert "Portraits" in sleeve.drawn_by_audience([waiting], run)


def test_check_tells_equal_and_different(run: Run) -> None:
    told = made_up(run.folder, 0)
    html = sleeve.verified(job(Succeeded(told)))
    assert "Verified: the weights are the sealed ones" in html and html.count("Equal: all 16,384 pixels are the same.") == 2
    different = {**told["pictures"][1], "outcome": "different", "n_different": 9, "largest_difference": 7, "is_sealed_file": False}
    html = sleeve.verified(job(Succeeded({**told, "is_verified": False, "pictures": [different]})))
    assert "Not verified" in html and "9 of 16,384 pixels differ, by at most 7 of 255 levels." in html and "not the sealed one" in html
    weights = [{**told["weights"][0], "now": "0" * 64, "is_equal": False}]
    html = sleeve.verified(job(Succeeded({**told, "is_verified": False, "weights": weights, "pictures": []})))
    assert "the file was changed" in html and "Nothing was drawn with them" in html
    undecided = {**told["pictures"][0], "outcome": "undecided", "n_different": 9, "largest_difference": 7}
    html = sleeve.verified(job(Succeeded({**told, "is_verified": False, "run_device": "cuda", "pictures": [undecided]})))
    assert "Not decided" in html and "cuda" in html
    html = sleeve.verified(job(Succeeded({**told, "is_verified": False, "pictures": [{**undecided, "is_sealed_file": False}]})))
    assert "Not verified" in html and "Not decided" not in html
    assert "made to fail" in sleeve.verified(job(Failed("made to fail")))


def test_nothing_from_outside_becomes_markup(tmp_path: Path) -> None:
    found = write(tmp_path, Person(NASTY), Person("Somebody Else"))
    (row,) = found.dial
    (growing,) = found.denoising
    moments = tuple(DenoisingMoment(NASTY, NASTY, moment.n_steps) for moment in growing.moments)
    positions = tuple(replace(position, picture=NASTY) for position in row.positions)
    bad = replace(found, dial=(replace(row, positions=positions),), denoising=(replace(growing, moments=moments),),
                  seal=Seal("2026-01-02T03:04:05+00:00", {NASTY: NASTY}, {}, NASTY))  # fmt: skip
    told = {**made_up(found.folder, 0), "device": NASTY}
    asked = job(Succeeded({"rows": []}), request={"kind": "audience", "seed": NASTY, "person": 0})
    pages = [dial.dial(bad), dial.denoising(bad), sleeve.seal(bad), sleeve.verified(job(Succeeded(told)))]
    for html in [*pages, sleeve.drawn_by_audience([asked], bad)]:
        assert not [attrs for _, attrs in Tags(html).found if "onerror" in attrs or attrs.get("src") == "x"]
        assert "<img src=x" not in html
