"""The pages of the workbench: choose a patient, see the cards, the history and why, try changes, act, take it away."""

import shlex
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import orjson
from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from prodrome.cds_hooks.eligibility import document, history, summary, told
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.protocol import Invalid, NotFound, Refused, parse
from prodrome.cds_hooks.workbench import acting, asking, reading
from prodrome.cds_hooks.workbench.cases import Case, Cases
from prodrome.cds_hooks.workbench.check_pages import check_pages
from prodrome.cds_hooks.workbench.edition_pages import edition_pages
from prodrome.cds_hooks.workbench.feedback_pages import feedback_pages
from prodrome.cds_hooks.workbench.frame import COOKIE, Frame, WorkbenchView, download
from prodrome.cds_hooks.workbench.guideline_pages import guideline_pages
from prodrome.cds_hooks.workbench.history import draw
from prodrome.cds_hooks.workbench.live import Calls
from prodrome.cds_hooks.workbench.opening_pages import link_of, opening_pages
from prodrome.cds_hooks.workbench.population_pages import population_pages
from prodrome.cds_hooks.workbench.rendering import as_json
from prodrome.cds_hooks.workbench.rule_editing import KnownPatients
from prodrome.cds_hooks.workbench.what_if_pages import what_if_pages
from prodrome.fhir_mappers import shares

LONGEST_INLINE_CURL = 60_000

FEATURED = (("resistant", 1), ("triptan", 1), ("class-failed", 1), ("emergency", 1), ("coronary", 1), ("possible", 1))
"""The examples the first page offers at a click: name and number of the ask."""


def workbench_blueprint(
    environment: Environment,
    status_of: Callable[[Refused], int],
    cases: Cases | None = None,
    calls: Calls | None = None,
) -> Blueprint:
    """The pages, at ``/``. *status_of* says what HTTP calls a refusal; *cases* keeps what the pages work on.

    *calls* are the last ones of the service, where the site lets the pages show them.
    """
    frame = Frame(environment, status_of, cases or Cases(), live=calls is not None)
    known = KnownPatients(environment)
    routes = Blueprint("workbench", __name__, static_folder="static", static_url_path="/workbench/static")
    frame.install(
        routes,
        (
            _CasePages(frame),
            opening_pages(frame, calls),
            what_if_pages(frame),
            edition_pages(frame, known),
            guideline_pages(frame, known),
            feedback_pages(frame),
            population_pages(frame),
            check_pages(frame),
        ),
    )
    return routes


