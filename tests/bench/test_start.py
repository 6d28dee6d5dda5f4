"""What a start costs, in CPU time."""

import resource
import subprocess
import sys
import urllib.request

from bench.service import serving

LIBRARIES = "import flask, httpx, jinja2, pydantic_settings, sqlalchemy.orm"
"""What every start imports of others."""
MOST_TIMES = 5
"""CPU of a start, beside that of these imports in the same minute: 2.3 to 3 times where this was written."""


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_a_start_costs_a_few_times_what_importing_its_libraries_does() -> None:
    before = _of_children()
    subprocess.run([sys.executable, "-c", LIBRARIES], check=True)
    libraries = _of_children() - before
    with serving(1) as service:
        path, body = service.asked("small")
        json = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{service.port}{path}", body, json)
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200
        assert service.cpu_ms() / 1000 < MOST_TIMES * libraries
