"""The pages of the workbench: choose a patient, see the cards, the history and why, try changes, act, take it away.

Pages of a case need its key and the cookie of the browser that opened it. Forms carry a token made from that cookie,
and are refused when they come from another site.
"""

import hmac
import secrets
import shlex
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import orjson
from flask import Blueprint, Response, g, redirect, request, url_for
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Response as AnyResponse

from prodrome.cds_hooks.consultation import Consultation
from prodrome.cds_hooks.database import DatabaseAway
from prodrome.cds_hooks.eligibility import History, as_document, as_text, history, told
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.feedback import StoreUnavailable, feedback_report
from prodrome.cds_hooks.logs import alarm, failure
from prodrome.cds_hooks.population import ExportError, Results, Table
from prodrome.cds_hooks.protocol import Forbidden, Invalid, NotFound, Refused, TooLarge, Unavailable, Withheld, parse
from prodrome.cds_hooks.workbench import acting, asking, editing, reading
from prodrome.cds_hooks.workbench.cases import Case, Cases
from prodrome.cds_hooks.workbench.checking import check_request
from prodrome.cds_hooks.workbench.history import draw
from prodrome.cds_hooks.workbench.patients import banner
from prodrome.cds_hooks.workbench.rendering import as_json, pages
from prodrome.fhir_mappers import shares
from prodrome.rules.engine import EngineError, LimitError
from prodrome.rules.guideline import GuidelineError

COOKIE = "prodrome_workbench"
MOST_PARTS = 20_000
LONGEST_INLINE_CURL = 60_000

WorkbenchView = Callable[..., AnyResponse]

FEATURED = (("resistant", 1), ("triptan", 1), ("class-failed", 1), ("emergency", 1), ("coronary", 1), ("possible", 1))
"""The examples the first page offers at a click: name and number of the ask."""


def workbench_blueprint(
    environment: Environment, status_of: Callable[[Refused], int], cases: Cases | None = None
) -> Blueprint:
    """The pages, at ``/``. *status_of* says what HTTP calls a refusal; *cases* keeps what the pages work on."""
    return _Workbench(environment, status_of, cases or Cases()).blueprint()


