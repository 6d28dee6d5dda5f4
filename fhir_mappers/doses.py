"""How much and how often: a Dosage (R4 and R5, and the older shape with the quantity on it) to mg or units.

What the chart does not say is ``None``: an unknown dose is never guessed.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache, partial
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple

from prodrome.fhir_mappers.codes import read_concept, sets_of, with_unknown
from prodrome.fhir_mappers.dates import Period, read_period
from prodrome.fhir_mappers.elements import (
    JsonObject,
    Unreadable,
    read_flag,
    read_number,
    read_object,
    read_objects,
    read_text,
)
from prodrome.fhir_mappers.named_medicines import Medicine
from prodrome.fhir_mappers.phrases import fold, found_in, phrases_of
from prodrome.fhir_mappers.remembering import ElementMemory
from prodrome.fhir_mappers.sigs import coded_frequency, is_piece, read_frequency, read_sig
from prodrome.fhir_mappers.tables import read_table
from prodrome.fhir_mappers.words import COUNTED, is_local
from prodrome.rules import MILLIGRAMS, TOXIN_UNITS, When, per_guideline
from prodrome.rules.guideline import Guideline

VOLUME = frozenset({"ml", "milliliter", "milliliters", "millilitre", "millilitres"})
DAYS = {"s": 1 / 86400, "min": 1 / 1440, "h": 1 / 24, "d": 1.0, "wk": 7.0, "mo": 30.4, "a": 365.0}
ALTERNATE_DAYS = 3 / 7 - 1e-9  # three days of a week are the least that counts as every other day

_ROUTE = "route."  # of the code sets, and of the phrases, that name a route
_LOCAL_ROUTES = ("ophthalmic", "topical")
_route_words = phrases_of(_ROUTE)


class Dosing(NamedTuple):
    """What a row says about dose: mg (or units) per day, in one administration, and days between administrations.

    ``scheduled`` is the part of a day's amount that is not taken as needed: "every 2 hours as needed" is no 12 tablets.
    ``from_text``: dose or frequency are written in words only.
    """

    per_day: float | None = None
    single: float | None = None
    interval_days: float | None = None
    times_per_day: float | None = None
    as_needed: bool = False
    route: str | None = None
    systemic: bool = True
    from_text: bool = False
    scheduled: float | None = None


_UNKNOWN = Dosing()


class _Part(NamedTuple):
    amount: float | None
    times_per_day: float | None
    interval_days: float | None
    sequence: float | None
    from_text: bool = False
    as_needed: bool = False


class Quantity(NamedTuple):
    """How much, whatever the medicine. ``units``: of its code and its words, as the tables spell them.

    ``bare``: a number alone, without either.
    """

    value: float
    units: tuple[str, ...]
    bare: bool


class _Elements(NamedTuple):
    """What the elements of a Dosage say, whatever the medicine: all but its words. ``local``: by its route."""

    times_per_day: float | None
    interval_days: float | None
    dose: Quantity | None
    as_needed: bool
    sequence: float | None
    route: str | None
    local: bool


def read_dosing(entries: Sequence[JsonObject], medicine: Medicine, guideline: Guideline) -> Dosing:
    """The dose that a list of Dosage entries makes. Raises Unreadable.

    Entries add up, unless ``sequence`` or bounds that do not overlap put them in order: then the last one stands. Of
    several, those of nothing ("1-0-0-1" as four entries) say when it is not taken.
    """
    if not entries:
        return _UNKNOWN
    if len(entries) > 1:
        entries = [entry for entry in entries if not _is_of_nothing(entry)] or entries
    remembered = _remembered(guideline)
    parts = []
    route: str | None = None
    systemic = True
    for entry in entries:
        said = remembered.of(entry)
        parts.append(_part(said, entry, medicine))
        systemic = systemic and not said.local
        route = route or said.route
    if len(parts) == 1:
        amount, times, interval, _, from_text, as_needed = parts[0]
        per_day = _per_day(parts)
        scheduled = None if as_needed else per_day
        return Dosing(per_day, amount, interval, times, as_needed, route, systemic, from_text, scheduled)
    parts = _in_force(parts, entries)
    single, interval = _one_administration(parts)
    amounts = [part.amount for part in parts if part.amount is not None]
    every_time = [part.times_per_day for part in parts if part.times_per_day is not None]
    return Dosing(
        per_day=_per_day(parts),
        single=min(amounts) if amounts and not _is_injected(medicine) else single,
        interval_days=interval,
        times_per_day=sum(every_time) if every_time else None,
        as_needed=any(part.as_needed for part in parts),
        route=route,
        systemic=systemic,
        from_text=any(part.from_text for part in parts),
        scheduled=_per_day(by_plan) if (by_plan := [part for part in parts if not part.as_needed]) else None,
    )


def _part(elements: _Elements, entry: JsonObject, medicine: Medicine) -> _Part:
    """What one Dosage says: by its elements, and by its words where they leave dose or frequency open."""
    times, interval, dose, needed, sequence, _, _ = elements
    amount = amount_of(dose, medicine)
    if amount is not None and (times is not None or needed):
        return _Part(amount, times, interval, sequence, as_needed=needed)
    texts = _texts(entry)
    written = next((sig for text in texts if (sig := read_sig(text))), None)
    if written is not None:
        often = (written.times, written.days)
        said = quantity_in({"value": written.amount, "unit": _SIG_UNITS.get(written.unit, "tablet")}, medicine)
    else:
        often = next((found for text in texts if (found := read_frequency(text))), (None, None))
        said = None
    needed = needed or (written is not None and written.as_needed)
    from_text = (amount is None and said is not None) or (times is None and often[0] is not None)
    if times is None and often[0] and often[1]:
        times = often[0] / often[1]
        times, interval = _possible(times, often[1] / often[0] if times <= 1 else None)
    return _Part(amount if amount is not None else said, times, interval, sequence, from_text, needed)


@per_guideline
def _remembered(guideline: Guideline) -> ElementMemory[_Elements]:
    return ElementMemory(
        partial(_elements, guideline),
        *("timing", "doseAndRate", "doseQuantity", "doseRange", "sequence", "route"),
        *("asNeededBoolean", "asNeededCodeableConcept", "asNeeded", "asNeededFor"),
    )


def _elements(guideline: Guideline, entry: JsonObject) -> _Elements:
    timing = read_object(entry, "timing")
    repeat = read_object(timing, "repeat") if timing else None
    times, interval = _possible(*_frequency(timing, repeat))
    dose = read_quantity(_dose_of(entry))
    route, local = _route(guideline, entry) if entry.get("route") else (None, False)
    return _Elements(times, interval, dose, _is_as_needed(entry), read_number(entry, "sequence"), route, local)


def _possible(times: float | None, interval: float | None) -> tuple[float | None, float | None]:
    if (times or 0) > MOST_TIMES or (interval or 0) > LONGEST_INTERVAL:
        raise Unreadable("timing: beyond what medicine knows")
    return times, interval


_SIG_UNITS = {"mg": "mg", "unit": "unit", "ml": "ml"}  # all others are pieces


def read_bounds(entries: Sequence[JsonObject], begun: When | None = None) -> Period:
    """The period that the timings of some Dosage entries span: the first start, and the last end if all have one.

    A length (``boundsDuration``, ``boundsRange``) counts from ``begun``; lengths in sequence follow each other.
    """
    periods: list[Period] = []
    lengths: list[tuple[float, float]] = []
    for entry in entries:
        timing = read_object(entry, "timing") if "timing" in entry else None
        repeat = read_object(timing, "repeat") if timing else None
        if repeat and "boundsPeriod" in repeat:
            periods.append(read_period(repeat, "boundsPeriod"))
        elif repeat and (length := _length(repeat)):
            lengths.append(length)
    if not periods and not lengths:
        return None, None
    if lengths and begun is not None:
        in_turn = len(lengths) == len(entries) > 1 and _in_order(entries)
        shortest = sum(low for low, _ in lengths) if in_turn else max(low for low, _ in lengths)
        longest = sum(high for _, high in lengths) if in_turn else max(high for _, high in lengths)
        if len(lengths) + len(periods) == len(entries):
            periods.append((begun, later(begun, shortest, longest)))
    starts = [start for start, _ in periods if start]
    ends = [end for _, end in periods if end]
    return (
        min(starts, key=lambda when: when.last) if starts else None,
        max(ends, key=lambda when: when.last) if ends and len(ends) == len(periods) else None,
    )


def _length(repeat: JsonObject) -> tuple[float, float] | None:
    """The shortest and the longest days that ``boundsDuration`` or ``boundsRange`` allow."""
    if "boundsDuration" in repeat:
        days = days_in(read_object(repeat, "boundsDuration"))
        return (days, days) if days else None
    range_ = read_object(repeat, "boundsRange")
    if range_ is None:
        return None
    low, high = days_in(read_object(range_, "low")), days_in(read_object(range_, "high"))
    return (low or high or 0.0, high or low or 0.0) if low or high else None


def days_in(duration: JsonObject | None) -> float | None:
    """A Duration in days, ``None`` without a length or a known unit. Raises Unreadable beyond a century."""
    value = read_number(duration, "value") if duration else None
    if duration is None or value is None or value <= 0:
        return None
    for name in ("code", "unit"):
        unit = unit_of_time(read_text(duration, name) or "")
        if unit in DAYS:
            days = value * DAYS[unit]
            if days > LONGEST_COURSE:
                raise Unreadable(f"duration: more than {LONGEST_COURSE} days")
            return days
    return None


def unit_of_time(text: str) -> str:
    """A unit of time by its UCUM code, from that code or a word of any language of the table; else as it came."""
    plain = fold(_plain_unit(text)).rstrip(".")
    return plain if plain in DAYS else _time_words().get(plain, plain)


LONGEST_COURSE = 36_525  # days: a century


def later(when: When, shortest: float, longest: float) -> When | None:
    """The days that lie between ``shortest`` and ``longest`` days behind a date; ``None`` beyond the calendar."""
    try:
        return When(when.first + timedelta(days=round(shortest)), when.last + timedelta(days=round(longest)))
    except OverflowError:
        return None


def _is_injected(medicine: Medicine) -> bool:
    return medicine.drug.preventive is not None and medicine.drug.preventive.per == "administration"


def _in_force(parts: list[_Part], entries: Sequence[JsonObject]) -> list[_Part]:
    orders = [part.sequence for part in parts if part.sequence is not None]
    bounds = _bounds(entries)
    if not orders and bounds and _are_apart(bounds):
        return [max(zip(bounds, parts, strict=True), key=itemgetter(0))[1]]
    if len(set(orders)) < 2 or not _in_order(entries):
        return parts
    last = max(orders)
    return [part for part in parts if part.sequence == last]


def _texts(entry: JsonObject) -> list[str]:
    """The words of a Dosage, those of its timing's code last."""
    texts = [text for name in ("text", "patientInstruction") if (text := read_text(entry, name))]
    code = read_object(read_object(entry, "timing") or {}, "code")
    if code is not None and (text := read_text(code, "text")):
        texts.append(text)
    return texts


