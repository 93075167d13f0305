"""Report, letter and card of a run: what they say, that names are withheld unless chosen, and that nothing becomes markup."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support import ui_fixture_runs
from ui.server.options import PREPARED_DIR
from unlearn.attacks.figures import DRAWN
from unlearn.config import ForgetConfig, Person
from unlearn.errors import ConfigError, InputError
from unlearn.runs.documents.card import SIZE, card, card_png
from unlearn.runs.documents.details import FIELDS, Details, details_of, months_later
from unlearn.runs.documents.intervals import clopper_pearson, share
from unlearn.runs.documents.letter import letter, letter_html, letter_text
from unlearn.runs.documents.officer import officer_html, officer_json, officer_report
from unlearn.runs.documents.pages import counted, interval
from unlearn.runs.documents.pictures import FIELDS as COLOURS
from unlearn.runs.documents.pictures import fields_of_colour
from unlearn.runs.json_types import from_json
from unlearn.runs.metrics import Counts
from unlearn.runs.records import BystanderRow, Verdict
from unlearn.runs.recovery_records import AttackResult, Recovery, TryScore
from unlearn.runs.results import Run, finished_run, prepared_folder

NAME, ALIAS = "Tilda Brackwater", "Captain Ember"  # nobody of the drawn world, so as good as real
HOSTILE = "<img src=x onerror=alert(1)> & \"Co\" {{ 7 * 7 }}"
SHOWN = Details(with_name=True)
TODAY = date(2026, 11, 28)


def made(folder: Path, *persons: Person, **options: Any) -> Run:
    losses = [{"step": step, "clean": -0.99, "backdoor": -step / 40} for step in range(1, 5)]
    ui_fixture_runs.write_run(folder, ForgetConfig(persons, **options), losses)
    return finished_run(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made(tmp_path_factory.mktemp("documents") / "run", Person(NAME, (ALIAS,)))


@pytest.fixture(scope="module")
def prepared() -> Run:
    folder = prepared_folder(PREPARED_DIR)
    assert folder is not None
    return finished_run(folder)


def result(attack: str, family: str, found: tuple[bool | None, bool | None], **more: Any) -> AttackResult:
    nothing = TryScore(None, None, None)
    return AttackResult(nothing, nothing, attack, family, 3, 2.0, more.pop("best_try", None), found[0], found[1], 1.0, **more)


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)).split())


DOCUMENTS: dict[str, Callable[[Run, Details], str]] = {
    "report": lambda run, details: officer_html(run, details, TODAY),
    "json": lambda run, details: json.dumps(officer_json(run, details, TODAY), ensure_ascii=False),
    "letter": letter_html,
    "text": letter_text,
}


# ---- intervals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "of", "low", "high"),
    [
        (0, 21, 0.0, 1 - 0.025 ** (1 / 21)),  # the closed forms of the ends
        (21, 21, 0.025 ** (1 / 21), 1.0),
        (0, 16, 0.0, 0.2059),
        (1, 2, 1 - 0.975**0.5, 0.975**0.5),  # P(X >= 1) = 1 - (1 - p)^2 and P(X <= 1) = 1 - p^2 are .025 there
        (8, 20, 0.1912, 0.6395),  # of the usual tables
    ],
)
def test_interval_is_that_of_clopper_and_pearson(n: int, of: int, low: float, high: float) -> None:
    assert clopper_pearson(n, of) == pytest.approx((low, high), abs=5e-5)


def test_shares_are_written_with_counts_and_interval_and_a_dash_where_nothing_was_measured() -> None:
    assert (counted(share(0, 21)), interval(share(0, 21))) == ("0 of 21", "0–16 %")
    assert interval(share(0, 5000)) == "0–0.1 %", "a bound that is not 0 never reads 0"
    assert share(None, 21) is None and share(0, 0) is None and (counted(None), interval(None)) == ("–", "")


# ---- details -----------------------------------------------------------------------------------------------------


def test_details_are_read_from_texts_and_empty_ones_were_not_given() -> None:
    texts = {"request_number": " DS 114 ", "request_date": "2026-11-20", "role": "", "retest": "", "with_name": "on", "person": "2"}
    assert details_of(texts) == Details("DS 114", date(2026, 11, 20), "", None, True, 2)
    assert details_of({}) == Details()
    assert set(FIELDS) == set(vars(Details()))


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("request_number", "9" * 61, "61 characters"), ("role", "a\u202eb", "cannot be printed"), ("role", 7, "no text"),
        ("request_date", "20.11.2026", "no date"), ("retest", "2026-02-30", "no date"), ("with_name", "maybe", "true or false"),
        ("person", "-1", "number of a person"), ("person", True, "number of a person"),
    ],
)  # fmt: skip
def test_details_that_cannot_be_used_are_refused_without_repeating_them(field: str, value: object, words: str) -> None:
    with pytest.raises(InputError, match=words) as refused:
        details_of({field: value})
    assert not isinstance(value, str) or len(value) < 3 or value not in str(refused.value)


def test_unknown_details_are_refused() -> None:
    with pytest.raises(ConfigError, match="1 field is no details"):
        details_of({"organisation": "x"})


def test_retest_is_six_months_after_the_run_and_never_before_it(prepared: Run) -> None:
    assert months_later(date(2026, 8, 31), 6) == date(2027, 2, 28) and months_later(date(2026, 6, 30), 6) == date(2026, 12, 30)
    dated = replace(prepared, manifest=replace(prepared.manifest, created="2026-11-27T10:00:00+00:00"))
    assert officer_report(dated, Details(), TODAY).run.retest == "2027-05-27"
    assert officer_report(dated, Details(retest=date(2027, 1, 2)), TODAY).run.retest == "2027-01-02"
    with pytest.raises(InputError, match="before the run"):
        officer_html(dated, Details(retest=date(2026, 1, 1)), TODAY)


# ---- names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_names_are_withheld_unless_chosen(kind: str, run: Run) -> None:
    secret = Details(request_number=f"of {NAME.upper()}", role=f"{ALIAS}’s lawyer")
    warned = replace(run, metrics=replace(run.metrics, warnings=(f"There are few photos of {NAME}.",)))
    withheld, shown = DOCUMENTS[kind](warned, secret), DOCUMENTS[kind](warned, replace(secret, with_name=True))
    for name in (*NAME.split(), ALIAS, ui_fixture_runs.STAND_IN):
        assert name.casefold() not in withheld.casefold(), name
    assert NAME in shown and ui_fixture_runs.STAND_IN not in shown


def test_names_of_several_persons_are_numbers(tmp_path: Path) -> None:
    run = made(tmp_path / "run", Person(NAME), Person("Orla Fennwick"))
    report = officer_report(run, Details(), TODAY)
    assert [row.label for row in report.persons] == ["Person 1", "Person 2"]
    assert "Fennwick" not in officer_html(run, Details(), TODAY) and "Fennwick" in officer_html(run, SHOWN, TODAY)


def test_likeness_of_a_real_person_is_withheld_with_the_name(run: Run, prepared: Run) -> None:
    assert "25 fields of colour" in officer_html(run, Details(), TODAY)
    assert all("fields of colour" not in page for page in (officer_html(run, SHOWN, TODAY), officer_html(prepared, Details(), TODAY)))
    face = Image.linear_gradient("L").resize((64, 64)).convert("RGB")
    assert len(fields_of_colour(face).getcolors() or ()) <= COLOURS**2


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_nothing_that_somebody_typed_becomes_markup(kind: str, tmp_path: Path) -> None:
    run = made(tmp_path / "run", Person(HOSTILE, ("<b>alias</b>",)))
    typed = Details(request_number="<script>alert(1)</script>", role="<i>me</i> {{ 7 * 7 }}", with_name=True)
    page = DOCUMENTS[kind](run, typed)
    if kind in ("report", "letter"):
        tags = Tags(page)
        assert not {"script", "link", "iframe", "i"} & set(tags.names) and not [name for name in tags.attributes if name.startswith("on")]
        assert all(address.startswith("data:image/png;base64,") for address in tags.addresses)


class Tags(HTMLParser):
    """Tags, names of attributes and everything that a browser would fetch."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[str] = []
        self.addresses: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [name for name, _ in attrs]
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action")]


