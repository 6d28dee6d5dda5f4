"""The order in hand as its card's template sees it, in words (``order``)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from prodrome.cds_hooks.cards.finding_words import View
from prodrome.cds_hooks.cards.markdown import Trusted
from prodrome.cds_hooks.cards.patient_words import Reason, amount
from prodrome.rules import DraftOrder
from prodrome.rules.guideline import SideEffects


@dataclass(frozen=True, slots=True)
class Profile:
    """What to expect of a preventive. ``judge_on`` counts from today."""

    common: tuple[Trusted, ...]
    usually_lessen: tuple[Trusted, ...]
    stop_and_call: tuple[Trusted, ...]
    onset_weeks: Trusted
    judge_weeks: int
    judge_on: date
    target: Trusted | None


class Order:
    """What a template may ask about the order its card is about."""

    def __init__(self, draft: DraftOrder, view: View) -> None:
        self.draft = draft
        self.view = view
        self.sheet = view.sheet
        self.ordered = view.sheet.drug(draft.drug)

    @property
    def drug(self) -> Trusted:
        return Trusted(self.ordered.name)

    @property
    def drug_class(self) -> Trusted:
        return self.sheet.class_name(self.ordered)

    @property
    def is_antibody(self) -> bool:
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
        use = self.ordered.preventive
        assert use is not None
        effects = use.side_effects
        assert isinstance(effects, SideEffects)
        return Profile(
            common=_trusted(effects.common),
            usually_lessen=_trusted(effects.usually_lessen),
            stop_and_call=_trusted(effects.stop_and_call),
            onset_weeks=Trusted(effects.onset_weeks),
            judge_weeks=effects.judge_weeks,
            judge_on=self.sheet.today + timedelta(weeks=effects.judge_weeks),
            target=amount(use.target, use.unit, use.per) if use.target else None,
        )

    @cached_property
    def dangers(self) -> tuple[Reason, ...]:
        """What speaks against the order, the strongest first."""
        return tuple(reason for reason in self.sheet.reasons(self.ordered) if reason.level != "caution")

    @property
    def main_dangers(self) -> tuple[Trusted, ...]:
        """The reasons that set the card's indicator."""
        wanted = "absolute" if self.view.indicator == "critical" else "relative"
        return tuple(dict.fromkeys(reason.label for reason in self.dangers if reason.level == wanted))

    @cached_property
    def cautions(self) -> tuple[Reason, ...]:
        return tuple(reason for reason in self.sheet.reasons(self.ordered) if reason.level == "caution")

    @property
    def not_evaluated(self) -> tuple[Trusted, ...]:
        return self.sheet.not_evaluated(self.ordered)

    @property
    def open_instead(self) -> tuple[Trusted, ...]:
        """The classes still open for what the order is for; none in pregnancy, which the tables do not cover."""
        if self.sheet.expecting_or_nursing:
            return ()
        return self.view.open_acutes if self.draft.use == "acute" else self.view.open_preventives


def _trusted(texts: Iterable[str]) -> tuple[Trusted, ...]:
    return tuple(Trusted(text) for text in texts)
