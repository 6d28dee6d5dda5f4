"""Another edition of the guideline beside the one in force: what differs, and whose cards that changes."""

from collections.abc import Mapping
from typing import Any

from flask import Response, request

from prodrome.cds_hooks.workbench import rule_editing
from prodrome.cds_hooks.workbench.frame import Frame, Pages, WorkbenchView
from prodrome.cds_hooks.workbench.rule_editing import Effect, KnownPatients
from prodrome.rules.engine import RulebookError
from prodrome.rules.guideline import (
    PARAMETERS,
    RULEBOOK,
    Edition,
    Guideline,
    GuidelineError,
    compare_editions,
    edition_in_force,
    edition_of,
)


def edition_pages(frame: Frame, known: KnownPatients) -> Pages:
    """The page that compares editions; *known* are the patients on whom the other one is tried."""
    return _EditionPages(frame, known)


class _EditionPages:
    def __init__(self, frame: Frame, known: KnownPatients) -> None:
        self.frame = frame
        self.guideline = frame.environment.guideline
        self.known = known

    def shown(self) -> Mapping[str, WorkbenchView]:
        return {"/rules/compare": self.editions}

    def sent(self) -> Mapping[str, WorkbenchView]:
        return {"/rules/compare": self.compare_editions}

    def editions(self) -> Response:
        return self._page()

    def compare_editions(self) -> Response:
        text, newer = request.form.get("text", ""), request.form.get("newer") == "yes"
        try:
            texts = _texts(text)
            theirs, ours = edition_of(texts), edition_in_force(self.guideline)
            before, after = (ours, theirs) if newer else (theirs, ours)
            changes = compare_editions(before, after)
        except GuidelineError as error:
            return self._page(400, problem=str(error), text=text, newer=newer)
        outcome = self._outcome(texts, theirs, newer=newer) if changes else None
        groups = {of: [change for change in changes if change.of == of] for of in dict.fromkeys(c.of for c in changes)}
        return self._page(text=text, newer=newer, before=before, after=after, groups=groups, outcome=outcome)

    def _outcome(self, texts: Mapping[str, str], theirs: Edition, *, newer: bool) -> dict[str, Any] | None:
        """Whose cards differ between the two, where the other one holds rules that can be read here."""
        if RULEBOOK not in texts:
            return None
        try:
            other = _guideline(self.guideline, texts[RULEBOOK], theirs)
            known = self.known.all()
            pair = (self.guideline, other) if newer else (other, self.guideline)
            effects: list[Effect] = list(rule_editing.effects(known, *pair))
        except (RulebookError, *rule_editing.PROBLEMS) as error:
            said = f"Whose cards differ cannot be told: this version cannot judge by that rulebook ({error})."
            return {"problem": said, "effects": None, "tried": {}}
        return {"problem": "", "effects": effects, "tried": rule_editing.counted(known)}

    def _page(self, status: int = 200, **said: Any) -> Response:
        nothing: dict[str, Any] = {
            "problem": "",
            "text": "",
            "newer": False,
            "before": None,
            "after": None,
            "groups": None,
            "outcome": None,
        }
        return self.frame.page("editions", status, rules=self.guideline.rulebook.rules, **{**nothing, **said})


def _texts(pasted: str) -> dict[str, str]:
    """The files that came, by name; a text that was pasted is a rulebook."""
    found = {}
    for file in request.files.getlist("files"):
        if file.filename:
            name = file.filename.replace("\\", "/").rpartition("/")[2]
            try:
                found[name] = file.read().decode("utf-8")
            except UnicodeDecodeError as error:
                raise GuidelineError(f"{name}: expected UTF-8, found something else at byte {error.start}") from None
    if pasted.strip():
        found.setdefault(RULEBOOK, pasted.replace("\r\n", "\n"))
    if not found:
        raise GuidelineError(f"expected {RULEBOOK} of the other edition, or more of its files; found none")
    return found


def _guideline(guideline: Guideline, rulebook: str, edition: Edition) -> Guideline:
    """The guideline with the rules of another edition, and its parameters where it brought them."""
    listed = edition.files.get(PARAMETERS, {}).get("parameters")
    fields = listed if isinstance(listed, Mapping) else {}
    values = {
        name: one["value"]
        for name, one in fields.items()
        if name in guideline.parameters and isinstance(one, Mapping) and "value" in one
    }
    return (guideline.with_parameters(values) if values else guideline).with_rulebook(rulebook)
