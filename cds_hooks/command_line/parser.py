"""A parser whose mistakes are told in one line."""

import argparse
import sys
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, with what was probably meant."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and exit with 2."""
        print(f"{self.prog}: {message}; {self.prog} --help lists what there is", file=sys.stderr)
        sys.exit(2)

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is not None and value not in action.choices:
            from prodrome.rules.engine import meant

            raise argparse.ArgumentError(action, f"{value!r} is unknown{meant(value, map(str, action.choices))}")
