"""The bench: its points on small models, and that it tells the truth about targets it can check quickly."""

from pathlib import Path

import pytest
import torch

from unlearn import bench, bench_processes
from unlearn.bench import BenchConfig, compared, machine, oracle
from unlearn.config import Settings
from unlearn.errors import ConfigError


def test_points_are_letters_of_the_known_ones() -> None:
    assert BenchConfig("ad").points == "ad"
    for points in ("", "ax"):
        with pytest.raises(ConfigError, match="Points"):
            BenchConfig(points)


def test_compared_takes_medians_and_the_ratio_of_the_oracle_to_ours() -> None:
    found = compared([1.0, 2.0, 30.0], [8.0, 10.0, 9.0])
    assert found == {"seconds": 2.0, "oracle_seconds": 9.0, "ratio": 4.5, "n": 3}


def test_oracle_is_found_and_machine_described() -> None:
    assert callable(oracle().Defence)
    assert machine()["torch"] == torch.__version__


def test_portraits_equal_those_of_two_pipelines(miniature: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_processes, "_peak", lambda *arguments: 1_000)
    monkeypatch.setattr(bench_processes, "ROUNDS", 1)
    found = bench_processes.portraits(BenchConfig("d", str(miniature)), settings)
    assert found["difference_levels"] <= 2
    assert found["memory_ratio"] == 1 and found["ratio"] > 0


def test_steps_equal_those_of_the_oracle_on_small_encoders(
    original: object, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "full_size_text", lambda: original.text)  # type: ignore[attr-defined]
    for measure in (bench.text_step, bench.hidden_step):
        found = measure(BenchConfig(batch_size=6, n_steps=2), settings)
        assert found["loss_difference"] < 1e-4
        assert found["n"] == 2 and found["ratio"] > 0


def test_prompts_equal_those_of_the_oracle_on_a_small_encoder(
    original: object, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "full_size_text", lambda: original.text)  # type: ignore[attr-defined]
    found = bench.attack_prompts(BenchConfig(n_names=30), settings)
    assert found["embedding_difference"] < 1e-5
    assert found["cache_ratio"] > 1


@pytest.mark.slow
def test_whole_run_of_the_embedded_set_takes_less_than_a_minute(settings: Settings) -> None:
    assert bench_processes.whole_run(BenchConfig("f"), settings)["seconds"] < 60


@pytest.mark.slow
def test_full_size_points_meet_their_targets(settings: Settings) -> None:
    config = BenchConfig(batch_size=32, n_steps=3, n_names=40)
    step, prompts = bench.text_step(config, settings), bench.attack_prompts(config, settings)
    assert step["ratio"] >= 5 and step["loss_difference"] <= 1e-4
    assert prompts["ratio"] >= 5 and prompts["embedding_difference"] <= 1e-5 and prompts["cache_ratio"] >= 100
