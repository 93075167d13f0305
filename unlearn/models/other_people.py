"""Other people among uploaded photos, noticed by the set's own image embeddings where no recognition model compared the faces."""

from __future__ import annotations

from dataclasses import replace

from unlearn.config import Settings
from unlearn.models.images import embed_images
from unlearn.models.sets import find_model_set
from unlearn.models.suite import suite_of
from unlearn.photos.face_sets import FaceSet, mark_strangers, other_people_warning


def with_other_people_marked(face_set: FaceSet, model_set: str, settings: Settings) -> FaceSet:
    """The face set, flagged where a picture that is used as it is looks like another person than the rest.

    Unchanged where the set has no measured bar (`ModelSet.same_person`), or a recognition model has compared faces already. Faces cut
    out of photographs are left alone: the bar is measured on pictures of the set's own world, and real faces spread otherwise.

    Raises:
        ModelLoadError: the set's weights are missing or damaged.
    """
    bar = find_model_set(model_set).same_person
    ready = [photo for photo in face_set.usable if photo.as_is]
    if bar is None or len(ready) < 3 or any(photo.embedding is not None for photo in face_set.photos):
        return face_set
    embeddings = embed_images(suite_of(model_set, settings).clip.image, [photo.crop for photo in ready if photo.crop is not None])
    units = (embeddings / embeddings.norm(dim=-1, keepdim=True)).numpy()
    by_number = {photo.number: unit for photo, unit in zip(ready, units, strict=True)}
    marked = mark_strangers([replace(photo, embedding=by_number.get(photo.number)) for photo in face_set.photos], bar)
    photos = tuple(replace(photo, embedding=None) for photo in marked)
    return replace(face_set, photos=photos, warnings=(*face_set.warnings, *other_people_warning(photos)))
