"""The request in hand: what was asked, and what is told of it when it is answered."""

import os
import time
from typing import TYPE_CHECKING, Any

from flask import Request, request

from prodrome.cds_hooks.runtime import REQUEST_ID

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class Asked(Request):
    """A request. ``fields`` are what the log says of it besides what it says of any."""

    def __init__(self, environ: "WSGIEnvironment", populate_request: bool = True, shallow: bool = False) -> None:
        super().__init__(environ, populate_request, shallow)
        self.began = time.perf_counter()
        self.request_id = environ[REQUEST_ID] = os.urandom(16).hex()
        self.fields: dict[str, Any] = {}

    def close(self) -> None:
        """Let go of the files that came with a form, where one was read."""
        if "files" in self.__dict__:
            super().close()


def asked() -> Asked:
    """The request in hand itself: Flask's ``request`` stands for it, and looks for it anew at each attribute."""
    found: Asked = request._get_current_object()  # type: ignore[attr-defined]
    return found
