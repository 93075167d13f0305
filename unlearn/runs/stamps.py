"""What a portrait says of itself: seed, model and the hashes of both text encoders, as text chunks of its PNG file.

No chunk holds a prompt or a name. The keys stay the same from version to version.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unlearn.errors import InputError

SEED, MODEL, SHARE = "unlearn:seed", "unlearn:model", "unlearn:share"
ORIGINAL, DEFENDED, SHA256 = "unlearn:original-weights", "unlearn:defended-weights", "unlearn:defended-sha256"


@dataclass(frozen=True)
class Stamp:
    """Where a portrait comes from.

    Attributes:
        seed: of its noise.
        model: "original", "defended", or "between" for one between them.
        original, defended: hashes of the weights of both text encoders that draw, as under the portraits.
        sha256: of the file of the defended weights; None where the encoder that draws was not defended.
        share: of a model between both: how far it is from the original, 0 to 1.
    """

    seed: int
    model: str
    original: str
    defended: str
    sha256: str | None = None
    share: float | None = None

    def chunks(self) -> dict[str, str]:
        """Key -> text."""
        texts = {
            SEED: self.seed, MODEL: self.model, ORIGINAL: self.original, DEFENDED: self.defended, SHA256: self.sha256, SHARE: self.share,
        }  # fmt: skip
        return {key: str(text) for key, text in texts.items() if text is not None}


def read_png(path: Path) -> np.ndarray:
    """The picture uint8 (height, width, 3) in a file of a run.

    Raises:
        InputError: it is missing or damaged.
    """
    return np.asarray(_opened(path).convert("RGB"))


def read_stamp(path: Path) -> Stamp | None:
    """The stamp of a portrait; None where the file has none.

    Raises:
        InputError: the file is missing or damaged, or its stamp is.
    """
    texts = {key: str(text) for key, text in _opened(path).info.items() if key.startswith("unlearn:")}
    if not texts:
        return None
    try:
        share = float(texts[SHARE]) if SHARE in texts else None
        return Stamp(int(texts[SEED]), texts[MODEL], texts[ORIGINAL], texts[DEFENDED], texts.get(SHA256), share)
    except (KeyError, ValueError) as error:
        raise InputError(f"The stamp of the picture {path.name} is damaged; draw it again.") from error


def _opened(path: Path) -> Any:
    from PIL import Image

    try:
        image = Image.open(path)
        image.load()
    except (OSError, SyntaxError, ValueError) as error:  # what PIL raises for a broken PNG
        raise InputError(f"The picture {path.name} cannot be read: it is missing or damaged.") from error
    return image
