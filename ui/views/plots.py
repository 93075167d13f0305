"""Small line charts as SVG text; knows numbers only. Colours come from the style sheet by class names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from unlearn.runs.records import LossRow

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 320, 132, 48, 22, 8
MAX_POINTS = 150  # more points than pixels only make the page heavier

# Losses that are negative mean cosines are drawn as the similarity they stand for: (encoder, loss) -> (title, sign).
CURVES = {
    ("text", "clean"): ("Utility: other texts (cosine)", -1.0),
    ("text", "backdoor"): ("Backdoor: name to target (cosine)", -1.0),
    ("text", "hidden_clean"): ("Utility, hidden states (cosine)", -1.0),
    ("text", "hidden_backdoor"): ("Backdoor, hidden states (cosine)", -1.0),
    ("text", "regularization"): ("Weights: distance moved", 1.0),
    ("diffusion_text", "hidden_clean"): ("Stable Diffusion's text encoder, utility (cosine)", -1.0),
    ("diffusion_text", "hidden_backdoor"): ("Stable Diffusion's text encoder, backdoor (cosine)", -1.0),
    ("diffusion_text", "regularization"): ("Weights of Stable Diffusion's text encoder: distance", 1.0),
    ("image", "clean"): ("Utility: other pictures (cosine)", -1.0),
    ("image", "backdoor"): ("Backdoor: face to target (cosine)", -1.0),
    ("image", "regularization"): ("Weights of the image encoder: distance", 1.0),
}


@dataclass(frozen=True)
class Curve:
    """One quantity over the steps."""

    title: str
    steps: tuple[float, ...]
    values: tuple[float, ...]


def curves(rows: Sequence[LossRow]) -> list[Curve]:
    """The losses as curves: utility, backdoor, weights, encoder by encoder."""
    drawn = []
    for (encoder, name), (title, sign) in CURVES.items():
        values = ((row.step, getattr(row, name)) for row in rows if row.encoder == encoder)
        points = [(step, sign * value) for step, value in values if value is not None]
        if not points:
            continue
        stride = max(1, -(-len(points) // MAX_POINTS))
        points = [*points[::stride], *points[-1:]] if stride > 1 else points
        drawn.append(Curve(title, tuple(s for s, _ in points), tuple(v for _, v in points)))
    return drawn


def _tick(value: float) -> str:
    return f"{value:.2g}" if abs(value) < 10 else f"{value:.0f}"


def line_chart(curve: Curve) -> Markup:
    """The curve as SVG, from 0 (or the least value) to the greatest."""
    last_step = curve.steps[-1]
    low, high = min(0.0, *curve.values), max(*curve.values, 1e-9)
    span, first = high - low, curve.steps[0]
    right = WIDTH - 8

    def place(step: float, value: float) -> str:
        x = LEFT + (right - LEFT) * (step - first) / max(last_step - first, 1.0)
        y = TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - (value - low) / span)
        return f"{x:.1f},{y:.1f}"

    path = " ".join(place(s, v) for s, v in zip(curve.steps, curve.values, strict=True))
    base = HEIGHT - BOTTOM
    now = _tick(curve.values[-1])
    label = escape(f"{curve.title}: {now} after {curve.steps[-1]:.0f} steps, at most {_tick(high)}")
    return Markup(
        f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        f'<line class="axis" x1="{LEFT}" y1="{base}" x2="{right}" y2="{base}"/>'
        f'<line class="grid" x1="{LEFT}" y1="{TOP}" x2="{right}" y2="{TOP}"/>'
        f'<text x="{LEFT - 6}" y="{TOP + 4}" text-anchor="end">{_tick(high)}</text>'
        f'<text x="{LEFT - 6}" y="{base + 4}" text-anchor="end">{_tick(low)}</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 4}">{first:.0f}</text>'
        f'<text x="{right}" y="{HEIGHT - 4}" text-anchor="end">step {last_step:.0f}</text>'
        f'<polyline class="line" points="{path}"/>'
        f'<circle class="now" cx="{place(curve.steps[-1], curve.values[-1]).split(",")[0]}" '
        f'cy="{place(curve.steps[-1], curve.values[-1]).split(",")[1]}" r="3"/></svg>'
    )
