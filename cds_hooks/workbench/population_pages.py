"""The results of a whole population: counts, the patients of a rule, and one of them opened as a case."""

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

from flask import Response, request
from werkzeug.wrappers import Response as AnyResponse

from prodrome.cds_hooks.protocol import NotFound, Unavailable
from prodrome.cds_hooks.workbench import asking
from prodrome.cds_hooks.workbench.frame import Frame, Pages, WorkbenchView

if TYPE_CHECKING:
    from prodrome.cds_hooks.population import Results, Table


def population_pages(frame: Frame) -> Pages:
    """The pages of a run over a population."""
    return _PopulationPages(frame)


class _PopulationPages:
    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.environment = frame.environment

    def shown(self) -> Mapping[str, WorkbenchView]:
        return {
            "/population": self.population,
            "/population/<rule_id>": self.population_list,
            "/population/changes": self.population_changes,
        }

    def sent(self) -> Mapping[str, WorkbenchView]:
        return {"/population/<rule_id>": self.population_search, "/population-patient": self.population_patient}

    def population(self) -> Response:
        return self.frame.page("population", results=self._results(), rules=self.environment.guideline.rulebook.rules)

    def population_changes(self) -> Response:
        """Which patients another set of parameters gives or takes which finding."""
        results, rulebook, page = self._results(), self.environment.guideline.rulebook, _page()
        if results is None or not results.has_other:
            raise NotFound("No other parameters were judged: run `prodrome population` with --parameters.")
        changes = results.changes(rulebook, page)
        return self.frame.page("population_changes", results=results, changes=changes, rules=rulebook.rules, page=page)

    def population_list(self, rule_id: str) -> Response:
        return self._population_list(rule_id, "")

    def population_search(self, rule_id: str) -> Response:
        """The same list by part of an id, which is sent and not put into the address: addresses are logged."""
        return self._population_list(rule_id, request.form.get("patient", "").strip())

    def _population_list(self, rule_id: str, patient: str) -> Response:
        results = self._results()
        rule = self.environment.guideline.rulebook.rules.get(rule_id)
        if results is None or rule is None or rule_id not in results.counts["rules"]:
            raise NotFound("These results have no such rule.")
        table: Table = "unjudged" if request.args.get("of") == "unjudged" else "findings"
        page = _page()
        only = request.args.get("only", "")
        rows, more = results.listed(rule_id, table, only=only, patient=patient, page=page)
        return self.frame.page(
            "population_list",
            rule=rule,
            results=results,
            counts=results.counts["rules"][rule_id],
            of=table,
            only=only,
            patient=patient,
            page=page,
            rows=rows,
            more=more,
        )

    def population_patient(self) -> AnyResponse:
        """Open one patient of the results as a case of patient-view, judged on the day of the run."""
        results, patient = self._results(), request.form.get("patient", "")
        chart = results.chart(patient) if results else []
        if results is None or not chart:
            raise NotFound("The chart of this patient was not kept: run `prodrome population` with --charts.")
        environment = asking.on_day(self.environment, date.fromisoformat(results.manifest["today"]), remember=False)
        document = asking.population_request(patient, chart, results.completeness(patient), environment)
        return self.frame.kept(asking.opened("A patient of the population", "population", document, environment))

    def _results(self) -> "Results | None":
        from prodrome.cds_hooks.population import ExportError, Results  # heavy, and seldom looked at

        folder = self.environment.settings.population_results
        try:
            return Results.of(folder) if folder else None
        except ExportError as error:
            raise Unavailable(str(error), retry_after=60) from None


def _page() -> int:
    number = request.args.get("page", "0")
    return int(number) if number.isdecimal() and len(number) < 9 else 0