_AS_NEEDED = re.compile(r"\b(?:prn|p\.r\.n|(?:as|if|when) (?:needed|required|necessary))\b")


def is_bounded_by_words(entries: Iterable[JsonObject]) -> bool:
    """Whether words beside a frequency say "as needed" or "at most": then it is a bound and no schedule."""
    texts = [text for entry in entries for text in _texts(entry)]
    if any(_AS_NEEDED.search(fold(text)) for text in texts):
        return True
    return any(sig.as_needed or sig.most is not None for text in texts if (sig := read_sig(text)))


def _in_order(entries: Sequence[JsonObject]) -> bool:
    """Whether entries with a sequence follow each other, rather than being for different times of the same days."""
    if bounds := _bounds(entries):
        return _are_apart(bounds)
    slots: list[frozenset[str]] = []
    for entry in entries:
        repeat = _repeat_of(entry)
        slots.append(frozenset((*_codes(repeat, "when"), *_codes(repeat, "timeOfDay"), *_codes(repeat, "dayOfWeek"))))
    apart = sum(map(len, slots)) == len(frozenset().union(*slots))
    return not (all(slots) and apart)


def _bounds(entries: Sequence[JsonObject]) -> list[tuple[date, date]]:
    """The first and the last day that each of several entries is for, where all of them say both."""
    periods = [read_period(_repeat_of(entry), "boundsPeriod") for entry in entries]
    known = [(start.first, end.last) for start, end in periods if start and end]
    return known if len(known) == len(entries) > 1 else []


