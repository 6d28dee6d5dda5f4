"""What the rules compare: ages, lengths, doses and counts, measured from the dated facts on one day.

Everything here is arithmetic over the chart and the guideline's tables. What the numbers *mean* is said in
``rulebook.yaml``. Lengths and distances between partial dates are intervals: every day they may mean.
"""

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import NamedTuple

from prodrome.rules.contraindications import (
    ABSOLUTE,
    RELATIVE,
    active_contraindications,
    contraindications_of,
    is_lastingly_barred,
)
from prodrome.rules.dose_limits import broken_limits
from prodrome.rules.doses import (
    UNKNOWN,
    ExceptionalDose,
    adequacy,
    adequacy_now,
    at_full_dose,
    dose_exceptions,
    full_dose,
    lowered,
)
from prodrome.rules.engine.evaluation import in_order
from prodrome.rules.engine.matching import MAX_FACTS, Fact, FactsByType, LimitError, fact_of
from prodrome.rules.episodes import decisive, episodes, may_follow
from prodrome.rules.fact_types import EXCEPTIONS_BY_DRUGS
from prodrome.rules.facts import AttackRecord, DraftOrder, Facts, Indication, Refs, StopReason, Trial
from prodrome.rules.guideline.guideline import Guideline
from prodrome.rules.guideline.types import Contraindication, Drug, PreventiveUse
from prodrome.rules.options import Against, DrugOptions
from prodrome.rules.per_guideline import per_guideline
from prodrome.rules.spans import days_ago, fewest_days_ago, months_ago, years

FlatValue = str | int | float | bool

MAX_ORDERS = 50
"""Orders in hand of drugs the tables know: nobody reads the cards of more."""


def measure(
    options: DrugOptions,
    today: date,
    *,
    hook: str | None = None,
    in_time: Callable[[], None] = lambda: None,
) -> tuple[list[Fact], FactsByType]:
    """Turn dated facts into the flat facts the rulebook reads.

    ``options`` are the facts beside the guideline: what holds today, which classes and drugs are available in the
    locale. ``hook`` is the CDS Hooks hook that asks.
    Facts come in a fixed order, not yet numbered. Raises :class:`LimitError` for too many of them.
    Beside them come, by type, those about classes that nothing in the chart touches: they are made once for all charts,
    and in order for :func:`~prodrome.rules.engine.evaluation.evaluate`.
    """
    found: list[Fact] = []
    sheet = _Sheet(options, today)
    untouched = _untouched(options)
    for type_, fields, refs in _all(sheet, hook, untouched):
        in_time()
        if len(found) == MAX_FACTS:
            raise LimitError(f"more than {MAX_FACTS} facts")
        found.append(fact_of(("", type_, fields, refs, (), None)))
    return found, untouched


class _Untouched(NamedTuple):
    """The facts about classes where a chart says nothing of them, by type, and the acute drugs that can be had."""

    facts: FactsByType
    acute_drugs: frozenset[str]


@per_guideline
def _untouched_by_locale(guideline: Guideline) -> dict[str, _Untouched]:
    found = {}
    for locale in guideline.locales:
        sheet = _Sheet(DrugOptions(Facts(), guideline, {}, locale), date.min)
        measured = [
            fact_of(("", type_, fields, refs, (), None))
            for type_, fields, refs in (*_preventive_classes(sheet), *_acute_classes(sheet))
        ]
        drugs = frozenset().union(*[here.available for here in guideline.acute_members_in(locale).values()])
        found[locale] = _Untouched(in_order(guideline.rulebook, measured, {}), drugs)
    return found


def _untouched(options: DrugOptions) -> FactsByType:
    """The facts about classes that neither a lasting contraindication nor a drug that is spent makes others."""
    untouched = _untouched_by_locale(options.guideline).get(options.locale)
    patient = options.facts.patient
    if untouched is None or (patient and patient.deceased):
        return {}
    found = {**untouched.facts}
    if any(active.contraindication.counts_for_class for active in options.active.values()):
        del found["preventive_class"]
    if not options.spent.isdisjoint(untouched.acute_drugs):
        del found["acute_class"]
    return found


