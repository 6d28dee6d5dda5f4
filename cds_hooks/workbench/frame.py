"""What every page of the workbench has: the cookie and the token of its forms, the frame, and how it fails.

Pages of a case need its key and the cookie of the browser that opened it. Forms carry a token made from that cookie,
and are refused when they come from another site.
"""

import hmac
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import orjson
from flask import Blueprint, Response, g, redirect, request, url_for
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Response as AnyResponse

from prodrome.cds_hooks.consultation import OutOfTime
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.logs import alarm, failure
from prodrome.cds_hooks.protocol import Forbidden, NotFound, Refused, TooLarge, Unavailable, Withheld
from prodrome.cds_hooks.runtime import REQUEST_ID
from prodrome.cds_hooks.workbench import editing, reading
from prodrome.cds_hooks.workbench.cases import Case, Cases
from prodrome.cds_hooks.workbench.patients import banner
from prodrome.cds_hooks.workbench.rendering import pages
from prodrome.rules.engine import EngineError, LimitError

COOKIE = "prodrome_workbench"
MOST_PARTS = 20_000

WorkbenchView = Callable[..., AnyResponse]


class Pages(Protocol):
    """Some of the pages: by their paths, those that show something and those that forms are sent to."""

    def shown(self) -> Mapping[str, WorkbenchView]:
        """Those that show something."""

    def sent(self) -> Mapping[str, WorkbenchView]:
        """Those that forms are sent to."""


class Frame:
    """Renders the pages. *status_of* says what HTTP calls a refusal; *cases* keeps what the pages work on."""

    def __init__(
        self, environment: Environment, status_of: Callable[[Refused], int], cases: Cases, *, live: bool = False
    ) -> None:
        self.environment = environment
        self.status_of = status_of
        self.cases = cases
        self._secret = secrets.token_bytes(32)
        self._templates = pages()
        self._templates.globals |= {
            "url": url_for,
            "parameter_words": editing.parameter_words,
            "parameter_in_words": reading.parameter_in_words,
            "banner": banner,
            "live_is_on": live,
        }

    def install(self, routes: Blueprint, parts: Iterable[Pages]) -> None:
        """Put pages into a blueprint, and the frame around them."""
        for part in parts:
            for path, view in part.shown().items():
                routes.get(path, endpoint=view.__name__)(view)
            for path, view in part.sent().items():
                routes.post(path, endpoint=view.__name__)(view)
        routes.before_request(self._begin)
        routes.after_request(self._finish)
        routes.after_app_request(self._unknown)
        routes.register_error_handler(Refused, self._refused)
        routes.register_error_handler(RequestEntityTooLarge, self._too_large)
        routes.register_error_handler(LimitError, self._too_much)
        routes.register_error_handler(OutOfTime, self._out_of_time)
        routes.register_error_handler(EngineError, self._failed)
        routes.register_error_handler(Exception, self._failed)

    def _begin(self) -> None:
        request.max_form_memory_size = request.max_content_length
        request.max_form_parts = MOST_PARTS
        if request.method != "POST":
            return
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        token = request.form.get("token", "")
        if site != "same-origin" or not hmac.compare_digest(token.encode(), self._token().encode()):
            raise Forbidden("This form is not from a page of this service, or the page is too old. Open it again.")

    def owner(self) -> str:
        """The browser that asks, by its cookie; a new one gets its cookie with the answer."""
        if "owner" not in g:
            g.owner = request.cookies.get(COOKIE) or secrets.token_urlsafe(24)
        owner: str = g.owner
        return owner

    def _token(self) -> str:
        return hmac.digest(self._secret, self.owner().encode(), "sha256").hex()

    def _finish(self, answer: Response) -> Response:
        if request.endpoint == "workbench.static":
            answer.headers["Cache-Control"] = "no-cache"
            return answer
        # Forms of these pages tell where they come from; other sites still learn nothing.
        answer.headers["Referrer-Policy"] = "same-origin"
        if request.cookies.get(COOKIE) != self.owner():
            answer.set_cookie(COOKIE, self.owner(), httponly=True, samesite="Lax", secure=request.is_secure)
        return answer

    def _unknown(self, answer: Response) -> Response:
        """A path that nothing serves is a page for a browser; programs get the OperationOutcome as ever."""
        if answer.status_code != 404 or request.endpoint is not None:
            return answer
        if request.accept_mimetypes.best_match(("application/json", "text/html")) != "text/html":
            return answer
        return self.page("refused", 404, text="There is no page at this address.", status_code=404)

    def kept(self, case: Case) -> AnyResponse:
        """Keep a case for the browser that asks, and lead there."""
        self.cases.add(self.owner(), case)
        return redirect(url_for("workbench.cards", key=case.key), 303)

    def case(self, key: str) -> Case:
        """A case of the browser that asks. Raises :class:`NotFound`."""
        case = self.cases.get(self.owner(), key)
        if case is None:
            raise NotFound(
                "What this page was about is no longer in memory: it is kept for the browser that opened it, for half"
                " an hour at most. Open the patient again.",
            )
        return case

    def page(self, name: str, status: int = 200, **values: Any) -> Response:
        """A page from its template."""
        template = self._templates.get_template(f"{name}.html.j2")
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
        page = self.page("refused", status, text=error.text, status_code=status)
        if error.retry_after is not None:
            page.headers["Retry-After"] = str(error.retry_after)
        return page

    def _too_large(self, error: RequestEntityTooLarge) -> Response:
        return self._refused(TooLarge("What was sent is larger than this service accepts."))

    def _too_much(self, error: LimitError) -> Response:
        return self._refused(TooLarge(f"The chart holds more than can be judged in one call: {error}."))

    def _out_of_time(self, error: OutOfTime) -> Response:
        seconds = self.environment.settings.deadline_seconds
        text = f"Judging this took longer than a call may take here ({seconds:g} s, deadline_seconds). Ask again."
        return self._refused(Unavailable(text))

    def _failed(self, error: Exception) -> AnyResponse:
        if isinstance(error, HTTPException):
            return error.get_response()
        alarm("a page could not be answered", request_id=request.environ.get(REQUEST_ID, ""), **failure(error))
        return self._refused(Withheld("The service failed on this and gives no answer. Its log says more."))


def download(value: object, name: str) -> Response:
    """JSON to be kept as a file."""
    return attached(orjson.dumps(value, option=orjson.OPT_INDENT_2), name, "application/json")


def attached(content: str | bytes, name: str, media_type: str) -> Response:
    """What is to be kept as a file."""
    answer = Response(content, mimetype=media_type)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
