"""The documents of the prepared run on paper: the report on at most three sheets of A4, the letter on one, and no picture cut."""

from __future__ import annotations

import re
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import OpenPage, shoot
from ui.server.options import PREPARED_DIR
from unlearn.attacks.recovery.catalogue import ATTACKS
from unlearn.runs.documents.details import Details
from unlearn.runs.documents.letter import letter_html
from unlearn.runs.documents.officer import officer_html
from unlearn.runs.results import Run, finished_run, prepared_folder

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def prepared() -> Run:
    folder = prepared_folder(PREPARED_DIR)
    assert folder is not None
    return finished_run(folder)


@pytest.fixture
def sheet(browser: Browser) -> Page:
    """A blank page; closed with its browser."""
    return browser.new_page()


def printed(sheet: Page, html: str, path: Path) -> bytes:
    sheet.set_content(html)
    sheet.pdf(path=path, prefer_css_page_size=True, print_background=True)
    return path.read_bytes()


def n_sheets(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))


def drawn_pictures(pdf: bytes) -> int:
    """How often pictures are drawn, on all sheets together; one that is cut by the end of a sheet is drawn on two."""
    objects = {int(number): body for number, body in re.findall(rb"(?:^|\n)(\d+) 0 obj(.*?)endobj", pdf, flags=re.DOTALL)}
    pictures = {number for number, body in objects.items() if re.search(rb"/Subtype\s*/Image", body[:2000])}
    drawn = 0
    for page in (body for body in objects.values() if re.search(rb"/Type\s*/Page\b(?!s)", body)):
        names = {name for name, number in re.findall(rb"/(X\d+)\s+(\d+) 0 R", page) if int(number) in pictures}
        contents = re.search(rb"/Contents\s+(\d+) 0 R", page)
        assert contents is not None
        head, stream = re.split(rb"stream\r?\n", objects[int(contents.group(1))], maxsplit=1)
        text = zlib.decompressobj().decompress(stream) if b"FlateDecode" in head else stream
        drawn += len([name for name in re.findall(rb"/(X\d+) Do", text) if name in names])
    return drawn


def with_every_attack(run: Run) -> Run:
    """The run as if the full set had been tried."""
    made = {row.attack for row in run.recovery.attacks}
    note = "Steps until found. 1 caption: 12; strangers 30. 3 captions: 8; strangers 21. 10 captions: 6; strangers 15."
    more = [replace(run.recovery.attacks[0], attack=kind.name, family=kind.family, note=note) for kind in ATTACKS if kind.name not in made]
    return replace(run, recovery=replace(run.recovery, attacks=(*run.recovery.attacks, *more)))


@pytest.mark.parametrize("is_full", [False, True])
def test_report_prints_on_three_sheets_without_a_cut_picture(sheet: Page, prepared: Run, is_full: bool, tmp_path: Path) -> None:
    html = officer_html(with_every_attack(prepared) if is_full else prepared, Details())
    pdf = printed(sheet, html, tmp_path / "report.pdf")
    assert 1 <= n_sheets(pdf) <= 3
    assert drawn_pictures(pdf) == html.count("<img") > 0


def test_pictures_move_to_the_next_sheet_where_they_would_be_cut(sheet: Page, prepared: Run, tmp_path: Path) -> None:
    html = officer_html(prepared, Details())
    pairs = '<div class="pairs keep">'
    assert pairs in html
    for mm in (140, 150, 160, 170):  # the pictures move across the end of the first sheet
        moved = html.replace(pairs, f'<div style="height: {mm}mm"></div>{pairs}')
        assert drawn_pictures(printed(sheet, moved, tmp_path / f"{mm}.pdf")) == html.count("<img")
    one = html[html.index('src="data:image') :].split('"')[1]
    tall = f'<!doctype html><style>@page {{ size: A4 }}</style><img style="display: block; width: 90mm; height: 400mm" src="{one}">'
    assert drawn_pictures(printed(sheet, tall, tmp_path / "tall.pdf")) == 2, "a picture that is cut is noticed"


def test_letter_prints_on_one_sheet(sheet: Page, prepared: Run, tmp_path: Path) -> None:
    assert n_sheets(printed(sheet, letter_html(prepared, Details()), tmp_path / "letter.pdf")) == 1


@pytest.mark.parametrize("width", [1440, 390])
def test_page_hands_on_report_and_card(open_page: OpenPage, address: str, width: int) -> None:
    page = open_page(address, width=width)
    form = page.locator(".hand-on")
    form.locator("[name=request_number]").fill("DS-2026/114")
    with page.context.expect_page() as opened:
        form.get_by_role("button", name="Open the report").click()
    report = opened.value
    expect(report.locator("h1")).to_have_text("Report on a request to be forgotten")
    expect(report.locator("main")).to_contain_text("DS-2026/114")
    assert report.evaluate("document.documentElement.scrollWidth") <= width
    with page.expect_download() as caught:
        form.get_by_role("button", name="Download the card").click()
    assert caught.value.suggested_filename == "card.png"
    form.scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelector('.papers .card').naturalWidth === 1200")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shoot(page, f"hand-on-{width}")
