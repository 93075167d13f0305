"""The bench: its points on small models, and that it tells the truth about targets it can check quickly."""

from pathlib import Path

import pytest
import torch

from tests.support.miniature import MEMBERS
from tests.support.tiny_encoder import tiny_image_encoder
from unlearn.bench import images, oracle_texts, processes, schedules
from unlearn.bench import points as bench
from unlearn.bench.timing import BenchConfig, compared, first_name, is_met, machine
from unlearn.config import Settings
from unlearn.errors import ConfigError


def test_points_are_letters_of_the_known_ones() -> None:
    assert BenchConfig("ad").points == "ad"
    for points in ("", "ax"):
        with pytest.raises(ConfigError, match="Points"):
            BenchConfig(points)


def test_compared_takes_medians_and_the_ratio_of_the_oracle_to_ours() -> None:
    figures = compared([1.0, 2.0, 30.0], [8.0, 10.0, 9.0])
    assert figures == {"seconds": 2.0, "oracle_seconds": 9.0, "ratio": 4.5, "n": 3}


def test_first_name_is_a_member_or_a_random_name_where_the_set_has_no_world(miniature: Path) -> None:
    assert first_name(str(miniature)) == MEMBERS[0]
    assert len(first_name("vit-b-32").split()) == 2


def test_oracle_is_found_and_machine_described() -> None:
    assert callable(oracle_texts.Defence)
    assert machine()["torch"] == torch.__version__


def test_portraits_equal_those_of_two_pipelines(miniature: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_peak", lambda *arguments: 1_000)
    monkeypatch.setattr(processes, "ROUNDS", 1)
    figures = processes.portraits(BenchConfig("d", str(miniature)), settings)
    assert figures["difference_levels"] <= 2
    assert figures["memory_ratio"] == 1 and figures["ratio"] > 0


def test_steps_equal_those_of_the_oracle_on_small_encoders(
    original: object, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unlearn.bench.texts.full_size_text", lambda: original.text)
    for measure in (bench.text_step, bench.hidden_step):
        figures = measure(BenchConfig(batch_size=6, n_steps=2), settings)
        assert figures["loss_difference"] < 1e-4
        assert figures["n"] == 2 and figures["ratio"] > 0


def test_prompts_equal_those_of_the_oracle_on_a_small_encoder(
    original: object, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unlearn.bench.texts.full_size_text", lambda: original.text)
    figures = bench.attack_prompts(BenchConfig(n_names=30), settings)
    assert figures["embedding_difference"] < 1e-5
    assert figures["cache_ratio"] > 1


@pytest.mark.parametrize(
    ("figures", "met"),
    [
        ({"ratio": 5.0, "difference": 1e-4}, True), ({"ratio": 4.9, "difference": 1e-4}, False),
        ({"ratio": 5.0, "difference": 2e-4}, False), ({"ratio": 5.0, "difference": None}, None),
    ],
)  # fmt: skip
def test_target_is_met_when_all_its_conditions_hold(figures: dict[str, float | None], met: bool | None) -> None:
    assert is_met({**figures, "target": "ratio >= 5 and difference <= 1e-4"}) is met


def test_schedule_that_is_timed_is_measured_too_and_one_that_forgets_nobody_meets_no_target(miniature: Path, settings: Settings) -> None:
    figures = schedules.schedules(BenchConfig("e", str(miniature), n_paper_steps=1), settings)
    assert figures["ratio"] > 0 and figures["n_steps"] == 4
    assert figures["correct_templates"] is not None and figures["original_templates"] is not None
    assert is_met(figures) is (figures["correct_templates"] == 0 and figures["ratio"] >= 3 and figures["sim_backdoor"] >= 0.95)


@pytest.mark.slow
def test_whole_run_of_the_embedded_set_forgets_what_it_times(settings: Settings) -> None:
    figures = processes.whole_run(BenchConfig("f"), settings)
    (person,) = figures["persons"]
    assert person["idia"]["original"]["recognised"] and person["idia"]["defended"]["correct_templates"] == 0


@pytest.mark.slow
def test_full_size_points_equal_the_oracle(settings: Settings) -> None:
    config = BenchConfig(batch_size=8, n_steps=3, n_names=4)
    assert bench.text_step(config, settings)["loss_difference"] <= 1e-4
    assert bench.attack_prompts(config, settings)["embedding_difference"] <= 1e-5


def _small_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "full_size_image", tiny_image_encoder)
    monkeypatch.setattr(images, "random_pictures", lambda n, seed, side=32: _pictures(n, seed, 32))
    monkeypatch.setattr(images, "EMBED_DIM", 32)
    monkeypatch.setattr(images, "ROUNDS", 1)


_pictures = images.random_pictures


def test_image_steps_equal_those_of_the_oracle_on_a_small_encoder(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    _small_images(monkeypatch)
    figures = images.image_step(BenchConfig(batch_size=12, n_steps=2), settings)
    assert figures["loss_difference"] < 1e-4
    assert figures["n"] == 2 and figures["batch"] == [6, 6]


def test_trigger_images_are_timed_against_the_loop_over_pil(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    _small_images(monkeypatch)
    monkeypatch.setattr(images, "N_TRIGGERS", 8)
    figures = images.trigger_images(BenchConfig(), settings)
    assert figures["n_images"] == 8 and figures["ratio"] > 0


def test_many_faces_gives_a_slope(miniature: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "FACE_COUNTS", (1, 3))
    figures = images.many_faces(BenchConfig("j", str(miniature)), settings)
    assert set(figures["seconds"]) == {"1", "3"} and isinstance(figures["seconds_per_further_face"], float)