def _are_apart(bounds: list[tuple[date, date]]) -> bool:
    """Whether no two periods share more than a boundary day."""
    return all(end <= start for (_, end), (start, _) in pairwise(sorted(bounds)))


def _repeat_of(entry: JsonObject) -> JsonObject:
    timing = read_object(entry, "timing")
    return (read_object(timing, "repeat") if timing else None) or {}


def _per_day(parts: list[_Part]) -> float | None:
    total = 0.0
    for amount, times, *_ in parts:
        if amount is None or times is None:
            return None
        total += amount * times
    return round(total, 6)


def _one_administration(parts: list[_Part]) -> tuple[float | None, float | None]:
    """Amount of one administration and the days to the next: what is given at the same distance adds up."""
    by_interval: dict[float | None, list[float | None]] = {}
    for part in parts:
        by_interval.setdefault(part.interval_days, []).append(part.amount)
    regular = {interval: amounts for interval, amounts in by_interval.items() if interval is not None} or by_interval
    sums = [
        (sum(amount for amount in amounts if amount is not None) if None not in amounts else None, interval)
        for interval, amounts in regular.items()
    ]
    known = [each for each in sums if each[0] is not None]
    return min(known, key=lambda each: each[0] or 0.0) if known else (None, sums[0][1])


def _is_as_needed(entry: JsonObject) -> bool:
    if "asNeededBoolean" in entry or "asNeededCodeableConcept" in entry:
        return read_flag(entry, "asNeededBoolean") or read_object(entry, "asNeededCodeableConcept") is not None
    if "asNeeded" in entry or "asNeededFor" in entry:  # R5
        return read_flag(entry, "asNeeded") or bool(read_objects(entry, "asNeededFor"))
    return False


