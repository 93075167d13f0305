"""Results as HTML: what must be seen, on which side, and that nothing a visitor typed becomes markup."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.support import ui_fixture_runs
from tests.support.ui_fixture_runs import STAND_IN
from ui.views import answers, numbers, plots, portraits, render, results
from ui.views import jobs as views
from unlearn.config import ForgetConfig, Person
from unlearn.config.written_names import line_of
from unlearn.jobs.states import Cancelled, Failed, Interrupted, Job, Queued, Running, State, Succeeded
from unlearn.runs.metrics import Metrics, PersonMetrics
from unlearn.runs.records import BeforeAfter, LossRow, Prediction, Verdict
from unlearn.runs.results import PREPARED, Run, prepared_folder, read_run

NASTY = "<img src=x onerror=alert(1)> & \"Co\" '{{0}} ${1}"
NAME = "Tilda Brackwater"


def write(folder: Path, *persons: Person, **options: Any) -> Run:
    config = ForgetConfig(persons, **options)
    losses = [{"step": s, "clean": -0.99, "backdoor": -s / 40, "regularization": 0.1 * s} for s in range(1, 41)]
    ui_fixture_runs.write_run(folder, config, losses)
    run = read_run("job-id", folder)
    assert run is not None
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write(tmp_path_factory.mktemp("run"), Person(NAME, ("Captain Ember",)))


def job(state: State, **changes: Any) -> Job:
    config = json.loads(ForgetConfig((Person(NASTY),)).to_json())
    values = {
        "id": "the-id", "owner": "ann", "lane": "forget", "work": "x:y", "request": {"kind": "forget", "config": config},
        "parent": None, "group": None, "created": 0.0, "started": 0.0, "finished": 12.0, "state": state, "version": 1,
    }  # fmt: skip
    return Job(**{**values, **changes})


class Tags(HTMLParser):
    """Collects tags and their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def everything(run: Run) -> list[str]:
    return [
        views.verdict(run), numbers.numbers(run), numbers.evidence(run), views.take_home(run, True, 3600.0),
        views.compare([("a", run), ("b", run)]),
        portraits.portraits(run), results.predictions(run), results.attack(run),
        results.bystanders(run), results.probes(run.probes, run),
        views.history([job(Succeeded({}))], {"the-id": run}, "the-id"), views.job_panel(job(Running(1, 2, NASTY)), [], True),
    ]  # fmt: skip


# ---- reading -----------------------------------------------------------------------------------------------------


def test_read_run_without_manifest_does_not_exist(tmp_path: Path) -> None:
    write(tmp_path, Person(NAME))
    (tmp_path / "manifest.json").unlink()
    assert read_run("k", tmp_path) is None


def test_read_run_missing_parts_are_empty_and_every_view_still_works(tmp_path: Path) -> None:
    write(tmp_path, Person(NAME))
    for name in ("idia", "predictions", "bystanders", "probes", "losses", "metrics"):
        (tmp_path / f"{name}.json").unlink()
    (tmp_path / "portraits" / "index.json").unlink()
    found = read_run("other", tmp_path)
    assert found is not None and found.metrics == Metrics() and found.predictions == ()
    texts = [text_of(html) for html in everything(found)]
    assert not re.search(r"\d\s%", texts[1]) and render.DASH in texts[1], "not measured is a dash, never 0 %"


def test_prepared_folder_is_the_first_finished_run(tmp_path: Path) -> None:
    assert prepared_folder(tmp_path) is None
    write(tmp_path / "b-run", Person(NAME))
    assert prepared_folder(tmp_path) == tmp_path / "b-run"


# ---- escaping ----------------------------------------------------------------------------------------------------


def test_views_names_from_outside_never_become_markup(tmp_path: Path) -> None:
    for html in everything(write(tmp_path, Person(NASTY, ("<b>alias</b>",)))):
        tags = Tags(html).found
        assert not [attrs for _, attrs in tags if "onerror" in attrs]
        assert not [attrs for tag, attrs in tags if tag == "img" and attrs.get("src") == "x"]
        assert "<b>alias</b>" not in html


