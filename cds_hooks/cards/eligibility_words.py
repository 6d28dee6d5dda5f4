"""What bodies ask for before a drug is given, and what it comes to for a patient, in words.

Every text is made of the guideline's words, numbers and dates: none of the chart's own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from prodrome.cds_hooks.cards.markdown import Trusted
from prodrome.cds_hooks.cards.patient_words import Sheet
from prodrome.cds_hooks.cards.preventives_tried import TRIAL_ENDINGS
from prodrome.cds_hooks.protocol import KIND_WORDS
from prodrome.rules import ClassState, Criterion, Failed, HeadacheMonth, RowAnswer, answers_for
from prodrome.rules.guideline import Days, DaysAsked, EligibilityRow, FailuresAsked, Guideline, Source

DAYS_OF = {"migraine": "migraine days", "headache": "headache days", "attacks": "attacks"}
HOW = {
    "lack of efficacy": "no effect",
    "lack of tolerability": "not tolerated",
    "contraindication": "contraindicated",
    "not recorded": "ending not recorded",
}
NAMES = {
    "age": "age",
    "type": "type of migraine",
    "days": "days",
    "failures": "failures",
    "beside": "nothing beside it",
    "conditions": "conditions",
}
FUNDERS = ("appraisal", "payer")


@dataclass(frozen=True, slots=True)
class CriterionWords:
    """One criterion: its name, what is asked, what it comes to, and what in the chart shows it."""

    name: Trusted
    asked: Trusted
    answer: Trusted
    shown: Trusted


@dataclass(frozen=True, slots=True)
class RowWords:
    """A body's row: who, since when, what it comes to, and each criterion; ``says`` is what it adds in words."""

    body: Trusted
    kind: Trusted
    place: Trusted
    date: Trusted
    drugs: tuple[Trusted, ...]
    answer: Trusted
    criteria: tuple[CriterionWords, ...]
    says: Trusted
    example: bool

    @property
    def in_short(self) -> Trusted:
        """The criteria by what they come to, those that stand in the way first."""
        said = []
        for answer in ("not met", "not recorded", "met"):
            of = [criterion for criterion in self.criteria if criterion.answer == answer]
            if of:
                words = (one.name if answer == "met" else one.asked for one in of)
                said.append(f"{answer}: {', '.join(words)}")
        return Trusted("; ".join(said) or "asks for nothing more")


class EligibilityWords:
    """What the bodies of the site say of an ordered drug: label limits, funders, and guidelines beside."""

    def __init__(self, sheet: Sheet, drug: str, use: str) -> None:
        self._answers = answers_for(sheet.facts, sheet.judgement, drug, use)
        self._guideline = sheet.guideline

    def _of(self, *kinds: str) -> tuple[RowWords, ...]:
        return tuple(row_words(one, self._guideline) for one in self._answers if one.row.body.kind in kinds)

    @cached_property
    def labels(self) -> tuple[RowWords, ...]:
        """What the label limits the drug to."""
        return self._of("label")

    @cached_property
    def funders(self) -> tuple[RowWords, ...]:
        """What those who pay, or who must be asked first, want met."""
        return self._of(*FUNDERS, "referral")

    @cached_property
    def guidelines(self) -> tuple[RowWords, ...]:
        """What guidelines advise."""
        return self._of("guideline")

    @cached_property
    def limits(self) -> tuple[RowWords, ...]:
        """The rows the summary counts: the funders', else the label's."""
        return self.funders or self.labels

    @property
    def headline(self) -> Trusted:
        """The answer in a line."""
        answers = [row.answer for row in self.limits]
        if len(answers) == 1:
            return Trusted(f"criteria of {self.limits[0].body} {answers[0]}")
        met, open_ = answers.count(Trusted("met")), answers.count(Trusted("not recorded"))
        words = f"criteria met for {met} of {len(answers)} {'payers' if self.examples else 'bodies'}"
        return Trusted(f"{words}, not all recorded for {open_}" if open_ else words)

    @property
    def beside(self) -> Trusted:
        """The guidelines: the place each gives the drug, and what its criteria come to."""
        said = []
        for row in self.guidelines:
            words = f"{row.body}, {row.says or 'an option'}"
            said.append(f"{words} ({row.answer})" if row.criteria else words)
        return Trusted("; ".join(said))

    @property
    def on_record(self) -> Trusted:
        """The trials and months behind the answers, each once."""
        criteria = [criterion for one in self._answers for criterion in one.criteria]
        failed = [one for criterion in criteria for one in criterion.failed]
        months = max((criterion.months for criterion in criteria), key=len, default=())
        said = ["; ".join(failed_words(failed, self._guideline))] if failed else []
        return Trusted("; ".join([*said, days_words(months)] if months else said))

    @cached_property
    def examples(self) -> bool:
        """Whether funders are examples among many."""
        return any(row.example for row in self.funders)

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """The sources of all rows, those of the funders first."""
        ordered = sorted(self._answers, key=lambda one: one.row.body.kind not in FUNDERS)
        ids = dict.fromkeys(id_ for one in ordered for id_ in one.row.sources)
        return tuple(self._guideline.sources[id_] for id_ in ids)


