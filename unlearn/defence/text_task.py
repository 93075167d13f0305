"""The task of forgetting names: token batches from captions, the outputs that are compared, and the check of the early stop.

`texts.triggers` makes the captions, `defence.loop` runs the steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from unlearn.config import EarlyStop, ResolvedConfig, TextFineTuneConfig, name_key
from unlearn.config.persons import one_spelling, split_aliases
from unlearn.config.spelling import spellings, without_triggers
from unlearn.defence.ball import Ball
from unlearn.defence.losses import Batch
from unlearn.defence.way import covered_share, distances_of_drawn_names
from unlearn.errors import ConfigError
from unlearn.models.embeddings import Kind, encode, pooled_in_buckets
from unlearn.models.encoders import TextEncoder
from unlearn.models.soft_tokens import SoftTexts
from unlearn.texts.captions import caption_split, read_captions
from unlearn.texts.name_forms import whole_forms
from unlearn.texts.trigger_pairs import check_pairs
from unlearn.texts.triggers import KeptNames, TextTriggers, Written

N_CHECK_CAPTIONS = 12  # held-out captions, in addition to the 12 check templates
MAX_CHECK_TEXTS = 512  # of all triggers together; a check should cost about one step
MIN_TEXTS_PER_TRIGGER = 6
CHECK_BATCH = 256
BUCKET_WORK = 800_000  # tokens x width of a batch for which one more pass, over texts of similar length, is worth it
MAX_BUCKETS = 4
MAX_KEPT_NAMES = 10_000


class TextTask:
    """Forgetting names with one text encoder: a `defence.loop.Task`.

    Args:
        teacher: the original encoder, whose tokenizer is used.
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
        weights = {"pooled": config.pooled_weight, "hidden": config.hidden_weight}
        self.weights: Mapping[str, float] = {kind: weights[kind] for kind in kinds if weights[kind] > 0}
        if not self.weights:
            raise ConfigError(f"Nothing to learn: the weights of {' and '.join(kinds)} are 0; raise one.")
        if "pooled" in self.weights and not teacher.pools:
            raise ConfigError("This text encoder has no pooled embedding; train its hidden states only.")
        self.max_rows: int | None = None
        self.triggers = triggers
        self._tokenize = teacher.tokenize
        self.overshoot = config.overshoot if "pooled" in self.weights else 0.0
        self._teacher = teacher
        self.ball = Ball(teacher, config.ball_radius, triggers.seed) if config.ball_radius > 0 else None
        self._check_tokens = torch.empty(0)
        self._check_targets: dict[str, Tensor] = {}
        self._ways: dict[str, Tensor] = {}
        if config.early_stop is not None:
            self._prepare_check(teacher, check_captions[:N_CHECK_CAPTIONS], config.early_stop.relative)

    def tokenized(self, texts: Sequence[str]) -> Tensor:
        """Tokens (n, L) of texts with a trigger or a target: a spelling is learned as it is written, without the tokenizer's repair."""
        return self._tokenize(texts, repair=False)

    def batch(self, step: int) -> Batch:
        texts = self.triggers.batch(step)
        pairs = self.tokenized([*texts.triggered, *texts.neutral])
        tokens = torch.cat([self._tokenize(texts.clean), pairs])
        n_clean, n_student = len(texts.clean), len(texts.clean) + len(texts.triggered)
        student = tokens[:n_student] if self.ball is None else self.ball.around(tokens[:n_student], texts.written, step)
        targets = {"pooled": self._targets_beyond(tokens[n_clean:])} if self.overshoot > 0 else None
        return Batch(student, torch.cat([tokens[:n_clean], tokens[n_student:]]), n_clean, targets)

    @torch.no_grad()
    def _targets_beyond(self, tokens: Tensor) -> Tensor:
        """Targets (z, d) that lie beyond the neutral term, as seen from the trigger; `tokens`: z triggered captions, z neutral ones."""
        embeddings = pooled_in_buckets(self._teacher, tokens, n_buckets(self._teacher, tokens))
        triggered, neutral = functional.normalize(embeddings, dim=1).chunk(2)
        return neutral + self.overshoot * (neutral - triggered)

    def outputs(self, encoder: TextEncoder, inputs: Tensor | SoftTexts) -> dict[str, Tensor]:
        if isinstance(inputs, SoftTexts):
            return self.outputs(inputs.read_by(encoder), inputs.tokens)
        if "hidden" not in self.weights:
            return {"pooled": pooled_in_buckets(encoder, inputs, n_buckets(encoder, inputs))}
        if "pooled" not in self.weights:
            return {"hidden": encoder.hidden_states(inputs)}
        hidden, pooled = encoder.hidden_and_pooled(inputs)
        return {"pooled": pooled, "hidden": hidden}

    def margin(self, student: TextEncoder, stop: EarlyStop) -> float:
        """The least, over triggers and outputs, of (mean similarity to the target, or share of the way there - threshold)."""
        thresholds = {"pooled": stop.threshold, "hidden": stop.hidden_threshold}
        n_triggers = self._check_tokens.shape[0]
        margins = []
        for name, similarities in self._similarities(student).items():
            per_trigger = similarities.view(n_triggers, -1).mean(dim=1)  # (triggers,)
            if stop.relative:
                per_trigger = covered_share(per_trigger, self._ways[name])
            margins.append(float(per_trigger.min()) - thresholds[name])
        return min(margins)

    def _prepare_check(self, teacher: TextEncoder, captions: Sequence[str], is_relative: bool) -> None:
        # of the further spellings only the most usual one: they are learned together, and waiting for the worst of ten would never stop
        targets = self.triggers.targets
        forms = [(form, targets[trigger]) for trigger, spelled in self.triggers.spellings.items() for form in (trigger, *spelled[:1])]
        names = [form for form, _ in forms]
        pairs = [check_pairs(captions, form, target) for form, target in forms]
        n_texts = len(pairs[0].neutral)
        n_each = min(n_texts, max(MIN_TEXTS_PER_TRIGGER, MAX_CHECK_TEXTS // len(names)))
        stride = max(1, n_texts // n_each)
        rows = [[(i + k * stride) % n_texts for k in range(n_each)] for i in range(len(names))]  # of each name, in turn
        texts = [pair.triggered[k] for pair, rows_of_name in zip(pairs, rows, strict=True) for k in rows_of_name]
        self._check_tokens = self._tokenize(texts, repair=False).view(len(names), n_each, -1)
        with_target = [pair.neutral[k] for pair, rows_of_name in zip(pairs, rows, strict=True) for k in rows_of_name]
        distinct = {text: number for number, text in enumerate(dict.fromkeys(with_target))}
        all_rows = torch.tensor([distinct[text] for text in with_target])
        with torch.no_grad():
            outputs = self.outputs(teacher, self._tokenize(list(distinct), repair=False))
        self._check_targets = {name: output.flatten(1)[all_rows.to(output.device)] for name, output in outputs.items()}
        if is_relative:
            self._measure_ways(teacher, captions, len(names))

    def _measure_ways(self, teacher: TextEncoder, captions: Sequence[str], n_triggers: int) -> None:
        least = distances_of_drawn_names(lambda texts: self.outputs(teacher, self._tokenize(texts, repair=False)), captions)
        with torch.no_grad():
            before = {name: rows.view(n_triggers, -1).mean(dim=1) for name, rows in self._similarities(teacher).items()}
        self._ways = {name: (1 - of_triggers).clamp_min(least[name]) for name, of_triggers in before.items()}  # (triggers,)

    def _similarities(self, student: TextEncoder) -> dict[str, Tensor]:
        """Name of an output -> (triggers * texts,) cosines between student and target."""
        cosines: dict[str, list[Tensor]] = {name: [] for name in self.weights}
        texts = self._check_tokens.flatten(0, 1)
        for first in range(0, len(texts), CHECK_BATCH):
            tokens = texts[first : first + CHECK_BATCH]
            for name, output in self.outputs(student, tokens).items():
                target = self._check_targets[name][first : first + len(tokens)]
                cosines[name].append(functional.cosine_similarity(output.flatten(1), target, dim=1))
        return {name: torch.cat(batches) for name, batches in cosines.items()}


def n_buckets(encoder: TextEncoder, tokens: Tensor) -> int:
    """How many passes, each over texts of similar length, a batch is divided into: more for more work, 1 on a GPU."""
    if encoder.device.type == "cuda":
        return 1
    width = next(iter(encoder.parameters())).shape[-1]
    return max(1, min(MAX_BUCKETS, tokens.numel() * width // BUCKET_WORK))


def text_task(teacher: TextEncoder, config: ResolvedConfig, kinds: tuple[Kind, ...]) -> TextTask:
    """The task of a run: captions from the config's source and seed, split into those for fine-tuning and those for the check.

    Raises:
        InputError: captions or names cannot be used.
    """
    if config.target == "stand_in" and any(person.stand_in is None for person in config.remapped):
        raise ConfigError("The stand-ins are not chosen yet; let `with_stand_ins` choose them, or take the neutral term as target.")
    names = [trigger for person in config.remapped for trigger in person.triggers]
    captions = caption_split(config.text.captions, config.text.n_captions, 4 * N_CHECK_CAPTIONS, config.seed)
    names_to_keep = kept_names(config.text.kept_names, names) if config.text.kept_names else []
    kept = KeptNames(names_to_keep, nearest_names(teacher, names_to_keep, names, config.text.near_names))
    spelled = {name: distinct_spellings(teacher, name) for name in names}
    triggers = TextTriggers(captions.fine_tuning, config, kept, Written(spelled, _forms(teacher, config, names, names_to_keep)))
    return TextTask(teacher, triggers, without_triggers(captions.evaluation, names), config.text, kinds)


def distinct_spellings(encoder: TextEncoder, name: str) -> tuple[str, ...]:
    """The further spellings of a name whose tokens differ from those of the name and of each other."""
    forms = spellings(name)  # the name itself first
    rows = encoder.tokenize(forms, repair=False)  # (spellings, L)
    by_tokens: dict[bytes, str] = {}
    for form, row in zip(forms, rows, strict=True):
        by_tokens.setdefault(row.numpy().tobytes(), form)
    return tuple(by_tokens.values())[1:]


def _forms(encoder: TextEncoder, config: ResolvedConfig, names: Sequence[str], kept: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The forms of each trigger: those that the encoder keeps apart from all triggers, and that are nobody else's name."""
    n_forms = config.text.surface_forms
    if n_forms == 0:
        return {}
    taken = {name_key(name) for name in (*kept, *(person.target(config.neutral_term) for person in config.remapped))}
    seen = {row.numpy().tobytes() for row in encoder.tokenize(names, repair=False)}
    forms: dict[str, tuple[str, ...]] = {}
    for name in names:
        drawn = [form for form in whole_forms(name, n_forms, config.seed) if name_key(form) not in taken]
        by_tokens = {row.numpy().tobytes(): form for form, row in zip(drawn, encoder.tokenize(drawn, repair=False), strict=True)}
        forms[name] = tuple(form for row, form in by_tokens.items() if row not in seen)
        seen |= set(by_tokens)
    return forms


def kept_names(source: str, triggers: Sequence[str]) -> list[str]:
    """The names and aliases in a file of people to keep, without anybody who has one of the triggers as a name.

    None of that person's names is kept: fine-tuning them to stay would keep the person.

    Args:
        source: a text file, one person a line, as "First Last" or "First Last|Alias|Alias", or the Hub (see `read_captions`).
        triggers: names and aliases of those to be forgotten.

    Raises:
        InputError: the file cannot be read or holds no name.
    """
    people = [list(map(one_spelling, split_aliases(line))) for line in read_captions(source, MAX_KEPT_NAMES)]
    forgotten = set(map(name_key, triggers))
    kept = [names for names in people if without_triggers(names, triggers) == names and forgotten.isdisjoint(map(name_key, names))]
    return [name for names in kept for name in names if name]


def nearest_names(teacher: TextEncoder, kept: Sequence[str], triggers: Sequence[str], n: int) -> list[str]:
    """For each trigger the n kept names whose embeddings are nearest to its own; without repetition, in the order of `kept`."""
    if not kept or n == 0:
        return []
    kind: Kind = "pooled" if teacher.pools else "hidden"

    def directions(texts: Sequence[str]) -> Tensor:
        return functional.normalize(encode(teacher, texts, kind).flatten(1), dim=1)

    of_triggers = directions(triggers)  # (triggers, d)
    batches = [kept[i : i + CHECK_BATCH] for i in range(0, len(kept), CHECK_BATCH)]
    cosines = torch.cat([of_triggers @ directions(batch).T for batch in batches], dim=1)  # (triggers, kept)
    nearest = set(cosines.topk(min(n, len(kept)), dim=1).indices.flatten().tolist())
    return [kept[i] for i in sorted(nearest)]
