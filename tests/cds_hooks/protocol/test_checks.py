"""Every rule on answers is broken once, and the fault found."""

import copy
from typing import Any

import pytest

from prodrome.cds_hooks.protocol.checks import discovery_faults, response_faults

RESOURCE = {"resourceType": "MedicationRequest", "id": "o1"}
CARD: dict[str, Any] = {
    "uuid": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
    "summary": "Sumatriptan 25 mg is below the full dose",
    "detail": "Full dose by mouth: 50 mg.",
    "indicator": "info",
    "source": {
        "label": "A guideline",
        "url": "https://example.org/guideline",
        "topic": {"system": "https://example.org/rules", "code": "ACU-01", "display": "Dose"},
    },
    "suggestions": [
        {
            "label": "Order 50 mg",
            "uuid": "d1577c69-dfbe-44ad-ba6d-3e05e953b2eb",
            "isRecommended": True,
            "actions": [{"type": "update", "description": "Order 50 mg", "resource": RESOURCE}],
        }
    ],
    "selectionBehavior": "any",
    "overrideReasons": [{"system": "https://example.org/reasons", "code": "intended", "display": "Intended"}],
    "links": [{"label": "Guideline", "url": "https://example.org/guideline", "type": "absolute"}],
    "extension": {"org.prodrome.trace": {"rule": "ACU-01"}},
}
ACTION = ("suggestions", 0, "actions", 0)
DELETE = {"type": "delete", "description": "Remove", "resourceId": "MedicationRequest/o1"}


def broken(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    card: Any = copy.deepcopy(CARD)
    where = card
    for step in path[:-1]:
        where = where[step]
    if value is ...:
        del where[path[-1]]
    else:
        where[path[-1]] = value
    return {"cards": [card]}


def requirements(response: object) -> set[str]:
    return {fault.requirement for fault in response_faults(response, drafts={"MedicationRequest/o1"})}


def test_a_whole_card_has_no_fault() -> None:
    assert requirements({"cards": [CARD]}) == set()
    assert requirements({"cards": []}) == set()
    assert requirements(broken(ACTION, DELETE)) == set()


@pytest.mark.parametrize(
    ("path", "value", "requirement"),
    [
        (("uuid",), "7", "CARD-01"),
        (("summary",), ..., "CARD-02"),
        (("summary",), "x" * 140, "CARD-02"),
        (("summary",), "\U0001f600" * 70, "CARD-02"),
        (("summary",), "  ", "CARD-02"),
        (("summary",), "two\nlines", "CARD-03"),
        (("detail",), None, "GEN-04"),
        (("detail",), "", "GEN-05"),
        (("detail",), "<b>bold</b>", "CARD-06"),
        (("indicator",), "hard-stop", "CARD-09"),
        (("source",), ..., "CARD-11"),
        (("source", "label"), ..., "SRC-01"),
        (("source", "url"), "/guideline", "SRC-02"),
        (("source", "icon"), "data:image/png;base64,AAAA", "SRC-04"),
        (("source", "topic", "code"), ..., "SRC-08"),
        (("source", "topic", "code"), "x" * 101, "SRC-07"),
        (("source", "topic", "system"), ..., "SRC-09"),
        (("source", "topic", "version"), "1", "SRC-11"),
        (("overrideReasons", 0, "display"), ..., "SRC-10"),
        (("selectionBehavior",), ..., "CARD-14"),
        (("selectionBehavior",), "all", "CARD-14"),
        (("suggestions",), ..., "CARD-16"),
        (("suggestions",), [], "GEN-05"),
        (("suggestions", 0, "label"), ..., "SUG-01"),
        (("suggestions", 0, "uuid"), "x", "SUG-02"),
        (("suggestions", 0, "isRecommended"), "yes", "SUG-03"),
        (("suggestions", 0, "actionSelectionBehavior"), "all", "SUG-08"),
        (("suggestions", 0, "actions"), [], "GEN-05"),
        ((*ACTION, "type"), "remove", "SUG-09"),
        ((*ACTION, "description"), ..., "SUG-10"),
        ((*ACTION, "resource"), ..., "SUG-12"),
        ((*ACTION, "type"), "create", None),
        (ACTION, {**DELETE, "resource": RESOURCE}, "SUG-15"),
        (ACTION, {**DELETE, "resourceId": "o1"}, "SUG-14"),
        (ACTION, {**DELETE, "resourceId": "MedicationRequest/o2"}, "SUG-16"),
        (("links", 0, "label"), ..., "LNK-01"),
        (("links", 0, "url"), "javascript:alert(1)", "LNK-04"),
        (("links", 0, "type"), "popup", "LNK-03"),
        (("links", 0, "appContext"), "x", "LNK-07"),
        (("extension",), [], "EXT-01"),
        (("extension",), {"trace": {"a": 1}}, "EXT-02"),
        (("title",), "x", "RSP-11"),
    ],
)
def test_each_broken_rule_is_named(path: tuple[str | int, ...], value: object, requirement: str | None) -> None:
    found = requirements(broken(path, value))
    assert requirement in found if requirement else not found


def test_cards_go_from_critical_to_info() -> None:
    info, critical = CARD, {**CARD, "indicator": "critical"}
    assert requirements({"cards": [critical, info]}) == set()
    assert "RSP-13" in requirements({"cards": [info, critical]})


def test_two_recommendations_need_any() -> None:
    card = copy.deepcopy(CARD)
    card["suggestions"] *= 2
    card["selectionBehavior"] = "at-most-one"
    assert "SUG-04" in requirements({"cards": [card]})


@pytest.mark.parametrize("response", [None, [], {}, {"cards": None}, {"cards": {}}, {"cards": [1]}])
def test_an_answer_without_a_list_of_cards_is_a_fault(response: object) -> None:
    assert requirements(response)


SERVICE = {
    "hook": "patient-view",
    "id": "a-b",
    "title": "T",
    "description": "D",
    "prefetch": {"patient": "Patient/{{context.patientId}}"},
}


@pytest.mark.parametrize(
    ("changes", "requirement"),
    [
        ({"hook": ""}, "DISC-05"),
        ({"title": None}, "DISC-06"),
        ({"description": 1}, "DISC-07"),
        ({"id": "a b"}, "DISC-09"),
        ({"prefetch": {}}, "GEN-05"),
        ({"prefetch": {"p": 1}}, "DISC-11"),
        ({"prefetch": {"p": "/Patient/1"}}, "PFT-01"),
        ({"prefetch": {"p": "Patient/{{context.patientId"}}, "PFT-02"),
        ({"prefetch": {"p": "Observation?date=ge{{today()}}"}}, "PFT-05"),
    ],
)
def test_each_broken_rule_of_discovery_is_named(changes: dict[str, Any], requirement: str) -> None:
    assert discovery_faults({"services": [SERVICE]}) == []
    assert requirement in {fault.requirement for fault in discovery_faults({"services": [{**SERVICE, **changes}]})}
    assert "DISC-18" in {fault.requirement for fault in discovery_faults({"services": [SERVICE, SERVICE]})}
