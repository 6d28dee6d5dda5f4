"""Which classes a patient may have now, and what each body's criteria for a drug come to, with what shows it.

A criterion is *met*, *not met* or *not recorded*: what the chart does not say is never taken for a no, unless the kinds
of resource that would say it came complete.
"""

import calendar
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from prodrome.rules import rows
from prodrome.rules.contraindications import ABSOLUTE, contraindications_of, is_lastingly_barred
from prodrome.rules.doses import days_at_target
from prodrome.rules.fact_types import BODY_KINDS, MEDICATION
from prodrome.rules.facts import Completeness, Facts, HeadacheMonth, Refs, Trial
from prodrome.rules.flat_facts import trial_name
from prodrome.rules.guideline.eligibility import Days, DaysAsked, EligibilityRow, FailuresAsked
from prodrome.rules.guideline.guideline import Guideline, NarrowClass
from prodrome.rules.guideline.types import Drug
from prodrome.rules.judge import Judgement
from prodrome.rules.per_guideline import per_guideline
from prodrome.rules.spans import UNKNOWN, Span, last_months, length, years

Answer = Literal["met", "not met", "not recorded"]
MET: Answer = "met"
NOT_MET: Answer = "not met"
NOT_RECORDED: Answer = "not recorded"

State = Literal[
    "in use",
    "failed",
    "ruled out",
    "not available",
    "not for this migraine",
    "tried too briefly",
    "open",
    "not recorded",
]
"""What becomes of a class. *Not recorded*: nothing stands against it, and not all that could came."""

How = Literal["lack of efficacy", "lack of tolerability", "contraindication", "not recorded"]
REASONS: Mapping[How, str] = {
    "lack of efficacy": "efficacy",
    "lack of tolerability": "tolerability",
    "contraindication": "contraindication",
}


class Failed(NamedTuple):
    """A drug that failed, or may have (``certain`` False): how, in which trial, or by which contraindications.

    ``trial`` is the trial's flat name; "" where an allergy, records of attacks or a contraindication stand for one.
    ``because`` are doubts in words, or ids of contraindications.
    """

    drug: str
    group: str
    how: How
    certain: bool
    trial: str = ""
    because: tuple[str, ...] = ()
    refs: Refs = ()


CriterionKind = Literal["age", "type", "days", "failures", "beside", "conditions", "other"]


@dataclass(frozen=True)
class Criterion:
    """One criterion of a row and what it comes to, with the trials, months and resources that show it.

    ``failed`` belongs to the alternative ``asked`` that comes nearest, of which ``counted`` failed for certain and
    ``possible`` may have; ``said`` is a criterion no chart can show;
    ``drugs`` run that must not, or ``conditions`` (code sets) are active. ``missing``: the kinds that did not come
    complete, where these leave it open.
    """

    kind: CriterionKind
    answer: Answer
    asked: FailuresAsked | None = None
    failed: tuple[Failed, ...] = ()
    counted: int = 0
    possible: int = 0
    months: tuple[HeadacheMonth, ...] = ()
    said: str = ""
    drugs: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    refs: Refs = ()


@dataclass(frozen=True)
class RowAnswer:
    """What a body's row comes to for this patient: its criteria, and all of them together."""

    row: EligibilityRow
    answer: Answer
    criteria: tuple[Criterion, ...]


class ClassState(NamedTuple):
    """A narrow class of preventives (with its class of the EHF consensus) or a class of acute drugs.

    ``left`` are its drugs that nothing rules out and that did not fail, none where one speaks for its class. ``trials``
    are the flat names of what was tried of it for migraine, ``failed`` those that failed or may have, ``tried`` says
    whether a drug of it was taken in any way that is on record; ``contraindications`` (ids, ``allergy``) are what rules
    drugs of it out. What is given in an emergency department alone belongs to no class here.
    """

    id: str
    use: Literal["preventive", "acute"]
    ehf_class: str
    state: State
    left: tuple[str, ...]
    trials: tuple[str, ...] = ()
    failed: tuple[Failed, ...] = ()
    contraindications: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    refs: Refs = ()
    tried: bool = False