_Measured = tuple[str, dict[str, FlatValue], Refs]


class _Sheet:
    """One patient's facts beside the guideline, and what several measures share."""

    def __init__(self, options: DrugOptions, today: date) -> None:
        facts, guideline = options.facts, options.guideline
        self.options = options
        self.facts, self.guideline, self.today, self.locale = facts, guideline, today, options.locale
        self.names = frozenset([name for condition in facts.conditions for name in condition.names])
        self.active = options.active
        self._exceptions: dict[str, Sequence[ExceptionalDose]] = {}

    def refs_of(self, name: str) -> Refs:
        return tuple(ref for c in self.facts.conditions if name in c.names for ref in c.refs)

    def statement_class(self, drug: Drug) -> str:
        """What a failure of a preventive speaks for: its narrow class, or the drug alone where that is too wide."""
        assert drug.preventive is not None
        class_ = drug.preventive.drug_class
        return self.options.base(drug.id) if class_ in self.guideline.classes_of_single_drugs else class_

    def adequacy(self, trial: Trial, use: PreventiveUse) -> tuple[str, bool]:
        """Whether a trial was, or is by now, adequate for this patient, and whether administrations were derived."""
        grace = self.guideline.number("administered_grace_days")
        chronic = "chronic_migraine" in self.names
        beside = lowered(use, self.facts.co_medications)
        if trial.running:
            return adequacy_now(trial, beside, self.today, chronic=chronic, grace_days=grace)
        verdict, assumed = adequacy(trial, use, chronic=chronic, grace_days=grace)
        if beside is not use and adequacy(trial, beside, chronic=chronic, grace_days=grace)[0] != verdict:
            return UNKNOWN, assumed  # nobody knows whether the other drug ran then too
        return verdict, assumed

    def exceptions(self, drug: Drug) -> Sequence[ExceptionalDose]:
        """The dose exceptions of a drug that apply."""
        if drug.id not in self._exceptions:
            self._exceptions[drug.id] = dose_exceptions(self.facts, drug)
        return self._exceptions[drug.id]

    def at_full_dose(self, drug: Drug, single_dose: float | None, route: str | None) -> str:
        return at_full_dose(self.guideline, drug, single_dose, route, self.exceptions(drug))


def trial_name(index: int) -> str:
    """How the flat facts call the trial at an index of ``Facts.trials``."""
    return f"trial-{index}"


def _all(sheet: _Sheet, hook: str | None, untouched: Container[str]) -> Iterator[_Measured]:
    if hook is not None:
        yield "hook", {"name": hook}, ()
    patient = sheet.facts.patient
    if patient and patient.deceased:
        return  # and so no rule speaks
    if patient and patient.birth:
        # The youngest age the birth date may mean: a date that leaves "under 18" open counts as under 18.
        age = years(patient.birth.last, sheet.today)
        yield "patient", {"age": age, "age_known": True}, patient.refs
    else:
        yield "patient", {"age_known": False}, patient.refs if patient else ()
    for name in ("migraine", "chronic_migraine"):
        if name in sheet.names:
            yield "diagnosis", {"name": name}, sheet.refs_of(name)
    if len(sheet.facts.trials) > MAX_FACTS:  # each is a fact: nothing need be measured to know it
        raise LimitError(f"more than {MAX_FACTS} facts")
    for index, trial in enumerate(sheet.facts.trials):
        yield from _trial(sheet, trial_name(index), trial)
    yield from _later_successes(sheet)
    yield from _drug_uses(sheet)
    yield from _other_uses(sheet)
    yield from _allergies(sheet)
    if "preventive_class" not in untouched:
        yield from _preventive_classes(sheet)
    if "acute_class" not in untouched:
        yield from _acute_classes(sheet)
    yield from _attacks(sheet)
    yield from _months(sheet)
    yield from _acute_use(sheet)
    yield from _hospital(sheet)
    yield from _care(sheet)
    yield from _orders(sheet)
    yield from _declared(sheet)


