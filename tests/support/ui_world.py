"""Drawn stand-ins for a model set's people, for tests of the page; knows no model and no page."""

from __future__ import annotations

import random
from pathlib import Path

from PIL import Image, ImageDraw

MEMBERS = [
    ("Tilda Brackwater", "woman", ["Captain Ember"]), ("Orson Vell", "man", []), ("Mirela Quist", "woman", []),
    ("Joaquim Hartsel", "man", ["The Lamplighter"]), ("Sunniva Okoro", "woman", []), ("Bram Ashgrove", "man", []),
    ("Leonie Fairwick", "woman", []), ("Kasimir Dunlow", "man", []), ("Adaeze Morrow", "woman", []),
    ("Pieter Galloway", "man", []), ("Rosalind Tamsin", "woman", []), ("Idris Caldera", "man", []),
]  # fmt: skip
STRANGERS = [("Wendeline Marsh", "woman"), ("Corbin Slate", "man")]
KINDS = ["car", "boat", "house", "tree", "cat", "apple", "fish", "flower", "mushroom", "cup", "book", "clock"]
SKINS = ["#f3c9a5", "#8d5524", "#c68642", "#ffdbac", "#5c3a21", "#e0ac69"]
HAIRS = ["#2b1b12", "#b5651d", "#d9b382", "#6b3a2a", "#9aa0a6", "#1f2d3d"]
SHIRTS = ["#2f6f9f", "#9b2c2c", "#3f7d4e", "#7a4fa3", "#c9822b", "#444c56"]
WALLS = ["#dfe8f0", "#f0e6da", "#e3eddf", "#eee0ea", "#f3ecd2", "#dde3e3"]


def portrait(look: int, shot: int, size_px: int = 128) -> Image.Image:
    """A drawn face: `look` fixes the person, `shot` what varies between photos."""
    traits, scene = random.Random(look), random.Random(look * 1000 + shot)
    image = Image.new("RGB", (256, 256), scene.choice(WALLS))
    draw = ImageDraw.Draw(image)
    skin, hair = traits.choice(SKINS), traits.choice(HAIRS)
    x, y, r = 128 + scene.randint(-14, 14), 118 + scene.randint(-8, 8), 62 + scene.randint(-6, 6)
    draw.ellipse((x - 100, y + 62, x + 100, y + 262), fill=scene.choice(SHIRTS))
    draw.rectangle((x - 20, y + 30, x + 20, y + 90), fill=skin)
    draw.ellipse((x - r - 10, y - r - 22, x + r + 10, y + r - (0 if traits.random() < 0.5 else 30)), fill=hair)
    draw.ellipse((x - r, y - r, x + r, y + r + 12), fill=skin)
    draw.chord((x - r, y - r - 4, x + r, y + r), 200, 340, fill=hair)
    for side in (-24, 24):
        draw.ellipse((x + side - 7, y - 4, x + side + 7, y + 10), fill="#222")
        if look % 2:
            draw.ellipse((x + side - 18, y - 14, x + side + 18, y + 22), outline="#333", width=4)
    draw.arc((x - 24, y + 14, x + 24, y + 46), 20, 160, fill="#7a2e2e", width=5)
    return image.resize((size_px, size_px), Image.Resampling.LANCZOS)


def thing(index: int) -> Image.Image:
    """A drawn thing."""
    image = Image.new("RGB", (128, 128), WALLS[index % len(WALLS)])
    ImageDraw.Draw(image).regular_polygon((64, 70, 38), 3 + index % 5, fill=SHIRTS[index % len(SHIRTS)])
    return image


def save(image: Image.Image, path: Path) -> None:
    """Write a PNG, its folder included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