@dataclass(frozen=True)
class Eligibility:
    """Every class, and what every row of the site's bodies comes to."""

    classes: tuple[ClassState, ...]
    rows: tuple[RowAnswer, ...]


def eligibility(facts: Facts, judgement: Judgement) -> Eligibility:
    """What one judged patient may have, in the locale and by the bodies of the judgement's guideline."""
    chart = _Chart(facts, judgement)
    table = judgement.guideline.eligibility
    return Eligibility(
        classes=class_states(facts, judgement),
        rows=tuple(_answer(chart, row, None) for row in table.rows_in(judgement.locale)),
    )


def class_states(facts: Facts, judgement: Judgement) -> tuple[ClassState, ...]:
    """What becomes of every class of preventives and of acute drugs, those not to be had in the locale included."""
    return tuple(_classes(_Chart(facts, judgement)))


def answers_for(facts: Facts, judgement: Judgement, drug: str, use: str) -> tuple[RowAnswer, ...]:
    """What the rows of the site's bodies about one drug come to: labels first, then funders, then guidelines."""
    chart = _Chart(facts, judgement)
    found = judgement.guideline.eligibility.rows_in(judgement.locale, drug, use)
    return tuple(_answer(chart, row, drug) for row in sorted(found, key=lambda row: BODY_KINDS.index(row.body.kind)))


class _Chart:
    """The facts of one patient beside what was judged of them."""

    def __init__(self, facts: Facts, judgement: Judgement) -> None:
        self.facts = facts
        self.judgement = judgement
        self.guideline = judgement.guideline
        self.options = judgement.options
        self.chronic = self.holds("chronic_migraine")
        # The trials that were, or may have been, for migraine.
        self.purposes = frozenset([purpose.trial for purpose in judgement.rows(rows.Purpose)])
        # Those trials: flat name, trial, drug it counts as.
        self.trials: list[tuple[str, Trial, str]] = []
        for index, trial in enumerate(facts.trials):
            name = trial_name(index)
            if name in self.purposes:
                self.trials.append((name, trial, self.options.base(trial.drug)))
        self._adequate: Mapping[str, str] | None = None  # worked out when it is asked for
        self.doubts = _doubts(judgement)
        self.acute_failures = _acute_failures(judgement)
        # The kinds that did not come complete, of those that may say that a class is no option.
        self.missing_of_options = self.missing(*MEDICATION, "Condition", "AllergyIntolerance")

    def holds(self, name: str) -> bool:
        """Whether an active condition is of a code set."""
        return any(name in condition.names for condition in self.facts.conditions)

    def recorded(self, name: str) -> Refs:
        """Where the active conditions of a code set are recorded."""
        return tuple(dict.fromkeys([ref for one in self.facts.conditions if name in one.names for ref in one.refs]))

    def missing(self, *kinds: str) -> tuple[str, ...]:
        """Those of the kinds that did not come complete."""
        state = self.facts.completeness
        return tuple([kind for kind in kinds if state.get(kind, Completeness.MISSING) is not Completeness.COMPLETE])

    def adequate(self, trial: str) -> str:
        """Whether a preventive trial was long and high enough by the guideline: ``yes``, ``no`` or ``unknown``."""
        if self._adequate is None:
            flat = [fact.fields for fact in self.judgement.of_type("trial")]
            self._adequate = {str(fields["trial"]): str(fields.get("adequate", "unknown")) for fields in flat}
        return self._adequate.get(trial, "unknown")

    def drugs(self, ids: Iterable[str]) -> tuple[Drug, ...]:
        return tuple(self.guideline.drugs[id_] for id_ in ids)

    def here(self, drug: Drug) -> bool:
        """Whether the drug, and its class where it prevents, can be had here."""
        return drug.id in self.options.here


