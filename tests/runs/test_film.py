"""The same portrait while a name is forgotten: the moments, the file, what is shown before the end, and that looking changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.support.miniature import MEMBERS, build_miniature, with_own_diffusion_text
from tests.support.short_runs import SHORT, short_config
from tests.support.ui_fixture_film import write_film
from tests.support.ui_fixture_runs import write_run
from unlearn.config import ClosedForm, EarlyStop, ForgetConfig, Person, ResolvedConfig, Settings, TextFineTuneConfig
from unlearn.defence.moments import Moment
from unlearn.errors import InputError, JobCancelled
from unlearn.models.sets import find_model_set
from unlearn.models.suite import Suite
from unlearn.progress import Progress
from unlearn.runs import filming, forgetting
from unlearn.runs.film_plan import FilmPlan, spread
from unlearn.runs.film_records import Film, Frame
from unlearn.runs.heard_records import HeardCaption
from unlearn.runs.metrics import Metrics
from unlearn.runs.report import report_html
from unlearn.runs.results import FILES, finished_run, read_part, write_results
from unlearn.runs.so_far import SO_FAR, EvidenceSoFar, read_so_far, so_far_of

FORM = ClosedForm(n_blocks=2, n_kept_texts=16, n_general_texts=16, min_texts=8)


def resolved(text: TextFineTuneConfig, **changes: object) -> ResolvedConfig:
    return find_model_set("embedded").resolved(ForgetConfig((Person("Ada Brook"),), text=text, **changes))  # type: ignore[arg-type]


def taken(config: ResolvedConfig, n_steps_done: int) -> list[tuple[str, int]]:
    """The moments at which a run that ends behind so many steps takes a frame."""
    plan, form = FilmPlan.of(config), config.text.closed_form
    n_blocks = form.n_blocks if form is not None else 0
    moments = [Moment("original"), *(Moment("block", number, n_blocks) for number in range(1, n_blocks + 1))]
    moments += [Moment("step", number, config.text.n_steps, number == n_steps_done) for number in range(1, n_steps_done + 1)]
    return [(moment.kind, moment.number) for moment in moments if plan.takes(moment)]


def test_default_schedule_of_the_embedded_set_gives_eight_moments() -> None:
    config = find_model_set("embedded").resolved(ForgetConfig((Person("Ada Brook"),)))
    steps = [("step", number) for number in (1, 2, 4, 7, 10)]
    assert taken(config, 10) == [("original", 0), ("block", 1), ("block", 2), *steps]
    assert FilmPlan.of(config).n_frames == 8


def test_long_schedule_gives_eight_moments_the_last_at_its_end() -> None:
    found = taken(resolved(TextFineTuneConfig(n_steps=400)), 400)
    assert len(found) == 8 and found[-1] == ("step", 400) and found[1][1] < 20


@pytest.mark.parametrize("n_steps_done", [60, 110, 130, 400])
def test_schedule_that_stops_early_has_six_moments_or_more_and_ends_with_the_last_step(n_steps_done: int) -> None:
    config = resolved(TextFineTuneConfig(n_steps=400, early_stop=EarlyStop(min_steps=50)))
    found = taken(config, n_steps_done)
    assert 6 <= len(found) <= 10 and found[-1] == ("step", n_steps_done)


def test_few_numbers_are_all_chosen_and_none_is_chosen_twice() -> None:
    assert spread(3, 7) == {1, 2, 3} and spread(1, 5) == {1} and max(spread(5000, 7)) == 5000 and len(spread(5000, 7)) == 7


def test_film_is_read_as_it_was_written(tmp_path: Path) -> None:
    frames = (Frame("f00.webp", heard=HeardCaption("a boat", 0.5), correct_templates=21), Frame("f01.webp", "step", 4, 10))
    film = Film(frames, 0, 7, 10, 8)
    write_results(tmp_path, film=film)
    assert read_part(tmp_path, "film") == film and FILES["film"] == "film.json"
    (tmp_path / "film.json").write_text('{"frames": [{"file": 3}]}', "utf-8")
    with pytest.raises(InputError, match=r"film\.json of the run is damaged"):
        read_part(tmp_path, "film")


@pytest.fixture(scope="module")
def watched(miniature: Path, shared: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[EvidenceSoFar], Metrics]:
    """A run with a closed form, and what it showed at each report."""
    run, seen = tmp_path_factory.mktemp("film") / "run", list[EvidenceSoFar]()

    def report(progress: Progress) -> None:
        if not seen or read_so_far(run) != seen[-1]:
            seen.append(read_so_far(run))

    metrics = forgetting.forget(short_config(miniature, text=replace(SHORT, closed_form=FORM)), shared, run, report)
    return run, seen, metrics


Watched = tuple[Path, list[EvidenceSoFar], Metrics]


def test_run_keeps_a_film_of_its_moments(watched: Watched) -> None:
    run, _, metrics = watched
    film = finished_run(run).film
    assert [(frame.kind, frame.number) for frame in film.frames] == [
        ("original", 0), ("block", 1), ("block", 2), ("step", 1), ("step", 2), ("step", 3),
    ]  # fmt: skip
    sizes = {Image.open(run / "film" / frame.file).size for frame in film.frames}
    assert len(sizes) == 1 and film.n_planned == 6
    assert all(frame.heard is not None and MEMBERS[0] not in frame.heard.text for frame in film.frames)
    assert film.frames[0].correct_templates == metrics.persons[0].idia.original.correct_templates
    assert metrics.seconds.film is not None and metrics.seconds.film > 0
    assert "film/f00.webp" in finished_run(run).manifest.files


def test_evidence_of_the_original_is_there_before_the_defended_verdict_and_that_before_its_portraits(watched: Watched) -> None:
    _, seen, metrics = watched
    verdicts = [evidence.idia.persons[0] for evidence in seen if evidence.idia.persons]
    assert verdicts[0].original == metrics.persons[0].idia.original and verdicts[0].defended.recognised is None
    drawn = [({row.model for row in evidence.portraits}, len(evidence.film.frames)) for evidence in seen]
    assert ({"original"}, 0) in drawn and ({"original"}, 1) in drawn  # the first portraits, then the first frame
    judged = next(number for number, one in enumerate(seen) if one.idia.persons and one.idia.persons[0].defended.recognised is not None)
    first_defended = next(number for number, (models, _) in enumerate(drawn) if "defended" in models)
    assert judged < first_defended and drawn[judged] == ({"original"}, 6)


def test_finished_run_shows_nothing_so_far(watched: Watched) -> None:
    run, _, _ = watched
    assert not (run / SO_FAR).exists() and read_so_far(run).is_empty
    assert not any(SO_FAR in file for file in finished_run(run).manifest.files)


def test_looking_changes_no_weight(watched: Watched, miniature: Path, shared: Settings, tmp_path: Path) -> None:
    metrics = forgetting.forget(short_config(miniature, text=replace(SHORT, closed_form=FORM), film=False), shared, tmp_path / "run")
    assert metrics.weights == watched[2].weights
    assert finished_run(tmp_path / "run").film == Film() and not (tmp_path / "run" / "film").exists()
    assert metrics.seconds.film is None


@pytest.mark.parametrize("stage", ["fine-tuning, 2", "attack on the defended", "measuring"])
def test_cancelled_run_leaves_none_of_what_it_showed(miniature: Path, shared: Settings, tmp_path: Path, stage: str) -> None:
    run, shown = tmp_path / "run", []

    def report(progress: Progress) -> None:
        shown.append(not read_so_far(run).is_empty)
        if progress.note.startswith(stage):
            raise JobCancelled

    with pytest.raises(JobCancelled):
        forgetting.forget(short_config(miniature), shared, run, report)
    assert any(shown) and not (run / SO_FAR).exists()


def test_drawing_of_a_frame_can_be_cancelled(miniature: Path, shared: Settings, tmp_path: Path) -> None:
    told: list[str] = []

    def report(progress: Progress) -> None:
        told.append(progress.note)
        if told[-2:] == ["fine-tuning, 1 of 3"] * 2:  # the same again: a frame is drawn
            raise JobCancelled

    with pytest.raises(JobCancelled):
        forgetting.forget(short_config(miniature), shared, tmp_path / "run", report)


def test_frames_that_cannot_be_drawn_at_once_are_drawn_behind_the_last_step(
    watched: Watched, miniature: Path, shared: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Suite, "draws_at_once", property(lambda suite: False))
    run = tmp_path / "run"
    forgetting.forget(short_config(miniature, text=replace(SHORT, closed_form=FORM)), shared, run)
    assert finished_run(run).film == finished_run(watched[0]).film


def test_where_two_text_encoders_are_fine_tuned_a_frame_has_the_same_step_of_both(tmp_path: Path) -> None:
    root = with_own_diffusion_text(build_miniature(tmp_path / "set"))
    told: list[Progress] = []
    metrics = forgetting.forget(short_config(root), Settings(tmp_path / "data", device="cpu", offline=True), tmp_path / "run", told.append)
    frames = finished_run(tmp_path / "run").film.frames
    assert [(frame.kind, frame.number) for frame in frames] == [("original", 0), ("step", 1), ("step", 2), ("step", 3)]
    assert all(frame.heard is not None and frame.correct_templates is not None for frame in frames)
    assert frames[0].correct_templates == metrics.persons[0].idia.original.correct_templates
    assert {"text", "diffusion_text"} <= {progress.encoder for progress in told}


def test_film_that_fails_costs_itself_alone(
    miniature: Path, shared: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(filming, "conditions", fail)
    metrics = forgetting.forget(short_config(miniature), shared, tmp_path / "run")
    assert metrics.warnings == ("The film of the forgetting is not complete: the memory did not suffice. Run it again for the whole film.",)
    assert finished_run(tmp_path / "run").film.frames == () and finished_run(tmp_path / "run").portraits


def test_what_is_shown_is_written_beside_an_earlier_run_that_stays(watched: Watched, tmp_path: Path) -> None:
    run = watched[0]
    before = (run / "idia.json").read_bytes()
    so_far_of(run).write(film=Film())
    assert json.loads((run / SO_FAR / "film.json").read_text("utf-8"))["frames"] == []
    so_far_of(run).remove()
    assert (run / "idia.json").read_bytes() == before and finished_run(run).film.frames


def test_film_stands_in_the_report_as_a_strip_with_words_and_as_a_loop_that_can_be_held(tmp_path: Path) -> None:
    hostile = '<script>alert(1)</script> & "Co"'
    write_film(tmp_path)
    write_run(tmp_path, ForgetConfig((Person(hostile),)), [])
    page = report_html(tmp_path)
    assert page.count("data:image/webp;base64,") == 2 * 8 and "<script" not in page
    assert "Closed form, block 2 of 2" in page and "21 of 21 prompts name the person" in page
    assert 'id="hold-film"' in page and "prefers-reduced-motion" in page
    (tmp_path / "film" / "f03.webp").unlink()
    with pytest.raises(InputError, match="cannot be read"):
        report_html(tmp_path)
    (tmp_path / "film.json").unlink()
    assert "data:image/webp" not in report_html(tmp_path)


def test_report_on_a_face_says_why_there_is_no_film(tmp_path: Path) -> None:
    write_run(tmp_path, ForgetConfig((Person("Ada Brook"),), encoder="image"), [])
    assert "there is no film" in report_html(tmp_path)


def test_config_of_a_run_before_there_was_a_film_can_be_read() -> None:
    values = {name: value for name, value in json.loads(ForgetConfig((Person("Ada Brook"),)).to_json()).items() if name != "film"}
    assert ForgetConfig.from_json(json.dumps(values)).film


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path: Path) -> Iterator[None]:
    yield
    assert not list(tmp_path.rglob(f"{SO_FAR}/*"))
