"""Bytes, guided by coverage, get an answer or a refusal. ``FUZZ_SECONDS=3600`` looks for an hour."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = int(os.environ.get("FUZZ_SECONDS", "15"))
LOADING_SECONDS = 120


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + LOADING_SECONDS + 10)
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris has no wheel for this machine")
def test_whatever_bytes_come_they_are_answered_or_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz.request_reader", str(tmp_path), f"-max_total_time={SECONDS}"]
    ran = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS + LOADING_SECONDS, errors="replace"
    )
    assert ran.returncode == 0, f"the input is in tests/fuzz/findings\n{ran.stdout[-4000:]}\n{ran.stderr[-4000:]}"
    done = re.search(r"Done (\d+) runs", ran.stderr)
    assert done
    assert int(done.group(1)) > len(list(tmp_path.glob("seed-*"))), "no input but the seeds was tried"