class _Workbench:
    def __init__(self, environment: Environment, status_of: Callable[[Refused], int], cases: Cases) -> None:
        self.environment = environment
        self.status_of = status_of
        self.cases = cases
        self.secret = secrets.token_bytes(32)
        self.templates = pages()
        self.templates.globals |= {
            "url": url_for,
            "written": editing.parameter_words,
            "parameter_in_words": reading.parameter_in_words,
            "banner": banner,
        }

    def blueprint(self) -> Blueprint:
        routes = Blueprint("workbench", __name__, static_folder="static", static_url_path="/workbench/static")
        routes.before_request(self._begin)
        routes.after_request(self._finish)
        routes.after_app_request(self._unknown)
        shown: dict[str, WorkbenchView] = {
            "/": self.choose,
            "/examples/<name>/<int:number>": self.example,
            "/case/<key>": self.cards,
            "/case/<key>/why": self.why,
            "/case/<key>/understood": self.understood,
            "/case/<key>/eligibility": self.eligibility,
            "/case/<key>/prior-authorisation": self.prior_authorisation,
            "/case/<key>/prior-authorisation.json": self.prior_authorisation_json,
            "/case/<key>/what-if": self.what_if,
            "/case/<key>/take-away": self.take_away,
            "/case/<key>/request.json": self.request_json,
            "/case/<key>/response.json": self.response_json,
            "/case/<key>/test-case.json": self.test_case,
            "/rules": self.rulebook,
            "/rules/<rule_id>": self.rule,
            "/feedback": self.feedback,
            "/check": self.check_page,
            "/population": self.population,
            "/population/<rule_id>": self.population_list,
        }
        sent: dict[str, WorkbenchView] = {
            "/open": self.open,
            "/case/<key>/what-if": self.try_changes,
            "/case/<key>/reset": self.reset,
            "/case/<key>/forget": self.forget,
            "/case/<key>/cards/<card>/accept": self.accept,
            "/case/<key>/cards/<card>/override": self.override,
            "/check": self.check_request,
            "/population/<rule_id>": self.population_search,
            "/population-patient": self.population_patient,
        }
        for rule, view in shown.items():
            routes.get(rule, endpoint=view.__name__)(view)
        for rule, view in sent.items():
            routes.post(rule, endpoint=view.__name__)(view)
        routes.register_error_handler(Refused, self._refused)
        routes.register_error_handler(RequestEntityTooLarge, self._too_large)
        routes.register_error_handler(LimitError, self._too_much)
        routes.register_error_handler(EngineError, self._failed)
        routes.register_error_handler(Exception, self._failed)
        return routes

    # Around every page

    def _begin(self) -> None:
        request.max_form_memory_size = request.max_content_length
        request.max_form_parts = MOST_PARTS
        if request.method != "POST":
            return
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        token = request.form.get("token", "")
        if site != "same-origin" or not hmac.compare_digest(token.encode(), self._token().encode()):
            raise Forbidden("This form is not from a page of this service, or the page is too old. Open it again.")

    def _owner(self) -> str:
        """The browser that asks, by its cookie; a new one gets its cookie with the answer."""
        if "owner" not in g:
            g.owner = request.cookies.get(COOKIE) or secrets.token_urlsafe(24)
        owner: str = g.owner
        return owner

    def _token(self) -> str:
        return hmac.digest(self.secret, self._owner().encode(), "sha256").hex()

    def _finish(self, answer: Response) -> Response:
        if request.endpoint == "workbench.static":
            answer.headers["Cache-Control"] = "no-cache"
            return answer
        # Forms of these pages tell where they come from; other sites still learn nothing.
        answer.headers["Referrer-Policy"] = "same-origin"
        if request.cookies.get(COOKIE) != self._owner():
            answer.set_cookie(COOKIE, self._owner(), httponly=True, samesite="Lax", secure=request.is_secure)
        return answer

    def _unknown(self, answer: Response) -> Response:
        """A path that nothing serves is a page for a browser; programs get the OperationOutcome as ever."""
        wants = request.accept_mimetypes.best_match(("application/json", "text/html"))
        if answer.status_code != 404 or request.endpoint is not None or wants != "text/html":
            return answer
        return self._page("refused", 404, text="There is no page at this address.", status_code=404)

    def _page(self, name: str, status: int = 200, **values: Any) -> Response:
        template = self.templates.get_template(f"{name}.html.j2")
        html = template.render(
            token=self._token(),
            here=request.path,
            version=self.environment.guideline.rulebook.version,
            today=self.environment.clock(),
            **values,
        )
        return Response(html, status=status, mimetype="text/html")

    def _refused(self, error: Refused) -> Response:
        status = self.status_of(error)
        page = self._page("refused", status, text=error.text, status_code=status)
        if error.retry_after is not None:
            page.headers["Retry-After"] = str(error.retry_after)
        return page

    def _too_large(self, error: RequestEntityTooLarge) -> Response:
        return self._refused(TooLarge("What was sent is larger than this service accepts."))

    def _too_much(self, error: LimitError) -> Response:
        return self._refused(TooLarge(f"The chart holds more than can be judged in one call: {error}."))

    def _failed(self, error: Exception) -> AnyResponse:
        if isinstance(error, HTTPException):
            return error.get_response()
        alarm("a page could not be answered", request_id=g.get("request_id", ""), **failure(error))
        return self._refused(Withheld("The service failed on this and gives no answer. Its log says more."))

    # Choosing a patient

    def choose(self) -> Response:
        return self._chooser({})

    def _chooser(
        self, form: Mapping[str, str], problem: str = "", status: int = 200, member: str | None = None
    ) -> Response:
        named = asking.named_examples()
        return self._page(
            "choose",
            status,
            examples=named,
            featured=[one for one in named if (one.name, one.number) in FEATURED],
            hooks=asking.hooks_served(self.environment),
            orders=asking.order_choices(self.environment.guideline),
            form=form,
            problem=problem,
            member=member,
        )

    def open(self) -> AnyResponse:
        form = {name: value.strip() for name, value in request.form.items()}
        try:
            case = self._opened(form)
        except Refused as refused:
            return self._chooser(form, refused.text, self.status_of(refused), refused.member)
        return self._kept(case)

    def _opened(self, form: Mapping[str, str]) -> Case:
        environment = asking.on_day(self.environment, self.environment.clock(), remember=True)
        hook, order = form.get("hook") or None, form.get("order") or None
        source = form.get("source")
        if source == "server":
            url, patient = form.get("server", ""), form.get("patient", "")
            if not url or not patient:
                raise Invalid(
                    "Address of the FHIR server and id of the patient are both needed.",
                    member="patient" if url else "server",
                )
            token = form.get("access") or None
            environment = asking.allowing(environment, url, token)
            document = asking.server_request(
                hook or "patient-view", url, patient, token, order, form.get("encounter") or None, environment
            )
            return asking.opened("A patient of a FHIR server", f"FHIR server {url}", document, environment)
        if source == "pasted":
            document = parse(form.get("pasted", "").encode())
            document = asking.with_choices(document, environment, hook, order)
            return asking.opened("A pasted request", "pasted", document, environment)
        name, _, number = form.get("example", "").rpartition("/")
        return self._of_example(name, int(number) if number.isdecimal() else 0, hook, order)

    def _of_example(self, name: str, number: int, hook: str | None, order: str | None) -> Case:
        named = _named(name, number)
        environment = asking.on_day(self.environment, self.environment.clock(), remember=True)
        document = asking.example_request(named, environment, hook=hook, order=order)
        permalink = url_for("workbench.example", name=name, number=number, hook=hook, order=order)
        return asking.opened(named.title, "example", document, environment, permalink)

    def example(self, name: str, number: int) -> AnyResponse:
        """The permanent address of an example: opens it as of today.

        Without our cookie (a robot, a link preview, a person's first visit), and for a browser that fetches ahead,
        it only offers to: nothing is kept or noted for a page that nobody asked to see.
        """
        hook, order = request.args.get("hook") or None, request.args.get("order") or None
        if COOKIE in request.cookies and "prefetch" not in request.headers.get("Sec-Purpose", ""):
            return self._kept(self._of_example(name, number, hook, order))
        return self._page("example", named=_named(name, number), hook=hook or "", order=order or "")

    def _kept(self, case: Case) -> AnyResponse:
        self.cases.add(self._owner(), case)
        return redirect(url_for("workbench.cards", key=case.key), 303)

    def _case(self, key: str) -> Case:
        case = self.cases.get(self._owner(), key)
        if case is None:
            raise NotFound(
                "What this page was about is no longer in memory: it is kept for the browser that opened it, for half"
                " an hour at most. Open the patient again.",
            )
        return case

    # One case

    def cards(self, key: str) -> Response:
        case = self._case(key)
        consultation = case.consultation
        return self._page(
            "cards",
            case=case,
            tab="cards",
            cards=consultation.response["cards"],
            picture=draw(consultation.facts, consultation.judgement.guideline, case.today),
            consultation=consultation,
        )

    def why(self, key: str) -> Response:
        case = self._case(key)
        all_ = reading.readings(case.consultation)
        steps = request.args.get("steps") == "1"
        return self._page(
            "why",
            case=case,
            tab="why",
            steps=steps,
            readings=[one for one in all_ if one.rule.card],
            step_readings=[one for one in all_ if not one.rule.card] if steps else [],
            consultation=case.consultation,
        )

    def understood(self, key: str) -> Response:
        case = self._case(key)
        facts = case.consultation.facts
        return self._page(
            "understood",
            case=case,
            tab="understood",
            shares=shares(facts),
            puzzles=facts.not_understood,
            skipped=facts.skipped,
        )

    def eligibility(self, key: str) -> Response:
        case = self._case(key)
        consultation = case.consultation
        found = told(consultation.facts, consultation.judgement)
        drug, names = request.args.get("drug", ""), {name for _, row in found.rows for name in row.drugs}
        return self._page(
            "eligibility",
            case=case,
            tab="eligibility",
            classes=found.classes,
            rows=[(answer, row) for answer, row in found.rows if not drug or drug in row.drugs],
            drugs=sorted(names),
            drug=drug,
            sources=consultation.judgement.guideline.sources,
        )

    def prior_authorisation(self, key: str) -> Response:
        case = self._case(key)
        found = self._history(case)
        return self._page("prior_authorisation", case=case, tab="eligibility", history=found, text=as_text(found))

    def prior_authorisation_json(self, key: str) -> Response:
        case = self._case(key)
        guideline = case.consultation.judgement.guideline
        return _download(as_document(self._history(case), guideline), "prior-authorisation.json")

    def _history(self, case: Case) -> History:
        consultation = case.consultation
        return history(consultation.facts, consultation.judgement, consultation.request.patient_id)

    def what_if(self, key: str) -> Response:
        case = self._case(key)
        return self._what_if_page(case, self._tried(case, case.edits, case.parameters))

    def _what_if_page(self, case: Case, after: Consultation | None, problem: str = "", status: int = 200) -> Response:
        guideline = case.consultation.judgement.guideline
        return self._page(
            "what_if",
            status,
            case=case,
            tab="what-if",
            groups=editing.editable(case.document, guideline),
            parameters=editing.parameter_fields(guideline),
            problem=problem,
            **self._compared(case, after),
        )

    def _compared(self, case: Case, after: Consultation | None) -> dict[str, Any]:
        before = case.consultation
        return {
            "after": after,
            "differences": reading.differences(before, after or before),
            "turns": reading.turns(before.judgement, after.judgement) if after else [],
            "edits": len(case.edits) + len(case.parameters),
        }

    def _tried(self, case: Case, edits: Mapping[str, str], parameters: Mapping[str, str]) -> Consultation | None:
        """The answer with the changes; None where nothing is changed. Its cards are not noted as shown."""
        if not edits and not parameters:
            return None
        guideline = case.consultation.judgement.guideline
        document = editing.edited(case.document, edits, guideline)
        if parameters:
            values = {**self.environment.settings.parameters, **editing.parameter_values(guideline, parameters)}
            guideline = self.environment.guideline.with_parameters(values)
        tried = asking.on_day(self.environment, case.today, remember=False, guideline=guideline)
        return asking.answer(document, tried)

    def try_changes(self, key: str) -> AnyResponse:
        case = self._case(key)
        guideline = case.consultation.judgement.guideline
        groups = editing.editable(case.document, guideline)
        fields = {field.name: field for rows in groups.values() for row in rows for field in row.fields}
        known = {field.name: field for field in editing.parameter_fields(guideline)}
        edits = editing.changed(fields, request.form)
        parameters = editing.changed(
            known, {n.removeprefix("parameter:"): v for n, v in request.form.items() if n.startswith("parameter:")}
        )
        live = request.headers.get("HX-Request") == "true"
        try:
            after = self._tried(case, edits, parameters)
        except (editing.BadEdit, GuidelineError, Refused) as error:
            if live:
                return self._page("_outcome", problem=str(error), case=case, **self._compared(case, None))
            return self._what_if_page(case, None, str(error), self.status_of(Invalid(str(error))))
        case.edits, case.parameters = edits, parameters
        if live:
            return self._page("_outcome", problem="", case=case, **self._compared(case, after))
        return redirect(url_for("workbench.what_if", key=key), 303)

    def reset(self, key: str) -> AnyResponse:
        case = self._case(key)
        case.edits, case.parameters = {}, {}
        return redirect(url_for("workbench.what_if", key=key), 303)

    def forget(self, key: str) -> AnyResponse:
        self.cases.forget(self._owner(), key)
        return redirect(url_for("workbench.choose"), 303)

    # Acting on a card

    def accept(self, key: str, card: str) -> AnyResponse:
        acting.accept(self._case(key), card, request.form.get("suggestion", ""), self.environment)
        return redirect(url_for("workbench.cards", key=key, _anchor=f"card-{card}"), 303)

    def override(self, key: str, card: str) -> AnyResponse:
        reason, comment = request.form.get("reason", ""), request.form.get("comment", "").strip()
        acting.override(self._case(key), card, reason, comment, self.environment)
        return redirect(url_for("workbench.cards", key=key, _anchor=f"card-{card}"), 303)

    # Taking it away

    def take_away(self, key: str) -> Response:
        case = self._case(key)
        body = orjson.dumps(case.document).decode()
        hook = case.consultation.request.hook
        address = url_for("call", service_id=self.environment.service_for(hook).id, _external=True)
        inline = len(body) <= LONGEST_INLINE_CURL
        data = shlex.quote(body) if inline else "@request.json"
        return self._page(
            "take_away",
            case=case,
            tab="take-away",
            request_text=as_json(case.document),
            response_text=as_json(case.consultation.response),
            curl=f"curl -s -H 'Content-Type: application/json' --data-binary {data} {address}",
            inline=inline,
            permalink=request.host_url.rstrip("/") + case.permalink if case.permalink else "",
        )

    def request_json(self, key: str) -> Response:
        return _download(self._case(key).document, "request.json")

    def response_json(self, key: str) -> Response:
        return _download(self._case(key).consultation.response, "response.json")

    def test_case(self, key: str) -> Response:
        return _download(as_test_case(self._case(key), self.environment), "test-case.json")

    # The rulebook

    def rulebook(self) -> Response:
        rulebook = self.environment.guideline.rulebook
        rules = list(rulebook.rules.values())
        return self._page(
            "rulebook",
            rulebook=rulebook,
            cards=[rule for rule in rules if rule.card],
            steps=[rule for rule in rules if not rule.card],
            figures=self._figures(),
        )

    def rule(self, rule_id: str) -> Response:
        guideline = self.environment.guideline
        rule = guideline.rulebook.rules.get(rule_id)
        if rule is None:
            raise NotFound("There is no such rule.")
        used = [
            other
            for other in guideline.rulebook.rules.values()
            if any(pattern.fact == rule.then.fact for pattern in (*other.when, *other.unless)) and not rule.card
        ]
        return self._page(
            "rule",
            rule=rule,
            statements=[(id_, guideline.statements.get(id_, "")) for id_ in rule.statements],
            conditions=reading.conditions_in_words(rule, guideline),
            unless=reading.unless_in_words(rule, guideline),
            parameters=reading.parameters_of(rule, guideline),
            behind=reading.parameters_behind(rule, guideline),
            sources=reading.sources_of(rule, guideline),
            examples=[named for named in asking.named_examples() if rule_id in named.ask.cards],
            figures=self._figures().get(rule_id),
            used=used,
        )

    def _figures(self) -> dict[str, Any]:
        """What is known of each rule's cards; nothing while the database is away."""
        try:
            return self._counted()
        except (StoreUnavailable, DatabaseAway):
            return {}

    def _counted(self) -> dict[str, Any]:
        store = self.environment.store
        if store is None:
            return {}
        store.flush()
        return {row.rule: row for row in feedback_report(store.database)}

    def feedback(self) -> Response:
        try:
            rows = list(self._counted().values())
        except (StoreUnavailable, DatabaseAway):
            raise Unavailable("The database cannot be asked now. Try again in a moment.", retry_after=2) from None
        return self._page("feedback", rows=rows, rules=self.environment.guideline.rulebook.rules)

    # The results of a whole population

    def population(self) -> Response:
        return self._page("population", results=self._results(), rules=self.environment.guideline.rulebook.rules)

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
        number = request.args.get("page", "0")
        page = int(number) if number.isdecimal() and len(number) < 9 else 0
        only = request.args.get("only", "")
        rows, more = results.listed(rule_id, table, only=only, patient=patient, page=page)
        shown: dict[str, Any] = {
            "rule": rule,
            "results": results,
            "of": table,
            "only": only,
            "patient": patient,
            "page": page,
        }
        return self._page("population_list", rows=rows, more=more, counts=results.counts["rules"][rule_id], **shown)

    def population_patient(self) -> AnyResponse:
        """Open one patient of the results as a case of patient-view, judged on the day of the run."""
        results, patient = self._results(), request.form.get("patient", "")
        chart = results.chart(patient) if results else []
        if results is None or not chart:
            raise NotFound("The chart of this patient was not kept: run `prodrome population` with --charts.")
        environment = asking.on_day(self.environment, date.fromisoformat(results.manifest["today"]), remember=False)
        document = asking.population_request(patient, chart, results.manifest["completeness"], environment)
        return self._kept(asking.opened("A patient of the population", "population", document, environment))

    def _results(self) -> Results | None:
        folder = self.environment.settings.population_results
        try:
            return Results.of(folder) if folder else None
        except ExportError as error:
            raise Unavailable(str(error), retry_after=60) from None

    # Checking a request

    def check_page(self) -> Response:
        return self._page("check", text="", report=None, answers=None)

    def check_request(self) -> Response:
        text = request.form.get("request", "")
        tried = asking.on_day(self.environment, self.environment.clock(), remember=False)
        feedback_report = check_request(text, tried)
        status = feedback_report.refused and self.status_of(feedback_report.refused)
        return self._page("check", text=text, report=feedback_report, answers=status)


