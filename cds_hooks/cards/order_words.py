"""The order in hand as its card's template sees it, in words (``order``)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from prodrome.cds_hooks.cards.finding_words import View
from prodrome.cds_hooks.cards.markdown import Trusted, joined
from prodrome.cds_hooks.cards.patient_words import WhyNot, amount, number
from prodrome.rules import STRENGTHS, Broken, DraftOrder, Excess, Judging, rows
from prodrome.rules.guideline import SideEffects

_HOW_MUCH: Mapping[str, tuple[str, str]] = {
    "single": ("{unit} at once", "{unit} at once"),
    "daily": ("{unit} a day", "{unit} a day"),
    "weekly": ("{unit} a week", "{unit} a week"),
    "doses": ("dose in 24 hours", "doses in 24 hours"),
    "days": ("day on end", "days on end"),
}
"""How a limit is counted, in words: of one, and of more."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What to expect of a preventive as it was ordered.

    ``starts``: how its dose rises; ``reach_on``: the day its target can be reached, where a schedule says;
    ``judge_on``: so many weeks from there, or from today where the drug needs no titration or none was read;
    ``by_doses``: it is told as a regimen and needs no titration.
    """

    common: tuple[Trusted, ...]
    usually_lessen: tuple[Trusted, ...]
    stop_and_call: tuple[Trusted, ...]
    onset_weeks: Trusted | None
    judge_weeks: int
    judge_on: date
    target: Trusted | None
    starts: Trusted | None
    reach_on: date | None
    by_doses: bool


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit that an order breaks: what was ordered, the most, and what makes it hold (nothing: it always does)."""

    ordered: Trusted
    most: Trusted
    because: tuple[Trusted, ...]


