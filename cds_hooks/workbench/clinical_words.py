"""Facts and conditions of the rulebook in the words of a clinician; the words are those of ``clinical_words.yaml``."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from prodrome.rules import ConfigurationError
from prodrome.rules.engine import TALLY, Comparison, Fact, Join, Pattern, read_entry
from prodrome.rules.guideline import Guideline

FILE = Path(__file__).parent / "clinical_words.yaml"

_SAME = {
    "drug": "drug",
    "trial": "course",
    "subject": "course or order",
    "order": "order",
    "episode": "visit",
    "month": "month",
    "use": "purpose",
    "contraindication": "contraindication",
}
_COMPARED = {"=": "", "!=": "not ", "<": "below ", "<=": "at most ", ">": "more than ", ">=": "at least "}
_FIELD = re.compile(r"\{(\$?)(\w+)\}")


@cache
def words() -> Mapping[str, Any]:
    """The content of the file."""
    content: Mapping[str, Any] = read_entry(FILE, ConfigurationError).data
    return content


def condition_in_words(pattern: Pattern, guideline: Guideline) -> str:
    """What a rule asks for: a noun, what must hold of it, and every threshold with the name of its parameter."""
    counted = _counted(pattern, guideline)
    if counted:
        return counted
    said = [_filled(_fact(pattern.fact)["asks"], {}, guideline)]
    said += [_test(test, guideline) for test in pattern.tests]
    said += [
        " or ".join(sorted(_value(field, value, guideline) for value in values)) for field, values in pattern.one_of
    ]
    said += [_join(join) for join in pattern.joins]
    return ", ".join(said)


def fact_in_words(fact: Fact, guideline: Guideline) -> str:
    """What a fact says."""
    if fact.type == TALLY:
        return counted_in_words(str(fact.fields["name"]), fact.fields["count"], guideline)
    says = _fact(fact.type)["says"]
    parts = [says] if isinstance(says, str) else says
    known = [part for part in parts if len(parts) == 1 or all(name in fact.fields for _, name in _FIELD.findall(part))]
    return ", ".join(_filled(part, fact.fields, guideline) for part in known)


def fields_in_words(fact: Fact, fields: Iterable[str], guideline: Guideline) -> str:
    """What a fact says in the fields in which it is not as it was asked for."""
    said = []
    for field in fields:
        if field in fact.fields and field in words()["numbers"]:
            label, unit = words()["numbers"][field]
            said.append(" ".join(part for part in (label, value_in_words(fact.fields[field]), unit) if part))
        elif field in fact.fields and field in words()["tests"]:
            said.append(_value(field, fact.fields[field], guideline))
    return ", ".join(said)


def counted_in_words(name: str, count: object, guideline: Guideline) -> str:
    """A count with what is counted."""
    one, many = _count(name)
    number = value_in_words(count)
    return f"{number} {_filled(one if number == '1' else many, {}, guideline)}"


def needed(pattern: Pattern, guideline: Guideline) -> tuple[str, str] | None:
    """Of a condition on a count: the number it needs, and what is counted; None for any other condition."""
    name = next((test.value for test in pattern.tests if test.field == "name" and test.op == "="), None)
    least = next((test for test in pattern.tests if test.field == "count" and test.op == ">="), None)
    if pattern.fact != TALLY or name is None or least is None:
        return None
    return value_in_words(least.value), _filled(_count(str(name))[1], {}, guideline)


def _fact(type_: str) -> Mapping[str, Any]:
    """The words of a fact; of one that nobody gave any (a site's own rule) its name."""
    name = type_.replace("_", " ")
    found: Mapping[str, Any] = words()["facts"].get(type_, {"asks": name, "says": name})
    return found


def _count(name: str) -> tuple[str, str]:
    one, many = words()["counts"].get(name, [name.replace("_", " ")] * 2)
    return one, many


def value_in_words(value: object) -> str:
    """A plain value as a person reads it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def parameter_name(name: str) -> str:
    """A parameter's name as the pages write it."""
    return name.replace("_", " ")


def _counted(pattern: Pattern, guideline: Guideline) -> str:
    found = needed(pattern, guideline)
    if found is None or pattern.joins:
        return ""
    least = next(test for test in pattern.tests if test.field == "count")
    return f"{found[0]} or more {found[1]}{_threshold(least)}"


def _test(test: Comparison, guideline: Guideline) -> str:
    if test.op in ("present", "absent"):
        return f"{_label(test.field)} {'known' if test.op == 'present' else 'not known'}"
    if test.field in words()["numbers"]:
        label, unit = words()["numbers"][test.field]
        number = f"{_COMPARED[test.op]}{value_in_words(test.value)}"
        return " ".join(part for part in (label, number, unit) if part) + _threshold(test)
    said = _value(test.field, test.value, guideline)
    return f"not {said}" if test.op == "!=" else said


def _label(field: str) -> str:
    numbers = words()["numbers"]
    return str(numbers[field][0] if field in numbers else f"the {field.replace('_', ' ').replace('ehf ', '')}")


def _threshold(test: Comparison) -> str:
    return f" ({parameter_name(test.parameter)})" if test.parameter else ""


def _value(field: str, value: object, guideline: Guideline) -> str:
    phrases = words()["tests"].get(field, {})
    key = value if isinstance(value, bool) else str(value)
    if key in phrases:
        return str(phrases[key])
    named = _named(field, value, guideline)
    return str(phrases.get("other", "{value}")).replace("{value}", named)


def _named(field: str, value: object, guideline: Guideline) -> str:
    """The name of what an id means."""
    text = str(value)
    if field in ("drug", "other") and text in guideline.drugs:
        return guideline.drugs[text].name
    if text in guideline.classes:
        return guideline.classes[text].name
    if text in guideline.contraindications:
        return guideline.contraindications[text].label
    if field in ("id", "acute_class", "drug_class") and text in guideline.acute_classes:
        return guideline.acute_classes[text].plural
    if isinstance(value, bool | int | float):
        return value_in_words(value)
    return text.replace("_", " ")


def _join(join: Join) -> str:
    what = _SAME.get(join.field, "class" if "class" in join.field or join.field == "id" else join.field)
    return f"{'the same' if join.op == '=' else 'another'} {what}"


def _filled(text: str, fields: Mapping[str, Any], guideline: Guideline) -> str:
    """A phrase with its fields and parameters put in; what the fact does not know is "not known"."""

    def found(match: re.Match[str]) -> str:
        parameter, name = match.groups()
        if parameter:
            return value_in_words(guideline.value(name))
        return _value(name, fields[name], guideline) if name in fields else "not known"

    return _FIELD.sub(found, text)
