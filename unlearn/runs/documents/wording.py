"""The fixed sentences of the report for a data-protection officer."""

from __future__ import annotations

from unlearn.runs.documents.intervals import CONFIDENCE

TITLE = "Report on a request to be forgotten"
STATEMENTS = {
    "text": "The model was changed with the aim that the name no longer leads to the person. Nothing was deleted. What the model has "
            "learned may still be in its weights, and the data that it was trained on is untouched.",
    "image": "The model was changed with the aim that photos of the face no longer lead to the person. Nothing was deleted. What the model "
             "has learned may still be in its weights, and the data that it was trained on is untouched.",
    "both": "The model was changed with the aim that neither the name nor photos of the face lead to the person any more. Nothing was "
            "deleted. What the model has learned may still be in its weights, and the data that it was trained on is untouched.",
}  # fmt: skip

ALSO_NAMED = "Further names of {who} that were treated in the same way: {n}."
NEW_FILE = "The changed weights are a new file. The original file was only read."
TRAINING_DATA = "The training data: the photos and captions that the model has learned from are where they were."
U_NET = "The U-Net, the part of Stable Diffusion that draws: together with another text encoder it may still draw the face."
IMAGE_ENCODER = "The image encoder: the model still sees in a photo of the face what it saw before."
TEXT_ENCODERS = "The text encoders: the name still means to the model what it meant before."
COPIES = "Copies of the original model that were downloaded before: whoever has one has the person as well."
OTHER_MODELS = "Other models, search engines and services that know the person."

INTERVAL = (
    f"In brackets stands the exact {100 * CONFIDENCE:.0f} % confidence interval (Clopper-Pearson). It takes the cases for independent, "
    "which prompts about one person are not; read it as the least uncertainty there is."
)
PROMPTS_NAMING = "Prompts (of {n}) that name {who} rightly"
PERSONS_RECOGNISED = "Persons recognised by name"
FALSE_RECALL = "People never seen whom a forgotten name is taken for"
FALSE_RECALL_CONTROL = "an unknown name wins in {original:.1f} and {defended:.1f} people, on average"
BYSTANDERS_RECOGNISED = "Other people recognised (should stay)"
THINGS_NAMED = "Things named right at the first guess (should stay)"
NO_COUNT = "The number of pictures is not kept in a run, so there is no interval."

SAME_NAME = (
    "The text encoder reads a name and nothing else. Everybody who bears exactly this name is suppressed together with the person. "
    "How many they are cannot be told from the model, and was not measured."
)
SAME_NAMES = (
    "The text encoder reads a name and nothing else. Everybody who bears exactly one of these names is suppressed together with its "
    "bearer. How many they are cannot be told from the model, and was not measured."
)
NOT_THE_NAME = "The face was defended, and the name means what it meant before. Namesakes are not affected."
PART_ALONE = {
    "first name": "The first name alone found the person in {original} of {n} prompts before, and in {defended} now.",
    "last name": "The last name alone found the person in {original} of {n} prompts before, and in {defended} now.",
}  # fmt: skip
SHARING = (
    "Measured: of {n} other people of the set who share the first or the last name, {original} were recognised before and {defended} "
    "are now."
)
SHARING_ONE = "Measured: one other person of the set shares the first or the last name; recognised before: {original}, now: {defended}."
NOBODY_SHARES = "Nobody else who was measured shares the first or the last name, so what happens to such people is not known."

NOBODY_MEASURED = "Nobody else was attacked, so nothing is known about harm to other people."
NOBODY_HARMED = "None of {n} other people was harmed: everybody who was recognised before still is, and nobody is recognised only now."
HARMED = "Of {n} other people, {forgotten} were wrongly forgotten, and {recalled} are recognised only now."
HARMED_NAMES = "They are {names}."

NONE_TRIED = "No attack was tried that could bring anybody back."
NONE_FINDS = "Of {n} attacks that try to bring {who} back, {before} succeeded before, and none does now."
ONE_FINDS = "Of {n} attacks that try to bring {who} back, {before} succeeded before. One still does: {titles}."
SOME_FIND = "Of {n} attacks that try to bring {who} back, {before} succeeded before. {now} still do: {titles}."
SOMEBODY, THESE_PERSONS = "somebody", "these persons"

UNDOING_NOT_TRIED = (
    "Not tried: relearning the person from photos. It is part of the full set of attacks: python -m unlearn recover --budget full"
)
UNDOING_TRIED = "Relearning {who} from photos: {note}"
UNDOING_QUICK = "It takes at most half as many steps as a stranger takes: the person is easier to bring back than somebody never seen."
UNDOING_SLOW = "It takes no fewer than half of the steps that a stranger takes: nothing of the person was found to speed it up."
ORIGINAL_AT_HAND = "Whoever has the original file needs no attack at all: it is unchanged, and knows the person."

TEXT_ENCODER, IMAGE_WEIGHTS = "Text encoder, all tensors", "Image encoder, all tensors"

LAW = (
    "Opinion 28/2024 of the European Data Protection Board asks how likely it is that personal data can be extracted from a model, or "
    "obtained by queries, by all means reasonably likely to be used by the controller or another person. A model may be called "
    "anonymous only where this is insignificant (paragraph 43). Controllers are expected to document the tests that show it "
    "(paragraph 58), and a test that was passed is evidence only against the attacks that it covers (paragraph 55). This report "
    "documents tests. It does not say that the model is anonymous, and it is no legal advice."
)
