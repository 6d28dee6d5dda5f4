"""Several processes on one socket, as they are started by ``prodrome serve``: what they share, and how they end."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.cds_hooks import tokens
from tests.serving import free_port

EXAMPLES = Path(__file__).parents[2] / "examples"
EXAMPLE = (EXAMPLES / "order-sign-contraindicated.json").read_bytes()
PATH = "/cds-services/prodrome-order-sign"
JSON = {"Content-Type": "application/json"}


@dataclass
class Service:
    """A running ``prodrome serve``."""

    process: "subprocess.Popen[str]"
    port: int

    def children(self) -> list[int]:
        """The processes that answer."""
        listed = subprocess.run(
            ["ps", "--ppid", str(self.process.pid), "-o", "pid="], capture_output=True, text=True, check=False
        )
        return [int(pid) for pid in listed.stdout.split()]

    def call(self) -> httpx.Response:
        """One call on a connection of its own."""
        url = f"http://127.0.0.1:{self.port}{PATH}"
        return httpx.post(url, content=EXAMPLE, headers=JSON, timeout=20, trust_env=False)


@contextmanager
def serving(folder: Path, *arguments: str, port: int = 0) -> Iterator[Service]:
    """The command, with two workers, in *folder*; it says which port it has, unless it has another address."""
    command = [
        sys.executable,
        "-c",
        "import sys; from prodrome.cds_hooks.command_line.cli import main; sys.exit(main())",
    ]
    with (
        (folder / "errors").open("a") as errors,
        subprocess.Popen(
            [*command, "serve", "--port", str(port), "--workers", "2", *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=folder,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            printed = process.stdout.readline()
            found = re.search(r":(\d+)/cds-services", printed)
            assert found or (printed and port), (folder / "errors").read_text()
            yield Service(process, int(found.group(1)) if found else port)
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            process.wait(20)


def until(true: "object", seconds: float = 20) -> None:
    last = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < last
        time.sleep(0.02)


@dataclass
class Sent:
    """A request, when it was sent (monotonic seconds), and its status or the error in its place."""

    at: float
    outcome: object = None


@pytest.mark.withstands("stop under load")
def test_what_is_in_flight_at_sigterm_is_answered_and_the_exit_status_is_0(tmp_path: Path) -> None:
    sent: list[Sent] = []
    stop = threading.Event()

    def client(port: int) -> None:
        while not stop.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            try:
                connection.connect()
                connection.request("POST", PATH, EXAMPLE, JSON)
            except OSError:
                return  # refused: no longer there
            row = Sent(time.monotonic())
            sent.append(row)
            try:
                row.outcome = connection.getresponse().status
            except (OSError, http.client.HTTPException) as error:
                row.outcome = error
            connection.close()

    with serving(tmp_path) as service:
        clients = [threading.Thread(target=client, args=(service.port,)) for _ in range(6)]
        for thread in clients:
            thread.start()
        until(lambda: len(sent) > 50)
        told = time.monotonic()
        service.process.terminate()
        assert service.process.wait(20) == 0
        stop.set()
        for thread in clients:
            thread.join(20)
        lost = [row for row in sent if row.at < told - 0.05 and row.outcome not in (200, 503)]
        assert lost == []
        with pytest.raises(httpx.ConnectError):
            service.call()


def test_a_service_that_is_told_twice_to_stop_ends_well_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a supervisor tells the whole group, and then its first process."""
    (tmp_path / "short-lived").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "short-lived"))
    with serving(tmp_path) as service:
        assert list((tmp_path / "short-lived").iterdir())
        service.process.terminate()
        service.process.terminate()
        assert service.process.wait(20) == 0
    assert not list((tmp_path / "short-lived").iterdir())