def _doubts(judgement: Judgement) -> Mapping[str, Sequence[tuple[str, str | None]]]:
    """Why failures of trials are not certain, with the step that says so, by trial."""
    found: dict[str, list[tuple[str, str | None]]] = {}
    for fact, doubt in judgement.with_rows(rows.Doubt):
        found.setdefault(doubt.trial, []).append((doubt.because, fact.rule))
    return found


def _acute_failures(judgement: Judgement) -> Mapping[str, Sequence[tuple[How, Refs]]]:
    """How each acute drug failed: in recorded attacks, by side effects, or stopped as ineffective at full dose."""
    found: dict[str, list[tuple[How, Refs]]] = {}
    for fact, failure in judgement.with_rows(rows.AcuteFailure):
        found.setdefault(failure.drug, []).append((failure.by, fact.refs))
    for fact, weak in judgement.with_rows(rows.WeakFailure):
        found.setdefault(weak.drug, []).append(("lack of efficacy", fact.refs))
    return found


def _answer(chart: _Chart, row: EligibilityRow, drug: str | None) -> RowAnswer:
    criteria = tuple(_criteria(chart, row, drug))
    return RowAnswer(row, _all(criterion.answer for criterion in criteria), criteria)


def _all(answers: Iterable[Answer]) -> Answer:
    said = set(answers)
    return NOT_MET if NOT_MET in said else NOT_RECORDED if NOT_RECORDED in said else MET


def _any(answers: Iterable[Answer]) -> Answer:
    said = set(answers)
    return MET if MET in said else NOT_RECORDED if NOT_RECORDED in said else NOT_MET


def _criteria(chart: _Chart, row: EligibilityRow, drug: str | None) -> Iterator[Criterion]:
    if row.age_min is not None:
        yield _age(chart, row.age_min)
    if row.migraine is not None:
        yield _type(chart, row.migraine)
    if row.days:
        yield _days(chart, row)
    if row.failed:
        yield _failures(chart, row.failed)
    if row.not_with:
        yield _beside(chart, row, drug)
    if row.without:
        yield _without(chart, row.without)
    for said in row.asks:
        yield Criterion("other", NOT_RECORDED, said=said)


def _age(chart: _Chart, least: float) -> Criterion:
    patient, today = chart.facts.patient, chart.judgement.today
    if patient is None or patient.birth is None:
        return Criterion("age", NOT_RECORDED, missing=("Patient",))
    youngest, oldest = years(patient.birth.last, today), years(patient.birth.first, today)
    answer = MET if youngest >= least else NOT_MET if oldest < least else NOT_RECORDED
    return Criterion("age", answer, refs=patient.refs)


def _type(chart: _Chart, asked: str) -> Criterion:
    """Chronic migraine is a diagnosis; episodic is migraine without it on a complete problem list."""
    refs = chart.recorded("chronic_migraine" if chart.chronic else "migraine")
    if chart.chronic:
        return Criterion("type", MET if asked == "chronic" else NOT_MET, refs=refs)
    missing = chart.missing("Condition")
    if missing or (asked == "episodic" and not chart.holds("migraine")):
        return Criterion("type", NOT_RECORDED, missing=missing, refs=refs)
    return Criterion("type", MET if asked == "episodic" else NOT_MET, refs=refs)


# Days


def _days(chart: _Chart, row: EligibilityRow) -> Criterion:
    months = last_months(chart.facts.headache_months, row.months, chart.judgement.today)
    answer = _any(_days_alternative(chart, asked, months) for asked in row.days)
    refs = tuple(dict.fromkeys(ref for month in months for ref in month.refs))
    missing = chart.missing("Observation") if answer == NOT_RECORDED else ()
    return Criterion("days", answer, months=months, missing=missing, refs=refs)


def _days_alternative(chart: _Chart, asked: DaysAsked, months: Sequence[HeadacheMonth]) -> Answer:
    answers = [_number(days, months) for days in asked.days]
    if asked.type is not None:
        answers.append(_type(chart, asked.type).answer)
    if asked.said:
        answers.append(NOT_RECORDED)
    return _all(answers)