def _route(guideline: Guideline, entry: JsonObject) -> tuple[str | None, bool]:
    """The route of a Dosage, by code, else by its words; and whether it acts only where it is put."""
    where = with_unknown(read_concept(entry, "route"), guideline.sets_of)
    coded = (name for name in sorted(sets_of(guideline, where.codes)) if name.startswith(_ROUTE))
    said = (name for text in where.texts for name in sorted(found_in(text, _route_words(guideline))))
    name = next(coded, None) or next(said, None)
    route = name.removeprefix(_ROUTE) if name else None
    return route, route in _LOCAL_ROUTES or any(map(_says_local, where.texts))


def _says_local(text: str) -> bool:
    text = fold(text)
    return is_local(text, _WORD.findall(text))


_WORD = re.compile(r"[^\W_]+")


def _dose_of(entry: JsonObject) -> JsonObject | None:
    """One administration: of several doses the ordered one, then the calculated; of a range the low."""
    rates = [rate for rate in read_objects(entry, "doseAndRate") if "doseQuantity" in rate or "doseRange" in rate]
    if not rates:
        rates = [entry]  # the shape before R4
    elif len(rates) > 1:
        rates.sort(key=_preference)
    dose = read_object(rates[0], "doseQuantity")
    if dose is None:
        range_ = read_object(rates[0], "doseRange")
        dose = read_object(range_, "low") if range_ else None
    return dose


def _is_of_nothing(entry: JsonObject) -> bool:
    """Whether a Dosage is of 0 tablets."""
    doses = [read_object(each, "doseQuantity") for each in (*read_objects(entry, "doseAndRate"), entry)]
    return {read_number(dose, "value") for dose in doses if dose} == {0}


def _preference(rate: JsonObject) -> int:
    type_ = read_object(rate, "type")
    if type_ is None:
        return 2
    codes = {read_text(each, "code") for each in read_objects(type_, "coding")} | {read_text(type_, "text")}
    return 0 if "ordered" in codes else 1 if "calculated" in codes else 2


LEAST_DOSE, MOST_DOSE = 1e-5, 100_000  # mg or units in one dose: from ten nanograms to a hundred grams
MOST_TIMES = 1000  # a day
LONGEST_INTERVAL = 3660  # days: ten years


def read_quantity(quantity: JsonObject | None) -> Quantity | None:
    """How much a Quantity says, ``None`` where it does not say so exactly. Raises Unreadable."""
    value = read_number(quantity, "value") if quantity else None
    if quantity is None or value is None or value <= 0 or quantity.get("comparator") is not None:
        return None
    code, unit = quantity.get("code"), quantity.get("unit")
    said = [read_text(quantity, "code"), *([read_text(quantity, "unit")] if code is None or type(unit) is str else [])]
    return Quantity(value, tuple(_plain_unit(each) for each in said if each), code is None and unit is None)


def quantity_in(quantity: JsonObject | None, medicine: Medicine) -> float | None:
    """A dose quantity in the unit the guideline uses for the drug (mg, or units of toxin); ``None`` where unknown."""
    return amount_of(read_quantity(quantity), medicine)


def amount_of(quantity: Quantity | None, medicine: Medicine) -> float | None:
    """The same of a quantity that was read."""
    if quantity is None:
        return None
    value, units, bare = quantity
    if bare and medicine.strength is not None:
        return _dose(value * medicine.strength)  # a bare number is a count of the product
    preventive = medicine.drug.preventive
    in_units = preventive is not None and preventive.unit == "units"
    for unit in units:
        factor = _factor(unit, medicine, in_units)
        if factor is not None:
            return _dose(value * factor)
    return None


