"""How users answered cards over time: week by week, what was shown, accepted and overridden."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import case, func, select

from prodrome.cds_hooks.database import Database, feedback, shown_card
from prodrome.cds_hooks.feedback.report import PLACE, shown_between

MOST_WEEKS = 260


@dataclass(frozen=True, slots=True)
class Week:
    """The cards shown in the week that begins on the Monday ``start`` (UTC), each by its last answer."""

    start: date
    shown: int
    accepted: int
    overridden: int

    @property
    def unanswered(self) -> int:
        """Cards shown that nobody accepted or overrode."""
        return self.shown - self.accepted - self.overridden


def weekly(
    database: Database, *, since: date | None = None, until: date | None = None, rule: str | None = None
) -> list[Week]:
    """Every week from the first card shown to the last, the quiet ones too; the last ``MOST_WEEKS`` of them."""
    by_day = _by_day(database, since, until, rule)
    if not by_day:
        return []
    return list(_weeks(by_day))[-MOST_WEEKS:]


def _weeks(by_day: dict[date, tuple[int, int, int]]) -> Iterator[Week]:
    monday, last = (day - timedelta(days=day.weekday()) for day in (min(by_day), max(by_day)))
    while monday <= last:
        days = [by_day.get(monday + timedelta(days=number), (0, 0, 0)) for number in range(7)]
        yield Week(monday, *(sum(column) for column in zip(*days, strict=True)))
        monday += timedelta(days=7)


def _by_day(
    database: Database, since: date | None, until: date | None, rule: str | None
) -> dict[date, tuple[int, int, int]]:
    within = shown_between(since, until)
    if rule is not None:
        within.append(shown_card.c.rule == rule)
    answers = select(feedback.c.card, feedback.c.outcome, PLACE).subquery()
    with database.reading(unhurried=True) as connection:
        at = shown_card.c.shown_at
        day = func.date(func.timezone("UTC", at)) if connection.dialect.name == "postgresql" else func.date(at)
        asked = (
            select(
                day.label("day"),
                func.count().label("shown"),
                func.sum(case((answers.c.outcome == "accepted", 1), else_=0)).label("accepted"),
                func.sum(case((answers.c.outcome == "overridden", 1), else_=0)).label("overridden"),
            )
            .select_from(shown_card)
            .outerjoin(answers, (answers.c.card == shown_card.c.uuid) & (answers.c.place == 1))
            .where(*within)
            .group_by(day)
        )
        return {
            date.fromisoformat(str(row.day)): (row.shown, int(row.accepted), int(row.overridden))
            for row in connection.execute(asked)
        }
