"""What integration testers use: example patients for a sandbox FHIR server, and consultations without an EHR.

The module ``check``, which is a client and knows what a server's answers must be, is loaded by who imports it.
"""

from pathlib import Path

from prodrome.cds_hooks.testers.entries import draft_allergy, draft_problem, status
from prodrome.cds_hooks.testers.errors import TesterError
from prodrome.cds_hooks.testers.example_patients import EXAMPLE_PREFIX, Ask, Example, entry_of, examples, resources
from prodrome.cds_hooks.testers.keys import KEY_SET, PRIVATE, new_key
from prodrome.cds_hooks.testers.loading import LoadingError, load
from prodrome.cds_hooks.testers.orders import DRAFT_ID, BadOrder, dosage, draft_order, drug_named, medication
from prodrome.cds_hooks.testers.servers import allowing, named_server, server_request

SANDBOX_SETTINGS = Path(__file__).with_name("sandbox.toml")
"""The settings that a try with the CDS Hooks sandbox starts from."""

__all__ = [
    "DRAFT_ID",
    "EXAMPLE_PREFIX",
    "KEY_SET",
    "PRIVATE",
    "SANDBOX_SETTINGS",
    "Ask",
    "BadOrder",
    "Example",
    "LoadingError",
    "TesterError",
    "allowing",
    "check",
    "dosage",
    "draft_allergy",
    "draft_order",
    "draft_problem",
    "drug_named",
    "entry_of",
    "examples",
    "load",
    "medication",
    "named_server",
    "new_key",
    "resources",
    "server_request",
    "status",
]
