"""Real FHIR servers, started once for all processes of a run."""

from collections.abc import Iterator

import pytest

from prodrome.cds_hooks.fhir_client import Client
from tests.fhir_servers import servers


@pytest.fixture(scope="session")
def hapi() -> str:
    return servers.shared("hapi")


@pytest.fixture(scope="session")
def medplum() -> str:
    return servers.shared("medplum")


@pytest.fixture(scope="session", params=["hapi", "medplum"])
def server(request: pytest.FixtureRequest) -> str:
    """Each real R4 server in turn."""
    return servers.shared(request.param)


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client()
    yield client
    client.close()