def _plain_unit(unit: str) -> str:
    """A unit as the tables spell it: lower case, an annotation without braces, no plural in brackets."""
    return _PLURAL.sub("", unit.strip().lower().removeprefix("{").removesuffix("}"))


_PLURAL = re.compile(r"\(\w{1,2}\)\.?$")  # "tablet(s)", "Tablette(n)"


def _dose(amount: float) -> float:
    if not LEAST_DOSE <= amount <= MOST_DOSE:
        raise Unreadable("dose: beyond what medicine knows")
    return round(amount, 6)


def _factor(unit: str, medicine: Medicine, in_units: bool) -> float | None:
    means, value = _unit_codes().get(unit, ("", 1.0))
    if unit in MILLIGRAMS or means == "mg":
        return None if in_units else MILLIGRAMS.get(unit, value)
    if unit in TOXIN_UNITS or means == "unit":
        return value if in_units else None
    if unit in COUNTED or means == "piece" or is_piece(unit):
        return medicine.strength
    if unit in VOLUME or means == "ml":
        return None if medicine.per_ml is None else medicine.per_ml * value
    form, comma, _ = unit.partition(",")  # "tablet, film coated"
    return _factor(form, medicine, in_units) if comma else None


@lru_cache(maxsize=1)
def _unit_codes() -> Mapping[str, tuple[str, float]]:
    """What the codes of units mean, whatever their system: no two systems use one code for different units."""
    return {code: (means, float(value)) for code, means, value in read_table("unit_codes.csv")}


@lru_cache(maxsize=1)
def _time_words() -> Mapping[str, str]:
    """The words of several languages for a unit of time, and its UCUM code."""
    return {word: unit for unit, words in read_table("time_words.csv") for word in words.split()}


def _frequency(timing: JsonObject | None, repeat: JsonObject | None) -> tuple[float | None, float | None]:
    """Times per day, and days between two administrations, ``None`` where the timing does not say."""
    if timing is None:
        return None, None
    times: float | None = None
    interval: float | None = None
    if repeat:
        times, interval = _repeated(repeat)
    if times is None and timing.get("code") is not None:
        times, interval = _coded_frequency(timing)
    return times, interval


def _repeated(repeat: JsonObject) -> tuple[float | None, float | None]:
    frequency = read_number(repeat, "frequency")
    unit = read_text(repeat, "periodUnit") or read_text(repeat, "periodUnits")  # DSTU2
    unit = unit_of_time(unit) if unit else None
    weekdays = len(_codes(repeat, "dayOfWeek"))
    whens = _codes(repeat, "when")
    slots = len(_codes(repeat, "timeOfDay")) or len(whens)
    if frequency is None and not _MEALS.isdisjoint(whens):
        return None, None  # with meals, and nobody says with how many
    if unit is None:
        times = float(slots) if slots else None
        if weekdays:
            times = max(slots, 1) * weekdays / 7
        return times, None
    period = read_number(repeat, "period")
    period = 1.0 if period is None else period
    often = frequency if frequency is not None else float(slots or 1)
    if unit not in DAYS or period <= 0 or often <= 0:
        return None, None
    days = DAYS[unit] * period
    if unit == "mo":
        days = float(round(days))
    if not days:
        raise Unreadable("period: beyond what medicine knows")
    if weekdays and unit == "wk":
        often = max(often, weekdays)
    elif weekdays and unit == "d" and period == 1:
        often = often * weekdays / 7
    times = often / days
    return times, (days / often if days / often >= 1 else None)


_MEALS = frozenset({"C", "AC", "PC"})


def _codes(repeat: JsonObject, name: str) -> list[Any]:
    """A list of codes, of which only the number matters; one alone is a list of one."""
    value = repeat.get(name)
    if value is None:
        return []
    if type(value) is str:
        return [value]
    if type(value) is not list or not all(type(each) is str for each in value):
        raise Unreadable(f"{name}: not a list of codes")
    return value


def _coded_frequency(timing: JsonObject) -> tuple[float | None, float | None]:
    """The frequency of a timing's code: by the code, else by its display or text ("Daily")."""
    code = read_object(timing, "code")
    if code is None:
        return None, None
    codings = read_objects(code, "coding")
    codes = [read_text(each, "code") for each in codings] + [read_text(code, "text")]
    often = next((found for each in codes if each and (found := coded_frequency(each))), None)
    if often is None:
        words = [*codes, *(read_text(each, "display") for each in codings)]
        often = next((found for each in words if each and (found := read_frequency(each))), None)
    if often is None:
        return None, None
    times, days = often
    return times / days, (float(round(days / times)) if days > times else None)