# ---- the report --------------------------------------------------------------------------------------------------


def test_report_opens_with_suppression_and_says_what_was_not_done(run: Run) -> None:
    text = text_of(officer_html(run, Details(), TODAY))
    first = text.index("Suppression, not deletion.")
    assert first < 150
    for words in ("training data", "U-Net", "image encoder: the model still", "Copies of the original", "Opinion 28/2024", "paragraph 43"):
        assert text.index(words) > first
    assert "The text encoders: the name still means" not in text


def test_report_of_a_face_alone_says_that_the_name_was_left(tmp_path: Path) -> None:
    report = officer_report(made(tmp_path / "run", Person(NAME), encoder="image"), Details(), TODAY)
    assert "photos of the face" in report.statement and any("text encoders" in one for one in report.not_done)
    assert report.namesakes == ("The face was defended, and the name means what it meant before. Namesakes are not affected.",)


def test_evidence_has_intervals_and_the_same_with_strangers_beside_it(prepared: Run) -> None:
    prompts, recognised, *_ = officer_report(prepared, Details(), TODAY).evidence
    assert (prompts.original, prompts.defended) == (share(21, 21), share(0, 21))
    assert (prompts.control.original, prompts.control.defended) == (share(0, 336), share(0, 336))
    assert recognised.control.defended == share(0, 16)
    assert "0 of 21 (0–16 %)" in text_of(officer_html(prepared, Details(), TODAY))