def _trial(sheet: _Sheet, name: str, trial: Trial) -> Iterator[_Measured]:
    drug = sheet.guideline.drugs[trial.drug]
    fields: dict[str, FlatValue] = {
        "trial": name,
        "drug": sheet.options.base(drug.id),
        "use": trial.use,
        "coded": trial.coded,
        "indication": trial.indication.value,
        "indication_coded": trial.indication_coded,
        "dose_coded": trial.dose_coded,
        "only_for_migraine": drug.only_for_migraine,
        "barred": sheet.options.barred(drug),
        "reason": "ongoing" if trial.running else trial.stop.reason.value,
        "reason_coded": trial.stop.coded,
        "conflicting": trial.stop.conflicting,
        "nonadherent": trial.stop.nonadherent,
        "suspected": trial.stop.suspected,
    }
    if trial.use == "preventive" and drug.preventive:
        use = drug.preventive
        adequate, assumed = sheet.adequacy(trial, use)
        fields |= {
            "ehf_class": use.ehf_class,
            "drug_class": use.drug_class,
            "statement_class": sheet.statement_class(drug),
            "counts": use.counts,
            "class_available": drug.id in sheet.options.here,
            "only_in_chronic": sheet.guideline.classes[use.ehf_class].only_if == "chronic_migraine",
            "administrations_assumed": assumed,
            "adequate": adequate,
        }
    elif trial.use == "acute" and drug.acute:
        base = sheet.guideline.drugs[sheet.options.base(drug.id)]
        fields |= {
            "drug_class": drug.acute.drug_class,
            "suggested": drug.acute.suggest,
            "full_dose": sheet.at_full_dose(base, trial.single_dose, trial.route),
        }
        if trial.running:
            yield from _single_dose(sheet, name, drug, trial.single_dose, trial.route, trial.refs)
    if not trial.running and trial.end:
        ago = days_ago(trial.end, sheet.today)
        fields |= {"stopped_days_ago_least": ago.least, "stopped_days_ago_most": ago.most}
    yield "trial", fields, trial.refs


def _later_successes(sheet: _Sheet) -> Iterator[_Measured]:
    """Courses of a counting preventive that ended in success, surely after another course of its class had ended."""
    ended = [
        (trial_name(index), trial, use, trial.end)
        for index, trial in enumerate(sheet.facts.trials)
        if trial.use == "preventive" and trial.end and not trial.running
        if (use := sheet.guideline.drugs[trial.drug].preventive)
    ]
    for later, success, use, end in ended:
        if success.stop.reason is StopReason.SUCCEEDED and use.counts:
            for earlier, trial, other, before in ended:
                if other.ehf_class == use.ehf_class and end.first > before.last:
                    yield "later_success", {"trial": earlier, "by": later}, (*trial.refs, *success.refs)


def _drug_uses(sheet: _Sheet) -> Iterator[_Measured]:
    """How long ago each drug may have been taken last, for anything."""
    last: dict[str, tuple[float, Refs]] = {}
    for trial in sheet.facts.trials:
        ago = 0 if trial.running else max(0, fewest_days_ago(trial.end, sheet.today))
        if trial.drug not in last or ago < last[trial.drug][0]:
            last[trial.drug] = (ago, trial.refs)
    for drug_id, (ago, refs) in last.items():
        yield "drug_use", {"drug": drug_id, "days_ago": ago}, refs


def _other_uses(sheet: _Sheet) -> Iterator[_Measured]:
    """Drugs in the record or in hand that the patient has another active reason to take."""
    for drug_id in dict.fromkeys([t.drug for t in sheet.facts.trials] + [o.drug for o in sheet.facts.orders]):
        group = sheet.guideline.drugs[drug_id].also_given_for
        if group and group in sheet.names:
            yield "other_use", {"drug": sheet.options.base(drug_id)}, sheet.refs_of(group)


