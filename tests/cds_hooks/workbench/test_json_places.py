"""Where a value stands in a JSON text, for any document and any way of writing it."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prodrome.cds_hooks.workbench.json_places import Places

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)


def paths(value: Any, path: str = "$") -> list[tuple[str, Any]]:
    found = [(path, value)]
    if isinstance(value, dict):
        for number, (name, inner) in enumerate(value.items(), start=1):
            found += paths(inner, f"{path}.{name}")
            found.append((f"{path}[member {number}]", inner))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += paths(inner, f"{path}[{index}]")
    return found


@given(DOCUMENTS, st.sampled_from([None, 0, 1, 4]))
def test_every_path_leads_to_its_value(document: Any, indent: int | None) -> None:
    text = json.dumps(document, indent=indent)
    places = Places(text)
    for path, value in paths(document):
        place = places.of(path)
        rest = "\n".join([text.split("\n")[place.line - 1][place.column - 1 :], *text.split("\n")[place.line :]])
        assert json.JSONDecoder().raw_decode(rest)[0] == value


def test_a_path_that_leads_nowhere_leads_to_the_innermost_part_that_is_there() -> None:
    text = '{\n  "context": {"userId": 1}\n}'
    assert str(Places(text).of("$.context.patientId")) == "line 2, column 14"
    assert str(Places(text).of("$.prefetch.x")) == "line 1, column 1"
