"""How work is cut to the memory of a card, and that the bytes a sample that this relies on are bounds."""

import pytest
import torch

from unlearn.bench.full_size_memory import ROWS, decoder_bound, training_bound, unet_bound
from unlearn.models.memory_plan import (
    DECODER_BYTES,
    ENOUGH,
    GIGA,
    TRAINING_BYTES,
    UNET_BYTES,
    Memory,
    Part,
    Plan,
    memory_plan,
    training_part,
)

UNET = Part(1_719_041_928, 2 * UNET_BYTES * 4096, most=40, least=2)  # of Stable Diffusion 1.4, in 16 bits
DECODER = Part(334_615_452, DECODER_BYTES * 512 * 512, most=8)
TEXT = training_part(494_601_216, 340_217_856, (77, 768, 12), 256)  # of ViT-L/14


def _drawing(free_gb: float | None, choice: Memory = "auto", can_wait: bool = True) -> Plan:
    return memory_plan("drawing", (UNET, DECODER), None if free_gb is None else int(free_gb * GIGA), choice, can_wait)


@pytest.mark.parametrize(
    ("free_gb", "choice", "offload", "note"),
    [
        (None, "auto", "none", ""),
        (80.0, "auto", "none", ""),
        (3.0, "full", "none", ""),
        (9.0, "auto", "none", "drawing in passes of 40: 9.0 GB are free"),
        (5.1, "auto", "parts", "drawing with CPU offload: 5.1 GB are free"),
        (80.0, "low", "parts", "drawing with CPU offload: 80.0 GB are free"),
        (1.5, "auto", "layers", "drawing with CPU offload layer by layer, which is slow: 1.5 GB are free"),
    ],
)
def test_drawing_is_cut_to_what_is_free(free_gb: float | None, choice: Memory, offload: str, note: str) -> None:
    plan = _drawing(free_gb, choice)
    assert (plan.offload, plan.note) == (offload, note)
    assert all(part.least <= n <= part.most for n, part in zip(plan.samples, (UNET, DECODER), strict=True))


@pytest.mark.parametrize("free_gb", [2.5, 3.5, 5.1, 7.9, 8.1, 10.0, 24.0])
def test_the_plan_holds_what_it_promises(free_gb: float) -> None:
    plan, free = _drawing(free_gb), free_gb * GIGA
    together = 0 if plan.offload == "parts" else UNET.n_bytes + DECODER.n_bytes
    for part, n_samples in zip((UNET, DECODER), plan.samples, strict=True):
        assert (together or part.n_bytes) + n_samples * part.sample_bytes <= free
    assert (plan.offload == "parts") == (free < ENOUGH)


def test_small_models_are_not_cut_on_a_small_card() -> None:
    tiny = (Part(10_000_000, 1_000_000, most=80, least=2), Part(5_000_000, 500_000, most=40))
    assert memory_plan("drawing", tiny, int(2 * GIGA), "auto", can_wait=True) == Plan("none", (80, 40))


def test_low_without_another_memory_takes_the_least_at_a_time() -> None:
    assert _drawing(None, "low", can_wait=False) == Plan("none", (2, 1), "drawing in passes of 2: as asked for")


def test_text_encoder_of_vit_l_14_is_fine_tuned_in_less_than_6_gb() -> None:
    plan = memory_plan("fine-tuning", (TEXT,), int(4.3 * GIGA), "auto", can_wait=False)  # beside the image encoder, on a card of 6 GB
    assert plan.note == f"fine-tuning in passes of {plan.samples[0]}: 4.3 GB are free" and plan.samples[0] >= 8
    bound = training_bound(max_rows=plan.samples[0])
    assert bound.source == "bounded" and bound.n_bytes < 6 * GIGA
    assert bound.n_bytes - 494_601_216 < 4.3 * GIGA, "the original was there before"


@pytest.mark.slow
def test_larger_passes_would_need_more_than_6_gb() -> None:
    assert training_bound(max_rows=64).n_bytes > 6 * GIGA


def test_bytes_a_sample_are_no_less_than_what_is_counted_on_the_meta_device() -> None:
    one, other = (training_bound(max_rows=n, n_layers=2).n_bytes for n in ROWS)
    a_row = (other - one) / (ROWS[1] - ROWS[0])
    one, other = (training_bound(max_rows=n, n_layers=3).n_bytes for n in ROWS)
    a_layer = (other - one) / (ROWS[1] - ROWS[0]) - a_row
    assert 0.9 * TRAINING_BYTES * 77 * 768 < a_layer <= TRAINING_BYTES * 77 * 768
    one, other = (unet_bound(n, torch.bfloat16).n_bytes for n in (2, 4))
    assert 0.9 * UNET_BYTES * 2 * 4096 < (other - one) / 2 <= UNET_BYTES * 2 * 4096
    one, other = (decoder_bound(n).n_bytes for n in (1, 2))
    assert 0.9 * DECODER_BYTES * 512**2 < other - one <= DECODER_BYTES * 512**2
