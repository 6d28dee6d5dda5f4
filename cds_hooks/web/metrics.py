"""Counts and times for Prometheus, of all processes of a service together.

What a call adds is kept in plain numbers, and written about once a second, and before a page is made, to the files in
which the library brings processes together.

A label is only ever a word from a closed list of ours: a service, a rule, a kind of resource that is read, a stage, the
host of a FHIR server the site named. Nothing a caller or a chart says becomes one.
"""

import os
import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from prodrome.cds_hooks.consultation import Consultation
from prodrome.cds_hooks.environment import Environment

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder in which processes bring their numbers together; read when metrics are made."""
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
OTHER = "other"
_REASONS = frozenset({"not an object", "draft order, not an object", "draft order, of a kind that is not read"})


class Metrics:
    """The numbers of this process, and the page that shows those of all."""

    def __init__(
        self, environment: Environment, key_set_ages: Callable[[], Mapping[str, float]] = lambda: MappingProxyType({})
    ) -> None:
        # Here and not above: it looks once, when it is imported, whether several processes count together.
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._environment = environment
        self._key_set_ages = key_set_ages
        self._lock = threading.Lock()
        self._counted: dict[Any, int] = {}  # by the part of a metric
        self._took: defaultdict[str, _Times] = defaultdict(_Times)  # by the stage
        self.calls_in_hand: Callable[[], int] = lambda: 0
        """How many wait or are being answered in this process."""
        self._registry = registry = CollectorRegistry()
        self._calls = _Labelled(
            Counter(
                "prodrome_calls",
                "Calls, by service or route, and status.",
                ("service", "status"),
                registry=registry,
            )
        )
        self._stages = _Labelled(
            Histogram(
                "prodrome_stage_seconds",
                "How long each stage of a call took; whole is the call from its last byte on.",
                ("stage",),
                buckets=_SECONDS,
                registry=registry,
            )
        )
        self._cards = _Labelled(Counter("prodrome_cards", "Cards shown.", ("rule", "indicator"), registry=registry))
        self._unjudged = _Labelled(
            Counter(
                "prodrome_unjudged", "Rules not judged for want of a kind of data.", ("rule", "kind"), registry=registry
            )
        )
        self._skipped = _Labelled(
            Counter(
                "prodrome_skipped_rows", "Rows of charts that could not be read.", ("kind", "reason"), registry=registry
            )
        )
        self._fhir = _Labelled(
            Counter("prodrome_fhir_queries", "Queries to FHIR servers.", ("host", "outcome"), registry=registry)
        )
        self._disagreements = Counter(
            "prodrome_engine_disagreements", "Calls in which the two matchers differed.", registry=registry
        )
        self._shed = Counter("prodrome_shed_calls", "Calls told to come back.", registry=registry)
        self._in_hand = Gauge(
            "prodrome_calls_in_hand",
            "Calls not answered yet.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._database = Gauge(
            "prodrome_database_up",
            "1 where the database can be asked, in every process; else 0.",
            registry=registry,
            multiprocess_mode="livemin",
        )
        self._database.set(1)
        self._unwritten = Gauge(
            "prodrome_cards_unwritten",
            "Cards shown that the database does not hold yet.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._key_ages = _Labelled(
            Gauge(
                "prodrome_key_set_age_seconds",
                "Time since a key set was fetched.",
                ("host",),
                registry=registry,
                multiprocess_mode="livemax",
            )
        )
        servers = environment.settings.fhir_servers
        self._hosts = {server.url: urlsplit(server.url).hostname or OTHER for server in servers}

    def answered(self, service: str, status: int, seconds: float) -> None:
        """Count a call. *service* is the id of a service, or the route."""
        with self._lock:
            self._count(self._calls[service, status])
            self._took["whole"].add(seconds)

    def tell_state(self) -> None:
        """Write what was counted, and what is so now and changes by itself: to be called again and again."""
        with self._lock:
            counted, self._counted = self._counted, {}
            took, self._took = self._took, defaultdict(_Times)
        for part, number in counted.items():
            part.inc(number)
        for stage, times in took.items():
            times.write(self._stages[stage,])
        self._in_hand.set(self.calls_in_hand())
        store = self._environment.store
        if store is not None:
            self._unwritten.set(store.unwritten)
            self._database.set(0 if store.database.away else 1)
        for url, age in self._key_set_ages().items():
            self._key_ages[urlsplit(url).hostname or OTHER,].set(age)

    def consulted(self, consultation: Consultation, kinds: frozenset[str]) -> None:
        """Count what a consultation came to. *kinds* are the kinds of resource its service reads."""
        with self._lock:
            for stage, seconds in consultation.seconds.items():
                self._took[stage].add(seconds)
            for card in consultation.response["cards"]:
                self._count(self._cards[card["source"]["topic"]["code"], card["indicator"]])
            for unjudged in consultation.judgement.unjudged:
                for kind in unjudged.missing:
                    self._count(self._unjudged[unjudged.rule.id, kind])
            for row in consultation.facts.skipped:
                reason = row.why if row.why in _REASONS else "unreadable"
                self._count(self._skipped[row.kind if row.kind in kinds else OTHER, reason])
            if consultation.fetched:
                host = self._hosts.get(consultation.request.fhir_server or "", OTHER)
                failed = len(consultation.problems)
                self._count(self._fhir[host, "failed"], failed)
                self._count(self._fhir[host, "answered"], max(0, len(consultation.fetched) - failed))

    def _count(self, part: Any, number: int = 1) -> None:
        self._counted[part] = self._counted.get(part, 0) + number

    def disagreed(self) -> None:
        """Count a call in which the two matchers differed."""
        self._disagreements.inc()

    def shed(self) -> None:
        """Count a call that was told to come back."""
        self._shed.inc()

    def page(self) -> bytes:
        """The numbers of all processes, in the text format of Prometheus."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        self.tell_state()
        registry = self._registry
        if DIRECTORY in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


class _Times:
    """How long a stage took, many times: a histogram of the library is told of values one by one only."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._numbers = [0] * (len(_SECONDS) + 1)

    def add(self, seconds: float) -> None:
        self._seconds += seconds
        self._numbers[bisect_left(_SECONDS, seconds)] += 1

    def write(self, histogram: Any) -> None:
        histogram._sum.inc(self._seconds)
        for bucket, number in zip(histogram._buckets, self._numbers, strict=True):
            if number:
                bucket.inc(number)


class _Labelled(dict[tuple[object, ...], Any]):
    """A metric's parts by their labels, as the library makes them: it looks for them with three times the work."""

    def __init__(self, metric: Any) -> None:
        self._metric = metric

    def __missing__(self, labels: tuple[object, ...]) -> Any:
        part = self[labels] = self._metric.labels(*labels)
        return part


def forget(process: int) -> None:
    """Drop what a process that is gone said of itself; what it counted stays."""
    if DIRECTORY in os.environ:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(process)  # type: ignore[no-untyped-call]
