"""What the lines of an export say, gathered from its tasks, whichever engine takes them.

Candidates are looked for first where the names of files let expect them; all other lines are sieved as they are placed,
so that they are read once. Candidates whom only those name are placed in a second round.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from prodrome.cds_hooks.population import export as exports
from prodrome.cds_hooks.population.export import Task
from prodrome.cds_hooks.population.plan import RunOutcome, RunPlan
from prodrome.cds_hooks.population.steps import PLACED_KINDS, BadLine, Place, Sieve, Sieved
from prodrome.fhir_mappers import SHARED_KINDS, worse
from prodrome.rules import Completeness

_SHARED = frozenset(SHARED_KINDS)
_SHELVES = 64  # a set takes ten times what its numbers do: one at a time


class Reading:
    """The tasks of a plan by number, and what those that were read came to."""

    def __init__(self, plan: RunPlan) -> None:
        self._plan = plan
        self._changed = exports.changes(plan.export)
        self._gone = self._changed.deleted_patients
        self.sieve = Sieve(plan.guideline, plan.orders, self._changed)
        self.tasks = dict(enumerate(exports.tasks(plan.export, plan.task_bytes)))
        self.first = {} if plan.every_patient else {n: one for n, one in self.tasks.items() if self.sieve.expects(one)}
        """Those that are sieved before any is placed."""
        self._candidates: set[str] = set()
        self._patients = [array("Q") for _ in range(_SHELVES)]  # a million take 8 MB
        self._kinds: dict[int, frozenset[str]] = {}
        self._seen = tuple(Counter[str]() for _ in plan.export.parts)
        self._bad: dict[tuple[str, int], BadLine] = {}

    def add(self, number: int, found: Sieved) -> None:
        """Add what the sieve found in a task."""
        self._candidates |= found.candidates
        for patient in found.patients:
            self._patients[patient % _SHELVES].append(patient)
        self._kinds[number] = frozenset(found.seen)
        self._seen[self.tasks[number].part].update(found.seen)
        self.add_bad(found.bad)

    def add_bad(self, lines: Iterable[BadLine]) -> None:
        """Add lines that could not be read; one may be met twice."""
        self._bad |= {(one.file, one.offset): one for one in lines}

    @property
    def candidates(self) -> frozenset[str]:
        """All who may get a finding, as far as is known."""
        return frozenset(self._candidates - self._gone)

    def rounds(self) -> Iterator[tuple[Place, Sieve | None, dict[int, Task]]]:
        """How rows are placed, the sieve for tasks that were not sieved, and the tasks, under other numbers each time.

        What one round comes to is to be added before the next is asked for.
        """
        everybody = self._plan.every_patient
        expected = self.candidates
        yield self._place(None if everybody else expected), self.sieve, self._with(PLACED_KINDS)
        if not everybody and (others := self.candidates - expected):
            again = {len(self.tasks) + number: task for number, task in self._with(PLACED_KINDS).items()}
            yield self._place(others), None, again

    def _place(self, candidates: frozenset[str] | None) -> Place:
        return Place(self._plan.guideline, candidates, self._changed, self._plan.excluded)

    def with_shared(self) -> dict[int, Task]:
        """The tasks with resources that are nobody's own."""
        return self._with(_SHARED)

    def _with(self, kinds: frozenset[str]) -> dict[int, Task]:
        """The tasks with rows of some kinds, and those of which that is not known yet."""
        return {number: task for number, task in self.tasks.items() if self._kinds.get(number, kinds) & kinds}

    def outcome(self) -> RunOutcome:
        """What all lines together came to: which could not be read, and with them how complete each kind came."""
        bad = tuple(self._bad[key] for key in sorted(self._bad))
        unplaced = [one for one in bad if one.patient is None]
        return RunOutcome(
            patients=sum(len(set(shelf)) for shelf in self._patients),
            candidates=len(self.candidates),
            seen=dict(sum(self._seen, Counter[str]())),
            completeness=self._completeness(unplaced),
            bad=bad,
            unplaced=len(unplaced),
        )

    def _completeness(self, unplaced: list[BadLine]) -> Mapping[str, Completeness]:
        states = self._plan.export.completeness(self._seen)
        states |= dict.fromkeys(self._plan.excluded, Completeness.MISSING)
        if len(unplaced) > self._plan.allow_unplaced:
            for one in unplaced:
                for kind in [one.kind] if one.kind else list(states):
                    if kind in states:
                        states[kind] = worse(states[kind], Completeness.INCOMPLETE)
        return states
