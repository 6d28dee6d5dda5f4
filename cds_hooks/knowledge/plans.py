"""What is said where a rule holds: a PlanDefinition of FHIR R4 for each rule with a card and for each hook.

Their conditions name definitions of the CQL library. A server that answers CDS Hooks from a PlanDefinition listens to
the hook of its first trigger, so that each hook has one with the actions of all rules that speak there.
"""

from collections.abc import Iterator, Mapping

from prodrome.cds_hooks.cards import DRAFTS, FOLLOW_UP, INCOMPLETE, INCOMPLETE_TITLE, RULES, suggested
from prodrome.cds_hooks.knowledge.canonical import Resource, canonical, id_of, machine_name
from prodrome.cds_hooks.knowledge.cql import (
    LIBRARY,
    KnowledgeError,
    could_not_judge,
    hooks,
    indicators,
    speaking,
    speaks,
)
from prodrome.cds_hooks.protocol import HOOKS
from prodrome.rules.engine import Indicator, Rule
from prodrome.rules.guideline import SNOMED, Guideline, Source

_PRIORITY: Mapping[Indicator, str] = {"critical": "stat", "warning": "urgent", "info": "routine"}
"""How urgent an action is; servers make the indicator of a card of it."""

_FOLLOW_UP = {"coding": [{"system": SNOMED, "code": FOLLOW_UP[0], "display": FOLLOW_UP[1]}]}
_DRAFTED: Mapping[str, tuple[str, str, Resource]] = {
    **{
        kind: (draft.label, draft.description, {"kind": "ServiceRequest", "code": draft.code})
        for kind, draft in DRAFTS.items()
    },
    "follow_up": (
        "Plan follow-up",
        "Draft follow-up on the day on which the new preventive can be judged",
        {"kind": "ServiceRequest", "code": _FOLLOW_UP | {"text": "Follow-up: judge the benefit of the new preventive"}},
    ),
    "other_class": (
        "Order from another class instead",
        "Draft order for a drug of a class still open, to be completed with drug and starting dose",
        {"kind": "MedicationRequest", "productCodeableConcept": {"text": "A drug of a class still open, to be chosen"}},
    ),
}
"""Suggestions that create something: button, description, and what of the resource does not depend on the patient."""

_CHANGES: Mapping[str, tuple[str, str]] = {
    "remove_order": ("remove", "Remove the order in hand"),
    "full_dose": ("update", "Change the order in hand to the full dose"),
    "highest_dose": ("update", "Change the order in hand to the highest dose allowed"),
}
"""Suggestions that change the order in hand: the type of the action, and its button."""


def activities(guideline: Guideline) -> Iterator[Resource]:
    """An ActivityDefinition for each suggestion that creates something."""
    used = {kind for rule in speaking(guideline.rulebook) for kind in suggested(rule.id)}
    for kind, (label, description, what) in _DRAFTED.items():
        if kind in used:
            made = canonical(
                "ActivityDefinition",
                id_of(kind),
                guideline,
                name=machine_name(f"Prodrome {kind}"),
                title=label,
                description=description,
            )
            yield made | what | {"intent": "order"}


def plans(guideline: Guideline) -> Iterator[Resource]:
    """A PlanDefinition for each rule with a card, for what could not be judged, and for each hook.

    Raises :class:`KnowledgeError` for a suggestion that has no translation; it names the rule.
    """
    book = guideline.rulebook
    for rule in speaking(book):
        made = _plan(f"rule-{rule.id}", rule.title, f"{rule.why}.", guideline)
        actions = _actions(rule, guideline, rule.hooks)
        yield made | {"relatedArtifact": _cited(rule, guideline), "action": actions}
    made = _plan(f"rule-{INCOMPLETE}", INCOMPLETE_TITLE, _NOT_JUDGED, guideline)
    yield made | {"action": [_incomplete(guideline, hook) for hook in hooks(book)]}
    for hook in hooks(book):
        title = f"Difficult-to-treat migraine, {HOOKS[hook].title}"
        made = _plan(plan_of(hook), title, f"What is said when {HOOKS[hook].when}.", guideline)
        spoken = [rule for rule in speaking(book) if hook in rule.hooks]
        actions = [action for rule in spoken for action in _actions(rule, guideline, (hook,))]
        yield made | {"action": [*actions, _incomplete(guideline, hook)]}


