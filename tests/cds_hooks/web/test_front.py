"""What stands before the application: what it reads, refuses, sheds and drops, over real sockets."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from prodrome.cds_hooks.protocol.refusals import Refused, Unauthorized
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.web import front, listen, server
from prodrome.cds_hooks.web.app import create_app, front_of
from prodrome.cds_hooks.web.front import THREADS, Front
from prodrome.cds_hooks.web.statuses import status_of
from prodrome.cds_hooks.web.wsgi import CHECKED
from tests.serving import alone

LIMIT = 100_000


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "_LINGER_SECONDS", 0.2)


class Application:
    """Notes what it is asked, and answers when it may."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes]] = []
        self.open = threading.Event()
        self.open.set()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        found = environ.get(CHECKED)
        status = f"{status_of(found)} Refused" if isinstance(found, Refused) else "200 OK"
        body = environ["wsgi.input"].read()
        self.asked.append((environ["PATH_INFO"], body))
        self.open.wait(10)
        start(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]


@contextmanager
def serving(app: Application, **more: Any) -> Iterator[int]:
    """The front on a free port, before *app*."""
    said = {"max_body_bytes": LIMIT, "max_waiting": 2, "patience_seconds": 5.0, **more}
    with alone() as place, listening(Front(app, place, **said)) as port:
        try:
            yield port
        finally:
            app.open.set()