def _allergies(sheet: _Sheet) -> Iterator[_Measured]:
    recorded: dict[tuple[str, bool], dict[str, None]] = {}  # an allergy recorded twice is one
    for allergy in sheet.facts.allergies:
        if not allergy.within:  # of a product nobody knows which of its drugs failed
            recorded.setdefault((allergy.drug, allergy.coded), {}).update(dict.fromkeys(allergy.refs))
    for (name, coded), refs in recorded.items():
        drug = sheet.guideline.drugs.get(name)
        if drug is None:  # to a whole class: a contraindication, no drug that failed
            continue
        fields: dict[str, FlatValue] = {
            "drug": sheet.options.base(drug.id),
            "coded": coded,
            "cgrp": drug.targets_cgrp,
            "counts": False,
        }
        if drug.preventive:
            use = drug.preventive
            fields |= {
                "ehf_class": use.ehf_class,
                "drug_class": use.drug_class,
                "statement_class": sheet.statement_class(drug),
                "counts": use.counts,
            }
        if drug.acute:
            fields |= {"acute_class": drug.acute.drug_class, "suggested": drug.acute.suggest}
        yield "allergy", fields, tuple(refs)


def _preventive_classes(sheet: _Sheet) -> Iterator[_Measured]:
    lasting = {id_: active for id_, active in sheet.active.items() if active.contraindication.counts_for_class}
    here = sheet.options.here
    gone = sheet.guideline.unavailable_classes(sheet.locale)
    for id_, class_ in sheet.guideline.classes.items():
        members = [drug for drug in sheet.guideline.counting_members[id_] if drug.id in here]
        fields: dict[str, FlatValue] = {
            "id": id_,
            "required": class_.required and id_ not in gone,
            "only_in_chronic": class_.only_if == "chronic_migraine",
        }
        refs: Refs = ()
        if members:
            barred = [drug for drug in members if is_lastingly_barred(drug, lasting)] if lasting else []
            fields["open_members"] = len(members) - len(barred)
            if barred:
                refs = tuple(
                    dict.fromkeys(
                        ref
                        for drug in barred
                        for active in contraindications_of(drug, lasting)
                        if active.strength(drug.id) == ABSOLUTE
                        for ref in active.refs
                    )
                )
        yield "preventive_class", fields, refs


def _acute_classes(sheet: _Sheet) -> Iterator[_Measured]:
    options = sheet.options
    for acute_class, here in sheet.guideline.acute_members_in(sheet.locale).items():
        fields: dict[str, FlatValue] = {
            "id": acute_class,
            "untried_members": len(here.next - options.spent),
            "barred": bool(here.available) and here.available <= options.ruled_out,
            "suggested": here.suggests,
        }
        yield "acute_class", fields, ()
        if not sheet.active:
            continue
        members = sheet.guideline.acute_members[acute_class]
        shared = sheet.guideline.shared_contraindications[acute_class]
        for id_, active in sheet.active.items():
            if id_ in shared and all(active.strength(drug.id) == ABSOLUTE for drug in members):
                yield "class_bar", {"acute_class": acute_class, "contraindication": id_}, active.refs


def _attacks(sheet: _Sheet) -> Iterator[_Measured]:
    """Attacks treated at full dose for migraine; the rows of one drug add up."""
    rows: dict[str, list[AttackRecord]] = defaultdict(list)
    for record in sheet.facts.attack_records:
        base = sheet.guideline.drugs[sheet.options.base(record.drug)]
        yield "attack_record", {"drug": base.id}, record.refs
        full = sheet.at_full_dose(base, record.single_dose, record.route)
        if full == "yes" and sheet.options.is_for_migraine(record):
            rows[base.id].append(record)
    for drug_id, records in rows.items():
        acute, treated = sheet.guideline.drugs[drug_id].acute, sum(record.treated for record in records)
        if acute and treated:
            relieved = sum(record.relieved for record in records)
            fields: dict[str, FlatValue] = {
                "drug": drug_id,
                "acute_class": acute.drug_class,
                "suggested": acute.suggest,
                "treated": treated,
                # Relieved in as many attacks as the definition asks for: 6 of 8 is 3 of 4.
                "relieved_share": relieved * sheet.guideline.number("acute_attacks_required") / treated,
            }
            yield "attacks", fields, tuple(ref for record in records for ref in record.refs)


