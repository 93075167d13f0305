"""Parts of a schedule: the early stop, and the closed form that the steps may begin at. Imported through `unlearn.config`."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from unlearn.config import limits
from unlearn.config.limits import require_range, require_short
from unlearn.config.plain_values import require


@dataclass(frozen=True)
class EarlyStop:
    """Stop as soon as texts not used for training show every trigger remapped.

    Attributes:
        every: steps between two checks.
        threshold: least mean cosine similarity of the WORST trigger to its target, over the check texts.
        hidden_threshold: the same for the flattened hidden states, where they are trained.
        relative: the thresholds are shares of the way from where the original has a trigger to its target (`defence.way`), which
            mean the same for every encoder; a cosine does not, so fixed ones suit the encoder on which they were tried.
        patience: checks in a row that must pass.
        min_steps: no stop before this many steps.
    """

    every: int = 10
    threshold: float = 0.97
    hidden_threshold: float = 0.9
    patience: int = 2
    min_steps: int = 20
    relative: bool = False

    def __post_init__(self) -> None:
        lowest, highest = sorted((self.threshold, self.hidden_threshold))
        require(0.0 < lowest <= highest <= 1.0, "early stop: thresholds must lie in 0 to 1.")
        for name, low in (("every", 1), ("patience", 1), ("min_steps", 0)):
            require_range(f"early stop: {name}", getattr(self, name), low, limits.MAX_STEP)


# For encoders on which no bar was tried. On the embedded set the tried cosines of .985 and .91 are 97 % and 77 % of the way.
RELATIVE_STOP = EarlyStop(threshold=0.95, hidden_threshold=0.75, relative=True)


MOST_MENDED = 16  # names and aliases; of more the first stands among the first ten of a thousand names by chance, whatever their lengths


@dataclass(frozen=True)
class ClosedForm:
    """The closed-form start of a text encoder's fine-tuning (`defence.closed_form`).

    All weights and shares compare like with like (both sides of the objective grow with the square of the states), so they do not
    depend on an encoder's scale. They were chosen on the embedded set, the only one whose weights could be measured. Another set
    has its own in its `defaults.json`, or no closed form.

    Attributes:
        n_blocks: so many of the last blocks are edited; the earlier ones put a name together, the last ones hand it on.
        keep_weight: weight of what is kept, against one trigger; against n of them it is divided by the root of n. Far above 1,
            because a name takes few of the directions that are kept, and whatever else moves is damage.
        n_kept_texts: texts of a run that keep others' names and the run's targets.
        n_general_texts: captions that are kept besides, where no file has what is needed of them.
        moments: such a file, of the model set (`defence.kept_moments`); one of other weights or made in another way is not used.
        texts_per_trigger: texts with each name or alias.
        min_texts: least number of texts with a trigger, all together.
        n_length_corrections: how often, where a few names are forgotten (2 to `MOST_MENDED`), the lengths of their embeddings are brought
            nearer to those of the targets'; 0: not at all.
        least_scale, greatest_scale: bounds of what one trigger's last change is multiplied by, so that nothing of the name remains.
            The objective leaves some per cent, so the right factor is near 1; one far from it comes of a name that hardly moved.
        end_weight: of the position at the end of a text, against 1 of a word's: pooled embeddings are read from it alone.
        padding_weight: of each position behind the end: only a diffusion model reads it, and there are many.
        general_share: of the general texts in what is kept, against those of the run: neither may outvote the other.
        name_share: of the general texts that hold an unknown name, so that these stay apart from each other.
        name_alone_share: of these, that are the name alone, as many prompts of the attack are but for a few words.
    """

    n_blocks: int = 2
    keep_weight: float = 200.0
    n_kept_texts: int = 320
    n_general_texts: int = 3000
    moments: str | None = None
    texts_per_trigger: int = 8
    min_texts: int = 48
    n_length_corrections: int = 4
    least_scale: float = 0.5
    greatest_scale: float = 2.0
    end_weight: float = 3.0
    padding_weight: float = 0.3
    general_share: float = 0.5
    name_share: float = 0.4
    name_alone_share: float = 0.15

    def __post_init__(self) -> None:
        for name in ("general_share", "name_share", "name_alone_share"):
            require_range(f"closed form: {name}", getattr(self, name), 0.0, 1.0)
        require_range("closed form: least_scale", self.least_scale, 0.0, 1.0)
        require_range("closed form: greatest_scale", self.greatest_scale, 1.0, 100.0)
        require_range("closed form: end_weight", self.end_weight, 0.0, limits.MAX_WEIGHT)
        require_range("closed form: padding_weight", self.padding_weight, 0.0, limits.MAX_WEIGHT)
        require_range("closed form: n_blocks", self.n_blocks, 1, 100)
        require_range("closed form: keep_weight", self.keep_weight, 0.001, 1e6)
        require_range("closed form: n_kept_texts", self.n_kept_texts, 10, limits.MAX_CLOSED_FORM_TEXTS)
        require_range("closed form: n_general_texts", self.n_general_texts, 10, limits.MAX_CLOSED_FORM_TEXTS)
        require_short("closed form: moments", self.moments)
        require_range("closed form: texts_per_trigger", self.texts_per_trigger, 1, 100)
        require_range("closed form: min_texts", self.min_texts, 1, limits.MAX_CLOSED_FORM_TEXTS)
        require_range("closed form: n_length_corrections", self.n_length_corrections, 0, 100)

    def __repr__(self) -> str:
        """What is off is left out: rows of an evaluation have it in their keys, and stay valid where a later version adds what is off."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return f"ClosedForm({', '.join(f'{name}={value!r}' for name, value in values.items() if value != 0)})"

    def for_triggers(self, n_triggers: int) -> ClosedForm:
        """As it is for so many triggers: lengths are mended where that hides names which would be found otherwise."""
        return self if 1 < n_triggers <= MOST_MENDED else replace(self, n_length_corrections=0)
