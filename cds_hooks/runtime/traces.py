"""Traces for OpenTelemetry (the extra ``otel``): one span for a call and one for each of its stages.

The trace of the client is taken over and handed on to its FHIR server (W3C Trace Context). Baggage, which may say
anything, is not. No span says anything of a chart, a user or a token.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from prodrome.rules import ConfigurationError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.trace import Tracer
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

NAME = "prodrome"
EXTRA = "prodrome-cds[otel]"
REQUEST_ID = "prodrome.request_id"
"""Under which the id of a request stands in its span and in its WSGI environment."""

_provider: "TracerProvider | None" = None
_tracer: "Tracer | None" = None


class TracesUnavailable(ConfigurationError):
    """Traces were asked for, and what makes them is not installed."""


def check_traces() -> None:
    """Raise :class:`TracesUnavailable` where OpenTelemetry is not installed."""
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter
        import opentelemetry.sdk.trace  # noqa: F401
    except ImportError as error:
        raise TracesUnavailable(f"traces: OpenTelemetry is not installed: pip install '{EXTRA}'") from error


def begin_traces(processor: "SpanProcessor | None" = None) -> None:
    """Trace the calls of this process from now on.

    Spans go to *processor*; without one in batches to the collector that the OTEL_EXPORTER_OTLP_ variables name
    (OTLP over HTTP, http://localhost:4318 by default). A process that is forked later begins anew.
    """
    global _provider, _tracer
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider

    if processor is None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        processor = BatchSpanProcessor(OTLPSpanExporter())
    resource = Resource({"service.name": NAME}).merge(OTELResourceDetector().detect())
    _provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    _provider.add_span_processor(processor)
    _tracer = _provider.get_tracer(NAME)


def end_traces() -> None:
    """Send what is not sent yet, and trace no more."""
    global _provider, _tracer
    if _provider is not None:
        _provider.shutdown()
    _provider = _tracer = None


@contextmanager
def traced_call(method: str, headers: Mapping[str, str]) -> Iterator[None]:
    """The span of one call. *headers*: the ``traceparent`` and ``tracestate`` of the client, where it sent them."""
    if _tracer is None:
        yield
        return
    from opentelemetry.trace import SpanKind

    within = _w3c().extract(headers)
    with _tracer.start_as_current_span(method, within, SpanKind.SERVER, record_exception=False) as span:
        span.set_attribute("http.request.method", method)
        yield


def tell_trace(method: str, route: str | None, status: int, request_id: str) -> None:
    """Say of the call in hand what was asked and how it was answered."""
    if _tracer is None:
        return
    from opentelemetry.trace import StatusCode, get_current_span

    span = get_current_span()
    span.set_attribute("http.response.status_code", status)
    span.set_attribute(REQUEST_ID, request_id)
    if route is not None:
        span.set_attribute("http.route", route)
        span.update_name(f"{method} {route}")
    if status >= 500:
        span.set_status(StatusCode.ERROR)


def stage(name: str) -> AbstractContextManager[object]:
    """The span of one stage of the call in hand."""
    if _tracer is None:
        return _NOTHING
    # What an exception says may quote a chart: that there was one is told by the call's status.
    return _tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False)


def trace_headers() -> dict[str, str]:
    """The header fields by which another server takes this trace over."""
    headers: dict[str, str] = {}
    if _tracer is not None:
        _w3c().inject(headers)
    return headers


def _w3c() -> "TraceContextTextMapPropagator":
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator()


_NOTHING = nullcontext()
