"""The OpenAPI description of this service: short, and true of every answer it gives."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.protocol import INDICATORS, MAX_SUMMARY

_TEXT = {"type": "string", "minLength": 1}
_URL = {"type": "string", "format": "uri"}
_UUID = {"type": "string", "format": "uuid"}
_EXTENSION = {"type": "object", "description": "Agreed or informative additions, by reverse-domain name."}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(items: Mapping[str, Any], least: int = 1) -> dict[str, Any]:
    return {"type": "array", "items": dict(items), "minItems": least}


def _object(required: tuple[str, ...], properties: Mapping[str, Any], *, closed: bool = True) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": dict(properties)}
    if required:
        schema["required"] = list(required)
    if closed:
        schema["properties"]["extension"] = _EXTENSION
        schema["additionalProperties"] = False
    return schema


_SCHEMAS: Mapping[str, Any] = {
    "Discovery": _object(("services",), {"services": _list(_ref("Service"), 0)}),
    "Service": _object(
        ("hook", "id", "title", "description"),
        {
            "hook": _TEXT,
            "hookVersion": _TEXT,
            "id": {"type": "string", "pattern": "^[A-Za-z0-9._-]+$"},
            "title": _TEXT,
            "description": _TEXT,
            "usageRequirements": _TEXT,
            "version": _TEXT,
            "prefetch": {"type": "object", "additionalProperties": _TEXT, "minProperties": 1},
        },
    ),
    "Request": _object(
        ("hook", "hookInstance", "context"),
        {
            "hook": _TEXT,
            "hookInstance": _TEXT,
            "fhirServer": {"type": ["string", "null"]},
            "fhirAuthorization": {"type": ["object", "null"]},
            "context": {"type": "object", "description": "As the definition of the hook has it."},
            "prefetch": {
                "type": ["object", "null"],
                "description": "By key of the service: a resource, a searchset, or null where there is none. "
                "A key left out means that nothing is known.",
            },
            "extension": {},
        },
        closed=False,
    ),
    "Response": _object(("cards",), {"cards": _list(_ref("Card"), 0), "systemActions": _list(_ref("Action"))}),
    "Card": _object(
        ("summary", "indicator", "source"),
        {
            "uuid": _UUID,
            "summary": {"type": "string", "minLength": 1, "maxLength": MAX_SUMMARY},
            "detail": _TEXT,
            "indicator": {"enum": list(INDICATORS)},
            "source": _object(("label",), {"label": _TEXT, "url": _URL, "icon": _URL, "topic": _ref("Coding")}),
            "suggestions": _list(_ref("Suggestion")),
            "selectionBehavior": {"enum": ["at-most-one", "any"]},
            "overrideReasons": _list(_ref("Coding")),
            "links": _list(_ref("Link")),
        },
    ),
    "Coding": _object(("code", "system"), {"code": _TEXT, "system": _TEXT, "display": _TEXT}),
    "Suggestion": _object(
        ("label",),
        {"label": _TEXT, "uuid": _UUID, "isRecommended": {"type": "boolean"}, "actions": _list(_ref("Action"))},
    ),
    "Action": _object(
        ("type", "description"),
        {
            "type": {"enum": ["create", "update", "delete"]},
            "description": _TEXT,
            "resource": _object(("resourceType",), {"resourceType": _TEXT}, closed=False),
            "resourceId": {"type": "string", "pattern": "^[A-Za-z]+/[^/]+$"},
        },
    ),
    "Link": _object(
        ("label", "url", "type"),
        {
            "label": _TEXT,
            "url": _URL,
            "type": {"enum": ["absolute", "smart"]},
            "appContext": _TEXT,
            "autolaunchable": {"type": "boolean"},
        },
    ),
    "Feedback": _object(
        ("feedback",),
        {
            "feedback": {
                "type": "array",
                "items": _object(
                    ("card", "outcome", "outcomeTimestamp"),
                    {
                        "card": _TEXT,
                        "outcome": {"enum": ["accepted", "overridden"]},
                        "outcomeTimestamp": {"type": "string", "format": "date-time"},
                        "acceptedSuggestions": {"type": "array", "items": {"type": "object"}},
                        "overrideReason": {"type": ["object", "null"]},
                    },
                    closed=False,
                ),
            }
        },
        closed=False,
    ),
    "OperationOutcome": _object(
        ("resourceType", "issue"),
        {
            "resourceType": {"const": "OperationOutcome"},
            "issue": _list(
                _object(
                    ("severity", "code"),
                    {
                        "severity": {"enum": ["fatal", "error", "warning", "information"]},
                        "code": _TEXT,
                        "details": {"type": "object"},
                        "diagnostics": _TEXT,
                        "expression": _list(_TEXT),
                    },
                    closed=False,
                )
            ),
        },
        closed=False,
    ),
}

_REFUSALS = {
    "400": "The request is malformed; the member at fault is named.",
    "401": "The token is missing or not accepted. No reason is given here.",
    "403": "The client may not do this.",
    "404": "There is no such service.",
    "405": "The method is not allowed here.",
    "408": "The body did not come in time.",
    "412": "None of the data needed came with the request or could be fetched.",
    "413": "The body is too large.",
    "415": "The body is of another type than JSON.",
    "429": "Too many requests.",
    "500": "The service failed and gives no guidance.",
    "503": "The service cannot do this for the moment.",
}


def _json(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": dict(schema)}}


def _answers(success: str, schema: Mapping[str, Any], *refusals: str) -> dict[str, Any]:
    told: dict[str, Any] = {"200": {"description": success, "content": _json(schema)}}
    for status in refusals:
        told[status] = {"description": _REFUSALS[status], "content": _json(_ref("OperationOutcome"))}
    return told


def openapi(environment: Environment, url: str) -> dict[str, Any]:
    """The description, for the services of this day at this base address."""
    ids = list(environment.services())
    which = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "enum": ids}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Prodrome",
            "version": version("prodrome-cds"),
            "description": "Clinical decision support for difficult-to-treat migraine, over CDS Hooks 2.0.1.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": url}],
        "security": [{}, {"token": []}],
        "paths": {
            "/cds-services": {
                "get": {
                    "operationId": "discovery",
                    "summary": "The services there are, and what they want prefetched",
                    "responses": _answers("The services.", _ref("Discovery"), "401", "405", "429"),
                }
            },
            "/cds-services/{id}": {
                "post": {
                    "operationId": "call",
                    "summary": "Ask for guidance",
                    "parameters": [which],
                    "requestBody": {"required": True, "content": _json(_ref("Request"))},
                    "responses": _answers("The cards, which may be none.", _ref("Response"), *_REFUSALS),
                }
            },
            "/cds-services/{id}/feedback": {
                "post": {
                    "operationId": "feedback",
                    "summary": "What became of cards",
                    "parameters": [which],
                    "requestBody": {"required": True, "content": _json(_ref("Feedback"))},
                    "responses": _answers(
                        "Taken. Entries about cards this service never gave are listed.",
                        {"type": "object"},
                        *(status for status in _REFUSALS if status != "412"),
                    ),
                }
            },
            "/health": {
                "get": {
                    "operationId": "health",
                    "summary": "Whether the service is well, and what answers",
                    "responses": _answers("It is well.", {"type": "object"}, "405", "429"),
                }
            },
        },
        "components": {
            "schemas": dict(_SCHEMAS),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }
