"""``prodrome --version``: what exactly is running."""

import platform
from importlib.metadata import version

from prodrome.cds_hooks.runtime import is_compiled
from prodrome.rules.engine import engine_in_force
from prodrome.rules.guideline import load_guideline


def versions() -> str:
    """The versions of program, rulebook and Python, the engine, and whether the rules are compiled, in one line."""
    rulebook = load_guideline().rulebook
    return (
        f"prodrome {version('prodrome-cds')}, rulebook {rulebook.version} of {rulebook.date},"
        f" Python {platform.python_version()}, engine {engine_in_force('checked')},"
        f" {'compiled' if is_compiled() else 'not compiled'}"
    )
