"""The schedules and drawing settings that go with the embedded set: `defaults.json`, and why each differs from the paper's.

Knows numbers only; `unlearn.models.sets` reads them. They were chosen by `python -m unlearn evaluate`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# An encoder that is asked for every known name keeps the others (see the README).
# With stand-ins the closed form does nearly all of it. The few small steps behind it bring both embeddings a little nearer to their
# targets; larger ones push the names that nobody knows together, and what is left of a forgotten name then decides among them.
TEXT: dict[str, Any] = {
    "n_steps": 10, "batch_size": 16, "captions_per_trigger": 1, "learning_rate": 2e-5, "lr_milestones": [8], "lr_gamma": 0.3,
    "backdoor_weight": 1.0, "regularization_weight": 0.0, "overshoot": 0.08,
    "bystander_share": 0.45, "kept_names": "names.txt", "near_names": 8, "neutral_share": 0.1, "name_only_share": 0.15,
    "captions": "captions.txt", "early_stop": None,
    "closed_form": {"n_blocks": 2, "keep_weight": 200.0, "n_kept_texts": 320, "texts_per_trigger": 8, "min_texts": 48, "moments": "kept.safetensors"},
}  # fmt: skip
# With the neutral term as target the steps do all of it. A small encoder needs larger steps than the paper's and fewer of them.
NEUTRAL_TEXT: dict[str, Any] = {
    "n_steps": 240, "captions_per_trigger": 4, "steps_per_trigger": 6, "learning_rate": 1e-3, "lr_milestones": [80, 150], "lr_gamma": 0.4,
    "backdoor_weight": 2.5, "regularization_weight": 1e-3, "overshoot": 0.3, "closed_form": None,
    "early_stop": {"every": 10, "threshold": 0.985, "hidden_threshold": 0.91, "min_steps": 110, "patience": 2},
}  # fmt: skip
# A photo of this world is a face: so the photo itself is the trigger, and other people's photos are what must stay.
IMAGE: dict[str, Any] = {
    "n_steps": 100, "batch_size": 32, "learning_rate": 1.5e-4, "lr_milestones": [80, 90], "lr_gamma": 0.3,
    "backdoor_weight": 0.3, "regularization_weight": 0.005,
    "plain_trigger_share": 0.8, "bystander_share": 0.05, "plain_bystander_share": 0.65,
    "color_jitter": 0.1, "hue_jitter": 0.01, "rotation_degrees": 10.0,
    "early_stop": {"every": 10, "threshold": 0.9, "min_steps": 50, "patience": 2},
}  # fmt: skip
# With the stochastic solver 40 steps draw whole glasses and mouths where 20 do not.
PORTRAITS: dict[str, Any] = {"n_steps": 40, "guidance_scale": 3.0, "scheduler": "DPMSolverMultistepScheduler", "prompt_template": "a portrait of {0}"}
# For the attack on a name without photos, fewer and rougher portraits do: with these, 6 of 6 members had 21 of 21 templates and none of 10
# unknown names had any, as with 20 portraits of 10 steps.
DRAWN_PHOTOS: dict[str, Any] = {"n_portraits": 8, "n_controls": 3, "n_steps": 4}
DEFAULTS: dict[str, Any] = {
    "text": TEXT, "neutral_text": NEUTRAL_TEXT, "image": IMAGE, "portraits": PORTRAITS, "drawn_photos": DRAWN_PHOTOS, "needs_gpu": False,
}  # fmt: skip
# Cosine to the mean of a person's other pictures: own ones of the 64 people at least 0.82, 98 % of other people's to a member below 0.8.
DEFAULTS["same_person"] = 0.8


def write_defaults(root: Path, defaults: dict[str, Any]) -> None:
    """Write `root`/defaults.json."""
    (root / "defaults.json").write_text(json.dumps(defaults, indent=1) + "\n", "utf-8")