def test_sighup_is_not_death_and_a_process_that_dies_is_replaced(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        service.process.send_signal(signal.SIGHUP)
        assert service.call().status_code == 200
        until(lambda: len(service.children()) == 2)
        victim = service.children()[0]
        os.kill(victim, signal.SIGKILL)
        until(lambda: len(service.children()) == 2 and victim not in service.children())
        for _ in range(8):
            assert service.call().status_code == 200


def test_the_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        until(lambda: len(service.children()) == 2)
        children = service.children()
        service.process.kill()
        service.process.wait(20)
        until(lambda: not any(Path(f"/proc/{child}").exists() for child in children))


def test_a_call_that_outlasts_the_grace_period_does_not_keep_the_service(tmp_path: Path) -> None:
    (tmp_path / "prodrome.toml").write_text("grace_seconds = 1\n")
    with serving(tmp_path) as service:
        with httpx.Client(trust_env=False) as client:
            assert client.get(f"http://127.0.0.1:{service.port}/health").status_code == 200
        slow = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
        slow.putrequest("POST", PATH)
        slow.putheader("Content-Length", "100")
        slow.endheaders(b"{")
        time.sleep(0.3)
        began = time.monotonic()
        service.process.terminate()
        assert service.process.wait(20) == 0
        assert time.monotonic() - began < 10
        slow.close()


@pytest.fixture(params=["no settings", "file", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with the settings of a site."""
    if request.param == "file":
        (tmp_path / "prodrome.toml").write_text("")
    elif request.param == "postgresql":
        url = request.getfixturevalue("postgresql_url")
        (tmp_path / "prodrome.toml").write_text(f'database_url = "{url}"\n')
    return tmp_path


def test_a_card_that_one_process_showed_is_known_to_all(site: Path) -> None:
    with serving(site) as service:
        card = service.call().json()["cards"][0]["uuid"]
        said = {"card": card, "outcome": "overridden", "outcomeTimestamp": "2026-06-15T10:00:00Z"}
        for _ in range(10):  # each on a connection of its own, which any process may take
            answer = httpx.post(
                f"http://127.0.0.1:{service.port}{PATH}/feedback", json={"feedback": [said]}, trust_env=False
            )
            assert (answer.status_code, answer.content) == (200, b"")


def test_two_instances_on_one_postgresql_know_each_others_cards(tmp_path: Path, postgresql_url: str) -> None:
    (tmp_path / "prodrome.toml").write_text(f'database_url = "{postgresql_url}"\n')
    with serving(tmp_path) as one, serving(tmp_path) as other:
        for shows, hears in ((one, other), (other, one)):
            card = shows.call().json()["cards"][0]["uuid"]
            said = {"card": card, "outcome": "overridden", "outcomeTimestamp": "2026-06-15T10:00:00Z"}
            answer = httpx.post(
                f"http://127.0.0.1:{hears.port}{PATH}/feedback", json={"feedback": [said]}, trust_env=False
            )
            assert (answer.status_code, answer.content) == (200, b"")


def test_two_instances_on_one_postgresql_keep_back_what_was_overridden_at_the_other(
    tmp_path: Path, postgresql_url: str
) -> None:
    (tmp_path / "prodrome.toml").write_text(
        f'database_url = "{postgresql_url}"\noverride_days = 30\nsecret = "{"s" * 40}"\ntoday = 2026-06-15\n'
    )
    body = (EXAMPLES / "patient-view-resistant.json").read_bytes()

    def shown(service: Service) -> dict[str, str]:
        url = f"http://127.0.0.1:{service.port}/cds-services/prodrome-patient-view"
        cards = httpx.post(url, content=body, headers=JSON, timeout=20, trust_env=False).json()["cards"]
        return {card["source"]["topic"]["code"]: card["uuid"] for card in cards}

    with serving(tmp_path) as one, serving(tmp_path) as other:
        before = shown(one)
        assert shown(other).keys() == before.keys()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        said = {"card": before["DTT-01"], "outcome": "overridden", "outcomeTimestamp": now}
        url = f"http://127.0.0.1:{other.port}/cds-services/prodrome-patient-view/feedback"
        assert httpx.post(url, json={"feedback": [said]}, trust_env=False).status_code == 200
        for service in (one, other):
            assert shown(service).keys() == before.keys() - {"DTT-01"}


def test_two_instances_on_one_postgresql_take_a_token_once(tmp_path: Path, postgresql_url: str) -> None:
    keys = ", ".join(
        "{" + ", ".join(f"{name} = {json.dumps(value)}" for name, value in key.items()) + "}" for key in tokens.KEYS
    )
    (tmp_path / "prodrome.toml").write_text(
        f'database_url = "{postgresql_url}"\nbase_url = "{tokens.BASE}"\n'
        f'[[issuers]]\niss = "{tokens.ISS}"\njwks = {{keys = [{keys}]}}\n'
    )
    client = tokens.Client(now=time.time())

    def status(service: Service, token: str) -> int:
        url = f"http://127.0.0.1:{service.port}{PATH}"
        headers = {**JSON, "Authorization": f"Bearer {token}"}
        return httpx.post(url, content=EXAMPLE, headers=headers, timeout=20, trust_env=False).status_code

    ports = [free_port(), free_port()]
    with serving(tmp_path, port=ports[0]) as one, serving(tmp_path, port=ports[1]) as other:
        for first, second in ((one, other), (other, one)):
            token = client.token(tokens.BASE + PATH)
            assert [status(each, token) for each in (first, second, first)] == [200, 401, 401]
