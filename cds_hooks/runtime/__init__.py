"""What the calls of one process share while they run: whose turn it is to compute, the trace of each, which build."""

from prodrome.cds_hooks.runtime.build import is_compiled
from prodrome.cds_hooks.runtime.garbage import collect_seldom
from prodrome.cds_hooks.runtime.jobs import Jobs
from prodrome.cds_hooks.runtime.traces import (
    REQUEST_ID,
    TracesUnavailable,
    begin_traces,
    check_traces,
    end_traces,
    stage,
    tell_trace,
    trace_headers,
    traced_call,
)
from prodrome.cds_hooks.runtime.turns import Turn, waiting

__all__ = [
    "REQUEST_ID",
    "Jobs",
    "TracesUnavailable",
    "Turn",
    "begin_traces",
    "check_traces",
    "collect_seldom",
    "end_traces",
    "is_compiled",
    "stage",
    "tell_trace",
    "trace_headers",
    "traced_call",
    "waiting",
]