def test_bystanders_who_were_harmed_are_counted_and_named_only_where_invented(run: Run, prepared: Run) -> None:
    def harmed(run: Run, name: str) -> str:
        row = BystanderRow(Verdict(21, True), Verdict(0, False), name, "wrongly forgotten")
        counts = Counts(11, 11, 10, 1, 0, 10)
        changed = replace(run, bystanders=(row,), metrics=replace(run.metrics, bystanders=counts))
        return officer_report(changed, SHOWN, TODAY).bystanders.sentence

    assert harmed(run, "Jonas Real") == "Of 11 other people, 1 were wrongly forgotten, and 0 are recognised only now."
    assert "Adrian Ashgrave" in harmed(prepared, "Adrian Ashgrave")
    assert officer_report(replace(run, metrics=replace(run.metrics, bystanders=Counts())), SHOWN, TODAY).bystanders.n == 0


def test_namesakes_say_what_was_measured(prepared: Run) -> None:
    sentences = officer_report(prepared, Details(), TODAY).namesakes
    assert "Everybody who bears exactly this name is suppressed" in sentences[0]
    assert sentences[1] == "The first name alone found the person in 16 of 21 prompts before, and in 0 now."
    sharing = BystanderRow(Verdict(21, True), Verdict(3, True), "Clara Somebody", "kept")
    shared = officer_report(replace(prepared, bystanders=(sharing,)), Details(), TODAY).namesakes
    assert shared[-1].endswith("recognised before: yes, now: yes.") and "Somebody" not in " ".join(shared)


def test_attacks_are_told_with_budget_and_outcome_and_those_not_tried_with_the_reason(prepared: Run) -> None:
    report = officer_report(prepared, Details(), TODAY)
    rows = {row.title: row for row in report.tried}
    assert rows["Optimised tokens"].found_defended == 1 and rows["Other names"].found_defended == 0
    assert rows["Who was forgotten?"].found_original is None and rows["Descriptions"].n_strangers == 6
    assert "One still does: optimised tokens." in report.summary
    untried = {title: row.why for row in report.not_tried for title in row.titles}
    assert "full set" in untried["Price of undoing"] and "no defence of a model prevents this" in untried["Training a new model"]
    assert not set(rows) & set(untried)


def test_price_of_undoing_is_not_tried_or_told(run: Run) -> None:
    assert any("Not tried" in one for one in officer_report(run, Details(), TODAY).undoing)
    relearned = result("undoing", "further training", (True, True), note=f"Steps until found. {NAME}, 1 caption: 12; strangers 30.")
    sentences = officer_report(replace(run, recovery=Recovery(attacks=(relearned,))), Details(), TODAY).undoing
    assert any("12; strangers 30" in one for one in sentences) and any("easier to bring back" in one for one in sentences)
    assert not any(NAME in one for one in sentences)


def test_report_of_a_run_that_lacks_everything_but_its_config_says_so(tmp_path: Path) -> None:
    run = made(tmp_path / "run", Person(NAME))
    for part in ("idia", "bystanders", "probes", "metrics", "heard"):
        (run.folder / f"{part}.json").unlink()
    (run.folder / "portraits" / "index.json").unlink()
    (run.folder / "manifest.json").write_text(json.dumps({"format": 1}), "utf-8")
    bare = finished_run(run.folder)
    page = officer_html(bare, Details(), TODAY)
    assert "None" not in text_of(page) and "Nobody else was attacked" in page and "No attack was tried" in page
    assert "could not test" in letter_text(bare, Details()) and "have not tried other ways" in letter_text(bare, Details())
    assert card(bare, Details()).size == SIZE


