"""Part of the first section: photos of a face, uploaded or from an example set, and the result of the search for faces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui.page import forms
from ui.page.screen import Screen, View, Visit
from ui.page.uploads import PhotoFiles, temporary_uploads
from ui.server import photo_sets
from ui.server.face_pictures import drawn_first
from ui.views import photo_sets as views_faces
from ui.views import story
from unlearn.config.persons import is_same_name, split_aliases
from unlearn.errors import InputError


@dataclass(frozen=True)
class Upload:
    """The widgets for photos of one's own."""

    whose: gr.Textbox
    photos: PhotoFiles
    archive: PhotoFiles
    crops: gr.Checkbox
    search: gr.Button


def show(view: View) -> str:
    """The visitor's photo sets."""
    return views_faces.photo_sets(photo_sets.photo_sets(view.service, view.owner, view.key))


def build(screen: Screen, names: gr.Textbox) -> gr.Column:
    """Lay out the part for photos, closed at first, and connect it."""
    service = screen.service
    with gr.Column(visible=False, elem_id="photos") as column:
        gr.HTML(story.PHOTOS + views_faces.drawn_first(drawn_first(service)), apply_default_css=False)
        with gr.Row(elem_classes="who-row"):
            with gr.Column(scale=2, min_width=320):
                upload = _upload()
            with gr.Column(scale=3, min_width=320):
                examples = gr.HTML(
                    views_faces.examples(service.examples, service.people), apply_default_css=False,
                    js_on_load=screen.actions_js, elem_id="examples",
                )  # fmt: skip
    # Outside of the column: photos stay in sight for a visitor who comes back, whatever the form shows.
    screen.photo_panel = screen.html(show, elem_id="found")
    _connect_upload(screen, upload, names)
    _connect_examples(screen, examples, names)
    return column


def _upload() -> Upload:
    return Upload(
        whose=gr.Textbox(label="Whose photos", info="Leave empty if there is only one name above", max_length=100, elem_id="whose"),
        photos=PhotoFiles(label="Photos", file_count="multiple", height=150, elem_id="faces-upload", elem_classes="drop"),
        archive=PhotoFiles(label="Or a zip of photos", file_count="single", height=110, elem_id="zip-upload", elem_classes="drop"),
        crops=gr.Checkbox(
            False, label="Use all photos as they are", elem_id="crops",
            info="Skips the search for faces. Small square photos of a face alone are recognised without it",
        ),
        search=gr.Button("Find faces", elem_id="find-faces"),
    )  # fmt: skip


def _connect_upload(screen: Screen, upload: Upload, names: gr.Textbox) -> None:
    service = screen.service

    def search(memory: dict[str, Any], visit: Visit, photos: list[str], archive: list[str], **form: Any) -> dict[Any, Any]:
        name = _whose(form["whose"], form["names"])
        if not photos and not archive:
            raise InputError("There are no photos yet: choose files, or one of the example sets.")
        with temporary_uploads([*photos, *archive]) as paths, photo_sets.given(service) as inputs:
            photo_sets.take(paths, inputs)
            photo_sets.search(service, name, visit.owner, {"crops": bool(form["crops"]), "picks": {}}, inputs)
        return {upload.photos: None, upload.archive: None}

    inputs_kwargs = {
        "photos": upload.photos, "archive": upload.archive, "whose": upload.whose, "names": names, "crops": upload.crops,
    }  # fmt: skip
    screen.on(upload.search.click, search, outputs=[upload.photos, upload.archive], inputs_kwargs=inputs_kwargs)


def _connect_examples(screen: Screen, examples: gr.HTML, names: gr.Textbox) -> None:
    box = names

    def choose(memory: dict[str, Any], visit: Visit, names: str) -> dict[Any, Any] | None:
        if visit.clicked("action") != "example":
            return None
        name = photo_sets.search_example(screen.service, str(visit.clicked("job")), visit.owner)
        lines = [line for line in names.splitlines() if line.strip()]
        listed = [part for line in lines for part in split_aliases(line)]
        return None if any(is_same_name(name, part) for part in listed) else {box: "\n".join([*lines, name])}

    screen.on(examples.click, choose, outputs=[names], inputs_kwargs={"names": names})


def _whose(whose: str, names: str) -> str:
    """The person whose photos are uploaded: named in their own field, or the only one in the list of names."""
    if whose.strip():
        return forms.one_name(whose, "“Whose photos”")
    persons = forms.parse_persons(names, max_persons=64)
    if len(persons) > 1:
        raise InputError("There are several names: write under “Whose photos” whose photos these are.")
    return persons[0].name
