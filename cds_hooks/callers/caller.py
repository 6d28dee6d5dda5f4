"""Who is calling."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """The CDS client behind a call: the ``iss`` and ``tenant`` its token proved; both None in open mode."""

    issuer: str | None = None
    tenant: str | None = None


ANYONE = Caller()
