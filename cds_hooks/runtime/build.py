"""Whether what reads charts and judges runs as Python, or compiled as ``make wheel`` makes it."""

import sys

from prodrome.rules.engine import Fact


def is_compiled() -> bool:
    """Whether mypyc compiled the rules and the mappers. The answers are the same, and come sooner."""
    return not str(sys.modules[Fact.__module__].__file__).endswith(".py")
