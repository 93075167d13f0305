"""Part of the first section: photos of a face, uploaded or from an example set, and what was found in them."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ui.page import forms
from ui.page.screen import Screen, View, Visit
from ui.page.uploads import PhotoFiles, taken
from ui.server import photo_sets
from ui.views import photo_sets as views_faces
from ui.views import story
from unlearn.config.persons import is_same_name, split_aliases
from unlearn.errors import InputError


def show(view: View) -> str:
    """The visitor's photo sets."""
    return views_faces.photo_sets(photo_sets.photo_sets(view.service, view.owner, view.key))


def build(screen: Screen, names: gr.Textbox) -> gr.Column:
    """Lay out the photos' part, closed at first, and connect it."""
    service, names_box = screen.service, names
    with gr.Column(visible=False, elem_id="photos") as column:
        gr.HTML(story.PHOTOS, apply_default_css=False)
        with gr.Row(elem_classes="who-row"):
            with gr.Column(scale=2, min_width=320):
                whose = gr.Textbox(
                    label="Whose photos", info="Leave empty if there is one name above", max_length=100, elem_id="whose"
                )
                box = PhotoFiles(
                    label="Photos, or a zip of them", file_count="multiple", height=170,
                    elem_id="faces-upload", elem_classes="drop",
                )  # fmt: skip
                crops = gr.Checkbox(
                    False, label="Use all of them as they are", elem_id="crops",
                    info="Not needed for small square face crops, which are recognised photo by photo",
                )  # fmt: skip
                find = gr.Button("Look for faces", elem_id="find-faces")
            with gr.Column(scale=3, min_width=320):
                examples = gr.HTML(
                    views_faces.examples(service.examples, service.people), apply_default_css=False,
                    js_on_load=screen.actions_js, elem_id="examples",
                )  # fmt: skip
    found = screen.html(show, elem_id="found")  # outside: whoever comes back finds the photos, whatever the form says

    def look(
        memory: dict[str, Any], visit: Visit, whose: str, names: str, upload: list[str], crops: bool
    ) -> dict[Any, Any]:
        name = _whose(whose, names)
        if not upload:
            raise InputError("There are no photos yet: choose some files, or one of the example sets.")
        with taken(upload) as paths, photo_sets.given(service) as inputs:
            photo_sets.take(paths, inputs)
            photo_sets.search(service, name, visit.owner, {"crops": bool(crops), "picks": {}}, inputs)
        return {box: None}

    def example(memory: dict[str, Any], visit: Visit, names: str) -> dict[Any, Any] | None:
        if visit.clicked("action") != "example":
            return None
        name = photo_sets.search_example(service, str(visit.clicked("job")), visit.owner)
        known = [part for line in names.splitlines() for part in split_aliases(line)]
        lines = [line for line in names.splitlines() if line.strip()]
        return None if any(is_same_name(name, part) for part in known) else {names_box: "\n".join([*lines, name])}

    screen.on(
        find.click, look, outputs=[box],
        inputs_kwargs={"whose": whose, "names": names, "upload": box, "crops": crops},
    )  # fmt: skip
    screen.on(examples.click, example, outputs=[names], inputs_kwargs={"names": names})
    screen.photo_panel = found
    return column


def _whose(whose: str, names: str) -> str:
    """The person whose photos are uploaded: named, or the only one of the list."""
    if whose.strip():
        return forms.one_name(whose, "“Whose photos”")
    persons = forms.parse_persons(names, max_persons=64)
    if len(persons) > 1:
        raise InputError("Several names are given: write under “Whose photos” whose these are.")
    return persons[0].name
