"""What of a wheel is compiled: with PRODROME_COMPILE=1 (``make wheel``) what reads charts and judges, else nothing.

Compiled or not, the answers are the same; ``prodrome --version`` and ``/health`` say which runs.
"""

import os
from pathlib import Path

from setuptools import Extension, setup

ROOT = Path("build/import-root/prodrome")
ROOMS = ("fhir_mappers", "rules")
LEFT = frozenset(
    {
        "__init__",
        "errors",
        "fact_types",
        "kinds",
        "necessity",
        "rows",
        "site_codes",
        "taken_for",
        "understanding",
        "units",
    }
)
"""What no call spends time in, or is data."""
OF_THE_ENGINE = ("evaluation", "matching", "narrowing")
"""What each call spends time in; the rest of the engine reads files, or calls what is compiled already."""


def extensions() -> list[Extension]:
    """The modules that mypyc compiles, found in the installed layout, which is laid as links."""
    if os.environ.get("PRODROME_COMPILE") != "1":
        return []
    from mypyc.build import mypycify

    ROOT.mkdir(parents=True, exist_ok=True)
    for room in ROOMS:
        if not (ROOT / room).exists():
            (ROOT / room).symlink_to(Path("../../..", room))
    paths = [path for room in ROOMS for path in sorted((ROOT / room).glob("*.py")) if path.stem not in LEFT]
    paths += [ROOT / "rules" / "engine" / f"{name}.py" for name in OF_THE_ENGINE]
    # Each module apart: gcc needs 3 GB for all of them together, and what did not change is not compiled again.
    return mypycify(["--explicit-package-bases", *map(str, paths)], opt_level="1", separate=True)


setup(ext_modules=extensions())
