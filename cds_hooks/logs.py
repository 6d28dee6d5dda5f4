"""One JSON line per event on standard error: which request, which hook, how long, which rules and kinds.

A line never holds anything from a chart: no ids of patients, no names, values, codes, bodies or tokens. Fields are
named here and nowhere else so that this can be checked.
"""

import logging
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

import orjson

LOGGER = logging.getLogger("prodrome")

for _library in ("httpx", "httpcore"):  # their lines tell addresses, and so the patient's id
    logging.getLogger(_library).setLevel(logging.WARNING)

FIELDS = frozenset(
    {
        "request_id",
        "hook",
        "service",
        "status",
        "ms",
        "rules",
        "cards",
        "unjudged",
        "missing",
        "incomplete",
        "skipped",
        "fetched",
        "problems",
        "leniencies",
        "issuer",
        "reason",
        "exception",
        "where",
        "member",
        "method",
        "route",
        "engine",
        "version",
        "today",
        "address",
        "calls",
        "process",
    }
)
"""Everything a log line may say besides its time, level and event."""


class _Lines(logging.StreamHandler[TextIO]):
    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.stream.write(self.format(record) + "\n")
            self.stream.flush()
        except Exception:  # nobody is to go without an answer because nobody reads the log
            self.handleError(record)

    def format(self, record: logging.LogRecord) -> str:
        ours = record.name == LOGGER.name
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            # What a library says may quote an address or a body: that it spoke is told, and from where.
            "event": record.getMessage() if ours else "a library reported something",
        }
        if not ours:
            line["where"] = f"{record.name} {record.filename}:{record.lineno}"
        if record.exc_info and record.exc_info[1] is not None:
            line.update(failure(record.exc_info[1]))
        line.update(getattr(record, "fields", {}))
        return orjson.dumps(line, default=str).decode()


def configure(stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Write the lines of this service to *stream* (standard error), and a line for each warning of a library."""
    handler = _Lines(stream or sys.stderr)
    LOGGER.handlers[:] = [handler]
    LOGGER.setLevel(level)
    LOGGER.propagate = False
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # no line tells them
    logging.getLogger().handlers[:] = [handler]
    logging.captureWarnings(True)
    threading.excepthook = _died
    sys.excepthook = _ended


def _died(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        alarm("a thread died", **failure(args.exc_value))


def _ended(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        alarm("the service ended by a failure", **failure(error))


_NOTHING: Sequence[object] = (None, (), [], {})


def log(event: str, *, level: int = logging.INFO, **fields: object) -> None:
    """Write one line. A field that :data:`FIELDS` does not name is a mistake in this program."""
    if not fields.keys() <= FIELDS:
        raise TypeError(f"log fields not allowed: {', '.join(sorted(fields.keys() - FIELDS))}")
    if LOGGER.isEnabledFor(level):
        said = {name: value for name, value in fields.items() if value or value not in _NOTHING}
        # Made here, as who calls need not be looked for: no line of ours tells it.
        record = logging.LogRecord(LOGGER.name, level, "", 0, event, (), None)
        record.fields = said
        LOGGER.handle(record)


def alarm(event: str, **fields: object) -> None:
    """Write a line somebody should be woken by."""
    log(event, level=logging.CRITICAL, **fields)


def failure(error: BaseException) -> dict[str, object]:
    """An unexpected exception as log fields: its type and where it arose. Its text may quote a chart: left out."""
    places = []
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return {"exception": type(error).__name__, "where": places}
