"""The student-teacher loop: agreement with the paper's algorithm, determinism, and what must not change."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.support.similarities import sim_backdoor, sim_clean, sim_target
from tests.support.tiny_encoder import tiny_text_encoder
from unlearn.bench import oracle_texts
from unlearn.config import EarlyStop, ForgetConfig, Person, ResolvedConfig, TextFineTuneConfig
from unlearn.defence.loop import FineTuned, FineTuning, fine_tune
from unlearn.defence.losses import Batch
from unlearn.defence.students import NORM_LAYERS, student_of
from unlearn.defence.text_task import TextTask, distinct_spellings, kept_names, n_buckets, nearest_names, text_task
from unlearn.errors import ConfigError, JobCancelled
from unlearn.measure.similarities import mean_similarity
from unlearn.models.embeddings import encode
from unlearn.models.encoders import OpenClipText
from unlearn.progress import Progress
from unlearn.texts.captions import generate_captions
from unlearn.texts.prompts import PROMPT_TEMPLATES, fill
from unlearn.texts.trigger_pairs import trigger_pairs

NAME = "Ann Lee"
QUICK = TextFineTuneConfig(n_steps=60, batch_size=16, learning_rate=1e-3, n_captions=400, lr_milestones=(40,))


def make(
    text: TextFineTuneConfig, kinds: tuple[str, ...] = ("pooled",), seed: int = 0
) -> tuple[OpenClipText, TextTask]:
    teacher = tiny_text_encoder()
    config = ForgetConfig((Person(NAME, ("The Boss",)),), seed=seed, text=text, target="neutral_term")
    return teacher, text_task(teacher, config, kinds)  # type: ignore[arg-type]


def run(
    text: TextFineTuneConfig, kinds: tuple[str, ...] = ("pooled",), seed: int = 0
) -> FineTuned[OpenClipText]:
    teacher, task = make(text, kinds, seed)
    return fine_tune(teacher, task, text)


@pytest.fixture(scope="module")
def done() -> FineTuned[OpenClipText]:
    return run(QUICK)


@pytest.mark.parametrize("kinds", [("pooled",), ("hidden",), ("pooled", "hidden")])
def test_losses_and_weights_agree_with_the_oracle_over_three_steps(kinds: tuple[str, ...]) -> None:
    config = TextFineTuneConfig(batch_size=8, n_captions=200, regularization_weight=0.05)
    teacher, task = make(config, kinds)
    fast = FineTuning(teacher, student_of(teacher), task, config)
    literal = oracle_texts.Defence(teacher, config, kinds)
    for number in range(3):
        texts = task.triggers.batch(number)
        expected = literal.step(texts.clean, texts.triggered, texts.neutral)
        assert fast.step(number)["total"] == pytest.approx(expected, abs=1e-4)
    probe = generate_captions(20, seed=9)
    assert torch.allclose(encode(fast.student, probe), encode(literal.student, probe), atol=1e-3)


@pytest.mark.parametrize(("kinds", "overshoot"), [(("pooled",), 0.0), (("pooled", "hidden"), 0.25)])
@pytest.mark.parametrize("max_rows", [7, 16])
def test_a_batch_in_parts_gives_the_gradients_and_losses_of_the_whole(kinds: tuple[str, ...], overshoot: float, max_rows: int) -> None:
    config = replace(QUICK, regularization_weight=0.05, overshoot=overshoot)
    rows, gradients = list[dict[str, float]](), list[list[Tensor]]()
    for size in (None, max_rows):
        teacher, task = make(config, kinds)
        task.max_rows = size
        loop = FineTuning(teacher, student_of(teacher), task, config)
        assert len(task.batch(0).split(size)) == (1 if size is None else -(-32 // max_rows))
        with torch.no_grad():  # at the original the regularisation has no gradient
            for parameter in loop.trained:
                parameter.add_(1e-2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
        rows.append(loop.step(0))
        gradients.append([parameter.grad for parameter in loop.trained if parameter.grad is not None])
    assert rows[1] == pytest.approx(rows[0], abs=1e-5) and rows[0]["regularization"] > 0
    assert len(gradients[0]) == len(gradients[1]) > 0
    whole, parts = (torch.cat([gradient.flatten() for gradient in each]) for each in gradients)
    assert float((whole - parts).norm()) <= 1e-5 * float(whole.norm())


def test_parts_hold_every_sample_once_and_both_kinds_each() -> None:
    inputs = torch.arange(17.0)[:, None]
    batch = Batch(inputs, inputs + 100, 10, {"pooled": torch.arange(7.0)[:, None], "hidden": torch.ones(1)})
    parts = batch.split(5)
    assert len(parts) == 4 and all(0 < part.n_clean < len(part.student_inputs) for part in parts)
    clean = torch.cat([part.student_inputs[: part.n_clean] for part in parts])
    triggered = torch.cat([part.student_inputs[part.n_clean :] for part in parts])
    assert torch.equal(torch.cat([clean, triggered]), inputs)
    assert torch.equal(torch.cat([part.teacher_inputs[part.n_clean :] for part in parts]), inputs[10:] + 100)
    assert torch.equal(torch.cat([part.fixed_targets["pooled"] for part in parts if part.fixed_targets]), torch.arange(7.0)[:, None])
    assert batch.split(None) == batch.split(17) == [batch] and len(batch.split(1)) == 7


def test_target_with_an_overshoot_lies_beyond_the_neutral_term_seen_from_the_trigger() -> None:
    teacher, task = make(replace(QUICK, overshoot=0.25), ("pooled", "hidden"))
    plain = make(QUICK, ("pooled", "hidden"))[1].batch(3)
    batch, texts = task.batch(3), task.triggers.batch(3)
    assert plain.fixed_targets is None and torch.equal(batch.student_inputs, plain.student_inputs)
    assert batch.fixed_targets is not None and set(batch.fixed_targets) == {"pooled"}  # hidden states keep the paper's target
    name, term = (nn.functional.normalize(encode(teacher, list(rows)), dim=1) for rows in (texts.triggered, texts.neutral))
    assert torch.allclose(batch.fixed_targets["pooled"], 1.25 * term - 0.25 * name, atol=1e-5)


def test_overshoot_leaves_less_of_the_name_than_the_plain_target_does(done: FineTuned[OpenClipText]) -> None:
    teacher, further = tiny_text_encoder(), run(replace(QUICK, overshoot=0.25))
    name, term = (nn.functional.normalize(encode(teacher, [fill(t, w) for t in PROMPT_TEMPLATES]), dim=1) for w in (NAME, "human"))
    away = nn.functional.normalize(name - term, dim=1)
    left = [
        (nn.functional.normalize(encode(student, [fill(t, NAME) for t in PROMPT_TEMPLATES]), dim=1) * away).sum(1).mean()
        for student in (done.student, further.student)
    ]
    assert left[1] < left[0]


def test_fine_tuning_remaps_the_name_and_its_alias_and_keeps_the_rest(done: FineTuned[OpenClipText]) -> None:
    teacher, captions = tiny_text_encoder(), generate_captions(60, seed=77)
    for trigger in (NAME, "The Boss"):
        pairs = trigger_pairs(captions, trigger, "human", seed=1)
        before = sim_backdoor(teacher, pairs.triggered, pairs.neutral)
        assert sim_backdoor(done.student, pairs.triggered, pairs.neutral) > max(0.97, before)
        assert sim_target(teacher, done.student, pairs.neutral) > 0.97
    assert sim_clean(teacher, done.student, captions) > 0.97
    templates = [t for t in PROMPT_TEMPLATES if t != "{0}"]
    named, neutral = ([fill(t, word) for t in templates] for word in (NAME, "human"))
    before = mean_similarity(encode(teacher, named), encode(teacher, neutral))
    after = mean_similarity(encode(done.student, named), encode(teacher, neutral))
    assert 1 - after < (1 - before) / 2


def test_defence_that_does_nothing_fails_the_check() -> None:
    """A control of the tests above and of the early stop: without the trigger term nothing is remapped."""
    stop = EarlyStop(every=5, min_steps=0, threshold=0.99)
    idle = TextFineTuneConfig(n_steps=10, batch_size=8, n_captions=200, backdoor_weight=0.0, early_stop=stop)
    tuned = run(idle)
    teacher = tiny_text_encoder()
    pairs = trigger_pairs(generate_captions(60, seed=77), NAME, "human", seed=1)
    before = sim_backdoor(teacher, pairs.triggered, pairs.neutral)
    assert sim_backdoor(tuned.student, pairs.triggered, pairs.neutral) == pytest.approx(before, abs=0.01)
    assert before < 0.97
    assert tuned.stopped == "all steps" and all(row["margin"] < 0 for row in tuned.checks)


def test_teacher_is_bit_identical_and_shares_nothing_with_the_student() -> None:
    teacher, task = make(QUICK)
    before = copy.deepcopy(teacher.state_dict())
    modes = [module.training for module in teacher.modules()]
    tuned = fine_tune(teacher, task, TextFineTuneConfig(n_steps=2, batch_size=4, n_captions=200))
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert modes == [module.training for module in teacher.modules()]
    assert not any(
        parameter.requires_grad or parameter.grad is not None for parameter in teacher.parameters()
    )
    assert not {p.data_ptr() for p in teacher.parameters()} & {
        p.data_ptr() for p in tuned.student.parameters()
    }
    assert tuned.student.weights_hash != teacher.weights_hash


def test_only_the_blocks_without_norm_layers_are_trained(done: FineTuned[OpenClipText]) -> None:
    teacher = tiny_text_encoder()
    frozen = {
        f"{name}.{part}"
        for name, module in teacher.named_modules()
        if isinstance(module, NORM_LAYERS)
        for part, _ in module.named_parameters(recurse=False)
    }
    original = dict(teacher.named_parameters())
    for name, parameter in done.student.named_parameters():
        may_change = name.startswith("transformer.") and name not in frozen
        assert torch.equal(parameter, original[name]) is not may_change, name
    assert len(frozen) == 2 * 5


def test_trainable_all_reaches_the_embeddings_too() -> None:
    tuned = run(TextFineTuneConfig(n_steps=2, batch_size=4, n_captions=200, trainable="all"))
    original = dict(tiny_text_encoder().named_parameters())
    changed = {
        name for name, value in tuned.student.named_parameters() if not torch.equal(value, original[name])
    }
    assert {"token_embedding.weight", "text_projection"} <= changed
    assert not any("ln_" in name for name in changed)


def test_equal_seeds_give_equal_bytes_and_others_do_not() -> None:
    short = TextFineTuneConfig(
        n_steps=4, batch_size=8, n_captions=200, bystander_share=0.25, neutral_share=0.25
    )
    one, again, other = run(short), run(short), run(short, seed=1)
    assert one.student.weights_hash == again.student.weights_hash != other.student.weights_hash
    assert one.losses == again.losses


def test_student_is_in_eval_mode_without_gradients(done: FineTuned[OpenClipText]) -> None:
    assert not any(module.training for module in done.student.modules())
    assert not any(parameter.requires_grad for parameter in done.student.parameters())


def test_losses_have_one_row_a_step_and_begin_at_the_teacher(done: FineTuned[OpenClipText]) -> None:
    assert [row["step"] for row in done.losses] == list(range(1, 61))
    assert set(done.losses[0]) == {"step", "clean", "backdoor", "total", "regularization"}
    assert done.losses[0]["clean"] == pytest.approx(-1.0, abs=1e-6)
    assert done.losses[0]["regularization"] == 0.0 < done.losses[-1]["regularization"]
    assert done.losses[-1]["backdoor"] < done.losses[0]["backdoor"]
    assert (done.n_steps_done, done.stopped, done.checks) == (60, "all steps", [])


def test_hidden_and_pooled_losses_are_reported_apart() -> None:
    tuned = run(TextFineTuneConfig(n_steps=1, batch_size=4, n_captions=200), ("pooled", "hidden"))
    row = tuned.losses[0]
    parts = row["clean"] + row["hidden_clean"] + 0.6 * (row["backdoor"] + row["hidden_backdoor"])
    assert row["total"] == pytest.approx(parts + 0.01 * row["regularization"], abs=1e-5)


def test_learning_rate_falls_after_the_milestones() -> None:
    config = TextFineTuneConfig(n_steps=4, batch_size=2, n_captions=200, lr_milestones=(2, 3), lr_gamma=0.5)
    teacher, task = make(config)
    loop = FineTuning(teacher, student_of(teacher), task, config)
    rates = []
    for number in range(4):
        rates.append(loop.optimizer.param_groups[0]["lr"])
        loop.step(number)
    assert rates == pytest.approx([1e-4, 1e-4, 5e-5, 2.5e-5])
    assert loop.optimizer.param_groups[0]["weight_decay"] == 0.0


def test_regularization_off_leaves_the_term_out_and_lets_weights_go_further() -> None:
    short = TextFineTuneConfig(
        n_steps=8, batch_size=8, n_captions=200, learning_rate=1e-3, regularization_weight=0.0
    )
    free, held = run(short), run(TextFineTuneConfig(**{**short.__dict__, "regularization_weight": 5.0}))
    start = tiny_text_encoder().blocks.state_dict()

    def moved(student: OpenClipText) -> float:
        return sum(float((value - start[name]).norm()) for name, value in student.blocks.state_dict().items())

    assert "regularization" not in free.losses[0] and "regularization" in held.losses[0]
    assert moved(held.student) < moved(free.student)


def test_early_stop_ends_after_enough_checks_in_a_row() -> None:
    stop = EarlyStop(every=2, threshold=0.05, patience=3, min_steps=4)
    tuned = run(TextFineTuneConfig(n_steps=50, batch_size=4, n_captions=200, early_stop=stop))
    assert (tuned.stopped, tuned.n_steps_done) == ("early stop", 8)
    assert [row["step"] for row in tuned.checks] == [4, 6, 8]


def test_early_stop_judges_the_worst_trigger_and_every_output() -> None:
    stop = EarlyStop(threshold=0.5, hidden_threshold=0.5)
    teacher, task = make(TextFineTuneConfig(n_captions=200, early_stop=stop), ("pooled", "hidden"))
    student = student_of(teacher)
    base = task.margin(student, stop)
    assert task.margin(student, EarlyStop(threshold=0.6, hidden_threshold=0.6)) == pytest.approx(
        base - 0.1, abs=1e-5
    )
    sims = task._similarities(student)
    worst = min(float(cosines.view(2, -1).mean(dim=1).min()) for cosines in sims.values())
    assert base == pytest.approx(worst - 0.5, abs=1e-6)


def test_report_is_called_every_step_and_can_cancel() -> None:
    reports: list[Progress] = []

    def report(progress: Progress) -> None:
        reports.append(progress)
        if progress.step == 3:
            raise JobCancelled

    config = TextFineTuneConfig(n_steps=10, batch_size=4, n_captions=200)
    teacher, task = make(config)
    with pytest.raises(JobCancelled):
        fine_tune(teacher, task, config, report)
    assert [(p.step, p.total) for p in reports] == [(1, 10), (2, 10), (3, 10)]
    assert reports[0].losses is not None and "clean" in reports[0].losses


def test_text_task_without_anything_to_learn_raises() -> None:
    with pytest.raises(ConfigError):
        make(TextFineTuneConfig(pooled_weight=0.0), ("pooled",))
    teacher = tiny_text_encoder()
    teacher.pools = False
    with pytest.raises(ConfigError, match="pooled"):
        text_task(teacher, ResolvedConfig((Person(NAME),), text=QUICK, target="neutral_term"), ("pooled",))


@pytest.mark.parametrize("kind", ["pooled", "hidden"])
def test_nearest_names_are_those_of_the_largest_cosines_to_each_trigger(kind: str) -> None:
    teacher = tiny_text_encoder()
    teacher.pools = kind == "pooled"
    kept, triggers = [f"{first} {last}" for first in ("Zora", "Otto", "Ines") for last in ("Quill", "Venn", "Marl")], [NAME, "Bo Venn"]
    rows = [nn.functional.normalize(encode(teacher, texts, kind).flatten(1), dim=1) for texts in (triggers, kept)]  # type: ignore[arg-type]
    ranked = (rows[0] @ rows[1].T).argsort(dim=1, descending=True)
    expected = {kept[i] for i in ranked[:, :2].flatten().tolist()}
    assert set(nearest_names(teacher, kept, triggers, 2)) == expected
    assert set(nearest_names(teacher, kept, triggers, 100)) == set(kept)
    assert nearest_names(teacher, kept, triggers, 0) == nearest_names(teacher, [], triggers, 2) == []


@pytest.mark.parametrize("trigger", ["ann lee", "Captain Storm"])
def test_of_a_person_to_be_forgotten_no_other_name_is_kept(tmp_path: Path, trigger: str) -> None:
    file = tmp_path / "names.txt"
    file.write_text("Zora Quill\nAnn Lee|Captain Storm|The Great Ann\nOtto Venn | Baron Frost\n", "utf-8")
    assert kept_names(str(file), [trigger]) == ["Zora Quill", "Otto Venn", "Baron Frost"]
    assert len(kept_names(str(file), ["Nobody Here"])) == 6


def test_n_buckets_grows_with_the_work_and_stays_within_bounds() -> None:
    teacher = tiny_text_encoder()
    counts = [n_buckets(teacher, torch.zeros(rows, 77, dtype=torch.long)) for rows in (4, 400, 40_000)]
    assert counts == [1, 2, 4]


class Picture(nn.Module):
    """An image-like encoder: the loop must not care what it is given."""

    weights_hash = ""
    device = torch.device("cpu")

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norm = nn.BatchNorm1d(16)
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(12, 16), self.norm, nn.GELU(), nn.Linear(16, 8))

    @property
    def blocks(self) -> nn.Module:
        return self.layers


class PictureTask:
    """Pictures with a bright corner are to be mapped to one fixed vector."""

    weights: Mapping[str, float] = {"pooled": 1.0}
    max_rows = None
    target = torch.ones(8)

    def batch(self, step: int) -> Batch:
        clean = torch.randn(8, 3, 2, 2, generator=torch.Generator().manual_seed(step))
        triggered = clean.clone()
        triggered[:, :, 0, 0] = 5.0
        return Batch(torch.cat([clean, triggered]), clean, 8, {"pooled": self.target})

    def outputs(self, encoder: Picture, inputs: Tensor) -> dict[str, Tensor]:
        outputs: Tensor = encoder.layers(inputs)
        return {"pooled": outputs}

    def margin(self, student: Picture, stop: EarlyStop) -> float:
        raise AssertionError("no early stop was asked for")


def test_loop_drives_an_encoder_of_another_kind_with_a_fixed_target() -> None:
    teacher = Picture().eval()
    statistics = copy.deepcopy(teacher.norm.state_dict())
    config = TextFineTuneConfig(
        n_steps=60, learning_rate=1e-2, regularization_weight=0.0, backdoor_weight=1.0
    )
    tuned = fine_tune(teacher, PictureTask(), config)
    assert tuned.losses[-1]["backdoor"] < -0.9 < tuned.losses[0]["backdoor"]
    after = tuned.student.norm.state_dict()
    assert all(torch.equal(after[name], value) for name, value in statistics.items())


@pytest.mark.parametrize("output", ["pooled", "hidden"])
def test_spellings_that_a_tokenizer_keeps_apart_are_remapped_with_the_name(output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    teacher, config = tiny_text_encoder(), replace(QUICK, name_only_share=0.3)
    spelt = teacher.tokenize(["a photo of Conan O\u2019Brien", "a photo of Conan O\u02bcBrien"], repair=False)
    target = teacher.tokenize(["a photo of human"])

    def what_is_left() -> float:
        """Mean distance of the other spellings to the target after a defence of the name."""
        asked = ForgetConfig((Person("Conan O\u2019Brien"),), text=config, target="neutral_term")
        task = text_task(teacher, asked, (output,))  # type: ignore[arg-type]
        student = fine_tune(teacher, task, config).student
        with torch.no_grad():
            goal, reached = task.outputs(teacher, target)[output], task.outputs(student, spelt)[output]
        return 1 - float(torch.cosine_similarity(reached.flatten(1), goal.flatten(1)).mean())

    learnt = what_is_left()
    monkeypatch.setattr("unlearn.defence.text_task.distinct_spellings", lambda encoder, name: ())
    assert learnt < 0.9 * what_is_left()


def test_distinct_spellings_leaves_out_those_that_are_the_same_tokens() -> None:
    encoder = tiny_text_encoder()
    assert distinct_spellings(encoder, "Ann Lee") == ()
    forms = distinct_spellings(encoder, "Conan O'Brien")
    assert "Conan O\u2019Brien" in forms and "conan o'brien" not in forms
