"""Every card of every labelled and every example patient, as it stands in this folder, one file a card.

A change of wording is read in the diff of these files: ``pytest tests/golden --update-golden`` writes them anew.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from prodrome.cds_hooks.testers import EXAMPLE_PREFIX
from prodrome.cds_hooks.testers.example_patients import examples
from tests.serving import TODAY, Client, ask, client_of, service
from tests.vignettes.example_requests import request as example_request

HERE = Path(__file__).parent
REQUESTS = HERE.parent / "vignettes" / "requests"


def calls() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each call by the folder its cards are kept in."""
    for file in sorted(REQUESTS.glob("*.json")):
        yield file.stem, json.loads(file.read_text(encoding="utf-8"))
    for example in examples():
        for asked in example.asks:
            order = (asked.order or asked.entry or "").replace(":", "-").replace(" ", "-")
            name = "-".join(part for part in (asked.hook, order) if part)
            folder = f"{example.patient_id.removeprefix(EXAMPLE_PREFIX)}/{name}"
            yield folder, example_request(example, asked, TODAY)


CALLS = dict(calls())


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with client_of(service()) as client:
        yield client


def as_markdown(card: Mapping[str, Any]) -> str:
    """A card as a clinician meets it, without what differs from call to call or says where it comes from."""
    topic, source = card["source"]["topic"], card["source"]
    lines = [f"# {card['summary']}", "", f"{topic['code']} {topic['display']}, {card['indicator']}"]
    lines += ["", card["detail"], "", "---", ""]
    lines.append(f"Source: {source['label']} {source.get('url', '')}".rstrip())
    lines += [f"Link: {link['label']} {link['url']}" for link in card.get("links", ())]
    if "suggestions" in card:
        lines += ["", f"Suggestions, {card['selectionBehavior']}:"]
    for suggestion in card.get("suggestions", ()):
        actions = "; ".join(f"{action['type']}: {action['description']}" for action in suggestion["actions"])
        lines.append(f"- {suggestion['label']} ({actions})")
    lines += ["", "To override:", *(f"- {reason['display']}" for reason in card["overrideReasons"])]
    return "\n".join(lines) + "\n"


def answered(client: Client, call: Mapping[str, Any]) -> dict[str, str]:
    """The cards of a call by the name of their file: the rule, numbered where it has several."""
    answer = ask(client, call)
    assert answer.status_code == 200, answer.get_json()
    seen: Counter[str] = Counter()
    found = {}
    for card in answer.get_json()["cards"]:
        rule = card["source"]["topic"]["code"]
        seen[rule] += 1
        found[f"{rule}-{seen[rule]}.md" if seen[rule] > 1 else f"{rule}.md"] = as_markdown(card)
    return found


def kept(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text(encoding="utf-8") for file in folder.glob("*.md")}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_answered_with_the_cards_kept_for_it(client: Client, name: str, pytestconfig: pytest.Config) -> None:
    folder, cards = HERE / name, answered(client, CALLS[name])
    if pytestconfig.getoption("update_golden"):
        for gone in kept(folder).keys() - cards.keys():
            (folder / gone).unlink()
        for file, text in cards.items():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text, encoding="utf-8")
    assert cards == kept(folder)


def test_every_kept_card_belongs_to_a_call() -> None:
    folders = {file.parent.relative_to(HERE).as_posix() for file in HERE.rglob("*.md")}
    assert folders <= CALLS.keys()