def _number(asked: Days, months: Sequence[HeadacheMonth]) -> Answer:
    """The mean of the months, which those that are not recorded leave open between nothing and every day."""
    if asked.of == "attacks":  # no chart counts them
        return NOT_RECORDED
    spans = [_days_of(month, asked.of) for month in months]
    least, most = sum(s.least for s in spans) / len(spans), sum(s.most for s in spans) / len(spans)
    answers: list[Answer] = []
    if asked.least is not None:
        answers.append(MET if least >= asked.least else NOT_MET if most < asked.least else NOT_RECORDED)
    if asked.above is not None:
        answers.append(MET if least > asked.above else NOT_MET if most <= asked.above else NOT_RECORDED)
    if asked.below is not None:
        answers.append(MET if most < asked.below else NOT_MET if least >= asked.below else NOT_RECORDED)
    return _all(answers)


def _days_of(month: HeadacheMonth, of: str) -> Span:
    """Debilitating days stand for migraine days that are not recorded, and both are headache days."""
    whole = calendar.monthrange(month.month.year, month.month.month)[1]
    if of == "migraine":
        known = month.migraine if month.migraine is not None else month.debilitating
        return (
            Span(known, known)
            if known is not None
            else Span(0, month.headache if month.headache is not None else whole)
        )
    if month.headache is not None:
        return Span(month.headache, month.headache)
    return Span(max(month.migraine or 0, month.debilitating or 0), whole)


# Failures


def _failures(chart: _Chart, alternatives: Sequence[FailuresAsked]) -> Criterion:
    """The alternative that comes nearest, with the answer of any."""
    tried = [_failures_alternative(chart, asked) for asked in alternatives]
    answer = _any(one.answer for one in tried)
    return next(one for one in tried if one.answer == answer)


def _failures_alternative(chart: _Chart, asked: FailuresAsked) -> Criterion:
    acute = _is_acute(chart, asked)
    found = tuple(_acute_failed(chart, asked) if acute else _preventives_failed(chart, asked))
    found += tuple(_barred_groups(chart, asked, found)) if "contraindication" in asked.reasons else ()
    certain, possible = _count([one for one in found if one.certain], asked), _count(found, asked)
    missing = chart.missing(*MEDICATION, *(("Observation",) if acute else ()))
    if "contraindication" in asked.reasons:
        missing += chart.missing("Condition")
    enough = asked.some or asked.least
    if certain >= asked.least:
        answer, missing = MET, ()
    elif possible >= enough or missing:
        answer = NOT_RECORDED
    else:
        answer = NOT_MET
    if asked.ruled_out:
        answer = _all((answer, _ruled_out(chart, asked.ruled_out)))
    refs = tuple(dict.fromkeys(ref for one in found for ref in one.refs))
    return Criterion(
        "failures", answer, asked=asked, failed=found, counted=certain, possible=possible, missing=missing, refs=refs
    )


def _is_acute(chart: _Chart, asked: FailuresAsked) -> bool:
    drugs = chart.drugs(id_ for group in asked.groups.values() for id_ in group)
    return all(drug.acute for drug in drugs)


def _count(found: Iterable[Failed], asked: FailuresAsked) -> int:
    """A contraindicated group is one, however many drugs are in it."""
    return len({one.group if asked.by_group or one.how == "contraindication" else one.drug for one in found})


def _preventives_failed(chart: _Chart, asked: FailuresAsked) -> Iterator[Failed]:
    group_of = {drug: group for group, drugs in asked.groups.items() for drug in drugs}
    for name, trial, drug in chart.trials:
        if trial.use == "preventive" and drug in group_of and not trial.running:
            failed = _trial_failed(chart, asked, name, trial, drug, group_of[drug])
            if failed:
                yield failed
    if "tolerability" in asked.reasons:  # a recorded allergy that stands for a trial
        for fact, failure in chart.judgement.with_rows(rows.PreventiveFailure):
            if failure.drug in group_of and failure.trial not in chart.purposes:
                certain = failure.certainty == "high"
                yield Failed(failure.drug, group_of[failure.drug], "lack of tolerability", certain, refs=fact.refs)


