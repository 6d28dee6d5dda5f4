"""What ``docs/knowledge.md`` shows: its commands run in a shell, and their output in the page."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.knowledge import toolchain

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "knowledge.md"
_SHOWN = re.compile(r"^```sh\n(?P<commands>[^`]*?)^```\n(?P<output>\n```text\n[^`]*?^```$)?", re.MULTILINE)
SECONDS = 600


def text(folder: Path, hapi: str | None = None) -> str:
    """The page, each block of output as its commands give it in ``folder``.

    What asks HAPI FHIR is run where its address is given, and else stays as it is.
    """
    toolchain.node()
    for name in ("examples", "tests"):
        (folder / name).symlink_to(ROOT / name)
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = {**os.environ, "PATH": path}
    environment.pop("PRODROME_SETTINGS", None)
    environment["HAPI"] = hapi or ""

    def shown(block: re.Match[str]) -> str:
        if hapi is None and "$HAPI" in block["commands"]:
            return block[0]
        # the packages are there already, and other tests may be running them; HAPI is where it was started
        commands = "\n".join(line for line in block["commands"].splitlines() if not line.startswith(("npm ", "HAPI=")))
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=folder,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        output = f"\n```text\n{done.stdout}```" if block["output"] else ""
        return f"```sh\n{block['commands']}```\n{output}"

    return _SHOWN.sub(shown, FILE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        FILE.write_text(text(Path(scratch), *sys.argv[1:]), encoding="utf-8")
