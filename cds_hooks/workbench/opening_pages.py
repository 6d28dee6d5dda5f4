"""Other ways to a case: a shared link, a patient found on a FHIR server, and a call that this service answered."""

from collections.abc import Mapping

from flask import Response, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from prodrome.cds_hooks.protocol import Invalid, NotFound, Refused, parse
from prodrome.cds_hooks.workbench import asking, sharing
from prodrome.cds_hooks.workbench.cases import Case
from prodrome.cds_hooks.workbench.finding import find_patients
from prodrome.cds_hooks.workbench.frame import Frame, Pages, WorkbenchView
from prodrome.cds_hooks.workbench.live import Call, Calls


def opening_pages(frame: Frame, calls: Calls | None) -> Pages:
    """The pages that lead to a case; *calls* are those this service answered, where the site keeps them."""
    return _OpeningPages(frame, calls)


class _OpeningPages:
    def __init__(self, frame: Frame, calls: Calls | None) -> None:
        self.frame = frame
        self.environment = frame.environment
        self.calls = calls

    def shown(self) -> Mapping[str, WorkbenchView]:
        return {"/shared": self.shared, "/live": self.live}

    def sent(self) -> Mapping[str, WorkbenchView]:
        return {"/shared": self.open_shared, "/find": self.find, "/live/<key>": self.open_call}

    # A link that holds a case

    def shared(self) -> Response:
        """What is shared stands behind the # of the address, which only the browser knows: it puts it into the form."""
        return self.frame.page("shared", held="", problem="")

    def open_shared(self) -> AnyResponse:
        held = request.form.get("held", "")
        try:
            found = sharing.unpacked(held.rpartition("#")[2])
            environment = asking.on_day(self.environment, found.day, remember=False)
            case = asking.opened(found.title[:200], "shared link", found.document, environment)
        except Refused as refused:
            return self.frame.page("shared", self.frame.status_of(refused), held=held[:1000], problem=refused.text)
        return self.frame.kept(case)

    # A patient of a FHIR server

    def find(self) -> Response:
        form = {name: value.strip() for name, value in request.form.items()}
        try:
            found = find_patients(
                form.get("server", ""), form.get("find", ""), form.get("access") or None, self.environment
            )
        except Refused as refused:
            return self.frame.page(
                "find", self.frame.status_of(refused), form=form, patients=(), more=False, problem=refused.text
            )
        return self.frame.page("find", form=form, patients=found.patients, more=found.more, problem=found.problem)

    # The last calls

    def live(self) -> Response:
        if self.calls is None:
            raise NotFound("The last calls are not kept here: set live_minutes for the workbench to show them.")
        return self.frame.page("live", calls=self.calls.latest(), minutes=self.calls.minutes)

    def open_call(self, key: str) -> AnyResponse:
        call = self.calls.get(key) if self.calls else None
        if call is None:
            raise NotFound("This call is no longer in memory.")
        return self.frame.kept(self._case(call))

    def _case(self, call: Call) -> Case:
        if call.consultation is None:
            raise Invalid("This call was refused: there is no answer to open.")
        environment = asking.on_day(self.environment, call.day, remember=False)
        document = parse(call.body)
        if call.consultation.request.fhir_server:
            document = asking.as_fetched(document, call.consultation, environment)
        return asking.opened(f"A call of {call.at:%H:%M:%S}", "a call of this service", document, environment)


def link_of(case: Case) -> str | None:
    """The link that holds a case; None where it is too long for one."""
    text = sharing.packed(sharing.Shared(case.title, case.today, case.document))
    return f"{request.host_url.rstrip('/')}{url_for('workbench.shared')}#{text}" if text else None
