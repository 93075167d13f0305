"""What the check of a run found, in sentences for page and terminal; whole sentences, one place."""

from __future__ import annotations

from unlearn.runs.verification_records import PictureCheck, Verification, WeightsCheck

VERIFIED = "Verified: the weights are the sealed ones, and what was drawn again from them is what the run shows."
VERIFIED_WEIGHTS = "Verified: the weights are the sealed ones. The run has no portrait of this person to draw again."
CHANGED_WEIGHTS = "Not verified: the weights are not those that were sealed. Nothing was drawn with them."
CHANGED_PICTURES = "Not verified: the weights are the sealed ones, but a portrait of the run is not the sealed file, or not what they draw."
UNDECIDED = (
    "Not decided: the weights are the sealed ones. The run was computed on another kind of device ({run_device}, now {device}), which "
    "rounds differently, so the portraits cannot be compared pixel by pixel."
)


def verification_sentence(told: Verification) -> str:
    """The outcome."""
    if told.is_verified:
        return VERIFIED if told.pictures else VERIFIED_WEIGHTS
    if not all(check.is_equal for check in told.weights):
        return CHANGED_WEIGHTS
    undecided = [check for check in told.pictures if check.outcome == "undecided" and check.is_sealed_file]
    if undecided and all(check.is_good or check in undecided for check in told.pictures):
        return UNDECIDED.format(run_device=told.run_device, device=told.device)
    return CHANGED_PICTURES


def weights_words(check: WeightsCheck) -> str:
    """What became of one file of weights."""
    if check.is_equal:
        return "The SHA-256 is the sealed one."
    if check.now is None:
        return "The file is missing."
    if check.sealed is None:
        return "The file was not there when the run was sealed."
    return "The SHA-256 is another one: the file was changed."


def picture_words(check: PictureCheck) -> str:
    """What the comparison of one portrait found, with the largest difference."""
    pixels = f"{check.n_pixels:,}"
    if check.outcome == "unreadable":
        return "The file is missing or damaged."
    if check.outcome == "equal":
        found = f"Equal: all {pixels} pixels are the same."
    else:
        differ = f"{check.n_different:,} of {pixels} pixels differ, by at most {check.largest_difference} of 255 levels."
        found = f"Equal but for rounding: {differ}" if check.outcome == "rounding" else f"Different: {differ}"
    return found if check.is_sealed_file else f"{found} The file itself is not the sealed one."
