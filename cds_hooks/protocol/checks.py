"""What goes out, checked strictly: every length, presence and null rule a CDS Hooks client may rely on.

The checks serve the debug setting ``validate_output``, the tests and ``prodrome check``. Each fault names the JSON
path and the requirement it breaks (``docs/conformance.md``).
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

MAX_SUMMARY = 139
INDICATORS = ("info", "warning", "critical")
"""Least urgent first."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken rule: where, which requirement, what is wrong."""

    path: str
    requirement: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text} ({self.requirement})"


class _Checker:
    def __init__(self, drafts: Collection[str] | None) -> None:
        self.drafts = drafts
        self.faults: list[Fault] = []

    def say(self, path: str, requirement: str, text: str) -> None:
        self.faults.append(Fault(path, requirement, text))

    def need(self, holds: bool, path: str, requirement: str, text: str) -> bool:
        if not holds:
            self.say(path, requirement, text)
        return holds

    def only(self, value: Mapping[str, Any], allowed: Collection[str], path: str, requirement: str) -> None:
        for name in value.keys() - set(allowed) - {"extension"}:
            self.say(f"{path}.{name}", requirement, "is not a member the specification knows here")
        if "extension" in value:
            self.need(isinstance(value["extension"], dict), f"{path}.extension", "EXT-01", "must be an object")
            if isinstance(value["extension"], dict):
                for name in value["extension"]:
                    self.need("." in name, f"{path}.extension", "EXT-02", "keys are reverse-domain names")

    def text(self, value: Mapping[str, Any], name: str, path: str, requirement: str, *, required: bool = True) -> str:
        found = value.get(name)
        if name not in value and not required:
            return ""
        ok = isinstance(found, str) and bool(found.strip())
        self.need(ok, f"{path}.{name}", requirement, "must be text that is not blank")
        return found if ok and isinstance(found, str) else ""

    def uuid(self, value: Mapping[str, Any], path: str, requirement: str) -> None:
        if "uuid" in value:
            ok = isinstance(value["uuid"], str) and _UUID.match(value["uuid"])
            self.need(bool(ok), f"{path}.uuid", requirement, "must be a UUID")


_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_RESOURCE_ID = re.compile(r"[A-Za-z]+/[^/\s]+\Z")
_HTML = re.compile(r"<[A-Za-z/!][^>]*>")


def response_faults(response: object, *, drafts: Collection[str] | None = None) -> list[Fault]:
    """Everything wrong with the body of a 200 answer to a hook. *drafts*: the ``Type/id`` of the orders in hand."""
    check = _Checker(drafts)
    _no_nothing(check, response, "$", top=True)
    if not isinstance(response, dict):
        check.say("$", "RSP-01", "must be an object")
        return check.faults
    check.only(response, ("cards", "systemActions"), "$", "RSP-11")
    cards = response.get("cards")
    if not isinstance(cards, list):
        check.say("$.cards", "RSP-02", "must be a list, and always there")
        return check.faults
    for index, card in enumerate(cards):
        path = f"$.cards[{index}]"
        if check.need(isinstance(card, dict), path, "RSP-01", "must be an object"):
            _card(check, card, path)
    ranks = [
        INDICATORS.index(c["indicator"]) for c in cards if isinstance(c, dict) and c.get("indicator") in INDICATORS
    ]
    check.need(ranks == sorted(ranks, reverse=True), "$.cards", "RSP-13", "must go from critical to info")
    for index, action in enumerate(response.get("systemActions", ())):
        _action(check, action, f"$.systemActions[{index}]")
    return check.faults


