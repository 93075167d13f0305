"""The command that looks at photos of a face before anything is forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from unlearn.cli.console import print_json, progress_bar, table
from unlearn.cli.options import AsJson, settings_of
from unlearn.config import FinderBars
from unlearn.errors import InputError

if TYPE_CHECKING:
    from unlearn.photos.faces import FaceSet


def faces(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A folder or zip of photos of one person, or a prepared face set.")],
    detector: Annotated[
        str, typer.Option(help="auto: for each photo; insightface, mtcnn, cascade; or crops: all are face crops already.")
    ] = "auto",
    pack: Annotated[str, typer.Option(help="InsightFace pack; never downloaded by this program.")] = "buffalo_l",
    root: Annotated[Path | None, typer.Option(help="Folder with models/PACK (default: ~/.insightface).")] = None,
    evaluation: Annotated[int | None, typer.Option(help="Photos kept for evaluation (default: 40 %, at most 20).")] = None,
    pick: Annotated[list[str] | None, typer.Option(help="PHOTO=FACE, e.g. 3=2: which face of a photo; several times.")] = None,
    model_set: Annotated[
        str | None, typer.Option("--set", help="Also compare ready crops by this set's image embeddings, if it has a bar for them.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Draws the split into fine-tuning and evaluation.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Save crops and split here, for `forget --faces`.")] = None,
    as_json: AsJson = False,
) -> None:
    """Report photo by photo what would be used of a person's photos: the face, or why not, and the split."""
    from unlearn.photos.faces import FaceConfig, open_faces, save_face_set

    if not folder.exists():
        raise InputError("The folder of photos does not exist; check the path.")
    bars = FinderBars()
    if model_set is not None:
        from unlearn.models.sets import find_model_set

        bars = find_model_set(model_set).finder
    config = FaceConfig(cast(Any, detector), pack, root, n_evaluation=evaluation, seed=seed, bars=bars)
    with progress_bar() as report:
        face_set = open_faces(folder, config, settings_of(context), dict(map(_picked_face, pick or ())), report)
    if model_set is not None:
        from unlearn.models.other_people import with_other_people_marked

        face_set = with_other_people_marked(face_set, model_set, settings_of(context))
    if out is not None:
        save_face_set(face_set, out)
    if as_json:
        return print_json(face_set.summary())
    _print_face_set(face_set)


def _picked_face(text: str) -> tuple[int, int]:
    """(Number of the photo, number of the face in it) from PHOTO=FACE."""
    photo, _, face = text.partition("=")
    if not (photo.isdecimal() and face.isdecimal()):
        raise InputError(f"--pick is {text!r}; write PHOTO=FACE, such as 3=2.")
    return int(photo), int(face)


def _print_face_set(face_set: FaceSet) -> None:
    rows = [
        (photo.number, photo.status, (face_set.part_of(photo.number) or "").replace("_", "-"), photo.message)
        for photo in face_set.photos
    ]
    print(table(rows, ("photo", "status", "used for", "what became of it")))
    counts = f"{len(face_set.fine_tuning)} for fine-tuning, {len(face_set.evaluation)} for evaluation"
    print(f"\nFound by: {face_set.finder}. Usable: {len(face_set.usable)} of {len(face_set.photos)} photos, {counts}.")
    for line in filter(None, (face_set.split_note, *face_set.warnings)):
        print(line)
