"""What ``docs/population.md`` shows: its commands run over an export of examples, and their output in the page."""

import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from prodrome.cds_hooks.command_line.cli import main
from tests.cds_hooks.population.exports import examples, healthy, write_export

FILE = Path(__file__).parents[2] / "docs" / "population.md"
_SHOWN = re.compile(r"^```sh\n(?P<commands>[^`]*?)^```\n\n```text\n[^`]*?^```$", re.MULTILINE)
STRICTER = "[parameters]\nresistant_min_classes = 4\n"


def text(folder: Path) -> str:
    """The page, each block of output as its commands give it in ``folder``."""
    write_export(folder / "EXPORT", [*examples(), *healthy(200)])
    (folder / "stricter.toml").write_text(STRICTER)

    def shown(block: re.Match[str]) -> str:
        commands = block["commands"]
        return f"```sh\n{commands}```\n\n```text\n{''.join(_outputs(commands))}```"

    with contextlib.chdir(folder):
        return _SHOWN.sub(shown, FILE.read_text(encoding="utf-8"))


def _outputs(commands: str) -> Iterator[str]:
    for command in commands.splitlines():
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
            status = main([*shlex.split(command)[1:], *(("--workers", "2") if "compare" not in command else ())])
        if status:
            raise RuntimeError(f"{command}: ended with {status}")
        yield said.getvalue()


if __name__ == "__main__":
    os.environ.pop("PRODROME_SETTINGS", None)
    with tempfile.TemporaryDirectory() as scratch:
        FILE.write_text(text(Path(scratch)), encoding="utf-8")
    sys.exit(0)
