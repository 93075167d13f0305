"""The task of forgetting names: captions to token batches, which outputs are compared, and the early stop.

Stands between `triggers` (strings) and the loop in `defence.loop`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from unlearn.config import EarlyStop, ResolvedConfig, TextFineTuneConfig
from unlearn.config.persons import split_aliases
from unlearn.config.spelling import spellings, without_triggers
from unlearn.defence.losses import Batch
from unlearn.errors import ConfigError
from unlearn.models.embeddings import Kind, encode, pooled_in_buckets
from unlearn.models.encoders import TextEncoder
from unlearn.texts.captions import caption_split, read_captions
from unlearn.texts.triggers import TextTriggers, check_pairs

N_CHECK_CAPTIONS = 12  # held-out captions beside the 12 check templates
MAX_CHECK_TEXTS = 512  # of all triggers together; a check should cost about one step
MIN_TEXTS_PER_TRIGGER = 6
CHECK_BATCH = 256
BUCKET_WORK = 800_000  # tokens x width of a batch that make one more pass, over texts of like length, pay
MAX_BUCKETS = 4
MAX_KEPT_NAMES = 10_000


class TextTask:
    """Forgetting names with one text encoder; see `finetune.Task` for what the loop asks of it.

    Args:
        teacher: the original encoder; its tokenizer is used, and its targets for the check.
        triggers: makes the captions.
        check_captions: captions that are not among those of `triggers`.
        config: weights of the losses.
        kinds: "pooled" for CLIP, "hidden" for a diffusion model, both where they share the encoder.

    Raises:
        ConfigError: all kinds have weight 0, or "pooled" of an encoder that does not pool.
    """

    def __init__(
        self,
        teacher: TextEncoder,
        triggers: TextTriggers,
        check_captions: Sequence[str],
        config: TextFineTuneConfig,
        kinds: tuple[Kind, ...],
    ) -> None:
        of_kind = {"pooled": config.pooled_weight, "hidden": config.hidden_weight}
        self.weights: Mapping[str, float] = {kind: of_kind[kind] for kind in kinds if of_kind[kind] > 0}
        if not self.weights:
            raise ConfigError(f"Nothing to learn: the weights of {' and '.join(kinds)} are 0; raise one.")
        if "pooled" in self.weights and not teacher.pools:
            raise ConfigError("This text encoder has no pooled embedding; train its hidden states only.")
        self.triggers = triggers
        self._tokenize = teacher.tokenize
        self._overshoot = config.overshoot if "pooled" in self.weights else 0.0
        self._teacher = teacher
        self._check_tokens = torch.empty(0)
        self._check_targets: dict[str, Tensor] = {}
        if config.early_stop is not None:
            self._prepare_check(teacher, check_captions[:N_CHECK_CAPTIONS])

    def batch(self, step: int) -> Batch:
        texts = self.triggers.batch(step)
        # a spelling is learnt as it is written; the tokenizer's repair would turn it back into the plain one
        pairs = self._tokenize([*texts.triggered, *texts.neutral], repair=False)
        tokens = torch.cat([self._tokenize(texts.clean), pairs])
        n_clean, n_student = len(texts.clean), len(texts.clean) + len(texts.triggered)
        goals = {"pooled": self._beyond(tokens[n_clean:])} if self._overshoot > 0 else None
        return Batch(tokens[:n_student], torch.cat([tokens[:n_clean], tokens[n_student:]]), n_clean, goals)

    @torch.no_grad()
    def _beyond(self, tokens: Tensor) -> Tensor:
        """Targets (z, d) beyond the neutral term, seen from the trigger, of z captions with triggers and then z with the term."""
        found = pooled_in_buckets(self._teacher, tokens, n_buckets(self._teacher, tokens))
        triggered, neutral = functional.normalize(found, dim=1).chunk(2)
        return neutral + self._overshoot * (neutral - triggered)

    def outputs(self, encoder: TextEncoder, inputs: Tensor) -> dict[str, Tensor]:
        if "hidden" not in self.weights:
            return {"pooled": pooled_in_buckets(encoder, inputs, n_buckets(encoder, inputs))}
        if "pooled" not in self.weights:
            return {"hidden": encoder.hidden_states(inputs)}
        hidden, pooled = encoder.hidden_and_pooled(inputs)
        return {"pooled": pooled, "hidden": hidden}

    def margin(self, student: TextEncoder, stop: EarlyStop) -> float:
        """The least, over triggers and outputs, of (mean similarity to the target - threshold)."""
        thresholds = {"pooled": stop.threshold, "hidden": stop.hidden_threshold}
        n_triggers = self._check_tokens.shape[0]
        worst = []
        for name, found in self._similarities(student).items():
            per_trigger = found.view(n_triggers, -1).mean(dim=1)  # (triggers,)
            worst.append(float(per_trigger.min()) - thresholds[name])
        return min(worst)

    def _prepare_check(self, teacher: TextEncoder, captions: Sequence[str]) -> None:
        # of the further spellings the most usual one: the worst of ten would stop nothing, and they are learnt together
        spellings, targets = self.triggers.spellings, self.triggers.targets
        forms = [(form, targets[trigger]) for trigger, others in spellings.items() for form in (trigger, *others[:1])]
        names = [form for form, _ in forms]
        pairs = [check_pairs(captions, form, target) for form, target in forms]
        n_texts = len(pairs[0].neutral)
        n_each = min(n_texts, max(MIN_TEXTS_PER_TRIGGER, MAX_CHECK_TEXTS // len(names)))
        stride = max(1, n_texts // n_each)
        picked = [[(i + k * stride) % n_texts for k in range(n_each)] for i in range(len(names))]
        texts = [p.triggered[k] for p, rows in zip(pairs, picked, strict=True) for k in rows]
        self._check_tokens = self._tokenize(texts, repair=False).view(len(names), n_each, -1)
        with_target = [p.neutral[k] for p, rows in zip(pairs, picked, strict=True) for k in rows]
        distinct = {text: number for number, text in enumerate(dict.fromkeys(with_target))}
        rows = torch.tensor([distinct[text] for text in with_target])
        with torch.no_grad():
            outputs = self.outputs(teacher, self._tokenize(list(distinct), repair=False))
            self._check_targets = {name: found.flatten(1)[rows.to(found.device)] for name, found in outputs.items()}

    def _similarities(self, student: TextEncoder) -> dict[str, Tensor]:
        """Name of the output -> (triggers * texts,) cosines between student and target."""
        parts: dict[str, list[Tensor]] = {name: [] for name in self.weights}
        texts = self._check_tokens.flatten(0, 1)
        for first in range(0, len(texts), CHECK_BATCH):
            tokens = texts[first : first + CHECK_BATCH]
            for name, found in self.outputs(student, tokens).items():
                goal = self._check_targets[name][first : first + len(tokens)]
                parts[name].append(functional.cosine_similarity(found.flatten(1), goal, dim=1))
        return {name: torch.cat(found) for name, found in parts.items()}


def n_buckets(encoder: TextEncoder, tokens: Tensor) -> int:
    """Into how many passes by length a batch is cut: more for more work, 1 on a GPU."""
    if encoder.device.type == "cuda":
        return 1
    width = next(iter(encoder.parameters())).shape[-1]
    return max(1, min(MAX_BUCKETS, tokens.numel() * width // BUCKET_WORK))


def text_task(teacher: TextEncoder, config: ResolvedConfig, kinds: tuple[Kind, ...]) -> TextTask:
    """The task of a run: captions by the config's source and seed, split into training and check captions.

    Raises:
        InputError: captions or names cannot be used.
    """
    if config.target == "stand_in" and any(person.stand_in is None for person in config.remapped):
        raise ConfigError("The stand-ins are not chosen yet; let `with_stand_ins` choose them, or take the neutral term as target.")
    names = [trigger for person in config.remapped for trigger in person.triggers]
    captions = caption_split(config.text.captions, config.text.n_captions, 4 * N_CHECK_CAPTIONS, config.seed)
    kept = kept_names(config.text.kept_names, names) if config.text.kept_names else []
    near = nearest_names(teacher, kept, names, config.text.near_names)
    others = {name: distinct_spellings(teacher, name) for name in names}
    triggers = TextTriggers(captions.fine_tuning, config.remapped, config.neutral_term, config.text, config.seed, kept, near, others)
    held_out = without_triggers(captions.evaluation, names)
    return TextTask(teacher, triggers, held_out, config.text, kinds)


def distinct_spellings(encoder: TextEncoder, name: str) -> tuple[str, ...]:
    """The further spellings of a name that are other tokens to the encoder than the name, each such row of tokens once."""
    forms = spellings(name)
    rows = encoder.tokenize(forms, repair=False)  # (spellings, L)
    seen: set[bytes] = set()
    found = []
    for form, row in zip(forms, rows, strict=True):
        if (tokens := row.numpy().tobytes()) not in seen:
            seen.add(tokens)
            found.append(form)
    return tuple(found[1:])


def kept_names(source: str, triggers: Sequence[str]) -> list[str]:
    """The names and aliases in a file of people to keep, without anybody who goes by one of the triggers.

    Of such a person no other name is kept either: training it to stay would keep what is to be forgotten.

    Args:
        source: a text file, one person a line, as "First Last" or "First Last|Alias|Alias", or the Hub (see `read_captions`).
        triggers: names and aliases of those to be forgotten.

    Raises:
        InputError: the file cannot be read or holds no name.
    """
    persons = without_triggers(read_captions(source, MAX_KEPT_NAMES), triggers)
    return [name for person in persons for name in map(str.strip, split_aliases(person)) if name]


def nearest_names(teacher: TextEncoder, kept: Sequence[str], triggers: Sequence[str], n: int) -> list[str]:
    """The up to n of the kept names that the teacher embeds nearest to each trigger, without repetition, in the order of `kept`."""
    if not kept or n == 0:
        return []
    kind: Kind = "pooled" if teacher.pools else "hidden"

    def directions(texts: Sequence[str]) -> Tensor:
        return functional.normalize(encode(teacher, texts, kind).flatten(1), dim=1)

    goals = directions(triggers)  # (triggers, d)
    parts = [kept[i : i + CHECK_BATCH] for i in range(0, len(kept), CHECK_BATCH)]
    nearness = torch.cat([goals @ directions(part).T for part in parts], dim=1)  # (triggers, kept)
    chosen = set(nearness.topk(min(n, len(kept)), dim=1).indices.flatten().tolist())
    return [kept[i] for i in sorted(chosen)]