def test_answers_to_questions_escape_texts_and_labels(run: Run) -> None:
    rows = ui_fixture_runs.probe_rows([(NASTY, "")])
    predicted = {"labels": [NASTY, "b"], "original": [0.9, 0.1], "defended": [0.2, 0.8]}
    drawn = {"rows": [{"file": "a.png", "model": "original", "text": NASTY, "seed": 0, "weights_hash": "ab"}]}
    found = [
        answers.probed(job(Succeeded({"rows": rows})), run),
        answers.predicted(job(Succeeded(predicted))),
        answers.drawn([job(Succeeded(drawn))]), render.render("notice", text=NASTY, kind="error", said="1"),
    ]  # fmt: skip
    for html in found:
        assert "onerror" in html and not [attrs for _, attrs in Tags(html).found if "onerror" in attrs]


# ---- what is shown -----------------------------------------------------------------------------------------------


def test_verdict_says_before_and_after_in_a_sentence_and_figures(run: Run) -> None:
    text = text_of(views.verdict(run))
    assert f"The original model recognised {NAME} by name. The defended model does not any more." in text
    assert re.search(r"Original 20 of 21 .* Defended 0 of 21", text)
    assert "Prepared example" not in text


def test_verdict_prepared_example_is_marked(run: Run) -> None:
    prepared = replace(run, key=PREPARED)
    assert "Prepared example" in views.verdict(prepared)


def test_verdict_warnings_of_measuring_are_shown_and_escaped(run: Run) -> None:
    warned = replace(run, metrics=replace(run.metrics, warnings=("3 <pictures> could not be read",)))
    assert "3 &lt;pictures&gt; could not be read" in views.verdict(warned)
    assert "could not be read" not in views.verdict(run)


def test_portraits_original_is_left_of_defended_with_seed_and_hash(run: Run) -> None:
    html = portraits.portraits(run)
    tags = Tags(html).found
    shots = [attrs["class"] for tag, attrs in tags if tag == "figure" and str(attrs.get("class")).startswith("shot")]
    assert len(shots) == 5 * 4 and shots == ["shot o", "shot d"] * 10
    images = [attrs for tag, attrs in tags if tag == "img"]
    assert all(attrs.get("alt") for attrs in images)
    assert {str(a["src"]).split("/")[0] for a in images} == {"media"}
    assert html.count("5f1c09ab") >= 10 and html.count("c2a90e77") >= 10


def test_stand_ins_name_is_shown_to_who_started_the_run_alone(run: Run) -> None:
    drawn, probed = text_of(portraits.portraits(run, own=True)), text_of(results.probes(run.probes, run, own=True))
    assert f"a portrait of {STAND_IN}" in drawn and f"similarity to “{STAND_IN}”, the stand-in" in probed
    drawn, probed = text_of(portraits.portraits(run)), text_of(results.probes(run.probes, run))
    assert "a portrait of [somebody it never met]" in drawn and "similarity to the stand-in, whom the model never met" in probed
    assert "human" not in drawn, "the neutral term has no part in such a run"
    assert not any(STAND_IN in page for page in everything(run)), "the views of a visitor who has the link"


def test_views_of_the_papers_target_speak_of_the_neutral_term(tmp_path: Path) -> None:
    run = write(tmp_path, Person(NAME), target="neutral_term")
    assert "a portrait of human" in text_of(portraits.portraits(run))
    assert "similarity to “human”" in text_of(results.probes(run.probes, run))
    assert "Name remapped to “human”, in the text encoder, by fine-tuning." in text_of(views.verdict(run))
    assert "--target neutral_term --neutral-term human" in views.command(run.config)


def test_predictions_changed_top_answer_is_said_and_marked(run: Run) -> None:
    text = text_of(results.predictions(run))
    assert f"The top answer changed: “{NAME}” became “a human”." in text
    assert "top before" in text and "top after" in text and "Both models answer" in text


def test_predictions_many_labels_are_summed_up_on_one_scale() -> None:
    labels = [f"label {i}" for i in range(30)]
    shares = [0.71, *[0.01] * 29]
    made = results.prediction_bars(Prediction(tuple(shares), tuple(reversed(shares)), tuple(labels)))
    assert len(made["rows"]) == results.MAX_BARS + 1
    assert made["rows"][-1]["label"] == "22 other labels together"
    assert sum(row["original"] for row in made["rows"]) == pytest.approx(1.0)


