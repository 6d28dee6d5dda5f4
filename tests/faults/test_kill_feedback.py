"""Nothing that was acknowledged is lost when the service, or its database, is killed at any moment.

The service runs as processes of its own, with tokens required. Clients ask for cards and answer them; all processes are
killed (SIGKILL) at a random moment, again and again over one database. At the end everything that was answered with 200
must be there, and no token that was used counts again. ``PRODROME_TEST_KILLS=50`` says how many kills there are.
"""

import contextlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest
from sqlalchemy import select

from prodrome.cds_hooks.database import Database, feedback
from tests import postgresql
from tests.cds_hooks.tokens import ISS, KEYS
from tests.cds_hooks.tokens import Client as Signer

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.pop("PRODROME_TEST_KILLS", "3"))  # popped: the service refuses variables it does not know
SENDERS = 4
LONGEST_LIFE = 1.5
"""Seconds of load before the kill, at most."""
SERVICE = "/cds-services/prodrome-order-sign"
REQUEST = orjson.loads((ROOT / "examples" / "order-sign-contraindicated.json").read_bytes())


@dataclass
class Site:
    """A site whose service is started again and again, and what its clients were told."""

    folder: Path
    port: int
    acknowledged: set[str] = field(default_factory=set)
    used: list[str] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path, database_url: str) -> "Site":
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port: int = probe.getsockname()[1]
        site = cls(folder, port)
        (folder / "prodrome.toml").write_text(
            f'base_url = "{site.base}"\ndatabase_url = "{database_url}"\nworkbench = false\n'
            f"[[issuers]]\niss = \"{ISS}\"\njwks = '{json.dumps({'keys': KEYS})}'\n"
        )
        return site

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def running(self, workers: int) -> Iterator[None]:
        """The service; at the end all its processes are killed at once."""
        program = Path(sys.executable).with_name("prodrome")
        command = [str(program), "serve", "--port", str(self.port), "--workers", str(workers), "--today", "2026-06-15"]
        with (self.folder / "service.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, start_new_session=True)
        try:
            end = time.monotonic() + 60
            while self.ask("GET", "/health", None) != 200:
                assert process.poll() is None, (self.folder / "service.log").read_text()[-2000:]
                assert time.monotonic() < end, "the service did not start"
                time.sleep(0.05)
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def token(self, path: str) -> str:
        return Signer(now=time.time()).token(f"{self.base}{path}", jti=str(uuid.uuid4()))

    def ask(self, method: str, path: str, body: object, token: str = "") -> int:
        """The status; 0 where no answer came."""
        return self._asked(method, path, body, token)[0]

    def _asked(self, method: str, path: str, body: object, token: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
            connection.request(method, path, None if body is None else orjson.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""  # killed: what was on its way is not acknowledged
        finally:
            connection.close()

    def send(self, stop: threading.Event) -> None:
        """Ask for cards and answer them, until told to stop; note what was acknowledged."""
        while not stop.is_set():
            token = self.token(SERVICE)
            status, body = self._asked("POST", SERVICE, {**REQUEST, "hookInstance": str(uuid.uuid4())}, token)
            self.answers.append(status)
            if status != 200:
                time.sleep(0.02)
                continue
            self.used.append(token)
            said = {"outcome": "overridden", "outcomeTimestamp": "2026-06-15T10:00:00Z"}
            cards = [card["uuid"] for card in orjson.loads(body)["cards"]]
            entries = {"feedback": [{"card": card, **said} for card in cards]}
            path = f"{SERVICE}/feedback"
            status, body = self._asked("POST", path, entries, self.token(path))
            self.answers.append(status)
            if status == 200 and not body:
                self.acknowledged.update(cards)

    @contextlib.contextmanager
    def load(self) -> Iterator[None]:
        stop = threading.Event()
        senders = [threading.Thread(target=self.send, args=(stop,)) for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        try:
            yield
        finally:
            stop.set()
            for sender in senders:
                sender.join()

    def kept(self, database_url: str) -> set[str]:
        database = Database(database_url)
        with database.reading() as connection:
            kept = set(connection.execute(select(feedback.c.card)).scalars())
        database.close()
        return kept

    def lost_nothing(self, database_url: str) -> None:
        """With the service running: all that was acknowledged is there, and no used token counts again."""
        kept = self.kept(database_url)
        print(f"\n{len(self.acknowledged)} acknowledged, {len(self.acknowledged - kept)} lost; {len(self.used)} tokens")
        assert self.acknowledged, "the service was never at work"
        assert self.acknowledged <= kept
        assert {self.ask("POST", SERVICE, REQUEST, token) for token in self.used[-200:]} == {401}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.withstands("killed", "replay")
@pytest.mark.parametrize("workers", [1, 4])
def test_a_service_killed_again_and_again_loses_nothing(workers: int, shared_database_url: str, tmp_path: Path) -> None:
    site = Site.of(tmp_path, shared_database_url)
    randomness = random.Random(workers)
    for _ in range(KILLS):
        with contextlib.ExitStack() as stack, site.running(workers):
            stack.enter_context(site.load())
            time.sleep(randomness.uniform(0.2, LONGEST_LIFE))
    with site.running(workers):
        site.lost_nothing(shared_database_url)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.withstands("database restarted")
def test_a_database_restarted_under_load_loses_nothing(tmp_path: Path) -> None:
    if postgresql.programs() is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    with postgresql.server() as server:
        url = f"{server.address}/postgres"
        site = Site.of(tmp_path, url)
        with site.running(workers=2):
            with site.load():
                for _ in range(KILLS):
                    time.sleep(0.5)
                    server.stop()
                    time.sleep(0.5)
                    server.start()
                time.sleep(1)
            assert set(site.answers) <= {200, 503}
            assert site.answers.count(200) > 0
            site.lost_nothing(url)
