"""Editing a rule in place: its text in the rulebook, the rulebook with another text of it, and what that changes.

Nothing is changed on the server: what was tried is taken away as a patch or as settings.
"""

import difflib
import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import orjson

from prodrome.cds_hooks import cards
from prodrome.cds_hooks.cards import CardsError
from prodrome.cds_hooks.environment import Environment
from prodrome.cds_hooks.protocol import Refused
from prodrome.cds_hooks.testers import TesterError
from prodrome.cds_hooks.workbench import asking, editing
from prodrome.cds_hooks.workbench.labelled import consulted, read_labelled
from prodrome.rules import Facts, judge
from prodrome.rules.engine import RulebookError, parse
from prodrome.rules.guideline import RULEBOOK, Guideline, GuidelineError

INDENT = "      "
"""Of a rule in the file."""
MOST_LINES = 200
MOST_PATIENTS = 200
"""Patients of a population that are judged anew."""


class BadRule(TesterError):
    """A text that is no rule; says in which of its lines, and what was expected."""


def rule_text(guideline: Guideline, rule_id: str) -> str:
    """A rule as it stands in the file, its comments and all, without the indentation."""
    lines, (first, end) = _found(_file(guideline), rule_id)
    return "\n".join(line.removeprefix(INDENT) for line in lines[first:end]).rstrip() + "\n"


def with_rule(guideline: Guideline, rule_id: str, text: str) -> str:
    """The file with another text of a rule. Raises :class:`BadRule` for what is not one rule of this id."""
    _check(rule_id, text)
    lines, (first, end) = _found(_file(guideline), rule_id)
    blank = [""] if end and not lines[end - 1].strip() else []
    new = [f"{INDENT}{line}".rstrip() for line in text.replace("\r\n", "\n").rstrip().split("\n")]
    return "\n".join([*lines[:first], *new, *blank, *lines[end:]])


def patch(guideline: Guideline, rule_id: str, text: str) -> str:
    """The change as a unified diff from the top of the repository; empty where nothing is changed."""
    old, new = _file(guideline), with_rule(guideline, rule_id, text)
    path = f"rules/{guideline.folder.name}/{RULEBOOK}"
    return "".join(
        difflib.unified_diff(old.splitlines(True), new.splitlines(True), f"a/{path}", f"b/{path}"),
    )


def parameters_toml(guideline: Guideline, given: Mapping[str, str]) -> str:
    """Thresholds as settings to paste: ``[parameters]``. Raises :class:`BadEdit`."""
    values = editing.parameter_values(guideline, given)
    return "".join(["[parameters]\n", *(f"{name} = {_toml(value)}\n" for name, value in values.items())])


def _toml(value: object) -> str:
    return orjson.dumps(value).decode()  # texts, numbers and booleans are written alike


def changed_guideline(environment: Environment, rule_id: str, text: str, parameters: Mapping[str, str]) -> Guideline:
    """The guideline with another text of a rule and other thresholds, checked as at start.

    Raises :class:`BadRule`, :class:`BadEdit`, ``RulebookError``, ``CardsError`` and ``GuidelineError``.
    """
    guideline = environment.guideline
    if parameters:
        values = {**environment.settings.parameters, **editing.parameter_values(guideline, parameters)}
        guideline = guideline.with_parameters(values)
    if text.strip() != rule_text(guideline, rule_id).strip():
        guideline = guideline.with_rulebook(with_rule(guideline, rule_id, text))
    cards.check_cards(guideline)
    return guideline


PROBLEMS = (TesterError, RulebookError, CardsError, GuidelineError, Refused)
"""What is wrong with what a person typed."""


