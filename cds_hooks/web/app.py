"""The CDS service over HTTP: discovery, the services, feedback, health and the description of it all.

Every answer that is no success is a FHIR OperationOutcome. No answer and no log line repeats what a chart says.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from flask import Flask, Request, Response
from flask.sessions import NullSession, SessionInterface
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.routing import MapAdapter, Rule

from prodrome.cds_hooks.callers import Authenticator, Caller
from prodrome.cds_hooks.consultation import Consultation, OutOfTime, consult
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.feedback import Store
from prodrome.cds_hooks.logs import alarm, failure, log
from prodrome.cds_hooks.protocol import (
    NotFound,
    Refused,
    Service,
    Unsupported,
    Withheld,
    parse,
    read_request,
    response_faults,
)
from prodrome.cds_hooks.runtime import begin_traces, check_traces, stage, tell_trace, traced_call
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.web import cors, feedback, guards
from prodrome.cds_hooks.web.asked import Asked, asked
from prodrome.cds_hooks.web.bodies import TAKEN, json_body
from prodrome.cds_hooks.web.front import Front
from prodrome.cds_hooks.web.health import health, readiness
from prodrome.cds_hooks.web.metrics import MEDIA_TYPE, OTHER, Metrics
from prodrome.cds_hooks.web.siblings import Place
from prodrome.cds_hooks.web.statuses import outcome, outcome_of, status_of
from prodrome.cds_hooks.web.wsgi import CHECKED
from prodrome.fhir_mappers import KINDS
from prodrome.rules.engine import EngineDisagreement, LimitError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from prodrome.cds_hooks.workbench import Calls

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class _NoSessions(SessionInterface):
    """Nothing is remembered of who asks."""

    _none = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        """The session that nothing can be written to."""
        return self._none


class _Answer(Response):
    """An answer that is whole."""

    def __init__(self, body: bytes, status: int = 200) -> None:
        super().__init__(status=status, content_type="application/json")
        self.response = self._whole = (body,)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Give it. The head of a success is as it was made: nothing in it is to be found out, mended or dropped."""
        if self.status_code != 200 or environ["REQUEST_METHOD"] == "HEAD":
            return super().__call__(environ, start_response)
        start_response(self.status, [*self.headers, ("Content-Length", str(len(self._whole[0])))])
        return self._whole


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the applications of one process have in common."""

    environment: Environment
    authenticator: Authenticator
    metrics: Metrics
    guards: Sequence[guards.Guard]
    calls: "Calls | None"


class _Service(Flask):
    """Flask without the work it does in each call for what no page and no service of ours has.

    What comes before and after every request is here; what only pages want is registered by them.
    """

    request_class = Asked
    session_interface = _NoSessions()
    ensure_sync = staticmethod(lambda function: function)  # type: ignore[assignment]  # no coroutine among ours

    def __init__(self, shared: _Shared) -> None:
        super().__init__("prodrome", static_folder=None, root_path=str(Path(__file__).parent))
        self._shared = shared
        self._calls: dict[tuple[str, str], tuple[Rule, Mapping[str, str]]] = {}

    def know_calls(self) -> None:
        """Find now the function for a call of each service, which then need not be looked for."""
        find = self.url_map.bind("")
        for service in self._shared.environment.services():
            path = f"/cds-services/{service}"
            self._calls["POST", path] = find.match(path, "POST", return_rule=True)

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """What finds the function for a request, and addresses for a page; None where neither is needed.

        It does so for any host, and no subdomain has functions of its own.
        """
        if request is None:
            return None
        known = self._calls.get((request.method, request.path))
        if known is not None:
            request.url_rule, request.view_args = known[0], {**known[1]}
            return None
        query = request.query_string.decode(errors="replace")
        return self.url_map.bind(
            request.host, request.root_path, "", request.scheme, request.method, request.path, query
        )

    def preprocess_request(self) -> ResponseReturnValue | None:
        """Look whether the request may be answered."""
        request = asked()
        if cors.is_preflight(request):
            return Response(status=204)
        refusal = request.environ.get(CHECKED)
        if isinstance(refusal, Exception):  # found by the head of the request
            raise refusal
        for guard in self._shared.guards:
            guard(request)
        return super().preprocess_request() if self.before_request_funcs else None

    def process_response(self, response: Response) -> Response:
        """Tell of the request, in numbers, in the log and in its trace."""
        request = asked()
        seconds = time.perf_counter() - request.began
        route = request.url_rule.rule if request.url_rule else None
        method = request.method if request.method in METHODS else "other"
        if self.after_request_funcs:
            response = super().process_response(response)
        status = response.status_code
        tell_trace(method, route, status, request.request_id)
        self._shared.metrics.answered(request.fields.get("service") or route or OTHER, status, seconds)
        log(
            "answered",
            request_id=request.request_id,
            method=method,
            route=route,
            status=status,
            ms=round(seconds * 1000, 1),
            **request.fields,
        )
        return response

    def do_teardown_request(self, exc: BaseException | None = None) -> None:
        """Nothing is to be done then."""

    def do_teardown_appcontext(self, exc: BaseException | None = None) -> None:
        """Nothing is to be done then."""


def create_app(settings: Settings, *, environment: Environment | None = None) -> Flask:
    """The application these settings describe. Raises ``GuidelineError`` for rule parameters that do not fit.

    On a service for this machine only, the workbench is loaded when a page of it is asked for: no call needs it, and it
    is much of what a start would wait for.
    """
    environment = environment or Environment.of(settings, store=Store(settings))
    database = environment.store.database if environment.store and settings.issuers else None
    authenticator = Authenticator(settings, database=database)
    calls = None
    if settings.workbench and settings.live_minutes:
        from prodrome.cds_hooks.workbench import Calls

        calls = Calls(settings.live_minutes)
    metrics = Metrics(environment, authenticator.key_set_ages)
    shared = _Shared(environment, authenticator, metrics, guards.guards_of(settings), calls)
    app = _application(shared)
    if settings.workbench:
        whole = _add_pages(app, shared)
        if not settings.loopback:  # processes that are forked later share it
            whole()
    return app


OF_THE_SERVICE = ("/cds-services", "/health", "/ready", "/metrics", "/openapi.json")
"""How the paths begin that the application without pages answers by itself."""


def _add_pages(app: Flask, shared: _Shared) -> Callable[[], Flask]:
    """Have what *app* does not answer answered by an application that has pages, too, made when first needed."""
    service, making = app.wsgi_app, threading.Lock()
    made = cache(lambda: _application(shared, pages=True))

    def whole() -> Flask:
        with making:
            return made()

    def chosen(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        its_own = environ.get("PATH_INFO", "").startswith(OF_THE_SERVICE)
        return service(environ, start_response) if its_own else whole()(environ, start_response)

    app.wsgi_app = chosen  # type: ignore[method-assign]
    app.extensions["prodrome.whole"] = whole
    return whole


def _application(shared: _Shared, *, pages: bool = False) -> Flask:
    environment, authenticator, metrics, calls = shared.environment, shared.authenticator, shared.metrics, shared.calls
    settings = environment.settings
    app = _Service(shared)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # a doubled slash is no address, rather than a redirect
    app.extensions["prodrome"] = environment
    app.extensions["prodrome.check"] = authenticator.check
    app.extensions["prodrome.metrics"] = metrics
    guards.install_guards(app, settings)

    @app.get("/cds-services")
    def discovery() -> Response:
        body = orjson.dumps({"services": [service.discovery() for service in environment.services().values()]})
        answer = _Answer(body)
        answer.headers["Cache-Control"] = "no-cache"
        answer.set_etag(hashlib.sha256(body).hexdigest()[:32])
        answer.make_conditional(asked())
        return answer

    @app.post("/cds-services/<service_id>")
    def call(service_id: str) -> Response:
        service = environment.services().get(service_id)
        if service is None:
            raise NotFound("There is no such service. Discovery lists those there are.")
        request = asked()
        told, environ = request.fields, request.environ
        told |= {"service": service.id, "hook": service.hook.name}
        caller = environ.get(CHECKED) or authenticator.check(
            environ.get("HTTP_AUTHORIZATION"), f"/cds-services/{service_id}"
        )
        told["issuer"] = caller.issuer
        consultation = _answer(json_body(request), service, environment, caller, calls)
        told |= _told(consultation)
        metrics.consulted(consultation, service.kinds)
        if settings.validate_output:
            _validate(consultation)
        return _Answer(orjson.dumps(consultation.response))

    @app.get("/openapi.json")
    def description() -> Response:
        from prodrome.cds_hooks.web.openapi import openapi

        return _Answer(orjson.dumps(openapi(environment, settings.public_url)))

    @app.get("/health")
    def healthy() -> Response:
        return _Answer(orjson.dumps(health(environment)))

    @app.get("/ready")
    def is_ready() -> Response:
        state = readiness(environment)
        return _Answer(orjson.dumps(state), 200 if state["ready"] else 503)

    if settings.metrics:

        @app.get("/metrics")
        def numbers() -> Response:
            return Response(metrics.page(), content_type=MEDIA_TYPE)

    app.register_blueprint(feedback.feedback_blueprint(environment, authenticator))
    if pages:
        from prodrome.cds_hooks.workbench import install_workbench

        install_workbench(app, environment, status_of, calls)
    _install_errors(app)

    app.know_calls()
    if settings.traces:
        check_traces()
        _trace(app)
    return app


def _trace(app: Flask) -> None:
    inner = app.wsgi_app

    def traced(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        trace = {name: environ.get(f"HTTP_{name.upper()}", "") for name in ("traceparent", "tracestate")}
        with traced_call(method if method in METHODS else "other", trace):
            return inner(environ, start_response)

    app.wsgi_app = traced  # type: ignore[method-assign]


def front_of(app: Flask, place: Place) -> Front:
    """What stands before the application in one process that serves it, which traces its calls from now on if asked.

    *place*: its place among the processes of the service.
    """
    settings: Settings = app.extensions["prodrome"].settings
    if settings.traces:
        begin_traces()
    always, origins = guards.data_fields(settings), frozenset(settings.cors_origins)

    def fields(path: str, origin: str | None) -> dict[str, str]:
        return {**always, **cors.fields(path, origin, origins)}

    return Front(
        app,
        place,
        max_body_bytes=settings.max_body_bytes,
        max_waiting=settings.max_waiting,
        patience_seconds=settings.deadline_seconds,
        verify=None if settings.open else app.extensions["prodrome.check"],
        fields=fields,
        metrics=app.extensions["prodrome.metrics"],
    )


def _answer(
    body: bytes, service: Service, environment: Environment, caller: Caller, calls: "Calls | None"
) -> Consultation:
    if calls is None:
        return _consulted(body, service, environment, caller)
    began = time.perf_counter()
    answered, refused = None, ""
    try:
        answered = _consulted(body, service, environment, caller)
        return answered
    except Refused as error:
        refused = error.text
        raise
    finally:
        seconds = time.perf_counter() - began
        calls.keep(service.id, environment.clock(), body, answered, refused, seconds)


def _consulted(body: bytes, service: Service, environment: Environment, caller: Caller) -> Consultation:
    with stage("parse"):
        hook_request = read_request(parse(body), frozenset({service.hook.name}), body=body)
    return consult(hook_request, environment, caller=caller)


def _told(consultation: Consultation) -> dict[str, object]:
    """What the log says of an answer: rules, kinds and counts."""
    judgement, facts = consultation.judgement, consultation.facts
    skipped: dict[str, int] = {}
    for row in facts.skipped:
        kind = row.kind if row.kind in KINDS else "other"  # a client may have called it anything
        skipped[kind] = skipped.get(kind, 0) + 1
    return {
        "rules": sorted({finding.rule.id for finding in judgement.findings}),
        "cards": len(consultation.response["cards"]),
        "unjudged": sorted({unjudged.rule.id for unjudged in judgement.unjudged}),
        "missing": consultation.missing,
        "skipped": skipped,
        "fetched": len(consultation.fetched),
        "problems": sorted(consultation.problems),
        "leniencies": consultation.request.leniencies,
    }


def _validate(consultation: Consultation) -> None:
    drafts = frozenset(
        f"{order.get('resourceType')}/{order.get('id')}"
        for order in consultation.request.orders
        if isinstance(order, dict)
    )
    faults = response_faults(orjson.loads(orjson.dumps(consultation.response)), drafts=drafts)
    if faults:
        alarm("answer breaks the specification", request_id=asked().request_id, reason=[str(fault) for fault in faults])
        raise Withheld("The answer would have broken the specification and was withheld.")


def _outcome(status: int, text: str) -> Response:
    return _Answer(orjson.dumps(outcome(status, text, request_id=asked().request_id)), status)


def _install_errors(app: Flask) -> None:
    @app.errorhandler(Refused)
    def refused(error: Refused) -> Response:
        asked().fields["member"] = error.member
        body = outcome_of(error, request_id=asked().request_id)
        answer = _Answer(orjson.dumps(body), status_of(error))
        if error.retry_after is not None:
            answer.headers["Retry-After"] = str(error.retry_after)
        if isinstance(error, Unsupported):
            answer.headers.update(TAKEN)
        return answer

    @app.errorhandler(RequestEntityTooLarge)
    def too_large(error: RequestEntityTooLarge) -> Response:
        return _outcome(413, f"The body is larger than {app.config['MAX_CONTENT_LENGTH']} bytes.")

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        status = error.code or 500
        answer = _outcome(status, HTTPStatus(status).phrase)
        for name, value in error.get_headers():
            if name.lower() in ("allow", "retry-after"):
                answer.headers[name] = value
        return answer

    @app.errorhandler(EngineDisagreement)
    def disagreement(error: EngineDisagreement) -> Response:
        app.extensions["prodrome.metrics"].disagreed()
        alarm("the two matchers disagree", request_id=asked().request_id, rules=error.rules, where=error.layer)
        return _outcome(500, "The service could not come to one answer and gives none. Its operators were told.")

    @app.errorhandler(LimitError)
    def too_much(error: LimitError) -> Response:
        return _outcome(413, f"The chart holds more than can be judged in one call: {error}.")

    @app.errorhandler(OutOfTime)
    def out_of_time(error: OutOfTime) -> Response:
        alarm("a call took too long and was given up", request_id=asked().request_id)
        answer = _outcome(503, "The chart could not be judged in the time of one call.")
        answer.headers["Retry-After"] = "5"
        return answer

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        alarm("unexpected failure", request_id=asked().request_id, **failure(error))
        return _outcome(500, "The service failed on this request and gives no answer. Its operators were told.")
