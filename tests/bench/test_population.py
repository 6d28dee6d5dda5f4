"""The benchmark of a population prints its table, and what it says of memory and disk holds in small."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_table_is_printed_and_memory_and_disk_are_kept() -> None:
    asked = [sys.executable, "-m", "bench.population", "--costs-alone"]
    asked += ["--patients", "300", "--larger", "600", "--every", "30"]
    told = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    rows = dict(
        re.findall(r"^(\d+ \w+(?: \w+)?, .*?|CPU a patient.*?) {2,}([\d.e+-]+)  at ", told.stdout, re.MULTILINE)
    )
    assert {"300 sieved, patients/s/core", "30 all judged, patients/s/core"} <= set(rows), told.stderr
    assert float(rows["600 sieved, MB a worker"]) < 256
    assert float(rows["30 all judged, MB a worker"]) < 256
    assert float(rows["600 sieved, temporary files / export"]) < 0.1
