"""CDS Hooks 2.0.1 as messages: hooks, requests, services, and what an answer must be."""

from prodrome.cds_hooks.protocol.checks import INDICATORS, MAX_SUMMARY, Fault, discovery_faults, response_faults
from prodrome.cds_hooks.protocol.hooks import DEPRECATED, HOOKS, Hook, served_as
from prodrome.cds_hooks.protocol.numbers_as_written import with_numbers_as_written
from prodrome.cds_hooks.protocol.operation_outcome import operation_outcome
from prodrome.cds_hooks.protocol.refusals import (
    Forbidden,
    Invalid,
    Missing,
    NotFound,
    NothingToJudge,
    Refused,
    TooLarge,
    TooMany,
    TooSlow,
    Unauthorized,
    Unavailable,
    Unsupported,
    Withheld,
)
from prodrome.cds_hooks.protocol.requests import FhirAuthorization, HookRequest, parse, read_request
from prodrome.cds_hooks.protocol.requirements import Requirement, requirements
from prodrome.cds_hooks.protocol.services import KIND_WORDS, Service, services

__all__ = [
    "DEPRECATED",
    "HOOKS",
    "INDICATORS",
    "KIND_WORDS",
    "MAX_SUMMARY",
    "Fault",
    "FhirAuthorization",
    "Forbidden",
    "Hook",
    "HookRequest",
    "Invalid",
    "Missing",
    "NotFound",
    "NothingToJudge",
    "Refused",
    "Requirement",
    "Service",
    "TooLarge",
    "TooMany",
    "TooSlow",
    "Unauthorized",
    "Unavailable",
    "Unsupported",
    "Withheld",
    "discovery_faults",
    "operation_outcome",
    "parse",
    "read_request",
    "requirements",
    "response_faults",
    "served_as",
    "services",
    "with_numbers_as_written",
]