def _months(sheet: _Sheet) -> Iterator[_Measured]:
    for month in sheet.facts.headache_months:
        ago = months_ago(month.month, sheet.today)
        if ago < 1:
            continue
        fields: dict[str, FlatValue] = {"month": _month(month.month), "months_ago": ago}
        if month.debilitating is not None:
            fields["debilitating"] = float(month.debilitating)
        if month.headache is not None:
            fields["headache"] = float(month.headache)
        if month.migraine is not None:
            fields["migraine"] = float(month.migraine)
        yield "month", fields, month.refs


def _month(day: date) -> str:
    return day.isoformat()[:7]


def _acute_use(sheet: _Sheet) -> Iterator[_Measured]:
    for row in sheet.facts.acute_use_months:
        ago = months_ago(row.month, sheet.today)
        if ago < 1:
            continue
        key: dict[str, FlatValue] = {"month": _month(row.month), "months_ago": ago}
        used = {name: float(days) for name, days in sorted(row.days.items()) if days > 0}
        for name, days in used.items():
            yield "acute_use", key | {"overuse_class": name, "days": days}, row.refs
        if used:
            largest, together = max(used.values()), sum(used.values())
            days = together if row.total is None else max(largest, row.total)
            least = largest if row.total is None else days
            yield "acute_use_together", key | {"classes": len(used), "days": days, "least_days": least}, row.refs


def _hospital(sheet: _Sheet) -> Iterator[_Measured]:
    joined = episodes(sheet.facts.hospital_visits, sheet.guideline.number("episode_gap_days"))
    kinds = sorted({each.kind for each in sheet.facts.follow_ups})
    by_kind = {kind: decisive(each for each in sheet.facts.follow_ups if each.kind == kind) for kind in kinds}
    for index, episode in enumerate(joined):
        ago = days_ago(episode.reckoned_from, sheet.today)
        fields: dict[str, FlatValue] = {
            "episode": f"episode-{index}",
            "reason": episode.reason.value,
            "running": episode.running,
            "start": str(episode.start),
            "days_ago_least": ago.least,
            "days_ago_most": ago.most,
        }
        yield "episode", fields, episode.refs
        for kind, some in by_kind.items():
            follow_up = next((each for each in some if may_follow(each, episode)), None)
            if follow_up:
                yield "follow_up_after", {"episode": f"episode-{index}", "kind": kind}, follow_up.refs


def _care(sheet: _Sheet) -> Iterator[_Measured]:
    for follow_up in sheet.facts.follow_ups:
        ago = fewest_days_ago(follow_up.when, sheet.today)
        yield "follow_up", {"kind": follow_up.kind, "days_ago": ago}, follow_up.refs
    for treatment in sheet.facts.non_drug_treatments:
        if treatment.indication is not Indication.OTHER:
            ago = fewest_days_ago(treatment.when, sheet.today)
            yield "non_drug", {"kind": treatment.kind, "days_ago": ago}, treatment.refs


def _orders(sheet: _Sheet) -> Iterator[_Measured]:
    if len(sheet.facts.orders) > MAX_ORDERS:
        raise LimitError(f"more than {MAX_ORDERS} orders of drugs for migraine")
    for order in sheet.facts.orders:
        drug = sheet.guideline.drugs[order.drug]
        if not order.systemic:
            continue
        if not order.listed:
            yield from _combination(sheet, order)
            continue
        fields: dict[str, FlatValue] = {
            "order": order.name,
            "drug": drug.id,
            "use": order.use,
            "indication": order.indication.value,
            "only_for_migraine": drug.only_for_migraine,
            "has_profile": bool(drug.preventive and drug.preventive.side_effects),
            "lists_contraindications": bool(drug.contraindications),
            "only_for_headache": drug.only_for_headache,
        }
        if order.use == "preventive" and drug.preventive:
            fields["statement_class"] = sheet.statement_class(drug)
        if order.use == "acute" and drug.acute:
            fields |= {"acute_class": drug.acute.drug_class, "suggested": drug.acute.suggest}
            if drug.acute.overuse_class:
                fields["overuse_class"] = drug.acute.overuse_class
            yield from _single_dose(sheet, order.name, drug, order.single_dose, order.route, (order.ref,))
        yield "order", fields, (order.ref,)
        yield from _eligibility_limits(sheet, order, drug)
        yield from _order_contraindications(sheet, order)
        yield from _dose_limits(sheet, order, drug)
        yield from _not_together(sheet, order, drug)