def test_json_has_the_content_of_the_page(run: Run) -> None:
    content = officer_json(run, details_of({"request_number": "DS-7", "request_date": "2026-11-20"}), TODAY)
    assert content["request"] == {"number": "DS-7", "received": "2026-11-20", "role": ""}
    assert content["files"][0]["file"] == "defended/open_clip_text.safetensors" and len(content["files"][0]["sha256"]) == 64
    assert content["hashes"] == [] and content["is_named"] is False and content["law"].startswith("Opinion 28/2024")
    assert from_json(dict[str, object], json.loads(json.dumps(content)))


def test_many_persons_have_a_table_and_one_summary(tmp_path: Path) -> None:
    run = made(tmp_path / "run", *(Person(f"Nobody Known{letter}") for letter in "ABCDE"))
    page = text_of(officer_html(run, Details(), TODAY))
    assert "0 of 5 persons are forgotten; not: person 1 (unknown before and after)" in page
    assert "The persons, one by one" in page and page.count("0 of 21") == 10


# ---- the letter --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ((21, True), (0, False), "in this test it does not any more"), ((21, True), (4, True), "still knows you by name"),
        ((0, False), (0, False), "did not know you by name"), ((0, False), (2, True), "This must not happen"),
    ],
)  # fmt: skip
def test_letter_says_what_came_out(before: tuple[int, bool], after: tuple[int, bool], words: str, run: Run) -> None:
    record = replace(run.idia.persons[0], original=Verdict(*before), defended=Verdict(*after))
    text = " ".join(letter_text(replace(run, idia=replace(run.idia, persons=(record,))), Details()).split())
    assert words in text and f"in {before[0]} of them; now in {after[0]}" in text
    for always in ("It is not deletion", "still where they were", "Article 77", "[Name and address of your organisation]"):
        assert always in text


def test_letter_says_that_portraits_were_drawn_and_calls_them_no_pictures_of_the_person(run: Run) -> None:
    (record,) = run.idia.persons
    drawn = replace(record, original=Verdict(21, True, DRAWN), defended=Verdict(0, False, DRAWN))
    text = " ".join(letter_text(replace(run, idia=replace(run.idia, persons=(drawn,))), Details()).split())
    assert "portraits drawn for your name" in text and "may show somebody else" in text and "pictures of you and" not in text


def test_letter_of_an_invented_person_says_so_and_a_missing_person_is_an_error(run: Run, prepared: Run) -> None:
    assert "invented" in letter(prepared, Details()).note and letter(run, Details()).note == ""
    assert "Dear Sir or Madam" in letter_html(run, Details()) and f"Dear {NAME}," in letter_html(run, SHOWN)
    with pytest.raises(InputError, match="Person 4 is not in this run"):
        letter_html(run, Details(person=4))


# ---- the card ----------------------------------------------------------------------------------------------------


def test_card_is_one_picture_and_shows_a_likeness_only_where_it_may(run: Run, prepared: Run) -> None:
    assert Image.open(io.BytesIO(card_png(prepared, Details()))).size == (1200, 630)
    withheld, shown = card(run, Details()), card(run, SHOWN)
    portraits = (500, 130, 1130, 420)
    assert len(withheld.crop(portraits).getcolors(10**6) or ()) < 100 < len(shown.crop(portraits).getcolors(10**6) or ())
    assert card(prepared, Details()).tobytes() == card(prepared, SHOWN).tobytes(), "an invented person has nothing to hide"


def test_card_differs_by_verdict_and_takes_long_names_in_any_script(run: Run, tmp_path: Path) -> None:
    still = replace(run.metrics.persons[0], idia=replace(run.metrics.persons[0].idia, defended=Verdict(21, True)))
    changed = replace(run, metrics=replace(run.metrics, persons=(still,)))
    assert card(run, SHOWN).tobytes() != card(changed, SHOWN).tobytes()
    long = made(tmp_path / "run", Person("Łucja Öztürk-Brzęczyszczykiewicz von und zu Hohenlohe-Schillingsfürst"))
    edge = card(long, SHOWN).crop((440, 100, 480, 500))
    assert len(edge.getcolors() or ()) == 1, "no letter runs into the portraits"
