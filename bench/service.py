"""A service of its own for measurements: started as a site starts it, asked over HTTP; and what it costs."""

import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.processes import processes

REQUESTS = Path(__file__).parent / "requests"
TODAY = "2026-06-15"


@dataclass(frozen=True)
class Service:
    """A running service: its port and the processes it is made of, the one that answers nothing first."""

    port: int
    process: int

    def processes(self) -> list[int]:
        """The process and its children."""
        return [self.process, *[number for number, one in processes().items() if one.parent == self.process]]

    def cpu_ms(self) -> float:
        """CPU time of all processes so far, in milliseconds."""
        there = processes()
        return sum(one.cpu for number, one in there.items() if self.process in (number, one.parent)) * 1000

    def own_mb(self) -> list[float]:
        """Memory that each process that answers has for itself, in MB."""
        return [_private_mb(process) for process in self.processes()[1:]]

    def asked(self, name: str) -> tuple[str, bytes]:
        """Path and body of one of the measured requests, its prefetch under the keys of this service."""
        document = json.loads((REQUESTS / f"{name}.json").read_bytes())["request_by_kind"]
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/cds-services") as answer:
            services = json.load(answer)["services"]
        service = next(service for service in services if service["hook"] == document["hook"])
        body = json.dumps({**document, "prefetch": filled(document, service)}).encode()
        return f"/cds-services/{service['id']}", body


def filled(document: dict[str, Any], service: dict[str, Any]) -> dict[str, Any]:
    """The prefetch of a request that has its resources by kind."""
    kinds = {key: re.match(r"[A-Za-z]+", template) for key, template in service["prefetch"].items()}
    return {key: document["prefetch"].get(kind.group() if kind else "") for key, kind in kinds.items()}


def _private_mb(process: int) -> float:
    said = Path(f"/proc/{process}/smaps_rollup").read_text()
    return sum(int(size) for size in re.findall(r"^Private_\w+:\s+(\d+) kB", said, re.MULTILINE)) / 1024


@contextmanager
def serving(workers: int) -> Iterator[Service]:
    """A service with a database file and its log written, as a site runs it."""
    command = [str(Path(sys.executable).with_name("prodrome")), "serve", "--port", "0", "--workers", str(workers)]
    with tempfile.TemporaryDirectory() as folder, Path(folder, "log").open("wb") as log:
        Path(folder, "prodrome.toml").write_text(f"today = {TODAY}\n", encoding="utf-8")
        process = subprocess.Popen([*command], cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            printed = process.stdout.readline()
            port = re.search(r":(\d+)/", printed)
            assert port, Path(folder, "log").read_text(encoding="utf-8")
            time.sleep(0.2)
            yield Service(int(port.group(1)), process.pid)
        finally:
            process.terminate()
            process.wait(30)
            assert process.stdout is not None
            process.stdout.close()