class _CasePages:
    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.environment = frame.environment

    def shown(self) -> Mapping[str, WorkbenchView]:
        return {
            "/": self.choose,
            "/examples/<name>/<int:number>": self.example,
            "/case/<key>": self.cards,
            "/case/<key>/why": self.why,
            "/case/<key>/understood": self.understood,
            "/case/<key>/eligibility": self.eligibility,
            "/case/<key>/prior-authorisation": self.prior_authorisation,
            "/case/<key>/prior-authorisation.json": self.prior_authorisation_json,
            "/case/<key>/take-away": self.take_away,
            "/case/<key>/request.json": self.request_json,
            "/case/<key>/response.json": self.response_json,
            "/case/<key>/test-case.json": self.test_case,
        }

    def sent(self) -> Mapping[str, WorkbenchView]:
        return {
            "/open": self.open,
            "/case/<key>/forget": self.forget,
            "/case/<key>/cards/<card>/accept": self.accept,
            "/case/<key>/cards/<card>/override": self.override,
        }

    # Choosing a patient

    def choose(self) -> Response:
        return self._chooser({})

    def _chooser(
        self, form: Mapping[str, str], problem: str = "", status: int = 200, member: str | None = None
    ) -> Response:
        named = asking.named_examples()
        return self.frame.page(
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
            return self._chooser(form, refused.text, self.frame.status_of(refused), refused.member)
        return self.frame.kept(case)

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
        return self._of_example(
            name, int(number) if number.isdecimal() and len(number) < 9 else 0, hook, order, form.get("day", "")
        )

    def _of_example(self, name: str, number: int, hook: str | None, order: str | None, day: str) -> Case:
        named = _named(name, number)
        today = self.environment.clock()
        judged = _day(day) if day else today
        environment = asking.on_day(self.environment, judged, remember=judged == today)
        document = asking.example_request(named, environment, hook=hook, order=order)
        permalink = url_for("workbench.example", name=name, number=number, hook=hook, order=order, day=judged)
        return asking.opened(named.title, "example", document, environment, permalink)

    def example(self, name: str, number: int) -> AnyResponse:
        """The permanent address of an example: opens it as of its day, or of today where it names none.

        Without our cookie (a robot, a link preview, a person's first visit), and for a browser that fetches ahead,
        it only offers to: nothing is kept or noted for a page that nobody asked to see.
        """
        hook, order = request.args.get("hook") or None, request.args.get("order") or None
        day = request.args.get("day", "")
        if COOKIE in request.cookies and "prefetch" not in request.headers.get("Sec-Purpose", ""):
            return self.frame.kept(self._of_example(name, number, hook, order, day))
        return self.frame.page("example", named=_named(name, number), hook=hook or "", order=order or "", day=day)

    # One case

    def cards(self, key: str) -> Response:
        case = self.frame.case(key)
        consultation = case.consultation
        return self.frame.page(
            "cards",
            case=case,
            tab="cards",
            cards=consultation.response["cards"],
            picture=draw(consultation.facts, consultation.judgement.guideline, case.today),
            consultation=consultation,
        )

    def why(self, key: str) -> Response:
        case = self.frame.case(key)
        all_ = reading.readings(case.consultation)
        steps = request.args.get("steps") == "1"
        return self.frame.page(
            "why",
            case=case,
            tab="why",
            steps=steps,
            readings=[one for one in all_ if one.rule.card],
            step_readings=[one for one in all_ if not one.rule.card] if steps else [],
            consultation=case.consultation,
        )

    def understood(self, key: str) -> Response:
        case = self.frame.case(key)
        facts = case.consultation.facts
        return self.frame.page(
            "understood",
            case=case,
            tab="understood",
            shares=shares(facts),
            puzzles=facts.not_understood,
            skipped=facts.skipped,
        )

    def eligibility(self, key: str) -> Response:
        case = self.frame.case(key)
        consultation = case.consultation
        found = told(consultation.facts, consultation.judgement)
        drug, names = request.args.get("drug", ""), {name for _, row in found.rows for name in row.drugs}
        return self.frame.page(
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
        case = self.frame.case(key)
        found = self._history(case)
        return self.frame.page(
            "prior_authorisation", case=case, tab="eligibility", history=found, text=summary.as_text(found)
        )

    def prior_authorisation_json(self, key: str) -> Response:
        case = self.frame.case(key)
        guideline = case.consultation.judgement.guideline
        return download(document.as_document(self._history(case), guideline), "prior-authorisation.json")

    def _history(self, case: Case) -> history.History:
        consultation = case.consultation
        return history.history(consultation.facts, consultation.judgement, consultation.request.patient_id)

    def forget(self, key: str) -> AnyResponse:
        self.frame.cases.forget(self.frame.owner(), key)
        return redirect(url_for("workbench.choose"), 303)

    # Acting on a card

    def accept(self, key: str, card: str) -> AnyResponse:
        acting.accept(self.frame.case(key), card, request.form.get("suggestion", ""), self.environment)
        return redirect(url_for("workbench.cards", key=key, _anchor=f"card-{card}"), 303)

    def override(self, key: str, card: str) -> AnyResponse:
        reason, comment = request.form.get("reason", ""), request.form.get("comment", "").strip()
        acting.override(self.frame.case(key), card, reason, comment, self.environment)
        return redirect(url_for("workbench.cards", key=key, _anchor=f"card-{card}"), 303)

    # Taking it away

    def take_away(self, key: str) -> Response:
        case = self.frame.case(key)
        body = orjson.dumps(case.document).decode()
        hook = case.consultation.request.hook
        address = url_for("call", service_id=self.environment.service_for(hook).id, _external=True)
        inline = len(body) <= LONGEST_INLINE_CURL
        data = shlex.quote(body) if inline else "@request.json"
        return self.frame.page(
            "take_away",
            case=case,
            tab="take-away",
            request_text=as_json(case.document),
            response_text=as_json(case.consultation.response),
            curl=f"curl -s -H 'Content-Type: application/json' --data-binary {data} {address}",
            inline=inline,
            permalink=request.host_url.rstrip("/") + case.permalink if case.permalink else "",
            shared=link_of(case),
        )

    def request_json(self, key: str) -> Response:
        return download(self.frame.case(key).document, "request.json")

    def response_json(self, key: str) -> Response:
        return download(self.frame.case(key).consultation.response, "response.json")

    def test_case(self, key: str) -> Response:
        return download(as_test_case(self.frame.case(key), self.environment), "test-case.json")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid("The day should be a date as in 2026-03-14.", member="day") from None


def _named(name: str, number: int) -> asking.NamedAsk:
    named = asking.named_example(name, str(number))
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
        by_kind[query.kind] = there or value if there is None or value is None else _together(there, value)
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


def _together(*values: Any) -> dict[str, Any]:
    """What came for several queries of a kind as one Bundle; not a whole one, where one of them is no Bundle."""
    bundles = [
        one
        for one in values
        if isinstance(one, dict) and one.get("resourceType") == "Bundle" and isinstance(one.get("entry") or [], list)
    ]
    entries = [entry for one in bundles for entry in one.get("entry") or ()]
    lacking = [asking.CUT] if len(bundles) < len(values) else []
    said = {name: value for one in reversed(bundles) for name, value in one.items()}
    return {"resourceType": "Bundle", **said, "entry": [*entries, *lacking], "total": len(entries)}
