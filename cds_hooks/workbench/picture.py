"""What the picture of a history is made of: bars, marks and columns, each with the entry it shows in words.

Units of all coordinates are SVG user units.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from prodrome.rules import Refs, StopReason


class TrialEnding(StrEnum):
    """How a trial ended, as the picture tells by colour and shape."""

    INEFFICACY = "inefficacy"
    INTOLERANCE = "intolerance"
    CONTRAINDICATED = "contraindicated"
    ONGOING = "ongoing"
    SUCCEEDED = "succeeded"
    OTHER = "other"


ENDINGS_IN_WORDS: dict[TrialEnding, str] = {
    TrialEnding.INEFFICACY: "no efficacy",
    TrialEnding.INTOLERANCE: "not tolerated",
    TrialEnding.CONTRAINDICATED: "contraindicated",
    TrialEnding.ONGOING: "ongoing",
    TrialEnding.SUCCEEDED: "ended after success",
    TrialEnding.OTHER: "other or unknown reason",
}

LENGTHS = {
    "yes": "length of an adequate trial, reached",
    "no": "length of an adequate trial, not reached",
    "unknown": "length of an adequate trial, cannot be told",
}
MARKS = {
    "hospital": "hospital visit for migraine",
    "hospital-other": "hospital visit for another reason",
    "contact": "specialist seen",
    "referral": "referral",
    "appointment": "appointment ahead",
}

ENDING_BY_REASON = {
    StopReason.INEFFICACY: TrialEnding.INEFFICACY,
    StopReason.INTOLERANCE: TrialEnding.INTOLERANCE,
    StopReason.CONTRAINDICATED: TrialEnding.CONTRAINDICATED,
    StopReason.SUCCEEDED: TrialEnding.SUCCEEDED,
}


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One thing the picture shows, in words: a heading, labelled lines, and where in the chart it stands."""

    id: str
    group: str
    heading: str
    lines: tuple[tuple[str, str], ...]
    refs: Refs

    @property
    def sentence(self) -> str:
        """All of it on one line, for a tooltip and for screen readers."""
        said = "; ".join(f"{label}: {text}" for label, text in self.lines)
        return f"{self.heading}. {said}. Read from {', '.join(self.refs) or 'no resource with an id'}."


@dataclass(frozen=True, slots=True)
class Part:
    """A dose step inside a bar. ``known`` is False where the dose is not."""

    x: float
    width: float
    y: float
    height: float
    known: bool
    label: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of one bar: ``x`` and ``width``."""

    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Adequate:
    """The length an adequate trial has, drawn under the bar. ``met`` is yes, no or unknown."""

    x: float
    width: float
    y: float
    met: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One trial. ``uncertain`` are the ends that the chart dates only roughly or not at all."""

    entry: HistoryEntry
    drug: str
    ending: TrialEnding
    label: str
    label_x: float
    anchor: str
    y: float
    x: float
    width: float
    parts: tuple[Part, ...]
    uncertain: tuple[Stretch, ...]
    given: tuple[float, ...]
    adequate: Adequate | None
    sign_x: float


@dataclass(frozen=True, slots=True)
class Lane:
    """The trials of one drug class."""

    name: str
    y: float
    height: float
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A visit or a contact. ``width`` is more than 0 for a stay; ``kind`` decides the shape."""

    entry: HistoryEntry
    kind: str
    x: float
    y: float
    width: float


@dataclass(frozen=True, slots=True)
class MarkLane:
    """A lane of single events, named at its left."""

    name: str
    y: float
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """One kind of day count in one month. ``attested``: debilitating days, which alone decide.

    ``label`` is the number, where the column is wide enough and no other column of the month stands before it.
    """

    title: str
    label: str
    x: float
    width: float
    y: float
    height: float
    attested: bool


@dataclass(frozen=True, slots=True)
class Year:
    """The months of one calendar year: one stop for the keyboard."""

    entry: HistoryEntry
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """A date on the axis; ``strong`` where a year begins."""

    x: float
    label: str
    strong: bool


@dataclass(frozen=True, slots=True)
class Months:
    """The headache diary: columns, the threshold line, and the scale at the left."""

    y: float
    height: float
    years: tuple[Year, ...]
    threshold: float
    threshold_y: float
    scale: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class Legend:
    """The signs that a picture uses, each with its words; the others need no explanation."""

    endings: tuple[tuple[TrialEnding, str], ...]
    lengths: tuple[tuple[str, str], ...]
    marks: tuple[tuple[str, str], ...]
    uncertain: bool
    attested: bool
    proxy: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything the template draws, and everything that was read, in words."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    today_x: float
    today: date
    ticks: tuple[Tick, ...]
    lanes: tuple[Lane, ...]
    mark_lanes: tuple[MarkLane, ...]
    months: Months | None
    entries: tuple[HistoryEntry, ...]
    summary: str

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not (self.lanes or self.mark_lanes or self.months)

    @property
    def groups(self) -> dict[str, list[HistoryEntry]]:
        """The entries by what they are, in the order drawn."""
        found: dict[str, list[HistoryEntry]] = {}
        for entry in self.entries:
            found.setdefault(entry.group, []).append(entry)
        return found

    @property
    def legend(self) -> Legend:
        """What the picture uses of its signs."""
        bars = [bar for lane in self.lanes for bar in lane.bars]
        endings = {bar.ending for bar in bars}
        lengths = {bar.adequate.met for bar in bars if bar.adequate}
        marks = {mark.kind for lane in self.mark_lanes for mark in lane.marks}
        columns = [column for year in self.months.years for column in year.columns] if self.months else []
        return Legend(
            endings=tuple((ending, words) for ending, words in ENDINGS_IN_WORDS.items() if ending in endings),
            lengths=tuple((met, words) for met, words in LENGTHS.items() if met in lengths),
            marks=tuple((kind, words) for kind, words in MARKS.items() if kind in marks),
            uncertain=any(bar.uncertain for bar in bars),
            attested=any(column.attested for column in columns),
            proxy=any(not column.attested for column in columns),
        )

    @property
    def drugs(self) -> dict[str, str]:
        """The drugs drawn, by name, and the entry in which each was read last."""
        return {bar.drug: bar.entry.id for lane in self.lanes for bar in lane.bars}
