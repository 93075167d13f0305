"""The bars of what finds and compares faces in photos; imported through `unlearn.config`."""

from __future__ import annotations

from dataclasses import dataclass

from unlearn.config.limits import require_range


@dataclass(frozen=True)
class FinderBars:
    """From which on something counts as a face, as a crop, or as the same person.

    They belong to the finders, not to a CLIP; a model set whose pictures are of another kind has its own in its `defaults.json`
    ("finder"). Thresholds that a finder was published with stand in its module.

    Attributes:
        mtcnn_sure: probability that MTCNN's last network has to give a face that was turned upright. Measured on photos of
            installed packages: faces .97 and more.
        cascade_hits: neighbouring windows that the cascade has to hit. Measured on the same photos: faces 76 and more, other things
            at most 46.
        cascade_detail: differences of neighbouring pixels, relative to the brightness. Measured: faces .084 and more, soft blobs .035.
        insightface_same_person: least cosine of two photos of a person by ArcFace. An estimate: different people are near 0, one
            person's photos mostly above .4; the packs could not be loaded where this was built.
        sface_same_person: the same for SFace; OpenCV's own threshold, fitted on Labeled Faces in the Wild.
        ready_share: of a small square picture's side, that the crop around a found face has to fill, so that the picture counts as a
            crop. Drawn faces fill .6, those that are cut out for recognition models nearly all of it.
    """

    mtcnn_sure: float = 0.95
    cascade_hits: int = 50
    cascade_detail: float = 0.05
    insightface_same_person: float = 0.3
    sface_same_person: float = 0.363
    ready_share: float = 0.5

    def __post_init__(self) -> None:
        for name in ("mtcnn_sure", "cascade_detail", "ready_share"):
            require_range(f"finder: {name}", getattr(self, name), 0.0, 1.0)
        for name in ("insightface_same_person", "sface_same_person"):
            require_range(f"finder: {name}", getattr(self, name), -1.0, 1.0)
        require_range("finder: cascade_hits", self.cascade_hits, 1, 10_000)
