"""Two commits side by side: ``python -m bench.compare BASE``. What changed by more than a tenth is said.

Each commit is measured in processes of its own that take turns, so that a slow moment of the machine meets both; what
is compared are medians of CPU time. The exit status is 1 where a call costs over a tenth more than at BASE.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("cds_hooks", "fhir_mappers", "rules", "templates", "examples")
NAMES = ("small", "typical", "heavy")
TENTH = 0.1

# Written so that commits of long ago run it, too: it needs an application and nothing else of theirs.
MEASURE = """
import json, logging, re, statistics, sys, time
from pathlib import Path
sys.path[:] = [place for place in sys.path if "__editable__" not in place]  # the tree of this environment
sys.meta_path[:] = [finder for finder in sys.meta_path if "ditable" not in repr(finder)]
from prodrome.cds_hooks.settings import Settings
from prodrome.cds_hooks.web.app import create_app
logging.getLogger("prodrome").addHandler(logging.NullHandler())
logging.getLogger("prodrome").propagate = False
client = create_app(Settings(today="2026-06-15")).test_client()
found = {}
for name in sys.argv[2:]:
    asked = json.loads(Path(sys.argv[1], name + ".json").read_bytes())["request_by_kind"]
    services = client.get("/cds-services").get_json()["services"]
    service = next(one for one in services if one["hook"] == asked["hook"])
    kinds = {key: re.match("[A-Za-z]+", template).group() for key, template in service["prefetch"].items()}
    prefetch = {key: asked["prefetch"].get(kind) for key, kind in kinds.items()}
    body, times = json.dumps({**asked, "prefetch": prefetch}).encode(), []
    for _ in range(60):
        began = time.process_time()
        answer = client.post("/cds-services/" + service["id"], data=body, content_type="application/json")
        times.append(time.process_time() - began)
        assert answer.status_code == 200, answer.data
    found[name] = statistics.median(times[20:]) * 1000
print(json.dumps(found))
"""


def measured(tree: Path, folder: Path) -> dict[str, float]:
    """Milliseconds of CPU of each call, as the code in *tree* answers it."""
    root = folder / f"root-{tree.name}" / "prodrome"
    if not root.exists():
        root.mkdir(parents=True)
        for room in ROOMS:
            (root / room).symlink_to(tree / room)
    command = [sys.executable, "-c", MEASURE, str(ROOT / "bench" / "requests"), *NAMES]
    environment = {**os.environ, "PYTHONPATH": str(root.parent)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{tree.name} cannot be measured:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> int:
    """Print both, and the difference."""
    arguments = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    arguments.add_argument("base", metavar="BASE", help="a commit")
    arguments.add_argument("--rounds", type=int, default=3)
    asked = arguments.parse_args()
    slower = False
    with tempfile.TemporaryDirectory() as name:
        folder, base = Path(name), Path(name, "base")
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", base, asked.base], cwd=ROOT, check=True)
        try:
            pairs = [(measured(base, folder), measured(ROOT, folder)) for _ in range(asked.rounds)]
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", base], cwd=ROOT, check=True)
    print(f"{'request':8} {'base ms':>8} {'now ms':>8} {'now/base':>8}")
    for request in NAMES:
        before, now = (statistics.median(pair[which][request] for pair in pairs) for which in (0, 1))
        ratio = statistics.median(after[request] / first[request] for first, after in pairs)
        said = "" if abs(ratio - 1) <= TENTH else "  slower" if ratio > 1 else "  faster"
        print(f"{request:8} {before:8.2f} {now:8.2f} {ratio:8.2f}{said}")
        slower |= ratio > 1 + TENTH
    return int(slower)


if __name__ == "__main__":
    sys.exit(main())