def test_attack_table_has_every_prompt_and_marks_the_correct_ones(run: Run) -> None:
    html = results.attack(run)
    assert html.count("named correctly") == 20
    assert "Of 2 people whom the models never saw, the original recognises 0 and the defended model 0." in html
    assert "1,000 candidate names, 20 photos" in html


def test_bystanders_damage_comes_first(run: Run) -> None:
    rows = (*run.bystanders[:-1], replace(run.bystanders[-1], status="wrongly forgotten"))
    html = results.bystanders(replace(run, bystanders=rows))
    assert f"1 of {len(rows)} other people were wrongly forgotten" in html
    assert html.index(rows[-1].name) < html.index(rows[0].name)
    assert "None of the 11 other people was forgotten by mistake." in results.bystanders(run)


def test_evidence_is_told_with_its_controls_and_as_not_measured_where_it_was_not(run: Run) -> None:
    text = text_of(numbers.evidence(run))
    assert "False recall The forgotten name wins in 0 of 42 people" in text and "place 412" in text and "p cannot fall below 0.67" in text
    older = replace(run, metrics=replace(run.metrics, false_recall=None, trace=None, never_met=None))
    assert text_of(numbers.evidence(older)).count("Not measured: an earlier version wrote this run.") == 3


def test_verdict_of_several_persons_is_summed_up_and_a_stand_in_is_offered_where_it_helps(run: Run) -> None:
    nobody, known = Verdict(0, False), Verdict(21, True)
    persons = (PersonMetrics("Ann Lee", BeforeAfter(known, nobody)), PersonMetrics("Bo Tan", BeforeAfter(nobody, known)))
    several = replace(run, metrics=replace(run.metrics, persons=persons))
    assert "2 persons: 1 recognised before and not any more, 1 recognised only now." in text_of(views.verdict(several))
    assert "persons:" not in text_of(views.verdict(run))
    paper = replace(several, config=replace(run.config, target="neutral_term"))
    assert views.stand_in_helps(paper) and not views.stand_in_helps(replace(several, config=replace(run.config, target="stand_in")))
    assert not views.stand_in_helps(replace(paper, metrics=run.metrics)) and not views.stand_in_helps(None)


def test_numbers_similarities_and_run_time_with_units(run: Run) -> None:
    text = text_of(numbers.numbers(run))
    assert "Sim_Clean 0.991" in text and "fine-tuning 21 s" in text and "Computed on cpu." in text


@pytest.mark.parametrize(
    ("state", "headline", "action"),
    [
        (Queued(3), "Waiting, number 3 in the queue", "cancel"), (Running(3, 10, "fine-tuning", 12.0), "Fine-tuning", "cancel"),
        (Failed("The disk is full.", "Traceback"), "The disk is full.", "rerun"), (Cancelled(7), "Stopped at step 7", "rerun"),
        (Interrupted(), "run it again", "rerun"), (Succeeded({}), "Finished in 12 s", None),
    ],
)  # fmt: skip
def test_job_panel_every_state_has_its_words_and_button(state: State, headline: str, action: str | None) -> None:
    html = views.job_panel(job(state), [], own=True)
    assert headline in text_of(html)
    assert [a["data-action"] for _, a in Tags(html).found if "data-action" in a] == ([action] if action else [])
    assert "data-action" not in views.job_panel(job(state), [], own=False), "somebody else may only look"


def test_job_panel_running_shows_progress_time_left_and_curves() -> None:
    losses = [{"step": s, "clean": -0.9, "backdoor": -s / 10, "regularization": 0.1} for s in range(1, 9)]
    html = views.job_panel(job(Running(30, 100, "fine-tuning, 8 of 40", 95.0)), losses, own=True)
    assert 'aria-valuenow="30"' in html and "about 2 min left" in html and html.count("<svg") == 3


def test_take_home_lists_every_file_and_the_command(run: Run) -> None:
    html = views.take_home(run, own=True, retention_s=7 * 86400.0)
    n_files = sum(path.is_file() for path in run.folder.rglob("*"))
    assert f"{n_files} files" in html and "take-home/job-id.zip" in html and "7 days" in html
    assert "--name &#39;Tilda Brackwater|Captain Ember&#39; --target stand_in --seed 0" in html
    assert "data-action" not in views.take_home(run, own=False, retention_s=None)


