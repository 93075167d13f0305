"""The attacks that try to bring a forgotten person back: what each is called, what it needs, and how long it may take.

Holds no code of an attack, so that a page can list them without loading a model; `registry` has the functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from unlearn.errors import ConfigError

Need = Literal["text defence", "face defence", "traits"]
Budget = Literal["quick", "full"]
BUDGETS: tuple[Budget, ...] = ("quick", "full")


@dataclass(frozen=True)
class AttackKind:
    """One attack.

    Attributes:
        name: as on the command line and in JSON.
        family: what the attacker changes or knows; attacks of a family are told together.
        title: what a table calls it.
        explanation: one sentence on what it does.
        quick_s: seconds that it may take for one person in the quick set; 0: it is not part of that set.
        full_s: seconds that it may take for one person in the full set.
        needs: without which it is not tried. Photos of the person are needed by all of them.
    """

    name: str
    family: str
    title: str
    explanation: str
    quick_s: float
    full_s: float
    needs: tuple[Need, ...] = ("text defence",)

    @property
    def is_quick(self) -> bool:
        """Whether it belongs to the quick set."""
        return self.quick_s > 0


ATTACKS: tuple[AttackKind, ...] = (
    AttackKind("surface-forms", "spelling", "Other ways to write the name",
               "Tries misspellings, initials, swapped order, look-alike letters, invisible characters and other languages.", 2.5, 10.0),
    AttackKind("aliases", "another name", "Other names", "Tries the aliases of the person that are known to the model set.", 1.0, 3.0),
    AttackKind("descriptions", "another name", "Descriptions",
               "Tries descriptions of the looks, made from the traits that the person was drawn with.", 1.0, 5.0,
               ("text defence", "traits")),
    AttackKind("templates", "another sentence", "Unseen sentences",
               "Puts the name into sentences that neither the defence nor the usual attack has used.", 1.0, 3.0),
    AttackKind("trace", "who was forgotten", "Who was forgotten?", "Looks for the marks that forgetting leaves on a name.", 0.5, 2.0),
    AttackKind("soft-tokens", "optimised input", "Optimised tokens",
               "Optimises artificial tokens until the defended encoder says what the original says of the name.", 2.5, 15.0),
    AttackKind("soft-tokens-photos", "optimised input", "Optimised tokens from photos",
               "Optimises artificial tokens towards half of the person's photos, without the original model.", 0.0, 15.0),
    AttackKind("hard-prompts", "optimised input", "Optimised words",
               "Searches for a prompt of real tokens whose meaning is that of the name.", 0.0, 20.0),
    AttackKind("concept-vector", "optimised input", "Concept vector",
               "Adds to a harmless prompt what the original puts into a name, and searches for a prompt that means it.", 0.0, 20.0),
    AttackKind("ageing", "further training", "Ageing",
               "Fine-tunes the defended encoder on captions without the person, then attacks again.", 0.0, 30.0),
    AttackKind("undoing", "further training", "Price of undoing",
               "Relearns the person from 1, 3 and 10 captions with photos, and counts the steps against those for a stranger.", 0.0, 40.0),
    AttackKind("layers", "original weights", "Layer by layer", "Puts the original's layers back, one at a time.", 0.0, 10.0),
    AttackKind("photo-to-photo", "faces", "Photo to photo", "Looks for the person's photos by another photo.", 0.0, 5.0, ("face defence",)),
    AttackKind("linear-probe", "faces", "Linear probe",
               "Trains a linear classifier on the frozen image embeddings of some of the person's photos.", 0.0, 5.0, ("face defence",)),
    AttackKind("reversal", "original weights", "Reversal",
               "Puts the original encoders back: the most that any attack can reach.", 0.0, 3.0, ()),
)  # fmt: skip
_BY_NAME = {attack.name: attack for attack in ATTACKS}
NEVER_TRIED: dict[str, str] = {
    "other models": "The attacker has this model only; another model that knows the person is not affected by the defence.",
    "image-to-image": "Drawing from a photo of the person needs no memory of the model.",
    "full retraining": "Who has the training data can train a model that knows the person; no defence of a model prevents this.",
}  # what no budget tries -> why


def attack_kind(name: str) -> AttackKind:
    """The attack of a name.

    Raises:
        ConfigError: there is none.
    """
    if name not in _BY_NAME:
        raise ConfigError(f"{name[:40]!r} is no attack; use {', '.join(_BY_NAME)}.")
    return _BY_NAME[name]
