"""The guideline as pages: its rules, drugs, codes and parameters, a search over them, and a rule edited in place."""

from collections.abc import Mapping
from typing import Any

from flask import Response, request

from prodrome.cds_hooks.protocol import NotFound
from prodrome.cds_hooks.workbench import asking, editing, reading, rule_editing
from prodrome.cds_hooks.workbench.drug_words import against, classes_of, limit_in_words, named_drugs, sources_of_drug
from prodrome.cds_hooks.workbench.feedback_pages import figures
from prodrome.cds_hooks.workbench.frame import Frame, Pages, WorkbenchView, attached
from prodrome.cds_hooks.workbench.rule_editing import KnownPatients
from prodrome.cds_hooks.workbench.searching import drug_in_words, search
from prodrome.rules.engine import Rule

Outcome = dict[str, Any]
"""What an edited rule came to, as its page shows it: why it is no rule, or what it changes and on whom it was tried."""
_NOTHING_TRIED: Outcome = {"problem": "", "effects": None, "tried": {}}


def guideline_pages(frame: Frame, known: KnownPatients) -> Pages:
    """The pages about the guideline; *known* are the patients on whom an edited rule is tried."""
    return _GuidelinePages(frame, known)


class _GuidelinePages:
    def __init__(self, frame: Frame, known: KnownPatients) -> None:
        self.frame = frame
        self.environment = frame.environment
        self.known = known

    def shown(self) -> Mapping[str, WorkbenchView]:
        return {
            "/rules": self.rulebook,
            "/rules/<rule_id>": self.rule,
            "/rules/<rule_id>/edit": self.edit_rule,
            "/search": self.search,
            "/drugs": self.drugs,
            "/drugs/<drug_id>": self.drug,
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
        """The drugs of a class, and of these those with a name."""
        guideline, of, query = self.environment.guideline, request.args.get("of", ""), request.args.get("q", "").strip()
        named = named_drugs(query, guideline) if query else None
        drugs = [
            drug
            for drug in sorted(guideline.drugs.values(), key=lambda drug: drug.name.lower())
            if (not of or of in classes_of(drug)) and (named is None or drug.id in named)
        ]
        choices = {class_.id: f"to prevent: {class_.name}" for class_ in guideline.classes.values()}
        choices |= {class_.id: f"to treat attacks: {class_.plural}" for class_ in guideline.acute_classes.values()}
        return self.frame.page(
            "drugs",
            drugs=[(drug, drug_in_words(drug, guideline)) for drug in drugs],
            contraindications=guideline.contraindications,
            locale=self.environment.settings.locale,
            choices=choices,
            of=of,
            query=query,
        )

    def drug(self, drug_id: str) -> Response:
        """Everything the guideline says of one drug."""
        guideline, locale = self.environment.guideline, self.environment.settings.locale
        drug = guideline.drugs.get(drug_id)
        if drug is None:
            raise NotFound("There is no such drug.")
        return self.frame.page(
            "drug",
            drug=drug,
            of_class=drug_in_words(drug, guideline),
            locale=locale,
            limits=[(one, limit_in_words(one, guideline)) for one in guideline.dose_limits if one.drug == drug.id],
            against=against(drug, guideline, locale),
            asked=list(
                dict.fromkeys((r.body.name, ", ".join(r.uses)) for r in guideline.eligibility.rows_in(locale, drug.id))
            ),
            names=sorted(name for name, id_ in guideline.names.items() if id_ == drug.id),
            sources=[guideline.sources[id_] for id_ in sources_of_drug(drug)],
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
        return self._editor(rule, rule_editing.rule_text(guideline, rule_id), {})

    def try_rule(self, rule_id: str) -> Response:
        """Check a rule as it was typed, and tell what it changes."""
        rule, (text, parameters) = self._rule(rule_id), self._typed(rule_id)
        outcome = self._outcome(rule_id, text, parameters)
        if request.headers.get("HX-Request") == "true":
            return self.frame.page("_rule_outcome", rule=rule, **outcome)
        return self._editor(rule, text, parameters, outcome)

    def rule_patch(self, rule_id: str) -> Response:
        rule, (text, _) = self._rule(rule_id), self._typed(rule_id)
        try:
            changes = rule_editing.patch(self.environment.guideline, rule_id, text)
        except rule_editing.PROBLEMS as error:
            return self._editor(rule, text, {}, _problem(str(error)))
        return attached(changes, f"{rule_id}.patch", "text/x-diff")

    def rule_settings(self, rule_id: str) -> Response:
        rule, (text, parameters) = self._rule(rule_id), self._typed(rule_id)
        try:
            toml = rule_editing.parameters_toml(self.environment.guideline, parameters)
        except rule_editing.PROBLEMS as error:
            return self._editor(rule, text, parameters, _problem(str(error)))
        return attached(toml, "prodrome.toml", "application/toml")

    def _typed(self, rule_id: str) -> tuple[str, dict[str, str]]:
        """The text of the rule, and the thresholds that are other ones than now."""
        given = {n.removeprefix("parameter:"): v for n, v in request.form.items() if n.startswith("parameter:")}
        fields = {one.name: one for one in self._thresholds(self._rule(rule_id))}
        return request.form.get("text", "").replace("\r\n", "\n"), editing.changed(fields, given)

    def _outcome(self, rule_id: str, text: str, parameters: Mapping[str, str]) -> Outcome:
        environment = self.environment
        try:
            after = rule_editing.changed_guideline(environment, rule_id, text, parameters)
            if after is environment.guideline:
                return _NOTHING_TRIED
            known = self.known.all()
        except rule_editing.PROBLEMS as error:
            return _problem(str(error))
        return {
            "problem": "",
            "effects": list(rule_editing.effects(known, environment.guideline, after)),
            "tried": rule_editing.counted(known),
        }

    def _thresholds(self, rule: Rule) -> list[editing.Field]:
        guideline = self.environment.guideline
        names = [
            one.name for one in (*reading.parameters_of(rule, guideline), *reading.parameters_behind(rule, guideline))
        ]
        fields = {one.name: one for one in editing.parameter_fields(guideline)}
        return [fields[name] for name in dict.fromkeys(names) if name in fields]

    def _editor(
        self, rule: Rule, text: str, parameters: Mapping[str, str], outcome: Outcome = _NOTHING_TRIED
    ) -> Response:
        return self.frame.page(
            "rule_edit",
            rule=rule,
            text=text,
            given=parameters,
            thresholds=self._thresholds(rule),
            **outcome,
        )


def _problem(text: str) -> Outcome:
    return _NOTHING_TRIED | {"problem": text}
