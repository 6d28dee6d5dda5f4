"""What if: the chart with other values, rows, parameters, hook, order or day, beside the chart as it came."""

from collections.abc import Mapping
from typing import Any

from flask import Response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from prodrome.cds_hooks.consultation import Consultation
from prodrome.cds_hooks.protocol import Invalid, Refused
from prodrome.cds_hooks.workbench import adding, asking, changes, editing, reading
from prodrome.cds_hooks.workbench.cases import Case, Changes
from prodrome.cds_hooks.workbench.frame import Frame, Pages, WorkbenchView
from prodrome.rules.guideline import GuidelineError


def what_if_pages(frame: Frame) -> Pages:
    """The page on which a case is changed to see what follows."""
    return _WhatIfPages(frame)


class _WhatIfPages:
    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.environment = frame.environment

    def shown(self) -> Mapping[str, WorkbenchView]:
        return {"/case/<key>/what-if": self.what_if}

    def sent(self) -> Mapping[str, WorkbenchView]:
        return {
            "/case/<key>/what-if": self.try_changes,
            "/case/<key>/add": self.add,
            "/case/<key>/compare": self.compare,
            "/case/<key>/reset": self.reset,
        }

    def what_if(self, key: str) -> Response:
        case = self.frame.case(key)
        return self._page(case, self._answer(case, case.changes))

    def try_changes(self, key: str) -> AnyResponse:
        case = self.frame.case(key)
        guideline = case.consultation.judgement.guideline
        live = request.headers.get("HX-Request") == "true"
        groups = changes.rows_of(case.document, case.changes, self.environment)
        asked = changes.read_changes(
            request.form, request.form.getlist("without"), groups, case.changes.added, guideline
        )
        try:
            after = self._answer(case, asked)
        except (editing.BadEdit, GuidelineError, Refused) as error:
            return self._refused(case, str(error), live=live)
        case.changes = asked
        if live:
            return self.frame.page("_outcome", problem="", case=case, **self._compared(case, after))
        return redirect(url_for("workbench.what_if", key=key), 303)

    def add(self, key: str) -> AnyResponse:
        """Put one more row into the chart."""
        case = self.frame.case(key)
        environment = self.environment
        try:
            resource = adding.added(
                request.form,
                case.consultation.request.patient_id,
                len(case.changes.added) + 1,
                environment.guideline,
                case.today,
            )
            more = changes.with_added(case.changes, resource)
            self._answer(case, more)
        except (editing.BadEdit, GuidelineError, Refused) as error:
            return self._refused(case, str(error), live=False)
        case.changes = more
        return redirect(url_for("workbench.what_if", key=key, _anchor="outcome-title"), 303)

    def compare(self, key: str) -> AnyResponse:
        """Keep what is tried now as what the next is compared with, or go back to the chart as it came."""
        case = self.frame.case(key)
        case.beside = Changes() if request.form.get("with") == "chart" else case.changes
        return redirect(url_for("workbench.what_if", key=key), 303)

    def reset(self, key: str) -> AnyResponse:
        case = self.frame.case(key)
        case.changes = case.beside = Changes()
        return redirect(url_for("workbench.what_if", key=key), 303)

    def _answer(self, case: Case, asked: Changes) -> Consultation:
        if not asked.any:
            return case.consultation
        guideline = case.consultation.judgement.guideline
        return changes.tried(case.document, asked, case.today, guideline, self.environment)

    def _refused(self, case: Case, problem: str, *, live: bool) -> Response:
        after = self._answer(case, case.changes)
        if live:
            return self.frame.page("_outcome", problem=problem, case=case, **self._compared(case, after))
        return self._page(case, after, problem, self.frame.status_of(Invalid(problem)))

    def _page(self, case: Case, after: Consultation, problem: str = "", status: int = 200) -> Response:
        guideline = case.consultation.judgement.guideline
        groups = changes.rows_of(case.document, case.changes, self.environment)
        return self.frame.page(
            "what_if",
            status,
            case=case,
            tab="what-if",
            groups=groups,
            parameters=editing.parameter_fields(guideline),
            hooks=asking.hooks_served(self.environment),
            orders=asking.order_choices(guideline),
            drugs=sorted(drug.name for drug in guideline.drugs.values() if not drug.procedural),
            visits=adding.VISITS,
            conditions=adding.condition_choices(guideline),
            reasons=editing.REASON_CHOICES,
            form=request.form,
            problem=problem,
            **self._compared(case, after),
        )

    def _compared(self, case: Case, after: Consultation) -> dict[str, Any]:
        guideline = case.consultation.judgement.guideline
        before = self._answer(case, case.beside)
        groups = changes.rows_of(case.document, case.changes, self.environment)
        return {
            "differences": reading.differences(before, after),
            "turns": reading.turns(before.judgement, after.judgement),
            "left": changes.in_words(case.beside, groups, guideline),
            "right": changes.in_words(case.changes, groups, guideline),
        }
