"""What a trace of a call tells, whose trace it is part of, and what it never says."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from flask import Flask, Response, request
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from prodrome.cds_hooks import consultation
from prodrome.cds_hooks.runtime import TracesUnavailable, begin_traces, end_traces, trace_headers
from tests.serving import service, serving

EXAMPLE = orjson.loads((Path(__file__).parents[3] / "examples" / "order-sign-contraindicated.json").read_bytes())
ORDER_SIGN = "/cds-services/prodrome-order-sign"
STAGES = ["parse", "gather", "read", "judge", "cards"]
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    begin_traces(SimpleSpanProcessor(exporter))
    yield exporter
    end_traces()


def spans(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def context(span: ReadableSpan) -> tuple[str, str]:
    """Trace and span, as the W3C writes them."""
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"


def test_a_call_is_a_span_with_one_for_each_stage_in_the_trace_of_the_client(exported: InMemorySpanExporter) -> None:
    answer = service(traces=True).test_client().post(ORDER_SIGN, json=EXAMPLE, headers={"traceparent": TRACEPARENT})
    assert answer.status_code == 200
    found = exported.get_finished_spans()
    (call,) = [span for span in found if span.kind is SpanKind.SERVER]
    assert [span.name for span in found if span is not call] == STAGES
    assert call.name == "POST /cds-services/<service_id>"
    assert call.parent is not None
    assert context(call)[0] == TRACE
    assert f"{call.parent.span_id:016x}" == PARENT
    for span in found:
        assert span is call or (span.parent is not None and span.parent.span_id == call.context.span_id)
    assert call.attributes == {
        "http.request.method": "POST",
        "http.route": "/cds-services/<service_id>",
        "http.response.status_code": 200,
        "prodrome.request_id": answer.headers["X-Request-ID"],
    }
    assert call.resource.attributes["service.name"] == "prodrome"


def test_a_call_without_a_trace_begins_one(exported: InMemorySpanExporter) -> None:
    client = service(traces=True).test_client()
    for odd in ({}, {"traceparent": "no trace"}, {"traceparent": "00-" + "0" * 32 + "-" + "0" * 16 + "-01"}):
        exported.clear()
        assert client.get("/health", headers=odd).status_code == 200
        (call,) = exported.get_finished_spans()
        assert call.parent is None


def test_a_trace_that_is_not_sampled_is_not_kept(exported: InMemorySpanExporter) -> None:
    unsampled = f"00-{TRACE}-{PARENT}-00"
    answer = service(traces=True).test_client().post(ORDER_SIGN, json=EXAMPLE, headers={"traceparent": unsampled})
    assert answer.status_code == 200
    assert exported.get_finished_spans() == ()


def test_the_fhir_server_is_handed_the_trace_and_no_baggage(exported: InMemorySpanExporter) -> None:
    fhir = Flask("fhir")
    asked: list[dict[str, str]] = []

    @fhir.get("/<path:_>")
    def nothing(_: str) -> Response:
        asked.append(dict(request.headers))
        return Response(b'{"resourceType":"Bundle","type":"searchset","total":0}', content_type="application/fhir+json")

    with serving(fhir) as base:
        client = service(traces=True, fhir_servers=[{"url": base, "open": True}]).test_client()
        patient = {"resourceType": "Patient", "id": "p1", "birthDate": "1980-01-01"}
        call = {
            "hook": "patient-view",
            "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
            "fhirServer": base,
            "context": {"userId": "Practitioner/1", "patientId": "p1"},
            "prefetch": {"patient": patient},
        }
        headers = {"traceparent": TRACEPARENT, "tracestate": "ehr=1", "baggage": "patient=p1"}
        assert client.post("/cds-services/prodrome-patient-view", json=call, headers=headers).status_code == 200
    gather = spans(exported)["gather"]
    assert asked
    for headers in asked:
        assert headers["Traceparent"] == "00-{}-{}-01".format(*context(gather))
        assert headers["Tracestate"] == "ehr=1"
        assert "Baggage" not in headers


def marked(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: marked(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [marked(inner) for inner in value]
    return f"{value}zqxmark" if isinstance(value, str) else value


def test_no_span_repeats_what_a_caller_says(exported: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> None:
    client = service(traces=True).test_client()
    client.post(ORDER_SIGN, json={**EXAMPLE, "context": marked(EXAMPLE["context"])})
    client.open("/zqxmark?zqxmark=zqxmark", method="ZQXMARK", headers={"User-Agent": "zqxmark"})

    def fails(*_: object, **__: object) -> None:
        raise ValueError("zqxmark")

    monkeypatch.setattr(consultation, "judge", fails)
    assert client.post(ORDER_SIGN, json=EXAMPLE).status_code == 500
    found = exported.get_finished_spans()
    assert [span.attributes["http.response.status_code"] for span in found if span.kind is SpanKind.SERVER][-1] == 500  # type: ignore[index]
    assert found[-1].status.status_code is StatusCode.ERROR
    assert "zqxmark" not in "".join(span.to_json() for span in found).lower()


def test_nothing_is_traced_unless_asked(exported: InMemorySpanExporter) -> None:
    client = service().test_client()
    assert client.get("/health").status_code == 200
    assert exported.get_finished_spans() == ()
    end_traces()
    assert client.post(ORDER_SIGN, json=EXAMPLE, headers={"traceparent": TRACEPARENT}).status_code == 200
    assert trace_headers() == {}


def test_traces_without_the_extra_are_an_error_at_start_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(TracesUnavailable, match=r"pip install 'prodrome-cds\[otel\]'"):
        service(traces=True)
