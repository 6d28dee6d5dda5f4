"""``prodrome completion SHELL``: what a shell needs to complete commands and options."""

import argparse

from argcomplete.shell_integration import shellcode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which shell."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))


def run(asked: argparse.Namespace) -> int:
    """Print the shell's code; it asks this program what may come next."""
    print(shellcode(["prodrome"], shell=asked.shell))
    return 0
