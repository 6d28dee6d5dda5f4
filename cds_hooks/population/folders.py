"""Where an export lies: a folder of this machine, or another place that can list its files and read parts of them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from prodrome.rules import ProdromeError


class ExportError(ProdromeError):
    """The folder is no export that can be read. The text says what was expected and what was found."""


class Folder(Protocol):
    """Where an export lies. It travels to the processes that read it, and its text is its name."""

    @property
    def forkable(self) -> bool:
        """Whether a process that has read from it may be forked."""
        ...

    def sizes(self) -> Mapping[str, int]:
        """Every file below, by its path, and its bytes. Raises :class:`ExportError`."""
        ...

    def open(self, file: str) -> BinaryIO:
        """A file to read from, anywhere in it. Raises :class:`ExportError`, now or in reading."""
        ...


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """A folder of this machine; where ``below`` names some folders in it, these alone."""

    root: Path
    below: tuple[Path, ...] = ()

    @property
    def forkable(self) -> bool:
        """Always."""
        return True

    def sizes(self) -> dict[str, int]:
        """The plain files: what a link leads to may be one, and is in no circle. Raises OSError for a closed folder."""
        found = {
            Path(folder, name)
            for top in self.below or (self.root,)
            for folder, _, names in os.walk(top, onerror=_raise)
            for name in names
        }
        return {str(path.relative_to(self.root)): path.stat().st_size for path in sorted(found) if path.is_file()}

    def open(self, file: str) -> BinaryIO:
        """The file."""
        return (self.root / file).open("rb")

    def __str__(self) -> str:
        return str(self.root)


def _raise(error: OSError) -> None:
    """Files in a folder that cannot be looked into would be left out, and nobody told."""
    raise error


def local(*folders: Path) -> LocalFolder:
    """Some folders of this machine as one. Raises :class:`ExportError` where there is none."""
    for folder in folders:
        if not folder.is_dir():
            raise ExportError(f"{folder}: expected a folder with the NDJSON files of a bulk export, found no folder.")
    if len(folders) == 1:
        return LocalFolder(folders[0])
    below = tuple(folder.resolve() for folder in folders)
    return LocalFolder(Path(os.path.commonpath(below)), below)
