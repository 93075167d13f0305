"""The page: `build_app` puts it together. Importing this package loads neither Gradio nor any model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import gradio as gr

    from ui.server.service import Service


def build_app(service: Service) -> gr.Blocks:
    """The whole page and its named endpoints as Gradio Blocks, ready to launch with `ui.page.theme.launch_options`."""
    from ui.page.layout import build

    return build(service)
