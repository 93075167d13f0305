"""Encoders with random weights, small enough for a training step in milliseconds; knows no files of a
set.

Context 32, width 64, 2 blocks, open_clip's own classes and tokenizer (a cut vocabulary).
"""

from __future__ import annotations

import gzip
import tempfile
from functools import cache
from pathlib import Path

import torch

from unlearn.models.encoders import OpenClipImage, OpenClipText
from unlearn.models.tokenization import ClipTokenizer

CONTEXT_LENGTH = 32
N_MERGES = 900


@cache
def tokenizer() -> ClipTokenizer:
    """CLIP's tokenizer with its first 900 merges."""
    from open_clip.tokenizer import default_bpe

    with gzip.open(default_bpe(), "rt", encoding="utf-8") as file:
        merges = file.read().split("\n")[: N_MERGES + 1]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bpe.txt.gz"
        with gzip.open(path, "wt", encoding="utf-8") as file:
            file.write("\n".join(merges))
        return ClipTokenizer(CONTEXT_LENGTH, path)


def tiny_text_encoder(seed: int = 0, width: int = 64, layers: int = 2) -> OpenClipText:
    """The encoder in eval mode without gradients; equal arguments give equal weights."""
    from open_clip.transformer import TextTransformer

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        tower = TextTransformer(
            context_length=CONTEXT_LENGTH,
            vocab_size=tokenizer().n_tokens,
            width=width,
            heads=4,
            layers=layers,
            output_dim=width,
        )
        with torch.no_grad():  # random towers give all texts nearly one direction; this tells them apart
            tower.token_embedding.weight.normal_(std=0.5)
    encoder = OpenClipText(tower, tokenizer(), torch.float32)
    return encoder.eval().requires_grad_(False)


def tiny_image_encoder(kind: str = "vit", seed: int = 0) -> OpenClipImage:
    """A vision transformer ("vit") or a ModifiedResNet ("resnet") for images of 32 px, in eval mode without gradients."""
    from open_clip.modified_resnet import ModifiedResNet
    from open_clip.transformer import VisionTransformer

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if kind == "resnet":
            tower: torch.nn.Module = ModifiedResNet(layers=[1, 1, 1, 1], output_dim=32, heads=4, image_size=32, width=8)
            for module in tower.modules():  # statistics of its own, as of a trained network; a fresh one has zeros
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.running_mean.normal_(std=0.1)  # type: ignore[union-attr]
                    module.running_var.uniform_(0.1, 0.3)  # type: ignore[union-attr]
                    torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(tower.attnpool.positional_embedding, std=0.01)  # type: ignore[union-attr,arg-type]
            with torch.no_grad():  # and gives all images nearly one direction; without their mean it tells them apart
                smooth = torch.nn.functional.interpolate(2 * torch.rand(64, 3, 6, 6) - 1, (32, 32), mode="bilinear")
                tower.attnpool.c_proj.bias -= tower.eval()(smooth).mean(dim=0)  # type: ignore[union-attr,operator]
        else:
            tower = VisionTransformer(
                image_size=32, patch_size=8, width=64, layers=2, heads=4, mlp_ratio=4.0, output_dim=32
            )
    preprocess = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "size": 32, "interpolation": "bicubic", "resize_mode": "shortest"}
    return OpenClipImage(tower, preprocess, torch.float32).eval().requires_grad_(False)