def plan_of(hook: str) -> str:
    """The id of the PlanDefinition of a hook: that of the service which this program answers it with."""
    return f"prodrome-{hook}"


_NOT_JUDGED = "Where data are missing, finding nothing does not mean that there is nothing."


def _plan(id_: str, title: str, description: str, guideline: Guideline) -> Resource:
    made = canonical(
        "PlanDefinition",
        id_,
        guideline,
        name=machine_name(f"Prodrome {id_.removeprefix('prodrome-')}"),
        title=title,
        description=description,
    )
    code = {"system": "http://terminology.hl7.org/CodeSystem/plan-definition-type", "code": "eca-rule"}
    return made | {
        "type": {"coding": [code]},
        "library": [f"{guideline.canonical('Library', LIBRARY)}|{guideline.rulebook.version}"],
    }


def _actions(rule: Rule, guideline: Guideline, hooks: tuple[str, ...]) -> list[Resource]:
    """The actions of a rule, one for each indicator that its card can have."""
    said = [f"{rule.why}."]
    said += [guideline.statements[id_] for id_ in rule.statements if id_ in guideline.statements]
    offered = [_offer(rule, kind, guideline) for kind in suggested(rule.id)]
    return [
        _action(rule.id, rule.title, "\n\n".join(said), guideline, hooks, speaks(rule, indicator), indicator)
        | {"documentation": _cited(rule, guideline)}
        | ({"selectionBehavior": "at-most-one", "action": offered} if offered else {})
        for indicator in indicators(guideline.rulebook, rule)
    ]


def _incomplete(guideline: Guideline, hook: str) -> Resource:
    asked = [rule.incomplete_card for rule in speaking(guideline.rulebook) if hook in rule.hooks]
    words = "; ".join(filter(None, asked))
    text = f"{_NOT_JUDGED} At this moment it may concern: {words}." if words else _NOT_JUDGED
    return _action(INCOMPLETE, INCOMPLETE_TITLE, text, guideline, (hook,), could_not_judge(hook), "info")


def _action(
    code: str, title: str, text: str, guideline: Guideline, hooks: tuple[str, ...], condition: str, indicator: Indicator
) -> Resource:
    return {
        "title": title,
        "description": text,
        "priority": _PRIORITY[indicator],
        "code": [{"coding": [{"system": guideline.canonical("CodeSystem", RULES), "code": code, "display": title}]}],
        "trigger": [{"type": "named-event", "name": hook} for hook in hooks],
        "condition": [
            {"kind": "applicability", "expression": {"language": "text/cql-identifier", "expression": condition}}
        ],
    }


def _offer(rule: Rule, kind: str, guideline: Guideline) -> Resource:
    if kind in _DRAFTED:
        label, description, _ = _DRAFTED[kind]
        offered = {"title": label, "description": description, "type": _action_type("create")}
        return offered | {"definitionCanonical": guideline.canonical("ActivityDefinition", id_of(kind))}
    if kind in _CHANGES:
        type_, label = _CHANGES[kind]
        return {"title": label, "description": label, "type": _action_type(type_)}
    raise KnowledgeError(f"rule {rule.id}: no translation of the suggestion {kind!r}")


def _action_type(code: str) -> Resource:
    return {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/action-type", "code": code}]}


def _cited(rule: Rule, guideline: Guideline) -> list[Resource]:
    return [citation(guideline.sources[id_]) for id_ in rule.sources]


def citation(source: Source) -> Resource:
    """A publication as a related artifact."""
    said: Resource = {
        "type": "documentation",
        "label": source.id,
        "display": source.citation,
        "citation": source.citation,
    }
    return said | ({"url": source.url, "document": {"url": source.url}} if source.url else {})
