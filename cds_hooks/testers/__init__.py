"""What integration testers use: example patients for a sandbox FHIR server, and consultations without an EHR.

The module ``check``, which is a client and knows what a server's answers must be, is loaded by who imports it.
"""

from prodrome.cds_hooks.testers.entries import draft_allergy, draft_problem, status
from prodrome.cds_hooks.testers.errors import TesterError
from prodrome.cds_hooks.testers.example_patients import EXAMPLE_PREFIX, Ask, Example, entry_of, examples, resources
from prodrome.cds_hooks.testers.keys import KEY_SET, PRIVATE, new_key
from prodrome.cds_hooks.testers.loading import LoadingError, load
from prodrome.cds_hooks.testers.orders import DRAFT_ID, BadOrder, dosage, draft_order, drug_named, medication
from prodrome.cds_hooks.testers.sandbox import SANDBOX_SETTINGS

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
    "new_key",
    "resources",
    "status",
]
