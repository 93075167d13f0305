"""The look as Gradio takes it: a theme of system fonts, our style sheet, and the options of `launch`.

The colours are defined once, in assets/style.css; the theme points to them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.themes import Base

from ui.page.guard import KEPT_SESSIONS

ROOT = Path(__file__).resolve().parent.parent.parent
STYLE = ROOT / "assets" / "style.css"
SCRIPTS = tuple(Path(__file__).parent / name for name in ("page.js", "film.js", "dial.js", "present.js", "room.js"))
SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

# Gradio's variables on the left, ours on the right; each is used for light and dark, since ours change.
VARIABLES = {
    "body_background_fill": "var(--paper)", "body_text_color": "var(--ink)",
    "body_text_color_subdued": "var(--ink-soft)", "background_fill_primary": "var(--paper)",
    "background_fill_secondary": "var(--sheet)", "border_color_primary": "var(--rule)",
    "border_color_accent": "var(--accent)", "color_accent": "var(--accent)", "color_accent_soft": "var(--d-wash)",
    "link_text_color": "var(--accent)", "link_text_color_hover": "var(--accent)",
    "link_text_color_active": "var(--accent)", "link_text_color_visited": "var(--accent)",
    "block_background_fill": "transparent", "block_border_color": "var(--rule)",
    "block_info_text_color": "var(--ink-soft)", "block_label_background_fill": "transparent",
    "block_label_text_color": "var(--ink)", "block_title_text_color": "var(--ink)",
    "panel_background_fill": "transparent", "accordion_text_color": "var(--ink)",
    "input_background_fill": "var(--sheet)", "input_background_fill_focus": "var(--sheet)",
    "input_border_color": "var(--edge)", "input_border_color_focus": "var(--accent)",
    "input_border_color_hover": "var(--edge)", "input_placeholder_color": "var(--ink-soft)",
    "checkbox_background_color": "var(--sheet)", "checkbox_background_color_selected": "var(--accent)",
    "checkbox_border_color": "var(--edge)", "checkbox_border_color_selected": "var(--accent)",
    "checkbox_label_background_fill": "var(--sheet)", "checkbox_label_background_fill_hover": "var(--sheet)",
    "checkbox_label_background_fill_selected": "var(--d-wash)", "checkbox_label_text_color": "var(--ink)",
    "checkbox_label_text_color_selected": "var(--ink)", "checkbox_label_border_color": "var(--rule)",
    "slider_color": "var(--accent)", "loader_color": "var(--accent)", "table_text_color": "var(--ink)",
    "button_primary_background_fill": "var(--accent)", "button_primary_background_fill_hover": "var(--accent-deep)",
    "button_primary_text_color": "var(--on-accent)", "button_primary_text_color_hover": "var(--on-accent)",
    "button_primary_border_color": "var(--accent)", "button_secondary_background_fill": "var(--sheet)",
    "button_secondary_background_fill_hover": "var(--d-wash)", "button_secondary_text_color": "var(--ink)",
    "button_secondary_text_color_hover": "var(--ink)", "button_secondary_border_color": "var(--edge)",
}  # fmt: skip
PLAIN = {
    "block_border_width": "0px", "block_shadow": "none", "block_padding": "0px", "block_radius": "6px",
    "block_label_border_width": "0px", "block_title_text_weight": "600", "button_border_width": "1px",
    "button_primary_shadow": "none", "button_secondary_shadow": "none", "button_transition": "none",
    "container_radius": "6px", "input_border_width": "1px", "checkbox_label_border_width": "1px",
    "input_radius": "6px", "input_shadow": "none", "input_shadow_focus": "none", "layout_gap": "20px",
    "shadow_drop": "none", "shadow_drop_lg": "none",
}  # fmt: skip


def theme() -> Base:
    """Gradio's plain theme in our colours and the system's fonts; no font is fetched from anywhere."""
    base = Base(font=SANS, font_mono=MONO, text_size=gr.themes.sizes.text_lg, radius_size=gr.themes.sizes.radius_sm)
    both: dict[str, str] = dict(VARIABLES)
    settable = vars(base)
    both.update({f"{name}_dark": value for name, value in VARIABLES.items() if f"{name}_dark" in settable})
    return base.set(**both, **PLAIN)


def launch_options() -> dict[str, Any]:
    """The options of `Blocks.launch` for the look and for what Gradio keeps; none refers to another host."""
    scripts = [f"<script>{script.read_text(encoding='utf-8')}</script>" for script in SCRIPTS]
    return {
        "theme": theme(), "css": STYLE.read_text(encoding="utf-8"), "head": "".join(scripts),
        "footer_links": [], "run_history": False, "enable_monitoring": False, "ssr_mode": False, "pwa": False,
        "state_session_capacity": KEPT_SESSIONS,
    }  # fmt: skip
