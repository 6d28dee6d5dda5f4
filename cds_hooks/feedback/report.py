"""What became of each rule's cards: how often shown, accepted and overridden, and with which reasons."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import orjson
from sqlalchemy import ColumnElement, Select, and_, func, select

from prodrome.cds_hooks.database import Database, feedback, shown_card

PLACE = (
    func.row_number()
    .over(partition_by=feedback.c.card, order_by=(feedback.c.outcome_at.desc(), feedback.c.id.desc()))
    .label("place")
)
"""The place of an answer among those to its card, the last first: that one counts."""
COLUMNS = ("rule", "shown", "accepted", "overridden", "unanswered", "first_shown", "last_shown", "reasons")


@dataclass(frozen=True, slots=True)
class OverrideReason:
    """Why cards were overridden, and how many; system and code are None where the user gave no reason."""

    system: str | None
    code: str | None
    display: str | None
    count: int

    def __str__(self) -> str:
        return f"{self.display or self.code or 'no reason given'}: {self.count}"


@dataclass(frozen=True, slots=True)
class RuleReport:
    """The cards of one rule. A card counts once, as its user last answered; no answer is no rejection (FB-13)."""

    rule: str
    shown: int
    accepted: int
    overridden: int
    first_shown: date
    last_shown: date
    reasons: tuple[OverrideReason, ...]

    @property
    def unanswered(self) -> int:
        """Cards shown that nobody accepted or overrode."""
        return self.shown - self.accepted - self.overridden

    @property
    def acceptance(self) -> int | None:
        """Of the cards that were answered, how many percent were accepted; None where none was."""
        answered = self.accepted + self.overridden
        return round(100 * self.accepted / answered) if answered else None


def feedback_report(database: Database, *, since: date | None = None, until: date | None = None) -> list[RuleReport]:
    """Per rule, over the cards shown from *since* to *until* (UTC days, both included)."""
    shown_then = shown_between(since, until)
    shown = (
        select(
            shown_card.c.rule,
            func.count().label("shown"),
            func.min(shown_card.c.shown_at).label("first"),
            func.max(shown_card.c.shown_at).label("last"),
        )
        .where(and_(True, *shown_then))
        .group_by(shown_card.c.rule)
        .order_by(shown_card.c.rule)
    )
    with database.reading(unhurried=True) as connection:
        accepted: dict[str, int] = {}
        reasons: dict[str, list[OverrideReason]] = {}
        for row in connection.execute(_last_answers(shown_then)):
            if row.outcome == "accepted":
                accepted[row.rule] = accepted.get(row.rule, 0) + row.cards
            else:
                reasons.setdefault(row.rule, []).append(OverrideReason(row.system, row.code, row.display, row.cards))
        return [
            RuleReport(
                rule=row.rule,
                shown=row.shown,
                accepted=accepted.get(row.rule, 0),
                overridden=sum(reason.count for reason in reasons.get(row.rule, ())),
                first_shown=row.first.date(),
                last_shown=row.last.date(),
                reasons=tuple(sorted(reasons.get(row.rule, ()), key=lambda reason: (-reason.count, str(reason)))),
            )
            for row in connection.execute(shown)
        ]


def shown_between(since: date | None, until: date | None) -> list[ColumnElement[bool]]:
    """What holds of the cards shown from *since* to *until* (UTC days, both included; None: from or to any)."""
    found: list[ColumnElement[bool]] = []
    if since is not None:
        found.append(shown_card.c.shown_at >= _midnight(since))
    if until is not None and until < date.max:
        found.append(shown_card.c.shown_at < _midnight(until + timedelta(days=1)))
    return found


def _last_answers(shown_then: Sequence[ColumnElement[bool]]) -> Select[tuple[str, str, str, str, str, int]]:
    """How many cards of each rule were answered last in which way."""
    latest = (
        select(
            shown_card.c.rule,
            feedback.c.outcome,
            feedback.c.reason_system.label("system"),
            feedback.c.reason_code.label("code"),
            feedback.c.reason_display.label("display"),
            PLACE,
        )
        .join(shown_card, shown_card.c.uuid == feedback.c.card)
        .where(and_(True, *shown_then))
        .subquery()
    )
    parts = (latest.c.rule, latest.c.outcome, latest.c.system, latest.c.code)
    display = func.max(latest.c.display).label("display")  # one reason, however its display was written
    return select(*parts, display, func.count().label("cards")).where(latest.c.place == 1).group_by(*parts)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def report_as_json(rules: Sequence[RuleReport]) -> str:
    """The report as a JSON list."""
    return orjson.dumps(
        [{name: _plain(getattr(rule, name)) for name in COLUMNS} for rule in rules], option=orjson.OPT_INDENT_2
    ).decode()


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [{name: getattr(reason, name) for name in ("system", "code", "display", "count")} for reason in value]
    return value


def as_csv(rules: Sequence[RuleReport]) -> str:
    """The report as CSV with a header; the reasons are one column."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for rule in rules:
        writer.writerow([_cell(getattr(rule, name)) for name in COLUMNS])
    return text.getvalue()


def as_table(rules: Sequence[RuleReport]) -> str:
    """The report for reading."""
    if not rules:
        return "No cards were shown in this time."
    rows: list[tuple[str, ...]] = [("rule", "shown", "accepted", "overridden", "unanswered", "from", "to")]
    rows += [tuple(str(getattr(rule, name)) for name in COLUMNS[:-1]) for rule in rules]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row, rule in zip(rows, [None, *rules], strict=True):
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        lines += [f"    {_printable(reason)}" for reason in (rule.reasons if rule else ())]
    return "\n".join(lines)


def _cell(value: object) -> str:
    text = "; ".join(_printable(reason) for reason in value) if isinstance(value, tuple) else str(value)
    # A spreadsheet must not take what a client sent for a formula.
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _printable(reason: OverrideReason) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in str(reason))
