"""Checking a request that a developer of an EHR brings."""

from collections.abc import Mapping

from flask import Response, request

from prodrome.cds_hooks.workbench import asking
from prodrome.cds_hooks.workbench.checking import Report, check_request
from prodrome.cds_hooks.workbench.frame import Frame, Pages, WorkbenchView
from prodrome.cds_hooks.workbench.rendering import as_json


def check_pages(frame: Frame) -> Pages:
    """The page that checks a request."""
    return _CheckPages(frame)


class _CheckPages:
    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.environment = frame.environment

    def shown(self) -> Mapping[str, WorkbenchView]:
        return {"/check": self.check_page}

    def sent(self) -> Mapping[str, WorkbenchView]:
        return {"/check": self.check_request}

    def check_page(self) -> Response:
        """The form, with an example in it where one was chosen."""
        name, _, number = request.args.get("example", "").rpartition("/")
        named = asking.named_example(name, number)
        text = as_json(asking.example_request(named, self.environment)) if named else ""
        return self._page(text, None)

    def check_request(self) -> Response:
        file = request.files.get("file")
        text = file.read().decode("utf-8", "replace") if file and file.filename else request.form.get("request", "")
        tried = asking.on_day(self.environment, self.environment.clock(), remember=False)
        return self._page(text, check_request(text, tried))

    def _page(self, text: str, report: Report | None) -> Response:
        refused = report.refused if report else None
        return self.frame.page(
            "check",
            text=text,
            report=report,
            answers=self.frame.status_of(refused) if refused else None,
            examples=asking.named_examples(),
        )
