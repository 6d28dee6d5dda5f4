"""The log of the service as a test reads it."""

import io
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from prodrome.cds_hooks import logs

_TOLD = ("logThreads", "logProcesses", "logMultiprocessing")


@contextmanager
def logged(level: int = logging.INFO) -> Iterator[io.StringIO]:
    """What the service writes meanwhile; how logs were written before is put back."""
    loggers = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in (logging.root, logs.LOGGER)]
    told = [(name, getattr(logging, name)) for name in _TOLD]
    hooks = threading.excepthook, sys.excepthook
    stream = io.StringIO()
    logs.configure(stream, level)
    try:
        yield stream
    finally:
        logging.captureWarnings(False)
        threading.excepthook, sys.excepthook = hooks
        for name, value in told:
            setattr(logging, name, value)
        for logger, handlers, before, propagates in loggers:
            logger.handlers[:] = handlers
            logger.setLevel(before)
            logger.propagate = propagates