@contextmanager
def listening(front: Front) -> Iterator[int]:
    """A front on a free port."""
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        serving = server.Server(front, grace_seconds=1)
        thread = threading.Thread(target=serving.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield port
        finally:
            serving.should_exit = True
            thread.join(10)


class Hands:
    """Metrics of which only the calls in hand are asked for: those that were read and are not answered yet."""

    calls_in_hand: Callable[[], int]

    def shed(self) -> None:
        """One more was told to come back."""

    def tell_state(self) -> None:
        """How things are."""

    def hold(self, calls: int) -> None:
        """Wait until so many are in hand."""
        until(lambda: self.calls_in_hand() == calls)


def ask(port: int, body: bytes | Iterator[bytes] = b"", path: str = "/", **headers: str) -> httpx.Response:
    return httpx.post(f"http://127.0.0.1:{port}{path}", content=body, headers=headers, timeout=10, trust_env=False)


def head(port: int, *lines: str) -> socket.socket:
    """A connection that sent the head of a request and nothing more."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall("\r\n".join(["POST /x HTTP/1.1", "Host: x", *lines, "", ""]).encode())
    return connection


def rest(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    came = b""
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(1000):
            came += part
    return came


def until(true: Callable[[], bool]) -> None:
    last = time.monotonic() + 10
    while not true():
        assert time.monotonic() < last
        time.sleep(0.005)


def test_a_request_reaches_the_application_whole() -> None:
    app = Application()
    with serving(app) as port:
        answer = ask(port, b"x" * LIMIT, "/a%20b")
    assert (answer.status_code, len(answer.content)) == (200, LIMIT)
    assert app.asked == [("/a b", b"x" * LIMIT)]


def test_a_body_without_a_length_is_read_up_to_the_limit() -> None:
    app = Application()
    with serving(app) as port:
        assert ask(port, iter([b"x" * 1000] * 10)).content == b"x" * 10_000
        assert ask(port, iter([b"x" * 1000] * 101)).status_code == 413


def test_how_things_are_is_told_though_nobody_calls() -> None:
    class Told:
        times = 0

        def tell_state(self) -> None:
            self.times += 1

    metrics: Any = Told()
    with serving(Application(), metrics=metrics):
        until(lambda: metrics.times > 1)


def test_how_things_are_is_told_once_more_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(self: server.Server, _: int) -> bool:
        return self.should_exit

    class Told:
        times = 0

        def tell_state(self) -> None:
            self.times += 1

    monkeypatch.setattr(server.Server, "on_tick", never)
    metrics: Any = Told()
    with serving(Application(), metrics=metrics):
        assert metrics.times == 0
    assert metrics.times == 1


def chunks(size: int, count: int) -> bytes:
    return (b"%x\r\n" % size + b"x" * size + b"\r\n") * count + b"0\r\n\r\n"


@pytest.mark.parametrize(("size", "count"), [(1, 90_000), (50_000, 2)])
def test_a_body_in_chunks_of_any_size_is_read_and_the_next_requests_too(size: int, count: int) -> None:
    app = Application()
    following = b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n" * 3000  # more than a head may have
    with serving(app) as port, head(port, "Transfer-Encoding: chunked") as connection:
        connection.sendall(
            chunks(size, count) + following + b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        assert rest(connection).count(b"HTTP/1.1 200") == 3002
    assert app.asked[0] == ("/x", b"x" * size * count)


@pytest.mark.withstands("large bodies")
@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"2\r\nxx\r\n0\r\n", b"Name: value\r\n" * 1000),  # trailers
        (b"2;", b"x" * 10_000),  # an extension of a chunk
        (b"", b"1;" + b"x" * 100 + b"\r\nx\r\n"),
    ],
)
def test_a_body_that_is_mostly_frame_is_hung_up_on(begin: bytes, more: bytes) -> None:
    app = Application()
    sent = 0
    with serving(app) as port, head(port, "Transfer-Encoding: chunked") as connection:
        time.sleep(0.05)
        with contextlib.suppress(ConnectionError):
            connection.sendall(begin)
            while sent < 50_000_000:
                connection.sendall(more)
                sent += len(more)
        assert sent < 50_000_000
    assert app.asked == []


def test_what_comes_in_a_trailer_says_nothing() -> None:
    seen: list[dict[str, Any]] = []

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        seen.append(environ)
        start("200 OK", [("Content-Length", "0")])
        return []

    with (
        alone() as place,
        listening(Front(app, place, max_body_bytes=LIMIT, max_waiting=2, patience_seconds=5)) as port,
        head(port, "Transfer-Encoding: chunked", "Connection: close") as connection,
    ):
        connection.sendall(b"1\r\nx\r\n0\r\nAuthorization: Bearer x\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n")
        rest(connection)
    assert seen[0].keys().isdisjoint({"HTTP_AUTHORIZATION", "HTTP_X_FORWARDED_FOR"})


@pytest.mark.withstands("two requests in one")
@pytest.mark.parametrize(
    "fields",
    [
        ("Content-Length: 6", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 6"),
        ("Content-Length: 5", "Content-Length: 0"),
        ("Content-Length: 5", "Content-Length: 5"),
        ("Content-Length: 5, 5",),
        ("Content-Length: +5",),
        ("Content-Length : 5",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: identity",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
        ("X: y", " Transfer-Encoding: chunked"),
        ("X: y\rTransfer-Encoding: chunked",),
        ("X: y\nTransfer-Encoding: chunked", "Content-Length: 0"),
        ("X: \0",),
        ("X",),
        (": x",),
        ("Transfer-Encoding: gzip, chunked",),
        ("Transfer-Encoding: gzip", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked, chunked",),
        ("Transfer-Encoding: chunked;x=1",),
        ("Transfer-Encoding:",),
        ("Host: x",),  # a second one
        ("Host: evil.example.org",),
    ],
)
def test_a_head_that_others_may_read_otherwise_is_refused_and_nothing_after_it_is_read(fields: tuple[str, ...]) -> None:
    app = Application()
    with serving(app) as port, head(port, *fields) as connection:
        connection.sendall(b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
        answered = rest(connection)
    assert answered.startswith(b"HTTP/1.1 400")
    assert answered.count(b"HTTP/1.1 ") == 1
    assert "/smuggled" not in [path for path, _ in app.asked]


@pytest.mark.withstands("two requests in one")
@pytest.mark.parametrize(
    "head",
    [
        "GET /a HTTP/1.1",
        "POST /a HTTP/1.1\r\nContent-Length: 0",
        "GET /a HTTP/1.1\r\nHost: a b",
        "GET /a HTTP/1.1\r\nHost: x/y",
        "GET /a HTTP/1.1\r\nHost: user@x",
        "GET /a HTTP/1.1\r\nHost: x, y",
        "GET /a HTTP/1.1\r\nHost: x:y",
        "GET /a HTTP/1.1\r\nHost: [::1",
        "GET /a HTTP/1.1\r\nHost: x\x01",
        "GET /a HTTP/1.0\r\nHost: x\r\nHost: x",
        "POST /a HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked",
    ],
)
def test_a_head_that_does_not_say_who_is_asked_is_refused(head: str) -> None:
    app = Application()
    with serving(app) as port, socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(f"{head}\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answered = rest(connection)
    assert answered.startswith(b"HTTP/1.1 400")
    assert answered.count(b"HTTP/1.1 ") == 1
    assert app.asked == []


@pytest.mark.parametrize(
    "head",
    [
        "GET /a HTTP/1.1\r\nHost:",
        "GET /a HTTP/1.1\r\nHost: x.example.org:8080",
        "GET /a HTTP/1.1\r\nHost: [::1]:80",
        "GET /a HTTP/1.1\r\nhOST: a_b.x",
        "GET /a HTTP/1.0",
    ],
)
def test_a_head_that_names_one_host_is_answered(head: str) -> None:
    app = Application()
    with serving(app) as port, socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(f"{head}\r\nConnection: close\r\n\r\n".encode())
        assert rest(connection).startswith(b"HTTP/1.1 200")
    assert app.asked == [("/a", b"")]


H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAA")
OFFERS = {
    "h2c, as Java's HttpClient": H2C,
    "TLS, as Apache's": ("Upgrade: TLS/1.2", "Connection: Upgrade"),
    "a WebSocket": ("Connection: keep-alive, Upgrade", "Upgrade: websocket"),
    "several": ("Connection: upgrade", "Upgrade: h2c", "UPGRADE: websocket, IRC/6.9"),
}


@pytest.mark.parametrize("pause", [0.0, 0.05])
@pytest.mark.parametrize("framing", ["Content-Length: 20", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("offer", OFFERS)
def test_an_offer_to_speak_another_protocol_is_passed_over(offer: str, framing: str, pause: float) -> None:
    app = Application()
    body = chunks(10, 2) if "chunked" in framing else b"x" * 20
    post = "\r\n".join(["POST /x HTTP/1.1", "Host: x", *OFFERS[offer], framing, "", ""]).encode()
    get = "\r\n".join(["GET /y HTTP/1.1", "Host: x", *OFFERS[offer], "", ""]).encode()
    last = b"GET /z HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    sent = post + body + get + post + body + last
    parts = [sent] if not pause else [sent[:40], sent[40 : len(post)], sent[len(post) : len(post) + 7]]
    with serving(app) as port, socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for part in [*parts, sent[sum(map(len, parts)) :]]:
            connection.sendall(part)
            time.sleep(pause)
        assert rest(connection).count(b"HTTP/1.1 200") == 4
    assert app.asked == [("/x", b"x" * 20), ("/y", b""), ("/x", b"x" * 20), ("/z", b"")]


def test_an_offer_of_a_client_that_closes_is_passed_over() -> None:
    app = Application()
    fields = ("Connection: close, Upgrade", "Upgrade: h2c", "Content-Length: 3")
    with serving(app) as port, head(port, *fields) as connection:
        connection.sendall(b"abc")
        assert rest(connection).startswith(b"HTTP/1.1 200")
    assert app.asked == [("/x", b"abc")]


@pytest.mark.withstands("two requests in one")
@pytest.mark.parametrize(
    "fields",
    [
        ("Content-Length: 3", "Transfer-Encoding: chunked"),
        ("Content-Length: 5", "Content-Length: 0"),
        ("Transfer-Encoding: gzip, chunked",),
        ("Host: evil.example.org",),
    ],
)
def test_an_ambiguous_head_with_an_offer_is_refused(fields: tuple[str, ...]) -> None:
    app = Application()
    with serving(app) as port, head(port, *H2C, *fields) as connection:
        connection.sendall(b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
        answered = rest(connection)
    assert answered.startswith(b"HTTP/1.1 400")
    assert answered.count(b"HTTP/1.1 ") == 1
    assert app.asked == []


def test_no_tunnel_is_opened() -> None:
    app = Application()
    with serving(app) as port, socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
        assert rest(connection).startswith(b"HTTP/1.1 400")
    assert app.asked == []


@pytest.mark.withstands("large bodies")
def test_a_body_over_the_limit_is_refused_before_it_is_sent() -> None:
    app = Application()
    with serving(app) as port, head(port, f"Content-Length: {LIMIT + 1}") as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")
    assert app.asked == [("/x", b"")]


@pytest.mark.parametrize("length", ["-1", "1e3", "9" * 40, "²"])
def test_a_length_that_is_none_is_refused(length: str) -> None:
    app = Application()
    with serving(app) as port, head(port, f"Content-Length: {length}") as connection:
        assert connection.recv(1000).startswith((b"HTTP/1.1 400", b"HTTP/1.1 413"))


def test_a_client_that_sends_all_of_a_refused_body_still_reads_the_answer() -> None:
    with serving(Application()) as port:
        assert ask(port, b"x" * (LIMIT + 1)).status_code == 413


@pytest.mark.withstands("idle connections")
def test_slow_senders_hold_no_thread() -> None:
    app = Application()
    with serving(app) as port:
        idle = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(300)]
        slow = [head(port, "Content-Length: 50") for _ in range(3 * THREADS)]
        assert ask(port, b"quick").status_code == 200
        for connection in slow:
            connection.sendall(b"x" * 50)
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        for connection in idle + slow:
            connection.close()


def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "BODY_SECONDS", 0.1)
    with serving(Application()) as port, head(port, "Content-Length: 5") as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 408")


def test_a_head_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.1)
    with serving(Application()) as port, socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost")
        assert rest(connection) == b""


def test_a_later_head_that_does_not_come_is_given_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.1)
    with serving(Application()) as port, socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(10_000).startswith(b"HTTP/1.1 200")
        time.sleep(0.2)  # between requests it is not waited for
        connection.sendall(b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(10_000).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /c HTTP/1.1\r\nHost")
        assert rest(connection) == b""


def test_a_head_without_end_is_cut_off() -> None:
    with serving(Application()) as port, socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nX: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                connection.sendall(b"x" * 1000)
        rest(connection)


@pytest.mark.withstands("overload")
def test_the_surplus_is_told_to_come_back_and_the_rest_is_answered() -> None:
    app = Application()
    app.open.clear()
    answers: list[httpx.Response] = []
    hands: Any = Hands()
    with serving(app, metrics=hands) as port:
        in_hand = [threading.Thread(target=lambda: answers.append(ask(port, b"x"))) for _ in range(THREADS + 2)]
        for thread in in_hand:
            thread.start()
        hands.hold(THREADS + 2)
        began = time.monotonic()
        surplus = ask(port, b"x" * 50_000)
        assert time.monotonic() - began < 2
        assert (surplus.status_code, surplus.headers["Retry-After"]) == (503, "1")
        assert json.loads(surplus.content)["resourceType"] == "OperationOutcome"
        app.open.set()
        for thread in in_hand:
            thread.join(10)
        assert [answer.status_code for answer in answers] == [200] * (THREADS + 2)
        assert ask(port, b"x").status_code == 200


@pytest.mark.withstands("overload")
def test_the_surplus_is_answered_with_the_header_fields_of_any_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    origin = "https://ehr.example.org"
    app = create_app(Settings(cors_origins=(origin,)))
    with alone() as place, listening(front_of(app, place)) as port:

        def discovered(**headers: str) -> httpx.Response:
            return httpx.get(f"http://127.0.0.1:{port}/cds-services", headers=headers, trust_env=False)

        answered = [discovered(Origin=origin), discovered(Origin="https://elsewhere.example.org")]
        monkeypatch.setattr(front, "FEW", -1)
        monkeypatch.setattr(front, "MOST_WAIT_SECONDS", -1.0)
        shed = [discovered(Origin=origin), discovered(Origin="https://elsewhere.example.org")]
    assert [answer.status_code for answer in answered + shed] == [200, 200, 503, 503]
    own = {"content-length", "etag", "date", "retry-after", "connection", "x-request-id", "cache-control"}
    for usual, surplus in zip(answered, shed, strict=True):
        named = [{k: v for k, v in each.headers.items() if k not in own} for each in (usual, surplus)]
        assert named[0] == named[1]
    assert shed[0].headers["Access-Control-Allow-Origin"] == origin
    assert "Access-Control-Allow-Origin" not in shed[1].headers
    ids = {answer.headers["X-Request-ID"] for answer in answered + shed}
    assert len(ids) == 4
    assert shed[0].headers["X-Request-ID"] in shed[0].json()["issue"][0]["diagnostics"]


@pytest.mark.withstands("overload")
def test_a_call_whose_client_has_gone_is_not_begun() -> None:
    app = Application()
    app.open.clear()
    hands: Any = Hands()
    with serving(app, metrics=hands) as port:
        first = threading.Thread(target=ask, args=(port, b"first"))
        first.start()
        until(lambda: len(app.asked) == 1)
        with head(port, "Content-Length: 4") as connection:
            connection.sendall(b"gone")
            hands.hold(2)
        hands.hold(1)
        app.open.set()
        first.join(10)
        assert ask(port, b"last").status_code == 200
    assert app.asked == [("/", b"first"), ("/", b"last")]


def test_a_call_that_waited_too_long_is_not_begun() -> None:
    app = Application()
    app.open.clear()
    answers: list[httpx.Response] = []
    hands: Any = Hands()
    with serving(app, patience_seconds=0.5, metrics=hands) as port:
        threads = [threading.Thread(target=lambda: answers.append(ask(port, b"x"))) for _ in range(2)]
        for thread in threads:
            thread.start()
        hands.hold(2)
        until(lambda: bool(app.asked))
        time.sleep(0.6)
        app.open.set()
        for thread in threads:
            thread.join(10)
    assert sorted(answer.status_code for answer in answers) == [200, 503]
    assert len(app.asked) == 1


@pytest.mark.withstands("large bodies")
def test_a_large_body_is_read_only_after_its_token_was_checked() -> None:
    app = Application()
    tokens: list[tuple[str | None, str]] = []

    def verify(authorization: str | None, path: str) -> object:
        tokens.append((authorization, path))
        if authorization != "Bearer good":
            raise Unauthorized("no")
        return "caller"

    with serving(app, verify=verify) as port:
        with head(port, "Content-Length: 90000", "Authorization: Bearer bad") as connection:
            assert connection.recv(1000).startswith(b"HTTP/1.1 401")
        assert app.asked == [("/x", b"")]
        assert ask(port, b"x" * 90_000, "/y", Authorization="Bearer good").status_code == 200
        assert ask(port, b"small", "/z").status_code == 200  # the application checks it
    assert tokens == [("Bearer bad", "/x"), ("Bearer good", "/y")]


class Broken(Application):
    """Fails before it answers."""

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        raise KeyError("secret")


def test_a_failure_before_the_application_is_answered() -> None:
    with serving(Broken()) as port:
        answer = ask(port, b"x")
    assert answer.status_code == 500
    assert b"secret" not in answer.content


def test_requests_without_a_body_are_answered_while_others_are_in_hand() -> None:
    class Slow(Application):
        def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
            time.sleep(0.02)
            return super().__call__(environ, start)

    with serving(Slow()) as port:
        answers: list[int] = []
        asking = [
            threading.Thread(
                target=lambda: answers.append(httpx.get(f"http://127.0.0.1:{port}/", timeout=20).status_code)
            )
            for _ in range(THREADS)
        ]
        for one in asking:
            one.start()
        for one in asking:
            one.join()
    assert answers == [200] * THREADS
