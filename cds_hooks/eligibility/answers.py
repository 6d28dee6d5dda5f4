"""Every class and every body's criteria for one patient: as words for pages, as JSON, and as a table of text."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from prodrome.cds_hooks.cards import ClassWords, RowWords, Sheet, class_words, first_references, row_words
from prodrome.rules import ClassState, Criterion, Facts, Failed, HeadacheMonth, Judgement, RowAnswer, eligibility
from prodrome.rules.guideline import Guideline

WIDTH = 110
"""Characters of a line of the table."""


@dataclass(frozen=True, slots=True)
class Told:
    """The answers with their words, in the same order."""

    classes: tuple[tuple[ClassState, ClassWords], ...]
    rows: tuple[tuple[RowAnswer, RowWords], ...]


def told(facts: Facts, judgement: Judgement) -> Told:
    """Every class, and every row of the site's bodies, for one judged patient."""
    found, sheet = eligibility(facts, judgement), Sheet(judgement, facts)
    return Told(
        classes=tuple((state, class_words(state, sheet)) for state in found.classes),
        rows=tuple((row, row_words(row, judgement.guideline)) for row in found.rows),
    )


def as_json(facts: Facts, judgement: Judgement) -> dict[str, Any]:
    """The answers as JSON; members without content are left out."""
    found = told(facts, judgement)
    return {
        "date": judgement.today.isoformat(),
        "locale": judgement.locale,
        "classes": [_full(_class(state, words)) for state, words in found.classes],
        "bodies": [_row(row, words, judgement.guideline) for row, words in found.rows],
    }


def _full(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value not in (None, "", [], ())}


def _references(refs: Sequence[str]) -> dict[str, Any]:
    """The first of the rows that something rests on, and how many more there are: a chart may have thousands."""
    told = first_references(refs)
    return {"references": list(told), "moreReferences": len(refs) - len(told) or None}


def _class(state: ClassState, words: ClassWords) -> dict[str, Any]:
    return {
        "class": state.id,
        "name": words.name,
        "use": state.use,
        "ehfClass": state.ehf_class,
        "state": state.state,
        "why": words.why,
        "left": list(state.left),
        "failed": [_failed(one) for one in state.failed],
        "contraindications": list(state.contraindications),
        "missing": list(state.missing),
        **_references(state.refs),
    }


def _failed(one: Failed) -> dict[str, Any]:
    return _full(
        {
            "drug": one.drug,
            "group": one.group,
            "how": one.how,
            "certain": one.certain,
            "because": list(one.because),
            **_references(one.refs),
        }
    )


def _month(month: HeadacheMonth) -> dict[str, Any]:
    return _full(
        {
            "month": f"{month.month:%Y-%m}",
            "migraineDays": month.migraine,
            "headacheDays": month.headache,
            "debilitatingDays": month.debilitating,
            **_references(month.refs),
        }
    )


def _row(answer: RowAnswer, words: RowWords, guideline: Guideline) -> dict[str, Any]:
    row = answer.row
    sources = [guideline.sources[id_] for id_ in row.sources]
    return _full(
        {
            "body": row.body.name,
            "kind": row.body.kind,
            "place": row.body.place,
            "example": row.body.example or None,
            "row": row.id,
            "date": row.date,
            "drugs": list(row.drugs),
            "uses": list(row.uses),
            "answer": answer.answer,
            "criteria": [
                _criterion(criterion, said.asked, said.shown)
                for criterion, said in zip(answer.criteria, words.criteria, strict=True)
            ],
            "says": words.says,
            "read": row.read,
            "sources": [_full({"id": one.id, "citation": one.citation, "url": one.url}) for one in sources],
        }
    )


def _criterion(criterion: Criterion, asked: str, shown: str) -> dict[str, Any]:
    return _full(
        {
            "kind": criterion.kind,
            "asked": asked,
            "answer": criterion.answer,
            "shown": shown,
            "failed": [_failed(one) for one in criterion.failed],
            "months": [_month(month) for month in criterion.months],
            "missing": list(criterion.missing),
            **_references(criterion.refs),
        }
    )


def as_table(facts: Facts, judgement: Judgement) -> str:
    """The answers as text: the classes with their state and why, then body by body each criterion."""
    return "\n".join(_lines(told(facts, judgement), judgement))


def _lines(found: Told, judgement: Judgement) -> Iterator[str]:
    yield f"Eligibility on {judgement.today}, locale {judgement.locale}"
    for use, title in (("preventive", "Preventive classes"), ("acute", "Acute classes")):
        rows = [(words.name, state.state, words.why) for state, words in found.classes if state.use == use]
        yield from ("", title, *_columns(rows))
    yield from ("", "Bodies")
    for answer, words in found.rows:
        when = f", {words.date}" if words.date else ""
        example = ", an example" if words.example else ""
        drugs = ", ".join(words.drugs)
        yield from ("", f"{words.body} ({words.kind}, {words.place}{when}{example}; {answer.row.id}): {words.answer}")
        yield from _wrapped(drugs, 2)
        yield from _columns([(one.answer, one.asked, one.shown) for one in words.criteria])
        if words.says:
            yield from _wrapped(words.says, 2)


def _columns(rows: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    """Three columns, the last of them wrapped where it is long."""
    if not rows:
        return
    first, second = (min(max(len(row[place]) for row in rows), 44) for place in (0, 1))
    rest = max(WIDTH - first - second - 6, 30)
    for one, two, three in rows:
        left, right = wrap(two, second) or [""], wrap(three, rest) or [""]
        for line in range(max(len(left), len(right))):
            start = f"  {one if line == 0 else '':{first}}  {left[line] if line < len(left) else '':{second}}"
            yield f"{start}  {right[line] if line < len(right) else ''}".rstrip()


def _wrapped(text: str, indent: int) -> list[str]:
    return wrap(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * indent)
