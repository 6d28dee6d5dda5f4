"""The table of attacks: one row each, printed after the run."""

from collections.abc import Callable

import pytest
from _pytest.terminal import TerminalReporter

Row = Callable[[str, str, str], None]

_ROWS = pytest.StashKey[list[tuple[str, str, str]]]()


@pytest.fixture
def row(pytestconfig: pytest.Config) -> Row:
    """Note what came of an attack: against what, which attack, the outcome."""
    rows = pytestconfig.stash.setdefault(_ROWS, [])
    return lambda where, attack, outcome: rows.append((where, attack, outcome))


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash.get(_ROWS, [])
    if rows:
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        terminalreporter.section("attacks tried, and what came of them")
        for where, attack, outcome in rows:
            terminalreporter.write_line(f"{where:{widths[0]}}  {attack:{widths[1]}}  {outcome}")
