"""The methods beside the backdoor: SLUG's one step in one layer, and the closed form without steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import Parameter, functional

from tests.support.tiny_encoder import tiny_text_encoder
from unlearn.config import ClosedForm, EarlyStop, Person, ResolvedConfig, TextFineTuneConfig
from unlearn.defence.closed_form import edited
from unlearn.defence.loop import FineTuned
from unlearn.defence.methods import forgotten
from unlearn.defence.slug import N_FIRST, N_RIVALS, N_SEARCHED, N_TEMPLATES, Search, _Layer, pareto_front
from unlearn.defence.students import student_of
from unlearn.defence.text_task import TextTask, text_task
from unlearn.models.embeddings import encode
from unlearn.models.encoders import OpenClipText
from unlearn.progress import Progress, no_report
from unlearn.runs.measuring import summary
from unlearn.texts.prompts import CHECK_TEMPLATES, fill
from unlearn.texts.stand_in_names import drawn_names

NAME, TARGET = "Ann Lee", "Bo Ek"
FORM = ClosedForm(n_kept_texts=24, n_general_texts=60, min_texts=12, keep_weight=1.0)
TEXT = TextFineTuneConfig(n_steps=2, batch_size=16, n_captions=200, bystander_share=0.5, early_stop=EarlyStop(every=1, min_steps=0))


def config(method: str, **text: Any) -> ResolvedConfig:
    return ResolvedConfig((Person(NAME, stand_in=TARGET),), text=replace(TEXT, **text), method=method)  # type: ignore[arg-type]


def run(method: str, report: Any = no_report, **text: Any) -> FineTuned[Any]:
    return forgotten(tiny_text_encoder(layers=3), config(method, **text), ("pooled", "hidden"), report)


def task_of(teacher: OpenClipText) -> TextTask:
    return text_task(teacher, config("slug"), ("pooled", "hidden"))


def to_target(student: OpenClipText) -> float:
    """Cosine between the name by the student and the target by the original, in a text that was not used."""
    sides = ((student, NAME), (tiny_text_encoder(layers=3), TARGET))
    rows = [encode(encoder, [f"a drawing of {word} in a boat"]) for encoder, word in sides]
    return float(functional.cosine_similarity(*rows, dim=1))


@pytest.fixture(scope="module")
def slug() -> FineTuned[Any]:
    return run("slug")


def test_slug_changes_the_weights_of_one_layer_only(slug: FineTuned[Any]) -> None:
    before, after = tiny_text_encoder(layers=3).state_dict(), slug.student.state_dict()
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert slug.layer is not None and changed == [slug.layer.name]
    assert not any(parameter.requires_grad for parameter in slug.student.parameters())
    assert (slug.n_steps_done, slug.stopped, [row["step"] for row in slug.losses]) == (1, "binary search", [0, 1])


def test_slug_no_longer_finds_the_name_where_the_original_does(slug: FineTuned[Any]) -> None:
    original, rivals = tiny_text_encoder(layers=3), drawn_names(N_RIVALS, -1, (NAME, TARGET))

    def place(encoder: OpenClipText, template: str) -> int:
        wanted = functional.normalize(encode(original, [fill(template, NAME)]), dim=1)
        cosines = functional.normalize(encode(encoder, [fill(template, name) for name in (NAME, *rivals)]), dim=1) @ wanted[0]
        return int((cosines > cosines[0]).sum()) + 1

    assert slug.layer is not None and slug.layer.n_found == 0 and slug.layer.step_size > 0
    for template in CHECK_TEMPLATES[:N_TEMPLATES]:
        assert place(original, template) == 1 and place(slug.student, template) > N_FIRST
    assert slug.losses[1]["clean"] < -0.8, "the rest stays near"


def test_slug_step_of_no_size_still_finds_every_text_and_steps_are_taken_back() -> None:
    teacher = tiny_text_encoder(layers=3)
    student = student_of(teacher)
    search = Search(teacher, student, task_of(teacher))
    weight = student.get_parameter("transformer.resblocks.1.mlp.c_proj.weight")
    layer = _Layer("", weight, torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)), 1.0, 0.0)
    still = search.tried(layer, 0.0)
    assert still.n_found == N_TEMPLATES and still.kept == pytest.approx(1.0, abs=1e-5)
    assert search.tried(layer, 10.0).kept < 0.99
    assert student.weights_hash == teacher.weights_hash


def test_search_halves_the_interval_around_the_smallest_step_that_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = tiny_text_encoder()
    search, sizes = Search(teacher, student_of(teacher), task_of(teacher)), list[float]()
    layer = _Layer("", Parameter(torch.ones(1)), torch.ones(1), importance=0.1, alignment=0.0)
    outcome = type("Outcome", (), {"n_found": 0, "size": 0.0})

    def tried(_layer: _Layer, size: float) -> Any:
        sizes.append(size)
        made = outcome()
        made.n_found, made.size = int(size < 5.3), size
        return made

    monkeypatch.setattr(search, "tried", tried)
    best = search.smallest(layer, lambda: None)
    assert sizes[:5] == [1.0, 2.0, 4.0, 8.0, 6.0] and len(sizes) == N_SEARCHED
    assert best.n_found == 0 and 5.3 <= best.size < 5.4
    monkeypatch.setattr(search, "tried", lambda _layer, size: type("Never", (), {"n_found": 1, "size": size}))
    assert search.smallest(layer, lambda: None).n_found == 1, "what never forgets is told as such"


def test_front_holds_what_no_other_layer_beats_in_both_measures() -> None:
    values = {"best": (3.0, 0.1), "aligned": (4.0, -0.9), "beaten": (2.0, 0.2), "against": (3.0, -0.5), "quiet": (0.1, 0.0)}
    layers = [_Layer(name, Parameter(torch.ones(1)), torch.ones(1), *pair) for name, pair in values.items()]
    assert [layer.name for layer in pareto_front(layers)] == ["aligned", "best", "quiet"]


def test_equal_seeds_give_equal_weights(slug: FineTuned[Any]) -> None:
    assert run("slug").student.weights_hash == slug.student.weights_hash


def test_closed_form_alone_is_the_edit_that_the_steps_begin_with() -> None:
    alone, teacher = run("closed-form", closed_form=FORM), tiny_text_encoder(layers=3)
    assert alone.student.weights_hash == edited(teacher, task_of(teacher), FORM).weights_hash
    assert (alone.n_steps_done, alone.stopped, alone.checks) == (0, "closed form", [])
    assert alone.losses[1]["backdoor"] < alone.losses[0]["backdoor"], "the second row is the edited encoder's"
    followed = run("backdoor", closed_form=FORM, learning_rate=1e-9, early_stop=None)
    assert followed.losses[0] == alone.losses[0] and followed.n_steps_done == 2
    assert to_target(followed.student) == pytest.approx(to_target(alone.student), abs=1e-4), "steps of no size"


@pytest.mark.parametrize("method", ["slug", "closed-form"])
def test_work_reports_its_progress_and_ends_where_it_is_cancelled(method: str) -> None:
    class CancelledError(Exception):
        pass

    seen: list[Progress] = []
    run(method, seen.append, closed_form=FORM)
    shares = [progress.step / progress.total for progress in seen]
    assert shares == sorted(shares) and shares[-1] <= 1.0 and len(seen) > 2

    def cancel(progress: Progress) -> None:
        if len(seen) == 2:
            raise CancelledError
        seen.append(progress)

    seen.clear()
    with pytest.raises(CancelledError):
        run(method, cancel, closed_form=FORM)


def test_chosen_layer_stands_in_the_metrics(slug: FineTuned[Any]) -> None:
    assert summary(slug).layer == slug.layer
    assert summary(run("backdoor")).layer is None