def _no_nothing(check: _Checker, value: object, path: str, *, top: bool = False) -> None:
    """No null and no empty text, list or object, anywhere but ``cards`` and ``services`` (GEN-04, GEN-05)."""
    if value is None:
        check.say(path, "GEN-04", "is null")
    elif isinstance(value, str | list | dict) and not value:
        if path not in ("$.cards", "$.services"):
            check.say(path, "GEN-05", "is empty")
    elif isinstance(value, dict):
        for name, inner in value.items():
            _no_nothing(check, inner, f"{path}.{name}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _no_nothing(check, inner, f"{path}[{index}]")


_CARD = (
    "uuid",
    "summary",
    "detail",
    "indicator",
    "source",
    "suggestions",
    "selectionBehavior",
    "overrideReasons",
    "links",
)


def _card(check: _Checker, card: Mapping[str, Any], path: str) -> None:
    check.only(card, _CARD, path, "RSP-11")
    check.uuid(card, path, "CARD-01")
    summary = check.text(card, "summary", path, "CARD-02")
    utf16 = len(summary.encode("utf-16-le")) // 2
    check.need(utf16 <= MAX_SUMMARY, f"{path}.summary", "CARD-02", f"has {utf16} characters, 139 are allowed")
    check.need("\n" not in summary, f"{path}.summary", "CARD-03", "has a line break")
    detail = check.text(card, "detail", path, "CARD-05", required=False)
    check.need(not _HTML.search(detail), f"{path}.detail", "CARD-06", "holds HTML")
    check.need(card.get("indicator") in INDICATORS, f"{path}.indicator", "CARD-09", f"must be one of {INDICATORS}")
    source = card.get("source")
    if check.need(isinstance(source, dict), f"{path}.source", "CARD-11", "must be an object"):
        assert isinstance(source, dict)
        _source(check, source, f"{path}.source")
    _suggestions(check, card, path)
    for index, reason in enumerate(card.get("overrideReasons", ())):
        _coding(check, reason, f"{path}.overrideReasons[{index}]", display=True)
    for index, link in enumerate(card.get("links", ())):
        _link(check, link, f"{path}.links[{index}]")


def _source(check: _Checker, source: Mapping[str, Any], path: str) -> None:
    check.only(source, ("label", "url", "icon", "topic"), path, "RSP-11")
    check.text(source, "label", path, "SRC-01")
    for name, requirement in (("url", "SRC-02"), ("icon", "SRC-04")):
        if name in source:
            check.need(_absolute(source[name]), f"{path}.{name}", requirement, "must be an absolute http(s) URL")
    if "topic" in source:
        _coding(check, source["topic"], f"{path}.topic", display=False)


def _coding(check: _Checker, coding: object, path: str, *, display: bool) -> None:
    if not check.need(isinstance(coding, dict), path, "SRC-08", "must be an object"):
        return
    assert isinstance(coding, dict)
    for name in coding.keys() - {"code", "system", "display"}:
        check.say(f"{path}.{name}", "SRC-11", "is not a member of a CDS Hooks Coding")
    code = check.text(coding, "code", path, "SRC-08")
    check.need(len(code) <= 100, f"{path}.code", "SRC-07", "is longer than 100 characters")
    check.text(coding, "system", path, "SRC-09")
    check.text(coding, "display", path, "SRC-10", required=display)


def _suggestions(check: _Checker, card: Mapping[str, Any], path: str) -> None:
    suggestions = card.get("suggestions", ())
    behaviour = card.get("selectionBehavior")
    if suggestions:
        known = behaviour in ("at-most-one", "any")
        check.need(
            known, f"{path}.selectionBehavior", "CARD-14", "must be at-most-one or any where there are suggestions"
        )
    else:
        check.need(behaviour is None, f"{path}.selectionBehavior", "CARD-16", "is said without suggestions")
    recommended = 0
    for index, suggestion in enumerate(suggestions):
        here = f"{path}.suggestions[{index}]"
        if not check.need(isinstance(suggestion, dict), here, "SUG-01", "must be an object"):
            continue
        check.only(suggestion, ("label", "uuid", "isRecommended", "actions"), here, "SUG-08")
        check.text(suggestion, "label", here, "SUG-01")
        check.uuid(suggestion, here, "SUG-02")
        if "isRecommended" in suggestion:
            is_boolean = isinstance(suggestion["isRecommended"], bool)
            check.need(is_boolean, f"{here}.isRecommended", "SUG-03", "must be true or false")
            recommended += suggestion["isRecommended"] is True
        for position, action in enumerate(suggestion.get("actions", ())):
            _action(check, action, f"{here}.actions[{position}]")
    check.need(recommended <= 1 or behaviour == "any", path, "SUG-04", "recommends several suggestions of at-most-one")


def _action(check: _Checker, action: object, path: str) -> None:
    if not check.need(isinstance(action, dict), path, "SUG-09", "must be an object"):
        return
    assert isinstance(action, dict)
    check.only(action, ("type", "description", "resource", "resourceId"), path, "RSP-11")
    kind = action.get("type")
    check.need(kind in ("create", "update", "delete"), f"{path}.type", "SUG-09", "must be create, update or delete")
    check.text(action, "description", path, "SUG-10")
    resource, target = action.get("resource"), action.get("resourceId")
    if kind in ("create", "update"):
        whole = isinstance(resource, dict) and isinstance(resource.get("resourceType"), str)
        requirement = "SUG-11" if kind == "create" else "SUG-12"
        check.need(whole, f"{path}.resource", requirement, "must be a whole FHIR resource")
        if kind == "update" and isinstance(resource, dict):
            target = f"{resource.get('resourceType')}/{resource.get('id')}"
    elif kind == "delete":
        check.need("resource" not in action, f"{path}.resource", "SUG-15", "has no place in a delete")
        named = isinstance(target, str) and bool(_RESOURCE_ID.match(target))
        check.need(named, f"{path}.resourceId", "SUG-14", "must be Type/id")
    if kind in ("update", "delete") and check.drafts is not None:
        check.need(target in check.drafts, path, "SUG-16", "must be about one of the orders in hand")


def _link(check: _Checker, link: object, path: str) -> None:
    if not check.need(isinstance(link, dict), path, "LNK-01", "must be an object"):
        return
    assert isinstance(link, dict)
    check.only(link, ("label", "url", "type", "appContext", "autolaunchable"), path, "RSP-11")
    check.text(link, "label", path, "LNK-01")
    check.need(_absolute(link.get("url")), f"{path}.url", "LNK-04", "must be an absolute http(s) URL")
    check.need(link.get("type") in ("absolute", "smart"), f"{path}.type", "LNK-03", "must be absolute or smart")
    if "appContext" in link:
        check.need(link.get("type") == "smart", f"{path}.appContext", "LNK-07", "belongs to smart links only")


def _absolute(url: object) -> bool:
    if not isinstance(url, str):
        return False
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


_SERVICE_ID = re.compile(r"[A-Za-z0-9._-]+\Z")
_TOKEN = re.compile(r"\{\{([^{}]*)\}\}")
_LEGAL_TOKENS = frozenset(
    {
        "context.patientId",
        "context.userId",
        "context.encounterId",
        "context.performer",
        "userPractitionerId",
        "userPractitionerRoleId",
        "userPatientId",
        "userRelatedPersonId",
    }
)
_TEMPLATE = re.compile(r"[A-Z][A-Za-z]+(/\{\{[^{}]+\}\}|\?\S+)\Z|\{\{context\.userId\}\}\Z")


def discovery_faults(discovery: object) -> list[Fault]:
    """Everything wrong with the body of an answer to discovery."""
    check = _Checker(None)
    _no_nothing(check, discovery, "$")
    if not isinstance(discovery, dict) or not isinstance(discovery.get("services"), list):
        check.say("$.services", "DISC-03", "must be a list in an object")
        return check.faults
    seen = set()
    for index, service in enumerate(discovery["services"]):
        path = f"$.services[{index}]"
        if not check.need(isinstance(service, dict), path, "DISC-03", "must be an object"):
            continue
        hook = check.text(service, "hook", path, "DISC-05")
        check.text(service, "title", path, "DISC-06")
        check.text(service, "description", path, "DISC-07")
        identity = check.text(service, "id", path, "DISC-08")
        check.need(bool(_SERVICE_ID.match(identity)), f"{path}.id", "DISC-09", "must need no escaping in a URL")
        check.need((identity, hook) not in seen, path, "DISC-18", "repeats the id and hook of another service")
        seen.add((identity, hook))
        check.text(service, "usageRequirements", path, "DISC-12", required=False)
        check.text(service, "version", path, "DISC-13", required=False)
        prefetch = service.get("prefetch", {})
        if not check.need(isinstance(prefetch, dict), f"{path}.prefetch", "DISC-10", "must be an object"):
            continue
        for key, template in prefetch.items():
            here = f"{path}.prefetch.{key}"
            if check.need(isinstance(template, str), here, "DISC-11", "must be a string"):
                _template(check, template, here)
    return check.faults


def _template(check: _Checker, template: str, path: str) -> None:
    check.need(bool(_TEMPLATE.match(template)), path, "PFT-01", "must be a relative read or search")
    for token in _TOKEN.findall(template):
        check.need(token in _LEGAL_TOKENS, path, "PFT-05", f"{{{{{token}}}}} is no token of 2.0.1")
    check.need(template.count("{{") == len(_TOKEN.findall(template)), path, "PFT-02", "has an unclosed token")
