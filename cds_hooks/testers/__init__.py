"""What integration testers use: example patients for a sandbox FHIR server, and consultations without an EHR."""

from prodrome.cds_hooks.testers.check import arguments as check_arguments
from prodrome.cds_hooks.testers.check import run as run_check
from prodrome.cds_hooks.testers.entries import draft_allergy, draft_problem
from prodrome.cds_hooks.testers.errors import TesterError
from prodrome.cds_hooks.testers.example_patients import PREFIX, Ask, Example, entry_of, examples, resources
from prodrome.cds_hooks.testers.loading import LoadingError, load
from prodrome.cds_hooks.testers.orders import DRAFT_ID, BadOrder, draft_order

__all__ = [
    "DRAFT_ID",
    "PREFIX",
    "Ask",
    "BadOrder",
    "Example",
    "LoadingError",
    "TesterError",
    "check_arguments",
    "draft_allergy",
    "draft_order",
    "draft_problem",
    "entry_of",
    "examples",
    "load",
    "resources",
    "run_check",
]
