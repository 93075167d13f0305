"""The story of a face as a visitor: example set, what was found, forgetting both ways, evidence, deletion. In Chromium."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import TIMEOUT_MS, OpenPage, OwnApp, shoot
from tests.browser.test_page import CONTRAST_JS, OVERFLOW_JS
from tests.browser.test_story import NAME, finish
from tests.support.photo_zoo import ONE_FACE, SIX_FACES
from tests.support.ui_fixture import EXAMPLES

pytestmark = pytest.mark.browser
expect.set_options(timeout=TIMEOUT_MS)


def choose(page: Page, what: str) -> None:
    page.locator("#defend").get_by_label(what).check()


def start(page: Page) -> str:
    page.locator("#start").click()
    page.wait_for_url(lambda url: "?job=" in url)
    return page.url.split("job=")[1]


def upload(page: Page, where: str, photos: list[Path]) -> None:
    page.locator(f"{where} input[type=file]").set_input_files(photos)
    expect(page.locator(where)).to_contain_text(photos[0].suffix.strip("."))


def wait_for_pictures(page: Page) -> None:
    page.wait_for_function("() => [...document.querySelectorAll('#found img')].every((one) => one.naturalWidth > 0)")


def private_photos(folder: Path, n: int) -> list[Path]:
    """Pictures of one drawn person, all different, under names that are nobody's business."""
    folder.mkdir()
    for shot, path in enumerate(sorted(sorted(EXAMPLES.iterdir())[1].glob("fine-tuning-*"))[:n]):
        shutil.copy(path, folder / f"Aunt Mabel {shot}.webp")
    return sorted(folder.iterdir())


def test_face_story_with_an_example_set(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    expect(page.locator("#photos")).to_be_hidden()
    choose(page, "Both")
    expect(page.locator("#photos")).to_be_visible()
    page.locator("#names textarea").fill(NAME)
    page.locator("#start").click()
    expect(page.locator("#notice")).to_contain_text("To forget a face, photos are needed")
    page.locator("#names textarea").fill("")
    shoot(page, "20-faces-empty")

    page.locator("#examples .person").first.click()
    expect(page.locator("#found")).to_contain_text("50 of 50 can be used")
    expect(page.locator("#names textarea")).to_have_value(NAME)
    found = page.locator("#found")
    for words in ("For fine-tuning: 30", "For evaluation: 20", "already face crops"):
        expect(found).to_contain_text(words)
    expect(found.locator("img")).to_have_count(50)
    shoot(page, "21-faces-found")

    job = start(page)
    expect(page.locator("#job .who")).to_contain_text("somebody it never met, an unknown face")
    expect(page.locator("#job figcaption", has_text="face to target")).to_be_visible()
    shoot(page, "22-faces-running")
    page.reload()
    finish(page)
    expect(page.locator("#found")).to_contain_text("The photos are deleted: their job is done")

    page.get_by_role("tab", name="Numbers").click()
    expect(page.locator("#results")).to_contain_text("Sim_Backdoor, image encoder")
    expect(page.locator("#results .curves figure")).to_have_count(6)
    shoot(page, "23-faces-numbers")
    page.locator("#home [data-action=delete]").click()
    page.locator("#home [data-action=delete]").click()
    expect(page.locator("#notice")).to_contain_text("Nothing of it is left")
    expect(page.locator("#found .photo-set")).to_have_count(0)
    assert page.request.get(f"{address}media/{job}/metrics.json").status == 404


def test_photos_of_ones_own_from_upload_to_attack_leave_nothing_behind(own_app: OwnApp, tmp_path: Path) -> None:
    page, photos = own_app.page, private_photos(tmp_path / "private", 12)
    choose(page, "The face")
    page.locator("#names textarea").fill(NAME)
    page.locator("#find-faces").click()
    expect(page.locator("#notice")).to_contain_text("There are no photos yet")
    upload(page, "#faces-upload", photos)
    page.locator("#find-faces").click()
    expect(page.locator("#found")).to_contain_text("12 of 12 can be used")
    assert not [name for name in own_app.new_files() if "Mabel" in name]
    start(page)
    finish(page)
    expect(page.locator("#results")).to_contain_text("does not use it")
    shoot(page, "24-image-only")

    page.get_by_role("tab", name="Attack").click()
    page.get_by_text("Attack somebody else").click()
    page.locator("#attack-name input").fill("Nobody The Model Knows")
    page.keyboard.press("Enter")
    upload(page, "#attack-upload", photos[:6])
    page.locator("#attack").click()
    expect(page.locator("#attacked")).to_contain_text("is not recognised by either model")
    expect(page.locator("#attacked")).to_contain_text("6 photos")
    shoot(page, "25-own-attack")
    assert not [name for name in own_app.new_files() if "Mabel" in name]
    own_app.delete()


def test_real_photos_one_face_is_taken_and_several_wait_for_a_pick(own_app: OwnApp) -> None:
    page = own_app.page
    choose(page, "The face")
    page.locator("#names textarea").fill(NAME)
    upload(page, "#faces-upload", [ONE_FACE, SIX_FACES])
    page.locator("#find-faces").click()
    found = page.locator("#found")
    expect(found).to_contain_text("1 of 2 can be used: not enough yet")
    expect(found).to_contain_text("MTCNN")
    expect(found.locator("figure.face > img")).to_have_count(1)
    expect(found.locator(".unusable")).to_contain_text("several faces")
    faces = found.locator("[data-action=pick]")
    assert faces.count() > 1
    wait_for_pictures(page)
    shoot(page, "27-real-1440-pick")
    for width, scheme in ((390, "light"), (390, "dark")):
        page.set_viewport_size({"width": width, "height": 844})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.wait_for_timeout(500)
        shoot(page, f"27-real-{width}-{scheme}-pick")
        assert [*page.evaluate(CONTRAST_JS), *page.evaluate(OVERFLOW_JS)] == []
    page.set_viewport_size({"width": 1440, "height": 900})
    faces.nth(1).click()
    expect(found).to_contain_text("2 of 2 can be used")
    expect(found.locator("figure.face > img")).to_have_count(2)
    expect(faces).to_have_count(0)
    wait_for_pictures(page)
    shoot(page, "28-real-picked")
    own_app.delete("#found")


@pytest.mark.parametrize(("width", "height", "scheme"), [(1440, 900, "dark"), (390, 844, "light")])
def test_face_step_is_readable(open_page: OpenPage, address: str, width: int, height: int, scheme: str) -> None:
    page = open_page(address, width, height, scheme)
    choose(page, "Both")
    page.locator("#examples .person").last.click()
    expect(page.locator("#found")).to_contain_text("50 of 50 can be used")
    page.get_by_role("button", name="Advanced settings").click()
    page.get_by_label("My own").check()
    expect(page.get_by_label("Photos of other people")).to_be_visible()
    page.wait_for_timeout(500)
    shoot(page, f"26-{width}-{scheme}-faces")
    assert [*page.evaluate(CONTRAST_JS), *page.evaluate(OVERFLOW_JS)] == []
