"""The attack on somebody of whom there are no photos: on portraits that the original draws, before and after."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.miniature import MEMBERS
from tests.support.short_runs import short_config
from unlearn.attacks.figures import DRAWN
from unlearn.config import DrawnPhotosConfig, ForgetConfig, IdiaConfig, Person, Settings
from unlearn.errors import ConfigError, JobCancelled, UnlearnError
from unlearn.models.suite import suite_of
from unlearn.progress import Progress
from unlearn.runs import forgetting, questions
from unlearn.runs.photos import kept_photos
from unlearn.runs.results import read_results

NAME = "Zadie Quill"  # nobody of the world


@pytest.fixture(scope="module")
def lonely(miniature: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The miniature without its world: CLIP, Stable Diffusion and defaults."""
    root = tmp_path_factory.mktemp("lonely") / "set"
    root.mkdir()
    for part in ("clip", "stable-diffusion", "defaults.json"):
        (root / part).symlink_to(miniature / part)
    return root


@pytest.fixture(scope="module")
def run(lonely: Path, shared: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("drawn") / "run"
    forgetting.forget(replace(short_config(lonely, Person(NAME)), opponent="quick"), shared, out)
    return out


def test_typed_name_alone_is_attacked_before_and_after_on_drawn_portraits(run: Path) -> None:
    results = read_results(run)
    (person,) = results.idia.persons
    assert person.n_images == 5 and len(person.templates) == 21
    assert person.original.recognised is not None and person.defended.recognised is not None
    assert person.original.photos == person.defended.photos == DRAWN
    drawn = results.metrics.drawn_photos
    assert drawn is not None and (drawn.source, drawn.n_portraits, drawn.n_persons, drawn.n) == (DRAWN, 5, 1, 2)
    assert [control.original.photos for control in results.idia.controls] == [DRAWN, DRAWN]
    assert results.metrics.control.n == 0, "drawn names are no strangers with photos"
    assert results.metrics.never_met is not None and results.metrics.never_met.n_strangers == 2
    assert results.recovery.attacks


def test_predictions_of_drawn_pictures_say_what_they_are(run: Path) -> None:
    rows = read_results(run).predictions
    assert len(rows) == 2 and {row.photos for row in rows} == {DRAWN}
    assert all((run / str(row.photo)).is_file() for row in rows)
    assert len(rows[0].labels) == 4, "the name, the neutral term, and the two controls"


def test_report_and_metrics_say_that_the_pictures_are_no_photographs(run: Path) -> None:
    page = " ".join(re.sub(r"<[^>]+>", " ", (run / "report.html").read_text("utf-8")).split())
    assert page.count(DRAWN) >= 3
    assert "Control: of 2 unknown names, drawn in the same way" in page
    assert json.loads((run / "metrics.json").read_text())["drawn_photos"]["source"] == DRAWN


def test_later_questions_see_the_same_pictures(run: Path, lonely: Path, shared: Settings) -> None:
    first = read_results(run).idia.persons[0]
    again = questions.attack(shared, str(lonely), Person(NAME.lower()), weights=run, idia=read_results(run).config.idia)
    assert again.is_drawn and again.n_images == 5
    assert questions.drawn_for(shared, str(lonely), Person(NAME), run=run) is None, "the run has kept what it drew"
    assert questions.probe(shared, run, [NAME])[0]["original"]["correct_templates"] == first.original.correct_templates
    kept = kept_photos(run, read_results(run).config.persons)
    assert set(kept.original) == set(kept.defended) == {NAME, *(control.name for control in read_results(run).idia.controls)}


def test_pictures_of_a_person_are_kept_nowhere_but_in_the_run(lonely: Path, settings: Settings, tmp_path: Path) -> None:
    forgetting.forget(short_config(lonely, Person(NAME)), settings, tmp_path / "run")
    cached = [path for path in settings.data_dir.rglob("*") if path.is_file() and "drawings" in path.parts]
    assert len(cached) == 1, "the controls', who are nobody"
    before = cached[0].read_bytes()
    forgetting.forget(short_config(lonely, Person("Other Quill")), settings, tmp_path / "other")
    assert [path.read_bytes() for path in settings.data_dir.rglob("*") if path.is_file() and "drawings" in path.parts] == [before]


def test_photos_of_the_world_or_of_a_user_come_first(miniature: Path, shared: Settings) -> None:
    assert questions.drawn_for(shared, str(miniature), Person(MEMBERS[0])) is None
    drawn = questions.drawn_for(shared, str(miniature), Person(NAME))
    assert drawn is not None and len(drawn.pictures) == 5 and drawn.pictures[0].shape == (32, 32, 3)


def test_nothing_is_drawn_where_the_setting_says_so(lonely: Path, shared: Settings, tmp_path: Path) -> None:
    config = replace(short_config(lonely, Person(NAME)), drawn_photos=DrawnPhotosConfig(n_portraits=0))
    metrics = forgetting.forget(config, shared, tmp_path / "run")
    assert metrics.persons[0].idia.original.recognised is None and metrics.drawn_photos is None


def test_drawing_can_be_cancelled_and_leaves_no_run(lonely: Path, shared: Settings, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.note.startswith("drawing for the attack, 1"):
            raise JobCancelled(progress.step)

    with pytest.raises(JobCancelled):
        forgetting.forget(short_config(lonely, Person(NAME)), shared, tmp_path / "run", report=stop)
    assert not (tmp_path / "run" / "manifest.json").exists()


def test_controls_are_unknown_names_and_none_that_a_run_uses(lonely: Path, shared: Settings) -> None:
    from unlearn.runs.drawn_photos import control_names

    suite = suite_of(str(lonely), shared)
    first = control_names(suite, 3, [])
    assert len(set(first)) == 3
    assert control_names(suite, 3, [first[0].upper()])[:2] == first[1:]


@pytest.mark.parametrize("values", [{"n_portraits": 101}, {"n_controls": 21}, {"n_steps": 0}, {"size_px": 60}, {"n_portraits": -1}])
def test_settings_out_of_range_raise(values: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        DrawnPhotosConfig(**values)


@pytest.mark.parametrize(("n_portraits", "min_images"), [(3, 4), (5, 6)])
def test_fewer_portraits_than_the_attack_takes_are_refused(n_portraits: int, min_images: int) -> None:
    drawn = DrawnPhotosConfig(n_portraits)
    with pytest.raises(ConfigError, match=f"use 0 .none are drawn., or {min_images} or more"):
        ForgetConfig((Person(NAME),), drawn_photos=drawn, idia=IdiaConfig(min_images=min_images))
    assert ForgetConfig((Person(NAME),), drawn_photos=drawn, idia=IdiaConfig(min_images=n_portraits)).drawn_photos == drawn


def test_config_with_drawn_photos_is_written_and_read_again() -> None:
    config = ForgetConfig((Person(NAME),), drawn_photos=DrawnPhotosConfig(8, 2, 4, 64))
    assert ForgetConfig.from_json(config.to_json()) == config
    with pytest.raises(UnlearnError):
        ForgetConfig.from_json(config.to_json().replace('"n_controls": 2', '"n_controls": 2.5'))
