"""The guideline as pages: its rules, drugs, codes and parameters, a search over them, and a rule edited in place."""

import threading
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from flask import Response, request

from prodrome.cds_hooks.protocol import NotFound
from prodrome.cds_hooks.workbench import asking, editing, reading, rule_editing
from prodrome.cds_hooks.workbench.feedback_pages import figures
from prodrome.cds_hooks.workbench.frame import Frame, Pages, WorkbenchView
from prodrome.cds_hooks.workbench.rule_editing import Known
from prodrome.cds_hooks.workbench.searching import drug_in_words, search
from prodrome.rules.engine import Rule


def guideline_pages(frame: Frame) -> Pages:
    """The pages about the guideline."""
    return _GuidelinePages(frame)


class _GuidelinePages:
    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.environment = frame.environment
        self._lock = threading.Lock()
        self._examples: tuple[date, Sequence[Known]] | None = None

    def shown(self) -> Mapping[str, WorkbenchView]:
        return {
            "/rules": self.rulebook,
            "/rules/<rule_id>": self.rule,
            "/rules/<rule_id>/edit": self.edit_rule,
            "/search": self.search,
            "/drugs": self.drugs,
            "/parameters": self.parameters,
        }

    def sent(self) -> Mapping[str, WorkbenchView]:
        return {
            "/rules/<rule_id>/edit": self.try_rule,
            "/rules/<rule_id>/patch": self.rule_patch,
            "/rules/<rule_id>/settings": self.rule_settings,
        }

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
        guideline, rule = self.environment.guideline, self._rule(rule_id)
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

    def _rule(self, rule_id: str) -> Rule:
        rule = self.environment.guideline.rulebook.rules.get(rule_id)
        if rule is None:
            raise NotFound("There is no such rule.")
        return rule

    # Search

    def search(self) -> Response:
        query = request.args.get("q", "").strip()[:200]
        return self.frame.page("search", query=query, found=search(query, self.environment.guideline))

    def drugs(self) -> Response:
        guideline = self.environment.guideline
        drugs = sorted(guideline.drugs.values(), key=lambda drug: drug.name.lower())
        return self.frame.page(
            "drugs",
            drugs=[(drug, drug_in_words(drug, guideline)) for drug in drugs],
            contraindications=guideline.contraindications,
            locale=self.environment.settings.locale,
        )

    def parameters(self) -> Response:
        guideline = self.environment.guideline
        readers = {
            name: [rule for rule in guideline.rulebook.rules.values() if name in rule.parameters]
            for name in guideline.parameters
        }
        return self.frame.page("parameters", parameters=guideline.parameters.values(), readers=readers)

    # Editing a rule

    def edit_rule(self, rule_id: str) -> Response:
        guideline, rule = self.environment.guideline, self._rule(rule_id)
        return self._editor(rule, rule_editing.rule_text(guideline, rule_id), {}, None)

    def try_rule(self, rule_id: str) -> Response:
        """Check a rule as it was typed, and tell what it changes."""
        rule, (text, parameters) = self._rule(rule_id), self._typed(rule_id)
        outcome = self._outcome(rule_id, text, parameters)
        if request.headers.get("HX-Request") == "true":
            return self.frame.page("_rule_outcome", rule=rule, **outcome)
        return self._editor(rule, text, parameters, outcome)

    def rule_patch(self, rule_id: str) -> Response:
        self._rule(rule_id)
        text, _ = self._typed(rule_id)
        changed = self.environment.guideline
        try:
            return _file(rule_editing.patch(changed, rule_id, text), f"{rule_id}.patch", "text/x-diff")
        except rule_editing.PROBLEMS as error:
            return self._editor(self._rule(rule_id), text, {}, _problem(str(error)))

    def rule_settings(self, rule_id: str) -> Response:
        rule, (text, parameters) = self._rule(rule_id), self._typed(rule_id)
        try:
            toml = rule_editing.parameters_toml(self.environment.guideline, parameters)
            return _file(toml, "prodrome.toml", "application/toml")
        except rule_editing.PROBLEMS as error:
            return self._editor(rule, text, parameters, _problem(str(error)))

    def _typed(self, rule_id: str) -> tuple[str, dict[str, str]]:
        """The text of the rule, and the thresholds that are other ones than now."""
        given = {n.removeprefix("parameter:"): v for n, v in request.form.items() if n.startswith("parameter:")}
        fields = {one.name: one for one in self._thresholds(self._rule(rule_id))}
        return request.form.get("text", "").replace("\r\n", "\n"), editing.changed(fields, given)

    def _outcome(self, rule_id: str, text: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        environment = self.environment
        try:
            after = rule_editing.changed_guideline(environment, rule_id, text, parameters)
            if after is environment.guideline:
                return {"problem": "", "effects": None, "tried": {}}
            known = self._known()
        except rule_editing.PROBLEMS as error:
            return _problem(str(error))
        tried: dict[str, int] = {}
        for one in known:
            tried[one.of] = tried.get(one.of, 0) + 1
        return {
            "problem": "",
            "effects": list(rule_editing.effects(known, environment.guideline, after)),
            "tried": tried,
        }

    def _known(self) -> Sequence[Known]:
        """Everybody a rule is tried on: examples, labelled patients of the settings, patients of a population."""
        environment, today = self.environment, self.environment.clock()
        with self._lock:
            if self._examples is None or self._examples[0] != today:
                known = rule_editing.known_examples(environment)
                if environment.settings.labelled_patients:
                    known += rule_editing.labelled_patients(environment.settings.labelled_patients, environment)
                if environment.settings.population_results:
                    known += rule_editing.population_patients(environment.settings.population_results, environment)
                self._examples = (today, known)
            return self._examples[1]

    def _thresholds(self, rule: Rule) -> list[editing.Field]:
        guideline = self.environment.guideline
        names = [
            one.name for one in (*reading.parameters_of(rule, guideline), *reading.parameters_behind(rule, guideline))
        ]
        fields = {one.name: one for one in editing.parameter_fields(guideline)}
        return [fields[name] for name in dict.fromkeys(names) if name in fields]

    def _editor(
        self, rule: Rule, text: str, parameters: Mapping[str, str], outcome: Mapping[str, Any] | None
    ) -> Response:
        return self.frame.page(
            "rule_edit",
            rule=rule,
            text=text,
            given=parameters,
            thresholds=self._thresholds(rule),
            **(outcome or {"problem": "", "effects": None, "tried": {}}),
        )


def _problem(text: str) -> dict[str, Any]:
    return {"problem": text, "effects": None, "tried": {}}


def _file(text: str, name: str, media_type: str) -> Response:
    answer = Response(text, mimetype=media_type)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
