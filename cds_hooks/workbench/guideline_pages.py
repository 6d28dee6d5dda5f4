"""The guideline as pages: its rules."""

from collections.abc import Mapping

from flask import Response

from prodrome.cds_hooks.protocol import NotFound
from prodrome.cds_hooks.workbench import asking, reading
from prodrome.cds_hooks.workbench.feedback_pages import figures
from prodrome.cds_hooks.workbench.frame import Frame, Pages, WorkbenchView


def guideline_pages(frame: Frame) -> Pages:
    """The pages about rules."""
    return _GuidelinePages(frame)


class _GuidelinePages:
    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.environment = frame.environment

    def shown(self) -> Mapping[str, WorkbenchView]:
        return {"/rules": self.rulebook, "/rules/<rule_id>": self.rule}

    def sent(self) -> Mapping[str, WorkbenchView]:
        return {}

    def rulebook(self) -> Response:
        rulebook = self.environment.guideline.rulebook
        rules = list(rulebook.rules.values())
        return self.frame.page(
            "rulebook",
            rulebook=rulebook,
            cards=[rule for rule in rules if rule.card],
            steps=[rule for rule in rules if not rule.card],
            figures=figures(self.environment),
        )

    def rule(self, rule_id: str) -> Response:
        guideline = self.environment.guideline
        rule = guideline.rulebook.rules.get(rule_id)
        if rule is None:
            raise NotFound("There is no such rule.")
        used = [
            other
            for other in guideline.rulebook.rules.values()
            if any(pattern.fact == rule.then.fact for pattern in (*other.when, *other.unless)) and not rule.card
        ]
        return self.frame.page(
            "rule",
            rule=rule,
            statements=[(id_, guideline.statements.get(id_, "")) for id_ in rule.statements],
            conditions=reading.conditions_in_words(rule, guideline),
            unless=reading.unless_in_words(rule, guideline),
            parameters=reading.parameters_of(rule, guideline),
            behind=reading.parameters_behind(rule, guideline),
            sources=reading.sources_of(rule, guideline),
            examples=[named for named in asking.named_examples() if rule_id in named.ask.cards],
            figures=figures(self.environment).get(rule_id),
            used=used,
        )
