"""How the classes of the data sets are called in texts, and the prompt templates of each.

Names that a data set carries itself (CIFAR, SUN397, FaceScrub) are taken from there. ImageNet's names and templates are those of
open_clip, the flowers' those of torchvision. Source of the templates and of the corrections: the code published with
Hintersdorf et al. 2024, which takes OpenAI's lists; for FaceScrub the prompts of the attack.
"""

from __future__ import annotations

from unlearn.config.zero_shot import DataSetName
from unlearn.texts.prompts import PROMPT_TEMPLATES

_CIFAR_NOUNS = (
    "a photo of {article} {{0}}.", "a blurry photo of {article} {{0}}.", "a black and white photo of {article} {{0}}.",
    "a low contrast photo of {article} {{0}}.", "a high contrast photo of {article} {{0}}.", "a bad photo of {article} {{0}}.",
    "a good photo of {article} {{0}}.", "a photo of {article} small {{0}}.", "a photo of {article} big {{0}}.",
)  # fmt: skip
CIFAR_TEMPLATES = tuple(noun.format(article=article) for article in ("a", "the") for noun in _CIFAR_NOUNS)
SUN_TEMPLATES = ("a photo of a {0}.", "a photo of the {0}.")
FLOWER_TEMPLATES = ("a photo of a {0}, a type of flower.",)
RENAMED_FLOWERS = {"globe-flower": "globe flower", "pink-yellow dahlia?": "pink and yellow dahlia", "ball moss": "air plant"}
MISSPELT_PEOPLE = {
    "Freddy Prinze Jr.": "Freddie Prinze Jr", "Leslie Neilsen": "Leslie Nielsen", "Robert Di Niro": "Robert De Niro",
    "Tatyana M. Ali": "Tatyana Ali",
}  # fmt: skip


def templates_of(data_set: DataSetName) -> tuple[str, ...]:
    """The prompt templates of a data set, with {0} for the class."""
    if data_set == "imagenet-v2":
        from open_clip.zero_shot_metadata import OPENAI_IMAGENET_TEMPLATES

        return tuple(template("{0}") for template in OPENAI_IMAGENET_TEMPLATES)
    known = {
        "cifar10": CIFAR_TEMPLATES, "cifar100": CIFAR_TEMPLATES, "flowers-102": FLOWER_TEMPLATES, "sun397": SUN_TEMPLATES,
        "facescrub": PROMPT_TEMPLATES,
    }  # fmt: skip
    return known[data_set]


def imagenet_classes() -> tuple[str, ...]:
    """The 1,000 classes in the order of their numbers."""
    from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES

    return tuple(IMAGENET_CLASSNAMES)


def flower_classes() -> tuple[str, ...]:
    """The 102 flowers in the order of their numbers, the first of which is written as 1 in the data set's files."""
    from torchvision.datasets import Flowers102

    return tuple(RENAMED_FLOWERS.get(name, name) for name in Flowers102.classes)


def as_words(name: str) -> str:
    """A class as it is written in texts, from a name with underscores."""
    return " ".join(name.replace("_", " ").split())


def person_name(folder: str) -> str:
    """The name of a person of FaceScrub, with the four misspelt names of the data set corrected."""
    return MISSPELT_PEOPLE.get(as_words(folder), as_words(folder))
