"""``docs/rules-language.md``: everything a rulebook may say, written from the code and the guideline (``make docs``)."""

from collections.abc import Iterator
from pathlib import Path

from prodrome.rules.engine import Rulebook
from prodrome.rules.fact_types import FACT_TYPES, MEANINGS, READ_FROM, AcuteClassId, meaning_of
from prodrome.rules.guideline import Guideline, load_guideline

FILE = Path(__file__).parents[2] / "docs" / "rules-language.md"

HEAD = """# The rules' language

`rules/migraine/rulebook.yaml` holds the rules in layers, read from top to bottom. A rule reads what was measured from the
chart and what *earlier* layers concluded, never its own layer. This page is written from the program (`make docs`).

## A rule

| field | says |
|---|---|
| `id` | upper-case (`DTT-01`) for a rule with a card, lower-case words (`heavy-month`) for a step |
| `title`, `why` | in a few words; the reason, for people who ask why |
| `statements`, `sources` | the statement and the publications it rests on (`sources.yaml`) |
| `hooks` | the hooks at which its card may be shown |
| `if` | a yes-or-no parameter that turns the rule on: `$accept_proxy_days`, `not $accept_proxy_days` |
| `when` | conditions, all of which must hold: one fact each |
| `unless` | conditions, none of which may hold |
| `absence_needs` | kinds of resource that must be complete before *nothing was found* means anything; else the rule could not be judged |
| `then` | of a step: the fact it concludes, `{fact: heavy_month, month: $m.month}`; of a card rule it is its finding |
| `about` | whom an unjudged step is about, where that is an order |
| `concludes_absence_for` | the card rule that a step's silence belongs to |
| `incomplete_card` | the words of the quiet card, where only missing data stop the rule |
| `card` | `indicator`, `about` (the order it speaks of), `shows` (facts its template may tell of, by name), `safety` |

## A condition

`{fact: month, as: m, months_ago: "<= $resistant_months", debilitating: ">= $min_debilitating_days"}` takes one fact of
type `month`, called `m`, that passes every test. A fact takes one place in a rule: two conditions on `trial` speak of two
trials. An unknown field satisfies nothing but `absent`.

| test | holds where the field |
|---|---|
| `drug: propranolol` | is that text, number, or true/false |
| `indication: [migraine, headache]` | is one of these |
| `debilitating: ">= 8"` (`<`, `<=`, `>`, `>=`, `!=`) | compares so |
| `days: ">= $moh_days_triptan"` | compares so with a parameter of `parameters.yaml` |
| `debilitating: present`, `absent` | is known, is not known |
| `drug: $t.drug`, `"!= $t.drug"` | is (is not) what an earlier condition's fact `t` has there |

A layer's `tallies` count different values after its rules: `{name: ..., distinct: field, of: {fact: ...}}`; a rule of a
later layer reads them as `{fact: tally, name: ..., count: ">= 3"}`. `{fact: finding, rule: DTT-02}` and
`{fact: unjudged, rule: ED-01}` are what earlier layers came to.

## Cards

`templates/cards/<rule>.md.j2` words a card: its first line is the summary, the rest the detail. It may name the view of its
rule, what `shows` declares, and parameters; anything else stops the start. `templates/cards/cards.yaml` says which
suggestions and override reasons a card has.

## Measured facts
"""


def text(guideline: Guideline) -> str:
    """The whole page."""
    return "\n".join([HEAD, *_facts(guideline), *_concluded(guideline.rulebook), *_parameters(guideline)]) + "\n"


def _facts(guideline: Guideline) -> Iterator[str]:
    for fact, fields in FACT_TYPES.items():
        read_from = ", ".join(READ_FROM[fact]) or "the request"
        yield f"### `{fact}`\n\n{MEANINGS[fact]} Read from: {read_from}.\n\n| field | is | means |\n|---|---|---|"
        for field, kind in fields.items():
            yield f"| `{field}` | {_kind(kind, guideline)} | {meaning_of(fact, field)} |"
        yield ""


def _kind(kind: type | tuple[str, ...], guideline: Guideline) -> str:
    if kind is AcuteClassId:
        kind = tuple(guideline.acute_classes)
    if isinstance(kind, tuple):
        return ", ".join(f"`{value}`" for value in kind)
    return {str: "text", float: "number", bool: "true or false"}.get(kind, "an id of the guideline")


def _concluded(rulebook: Rulebook) -> Iterator[str]:
    yield "## Concluded facts\n\n| fact | fields | concluded by |\n|---|---|---|"
    for fact, fields in sorted(rulebook.fact_types.items()):
        if fact not in rulebook.measured:
            by = [f"`{rule.id}`" for rule in rulebook.rules.values() if rule.then.fact == fact]
            named = by if len(by) <= 6 else [*by[:5], f"{len(by) - 5} more"]
            names = ", ".join(f"`{name}`" for name in fields)
            yield f"| `{fact}` | {names} | {', '.join(named) or 'the engine'} |"
    yield ""


def _parameters(guideline: Guideline) -> Iterator[str]:
    yield "## Parameters\n\n| parameter | value | unit | decides |\n|---|---|---|---|"
    for parameter in guideline.parameters.values():
        value = parameter.value
        shown = value if isinstance(value, int | float | bool | str) else "by locale"
        yield f"| `{parameter.name}` | {shown} | {parameter.unit} | {parameter.decides} |"


if __name__ == "__main__":
    FILE.write_text(text(load_guideline()), encoding="utf-8")
