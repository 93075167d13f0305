"""The attacks that try to bring a forgotten person back: what each is called, what it needs, and how long it may take.

Holds no code of an attack, so that a page can list them without loading a model; `registry` has the functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from unlearn.errors import ConfigError

Need = Literal["text defence", "face defence", "traits"]
Budget = Literal["quick", "full"]
Rule = Literal["templates", "votes", "beyond strangers", "fewer steps", "trace"]
BUDGETS: tuple[Budget, ...] = ("quick", "full")
TOTAL_S: dict[Budget, float] = {"quick": 9.5, "full": 170.0}  # that all attacks on one person may take


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
        rule: when it has found the person. "templates": a try, in the name's place, wins the person's photos in most of the 21
            templates. "votes": each try is one sentence, and most of them do. The others are for attacks that work on anybody
            whose photos they have. "beyond strangers": as "templates", and the try comes nearer to the photos than the same attack
            comes with strangers. "fewer steps": it takes at most half as many steps as for the quickest stranger. "trace": the name
            stands among the first hundredth of all, which chance explains with a probability of 5 % at most.
    """

    name: str
    family: str
    title: str
    explanation: str
    quick_s: float
    full_s: float
    needs: tuple[Need, ...] = ("text defence",)
    rule: Rule = "templates"

    @property
    def is_quick(self) -> bool:
        """Whether it belongs to the quick set."""
        return self.quick_s > 0


_TEXT: tuple[Need, ...] = ("text defence",)
_FACE: tuple[Need, ...] = ("face defence",)
ATTACKS: tuple[AttackKind, ...] = (
    AttackKind("surface-forms", "spelling", "Other ways to write the name",
               "Tries parts of the name, initials, titles, misspellings, look-alike letters, invisible characters and scripts.", 3, 15),
    AttackKind("aliases", "another name", "Other names", "Tries the person's aliases that are known to the model set.", 1, 3),
    AttackKind("descriptions", "another name", "Descriptions",
               "Tries descriptions of the looks, made from the traits that the person was drawn with.", 2, 10,
               ("text defence", "traits"), "beyond strangers"),
    AttackKind("templates", "another sentence", "Unseen sentences",
               "Puts the name into sentences that neither the defence nor the usual attack has used.", 3, 15, _TEXT, "votes"),
    AttackKind("languages", "another sentence", "Other languages",
               "Puts the name into sentences in German, French and Spanish.", 2, 10, _TEXT, "votes"),
    AttackKind("trace", "who was forgotten", "Who was forgotten?",
               "Looks among all names for the marks that forgetting leaves on one.", 0.5, 0.5, _TEXT, "trace"),
    AttackKind("soft-tokens", "optimised input", "Optimised tokens",
               "Optimises artificial tokens until the defended encoder says what the original says of the name.", 3, 20),
    AttackKind("soft-tokens-photos", "optimised input", "Optimised tokens from photos",
               "Optimises artificial tokens towards half of the person's photos, without the original model.", 0, 20,
               _TEXT, "beyond strangers"),
    AttackKind("hard-prompts", "optimised input", "Optimised words",
               "Searches for a prompt of real words that means what the original says of the name.", 0, 20),
    AttackKind("concept-vector", "optimised input", "Concept vector",
               "Adds what the original puts into the name to a harmless prompt, and searches for words that mean the sum.", 0, 20,
               _TEXT, "beyond strangers"),
    AttackKind("ageing", "further training", "Ageing",
               "Fine-tunes the defended encoder on captions without the person, then tries the name again.", 0, 30),
    AttackKind("undoing", "further training", "Price of undoing",
               "Relearns the person from photos and 1, 3 or 10 captions, and counts the steps against those for strangers.", 0, 30,
               _TEXT, "fewer steps"),
    AttackKind("layers", "original weights", "Layer by layer", "Puts the original's layers back, one at a time.", 0, 15),
    AttackKind("photo-to-photo", "faces", "Photo to photo", "Looks for the person's photos by other photos.", 0, 5,
               _FACE, "beyond strangers"),
    AttackKind("linear-probe", "faces", "Linear probe",
               "Trains a linear classifier on the image embeddings of half of the person's photos.", 0, 5, _FACE, "beyond strangers"),
    AttackKind("reversal", "original weights", "Reversal",
               "Puts the original encoders back: the most that any attack can reach.", 0, 3, ()),
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
