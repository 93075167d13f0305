"""How the page looks and behaves for everybody: widths, dark mode, contrast, keyboard, restart of the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import TIMEOUT_MS, OpenPage, shoot
from tests.browser.test_story import NAME, TABS, finish, start
from tests.support.running_app import start_app

pytestmark = pytest.mark.browser
expect.set_options(timeout=TIMEOUT_MS)

# Contrast of every visible text against the colour behind it, by WCAG 2; large text needs 3, other text 4.5.
CONTRAST_JS = """
() => {
  const parse = (c) => { const p = c.match(/[\\d.]+/g).map(Number); return p.length > 3 ? p : [...p, 1]; };
  const light = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
    return .2126 * r + .7152 * g + .0722 * b; };
  const behind = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] > .5) return c; }
    return [255, 255, 255, 1]; };
  const bad = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode.textContent.trim(), e = walk.currentNode.parentElement;
    if (!text || !e.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    if (e.closest('.sr, script, style, [disabled]')) continue;
    const style = getComputedStyle(e), fore = parse(style.fill !== 'rgb(0, 0, 0)' && e.closest('svg') ? style.fill : style.color);
    const a = light(fore.slice(0, 3)), b = light(behind(e).slice(0, 3));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.6 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) bad.push([text.slice(0, 40), ratio.toFixed(2), e.className].join(' | '));
  }
  return bad;
}
"""
OVERFLOW_JS = """
() => [...document.querySelectorAll('body *')].filter((e) => {
  const box = e.getBoundingClientRect();
  return box.width > 0 && box.right > innerWidth + 1 && e.checkVisibility({ visibilityProperty: true, opacityProperty: true })
    && !e.closest('.scroll, .tab-container') && getComputedStyle(e).position !== 'fixed';
}).map((e) => e.tagName + '.' + e.className).slice(0, 10)
"""


def look_around(page: Page, tag: str) -> dict[str, Any]:
    """Open every tab; texts with too little contrast and elements that stick out, by tab."""
    found: dict[str, Any] = {}
    for tab in TABS:
        page.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(400)
        shoot(page, f"{tag}-{tab.lower()}")
        found[tab] = [*page.evaluate(CONTRAST_JS), *page.evaluate(OVERFLOW_JS)]
    return {tab: bad for tab, bad in found.items() if bad}


@pytest.mark.parametrize(("width", "height", "scheme"), [(1440, 900, "light"), (390, 844, "dark")])
def test_page_is_readable_with_a_result(
    open_page: OpenPage, address: str, width: int, height: int, scheme: str
) -> None:
    page = open_page(address, width, height, scheme)
    start(page, NAME)
    finish(page)
    page.get_by_role("button", name="Advanced settings").click()
    assert look_around(page, f"{width}-{scheme}") == {}
    unnamed = page.evaluate("[...document.images].filter(i => !i.alt).map(i => i.src)")
    assert unnamed == [], "every picture has an alternative text"


def test_polling_does_not_move_what_is_below(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    start(page, "Slow Always")
    expect(page.locator("#job .curves svg").first).to_be_visible()
    page.wait_for_timeout(500)
    tops = set()
    for _ in range(8):
        tops.add(round(page.locator("#changed").evaluate("e => e.getBoundingClientRect().top + scrollY")))
        page.wait_for_timeout(500)
    assert len(tops) == 1
    page.locator("#job [data-action=cancel]").click()
    expect(page.locator("#job .job.cancelled")).to_be_visible()


def test_press_counts_when_the_panel_is_drawn_anew_under_it(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    start(page, "Slow Always")
    cancel = page.locator("#job [data-action=cancel]")
    cancel.hover()
    page.mouse.down()
    cancel.evaluate("e => { const actions = e.parentElement; actions.replaceWith(actions.cloneNode(true)); }")
    page.mouse.up()
    expect(page.locator("#job .job.cancelled")).to_be_visible()


def test_keyboard_alone_chooses_starts_and_opens_tabs(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    page.locator(".person").nth(1).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#names textarea")).to_have_value("Orson Vell")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "the focus can be seen"
    page.locator("#start").focus()
    page.keyboard.press("Enter")
    finish(page)
    page.get_by_role("tab", name="Predictions").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab", name="Predictions")).to_have_attribute("aria-selected", "true")


def test_restart_of_the_server_interrupts_and_offers_to_run_again(open_page: OpenPage, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    process, address = start_app(data_dir)
    page = open_page(address)
    job = start(page, "Slow Always")
    browser_state = page.evaluate("JSON.stringify(localStorage)")
    page.close()
    process.kill()
    process.wait(20)
    process, again = start_app(data_dir)
    try:
        page = open_page(again)
        page.evaluate("(kept) => Object.entries(JSON.parse(kept)).forEach(([k, v]) => localStorage.setItem(k, v))", browser_state)
        page.reload()
        page.wait_for_selector(".job.interrupted")
        assert job in page.url, "the browser remembers its job without the link"
        page.locator("#job [data-action=rerun]").click()
        page.wait_for_function("(old) => !location.href.includes(old)", arg=job)
        expect(page.locator("#job [data-action=cancel]")).to_be_visible()
    finally:
        page.close()  # an open page would complain about the server that goes away
        process.terminate()
        process.wait(20)


def test_presenters_mode_shows_one_idea_a_screen(open_page: OpenPage, address: str) -> None:
    page = open_page(address, width=1280, height=720)
    slide = "document.documentElement.dataset.slide"
    expect(page.locator("#verdict")).to_contain_text("Original")
    page.locator("[data-present]").click()
    seen = {
        "who": "#step-who", "before": "#verdict .o", "forgetting": "#step-forgetting", "room": "#tab-room", "after": "#verdict .d",
        "opponent": "#tab-opponent", "numbers": "#tab-numbers",
    }  # fmt: skip
    for name, part in seen.items():
        assert page.evaluate(slide) == name
        expect(page.locator(part).first).to_be_visible()
        for other in set(seen.values()) - {part, "#verdict .o" if name == "after" else ""}:
            expect(page.locator(other).first).not_to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280
        page.keyboard.press("ArrowRight" if name != "before" else "PageDown")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(slide) == "opponent"
    page.locator("[data-slide-to=who]").click()
    page.locator("#names textarea").fill("Ada")
    page.keyboard.press("ArrowLeft")  # of the text
    assert page.evaluate(slide) == "who"
    page.locator("[data-leave]").click()
    assert page.evaluate(slide) is None
    expect(page.locator("#step-home")).to_be_visible()
    expect(page.locator(".presenter")).not_to_be_visible()
