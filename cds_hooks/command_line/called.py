"""Commands printed so that they paste as they are, in the way this copy was called."""

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path


def called() -> str:
    """The word that runs this copy: ``prodrome`` where the shell finds it, else the way to it, quoted."""
    program = Path(sys.argv[0])
    if program.stem != "prodrome":  # within another program, as in tests
        program = Path(sys.executable).with_name("prodrome")
    found = shutil.which("prodrome")
    if found is not None and Path(found).resolve() == program.resolve():
        return "prodrome"
    return from_here(program)


def from_here(file: Path) -> str:
    """The way to a file as a shell takes it: from the working directory, where the file lies below that."""
    near = os.path.relpath(file)
    return shlex.quote(str(file) if near.startswith(os.pardir) else near)


def pasted(words: Sequence[str]) -> str:
    """Arguments as a shell takes them."""
    return shlex.join(words)
