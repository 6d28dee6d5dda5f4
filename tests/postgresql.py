"""A real PostgreSQL for the tests: its own data directory, a free port of this machine, gone afterwards."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

USERS = ("postgres", "nobody")
"""PostgreSQL refuses to run as root; then it runs as one of these."""
START_SECONDS = 30


def programs() -> Path | None:
    """The folder with initdb and postgres, the newest there is; None where PostgreSQL is not installed."""
    found = [Path(path).resolve().parent for name in ("postgres",) if (path := shutil.which(name))]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    return next((folder for folder in found if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


class Server:
    """A server that can be stopped as by a power cut, and started again with its data."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries = binaries
        self._folder = folder
        self._user = _unprivileged()
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.address = f"postgresql://prodrome@127.0.0.1:{self._port}"
        """Without a database name; there is a database ``postgres``."""
        if self._user:
            os.chown(folder, pwd.getpwnam(self._user).pw_uid, -1)
        initdb = [str(binaries / "initdb"), "-D", str(folder / "data"), "-U", "prodrome", "-A", "trust", "-E", "UTF8"]
        initdb += ["--locale=C", "--no-sync"]
        subprocess.run(initdb, user=self._user, cwd=folder, check=True, capture_output=True)

    def start(self) -> None:
        """Start it and wait until it answers. Raises RuntimeError where it does not."""
        # Nobody pulls the plug on this machine during a test; only processes are killed.
        options = [
            "-p",
            str(self._port),
            "-k",
            str(self._folder),
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "fsync=off",
        ]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._folder / "data", *options],
                user=self._user,
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS
        ready = [str(self._binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self._port)]
        while subprocess.run(ready, check=False).returncode != 0:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("PostgreSQL did not start")
            time.sleep(0.1)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """All its processes stopped: connections stand, new ones are taken, and nothing answers."""
        assert self._process is not None
        main = self._process.pid
        self._process.send_signal(signal.SIGSTOP)  # first, so that it starts no further ones
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(main)], capture_output=True, check=True, text=True)
        processes = [main, *map(int, listed.stdout.split())]
        for process in processes[1:]:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in reversed(processes):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)

    def stop(self) -> None:
        """End it at once, as a crash would: connections break, nothing is put in order."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
            self._process = None


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """A started server of its own. Raises RuntimeError where it does not start."""
    binaries = programs()
    if binaries is None:
        raise RuntimeError("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    try:
        one = Server(binaries, folder)
        one.start()
        try:
            yield one
        finally:
            one.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running() -> Iterator[str]:
    """Start a server; its address without a database name."""
    with server() as one:
        yield one.address


def _unprivileged() -> str | None:
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in USERS if name in known)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
