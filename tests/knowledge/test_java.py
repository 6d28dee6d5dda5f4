"""The Java engine of CQL answers as this program does, on far more than the one in JavaScript is asked in every run."""

from pathlib import Path

import pytest

from prodrome.cds_hooks.knowledge import knowledge
from prodrome.rules.guideline import load_guideline
from tests.knowledge import cases, jvm
from tests.knowledge.cases import Compared

pytestmark = [
    pytest.mark.skipif(not cases.LONG, reason="takes minutes: make test-knowledge"),
    pytest.mark.timeout(3600),
]
GUIDELINE = load_guideline()
RULEBOOK = GUIDELINE.rulebook
WORLDS, CHARTS = 2000, 1000


def test_findings_and_what_could_not_be_judged_are_the_same_in_random_worlds(tmp_path: Path) -> None:
    worlds = enumerate(cases.worlds(RULEBOOK, WORLDS))
    asked = [cases.of_world(f"world {number} for {world.aim}", world, RULEBOOK) for number, world in worlds]
    assert len({str(one.bundle) for one in asked}) > 0.9 * WORLDS
    assert _differing(asked, tmp_path) == []
    enabled = {rule.id: rule for rule in RULEBOOK.rules.values() if rule.enabled}
    assert {rule for one in asked for rule in one.fired} == enabled.keys()


def test_findings_and_what_could_not_be_judged_are_the_same_on_charts(tmp_path: Path) -> None:
    asked = [*cases.charts(), *cases.reshaped(CHARTS)]
    assert len({str(one.bundle) for one in asked}) > 0.8 * CHARTS
    assert _differing(asked, tmp_path) == []
    cards = {rule for one in asked for rule, _ in one.cards}
    spoken = {rule.id for rule in RULEBOOK.rules.values() if rule.enabled and rule.card}
    assert len(cards & spoken) > 0.8 * len(spoken)


def _differing(asked: list[Compared], folder: Path) -> list[tuple[str, list[str]]]:
    """Where findings, what could not be judged, or the steps that fired are other than here."""
    (folder / "library.cql").write_text(knowledge(GUIDELINE).cql, encoding="utf-8")
    answers = jvm.evaluated(folder / "library.cql", (one.bundle for one in asked))
    found = []
    for expected, answer in zip(asked, answers, strict=True):
        apart = cases.rows(answer["findings"]) ^ expected.findings
        apart |= cases.rows(answer["unjudged"]) ^ expected.unjudged
        apart |= frozenset(answer["concluded"]) ^ expected.fired
        if apart:
            found.append((expected.name, sorted(apart)))
    return found