def _named(name: str, number: int) -> asking.NamedAsk:
    named = next((one for one in asking.named_examples() if (one.name, one.number) == (name, number)), None)
    if named is None:
        raise NotFound("There is no such example.")
    return named


def as_test_case(case: Case, environment: Environment) -> dict[str, Any]:
    """The case in the format of ``tests/vignettes``: the request with its prefetch by kind, and the cards expected."""
    document, consultation = case.document, case.consultation
    service = environment.service_for(consultation.request.hook)
    by_kind: dict[str, Any] = {}
    prefetch = document.get("prefetch") or {}
    for query in service.queries:
        if query.key not in prefetch:
            continue
        value = prefetch[query.key]
        there = by_kind.get(query.kind)
        if there is None or value is None:
            by_kind[query.kind] = there or value
        else:
            entries = [*there.get("entry", []), *value.get("entry", [])]
            by_kind[query.kind] = {**there, "entry": entries, "total": len(entries)}
    return {
        "id": f"W-{case.key[:8]}",
        "title": case.title,
        "today": case.today.isoformat(),
        "locale": environment.settings.locale,
        "request_by_kind": {
            "hook": consultation.request.hook,
            "hookInstance": document["hookInstance"],
            "context": document["context"],
            "prefetch": by_kind,
        },
        "absent": sorted({query.kind for query in service.queries} - by_kind.keys()),
        "expected": {"cards": sorted(reading.card_rule(card) for card in consultation.response["cards"])},
    }


def _download(value: object, name: str) -> Response:
    answer = Response(orjson.dumps(value, option=orjson.OPT_INDENT_2), mimetype="application/json")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
