"""The bars of the finders: a set's own are used, and one out of range is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.photo_zoo import ONE_FACE, encoded
from unlearn.config import FinderBars
from unlearn.errors import ConfigError
from unlearn.models.sets import find_model_set
from unlearn.photos.faces import FaceConfig, find_faces
from unlearn.photos.folders import open_photo

NOTHING_IS_SURE = replace(FinderBars(), mtcnn_sure=1.0, cascade_hits=10_000)


@pytest.mark.parametrize("detector", ["mtcnn", "cascade"])
def test_bars_decide_what_counts_as_a_face(detector: str, tmp_path: Path) -> None:
    statuses = [
        find_faces([ONE_FACE], FaceConfig(detector, root=tmp_path, bars=bars)).photos[0].status  # type: ignore[arg-type]
        for bars in (FinderBars(), NOTHING_IS_SURE)
    ]
    assert statuses == ["usable", "no face"]


def test_bar_decides_what_counts_as_a_ready_crop(tmp_path: Path) -> None:
    canvas = np.full((220, 220, 3), 128, np.uint8)
    canvas[54:166, 54:166] = open_photo(ONE_FACE, "the photo")[:112, :112]  # a face that fills half of a small square
    (tmp_path / "small.png").write_bytes(encoded(canvas))
    as_is = [
        find_faces([tmp_path / "small.png"], FaceConfig(root=tmp_path, bars=replace(FinderBars(), ready_share=share))).photos[0].as_is
        for share in (0.1, 1.0)
    ]
    assert as_is == [True, False]


def test_set_has_bars_of_its_own(tmp_path: Path, miniature: Path) -> None:
    (tmp_path / "clip").symlink_to(miniature / "clip", target_is_directory=True)
    (tmp_path / "defaults.json").write_text(json.dumps({"finder": {"ready_share": 0.4, "sface_same_person": 0.5}}))
    assert find_model_set(str(tmp_path)).finder == FinderBars(ready_share=0.4, sface_same_person=0.5)
    assert find_model_set("sd14").finder == FinderBars()
    for wrong in ({"ready_share": 2}, {"smile": 1}):
        (tmp_path / "defaults.json").write_text(json.dumps({"finder": wrong}))
        with pytest.raises(ConfigError, match="ready_share is 2|unknown setting"):
            find_model_set(str(tmp_path))