def row_words(answer: RowAnswer, guideline: Guideline) -> RowWords:
    """One row of a body with its answer for the patient, in words."""
    row = answer.row
    return RowWords(
        body=Trusted(row.body.name),
        kind=Trusted(row.body.kind),
        place=Trusted(row.body.place),
        date=Trusted(row.date),
        drugs=tuple(Trusted(guideline.drugs[id_].name) for id_ in row.drugs),
        answer=Trusted(answer.answer),
        criteria=tuple(criterion_words(row, one, guideline) for one in answer.criteria),
        says=Trusted("; ".join(_says(row))),
        example=row.body.example,
    )


def _says(row: EligibilityRow) -> Iterable[str]:
    yield from (text for text in (row.position, row.strength, row.dose, row.note.rstrip(".")) if text)
    if row.judge:
        yield f"judged after {row.judge}"
    if row.goes_on:
        yield f"to go on: {row.goes_on}"


def criterion_words(row: EligibilityRow, criterion: Criterion, guideline: Guideline) -> CriterionWords:
    """A criterion with what shows it."""
    asked = _asked(row, criterion.kind, guideline) or criterion.said
    if criterion.kind == "failures" and criterion.answer != "met":
        asked = f"{asked} ({_counted(criterion)} on record)"
    return CriterionWords(
        name=Trusted(NAMES.get(criterion.kind, criterion.said)),
        asked=Trusted(asked),
        answer=Trusted(criterion.answer),
        shown=Trusted("; ".join(_shown(criterion, guideline))),
    )


def asks_in_words(row: EligibilityRow, guideline: Guideline) -> tuple[str, ...]:
    """Everything a row asks for, and what it adds."""
    asked = [words for kind in NAMES if (words := _asked(row, kind, guideline))]
    lists = dict.fromkeys(f"to be counted: {of_list(one)}" for one in row.failed)
    return (*asked, *lists, *row.asks, *_says(row))


def _asked(row: EligibilityRow, kind: str, guideline: Guideline) -> str:
    """What a row asks for of one kind; nothing where it asks for none."""
    if kind == "age" and row.age_min is not None:
        return f"{row.age_min:g} years or older"
    if kind == "type" and row.migraine:
        return f"{row.migraine} migraine"
    if kind == "days":
        return " or ".join(_days_asked(one) for one in row.days)
    if kind == "failures":
        return " or ".join(_failures_asked(one) for one in row.failed)
    if kind == "beside" and row.not_with:
        return f"no {' or '.join(_name(guideline, id_) for id_ in row.not_with)} beside it"
    if kind == "conditions" and row.without:
        return f"none of: {', '.join(guideline.code_sets[name].title for name in row.without)}"
    return ""


def _name(guideline: Guideline, id_: str) -> str:
    """What a drug or a class is called."""
    if id_ in guideline.acute_classes:
        return f"{guideline.acute_classes[id_].name} for attacks"
    return guideline.drug_classes.get(id_) or guideline.drugs[id_].name


def _days_asked(asked: DaysAsked) -> str:
    parts = [f"{asked.type} migraine"] if asked.type else []
    parts += [f"{_number(days)} {DAYS_OF[days.of]} a month" for days in asked.days]
    return " with ".join([*parts, asked.said] if asked.said else parts)


def _counted(criterion: Criterion) -> str:
    perhaps = criterion.possible - criterion.counted
    return f"{criterion.counted} and perhaps {perhaps} more" if perhaps > 0 else f"{criterion.counted}"


def _number(days: Days) -> str:
    above = f"at least {days.least:g}" if days.least is not None else ""
    above = f"more than {days.above:g}" if days.above is not None else above
    below = f"fewer than {days.below:g}" if days.below is not None else ""
    return " and ".join(part for part in (above, below) if part)


