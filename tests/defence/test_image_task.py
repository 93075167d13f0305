"""Forgetting faces with tiny random towers: agreement with the oracle, what must not change, and the early stop."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.support.tiny_encoder import tiny_image_encoder
from unlearn.bench import oracle_images
from unlearn.config import EarlyStop, ImageFineTuneConfig
from unlearn.defence.image_task import ImageTask, TrainingPictures, image_task
from unlearn.defence.loop import FineTuned, FineTuning, fine_tune
from unlearn.defence.students import NORM_LAYERS, student_of
from unlearn.errors import ConfigError
from unlearn.models.encoders import OpenClipImage

SIDE = 32
QUICK = ImageFineTuneConfig(
    n_steps=30, batch_size=8, learning_rate=1e-3, lr_milestones=(20,), plain_trigger_share=0.5,
    bystander_share=0.25, plain_bystander_share=0.25,
)  # fmt: skip
RATES = {"vit": 1e-3, "resnet": 2e-5}
KEPT = {"vit": 0.9, "resnet": 0.6}  # a random ResNet is fragile; the paper trains one at a tenth of the rate, too
KINDS = ("vit", "resnet")


def pictures(n: int, seed: int) -> Tensor:
    """n smooth random pictures uint8 (n, 3, 32, 32)."""
    small = torch.rand(n, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    return (functional.interpolate(small, (SIDE, SIDE), mode="bilinear") * 255).byte()


def photos_of(person: int, n: int, seed: int) -> Tensor:
    """n noisy copies of one picture: a person's photos."""
    face = pictures(1, 100 + person).float()
    noise = 12 * torch.randn(n, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    return (face + noise).clamp(0, 255).byte()


def make(kind: str, config: ImageFineTuneConfig, seed: int = 0) -> tuple[OpenClipImage, ImageTask, Tensor]:
    teacher = tiny_image_encoder(kind)
    others = pictures(24, 7)
    with torch.no_grad():
        average = functional.normalize(teacher.embed_images(others.float() / 255), dim=-1).mean(dim=0)
    persons = [photos_of(number, 10, number) for number in range(2)]
    return teacher, image_task(teacher, config, seed, TrainingPictures(pictures(20, 3), persons, others), average), average


def run(kind: str, config: ImageFineTuneConfig, seed: int = 0) -> FineTuned[OpenClipImage]:
    teacher, task, _ = make(kind, config, seed)
    return fine_tune(teacher, task, config)


@pytest.fixture(scope="module", params=KINDS)
def done(request: pytest.FixtureRequest) -> tuple[str, FineTuned[OpenClipImage]]:
    return request.param, run(request.param, replace(QUICK, learning_rate=RATES[request.param]))


def test_each_person_has_a_target_of_its_own_and_the_check_looks_at_it() -> None:
    teacher = tiny_image_encoder("vit")
    persons = [photos_of(number, 10, number) for number in range(2)]
    with torch.no_grad():
        targets = torch.stack([teacher.embed_images(photos_of(number, 5, 50 + number).float() / 255).mean(dim=0) for number in (8, 9)])
    config = replace(QUICK, early_stop=EarlyStop(every=10, threshold=0.9, min_steps=0, patience=1))
    task = image_task(teacher, config, 0, TrainingPictures(pictures(20, 3), persons, pictures(24, 7)), targets)
    batch = task.batch(0)
    assert batch.fixed_targets is not None
    indices = task.triggers.batch(0).person_indices
    assert torch.equal(batch.fixed_targets["pooled"], targets[indices]) and set(indices.tolist()) == {0, 1}
    before = task.margin(teacher, EarlyStop(threshold=0.9))
    tuned = fine_tune(teacher, task, config)
    shown = [photos_of(number, 8, 900 + number).float() / 255 for number in range(2)]
    with torch.no_grad():
        means = torch.stack([tuned.student.embed_images(part).mean(dim=0) for part in shown])
        nearness = functional.cosine_similarity(means[:, None], targets[None], dim=-1)
    assert nearness.argmax(dim=1).tolist() == [0, 1], "each face came to its own target"
    assert task.margin(tuned.student, EarlyStop(threshold=0.9)) > before
    swapped = image_task(teacher, config, 0, TrainingPictures(pictures(20, 3), persons, pictures(24, 7)), targets.flip(0))
    assert swapped.margin(tuned.student, EarlyStop(threshold=0.9)) < task.margin(tuned.student, EarlyStop(threshold=0.9))


def test_one_target_for_all_is_the_same_as_the_same_target_for_each() -> None:
    teacher, task, average = make("vit", QUICK)
    persons = [photos_of(number, 10, number) for number in range(2)]
    each = image_task(teacher, QUICK, 0, TrainingPictures(pictures(20, 3), persons, pictures(24, 7)), torch.stack([average, average]))
    first, second = (FineTuning(teacher, student_of(teacher), one, QUICK).step(0) for one in (task, each))
    assert first == second


@pytest.mark.parametrize("kind", KINDS)
def test_losses_and_weights_agree_with_the_oracle_over_three_steps(kind: str) -> None:
    config = replace(QUICK, learning_rate=1e-4 if kind == "vit" else 1e-5, regularization_weight=0.02)
    teacher, task, average = make(kind, config)
    fast = FineTuning(teacher, student_of(teacher), task, config)
    literal = oracle_images.ImageDefence(teacher, config, average)
    for number in range(3):
        images = task.triggers.batch(number)
        expected = literal.step(images.images[: images.n_clean], images.images[images.n_clean :])
        assert fast.step(number)["total"] == pytest.approx(expected, abs=1e-4)
    probe = pictures(10, 55).float() / 255
    assert torch.allclose(fast.student.embed_images(probe), literal.student.embed_images(probe), atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_in_parts_gives_the_gradients_and_losses_of_the_whole(kind: str) -> None:
    config = replace(QUICK, learning_rate=1e-4 if kind == "vit" else 1e-5, regularization_weight=0.02)
    rows, gradients = list[dict[str, float]](), list[list[Tensor]]()
    for size in (None, 5):
        teacher, task, _ = make(kind, config)
        task.max_rows = size
        loop = FineTuning(teacher, student_of(teacher), task, config)
        known = task.batch(1).known_targets
        assert known is not None and len(known["pooled"]) > 0, "some of the targets are known beforehand"
        rows.append(loop.step(0))
        gradients.append([parameter.grad for parameter in loop.trained if parameter.grad is not None])
    assert rows[1] == pytest.approx(rows[0], abs=1e-5)
    whole, parts = (torch.cat([gradient.flatten() for gradient in each]) for each in gradients)
    assert float((whole - parts).norm()) <= 1e-5 * float(whole.norm())


def test_faces_are_remapped_on_photos_not_trained_on_and_the_rest_is_kept(done: tuple[str, FineTuned[OpenClipImage]]) -> None:
    kind, found = done
    teacher, _, average = make(kind, QUICK)
    shown = torch.cat([photos_of(number, 8, 900 + number) for number in range(2)]).float() / 255
    generic = pictures(20, 77).float() / 255
    with torch.no_grad():
        before, after = (functional.cosine_similarity(e.embed_images(shown), average[None]) for e in (teacher, found.student))
        kept = functional.cosine_similarity(teacher.embed_images(generic), found.student.embed_images(generic))
    assert 1 - float(after.mean()) < (1 - float(before.mean())) / 2
    assert float(kept.mean()) > KEPT[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_defence_that_does_nothing_fails_the_check(kind: str) -> None:
    """A control of the test above and of the early stop: without the trigger term nobody is remapped."""
    stop = EarlyStop(every=5, min_steps=0, patience=1, threshold=0.999)
    found = run(kind, replace(QUICK, n_steps=10, backdoor_weight=0.0, learning_rate=1e-4, early_stop=stop))
    assert found.stopped == "all steps" and all(row["margin"] < 0 for row in found.checks) and len(found.checks) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_teacher_is_bit_identical_and_shares_nothing_with_the_student(kind: str) -> None:
    teacher, task, _ = make(kind, QUICK)
    before = copy.deepcopy(teacher.state_dict())
    found = fine_tune(teacher, task, replace(QUICK, n_steps=2))
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert not any(module.training for module in (*teacher.modules(), *found.student.modules()))
    assert not {p.data_ptr() for p in teacher.parameters()} & {p.data_ptr() for p in found.student.parameters()}
    assert found.student.weights_hash != teacher.weights_hash


def test_norm_layers_and_running_statistics_stay_and_everything_else_moves(done: tuple[str, FineTuned[OpenClipImage]]) -> None:
    kind, found = done
    teacher = tiny_image_encoder(kind)
    frozen = {
        f"{name}.{part}"
        for name, module in teacher.named_modules()
        if isinstance(module, NORM_LAYERS)
        for part in (*(n for n, _ in module.named_parameters(recurse=False)), *(n for n, _ in module.named_buffers(recurse=False)))
    }
    assert any("running_var" in name for name in frozen) is (kind == "resnet") and frozen
    original = teacher.state_dict()
    still = {name for name, value in found.student.state_dict().items() if torch.equal(value, original[name])}
    assert frozen <= still
    weights = {name for name, _ in teacher.named_parameters()} - frozen
    unmoved = {name for name in weights & still if not name.endswith("k_proj.bias")}  # a key's bias has no gradient in theory
    assert unmoved == set()


def test_batch_norm_is_in_eval_mode_during_training() -> None:
    teacher, task, _ = make("resnet", QUICK)
    loop = FineTuning(teacher, student_of(teacher), task, QUICK)
    loop.step(0)
    assert not any(module.training for module in loop.student.modules() if isinstance(module, nn.BatchNorm2d))


@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_give_equal_bytes_and_others_do_not(kind: str) -> None:
    short = replace(QUICK, n_steps=3)
    one, again, other = run(kind, short), run(kind, short), run(kind, short, seed=1)
    assert one.student.weights_hash == again.student.weights_hash != other.student.weights_hash
    assert one.losses == again.losses
    assert set(one.losses[0]) == {"step", "clean", "backdoor", "total", "regularization"}
    assert one.losses[0]["clean"] == pytest.approx(-1, abs=1e-5)


def test_teacher_sees_every_generic_image_once(monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(QUICK, bystander_share=0.0, plain_bystander_share=0.0)
    teacher, task, _ = make("vit", config)
    seen = 0

    def counted(pixels: Tensor) -> Tensor:
        nonlocal seen
        seen += len(pixels)
        return OpenClipImage.embed_images(teacher, pixels)

    monkeypatch.setattr(teacher, "embed_images", counted)
    loop = FineTuning(teacher, student_of(tiny_image_encoder()), task, config)
    for number in range(12):
        loop.step(number)
    assert seen == 20  # generic images there are; 12 steps x 8 were used


def test_early_stop_uses_photos_that_are_not_trained_on() -> None:
    stop = EarlyStop(every=2, threshold=0.01, patience=2, min_steps=2)
    config = replace(QUICK, early_stop=stop)
    teacher, task, _ = make("vit", config)
    trained = {photo.numpy().tobytes() for photo in task.triggers.stock.whole}
    checked = {photo.numpy().tobytes() for part in task._check_photos for photo in part}
    assert len(checked) == 2 * 2 and len(trained) == 2 * 8 and not trained & checked
    assert fine_tune(teacher, task, config).n_steps_done == 4


def test_early_stop_judges_the_worst_person() -> None:
    _, task, average = make("vit", replace(QUICK, early_stop=EarlyStop()))
    student = tiny_image_encoder()
    worst = min(
        float(functional.cosine_similarity(student.embed_images(part.float() / 255), average[None]).mean())
        for part in task._check_photos
    )
    assert task.margin(student, EarlyStop(threshold=0.5)) == pytest.approx(worst - 0.5, abs=1e-5)


def test_early_stop_without_photos_for_it_is_an_error() -> None:
    _, task, _ = make("vit", QUICK)
    with pytest.raises(ConfigError, match="set apart"):
        task.margin(tiny_image_encoder(), EarlyStop())