def _trial_failed(chart: _Chart, asked: FailuresAsked, name: str, trial: Trial, drug: str, group: str) -> Failed | None:
    reason = trial.stop.reason.value
    doubts = chart.doubts.get(name, ())
    if reason == "unknown":
        return Failed(drug, group, "not recorded", False, name, ("why it was stopped is not recorded",), trial.refs)
    if reason == "intolerance" and "tolerability" in asked.reasons:
        because = tuple(words for words, _ in doubts)
        return Failed(drug, group, "lack of tolerability", not because, name, because, trial.refs)
    if reason == "inefficacy" and "efficacy" in asked.reasons:
        long_enough = _long_enough(chart, asked, name, trial)
        if long_enough == "no":
            return None
        own_length = asked.least_days is not None
        because = tuple(words for words, step in doubts if not (own_length and step == "doubt-dose-or-length"))
        if long_enough == "unknown" and own_length:
            because += ("its dose or dates are not known",)
        return Failed(drug, group, "lack of efficacy", not because, name, because, trial.refs)
    return None


def _long_enough(chart: _Chart, asked: FailuresAsked, name: str, trial: Trial) -> str:
    """Whether a trial was as long as the body asks; as the guideline asks, where the body gives no length."""
    if asked.least_days is None:
        return chart.adequate(name)
    span = length(trial.start, trial.end)
    if asked.at_dose:
        use = chart.guideline.drugs[trial.drug].preventive
        span = days_at_target(trial, use.min_adequate) if use else UNKNOWN
    return "yes" if span.least >= asked.least_days else "no" if span.most < asked.least_days else "unknown"


def _acute_failed(chart: _Chart, asked: FailuresAsked) -> Iterator[Failed]:
    group_of = {drug: group for group, drugs in asked.groups.items() for drug in drugs}
    for drug, ways in chart.acute_failures.items():
        for how, refs in ways:
            if drug in group_of and REASONS[how] in asked.reasons:
                yield Failed(drug, group_of[drug], how, True, refs=refs)
                break
    for name, trial, drug in chart.trials:
        ended = trial.use == "acute" and not trial.running and drug in group_of and drug not in chart.acute_failures
        if ended and trial.stop.reason.value in ("unknown", "inefficacy", "intolerance"):
            because = tuple(words for words, _ in chart.doubts.get(name, ()))
            if trial.stop.reason.value == "unknown":
                because = ("why it was stopped is not recorded",)
            yield Failed(drug, group_of[drug], "not recorded", False, name, because, trial.refs)


def _barred_groups(chart: _Chart, asked: FailuresAsked, found: Sequence[Failed]) -> Iterator[Failed]:
    """Groups of which every drug that can be had here is lastingly contraindicated, and none failed for certain."""
    failed = {one.group for one in found if one.certain}
    for group, ids in asked.groups.items():
        members = [drug for drug in chart.drugs(ids) if chart.here(drug) and not drug.counts_as]
        active = chart.judgement.active
        if members and group not in failed and all(is_lastingly_barred(drug, active) for drug in members):
            because = {
                one.contraindication.id: one.refs
                for drug in members
                for one in contraindications_of(drug, active)
                if one.strength(drug.id) == ABSOLUTE and one.contraindication.counts_for_class
            }
            refs = tuple(ref for refs in because.values() for ref in refs)
            yield Failed(members[0].id, group, "contraindication", True, because=tuple(because), refs=refs)


def _ruled_out(chart: _Chart, acute_class: str) -> Answer:
    """Whether an acute class is contraindicated, or was not tolerated: two of its drugs, since one leaves others."""
    members = [drug for drug in chart.guideline.acute_members.get(acute_class, ()) if chart.here(drug)]
    if members and all(map(chart.options.barred, members)):
        return MET
    ids = {drug.id for drug in members}
    not_tolerated = {
        drug
        for drug, ways in chart.acute_failures.items()
        if drug in ids and any(how == "lack of tolerability" for how, _ in ways)
    }
    if len(not_tolerated) > 1:
        return MET
    return NOT_RECORDED if not_tolerated or chart.missing(*MEDICATION, "Condition") else NOT_MET


