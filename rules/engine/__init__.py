"""Rules over plain facts, matched twice: knows nothing of this project, and no disease."""

from prodrome.rules.engine.evaluation import EngineDisagreement, engine_in_force
from prodrome.rules.engine.explain import Explanation, Verdict, condition_in_words, why
from prodrome.rules.engine.matching import Bindings, EngineError, Fact, LimitError, Pattern, Test
from prodrome.rules.engine.rulebook import FINDING, TALLY, Indicator, Rule, Rulebook, RulebookError

__all__ = [
    "FINDING",
    "TALLY",
    "Bindings",
    "EngineDisagreement",
    "EngineError",
    "Explanation",
    "Fact",
    "Indicator",
    "LimitError",
    "Pattern",
    "Rule",
    "Rulebook",
    "RulebookError",
    "Test",
    "Verdict",
    "condition_in_words",
    "engine_in_force",
    "why",
]
