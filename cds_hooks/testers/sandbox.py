"""The settings a try with the CDS Hooks sandbox starts from."""

from pathlib import Path

SANDBOX_SETTINGS = Path(__file__).with_name("sandbox.toml")
