"""What users did with the cards: by rule, over time, and as a file."""

from collections.abc import Mapping
from datetime import date

from flask import Response, request

from prodrome.cds_hooks.database import DatabaseAway
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.feedback import StoreUnavailable, report, trend
from prodrome.cds_hooks.protocol import Invalid, Unavailable
from prodrome.cds_hooks.workbench.frame import Frame, Pages, WorkbenchView, attached

_AWAY = "The database cannot be asked now. Try again in a moment."


def figures(environment: Environment) -> Mapping[str, report.RuleReport]:
    """What is known of each rule's cards, by rule; nothing while the database is away."""
    try:
        return {row.rule: row for row in _rows(environment, None, None)}
    except (StoreUnavailable, DatabaseAway):
        return {}


def _rows(environment: Environment, since: date | None, until: date | None) -> list[report.RuleReport]:
    store = environment.store
    if store is None:
        return []
    store.flush()
    return report.feedback_report(store.database, since=since, until=until)


def feedback_pages(frame: Frame) -> Pages:
    """The page of feedback, and its numbers as CSV."""
    return _FeedbackPages(frame)


class _FeedbackPages:
    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.environment = frame.environment

    def shown(self) -> Mapping[str, WorkbenchView]:
        return {"/feedback": self.feedback, "/feedback.csv": self.feedback_csv}

    def sent(self) -> Mapping[str, WorkbenchView]:
        return {}

    def feedback(self) -> Response:
        problem, status = "", 200
        try:
            since, until = _asked_days()
        except Invalid as error:
            problem, status, since, until = error.text, self.frame.status_of(error), None, None
        rule = request.args.get("rule", "")
        rows = self._asked(since, until)
        weeks = self._weeks(since, until, rule)
        return self.frame.page(
            "feedback",
            status,
            rows=rows,
            rules=self.environment.guideline.rulebook.rules,
            weeks=weeks,
            highest=max((week.shown for week in weeks), default=0),
            asked={"since": request.args.get("since", ""), "until": request.args.get("until", ""), "rule": rule},
            problem=problem,
        )

    def feedback_csv(self) -> Response:
        since, until = _asked_days()
        return attached(report.as_csv(self._asked(since, until)), "feedback.csv", "text/csv")

    def _asked(self, since: date | None, until: date | None) -> list[report.RuleReport]:
        try:
            return _rows(self.environment, since, until)
        except (StoreUnavailable, DatabaseAway):
            raise Unavailable(_AWAY, retry_after=2) from None

    def _weeks(self, since: date | None, until: date | None, rule: str) -> list[trend.Week]:
        store = self.environment.store
        try:
            return trend.weekly(store.database, since=since, until=until, rule=rule or None) if store else []
        except (StoreUnavailable, DatabaseAway):
            raise Unavailable(_AWAY, retry_after=2) from None


def _asked_days() -> tuple[date | None, date | None]:
    """The first and the last day asked for, each where it was. Raises :class:`Invalid`."""
    return _asked_day("since"), _asked_day("until")


def _asked_day(name: str) -> date | None:
    text = request.args.get(name, "").strip()
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Invalid(f"{name.capitalize()}: expected a date as in 2026-03-14.", member=name) from None
