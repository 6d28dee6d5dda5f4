"""An export in an object store or on a web server: the extra ``cloud``, and the only use of obstore.

Credentials come from the environment, under the names that the clients of each store use (``AWS_*``, ``GOOGLE_*``,
``AZURE_*``). A web server cannot list a folder: there the manifest says what there is.
"""

import importlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO, cast
from urllib.parse import unquote, urljoin, urlsplit

from prodrome.cds_hooks.population.folders import ExportError

SCHEMES = ("s3", "gs", "az", "https", "http")
WEB = ("https", "http")
MANIFEST = "manifest.json"
BUFFER = 4 * 1024 * 1024
"""What one request asks for: fewer requests than batches, and no memory to speak of."""

_STATUS = re.compile(r"status code: (\d{3}(?: [A-Z][A-Za-z]+)*)")


@dataclass(frozen=True, slots=True)
class StoredFolder:
    """All that lies below an address (``s3://bucket/folder``, ``gs://``, ``az://container/folder``, ``https://``)."""

    address: str

    def __post_init__(self) -> None:
        if urlsplit(self.address).scheme not in SCHEMES:
            raise ExportError(f"expected an address of {', '.join(SCHEMES)}; found {self.address!a}.")

    @property
    def forkable(self) -> bool:
        """No: the client's threads stay behind."""
        return False

    def sizes(self) -> dict[str, int]:
        """The files below, as the store lists them, or as the manifest of a web server does."""
        if urlsplit(self.address).scheme in WEB:
            return {name: self._size(name) for name in (MANIFEST, *self._promised())}
        obstore = _obstore()
        with self._told("be listed"):
            listed = obstore.list(_store(self.address)).collect()
        return {found["path"]: found["size"] for found in sorted(listed, key=lambda found: str(found["path"]))}

    def open(self, file: str) -> BinaryIO:
        """A file; what is asked for of it is fetched."""
        return cast(BinaryIO, io.BufferedReader(_Ranges(self._size(file), self._fetch(file)), BUFFER))

    def _size(self, file: str) -> int:
        obstore = _obstore()
        with self._told("be read", file):
            return int(obstore.head(_store(self.address), file)["size"])

    def _fetch(self, file: str) -> "Callable[[int, int], bytes]":
        obstore = _obstore()

        def fetch(start: int, end: int) -> bytes:
            with self._told("be read", file):
                return bytes(obstore.get_range(_store(self.address), file, start=start, end=end))

        return fetch

    def _promised(self) -> Iterator[str]:
        """The files that the manifest names, of those that lie below the address."""
        base = self.address.rstrip("/") + "/"
        with self.open(MANIFEST) as stream:
            try:
                content = json.loads(stream.read())
            except (ValueError, RecursionError):
                content = None
        if not isinstance(content, Mapping):
            raise ExportError(f"{base}{MANIFEST}: expected the manifest of a bulk export.")
        for name in ("output", "deleted", "error"):
            items = content.get(name)
            for item in items if isinstance(items, list) else []:
                url = item.get("url") if isinstance(item, dict) else None
                if isinstance(url, str):
                    whole = urljoin(base, url)
                    yield unquote(whole.removeprefix(base) if whole.startswith(base) else whole.rpartition("/")[2])

    @contextmanager
    def _told(self, what: str, file: str = "") -> Iterator[None]:
        """Tell what the store answers in one line: the client's own text is long, and may hold a signature."""
        try:
            yield
        except (_obstore().exceptions.BaseError, OSError) as error:
            status = _STATUS.search(str(error))
            why = status.group(1) if status else type(error).__name__
            where = f"{self.address.rstrip('/')}/{file}" if file else self.address
            raise ExportError(f"{where}: could not {what} ({why}).") from None

    def __str__(self) -> str:
        return self.address


class _Ranges(io.RawIOBase):
    """A file of which parts can be fetched, as a stream."""

    def __init__(self, size: int, fetch: Callable[[int, int], bytes]) -> None:
        self._size, self._fetch, self._at = size, fetch, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._size, self._at + len(buffer))
        if end <= self._at:
            return 0
        content = self._fetch(self._at, end)
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)


def _obstore() -> Any:
    try:
        return importlib.import_module("obstore")
    except ImportError:
        raise ExportError("an export at an address needs the extra: pip install 'prodrome-cds[cloud]'.") from None


@lru_cache(maxsize=4)
def _store(address: str) -> Any:
    """The client of a store, one a process."""
    store: Any = importlib.import_module("obstore.store")
    web = {"client_options": {"allow_http": True}} if urlsplit(address).scheme == "http" else {}
    return store.from_url(address, **web)
