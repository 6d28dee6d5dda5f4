"""Options and Hypothesis profiles of all tests.

Hypothesis tries few cases while working, many in CI (``HYPOTHESIS_PROFILE=ci``), more on demand (``long``).
"""

import os

import pytest
from hypothesis import HealthCheck, settings

_SLOW_MACHINE = [HealthCheck.too_slow]
settings.register_profile("default", max_examples=50, deadline=None, suppress_health_check=_SLOW_MACHINE)
settings.register_profile("ci", max_examples=500, deadline=None, derandomize=True, suppress_health_check=_SLOW_MACHINE)
settings.register_profile("long", max_examples=20_000, deadline=None, suppress_health_check=_SLOW_MACHINE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the cards of tests/golden/ anew")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes that are no text by their argument.

    An archive holds the second it was made in: two processes that collect it would name one test in two ways.
    """
    return argname if isinstance(val, bytes) and not (val.isascii() and val.decode().isprintable()) else None


pytest_plugins = ["tests.databases"]
