"""When a preventive that is ordered can be judged: its target dose takes time to reach, and its benefit longer."""

from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil

from prodrome.rules.facts import DraftOrder
from prodrome.rules.guideline.types import PreventiveUse


@dataclass(frozen=True)
class Judging:
    """When an ordered preventive can be judged: the day its target can be reached, if known, and so many weeks on."""

    reach_on: date | None
    weeks: int
    on: date

    @classmethod
    def of(cls, use: PreventiveUse, draft: DraftOrder, today: date) -> "Judging":
        """For a preventive with a profile of side effects."""
        assert use.side_effects is not None
        regimen = use.regimen(draft.single_dose)
        weeks = (regimen.judge_weeks if regimen else None) or use.side_effects.judge_weeks
        rising = _weeks_to_target(use, draft.per_day)
        reach_on = None if rising is None else today + timedelta(weeks=rising)
        return cls(reach_on, weeks, (reach_on or today) + timedelta(weeks=weeks))


def _weeks_to_target(use: PreventiveUse, per_day: float | None) -> int | None:
    """The least weeks until the target dose, from the ordered one; ``None`` where no schedule says."""
    if use.regimens or use.target is None or (per_day is not None and per_day >= use.target):
        return 0
    if use.titration is None or use.titration.weeks is None:
        return None
    rise = use.target - use.titration.start
    left = use.target - max(per_day or 0, use.titration.start)
    return ceil(use.titration.weeks * left / rise)