class Order:
    """What a template may ask about the order its card is about."""

    def __init__(self, draft: DraftOrder, view: View) -> None:
        self.draft = draft
        self.view = view
        self.sheet = view.sheet
        self.ordered = view.sheet.drug(draft.drug)
        self.holds = tuple(map(view.sheet.drug, draft.drugs))

    @property
    def drug(self) -> Trusted:
        """The ordered drug's name, or what of a combination the tables know."""
        if self.draft.listed:
            return Trusted(self.ordered.name)
        names = [Trusted(drug.name) for drug in self.holds]
        return Trusted(f"{names[0]} in a combination") if len(names) == 1 else joined(names, "with")

    @property
    def drug_class(self) -> Trusted:
        """Its class in words."""
        return self.sheet.class_name(self.ordered)

    @property
    def is_antibody(self) -> bool:
        """Whether it is an antibody against CGRP or its receptor."""
        use = self.ordered.preventive
        return use is not None and use.drug_class == "cgrp_mab"

    @property
    def speaks_alone(self) -> bool:
        """Whether a failure in the ordered drug's class speaks for that drug only."""
        use = self.ordered.preventive
        return use is not None and use.drug_class in self.sheet.guideline.classes_of_single_drugs

    @property
    def washout_months(self) -> int | None:
        """How long before conception the ordered drug is stopped; ``None`` where no label says, and for men."""
        patient, use = self.sheet.facts.patient, self.ordered.preventive
        return use.washout_months if use and not (patient and patient.sex == "male") else None

    @cached_property
    def profile(self) -> Profile:
        """Its side effects, for the patient: only of a preventive whose profile is known."""
        use = self.ordered.preventive
        assert use is not None
        effects = use.side_effects
        assert isinstance(effects, SideEffects)
        judging = Judging.of(use, self.draft, self.sheet.today)
        regimen = use.regimen(self.draft.single_dose)
        target: Trusted | None
        if regimen:
            target = Trusted(regimen.chronic if regimen.chronic and self.sheet.chronic else regimen.says)
        else:
            target = amount(use.target, use.unit, use.per) if use.target else None
        return Profile(
            common=_trusted(effects.common),
            usually_lessen=_trusted(effects.usually_lessen),
            stop_and_call=_trusted(effects.stop_and_call),
            onset_weeks=Trusted(effects.onset_weeks) if effects.onset_weeks else None,
            judge_weeks=judging.weeks,
            judge_on=judging.on,
            target=target,
            starts=Trusted(use.titration.says) if use.titration else None,
            reach_on=judging.reach_on,
            by_doses=bool(use.regimens),
        )

    @property
    def beside_cgrp(self) -> tuple[Trusted, ...]:
        """Other preventives against CGRP that run or are in hand, where one is ordered."""
        use = self.ordered.preventive
        if use is None or not self.ordered.targets_cgrp:
            return ()
        facts = self.sheet.facts
        running = [trial.drug for trial in facts.trials if trial.running and trial.use == "preventive"]
        others = [*running, *(draft.drug for draft in facts.orders if draft.use == "preventive")]
        return self.sheet.names(
            id_
            for id_ in others
            if id_ != self.ordered.id and self.sheet.drug(id_).preventive and self.sheet.drug(id_).targets_cgrp
        )

    @property
    def drug_sources(self) -> tuple[str, ...]:
        """The sources on the drug in the use that it is ordered for."""
        acute = self.draft.use == "acute"
        uses = [drug.acute or drug.preventive if acute else drug.preventive or drug.acute for drug in self.holds]
        return tuple(dict.fromkeys(source for use in uses if use for source in use.sources))

    @property
    def limit_sources(self) -> tuple[str, ...]:
        """The sources of the limits that the order breaks."""
        return tuple(dict.fromkeys(limit.row.source for limit in self._broken))

    @cached_property
    def _broken(self) -> tuple[Broken, ...]:
        return self.sheet.broken(self.draft)

    @cached_property
    def _reasons(self) -> tuple[WhyNot, ...]:
        """Every active reason against what was ordered, the strongest first."""
        product = self.draft.drugs
        found = dict.fromkeys(reason for drug in self.holds for reason in self.sheet.reasons(drug, product))
        return tuple(sorted(found, key=lambda reason: STRENGTHS.index(reason.level)))

    @cached_property
    def dangers(self) -> tuple[WhyNot, ...]:
        """What speaks against the order, the strongest first."""
        return tuple(reason for reason in self._reasons if reason.level != "caution")

    @property
    def main_dangers(self) -> tuple[Trusted, ...]:
        """The reasons that set the card's indicator."""
        wanted = "absolute" if self.view.indicator == "critical" else "relative"
        return tuple(dict.fromkeys(reason.label for reason in self.dangers if reason.level == wanted))

    @cached_property
    def cautions(self) -> tuple[WhyNot, ...]:
        """The active reasons that call for caution and do not bar it."""
        return tuple(reason for reason in self._reasons if reason.level == "caution")

    @cached_property
    def limits(self) -> tuple[Limit, ...]:
        """The limits that the order breaks, the narrowest first."""
        found: list[tuple[float, Limit]] = []
        for limit in self._broken:
            worst = limit.excesses[0]
            words = Limit(
                self._amount(worst.ordered, worst), self._amount(worst.most, worst), self.sheet.evidence(limit.refs)
            )
            found.append((worst.most / worst.ordered, words))
        return tuple(limit for _, limit in sorted(found, key=lambda one: one[0]))

    def _amount(self, value: float, excess: Excess) -> Trusted:
        use = self.ordered.preventive
        unit = use.unit if use else "mg"
        one, many = _HOW_MUCH[excess.of]
        return Trusted(f"{number(value)} {(one if value == 1 else many).format(unit=unit)}")

    @property
    def not_together(self) -> tuple[Trusted, ...]:
        """Other orders in hand that must not be taken within a day of this one."""
        found = (row for row in self.sheet.judgement.rows(rows.NotTogether) if row.order == self.draft.name)
        return self.sheet.names(row.other for row in found)

    @property
    def not_evaluated(self) -> tuple[Trusted, ...]:
        """The contraindications of the drug that no data can show, in words."""
        return tuple(dict.fromkeys(words for drug in self.holds for words in self.sheet.not_evaluated(drug)))

    @property
    def open_instead(self) -> tuple[Trusted, ...]:
        """The classes still open for what the order is for; none in pregnancy, which the tables do not cover."""
        if self.sheet.expecting_or_nursing:
            return ()
        return self.view.open_acutes if self.draft.use == "acute" else self.view.open_preventives


def _trusted(texts: Iterable[str]) -> tuple[Trusted, ...]:
    return tuple(Trusted(text) for text in texts)