SHELL = [
    "$(touch was-run)", "'; touch was-run; #", "`touch was-run`", 'A "B" C', "a\ntouch was-run", "--out", "-x", "a\\", "!!", "*", "~",
    "$HOME", "a;b&c|d>e", "Conan O\u2019Brien", "",
]  # fmt: skip


@pytest.mark.parametrize("text", SHELL)
@pytest.mark.parametrize("field", ["name", "alias", "neutral_term", "model_set"])
def test_command_names_reach_the_program_as_they_are_and_are_never_run(field: str, text: str, tmp_path: Path) -> None:
    person, config = Person(NAME), ForgetConfig((Person(NAME),), seed=3, encoder="both", target="neutral_term")
    changed = {"name": (person, text), "alias": (person, (text,))}.get(field, (config, text))
    object.__setattr__(changed[0], "aliases" if field == "alias" else field, changed[1])  # unchecked: quoting must not rely on checks
    object.__setattr__(config, "persons", (person,))
    line = views.command(config)
    pretender = "python() { printf '%s\\0' \"$@\"; }\n"
    done = subprocess.run(["bash", "-c", pretender + line], cwd=tmp_path, capture_output=True, check=True, stdin=subprocess.DEVNULL)
    words = done.stdout.decode().split("\0")[:-1]
    assert list(tmp_path.iterdir()) == []
    options = parser().parse_args(words[3:])
    assert options.name == [line_of(person.name, person.aliases)]  # in double quotes where it looks like several names
    assert (options.set, options.neutral_term, options.seed) == (config.model_set, config.neutral_term, "3")
    assert (options.faces, options.encoder, options.out) == (["FOLDER"], "both", "DIR")


def parser() -> argparse.ArgumentParser:
    """Reads the options of the command as the command line does."""
    made = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("set", "target", "neutral-term", "seed", "out", "encoder"):
        made.add_argument(f"--{name}")
    for name in ("name", "faces"):
        made.add_argument(f"--{name}", action="append")
    return made


def test_compare_marks_what_differs(run: Run) -> None:
    other = replace(run, metrics=replace(run.metrics, sim_clean=0.9))
    html = views.compare([("one", run), ("two", other)])
    differing = re.findall(r'<tr class="differs"><th scope="row">([^<]+)', html)
    assert differing == ["Sim_Clean"]


def test_history_only_finished_jobs_can_be_compared(run: Run) -> None:
    jobs = [job(Succeeded({}), id="a"), job(Running(1, 2, ""), id="b", finished=None), job(Failed("x"), id="c")]
    html = views.history(jobs, {"a": run}, shown="a")
    assert [a["data-compare"] for _, a in Tags(html).found if "data-compare" in a] == ["a"]
    actions = [(a["data-action"], a["data-job"]) for _, a in Tags(html).found if "data-job" in a]
    assert ("cancel", "b") in actions and ("rerun", "c") in actions and ("delete", "a") in actions


# ---- formats and plots -------------------------------------------------------------------------------------------


def test_formats_none_is_a_dash_and_zero_is_not() -> None:
    assert [f(None) for f in (render.percent, render.decimal, render.duration)] == [render.DASH] * 3
    assert render.percent(0.0) == "0\N{NO-BREAK SPACE}%" and render.width(1.7) == "100.0%" and render.width(None) == "0.0%"
    assert [render.duration(s) for s in (4.21, 42.0, 600.0, 7200.0)] == ["4.2 s", "42 s", "10 min", "2.0 h"]


def test_curves_known_losses_as_similarities_and_thinned() -> None:
    rows = [LossRow(step, clean=-0.5, total=-1.0) for step in range(1, 1001)]
    (curve,) = plots.curves(rows)
    assert len(curve.steps) <= plots.MAX_POINTS + 1 and curve.steps[-1] == 1000 and set(curve.values) == {0.5}


def test_line_chart_points_stay_inside_the_picture() -> None:
    curve = plots.Curve("x", (1.0, 2.0, 3.0), (-2.0, 0.0, 5.0))
    svg = str(plots.line_chart(curve))
    points = re.search(r'points="([^"]+)"', svg)
    assert points is not None
    places = [tuple(map(float, point.split(","))) for point in points[1].split()]
    assert all(0 <= x <= plots.WIDTH and 0 <= y <= plots.HEIGHT for x, y in places)
    assert [y for _, y in places] == sorted((y for _, y in places), reverse=True), "more is higher"