# What else holds


def _beside(chart: _Chart, row: EligibilityRow, drug: str | None) -> Criterion:
    own = {drug} if drug else set(row.drugs)
    others = [
        trial
        for trial in chart.facts.trials
        if trial.running and trial.drug not in own
        if trial.drug in row.not_with or _class_of(chart, trial) in row.not_with
    ]
    if others:
        refs = tuple(ref for trial in others for ref in trial.refs)
        return Criterion("beside", NOT_MET, drugs=tuple(dict.fromkeys(trial.drug for trial in others)), refs=refs)
    missing = chart.missing(*MEDICATION)
    return Criterion("beside", NOT_RECORDED if missing else MET, missing=missing)


def _class_of(chart: _Chart, trial: Trial) -> str | None:
    """The class of a drug as it is used: rimegepant prevents, or treats attacks."""
    drug = chart.guideline.drugs[trial.drug]
    use = drug.preventive if trial.use == "preventive" else drug.acute
    return use.drug_class if use else None


def _without(chart: _Chart, names: Sequence[str]) -> Criterion:
    held = tuple(filter(chart.holds, names))
    if held:
        refs = tuple(ref for name in held for ref in chart.recorded(name))
        return Criterion("conditions", NOT_MET, conditions=held, refs=refs)
    missing = chart.missing("Condition")
    return Criterion("conditions", NOT_RECORDED if missing else MET, missing=missing)


# Classes


class _Record:
    """What a chart says of the classes, each under its use and id: sorted once, as most classes have nothing."""

    def __init__(self, chart: _Chart) -> None:
        self.trials: dict[tuple[str, str], list[tuple[str, Trial]]] = {}
        self.failed: dict[tuple[str, str], list[Failed]] = {}
        drugs = chart.guideline.drugs
        for name, trial, drug in chart.trials:
            preventive, acute = drugs[trial.drug].preventive, drugs[drug].acute
            if trial.use == "preventive" and preventive:
                self.trials.setdefault(("preventive", preventive.drug_class), []).append((name, trial))
            elif trial.use == "acute" and acute:
                self.trials.setdefault(("acute", acute.drug_class), []).append((name, trial))
        judgement = chart.judgement
        for fact, failure in judgement.with_rows(rows.PreventiveFailure):
            because = tuple([words for words, _ in chart.doubts.get(failure.trial, ())])
            name = failure.trial if failure.trial in chart.purposes else ""
            id_, certain = failure.drug_class, failure.certainty == "high"
            one = Failed(failure.drug, id_, failure.by, certain, name, because, fact.refs)
            self.failed.setdefault(("preventive", id_), []).append(one)
        for drug, ways in chart.acute_failures.items():
            if acute := drugs[drug].acute:
                how, refs = ways[0]
                one = Failed(drug, acute.drug_class, how, True, refs=refs)
                self.failed.setdefault(("acute", acute.drug_class), []).append(one)
        self.reopened = frozenset([str(fact.fields["trial"]) for fact in judgement.of_type("reopened")])
        self.brief = frozenset([row.trial for row in judgement.rows(rows.Inadequate)])


def _classes(chart: _Chart) -> Iterator[ClassState]:
    record = _Record(chart)
    not_chronic = not chart.chronic and not chart.missing("Condition")
    missing, in_attacks = chart.missing_of_options, chart.options.in_attacks
    for class_, untouched in _untouched(chart.guideline)[chart.judgement.locale, not_chronic]:
        trials, failed = record.trials.get(class_.key, ()), record.failed.get(class_.key, ())
        if trials or failed or not chart.options.doubtful.isdisjoint(class_.ids):
            yield _state(chart, record, class_, trials, failed, wrong_type=not_chronic and class_.only_chronic)
            continue
        state = untouched
        if missing and state.state == "open":
            state = state._replace(state="not recorded", missing=missing)
        if in_attacks and not in_attacks.isdisjoint(class_.ids):
            state = state._replace(tried=True)
        yield state