def _combination(sheet: _Sheet, order: DraftOrder) -> Iterator[_Measured]:
    """The order of a combination that is no drug of the tables, by its parts: what speaks against each of them."""
    parts = [sheet.guideline.drugs[id_] for id_ in order.drugs]
    fields: dict[str, FlatValue] = {
        "order": order.name,
        "drug": order.drug,
        "indication": order.indication.value,
        "only_for_migraine": False,
        "only_for_headache": False,
        "has_profile": False,
        "lists_contraindications": any(part.contraindications for part in parts),
    }
    if parts[0].is_last_resort:
        fields |= {"use": order.use, "suggested": False}
    overused = next((part.acute.overuse_class for part in parts if part.acute and part.acute.overuse_class), None)
    if overused:
        fields["overuse_class"] = overused
    yield "order", fields, (order.ref,)
    yield from _order_contraindications(sheet, order)


def _eligibility_limits(sheet: _Sheet, order: DraftOrder, drug: Drug) -> Iterator[_Measured]:
    """What the bodies of the site ask of the patient's history and migraine before the drug is given."""
    for row in sheet.guideline.eligibility.rows_in(sheet.locale, drug.id, order.use):
        for asks in row.limits:
            fields: dict[str, FlatValue] = {"order": order.name, "drug": drug.id, "body": row.body.id}
            yield "eligibility_limit", fields | {"kind": row.body.kind, "asks": asks}, (order.ref,)


def _order_contraindications(sheet: _Sheet, order: DraftOrder) -> Iterator[_Measured]:
    for id_ in order.drugs:
        yield from _contraindications_of_part(sheet, order, sheet.guideline.drugs[id_])


def _contraindications_of_part(sheet: _Sheet, order: DraftOrder, drug: Drug) -> Iterator[_Measured]:
    fields: dict[str, FlatValue] = {"order": order.name, "drug": drug.id}
    for active in contraindications_of(drug, sheet.active):
        if _is_exempt(active.contraindication, drug, order.single_dose):
            continue
        reason: dict[str, FlatValue] = {
            "contraindication": active.contraindication.id,
            "strength": active.strength(drug.id),
            "for_migraine": drug.id in active.contraindication.for_migraine,
        }
        yield "order_contraindication", fields | reason, active.refs
    allergies = [one for one in sheet.options.against(drug, order.drugs) if one.contraindication is None]
    for strength in (ABSOLUTE, RELATIVE):
        of_strength = [one for one in allergies if one.strength == strength]
        if of_strength:
            reason = {"contraindication": "allergy", "strength": strength, "for_migraine": False}
            yield (
                "order_contraindication",
                fields | reason,
                tuple(dict.fromkeys(ref for one in of_strength for ref in one.refs)),
            )


def _is_exempt(contraindication: Contraindication | None, drug: Drug, single_dose: float | None) -> bool:
    """Whether so small a dose of the drug is left alone."""
    most = contraindication.exempt_up_to.get(drug.id) if contraindication else None
    return most is not None and single_dose is not None and single_dose <= most