@dataclass(frozen=True, slots=True)
class Known:
    """A patient to try a rule on: who it is, what was asked, the facts, and the cards that it should get, if known."""

    of: str
    title: str
    hook: str
    today: date
    locale: str
    facts: Facts
    expected: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change of a rule does to one call: the rules that speak before and after it."""

    known: Known
    gained: tuple[str, ...]
    lost: tuple[str, ...]

    @property
    def breaks(self) -> bool | None:
        """Whether the patient is labelled with other cards than it gets now; None where it is not labelled."""
        if self.known.expected is None:
            return None
        return bool((set(self.gained) - self.known.expected) | (set(self.lost) & self.known.expected))


def effects(known: Iterable[Known], before: Guideline, after: Guideline) -> Iterator[Effect]:
    """What another guideline makes of patients, where it makes something else."""
    for one in known:
        old, new = _speaking(one, before), _speaking(one, after)
        if old != new:
            yield Effect(one, tuple(sorted(new - old)), tuple(sorted(old - new)))


def _speaking(known: Known, guideline: Guideline) -> set[str]:
    judgement = judge(known.facts, guideline, known.today, locale=known.locale, hook=known.hook, engine="reference")
    return {finding.rule.id for finding in judgement.findings if known.hook in finding.rule.hooks}


class KnownPatients:
    """Everybody a rule is tried on, as of a day: examples, labelled patients of the settings, a population's patients.

    Raises what the functions do that read them.
    """

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._lock = threading.Lock()
        self._known: tuple[date, Sequence[Known]] | None = None

    def all(self) -> Sequence[Known]:
        """All of them, read once a day."""
        environment, today = self.environment, self.environment.clock()
        with self._lock:
            if self._known is None or self._known[0] != today:
                known = known_examples(environment)
                if environment.settings.labelled_patients:
                    known += labelled_patients(environment.settings.labelled_patients, environment)
                if environment.settings.population_results:
                    known += population_patients(environment.settings.population_results, environment)
                self._known = (today, known)
            return self._known[1]


def counted(known: Iterable[Known]) -> dict[str, int]:
    """How many there are of each kind."""
    return dict(Counter(one.of for one in known))


def known_examples(environment: Environment) -> list[Known]:
    """The example patients, as of today, each with every call about it."""
    quiet = asking.on_day(environment, environment.clock(), remember=False)
    found = []
    for named in asking.named_examples():
        consultation = asking.answer(asking.example_request(named, quiet), quiet)
        found.append(
            Known(
                "Examples",
                named.title,
                named.ask.hook,
                quiet.clock(),
                environment.settings.locale,
                consultation.facts,
                frozenset(named.ask.cards),
            )
        )
    return found


def labelled_patients(folder: Path, environment: Environment) -> list[Known]:
    """The labelled patients of a folder. Raises :class:`TesterError` for what is none."""
    found = []
    for patient in read_labelled(folder):
        judgement = (consultation := consulted(patient, environment)).judgement
        hook, expected = str(patient.request["hook"]), frozenset(patient.expected)
        found.append(
            Known(
                "Labelled patients",
                patient.title,
                hook,
                judgement.today,
                judgement.locale,
                consultation.facts,
                expected,
            )
        )
    return found


def population_patients(folder: Path, environment: Environment) -> list[Known]:
    """The first patients that a population's run found or could not judge, where their charts were kept.

    Raises :class:`TesterError` where the folder holds no results.
    """
    from prodrome.cds_hooks.population import ExportError, Results  # heavy, and few sites have results

    found = []
    try:
        results = Results.of(folder)
        if not results.has_charts:
            return []
        today = date.fromisoformat(results.manifest["today"])
        quiet = asking.on_day(environment, today, remember=False)
        for patient in results.first_patients(MOST_PATIENTS):
            chart, locale = results.chart(patient), environment.settings.locale
            document = asking.population_request(patient, chart, results.completeness(patient), quiet)
            facts = asking.answer(document, quiet).facts
            found.append(Known("The population", patient, "patient-view", today, locale, facts, None))
    except ExportError as error:
        raise TesterError(str(error)) from error
    return found


def _check(rule_id: str, text: str) -> None:
    if text.count("\n") > MOST_LINES:
        raise BadRule(f"A rule has at most {MOST_LINES} lines.")
    content = parse(text, lambda what: BadRule(f"{what}."))
    if not isinstance(content, list) or len(content) != 1 or not isinstance(content[0], dict):
        raise BadRule(f"Expected one rule that begins with - id: {rule_id}.")
    if content[0].get("id") != rule_id:
        raise BadRule(f"line 1: the id should stay {rule_id}.")


def _file(guideline: Guideline) -> str:
    return (guideline.folder / RULEBOOK).read_text(encoding="utf-8")


def _found(content: str, rule_id: str) -> tuple[list[str], tuple[int, int]]:
    """The lines of the file, and from which to which of them the rule stands."""
    lines = content.split("\n")
    first = next(i for i, line in enumerate(lines) if re.match(rf"{INDENT}- id: {re.escape(rule_id)}\s*(#.*)?\Z", line))
    end = next(
        (i for i in range(first + 1, len(lines)) if lines[i].strip() and not lines[i].startswith(f"{INDENT} ")),
        len(lines),
    )
    return lines, (first, end)
