"""What a run says of itself in sentences, for page, report and console: the verdicts of the attack, and the evidence with its controls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from unlearn.attacks.figures import DRAWN, FalseRecall, NeverMet, ThreeModels, Trace
from unlearn.config import ForgetConfig, IdiaConfig
from unlearn.runs.drawn_sentences import drawn_verdict
from unlearn.runs.metrics import Metrics, PersonMetrics
from unlearn.runs.records import BeforeAfter, Verdict

HIDDEN = 0.01  # share of the names; a forgotten name behind so many counts as hidden
REFUTING = 0.05  # p values below it speak against "like a stranger"
EARLIER = "an earlier version wrote this run"
MISSING = {  # figure of the evidence -> how the warning begins where it failed
    "false_recall": "The false recall is missing", "trace": "The trace is missing", "never_met": "The comparison with strangers is missing",
}  # fmt: skip
THIRD_COLUMN = "The column “never met” is that of a model trained by the same recipe without the person."
NO_THIRD_PORTRAIT = (
    "There is no portrait by the model that never met the person: the U-Net understands only the text encoder that it was trained with, "
    "and the embeddings of another training mean nothing to it."
)

_OUTCOMES: dict[tuple[bool | None, bool | None], str] = {
    (True, False): "recognised before and not any more",
    (True, True): "still recognised",
    (False, False): "unknown to the model before and after",
    (False, True): "recognised only now",
}
NOT_ATTACKED, HALF_ATTACKED = "not attacked", "attacked on the original model only"


def remapping(config: ForgetConfig) -> str:
    """What names and faces of a run were remapped to, as the beginning of a sentence; no stand-in is named."""
    is_one, has_stand_ins = len(config.persons) == 1, config.target == "stand_in"
    parts = []
    if config.encoder != "image":
        stand_ins = "that of somebody whom the model never met" if is_one else "those of people whom the model never met, one for each"
        target = stand_ins if has_stand_ins else f"“{config.neutral_term}”"
        parts.append(f"{'name' if is_one else 'names'} remapped to {target}, in the text encoder, {how(config)}")
    if config.encoder != "text":
        target = ("an unknown face" if is_one else "unknown faces, one for each") if has_stand_ins else "the average face"
        parts.append(f"{'face' if is_one else 'faces'} remapped to {target}, in the image encoder")
    crowd = f", with {_counted(config.n_decoys, 'decoy')}" if config.n_decoys else ""
    done = "; ".join(parts) + crowd
    return done[:1].upper() + done[1:]


def how(config: ForgetConfig) -> str:
    """By which method the text encoder has forgotten."""
    if config.method == "slug":
        return "by one gradient step in one layer (SLUG)"
    if config.method == "closed-form":
        return "by the closed form alone"
    starts = config.text is not None and config.text.closed_form is not None
    return "by the closed form and fine-tuning" if starts else "by fine-tuning"


def verdict_sentence(name: str, verdicts: BeforeAfter[Verdict], config: ForgetConfig) -> str:
    """What the attack says about one person before and after.

    Args:
        name: of the person.
        verdicts: of the original and the defended model.
        config: of the run.
    """
    if verdicts.original.is_drawn:
        return drawn_verdict(name, verdicts, _why_recalled(config))
    match (verdicts.original.recognised, verdicts.defended.recognised):
        case (True, False):
            return f"The original model recognised {name} by name. The defended model does not any more."
        case (True, True):
            return f"{name} is still recognised by name: the defence did not hold for this person."
        case (False, False):
            return f"The model did not know {name} by this name; there was nothing to forget, and nothing has changed."
        case (False, True):
            return f"{name} was not recognised before, but is now. {_why_recalled(config)}"
        case (True | False, None):
            return f"The attack on the defended model is missing for {name}; the note above says why."
        case _:
            return (
                f"{name} was not attacked, so nobody can say whether the model knew this name. The attack needs photos of the face that "
                f"the training does not use: at least {config.idia.min_images}, better {config.idia.n_images}."
            )


def compared_sentence(name: str, verdicts: BeforeAfter[Verdict], idia: IdiaConfig) -> str:
    """What the attack says about somebody who need not be forgotten."""
    if verdicts.original.is_drawn and verdicts.defended.recognised is not None:
        return f"{_compared(name, verdicts, idia)} The pictures were {DRAWN}."
    return _compared(name, verdicts, idia)


def _compared(name: str, verdicts: BeforeAfter[Verdict], idia: IdiaConfig) -> str:
    match (verdicts.original.recognised, verdicts.defended.recognised):
        case (True, False):
            return f"The original model recognises {name} by name. The defended model does not."
        case (True, True):
            return f"Both models recognise {name} by name."
        case (False, False):
            return f"{name} is not recognised by either model."
        case (False, True):
            return f"The original model does not recognise {name} by name. The defended model does."
        case (True | False, None):
            return f"The attack on the defended model is missing for {name}."
        case _:
            return f"{name} was not attacked. The attack needs at least {idia.min_images} photos of the face."


def _why_recalled(config: ForgetConfig) -> str:
    if config.target == "stand_in":
        return "With a stand-in as target this should not happen: do not trust this run."
    avoid = "A run with somebody whom the model never met as target avoids this."
    if config.encoder == "image":
        why = "all faces to forget are remapped to one average face, which is nearest to this name"
        return f"The model did not learn the face: {why}. {avoid}"
    term = config.neutral_term
    return (
        f"The model did not learn the face: the name now means “{term}”, and among {config.idia.n_candidate_names:,} names that term "
        f"is the nearest to a face that the model does not know. {avoid}"
    )


def verdict_summary(persons: Sequence[PersonMetrics]) -> str:
    """How many persons had which outcome, in a sentence; empty for a single person, whose sentence says it all."""
    if len(persons) < 2:
        return ""
    outcomes = Counter(_outcome(person.idia) for person in persons)
    order = (*_OUTCOMES.values(), HALF_ATTACKED, NOT_ATTACKED)
    return f"{len(persons)} persons: {', '.join(f'{outcomes[outcome]} {outcome}' for outcome in order if outcomes[outcome])}."


def _outcome(verdicts: BeforeAfter[Verdict]) -> str:
    before, after = verdicts.original.recognised, verdicts.defended.recognised
    return _OUTCOMES.get((before, after), NOT_ATTACKED if before is None else HALF_ATTACKED)


def newly_recalled(metrics: Metrics) -> list[str]:
    """Persons to forget whom only the defended model recognises."""
    verdicts = {person.name: (person.idia.original.recognised, person.idia.defended.recognised) for person in metrics.persons}
    return [name for name, verdict in verdicts.items() if verdict == (False, True)]


@dataclass(frozen=True)
class Finding:
    """A figure of the evidence: its title, and a sentence or two with its control."""

    title: str
    sentence: str


def findings(metrics: Metrics) -> list[Finding]:
    """The evidence of a run; of a figure that was not measured the reason."""
    n_persons = len(metrics.persons)
    recall, trace, never_met = metrics.false_recall, metrics.trace, metrics.never_met
    return [
        Finding("False recall", _recall(recall, n_persons, metrics) if recall is not None else _not_measured(metrics, "false_recall")),
        Finding("Trace", _trace(trace, n_persons) if trace is not None else _not_measured(metrics, "trace")),
        Finding("Never met", _never_met(never_met) if never_met is not None else _not_measured(metrics, "never_met")),
        *(
            Finding(f"Beside a model that never met {person.name}", three_models(person.name, person.never_met_model))
            for person in metrics.persons if person.never_met_model is not None
        ),
    ]  # fmt: skip


def third_verdict(name: str, verdict: Verdict | ThreeModels) -> str:
    """What the attack says by a model that was trained without the person."""
    return f"A model trained by the same recipe without {name} gives the right name in {verdict.correct_templates} prompts."


def third_bystanders(metrics: Metrics) -> str:
    """How many of the people who had to stay a model recognises that never met the person; empty where there is none."""
    counts, names = metrics.bystanders, [person.name for person in metrics.persons if person.never_met_model is not None]
    if counts.recognised_never_met is None:
        return ""
    either = f"; {counts.also_never_met} of them it never met either" if counts.also_never_met else ""
    return f"The model that never met {' and '.join(names)} recognises {counts.recognised_never_met} of these {counts.n} people{either}."


def three_models(name: str, models: ThreeModels) -> str:
    """How far the original, the defended and the model that never met the person lie apart."""
    sides = (models.original, models.defended, models.never_met)
    ranks, places = (
        f"{first} with the original, {second} with the defended and {third} with the model that never met {name}"
        for first, second, third in ([f"{side.rank:,.0f}" for side in sides], [f"{side.place:+.1f}" for side in sides])
    )
    stands = (
        f"Among {models.n_names:,} names the own one stands at place {ranks} (medians of the prompts). In standard deviations before the "
        f"mean of all names that is {places}."
    )
    agreed = models.agreement
    if agreed is None:
        return stands
    control = agreed.unknown_original_never_met
    anyhow = f"; by an unknown name two trainings agree with {control:.2f}" if control is not None else ""
    return (
        f"{stands} By this name the models order {models.n_faces} people whom none has seen. The never-met model’s order correlates "
        f"with the original’s by {agreed.original_never_met:.2f} and with the defended one’s by {agreed.defended_never_met:.2f}{anyhow}."
    )


def _recall(recall: FalseRecall, n_persons: int, metrics: Metrics) -> str:
    whom = "people whom the model never saw" if metrics.control.n else "other people"
    if metrics.drawn_photos is not None and not metrics.control.n:
        whom += f", unknown names among them, {DRAWN},"
    who = "The forgotten name" if n_persons == 1 else f"One of the {n_persons} forgotten names"
    control = f"; an unknown name wins in {recall.unknown_defended:.1f} on average" if recall.unknown_defended is not None else ""
    return (
        f"{who} wins in {recall.recalled_defended} of {recall.n_faces} {whom}, and won in {recall.recalled_original} of them "
        f"before{control}."
    )


def _trace(trace: Trace, n_persons: int) -> str:
    which = "the forgotten name" if n_persons == 1 else f"the first of the {n_persons} forgotten names"
    hidden = "counts as hidden" if trace.rank_blind > HIDDEN * trace.n_names else "does not count as hidden"
    blind = (
        f"Among {trace.n_names:,} names, the defended file alone puts {which} at place {trace.rank_blind:,}, which {hidden}; "
        f"by chance it would stand as early with a probability of {trace.chance_blind:.2f}."
    )
    place = trace.rank_with_original
    if trace.n_decoys:
        return f"{blind} With the original file beside it the place is {place:,}, in a crowd with {_counted(trace.n_decoys, 'decoy')}."
    if place == 1:
        return f"{blind} With the original file beside it the name is always found (place 1); only decoys could hide it there."
    return f"{blind} With the original file beside it the place is {place:,}."


def _never_met(never_met: NeverMet) -> str:
    is_one, limit = never_met.n_persons == 1, never_met.least_p_value
    who = "The forgotten person stands" if is_one else f"The {never_met.n_persons} forgotten persons stand"
    stands = f"{who} before a stranger with a probability of {never_met.statistic:.2f}, where 0.50 is like a stranger"
    against = f"against {_counted(never_met.n_strangers, 'stranger')}"
    if limit > REFUTING:
        few = "One person is" if is_one else f"{never_met.n_persons} persons are"
        return (
            f"{stands} (p = {_probability(never_met.p_value)}, {against}). {few} too few to tell: p cannot fall below {limit:.2f}, "
            "so this alone refutes nothing."
        )
    verdict = "differ from" if never_met.p_value < REFUTING else "cannot be told from"
    few = f" With so few persons p cannot fall below {limit:.2f}." if limit >= 0.01 else ""
    return (
        f"{stands} (p = {_probability(never_met.p_value)}, {against}): by place among the names, those forgotten {verdict} people whom "
        f"the model never met.{few}"
    )


def _probability(value: float) -> str:
    return f"{value:.2f}" if value >= 0.01 else f"{value:.1g}"


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _not_measured(metrics: Metrics, figure: str) -> str:
    return f"Not measured: {_reason(metrics, figure)}."


def _reason(metrics: Metrics, figure: str) -> str:
    if any(warning.startswith(MISSING[figure]) for warning in metrics.warnings):
        return "it failed; the warnings of this run say why"
    if any(person.idia.original.recognised is not None and person.idia.defended.recognised is None for person in metrics.persons):
        return "the attack on the defended model is missing"
    if figure == "trace":
        return "the text encoder was left as it was" if metrics.fine_tuning and "text" not in metrics.fine_tuning else EARLIER
    if figure == "never_met" and all(person.idia.defended.recognised is None for person in metrics.persons):
        return "nobody was attacked"
    if metrics.control.n == 0:
        return "there are no photos of people whom the model never saw"
    return EARLIER