def _declared(sheet: _Sheet) -> Iterator[_Measured]:
    """What speaks against drugs that run, now that a problem or an allergy is added, and did not, or less, before."""
    facts, declared = sheet.facts, sheet.facts.declared
    if not declared:
        return
    known = replace(
        facts,
        conditions=tuple(one for one in facts.conditions if declared.isdisjoint(one.refs)),
        allergies=tuple(one for one in facts.allergies if declared.isdisjoint(one.refs)),
    )
    active = active_contraindications(known, sheet.guideline, sheet.today, sheet.locale)
    before = DrugOptions(known, sheet.guideline, active, sheet.locale)
    for id_, found in sheet.active.items():
        if id_ not in active or (found.grade == ABSOLUTE and active[id_].grade != ABSOLUTE):
            yield "new_contraindication", {"contraindication": id_}, found.refs
    old = {(one.drug, one.is_certain) for one in known.allergies}
    fresh = [
        one
        for one in facts.allergies
        if not declared.isdisjoint(one.refs) and old.isdisjoint({(one.drug, True), (one.drug, one.is_certain)})
    ]
    if fresh:
        refs = tuple(ref for allergy in fresh for ref in allergy.refs)
        yield "new_contraindication", {"contraindication": "allergy"}, refs
    for index, trial in enumerate(facts.trials):
        if trial.running:
            drug = sheet.guideline.drugs[trial.drug]
            yield from _against_running(sheet, before.against(drug), drug, trial_name(index), trial)


def _against_running(
    sheet: _Sheet, before: Iterable[Against], drug: Drug, name: str, trial: Trial
) -> Iterator[_Measured]:
    """What speaks against a drug that runs, and not as strongly before."""
    old = {(one.id, one.strength) for one in before}
    for one in sheet.options.against(drug):
        if _is_exempt(one.contraindication, drug, trial.single_dose):
            continue
        if old.isdisjoint({(one.id, one.strength), (one.id, ABSOLUTE)}):
            fields: dict[str, FlatValue] = {
                "trial": name,
                "drug": drug.id,
                "contraindication": one.id,
                "strength": one.strength,
            }
            yield "running_contraindication", fields, (*one.refs, *trial.refs)


def _dose_limits(sheet: _Sheet, order: DraftOrder, drug: Drug) -> Iterator[_Measured]:
    """Limits that the order goes beyond, at once or in a day, with what makes each hold."""
    for limit in broken_limits(sheet.facts, sheet.guideline, order, sheet.locale):
        fields: dict[str, FlatValue] = {"order": order.name, "drug": drug.id, "for_migraine": limit.row.for_migraine}
        yield "above_limit", fields, (order.ref, *limit.refs)


def _not_together(sheet: _Sheet, order: DraftOrder, drug: Drug) -> Iterator[_Measured]:
    """Other orders in hand that must not be taken within a day of this one: two triptans, a triptan and an ergot."""
    classes = sheet.guideline.classes_not_together
    if order.use != "acute" or drug.acute is None or drug.acute.drug_class not in classes:
        return
    for other in (*sheet.facts.orders, *sheet.facts.orders_beside):
        acute = sheet.guideline.drugs[other.drug].acute
        differs = sheet.options.base(other.drug) != sheet.options.base(drug.id)
        if other.systemic and acute and acute.drug_class in classes and differs:
            yield "not_together", {"order": order.name, "drug": drug.id, "other": other.drug}, (order.ref, other.ref)


def _single_dose(
    sheet: _Sheet, subject: str, drug: Drug, dose: float | None, route: str | None, refs: Refs
) -> Iterator[_Measured]:
    full = full_dose(sheet.guideline, drug, dose, route) if dose is not None else None
    if dose is None or not full or drug.acute is None:
        return
    fields: dict[str, FlatValue] = {
        "subject": subject,
        "drug": drug.id,
        "acute_class": drug.acute.drug_class,
        "percent_of_full": round(100 * dose / full, 3),
        "reads_drugs": any(exception.when in EXCEPTIONS_BY_DRUGS for exception in drug.acute.exceptions),
    }
    yield "single_dose", fields, refs
    for because, _, evidence in sheet.exceptions(drug):
        yield "dose_exception", {"subject": subject, "drug": drug.id, "because": because}, evidence
