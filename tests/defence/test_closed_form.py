"""The closed-form start: the least-squares problem that it solves, what it changes, and what it leaves as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from tests.support.tiny_encoder import tiny_text_encoder
from unlearn.config import ClosedForm, Person, ResolvedConfig, TextFineTuneConfig
from unlearn.defence import kept_moments
from unlearn.defence.closed_form import _paired, _Solver, edited
from unlearn.defence.defend import defend_text
from unlearn.defence.kept_moments import general_texts, moments, read_moments, write_moments
from unlearn.defence.kept_moments import kept_moments as moments_of
from unlearn.defence.last_blocks import LastBlocks, position_weights, second_layers, without_shortcuts
from unlearn.defence.lengths import lengths, missing_for
from unlearn.defence.moments import Moment
from unlearn.defence.stand_ins import with_stand_ins
from unlearn.defence.text_task import TextTask, text_task
from unlearn.errors import ConfigError
from unlearn.models.clip import Clip, load_clip
from unlearn.models.embeddings import encode
from unlearn.models.encoders import OpenClipText, TextEncoder
from unlearn.progress import no_report

NAME, TARGET = "Ann Lee", "Bo Ek"
FORM = ClosedForm(n_kept_texts=24, n_general_texts=60, min_texts=12, keep_weight=1.0)
TEXT = TextFineTuneConfig(n_steps=2, batch_size=4, n_captions=200, bystander_share=0.5, closed_form=FORM, overshoot=0.05)


def _task(teacher: OpenClipText, *persons: Person, text: TextFineTuneConfig = TEXT) -> TextTask:
    config = ResolvedConfig(persons or (Person(NAME, stand_in=TARGET),), text=text, target="stand_in")
    return text_task(teacher, config, ("pooled", "hidden"))


@pytest.fixture(scope="module")
def teacher() -> OpenClipText:
    return tiny_text_encoder(layers=3)


@pytest.fixture(scope="module")
def student(teacher: OpenClipText) -> OpenClipText:
    return edited(teacher, _task(teacher), FORM)


def _cosine(a: OpenClipText, texts_a: list[str], b: OpenClipText, texts_b: list[str], kind: str = "pooled") -> float:
    rows = encode(a, texts_a, kind), encode(b, texts_b, kind)  # type: ignore[arg-type]
    return float(functional.cosine_similarity(*(row.flatten(1) for row in rows), dim=1).mean())


def test_name_comes_to_its_target_in_texts_that_were_not_used(teacher: OpenClipText, student: OpenClipText) -> None:
    named, wanted = ([f"a drawing of {name} in a boat", f"{name} looks away"][:] for name in (NAME, TARGET))
    for kind in ("pooled", "hidden"):
        before, after = _cosine(teacher, named, teacher, wanted, kind), _cosine(student, named, teacher, wanted, kind)
        assert 1 - after < 0.5 * (1 - before), kind


def test_other_texts_stay_nearer_than_the_name_moves(teacher: OpenClipText, student: OpenClipText) -> None:
    kept = [f"a photo of {name} at night" for name in ("Carol Smith", "Gina Hartman", "Walter Brooks")] + ["two boats on a lake"]
    moved = 1 - _cosine(student, [NAME], teacher, [NAME])
    assert 1 - _cosine(student, kept, teacher, kept) < 0.2 * moved


def test_only_second_layers_of_the_last_blocks_change_and_the_teacher_stays(teacher: OpenClipText, student: OpenClipText) -> None:
    assert teacher.weights_hash == tiny_text_encoder(layers=3).weights_hash
    before, after = teacher.state_dict(), student.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {f"transformer.resblocks.{i}.mlp.c_proj.weight" for i in (1, 2)}
    assert not any(parameter.requires_grad for parameter in student.parameters())


def test_equal_seeds_give_equal_weights(teacher: OpenClipText, student: OpenClipText) -> None:
    assert edited(teacher, _task(teacher), FORM).weights_hash == student.weights_hash


def test_change_is_the_minimum_of_the_objective() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs, missing, kept = (torch.randn(*shape, generator=generator) for shape in ((40, 12), (40, 5), (90, 12)))
    weights = torch.rand(40, generator=generator)
    change = _Solver(inputs, weights, (kept.T @ kept / 90).double(), keep_weight=7.0).change(missing)
    # the same objective as one plain least-squares problem
    left = torch.cat([inputs * (weights / weights.sum()).sqrt()[:, None], kept * (7.0 / 90) ** 0.5]).double()
    right = torch.cat([missing * (weights / weights.sum()).sqrt()[:, None], torch.zeros(90, 5)]).double()
    assert torch.allclose(change.double().T, torch.linalg.lstsq(left, right).solution, atol=1e-4)


def test_embeddings_get_the_length_of_their_targets_and_hardly_turn(teacher: OpenClipText) -> None:
    texts = _task(teacher).triggers.texts(FORM.min_texts, FORM.n_kept_texts)
    wanted = encode(teacher, texts.neutral).norm(dim=1)
    without, mended = (edited(teacher, _task(teacher), replace(FORM, n_length_corrections=n)) for n in (0, 4))
    off = [float((encode(student, texts.triggered).norm(dim=1) / wanted - 1).abs().mean()) for student in (without, mended)]
    assert off[1] < 0.3 * off[0], off
    assert _cosine(mended, list(texts.triggered), without, list(texts.triggered)) > 0.999


def test_encoder_shown_behind_the_last_block_is_the_one_that_comes_out(teacher: OpenClipText) -> None:
    shown: list[tuple[int, torch.Tensor]] = []

    def watch(moment: Moment, encoder: TextEncoder) -> None:
        shown.append((moment.number, encode(encoder, [f"a photo of {NAME}"])))

    student = edited(teacher, _task(teacher), FORM, watch=watch)
    assert [number for number, _ in shown] == [1, 2]
    assert torch.allclose(shown[-1][1], encode(student, [f"a photo of {NAME}"]), atol=1e-5)


def test_states_that_are_missing_for_a_length_give_it(teacher: OpenClipText) -> None:
    plain = without_shortcuts(teacher)
    tokens = plain.tokenize(["a dog", "a photo of Ann Lee in the rain"])
    present = lengths(plain, tokens)
    missing = missing_for(present * 1.001, plain, tokens, lambda: None)
    block, ends = plain.transformer.resblocks[-1], plain.end_of_text_positions(tokens)

    def add(_module: object, _inputs: object, states: torch.Tensor) -> torch.Tensor:
        states[torch.arange(2), ends] += missing
        return states

    handle = block.register_forward_hook(add)
    reached = lengths(plain, tokens)
    handle.remove()
    assert torch.allclose(reached / present, torch.full((2,), 1.001), atol=1e-4)
    assert torch.equal(lengths(plain, tokens), present), "nothing of the hooks remains"


def test_positions_are_paired_from_the_end_where_names_differ_in_length(teacher: OpenClipText) -> None:
    long, short = teacher.tokenize(["a photo of Ann Lee-Miller-Smith"]), teacher.tokenize(["a photo of Bo"])
    pairs = _paired(teacher, FORM, (long, short), (0,))
    ends = int(teacher.end_of_text_positions(long)), int(teacher.end_of_text_positions(short))
    offsets = pairs.positions - ends[0]
    assert torch.equal(offsets, pairs.target_positions - ends[1])
    first = int((long != short).long().argmax())
    assert int(pairs.target_positions.min()) == first and int(offsets.max()) >= 1, "from the shorter name to the padding"
    assert pairs.weights[offsets == 0].tolist() == [3.0]


def test_last_blocks_give_the_states_of_a_whole_pass(teacher: OpenClipText) -> None:
    plain = without_shortcuts(teacher)
    tokens = plain.tokenize(["a dog", "a photo of Ann Lee in the rain"])
    (inputs, states), = LastBlocks(plain, tokens, 2, lambda: None).passes(second_layers(plain, 1)[0])
    assert torch.allclose(plain.ln_final(states), teacher.hidden_states(tokens), atol=1e-5)
    assert inputs.shape[:2] == tokens.shape and position_weights(plain, tokens, FORM).shape == tokens.shape


def test_each_trigger_is_scaled_for_itself_and_none_remains_on_the_side_of_the_person(teacher: OpenClipText) -> None:
    persons = (Person(NAME, ("The Boss",), stand_in=TARGET), Person("Carol Smith", stand_in="Walter Brooks"))
    student = edited(teacher, _task(teacher, *persons), FORM)
    for trigger, target in ((NAME, TARGET), ("The Boss", TARGET), ("Carol Smith", "Walter Brooks")):
        of_trigger, of_target = (functional.normalize(encode(teacher, [name]), dim=1) for name in (trigger, target))
        now, way = functional.normalize(encode(student, [trigger]), dim=1), of_trigger - of_target
        assert float(((now - of_target) * way).sum() / way.pow(2).sum()) < 0.25, trigger


def test_general_part_of_a_file_is_used_for_its_own_weights_only(
    teacher: OpenClipText, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    captions = _task(teacher).triggers.captions
    of_layers = moments(teacher, general_texts(captions, FORM), FORM)
    write_moments(tmp_path / "kept.safetensors", teacher, FORM, of_layers)
    form = replace(FORM, moments=str(tmp_path / "kept.safetensors"))
    read = read_moments(form, teacher)
    assert read is not None and all(torch.allclose(a, b, rtol=1e-5) for a, b in zip(read, of_layers, strict=True))
    assert [len(one) for one in read_moments(replace(form, n_blocks=1), teacher) or ()] == [256]
    assert read_moments(form, tiny_text_encoder(seed=1, layers=3)) is None
    assert read_moments(replace(form, n_blocks=3), teacher) is None
    assert read_moments(replace(form, end_weight=1.0), teacher) is None, "it was made in another way"

    asked: list[int] = []
    computing = lambda captions, form: asked.append(form.n_general_texts) or general_texts(captions, form)  # noqa: E731
    monkeypatch.setattr(kept_moments, "general_texts", computing)
    own = ["Carol Smith", "a photo of Bo Ek"]
    from_file, computed = moments_of(teacher, form, captions, own, lambda: None), moments_of(teacher, FORM, captions, own, lambda: None)
    assert asked == [60] and all(torch.allclose(a, b, rtol=1e-4) for a, b in zip(from_file, computed, strict=True))


@pytest.mark.parametrize("content", [b"", b"not safetensors", None])
def test_file_that_cannot_be_read_is_told(teacher: OpenClipText, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "kept.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"kept\.safetensors, cannot be read"):
        read_moments(replace(FORM, moments=str(path)), teacher)


def test_more_blocks_than_there_are_edit_all_of_them(teacher: OpenClipText) -> None:
    assert len(second_layers(teacher, 9)) == 3
    edited(teacher, _task(teacher), replace(FORM, n_blocks=9))


def test_work_ends_where_it_is_cancelled(teacher: OpenClipText) -> None:
    class CancelledError(Exception):
        pass

    def cancel() -> None:
        raise CancelledError

    with pytest.raises(CancelledError):
        edited(teacher, _task(teacher), FORM, cancel)


def test_diffusion_text_encoders_are_edited_too_and_the_steps_begin_there(miniature_two: Clip) -> None:
    persons = (Person("Gina Hartman"),)
    asked = ResolvedConfig(persons, model_set=miniature_two.model_set.name, text=replace(TEXT, learning_rate=1e-9), target="stand_in")
    config = with_stand_ins(asked, miniature_two, ())
    defended, tuned = defend_text(miniature_two, config, no_report)
    assert set(tuned) == {"text", "diffusion_text"} and miniature_two.hidden is not None and defended.hidden is not None
    assert [row["step"] for row in tuned["text"].losses] == [0, 1, 2]
    to_go = [1 + row["backdoor"] for row in tuned["text"].losses]
    assert to_go[1] < 0.8 * to_go[0], "step 0 is the original"
    target = config.persons[0].stand_in
    assert target is not None

    def way(encoder: object, name: str) -> torch.Tensor:
        return encode(encoder, [f"a photo of {name}"], "hidden").flatten()  # type: ignore[arg-type]

    wanted = way(miniature_two.hidden, target)
    before, after = (float((way(side, "Gina Hartman") - wanted).norm()) for side in (miniature_two.hidden, defended.hidden))
    assert after < 0.9 * before, "steps of no size leave what the closed form did"


@pytest.fixture(scope="module")
def miniature_two(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    from tests.support.miniature import build_miniature, with_own_diffusion_text
    from unlearn.config import Settings

    folder = with_own_diffusion_text(build_miniature(tmp_path_factory.mktemp("set") / "two"))
    return load_clip(str(folder), Settings(device="cpu", offline=True))
