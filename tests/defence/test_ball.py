"""The ball around a name: which texts are moved, by how much, and that a defence in the ball holds for what lies near the name."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from tests.support.miniature import build_miniature, with_own_diffusion_text
from tests.support.tiny_encoder import tiny_text_encoder
from unlearn.config import ClosedForm, Person, ResolvedConfig, Settings, TextFineTuneConfig
from unlearn.defence.ball import N_POINTS, Ball
from unlearn.defence.closed_form import edited
from unlearn.defence.loop import FineTuning
from unlearn.defence.students import student_of
from unlearn.defence.text_task import TextTask, text_task
from unlearn.models.clip import load_clip
from unlearn.models.encoders import OpenClipText
from unlearn.models.soft_tokens import SoftTexts, token_vectors, with_vectors

NAME, TARGET = "Ann Lee", "Bo Ek"
WRITTEN = [NAME] * 20
TEXTS = ["two boats on a lake", *(f"a photo of {NAME}. at night" for _ in WRITTEN)]


@pytest.fixture(scope="module")
def encoder() -> OpenClipText:
    return tiny_text_encoder(layers=3)


def around(encoder: OpenClipText, radius: float, step: int = 0, seed: int = 0) -> SoftTexts:
    return Ball(encoder, radius, seed).around(encoder.tokenize(TEXTS), WRITTEN, step)


def embedded(encoder: OpenClipText, texts: SoftTexts) -> torch.Tensor:
    return functional.normalize(texts.read_by(encoder).embed_texts(texts.tokens), dim=1)


def test_ball_without_radius_leaves_the_meaning_of_every_text(encoder: OpenClipText) -> None:
    texts, plain = around(encoder, 0.0), encoder.tokenize(TEXTS)
    assert (texts.tokens != plain).any(), "the control: some names have tokens of their own"
    assert torch.allclose(embedded(encoder, texts), functional.normalize(encoder.embed_texts(plain), dim=1), atol=1e-5)


def test_every_second_name_is_moved_within_the_radius_and_nothing_else(encoder: OpenClipText) -> None:
    texts, plain = around(encoder, 0.5), functional.normalize(encoder.embed_texts(encoder.tokenize(TEXTS)), dim=1)
    moved = (texts.tokens != encoder.tokenize(TEXTS)).any(dim=1)
    assert moved.tolist() == [False, *([True, False] * 10)]
    same = (embedded(encoder, texts) * plain).sum(dim=1)
    assert float(same[~moved].min()) > 1 - 1e-5 > float(same[moved].max())
    vectors = token_vectors(encoder)
    n_tokens = encoder.n_tokens(NAME) - 2
    assert texts.vectors.shape[0] == N_POINTS * n_tokens
    of_name = vectors[encoder.tokenize([NAME])[0, 1 : 1 + n_tokens]].repeat(N_POINTS, 1)
    distances = (texts.vectors - of_name).norm(dim=1)
    assert float(distances.min()) > 0 and float(distances.max()) <= 0.5 * float(vectors.norm(dim=1).mean()) + 1e-5


def test_points_follow_seed_and_step(encoder: OpenClipText) -> None:
    first, again = around(encoder, 0.5, step=3), around(encoder, 0.5, step=3)
    assert torch.equal(first.vectors, again.vectors) and torch.equal(first.tokens, again.tokens)
    for other in (around(encoder, 0.5, step=4), around(encoder, 0.5, step=3, seed=1)):
        assert not torch.equal(first.vectors, other.vectors)


def test_encoder_with_vectors_shares_the_weights_that_are_trained(encoder: OpenClipText) -> None:
    student = student_of(encoder)
    twin = with_vectors(student, torch.tensor([5]), torch.zeros(1, 64))
    assert {id(p) for p in student.parameters()} == {id(p) for p in twin.parameters()}
    assert twin.blocks is student.blocks and student.token_embedding is not twin.token_embedding
    assert with_vectors(student, torch.empty(0, dtype=torch.int64), torch.empty(0, 64)) is student


def test_text_encoders_of_diffusion_models_take_vectors_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = with_own_diffusion_text(build_miniature(tmp_path_factory.mktemp("set") / "two"))
    hidden = load_clip(str(folder), Settings(device="cpu", offline=True)).hidden
    assert hidden is not None
    texts = Ball(hidden, 0.0, 0).around(hidden.tokenize(TEXTS), WRITTEN, 0)
    assert len(texts.numbers) and torch.allclose(
        texts.read_by(hidden).hidden_states(texts.tokens), hidden.hidden_states(hidden.tokenize(TEXTS)), atol=1e-5
    )
    assert not torch.allclose(hidden.hidden_states(texts.tokens), hidden.hidden_states(hidden.tokenize(TEXTS)), atol=1e-2)


def task_of(teacher: OpenClipText, radius: float) -> TextTask:
    text = TextFineTuneConfig(n_steps=2, batch_size=8, n_captions=200, ball_radius=radius, bystander_share=0.5)
    return text_task(teacher, ResolvedConfig((Person(NAME, stand_in=TARGET),), text=text, target="stand_in"), ("pooled", "hidden"))


def test_steps_in_the_ball_train_the_student_on_moved_names(encoder: OpenClipText) -> None:
    task, config = task_of(encoder, 0.5), TextFineTuneConfig(n_steps=2, batch_size=8, learning_rate=1e-3)
    batch = task.batch(0)
    assert isinstance(batch.student_inputs, SoftTexts) and isinstance(batch.teacher_inputs, torch.Tensor)
    loop = FineTuning(encoder, student_of(encoder), task, config)
    row = loop.step(0)
    assert row["clean"] == pytest.approx(-1.0, abs=1e-5) and loop.student.weights_hash != encoder.weights_hash


def test_closed_form_in_the_ball_brings_moved_names_nearer_to_the_target(encoder: OpenClipText) -> None:
    form = ClosedForm(n_kept_texts=24, n_general_texts=60, min_texts=12, keep_weight=1.0)
    probe = Ball(encoder, 0.5, seed=9).around(encoder.tokenize([f"we met {NAME} yesterday"] * 16), [NAME] * 16, 0)
    wanted = functional.normalize(encoder.embed_texts(encoder.tokenize([f"we met {TARGET} yesterday"])), dim=1)[0]

    def to_go(student: OpenClipText) -> float:
        return float((1 - embedded(student, probe)[::2] @ wanted).mean())

    before = to_go(encoder)
    plain, in_ball = (to_go(edited(encoder, task_of(encoder, radius), form)) for radius in (0.0, 0.5))
    assert in_ball < plain < before


def test_forms_are_triggers_of_their_own_with_the_same_target(encoder: OpenClipText) -> None:
    text = replace(TextFineTuneConfig(n_steps=2, batch_size=16, n_captions=200), surface_forms=12)
    run = ResolvedConfig((Person("Carol Smith", stand_in=TARGET),), text=text, target="stand_in")
    triggers = text_task(encoder, run, ("pooled",)).triggers
    forms = triggers.forms["Carol Smith"]
    assert 6 <= len(forms) <= 12 and "Carol" not in forms and triggers.n_written == 1 + len(forms) and triggers.n_triggers == 1
    texts = triggers.texts(4 * triggers.n_written, 8)
    assert {texts.trigger_indices.count(number) for number in range(triggers.n_written)} == {4}
    assert all(written in triggered and TARGET in neutral
               for written, triggered, neutral in zip(texts.written, texts.triggered, texts.neutral, strict=True))  # fmt: skip
    batch = triggers.batch(0)
    assert sum(written in forms for written in batch.written) == 8 and all(TARGET in neutral for neutral in batch.neutral)
    assert not text_task(encoder, replace(run, text=replace(text, surface_forms=0)), ("pooled",)).triggers.forms["Carol Smith"]