@per_guideline
def _untouched(guideline: Guideline) -> Mapping[tuple[str, bool], Sequence[tuple[NarrowClass, ClassState]]]:
    """The classes and what becomes of each where nothing was tried, nothing speaks against it and nothing is missing.

    By locale, and by whether the migraine is known not to be chronic.
    """
    return {
        (locale, not_chronic): [
            (
                class_,
                _untouched_state(class_, guideline.drugs_in(locale), wrong_type=not_chronic and class_.only_chronic),
            )
            for class_ in guideline.narrow_classes
        ]
        for locale in guideline.locales
        for not_chronic in (False, True)
    }


def _untouched_state(class_: NarrowClass, here: Collection[str], *, wrong_type: bool) -> ClassState:
    left = tuple([id_ for id_ in class_.ids if id_ in here])
    state: State = "not available" if not left else "not for this migraine" if wrong_type else "open"
    return ClassState(class_.id, class_.use, class_.ehf_class, state, left)


def _state(
    chart: _Chart,
    record: _Record,
    class_: NarrowClass,
    trials: Sequence[tuple[str, Trial]],
    failed: Sequence[Failed],
    *,
    wrong_type: bool,
) -> ClassState:
    options = chart.options
    here = [drug for drug in class_.members if drug.id in options.here]
    open_ = [drug.id for drug in here if drug.id not in options.ruled_out]
    without = [one.drug for one in failed if one.certain]
    left = tuple([drug for drug in open_ if drug not in without])
    against: dict[str, Refs] = {}
    if len(open_) < len(here):
        against = {
            (one.contraindication.id if one.contraindication else "allergy"): one.refs
            for drug in here
            for one in options.against(drug)
            if one.strength == ABSOLUTE
        }
    missing: tuple[str, ...] = ()
    state: State
    if any(trial.running for _, trial in trials):
        state = "in use"
    elif _has_failed(chart, record, class_, failed, open_):
        state = "failed"
        if class_.use == "preventive" and class_.id not in chart.guideline.classes_of_single_drugs:
            left = ()  # one that failed speaks for its class
    elif not here:
        state = "not available"
    elif not open_:
        state = "ruled out"
    elif wrong_type:
        state = "not for this migraine"
    elif trials and class_.use == "preventive" and record.brief.issuperset([name for name, _ in trials]):
        state = "tried too briefly"
    else:
        missing = chart.missing_of_options
        state = "not recorded" if missing else "open"
    refs = [
        *[ref for _, trial in trials for ref in trial.refs],
        *[ref for one in failed for ref in one.refs],
        *[ref for some in against.values() for ref in some],
    ]
    return ClassState(
        class_.id,
        class_.use,
        class_.ehf_class,
        state,
        left,
        tuple([name for name, _ in trials]),
        tuple(failed),
        tuple(against),
        missing,
        tuple(dict.fromkeys(refs)),
        bool(trials or failed or not options.in_attacks.isdisjoint(class_.ids)),
    )


def _has_failed(
    chart: _Chart, record: _Record, class_: NarrowClass, failed: Sequence[Failed], open_: Sequence[str]
) -> bool:
    """Whether a class failed: a preventive of it for certain; so many acute drugs, or all that are left of it."""
    if class_.use == "preventive":
        return any(one.certain and one.drug in class_.ids and one.trial not in record.reopened for one in failed)
    spent = {one.drug for one in failed}
    every = len(chart.guideline.acute_members[class_.id])
    enough = chart.guideline.number("acute_unresponsive_triptans") if class_.id == "triptan" else every
    return bool(spent) and (len(spent) >= enough or spent.issuperset(open_))
