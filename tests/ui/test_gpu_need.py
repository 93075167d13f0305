"""How long a job asks for a GPU: more for more work, nothing where none is needed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ui.server.gpu_need import LOAD_S, PREPARE_FACES, gpu_need
from unlearn.config import EarlyStop, ForgetConfig, IdiaConfig, ImageFineTuneConfig, Person, PortraitConfig, Settings, TextFineTuneConfig
from unlearn.jobs import GpuNeed, Task
from unlearn.models.sets import list_model_sets
from unlearn.runs.results import PREPARED

RUN = "r" * 22
DRAWING = {"seeds": [0, 1], "texts": [], "n_steps": 50, "guidance_scale": 7.5}


def need_of(request: dict[str, Any], folder: Path, device: str = "auto") -> GpuNeed:
    return gpu_need(Task("job", f"ui.worker.tasks:{request['kind']}", request, folder, Settings(device=device).to_plain()))


def forget(faces: bool = False, model_set: str = "sd14", n_persons: int = 1, device: str = "auto", **fields: Any) -> GpuNeed:
    persons = tuple(Person(f"Person Number{chr(97 + number // 26)}{chr(97 + number % 26)}") for number in range(n_persons))
    config = ForgetConfig(persons, model_set, **fields)
    rows = [{"name": persons[0].name, "folder": "p00", "crops": False}] if faces else []
    return need_of({"kind": "forget", "config": json.loads(config.to_json()), "faces": rows}, Path("unused"), device)


def seconds(need: GpuNeed) -> float:
    assert need.seconds is not None
    return need.seconds


def ask(data: Path, kind: str, model_set: str = "sd14", run: str = RUN, **request: Any) -> GpuNeed:
    folder = data / "runs" / RUN
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(ForgetConfig((Person("Some Body"),), model_set).to_json(), "utf-8")
    (folder / "manifest.json").write_text("{}", "utf-8")
    return need_of({"kind": kind, "run": run, **request}, data / "runs" / "question")


def test_shipped_set_and_search_for_faces_need_no_gpu(tmp_path: Path) -> None:
    assert forget(model_set="embedded") == GpuNeed(0.0)
    assert forget(model_set="embedded+none", n_persons=64, faces=True) == GpuNeed(0.0)
    assert need_of({"kind": "faces", "name": "Some Body", "crops": False}, tmp_path) == GpuNeed(0.0)
    for kind, request in (("probe", {"texts": ["a"]}), ("predict", {}), ("portraits", DRAWING), ("attack", {"idia": {}})):
        assert ask(tmp_path, kind, "embedded", **request) == GpuNeed(0.0)
        assert ask(tmp_path, kind, "sd14", PREPARED, **request) == GpuNeed(0.0), "the prepared example is of the shipped set"
        assert seconds(ask(tmp_path, kind, "sd14", **request)) > LOAD_S


def test_film_takes_a_little_time_unless_it_is_left_out() -> None:
    whole = seconds(forget())
    assert 0 < whole - seconds(forget(film=False)) < 0.15 * whole
    assert seconds(forget(model_set="sd14+none", film=False)) == seconds(forget(model_set="sd14+none"))


@pytest.mark.parametrize("model_set", ["sd14", "embedded+CompVis/stable-diffusion-v1-4", "embedded@gelu+/some/folder"])
def test_full_size_models_need_a_gpu_unless_the_server_may_use_none(model_set: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNLEARN_DEVICE", "cpu")  # of no effect: the server's settings come with the task
    assert seconds(forget(model_set=model_set)) > LOAD_S
    assert forget(model_set=model_set, device="cpu") == GpuNeed(0.0)


def test_server_that_shall_use_cuda_asks_for_a_gpu_for_the_shipped_set_too() -> None:
    assert seconds(forget(model_set="embedded", device="cuda")) > LOAD_S


def test_short_questions_ask_for_little(tmp_path: Path) -> None:
    assert seconds(ask(tmp_path, "probe", texts=["a", "b"])) < 20.0
    assert seconds(ask(tmp_path, "predict", labels=["a", "b"])) < 20.0


def test_opponent_asks_for_what_its_attacks_may_take(tmp_path: Path) -> None:
    def of(*attacks: str, budget: str) -> float:
        return seconds(ask(tmp_path, "recover", attacks=list(attacks), budget=budget))

    assert LOAD_S < of("aliases", budget="quick") < of(budget="quick") < of(budget="full") <= 200.0
    assert seconds(ask(tmp_path, "own_try", texts=["a"])) < 20.0


def test_need_grows_with_the_work(tmp_path: Path) -> None:
    few, many = (seconds(ask(tmp_path, "portraits", **{**DRAWING, "n_steps": n})) for n in (10, 100))
    assert 5.0 < many - few < 30.0
    assert seconds(ask(tmp_path, "portraits", **{**DRAWING, "texts": ["a"] * 10})) > seconds(ask(tmp_path, "portraits", **DRAWING)) + 20.0
    small, large = (seconds(ask(tmp_path, "attack", idia={"n_candidate_names": n}, own_photos=True)) for n in (100, 10_000))
    assert large > 5 * small
    assert 10.0 < seconds(ask(tmp_path, "attack", idia={"n_candidate_names": 100})) - small < 30.0, "without photos portraits are drawn"


def test_forgetting_needs_more_for_more_steps_persons_portraits_and_encoders() -> None:
    plain = seconds(forget())
    one_portrait, all_steps = PortraitConfig(seeds=(0,), n_steps=10), TextFineTuneConfig(n_steps=2000)
    assert seconds(forget(portraits=one_portrait)) < plain < seconds(forget(n_persons=4)) < seconds(forget(n_persons=8))
    assert seconds(forget(n_persons=64)) == seconds(forget(n_persons=8)), "portraits of eight are drawn, and the paper's steps stay"
    assert seconds(forget(text=all_steps)) > 2 * plain
    assert seconds(forget(text=replace(all_steps, early_stop=EarlyStop()))) < seconds(forget(text=all_steps))
    assert seconds(forget(text=replace(all_steps, steps_per_trigger=20), n_persons=64)) > seconds(forget(text=all_steps, n_persons=64))
    assert seconds(forget(encoder="both")) > seconds(forget(encoder="image")) > 0
    assert seconds(forget(idia=IdiaConfig(n_candidate_names=10_000))) > plain
    for target, given in (("stand_in", "face_targets"), ("neutral_term", "average_face_photos")):
        drawn, read = ImageFineTuneConfig(), ImageFineTuneConfig(**{given: "folder"})  # type: ignore[arg-type]
        assert seconds(forget(encoder="image", target=target, image=read)) < seconds(forget(encoder="image", target=target, image=drawn))


def test_photos_are_looked_at_before_a_gpu_is_asked_for() -> None:
    assert forget(faces=True, encoder="image").before == PREPARE_FACES
    assert forget(faces=False).before == "" == forget(model_set="embedded", faces=True).before


def test_one_name_without_dial_and_film_fits_two_minutes_with_most_sets() -> None:
    fits = {one.name for one in list_model_sets() if seconds(forget(model_set=one.name, dial=False, film=False)) <= 120}
    assert {"embedded", "sd14", "vit-b-32", "vit-b-16", "rn50"} <= fits


def test_dial_takes_a_little_time_unless_it_is_left_out_and_the_check_draws_two_pictures(tmp_path: Path) -> None:
    whole = seconds(forget())
    assert 0 < whole - seconds(forget(dial=False)) < 0.1 * whole
    assert seconds(forget(model_set="sd14+none", dial=False)) == seconds(forget(model_set="sd14+none"))
    for kind in ("audience", "verify"):
        assert ask(tmp_path, kind, "embedded", seed=1, person=0) == GpuNeed(0.0)
        assert LOAD_S < seconds(ask(tmp_path, kind, seed=1, person=0)) < seconds(ask(tmp_path, "portraits", **DRAWING))


def test_whether_somebody_is_known_needs_no_gpu_with_the_shipped_set(tmp_path: Path) -> None:
    needs = {name: need_of({"kind": "recognise", "model_set": name}, tmp_path) for name in ("embedded", "sd14")}
    assert needs["embedded"] == GpuNeed(0.0) and seconds(needs["sd14"]) > LOAD_S


def test_work_of_an_unknown_kind_may_take_as_long_as_is_allowed(tmp_path: Path) -> None:
    assert ask(tmp_path, "new") == GpuNeed(None)
