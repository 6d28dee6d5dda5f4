"""An order that goes back carries the client's numbers digit by digit."""

import copy
from typing import Any

import orjson
import pytest

from prodrome.cds_hooks.protocol.numbers_as_written import with_numbers_as_written
from prodrome.cds_hooks.protocol.requests import HookRequest, parse, read_request

ORDER = (
    b'{"resourceType": "MedicationRequest", "id": "o1", "dosageInstruction": [{"doseAndRate": [{"doseQuantity":'
    b' {"value": 25.00, "unit": "mg"}}], "maxDosePerPeriod": {"numerator": {"value": 1.50}}}],'
    b' "dispenseRequest": {"quantity": {"value": 0.100000000000000000001}}, "extension": [{"valueDecimal": 1e2}]}'
)
BODY = (
    b'{"hook": "order-sign", "hookInstance": "i", "context": {"userId": "Practitioner/1", "patientId": "p",'
    b' "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": ' + ORDER + b"}]}}}"
)


def request(body: bytes = BODY) -> HookRequest:
    return read_request(parse(body), frozenset({"order-sign"}), body=body)


def answer(resource: Any) -> list[dict[str, Any]]:
    return [{"suggestions": [{"actions": [{"type": "update", "resource": resource}]}]}]


def emitted(resource: Any) -> bytes:
    cards = with_numbers_as_written(answer(resource), request())
    return orjson.dumps(cards[0]["suggestions"][0]["actions"][0]["resource"])


@pytest.mark.requirement("GEN-12", "SUG-13")
def test_unchanged_numbers_keep_their_digits() -> None:
    raw = emitted(copy.deepcopy(request().orders[0]))
    for digits in (b"25.00", b"1.50", b"0.100000000000000000001", b"1e2"):
        assert digits in raw
    assert orjson.loads(raw) == orjson.loads(ORDER)


@pytest.mark.requirement("GEN-12")
def test_a_changed_number_is_the_new_one() -> None:
    order: Any = copy.deepcopy(request().orders[0])
    order["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]["value"] = 50
    raw = emitted(order)
    assert b'"value":50,' in raw
    assert b"25.00" not in raw
    assert b"1.50" in raw


@pytest.mark.requirement("GEN-12")
@pytest.mark.parametrize("digits", [b"18446744073709551616", b"-9223372036854775809", b"12345678901234567890123"])
def test_a_whole_number_beyond_64_bits_keeps_its_digits(digits: bytes) -> None:
    asked = request(BODY.replace(b"1e2", digits))
    cards = with_numbers_as_written(answer(copy.deepcopy(asked.orders[0])), asked)
    assert digits in orjson.dumps(cards)


@pytest.mark.requirement("GEN-12")
def test_an_entry_alone_where_a_list_belongs_keeps_its_digits() -> None:
    asked = request(BODY.replace(b'[{"resource": ', b'{"resource": ').replace(b"}]}}}", b"}}}}"))
    cards = with_numbers_as_written(answer(copy.deepcopy(asked.orders[0])), asked)
    assert b"25.00" in orjson.dumps(cards)


def test_an_order_that_is_not_in_the_request_is_left_alone() -> None:
    order = {"resourceType": "MedicationRequest", "id": "another", "value": 1.5}
    assert orjson.loads(emitted(order)) == order
