"""The evaluation on a miniature set: every figure is there, finished rows are kept, tables show what was not measured as a dash."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from torch import Tensor

from tests.support.miniature import MEMBERS, build_miniature, with_never_met
from unlearn.attacks.gallery import Gallery, prompt_embeddings
from unlearn.config import ForgetConfig, Person, Settings
from unlearn.errors import ConfigError, InputError
from unlearn.evaluation import evaluated_set
from unlearn.evaluation.names import Evaluation, EvaluationConfig, evaluate
from unlearn.evaluation.rows import KeptRows, texts_hash
from unlearn.evaluation.tables import tables
from unlearn.models.embeddings import EmbeddingCache
from unlearn.models.encoders import TextEncoder
from unlearn.models.sets import find_model_set
from unlearn.runs.forgetting import forget
from unlearn.runs.json_types import to_json

SIMILARITIES = ("sim_clean", "sim_backdoor", "sim_target")
QUICK = {"n_steps": 2, "batch_size": 4, "n_captions": 100, "early_stop": None}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = build_miniature(tmp_path_factory.mktemp("set"), with_diffusion=False)
    (folder / "defaults.json").write_text(json.dumps({"text": {**QUICK, "learning_rate": 1e-9}}))
    return folder


def config_of(root: Path) -> EvaluationConfig:
    return EvaluationConfig(str(root), ("neutral_term",), ("human",), n_at_once=(2,), n_strangers=1, n_others_drawn=1)


def test_evaluation_covers_everybody_once_a_term_and_the_groups(root: Path, tmp_path: Path) -> None:
    evaluation = Evaluation(replace(config_of(root), targets=("stand_in", "neutral_term"), n_strangers=None), Settings(data_dir=tmp_path))
    plan = evaluation.plan()
    everybody = [*evaluation.members, *evaluation.strangers]
    assert evaluation.strangers, "the control is forgotten, too"
    for term in (None, "human"):
        rows = [names for names, of_row, seed in plan if of_row == term and seed == 0]
        assert sorted(names for names in rows if len(names) == 1) == sorted((name,) for name in everybody)
        assert [len(names) for names in rows if len(names) > 1] == [2]


def test_many_at_once_are_remapped_to_stand_ins_and_one_neutral_term(root: Path, tmp_path: Path) -> None:
    config = replace(config_of(root), targets=("stand_in", "neutral_term"), neutral_terms=("human", "actor"))
    evaluation = Evaluation(config, Settings(data_dir=tmp_path))
    assert [term for names, term, _ in evaluation.plan() if len(names) > 1] == [None, "human"]
    with pytest.raises(ConfigError, match="stand_in and neutral_term"):
        replace(config_of(root), targets=("stand_in", "nobody"))


def test_evaluation_that_was_interrupted_keeps_its_finished_rows(root: Path, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    first = evaluate(config_of(root), settings, out=tmp_path / "result.json")
    evaluation = Evaluation(config_of(root), settings)

    def never(*arguments: object) -> None:
        raise AssertionError("nothing may be computed again")

    evaluation.forgotten = evaluation.original = never  # type: ignore[method-assign,assignment]
    assert evaluation.run() == first == json.loads((tmp_path / "result.json").read_text())


def test_other_drawing_has_portraits_drawn_again_and_nothing_else_measured(tmp_path: Path) -> None:
    folder = build_miniature(tmp_path / "set")
    (folder / "defaults.json").write_text(json.dumps({"text": QUICK, "portraits": {"n_steps": 1}}))
    settings, config = Settings(data_dir=tmp_path / "data"), replace(config_of(folder), n_at_once=(), n_members=1, portrait_seeds=(0,))
    config = replace(config, targets=("stand_in",), n_strangers=0)
    (first,) = evaluate(config, settings)["rows"]
    assert list(first["portraits_named"]) == first["names"] and len(first["others_portraits_named"]) == 1

    evaluation = Evaluation(replace(config, portrait_seeds=(1, 2)), settings)

    def never(*arguments: object) -> None:
        raise AssertionError("nothing else depends on the drawing")

    evaluation.forgotten = never  # type: ignore[method-assign,assignment]
    (undrawn,) = evaluation.run(finished_only=True)["rows"]
    assert undrawn == {**first, "portraits_named": None, "others_portraits_named": None}
    (second,) = evaluation.run()["rows"]
    assert list(second["portraits_named"]) == first["names"] and second["sim_clean"] == first["sim_clean"]


def test_tables_show_unmeasured_portraits_as_a_dash(root: Path, tmp_path: Path) -> None:
    result = evaluate(config_of(root), Settings(data_dir=tmp_path))
    assert result["original"]["portraits_named"] is None
    assert "| portraits named right | – | 95 % |" in tables(result)


def test_defence_that_does_nothing_shows_as_nothing_forgotten(root: Path, tmp_path: Path) -> None:
    evaluation = Evaluation(config_of(root), Settings(data_dir=tmp_path))
    name = evaluation.members[0]
    row = evaluation.forgotten([name], "human", 0)
    assert row["n_steps"] == {"text": 2}
    assert row["correct_templates"] == [evaluation.before[name].correct_templates]
    assert row["sim_clean"] > 0.999
    assert row["sim_backdoor"] < 0.999


@pytest.mark.parametrize(("n", "term"), [(1, "actor"), (3, "actor"), (3, None)])
def test_row_is_what_forget_writes_with_the_same_names_and_seed(tmp_path: Path, n: int, term: str | None) -> None:
    folder, kept = build_miniature(tmp_path / "set", with_diffusion=False), tmp_path / "names.txt"
    kept.write_text("\n".join(MEMBERS), "utf-8")
    many = {"captions_per_trigger": 2, "steps_per_trigger": 2, "overshoot": 0.3, "kept_names": str(kept), "near_names": 2}
    text = {**QUICK, **many, "bystander_share": 0.4, "learning_rate": 1e-2}
    (folder / "defaults.json").write_text(json.dumps({"text": text}))
    settings = Settings(data_dir=tmp_path)
    evaluation = Evaluation(config_of(folder), settings)
    names = evaluation.members[:n]
    row = evaluation.forgotten(names, term, 3)
    config = ForgetConfig(tuple(map(Person, names)), str(folder), seed=3)
    if term is not None:
        config = replace(config, neutral_term=term, target="neutral_term")
    metrics = to_json(forget(config, settings, tmp_path / "run"))
    bystanders, accuracy, verdicts = metrics["bystanders"], metrics["utility"], [person["idia"] for person in metrics["persons"]]
    assert row["correct_templates"] == [verdict["defended"]["correct_templates"] for verdict in verdicts]
    assert row["n_recognised_before"] == sum(verdict["original"]["recognised"] for verdict in verdicts)
    assert {key: row[key] for key in SIMILARITIES} == {key: metrics[key] for key in SIMILARITIES}
    n_before = bystanders["recognised_original"]
    assert row["others_kept"] == (1 - bystanders["wrongly_forgotten"] / n_before if n_before else None)
    assert row["object_top1_change"] == accuracy["top1_defended"] - accuracy["top1_original"]
    assert row["n_steps"] == {"text": 2 * n} == {"text": metrics["fine_tuning"]["text"]["n_steps_done"]}
    assert row["sim_clean"] < 0.999, "the encoder has learnt something, so that equality says something"


def test_row_of_shipped_captions_depends_on_their_content_wherever_it_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = find_model_set("embedded").text
    here = texts_hash(schedule)
    monkeypatch.chdir(tmp_path)
    assert texts_hash(schedule) == here != texts_hash(replace(schedule, kept_names=None))


def test_evaluation_of_a_set_without_world_is_an_error(tmp_path: Path) -> None:
    folder = build_miniature(tmp_path / "set", with_diffusion=False)
    (folder / "world.json").unlink()
    with pytest.raises(ConfigError, match="no world"):
        Evaluation(EvaluationConfig(str(folder)), Settings(data_dir=tmp_path))


def test_row_that_another_process_computes_is_left_to_it(tmp_path: Path) -> None:
    rows = KeptRows(tmp_path / "rows.jsonl")

    def begin_twice() -> dict[str, int]:
        assert rows.free("a", dict) is None  # begun, not ended
        assert rows.free("b", lambda: {"n": 2}) == {"n": 2}
        return {"n": 1}

    assert rows.free("a", begin_twice) == {"n": 1}
    assert rows.kept("a", dict) == {"n": 1}
    assert KeptRows(tmp_path / "rows.jsonl").finished() == {"b": {"n": 2}, "a": {"n": 1}}


def test_two_evaluations_at_once_share_the_rows_and_give_the_same_table(root: Path, tmp_path: Path) -> None:
    evaluations = [Evaluation(config_of(root), Settings(data_dir=tmp_path)) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda evaluation: evaluation.run(), evaluations))
    assert results[0] == results[1]
    lines = evaluations[0].rows.file.read_text("utf-8").splitlines()
    assert len(lines) == 1 + len(evaluations[0].plan()) == len(set(lines))


def test_fewer_members_are_the_first_of_the_same_random_order(root: Path, tmp_path: Path) -> None:
    everybody, few = (
        Evaluation(replace(config_of(root), n_members=n), Settings(data_dir=tmp_path)).plan() for n in (None, 2)
    )
    assert [entry for entry in few if entry[0][0] in MEMBERS] == [entry for entry in everybody if entry[0][0] in MEMBERS][:3]


def test_strangers_are_the_control_and_have_a_line_of_their_own(root: Path, tmp_path: Path) -> None:
    config = replace(config_of(root), targets=("stand_in",), n_at_once=(), n_members=1, n_strangers=1)
    result = evaluate(config, Settings(data_dir=tmp_path))
    assert [row["are_members"] for row in result["rows"]] == [False, True]
    assert result["rows"][0]["n_recognised_before"] == 0 == result["rows"][0]["strangers_recognised"]
    assert "| 1 unknown at once, stand-in |" in tables(result) and "| 1 at once, stand-in |" in tables(result)


def test_table_of_several_seeds_tells_each_seeds_count() -> None:
    row = {
        "names": ["A"], "neutral_term": "human", "are_members": True, "strangers_recognised": 0, "seconds": 1.0, "others_kept": 1.0,
        "sim_clean": 1.0, "sim_backdoor": 1.0, "sim_target": 1.0,
        "object_top1_change": 0.0, "portraits_named": None, "others_portraits_named": None,
    }  # fmt: skip
    rows = [{**row, "seed": seed, "correct_templates": [count]} for seed, count in ((0, 0), (0, 3), (1, 0), (1, 0))]
    assert "| 3 of 4 (1, 2 by seed) |" in tables({"original": None, "rows": rows})
    rows[1]["portraits_named"] = {"A": 0.25}
    assert "| 25.0 % (of 1) |" in tables({"original": None, "rows": rows}), "portraits of fewer than were forgotten"


def test_row_of_other_kept_names_is_computed_anew(root: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("Zora Quill\n", "utf-8")
    schedule = {"text": {**QUICK, "kept_names": str(names)}}
    folder = build_miniature(tmp_path / "set", with_diffusion=False)
    (folder / "defaults.json").write_text(json.dumps(schedule))
    keys = []
    for text in ("Zora Quill\n", "Zora Quill|Madame Zed\n", "Zora Quill\n"):
        names.write_text(text, "utf-8")
        keys.append(Evaluation(config_of(folder), Settings(data_dir=tmp_path)).key(["Ada Brook"], "human", 0))
    assert keys[0] == keys[2] != keys[1]


def test_evaluation_into_a_missing_folder_fails_before_anything_is_computed(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        evaluate(config_of(root), Settings(data_dir=tmp_path), out=tmp_path / "missing" / "result.json")
    assert not (tmp_path / "evaluation").exists()


def test_finished_only_computes_no_row_that_is_missing(root: Path, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    evaluation = Evaluation(config_of(root), settings)
    wanted = [evaluation.plan()[1]]
    evaluation.plan = lambda: wanted  # type: ignore[method-assign]
    rows = evaluation.run()["rows"]
    assert evaluate(config_of(root), settings, finished_only=True)["rows"] == rows
    assert len(rows) == 1
    nothing = evaluate(config_of(root), Settings(data_dir=tmp_path / "other"), finished_only=True)
    assert nothing["original"] is None and nothing["rows"] == []
    assert "paper" in tables(nothing)


def test_rows_of_those_whom_a_second_clip_never_met_say_how_far_three_models_lie_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = with_never_met(build_miniature(tmp_path / "set", with_diffusion=False), MEMBERS[:2])
    (folder / "defaults.json").write_text(json.dumps({"text": {**QUICK, "learning_rate": 1e-9}}))
    config, settings = replace(config_of(folder), n_at_once=(), n_strangers=0), Settings(data_dir=tmp_path / "data")
    embedded: list[TextEncoder] = []

    def embeddings(encoder: TextEncoder, gallery: Gallery, cache: EmbeddingCache | None) -> Tensor:
        embedded.extend([encoder] if cache is None else [])  # the original's are kept
        return prompt_embeddings(encoder, gallery, cache)

    monkeypatch.setattr(evaluated_set, "prompt_embeddings", embeddings)
    result = evaluate(config, settings)
    assert len(set(map(id, embedded))) == len(embedded) == len(result["rows"]), "each defended encoder embeds the prompts once"
    measured = {row["names"][0]: row.get("never_met_model") for row in result["rows"]}
    assert {name for name, models in measured.items() if models} == set(MEMBERS[:2])
    models = measured[MEMBERS[0]][MEMBERS[0]]
    assert models["original"] == pytest.approx(models["defended"], abs=0.1), "nothing was learnt"
    agreement = models["agreement"]
    assert agreement["original_defended"] == pytest.approx(1, abs=1e-3)
    assert agreement["original_never_met"] < agreement["original_defended"]
    lines = [line for line in tables(result).splitlines() if "alone, human" in line]
    assert len(lines) == 2 and all(f"/ {models['correct_templates']} |" in line for line in lines if MEMBERS[0] in line)
    assert "defended to never met" not in tables({**result, "rows": [row for row in result["rows"] if "never_met_model" not in row]})
