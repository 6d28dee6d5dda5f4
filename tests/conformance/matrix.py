"""The requirements, and which test shows which."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from prodrome.cds_hooks.protocol import Requirement as Requirement
from prodrome.cds_hooks.protocol import requirements as requirements

HERE = Path(__file__).parent
LEVELS = ("MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY")


def not_applicable() -> Mapping[str, str]:
    """The requirements that bind no service as this one is, with the reason."""
    return dict(yaml.safe_load((HERE / "not_applicable.yaml").read_text(encoding="utf-8")))


class Shown:
    """A pytest plugin that notes which tests carry which id on a marker (which requirement), and how they went."""

    def __init__(self, marker: str = "requirement") -> None:
        self.marker = marker
        self.outcomes: dict[str, str] = {}
        self.tests: defaultdict[str, list[str]] = defaultdict(list)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            for marker in item.iter_markers(self.marker):
                for id_ in marker.args:
                    self.tests[id_].append(item.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.nodeid] = report.outcome

    def result(self, id_: str) -> str:
        """How the tests of an id went, the worst first."""
        outcomes = {self.outcomes.get(test, "not run") for test in self.tests[id_]}
        return next((bad for bad in ("failed", "not run", "skipped") if bad in outcomes), "passed")
