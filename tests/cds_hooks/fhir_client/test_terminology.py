"""A terminology server expands our sets: in pages or at once, and whatever goes wrong leaves no half a table."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodrome.cds_hooks.command_line.cli import main
from prodrome.cds_hooks.fhir_client import Failure, expand, terminology
from prodrome.cds_hooks.settings import SettingsError, load_settings
from prodrome.rules.guideline import load_guideline

BASE = "https://terminology.example.org/fhir"


def fake(codes: list[str], *, cap: int = 1_000, total: bool = True, pages: bool = True) -> httpx.Client:
    """A server that knows these codes for every expression. ``cap``: most it sends in a page."""

    def answer(request: httpx.Request) -> httpx.Response:
        asked = request.url.params
        assert request.url.path == "/fhir/ValueSet/$expand"
        assert asked["url"].startswith("http://snomed.info/sct?fhir_vs=ecl/")
        start = int(asked["offset"]) if pages else 0
        size = min(int(asked["count"]), cap) if pages else len(codes)
        contains = [
            {"system": "http://snomed.info/sct", "code": code, "display": f"Disorder {code}"}
            for code in codes[start : start + size]
        ]
        expansion: dict[str, Any] = {"timestamp": "2026-06-15", "offset": start, "contains": contains}
        if total:
            expansion["total"] = len(codes)
        return httpx.Response(
            200,
            content=json.dumps({"resourceType": "ValueSet", "expansion": expansion}),
            headers={"Content-Type": "application/fhir+json;charset=utf-8"},
        )

    return client(answer)


def client(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.Client:
    return httpx.Client(transport=httpx.MockTransport(answer))


@given(
    count=st.integers(0, 40), cap=st.integers(1, 50), total=st.booleans(), size=st.integers(1, 20), pages=st.booleans()
)
def test_all_codes_come_however_they_are_paged(count: int, cap: int, total: bool, size: int, pages: bool) -> None:
    codes = [str(n) for n in range(1_000, 1_000 + count)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terminology, "_PAGE_SIZE", size)
        found = expand(fake(codes, cap=cap, total=total, pages=pages), BASE, "<< 195967001")
    assert list(found) == codes


def test_headings_count_not_and_what_is_below_them_does() -> None:
    below = {"code": "2", "display": "two"}
    contains = [{"display": "heading", "abstract": True, "code": "1", "contains": [below]}, {"code": "LP7"}]
    body = {"resourceType": "ValueSet", "expansion": {"contains": contains}}
    assert expand(client(lambda _: httpx.Response(200, json=body)), BASE, "x") == {"2": "two"}


OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "too-costly"}]}


def unreachable(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("no")


def silent(_: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("late")


FAULTS: dict[str, tuple[Callable[[httpx.Request], httpx.Response], str]] = {
    "too costly": (lambda _: httpx.Response(422, json=OUTCOME), "refuses (422, too-costly)"),
    "no ECL": (lambda _: httpx.Response(400, json=OUTCOME | {"issue": []}), "refuses (400)"),
    "no token": (lambda _: httpx.Response(401), "refuses (401)"),
    "an outcome": (lambda _: httpx.Response(200, json=OUTCOME), "something else than an expansion, too-costly"),
    "a page of the web": (lambda _: httpx.Response(200, html="<p>"), "something else than an expansion"),
    "half of it": (
        lambda request: httpx.Response(
            200,
            json={
                "resourceType": "ValueSet",
                "expansion": {
                    "total": 5,
                    "contains": [{"code": "1"}] if request.url.params["offset"] == "0" else [],
                },
            },
        ),
        "sends 1 codes where it says there are 5",
    ),
    "the same page for ever": (
        lambda _: httpx.Response(
            200, json={"resourceType": "ValueSet", "expansion": {"total": 5, "contains": [{"code": "1"}]}}
        ),
        "repeats its pages without end",
    ),
    "nobody there": (unreachable, "cannot be reached"),
    "no answer": (silent, "did not answer in time"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told(fault: str) -> None:
    answer, text = FAULTS[fault]
    with pytest.raises(Failure) as failure:
        expand(client(answer), BASE, "<< 1")
    assert text in failure.value.text


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    """The command's client reaches a server that knows 999000001 for every expression."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        contains = [{"code": "999000001", "display": 'Asthma, "rare"'}]
        return httpx.Response(200, json={"resourceType": "ValueSet", "expansion": {"total": 1, "contains": contains}})

    real = httpx.Client

    def connected(**more: Any) -> httpx.Client:
        return real(transport=httpx.MockTransport(answer), **more)

    monkeypatch.setattr("prodrome.cds_hooks.command_line.codes.httpx.Client", connected)
    return asked


def test_the_command_writes_a_table_that_is_read_beside_ours(
    server: list[httpx.Request], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "more.csv"
    monkeypatch.setenv("TERMINOLOGY_TOKEN", "t")
    assert main(("codes", "expand", BASE, "--out", str(table), "--set", "asthma")) == 0
    assert [request.headers["Authorization"] for request in server] == ["Bearer t"]
    assert BASE in table.read_text().splitlines()[0]
    snomed = "http://snomed.info/sct"
    assert not load_guideline().sets_of(snomed, "999000001")
    assert load_guideline().with_codes(table).sets_of(snomed, "999000001") == {"asthma"}
    changed = load_guideline().with_codes(table).with_parameters({"min_age": 12})
    assert changed.sets_of(snomed, "999000001") == {"asthma"}
    assert changed.value("min_age") == 12
    capsys.readouterr()
    monkeypatch.setenv("PRODROME_MORE_CODES", str(table))
    assert main(("codes", "lookup", "snomed|999000001")) == 0
    assert capsys.readouterr().out == "code set asthma (more.csv)\n"


def test_every_set_we_have_an_expression_for_is_asked(server: list[httpx.Request], tmp_path: Path) -> None:
    table = tmp_path / "more.csv"
    assert main(("codes", "expand", BASE, "--out", str(table))) == 0
    expressions = load_guideline().expressions()
    assert expressions.keys() <= load_guideline().code_sets.keys()
    assert len(server) == len(expressions) > 50


def test_a_fault_leaves_the_table_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    real = httpx.Client

    def refusing(**more: Any) -> httpx.Client:
        return real(transport=httpx.MockTransport(lambda _: httpx.Response(422, json=OUTCOME)), **more)

    monkeypatch.setattr("prodrome.cds_hooks.command_line.codes.httpx.Client", refusing)
    table = tmp_path / "more.csv"
    table.write_text("before")
    assert main(("codes", "expand", BASE, "--out", str(table))) == 1
    assert "refuses (422, too-costly). Nothing was written." in capsys.readouterr().err
    assert table.read_text() == "before"


def test_a_set_without_an_expression_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(("codes", "expand", BASE, "--out", str(tmp_path / "x.csv"), "--set", "asthmaa")) == 2
    assert "asthmaa" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", [None, "set,system,code,meaning\nastma,snomed,1,x\n", "set,system,code\nasthma,snomed,1\n"]
)
def test_a_table_that_cannot_be_read_stops_the_start(content: str | None, tmp_path: Path) -> None:
    table = tmp_path / "more.csv"
    if content is not None:
        table.write_text(content)
    with pytest.raises(SettingsError) as error:
        load_settings(overrides={"more_codes": table})
    assert "more.csv" in str(error.value)
