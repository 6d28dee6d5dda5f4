"""Several processes that answer on one socket: started from one that has loaded everything, and kept alive by it.

The parent loads guideline, rules and templates once; its children share that memory. It answers nothing itself. A child
that dies is replaced. SIGTERM and SIGINT: no new connection is taken, what is in flight is answered within the grace
period, and the exit status is 0. SIGHUP changes nothing: settings are read at start.
"""

import contextlib
import gc
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from prodrome.cds_hooks.logs import alarm, log
from prodrome.cds_hooks.runtime import collect_seldom
from prodrome.cds_hooks.web.front import Front
from prodrome.cds_hooks.web.listening import SIGNALS
from prodrome.cds_hooks.web.metrics import forget
from prodrome.cds_hooks.web.siblings import Place, Siblings

if TYPE_CHECKING:
    from prodrome.cds_hooks.web.server import Server

SWITCH_SECONDS = 0.0005
"""How long the thread that reads the sockets waits for the one that computes: Python's 5 ms are as long as a call."""
OPEN_FILES = 65_536
QUICK_DEATH_SECONDS = 2.0
MOST_QUICK_DEATHS = 5


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def serve(
    front: Callable[[Place], Front],
    listener: socket.socket,
    *,
    workers: int,
    grace_seconds: float,
    started: Callable[[], None] | None = None,
    ended: Callable[[], None] | None = None,
) -> int:
    """Answer on *listener* with so many processes until told to stop; the exit status.

    *front* is called in each process, with its place: threads and connections are its own. *started* is called when all
    run, *ended* in each process after its last answer.
    """
    with contextlib.suppress(ValueError, OSError):  # a site's own limit stays
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    from prodrome.cds_hooks.web.server import Server  # heavy; only who serves needs it

    with contextlib.suppress(ImportError):
        import uvloop  # noqa: F401  # where it is there, each process runs on it

    gc.freeze()  # what is loaded by now stays for good: no collection need look at it, no child copies it for that
    return _Parent(Server, front, listener, workers, grace_seconds, ended).run(started)


class _Parent:
    def __init__(
        self,
        server: "Callable[..., Server]",
        front: Callable[[Place], Front],
        listener: socket.socket,
        workers: int,
        grace_seconds: float,
        ended: Callable[[], None] | None,
    ) -> None:
        self._server = server
        self._front = front
        self._listener = listener
        self._workers = workers
        self._grace = grace_seconds
        self._ended = ended
        self._siblings = Siblings(workers)
        self._children: dict[int, tuple[int, float]] = {}  # process -> its place, and since when
        self._quick_deaths = 0
        self._alive, self._mine = os.pipe()

    def run(self, started: Callable[[], None] | None) -> int:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            self._fill()
            if started is not None:
                started()
            while True:
                came = signal.sigwait(SIGNALS)
                if came == signal.SIGHUP:
                    log("SIGHUP changes nothing: settings are read at start")
                elif came == signal.SIGCHLD:
                    for status in self._buried():
                        alarm("a process of the service died and is replaced", status=status)
                    if self._quick_deaths > MOST_QUICK_DEATHS:
                        alarm("the processes of the service die at once: giving up")
                        self._stop()
                        return 1
                    self._fill()
                else:
                    self._stop()
                    return 0
        finally:
            self._siblings.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _fill(self) -> None:
        """Start a process at each place that has none."""
        taken = {place for place, _ in self._children.values()}
        for place in range(self._workers):
            if place not in taken:
                self._start(place)

    def _start(self, place: int) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        process = os.fork()
        if not process:
            self._child(place)
        self._children[process] = place, time.monotonic()

    def _child(self, place: int) -> NoReturn:
        status = 1
        try:
            os.close(self._mine)
            for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # the server sets its own for the first two
                signal.signal(name, signal.SIG_IGN)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            collect_seldom()
            sys.setswitchinterval(SWITCH_SECONDS)
            front = self._front(Place(self._siblings, place))
            server = self._server(front, grace_seconds=self._grace, parent=self._alive)
            server.run(sockets=[self._listener])
            if self._ended is not None:
                self._ended()
            status = 0
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)  # past the exit handlers, which are the parent's

    def _buried(self) -> list[int]:
        """The exit statuses of children that are gone."""
        found = []
        for process in list(self._children):
            gone, status = os.waitpid(process, os.WNOHANG)
            if gone:
                forget(process)
                place, since = self._children.pop(process)
                self._siblings.gone(place)
                lived = time.monotonic() - since
                self._quick_deaths = self._quick_deaths + 1 if lived < QUICK_DEATH_SECONDS else 0
                found.append(os.waitstatus_to_exitcode(status))
        return found

    def _stop(self) -> None:
        """End the children: politely, then, after the grace period, at once."""
        for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # told again, it is ending all the same
            signal.signal(name, signal.SIG_IGN)
        self._listener.close()
        self._signal(signal.SIGTERM)
        last = time.monotonic() + self._grace + 2
        while self._children and time.monotonic() < last:
            time.sleep(0.02)
            self._buried()
        if self._children:
            alarm("the grace period is over: what is still in flight is lost")
            self._signal(signal.SIGKILL)
            for process in self._children:
                os.waitpid(process, 0)

    def _signal(self, number: signal.Signals) -> None:
        for process in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)
