"""A run as one page: stands alone, escapes names, and says what was not measured."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from unlearn.config import DrawnPhotosConfig, ForgetConfig, IdiaConfig, Person, PortraitConfig, Settings, TextFineTuneConfig
from unlearn.errors import InputError
from unlearn.runs import forgetting
from unlearn.runs.report import report_html, run_json, write_report

HOSTILE = "<script>alert(1)</script> & \"Co\""


@pytest.fixture(scope="module")
def run(miniature: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    config = ForgetConfig(
        (Person("Ada Brook", ("<img src=x onerror=1>",)), Person(HOSTILE)), str(miniature), neutral_term="<i>human",
        text=TextFineTuneConfig(n_steps=2, batch_size=4, n_captions=100), idia=IdiaConfig(n_candidate_names=12),
        portraits=PortraitConfig(seeds=(0,), n_steps=1, prompt_template="{0}"), drawn_photos=DrawnPhotosConfig(n_portraits=0),
    )  # fmt: skip
    forgetting.forget(config, Settings(folder / "data", device="cpu", offline=True), folder / "run")
    return folder / "run"


class _Page(HTMLParser):
    """Counts tags and collects what a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        assert not any(name.startswith("on") for name, _ in attrs)


def _parsed(run: Path) -> _Page:
    page = _Page()
    page.feed((run / "report.html").read_text("utf-8"))
    return page


def test_page_stands_alone_with_its_pictures_inside(run: Path) -> None:
    page = _parsed(run)
    assert "script" not in page.tags and "link" not in page.tags and "iframe" not in page.tags
    assert page.fetched and all(re.match("data:image/(png|webp);base64,", address) for address in page.fetched)
    text = (run / "report.html").read_text("utf-8")
    assert not re.search(r"url\(|@import", text)
    n_portraits = len(json.loads((run / "portraits" / "index.json").read_text()))
    assert page.tags.count("img") >= n_portraits


def test_names_are_escaped(run: Path) -> None:
    text = (run / "report.html").read_text("utf-8")
    assert "<script" not in text and "<img src=x" not in text and "<i>human" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_what_was_not_measured_is_said_and_never_zero(run: Path) -> None:
    text = (run / "report.html").read_text("utf-8")
    assert "not attacked (no photos, or too few)" in text  # the second person has no photos
    assert "None" not in text


def test_both_sides_are_told_apart(run: Path) -> None:
    text = (run / "report.html").read_text("utf-8")
    assert text.count('<figure class="original">') == text.count('<figure class="defended">') > 0


def test_dial_is_a_row_of_five_pictures_with_their_templates(run: Path) -> None:
    text = (run / "report.html").read_text("utf-8")
    rows = re.findall(r'<div class="dial">(.*?)</div>', text, flags=re.DOTALL)
    assert len(rows) == 2 and all(row.count("<img") == 5 and "λ = 0.25" in row for row in rows)
    assert "of 21 templates" in rows[0] and rows[1].count("not attacked") == 5


def test_json_holds_all_parts(run: Path) -> None:
    content = run_json(run)
    assert set(content) == {
        "metrics", "idia", "bystanders", "losses", "probes", "predictions", "config", "portraits", "recovery", "heard", "film",
        "dial", "denoising", "seal",
    }  # fmt: skip
    json.dumps(content)


def test_report_is_written_again_on_request(run: Path) -> None:
    before = (run / "report.html").read_text("utf-8")
    (run / "report.html").unlink()
    assert write_report(run) == run / "report.html"
    assert report_html(run) == before == (run / "report.html").read_text("utf-8")


def test_folder_without_a_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"config\.json"):
        report_html(tmp_path)