def _failures_asked(asked: FailuresAsked) -> str:
    least = f"{asked.some} or {asked.least}" if asked.some else f"{asked.least}"
    what = "class" if asked.by_group else "drug"
    plural = ("es" if what == "class" else "s") if asked.least > 1 else ""
    length = f" ({asked.least_days:g} days each)" if asked.least_days is not None else ""
    words = f"{least} failed {what}{plural}{length}"
    if asked.ruled_out:
        words += f", and {asked.ruled_out}s contraindicated or not tolerated"
    return words


def of_list(asked: FailuresAsked) -> str:
    """The groups from which the failures must be."""
    return ", ".join(asked.groups)


def _shown(criterion: Criterion, guideline: Guideline) -> Iterable[str]:
    if criterion.kind == "failures":
        yield from failed_words(criterion.failed, guideline)
    if criterion.kind == "days":
        yield days_words(criterion.months)
    yield from (f"{guideline.drugs[id_].name} is taken" for id_ in criterion.drugs)
    yield from (guideline.code_sets[name].title for name in criterion.conditions)
    if criterion.missing:
        yield f"{_listed(KIND_WORDS[kind] for kind in criterion.missing)} did not arrive completely"


def failed_words(failed: Iterable[Failed], guideline: Guideline) -> tuple[str, ...]:
    """What failed for certain, then what may have, each once."""
    said: dict[str, str] = {}
    for one in sorted(failed, key=lambda one: not one.certain):
        name = one.group if one.how == "contraindication" else guideline.drugs[one.drug].name
        said.setdefault(name, _failed(one, name, guideline))
    return tuple(said.values())


def _failed(one: Failed, name: str, guideline: Guideline) -> str:
    if one.how == "contraindication":
        because = ", ".join(guideline.contraindications[id_].label for id_ in one.because)
        return f"{name} (contraindicated: {because})"
    if one.certain:
        return f"{name} ({HOW[one.how]})"
    because = ", ".join(one.because)
    return f"perhaps {name} ({HOW[one.how]}{', ' if because else ''}{because})"


def days_words(months: Sequence[HeadacheMonth]) -> str:
    """The diary of the months, one kind of days after the other: ``migraine days 11, 10, 9 (2026-03 to 2026-05)``."""
    if not months:
        return ""
    span = f"{months[0].month:%Y-%m} to {months[-1].month:%Y-%m}"
    kinds = {
        "migraine": [month.migraine for month in months],
        "headache": [month.headache for month in months],
        "debilitating": [month.debilitating for month in months],
    }
    said = [
        f"{kind} days {', '.join('not recorded' if one is None else f'{one:g}' for one in days)}"
        for kind, days in kinds.items()
        if any(one is not None for one in days)
    ]
    return f"{'; '.join(said) or 'no days recorded'} ({span})"


@dataclass(frozen=True, slots=True)
class ClassWords:
    """A class: its name, and why it is in its state."""

    name: Trusted
    why: Trusted


def class_words(state: ClassState, sheet: Sheet) -> ClassWords:
    """What was tried of a class and how it ended, what rules drugs out, what is left."""
    guideline = sheet.guideline
    name = guideline.acute_classes[state.id].name if state.use == "acute" else guideline.drug_classes[state.id]
    return ClassWords(Trusted(name), Trusted("; ".join(dict.fromkeys(_class_why(state, sheet)))))


def _class_why(state: ClassState, sheet: Sheet) -> Iterable[str]:
    guideline = sheet.guideline
    yield from failed_words(state.failed, guideline)
    named = {one.trial for one in state.failed}
    for name in state.trials:
        trial = sheet.trial(name)
        if name not in named:
            ending = "taken now" if trial.running else TRIAL_ENDINGS[trial.stop.reason]
            yield f"{guideline.drugs[trial.drug].name} {ending}"
    if state.contraindications:
        known = guideline.contraindications
        labels = (known[id_].label if id_ in known else "allergy" for id_ in state.contraindications)
        yield f"{'all' if not state.left else 'some'} ruled out by {_listed(labels)}"
    if state.left and state.state in ("open", "not recorded", "failed", "tried too briefly"):
        yield f"left: {', '.join(guideline.drugs[id_].name for id_ in state.left)}"
    if state.missing:
        yield f"{_listed(KIND_WORDS[kind] for kind in state.missing)} did not arrive completely"


def _listed(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
