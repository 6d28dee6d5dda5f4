"""Every card, suggestion and link that the labelled patients get, over HTTP, in both dialects."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import fhir.resources.R4B as r4b
import pytest
from fhir.resources.R4B import get_fhir_model_class
from markdown_it import MarkdownIt

from prodrome.cds_hooks.protocol.checks import INDICATORS, response_faults
from prodrome.rules.guideline.guideline import load_guideline
from tests.serving import Client, ask, client_of, discovered, filled, rules_in, service

PATIENTS = [
    json.loads(file.read_text())
    for file in sorted((Path(__file__).parents[1] / "vignettes" / "requests").glob("*.json"))
]
BY_ID = {patient["id"]: patient for patient in PATIENTS}
NOT_A_FINDING = "INCOMPLETE"

Json = dict[str, Any]


class Case(NamedTuple):
    """One request and its answer."""

    patient: Json
    dialect: str
    answer: Json

    @property
    def orders(self) -> list[Json]:
        bundle = self.patient["request_by_kind"]["context"].get("draftOrders", {})
        return [entry["resource"] for entry in bundle.get("entry", ())]


class Action(NamedTuple):
    """An action, and where it came from."""

    case: Case
    card: Json
    suggestion: Json
    action: Json


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with client_of(service(validate_output=False)) as client:
        yield client


@pytest.fixture(scope="module")
def cases(client: Client) -> list[Case]:
    with client_of(service(validate_output=False, dialect="epic")) as epic:
        asked = [("generic", client), ("epic", epic)]
        return [Case(patient, dialect, ask(one, patient).get_json()) for dialect, one in asked for patient in PATIENTS]


@pytest.fixture(scope="module")
def cards(cases: list[Case]) -> list[Json]:
    found = [card for case in cases for card in case.answer["cards"]]
    assert {card["source"]["topic"]["code"] for card in found} >= {"DTT-01", "ED-01", "SAF-01", "PRV-01", "INCOMPLETE"}
    return found


@pytest.fixture(scope="module")
def actions(cases: list[Case]) -> list[Action]:
    found = [
        Action(case, card, suggestion, action)
        for case in cases
        for card in case.answer["cards"]
        for suggestion in card.get("suggestions", ())
        for action in suggestion.get("actions", ())
    ]
    assert {one.action["type"] for one in found} == {"create", "update", "delete"}
    return found


@pytest.mark.requirement(
    *("GEN-02", "GEN-04", "GEN-05", "GEN-06", "GEN-07", "RSP-11", "RSP-13", "CARD-01", "CARD-02", "CARD-06", "CARD-09"),
    *("CARD-11", "CARD-13", "CARD-14", "CARD-15", "CARD-16", "CARD-17", "CARD-18", "CARD-19", "SRC-01", "SRC-02"),
    *("SRC-06", "SRC-07", "SRC-08", "SRC-09", "SRC-10", "SRC-11", "SUG-01", "SUG-02", "SUG-03", "SUG-04", "SUG-05"),
    *("SUG-08", "SUG-09", "SUG-10", "SUG-14", "SUG-15", "SUG-16", "SUG-21", "LNK-01", "LNK-02", "LNK-03", "LNK-04"),
    *("LNK-07", "OVR-01", "OVR-02", "EXT-01", "EXT-02"),
)
def test_no_answer_has_a_fault(cases: list[Case]) -> None:
    for case in cases:
        drafts = {f"{order['resourceType']}/{order['id']}" for order in case.orders}
        assert response_faults(case.answer, drafts=drafts) == [], case.patient["id"]


@pytest.mark.requirement("GEN-03")
def test_bodies_are_plain_json(client: Client) -> None:
    for path in ("/cds-services", "/openapi.json", "/health", "/nowhere"):
        json.loads(client.get(path).data)


@pytest.mark.requirement("RSP-04", "SYS-03", "SYS-05")
def test_nothing_is_done_without_the_user(cases: list[Case]) -> None:
    assert all(case.answer.keys() <= {"cards", "extension"} for case in cases)


@pytest.mark.requirement("RSP-13", "STALE-04")
def test_one_card_per_rule_and_order(cases: list[Case]) -> None:
    for case in cases:
        said = rules_in(case.answer)
        assert said == sorted(case.patient["expected"]["cards"])
        assert len(said) == len(set(said))


@pytest.mark.requirement("CARD-02", "CARD-03")
def test_a_summary_is_one_short_line_of_plain_text(cards: list[Json]) -> None:
    for card in cards:
        summary = card["summary"]
        assert len(summary) < 140
        assert len(summary.encode("utf-16-le")) // 2 < 140
        assert not re.search(r"[\n\r*_`<>\[\]#]", summary)


@pytest.mark.requirement("CARD-04", "CARD-05", "CARD-06", "CARD-08", "SUG-20")
def test_a_detail_is_markdown_without_html_images_or_tables_and_its_links_are_links_of_the_card(
    cards: list[Json],
) -> None:
    parser = MarkdownIt("gfm-like", {"linkify": False, "html": True})
    for card in cards:
        assert card["detail"]
        linked = {link["url"] for link in card.get("links", ())}
        for token in parser.parse(card["detail"]):
            for part in (token, *(token.children or ())):
                assert part.type not in ("html_block", "html_inline", "image", "table_open")
                if part.type == "link_open":
                    assert part.attrs["href"] in linked


@pytest.mark.requirement("CARD-07", "LNK-11")
@pytest.mark.parametrize(
    "injected",
    [
        "<script>alert(1)</script>",
        "![x](https://evil.example.org/x.png)",
        "[click](https://evil.example.org)",
        "a | b\n|---|---|\n| c | d |",
        "**bold** `code` # heading",
    ],
)
def test_text_of_the_chart_cannot_mark_up_a_card(client: Client, injected: str) -> None:
    for patient in (BY_ID["P01"], BY_ID["P12"], BY_ID["P13"]):
        answer = ask(client, _with_texts(patient, injected)).get_json()
        assert rules_in(answer) == sorted(patient["expected"]["cards"])
        for card in answer["cards"]:
            rendered = MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(card["detail"])
            assert "<script" not in rendered
            assert "<img" not in rendered
            assert "<table" not in rendered
            assert "<code" not in rendered
            assert "evil.example.org" not in " ".join(re.findall(r'href="([^"]*)"', rendered))
            assert "evil" not in json.dumps(card.get("links", ()))
            assert "\n" not in card["summary"]


def _with_texts(patient: Json, text: str) -> Json:
    """The patient with *text* in every display and text of the chart and the orders."""

    def change(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                name: f"{inner} {text}" if name in ("display", "text") and isinstance(inner, str) else change(inner)
                for name, inner in value.items()
            }
        return [change(inner) for inner in value] if isinstance(value, list) else value

    return {**patient, "request_by_kind": change(patient["request_by_kind"])}


@pytest.mark.requirement("CARD-09", "CARD-20")
def test_every_card_says_how_urgent_it_is(cards: list[Json]) -> None:
    assert {card["indicator"] for card in cards} <= set(INDICATORS)


@pytest.mark.requirement("CARD-10")
def test_only_a_contraindicated_order_is_critical(cards: list[Json]) -> None:
    critical = {card["source"]["topic"]["code"] for card in cards if card["indicator"] == "critical"}
    assert critical == {"SAF-01"}


@pytest.mark.requirement("CARD-12", "SRC-03", "SRC-04", "SRC-05")
def test_the_source_is_the_publication_the_rule_rests_on(cards: list[Json]) -> None:
    guideline = load_guideline()
    known = {(source.citation, source.url) for source in guideline.sources.values()}
    for card in cards:
        source = card["source"]
        assert source.keys() <= {"label", "url", "topic"}
        if source["topic"]["code"] != NOT_A_FINDING:
            assert (source["label"], source.get("url")) in known


@pytest.mark.requirement("CARD-21")
def test_with_several_orders_a_card_names_the_one_it_is_about(client: Client) -> None:
    patient = copy.deepcopy(BY_ID["P07"])
    context = patient["request_by_kind"]["context"]
    other = copy.deepcopy(context["draftOrders"]["entry"][0])
    other["resource"] |= {
        "id": "draft-2",
        "medicationCodeableConcept": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "36567"}],
            "text": "simvastatin",
        },
    }
    context["draftOrders"]["entry"].append(other)
    context["selections"] = ["MedicationRequest/draft-1", "MedicationRequest/draft-2"]
    (card,) = ask(client, patient).get_json()["cards"]
    assert "sumatriptan" in card["summary"].lower()


@pytest.mark.requirement("SRC-06", "SRC-07")
def test_the_topic_is_the_rule(cards: list[Json]) -> None:
    rules = {rule.id for rule in load_guideline().rulebook.rules.values() if rule.card} | {NOT_A_FINDING}
    for card in cards:
        assert card["source"]["topic"]["code"] in rules
        assert re.fullmatch(r"[A-Za-z0-9-]{1,100}", card["source"]["topic"]["code"])


@pytest.mark.requirement("FB-16", "SUG-02", "CARD-01")
def test_cards_and_suggestions_have_ids_of_their_own(cases: list[Case]) -> None:
    for case in cases:
        ids = [card["uuid"] for card in case.answer["cards"]]
        ids += [s["uuid"] for card in case.answer["cards"] for s in card.get("suggestions", ())]
        assert len(ids) == len(set(ids))


@pytest.mark.requirement("OVR-04")
def test_override_reasons_are_few_and_the_same_each_time(cards: list[Json]) -> None:
    by_rule: dict[str, list[Json]] = {}
    for card in cards:
        reasons = card.get("overrideReasons", [])
        assert len(reasons) <= 6
        assert by_rule.setdefault(card["source"]["topic"]["code"], reasons) == reasons


@pytest.mark.requirement("SUG-11", "SUG-18", "GEN-02")
def test_a_created_resource_is_a_whole_draft_for_this_patient(actions: list[Action]) -> None:
    for case, _, _, action in actions:
        if action["type"] == "create":
            resource = action["resource"]
            get_fhir_model_class(resource["resourceType"]).model_validate(resource)
            assert resource["status"] == "draft"
            assert resource["intent"] in ("order", "proposal")
            assert (
                resource["subject"]["reference"] == f"Patient/{case.patient['request_by_kind']['context']['patientId']}"
            )
            assert "id" not in resource


def test_the_models_are_those_of_r4b() -> None:
    assert get_fhir_model_class("MedicationRequest").__module__.startswith(r4b.__name__)


@pytest.mark.requirement("SUG-12", "SUG-13")
def test_an_update_is_the_whole_order_with_only_the_dose_changed(actions: list[Action]) -> None:
    def without_dose(order: Json) -> Json:
        order = copy.deepcopy(order)
        for dosage in order["dosageInstruction"]:
            for rate in dosage["doseAndRate"]:
                del rate["doseQuantity"]["value"]
        return order

    updates = [one for one in actions if one.action["type"] == "update"]
    for case, card, _, action in updates:
        assert card["source"]["topic"]["code"] == "ACU-01"
        (draft,) = (order for order in case.orders if order["id"] == action["resource"]["id"])
        assert action["resource"] != draft
        assert without_dose(action["resource"]) == without_dose(draft)


@pytest.mark.requirement("SUG-13")
def test_an_update_keeps_what_it_does_not_know(client: Client) -> None:
    patient = copy.deepcopy(BY_ID["P07"])
    order = patient["request_by_kind"]["context"]["draftOrders"]["entry"][0]["resource"]
    order["extension"] = [{"url": "https://ehr.example.org/own", "valueDecimal": 1.5}]
    order["note"] = [{"text": "take with water"}]
    (card,) = ask(client, patient).get_json()["cards"]
    (updated,) = (a["resource"] for s in card["suggestions"] for a in s["actions"] if a["type"] == "update")
    assert (updated["extension"], updated["note"]) == (order["extension"], order["note"])


@pytest.mark.requirement("SUG-06", "SUG-17")
def test_a_replacement_makes_the_new_order_before_it_removes_the_old_one(cases: list[Case]) -> None:
    for case in cases:
        for card in case.answer["cards"]:
            if card["source"]["topic"]["code"] == "PRV-01":
                for suggestion in card["suggestions"]:
                    types = [action["type"] for action in suggestion["actions"]]
                    assert types in ([["create", "delete"]] if case.dialect == "generic" else [["create"], ["delete"]])


@pytest.mark.requirement("SUG-17", "CARD-15")
def test_epic_gets_one_action_per_suggestion_and_any_of_them(cases: list[Case]) -> None:
    for case in cases:
        for card in case.answer["cards"]:
            if case.dialect == "epic" and "suggestions" in card:
                assert card["selectionBehavior"] == "any"
                assert all(len(suggestion["actions"]) == 1 for suggestion in card["suggestions"])


@pytest.mark.requirement("SEC-31", "LNK-11", "LNK-04")
def test_links_lead_to_the_publications_and_suggestions_make_orders_only(
    cards: list[Json], actions: list[Action]
) -> None:
    published = {source.url for source in load_guideline().sources.values()}
    for card in cards:
        for link in card.get("links", ()):
            assert link["url"] in published
            assert (link["type"], urlsplit(link["url"]).scheme) == ("absolute", "https")
    made = {one.action["resource"]["resourceType"] for one in actions if "resource" in one.action}
    assert made <= {"MedicationRequest", "ServiceRequest"}


@pytest.mark.requirement("REQ-22")
@pytest.mark.parametrize("missing", ["dosageInstruction", "reasonCode", "subject", "authoredOn", "status", "intent"])
def test_an_incomplete_order_is_judged_as_far_as_it_goes(client: Client, missing: str) -> None:
    patient = copy.deepcopy(BY_ID["P12"])
    order = patient["request_by_kind"]["context"]["draftOrders"]["entry"][0]["resource"]
    order.pop(missing, None)
    answer = ask(client, patient)
    assert answer.status_code == 200
    assert response_faults(answer.get_json()) == []
    assert "PRV-01" in rules_in(answer.get_json())


@pytest.mark.requirement("PFD-15")
def test_an_order_in_hand_is_not_a_drug_taken_though_it_is_in_the_chart_too(client: Client) -> None:
    patient = copy.deepcopy(BY_ID["P12"])
    request = patient["request_by_kind"]
    order = {**request["context"]["draftOrders"]["entry"][0]["resource"], "status": "active"}
    request["prefetch"]["MedicationRequest"] = {"resourceType": "Bundle", "entry": [{"resource": order}]}
    assert rules_in(ask(client, patient).get_json()) == ["PRV-01", "PRV-02"]


@pytest.mark.requirement("PFD-08")
def test_a_kind_that_only_came_along_is_not_complete(client: Client) -> None:
    service_ = discovered(client, "patient-view")
    request = BY_ID["P10"]["request_by_kind"]
    prefetch = filled(service_["prefetch"], request["prefetch"], ("Encounter",))
    included = [{**entry, "search": {"mode": "include"}} for entry in request["prefetch"]["Encounter"]["entry"]]
    prefetch["serviceRequests"] = {"resourceType": "Bundle", "type": "searchset", "total": 0, "entry": included}
    answer = client.post(f"/cds-services/{service_['id']}", json={**request, "prefetch": prefetch}).get_json()
    assert answer["extension"]["org.prodrome.judgement"]["incomplete"] == ["Encounter"]
    assert "ED-01" not in rules_in(answer)


@pytest.mark.requirement("PFD-16")
@pytest.mark.parametrize("way", ["contained", "entry", "absolute", "display"])
def test_the_medicine_of_an_order_is_found_wherever_it_stands(client: Client, way: str) -> None:
    patient = copy.deepcopy(BY_ID["P12"])
    entries = patient["request_by_kind"]["context"]["draftOrders"]["entry"]
    order = entries[0]["resource"]
    concept = order.pop("medicationCodeableConcept")
    medication = {"resourceType": "Medication", "id": "m1", "code": concept}
    reference: dict[str, Callable[[], str]] = {
        "contained": lambda: order.update(contained=[medication]) or "#m1",
        "entry": lambda: entries.append({"resource": medication}) or "Medication/m1",
        "absolute": lambda: entries.append({"resource": medication}) or "https://ehr.example.org/fhir/Medication/m1",
        "display": lambda: "Medication/elsewhere",
    }
    order["medicationReference"] = {"reference": reference[way](), "display": concept["text"]}
    assert "PRV-01" in rules_in(ask(client, patient).get_json())
