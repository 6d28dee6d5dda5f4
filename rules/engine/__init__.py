"""Rules over plain facts, matched twice: knows nothing of this project, and no disease."""

from prodrome.rules.engine.evaluation import EngineDisagreement, engine_in_force
from prodrome.rules.engine.explain import Explanation, Verdict, condition_in_words, why
from prodrome.rules.engine.matching import Bindings, Comparison, EngineError, Fact, Join, LimitError, Pattern, Value
from prodrome.rules.engine.rulebook import (
    FINDING,
    TALLY,
    UNJUDGED,
    Conclusion,
    FieldOf,
    Indicator,
    Layer,
    Rule,
    Rulebook,
    RulebookError,
    Tally,
)
from prodrome.rules.engine.strict_yaml import YamlEntry, excerpt, meant, nearest, parse, read_entry

__all__ = [
    "FINDING",
    "TALLY",
    "UNJUDGED",
    "Bindings",
    "Comparison",
    "Conclusion",
    "EngineDisagreement",
    "EngineError",
    "Explanation",
    "Fact",
    "FieldOf",
    "Indicator",
    "Join",
    "Layer",
    "LimitError",
    "Pattern",
    "Rule",
    "Rulebook",
    "RulebookError",
    "Tally",
    "Value",
    "Verdict",
    "YamlEntry",
    "condition_in_words",
    "engine_in_force",
    "excerpt",
    "meant",
    "nearest",
    "parse",
    "read_entry",
    "why",
]
