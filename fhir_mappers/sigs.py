"""A small grammar for how people write a dosage: "TAKE 1 TABLET BY MOUTH EVERY DAY", "1-0-1", "75 mg every other day".

A text is read whole or not at all: one word that the table does not know, a range, a condition or a schedule, and
nothing of it is read. The words of all languages stand in ``sig_words.csv``.
"""

import re
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from prodrome.fhir_mappers.japanese_sigs import JAPANESE, in_english
from prodrome.fhir_mappers.phrases import ONE_OR_A_THOUSAND, fold
from prodrome.fhir_mappers.tables import read_table

_LONGEST = 300  # characters of a text that is looked at; longer ones are instructions, not sigs

OFTEN, NEEDED, NUMBER, PIECE, MASS, ML, UNIT = "often", "as needed", "number", "piece", "mass", "ml", "unit"
AT_MOST, REPEAT, WEEKDAY, TWICE = "at most", "repeat", "weekday", "twice"
ASIDE, STOP, LENGTH = "aside", "stop", "length"


class Sig(NamedTuple):
    """What a text says: ``amount`` of ``unit`` (``mg``, ``unit``, ``ml``, a piece, or ``""`` for the product's own).

    ``times`` in ``days`` is how often, both ``None`` where it is taken as needed only. ``most`` is how many, or how
    much, at most in a day.
    """

    amount: float
    unit: str
    times: float | None = None
    days: float | None = None
    as_needed: bool = False
    most: float | None = None


class _Word(NamedTuple):
    role: str
    value: str = ""
    days: float = 0.0
    when: str = ""


class _Item(NamedTuple):
    """One reading of a stretch of text: a dose, a frequency, or what goes with them."""

    role: str
    amount: float = 0.0
    unit: str = ""
    days: float = 0.0
    when: str = ""


class NotRead(Exception):
    """The text is no sig that the grammar knows."""


_TOKEN = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+(?:['.][^\W\d_]+)*\.?|[/x'-]")
_FRACTIONS = (  # as one sign, and as that sign is taken apart
    *(("½", " 0.5"), ("1\u20442", " 0.5")),
    *(("¼", " 0.25"), ("1\u20444", " 0.25")),
    *(("¾", " 0.75"), ("3\u20444", " 0.75")),
)
_FRACTION = re.compile(r"(?:(\d+)\s+(?:and\s+)?)?\b([13])/([24])\b")
_DECIMAL = re.compile(r"(\d),(\d)(?!\d\d\b)")
_UNSURE = re.compile(
    rf"\b{ONE_OR_A_THOUSAND} ?(?:m[ck]?g|ug|μg|g|gram\w*|mill?igram\w*|mi[ck]rogram\w*|units?|i?[ue])\b"
)
_DASHES = str.maketrans("\u2012\u2013\u2014\u2212", "----")
_AND_HALF = re.compile(r"(\d+) 0\.5\b")
_PIECE_AND_HALF = re.compile(
    r"\b(\d+) ([a-z]+\.?) (?:y medi[ao]|e mei[ao]|e mezz[ao]|et demie?)\b"
)  # "1 comprimé et demi"
_SCHEME = re.compile(r"\b(\d(?:\.5)?) ?- ?(\d(?:\.5)?) ?- ?(\d(?:\.5)?)(?: ?- ?(\d(?:\.5)?))?\b")
_DUTCH = re.compile(r"^(\d)d(\d)t$")
_NUMBER_AGAIN = re.compile(r"(\d+(?:\.\d+)?)\s*\((?:[a-z-]+|\1)\)")
_DAY = r"(?:\d{1,2} [a-z]{3,9}\.? \d{4}|\d{4}-\d\d-\d\d|\d{1,2}-\d{1,2}-\d{4})"
_ASIDE = re.compile(
    r"\(\d{2}:?\d{2}\)|"  # at which time of the day
    r"= ?\d+(?:\.\d+)? ?[a-z]+\b|# ?\d+ ?[a-z]*\b|\b\d+ refills?\b\.?|\brefills?: ?\d+\b\.?|"  # how much is dispensed
    rf"\bvanaf {_DAY}(?: (?:tot en met|t/m) {_DAY})?|"  # from when until when
    r"\b\d+ hours? before (?:bed|bedtime|sleep|sleeping)\b|\bno more than \d+ (?:days|times) (?:per|a) week\b|"
    r"\b(?:after|in|apres|nach|na|dopo|tras|a las|despues de|po) (?:1|2|4) "
    r"(?:hours?|hrs?|heures?|stunden?|uur|ore|ora|horas?|godz\w*)\b|"
    r"\b(?:1|2|4) (?:heures? apres|uur later|ore dopo|horas despues)\b"
)
_DAY_LONG = re.compile(r"(?:\b(?:in|per|within) |/ ?)(?:a )?24 ?(?:hours?|hrs?|h|stunden|heures|horas|ore|uur)\b")
# Of two ranges the low amount and the longer time; one range alone is not read.
_RANGES = re.compile(r"^(\d)-\d (.*\bevery )\d-(\d+ hours\b.*)$")
_DAYS_OF = {"h": 1 / 24, "d": 1.0, "w": 7.0, "m": 30.4}
_UNIT_OF_TIME = {
    word: unit
    for unit, words in {
        "h": "hour hours hr hrs h stunden stdn std heures horas hora ore uur godzin godziny timer time timme timmar "
        "tunnin tuntia tunni hodin",
        "d": "day days d daily tag tage tgl tgl. taglich jour jours j dia dias giorno giorni die di daags dag dagen "
        "dagligen dagligt daglig dygn paivassa paivan paeva paevas dzien dni dziennie dobe gun den dni denne",
        "w": "week weeks weekly w wk wks woche wochen wochentlich semaine semaines semana semanas settimana settimane "
        "weken uge uger vecka veckor uke uker viikossa viikon nadalas tydzien tygodnie tygodni tygodniu tydnu",
        "m": "month months monthly monat monate monatlich mois mes meses mese mesi maand maanden maned maneder manad "
        "manader kuukaudessa kuukauden kuus miesiac miesiace miesiecy mesic mesicu",
    }.items()
    for word in words.split()
}
_UNIT = "|".join(sorted(map(re.escape, _UNIT_OF_TIME), key=len, reverse=True))
_PER = {"d": "day", "w": "week", "m": "month"}
_LONG = "|".join(word for word in _UNIT.split("|") if _UNIT_OF_TIME[word.replace("\\", "")] in _PER)
_SLASH = re.compile(rf"(?<=[a-z.]) ?/ ?({_LONG})\b")  # "100 mg/Tag", "1 tab/dag"; what is for an hour is a rate
_FOLD = (  # "times", as it stands behind a number
    "x|times?|mal|fois|veces|vezes|vez|volte|volta|maal|keer|ganger|ggr|gange|gang|kertaa|kerran|korda|kord|razy|raz|krat"
)
_LENGTH = re.compile(
    r"\b(?:for|x|pendant|durant|fur|durante|per|gedurende|por|przez|i)? ?\d+ ?"
    r"(?:day|days|day\(s\)|week|weeks|month|months|tage|wochen|monate|jours|semaines|mois|dias|semanas|meses|giorni|"
    r"settimane|mesi|dagen|weken|maanden|dni|tygodni|miesiecy|dage|uger|dagar|veckor|dager|uker)\b(?!\s*(?:on|off))\.?"
)
_EVERY = re.compile(
    r"\b(?:every|q|each|alle|toutes les|tous les|cada|a cada|ogni|elke|iedere|om de|co|var|hver|iga) ?"
    rf"(\d+)(?:\s*\([a-z]+\)|:[ea])?\.? ?-?({_UNIT})\b"
)
_TURKISH = {"saatte": "h", "gunde": "d", "haftada": "w", "ayda": "m"}
_EVERY_BEHIND = re.compile(r"(\d+) ?(saatte|gunde|haftada|ayda) bir(?: kez| defa| kere)?\b")
_TIMES_BEHIND = re.compile(r"(gunde|haftada|ayda) (\d+) (?:kez|defa|kere)\b")
_EVERY_SLASH = re.compile(r"(?:de |/)?(?:(\d+)/\1|(?<=/)(\d+)) ?h(?:oras?|s|rs?)?\b\.?")  # "12/12h", "/12h"
_TIMES_IN = re.compile(
    rf"(\d+) ?(?:{_FOLD})\.? ?(?:every|per|in|alle|toutes les|tous les|cada|a cada|ogni|om de|co|i) (\d+) ?({_UNIT})\b"
)
_TIMES = re.compile(
    rf"\b(\d+) ?-?(?:{_FOLD}|dd|d(?=\s|$)|(?=/))\.? ?"
    r"(?:every |a |per |/ ?|pro |am |al |par |por |in |in der |ao |om |na |w |i )?"
    rf"({_UNIT})?\b"
)
_NORDIC = re.compile(r"(?<=\d )(tabl(?:\.|ett\w*)?|kaps(?:\.|el\w*)?) x (\d)$")
_FOLDED = re.compile(r"^(\d) ?x ?(\d(?:\.5)?)(?=\s|$)")  # "2x1": so many times a day, so many pieces


@lru_cache(maxsize=1)
def _table() -> dict[str, list[tuple[tuple[str, ...], _Word]]]:
    """The phrases by their first token, the longest first."""
    table: dict[str, list[tuple[tuple[str, ...], _Word]]] = {}
    for phrase, role, value, days, when in read_table("sig_words.csv"):
        tokens = tuple(_tokens(phrase))
        if tokens:
            table.setdefault(tokens[0], []).append((tokens, _Word(role, value, float(days or 0), when)))
    for entries in table.values():
        entries.sort(key=lambda entry: -len(entry[0]))
    return table


def _tokens(text: str) -> list[str]:
    return [token.rstrip(".") if len(token) > 1 else token for token in _TOKEN.findall(text)]


@lru_cache(maxsize=2048)
def read_sig(text: str) -> Sig | None:
    """What a dosage text says, ``None`` where it is not read."""
    if len(text) > _LONGEST:
        return None
    try:
        return _sig(_items(_prepared(text)), is_bare=len(text.split()) == 2)
    except NotRead:
        return None


@lru_cache(maxsize=2048)
def read_frequency(text: str) -> tuple[float, float] | None:
    """How often a text says, times in days, where it says nothing else ("Daily", "2 times a day")."""
    if len(text) > _LONGEST:
        return None
    try:
        items = _items(_prepared(text))
        if any(item.role not in (OFTEN, NEEDED, LENGTH) for item in items):
            return None
        times, days = _together([item for item in items if item.role == OFTEN])
    except NotRead:
        return None
    return (times, days) if times and days else None


def coded_frequency(code: str) -> tuple[float, float] | None:
    """How often a code of a frequency says, of whatever system: times in days."""
    code = code.strip().upper()
    if (known := _codes().get(code)) is not None:
        return known
    if pattern := _CODE_PATTERN.fullmatch(code):
        number = float(pattern[1])
        unit = pattern[2].lower().replace("l", "m")
        return (1.0, number * _DAYS_OF[unit]) if 0 < number <= 400 else None
    if pattern := _TIMES_A_DAY.fullmatch(code) or _JAMI_TIMES_A_DAY.fullmatch(code):
        return float(pattern[1]), 1.0
    return None


_CODE_PATTERN = re.compile(r"Q(\d{1,3})([HDWL])")  # L: months
_TIMES_A_DAY = re.compile(r"([1-9]\d?)ID")
_JAMI_TIMES_A_DAY = re.compile(r"101([1-9])\d{12}")  # Japan's 16 digits: by mouth, so many times a day, at which meals


@lru_cache(maxsize=1)
def _codes() -> dict[str, tuple[float, float]]:
    return {code: (float(times), float(days)) for code, times, days in read_table("timing_codes.csv")}


def is_piece(word: str) -> bool:
    """Whether a word of any language counts pieces: tablets, capsules, sprays, syringes."""
    tokens = tuple(_tokens(fold(word)))
    return bool(tokens) and any(
        phrase == tokens and meant.role == PIECE and meant.value not in _NO_PIECE
        for phrase, meant in _table().get(tokens[0], ())
    )


_NO_PIECE = frozenset({"drop", "dose", "patch"})


def _prepared(text: str) -> str:
    """The text in lower case, its fractions and decimals as plain numbers, asides and lengths of time cut.

    Raises NotRead.
    """
    for sign, number in _FRACTIONS:
        text = text.replace(sign, number)
    text = fold(text).translate(_DASHES).lstrip(" =")  # "= 1 tab, Oral": in front of it stands what was not sent
    if _UNSURE.search(text):
        raise NotRead
    if JAPANESE.search(text):
        text = in_english(text)
    text = _DECIMAL.sub(r"\1.\2", text)
    text = _FRACTION.sub(lambda m: f"{int(m[1] or 0) + int(m[2]) / int(m[3]):g}", text)
    text = _AND_HALF.sub(lambda m: f"{int(m[1]) + 0.5:g}", text)
    text = _PIECE_AND_HALF.sub(r"\1.5 \2", text)
    text = _NUMBER_AGAIN.sub(r"\1", text)
    text = _RANGES.sub(r"\1 \2\3", text.replace("(s)", "s"))
    text = _NORDIC.sub(r"\1 \2 times daily", text)
    text = _DAY_LONG.sub(" per day", text)
    text = _SLASH.sub(lambda m: f" per {_PER[_UNIT_OF_TIME[m[1]]]} ", text)
    return _ASIDE.sub(" ", text)


def _items(text: str) -> list[_Item]:
    """The text as doses, frequencies and the rest. Raises NotRead."""
    if dutch := _DUTCH.match(text.strip()):
        return [_Item(OFTEN, float(dutch[1]), days=1.0), _Item(PIECE, float(dutch[2]), "tablet")]
    items: list[_Item] = []
    if folded := _FOLDED.match(text.strip()):
        items += [_Item(OFTEN, float(folded[1]), days=1.0), _Item(NUMBER, _positive(folded[2]))]
        text = text.strip()[folded.end() :]

    def scheme(match: re.Match[str]) -> str:
        places = [float(each) for each in match.groups() if each]
        taken = [each for each in places if each]
        if not taken:
            raise NotRead
        same = len(set(taken)) == 1
        items.append(_Item(PIECE, taken[0] if same else sum(taken)))
        items.append(_Item(OFTEN, float(len(taken)) if same else 1.0, days=1.0))
        return " "

    text = _SCHEME.sub(scheme, text)
    rest = text
    while rest:
        rest, item = _next(rest)
        if item is not None:
            items.append(item)
    return items


_GAP = re.compile(r"[\s.,;:]+")
_BRACKET = re.compile(r"\(([^()]*)\)")
_RANGE = re.compile(r"\s*(?:-|to\b|bis\b|a\b|tot\b|ou\b|or\b|o\b|oder\b|of\b)\s*\d")
_PLAIN_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def _next(text: str) -> tuple[str, _Item | None]:
    """What the text begins with, and the text behind it."""
    if gap := _GAP.match(text):
        return text[gap.end() :], None
    if bracket := _BRACKET.match(text):
        return text[bracket.end() :], _in_bracket(bracket[1])
    if text[0].isdigit() or text.startswith("per "):  # before any number is read: "1 jour sur 2", "per 12 weken"
        found = _phrase(text)
        if found and len(found[0]) > 1:
            return text[found[2] :], _as_item(found[1])
    if every := _EVERY.match(text):
        if _RANGE.match(text[every.end() :]):
            raise NotRead
        return text[every.end() :], _often(1.0, every[1], _UNIT_OF_TIME[every[2]])
    if every := _EVERY_BEHIND.match(text):
        return text[every.end() :], _often(1.0, every[1], _TURKISH[every[2]])
    if times := _TIMES_BEHIND.match(text):
        return text[times.end() :], _often(_positive(times[2]), "1", _TURKISH[times[1]])
    if every := _EVERY_SLASH.match(text):
        return text[every.end() :], _often(1.0, every[1] or every[2], "h")
    if times := _TIMES_IN.match(text):
        return text[times.end() :], _often(_positive(times[1]), times[2], _UNIT_OF_TIME[times[3]])
    times = _TIMES.match(text)
    if times and (times[2] or times[0].rstrip().endswith(("dd", "d"))):
        return text[times.end() :], _often(float(times[1]), "1", _UNIT_OF_TIME.get(times[2] or "", "d"))
    length = _LENGTH.match(text)
    if length:
        return text[length.end() :], _Item(LENGTH)
    if number := _PLAIN_NUMBER.match(text):
        if _RANGE.match(text[number.end() :]):
            raise NotRead
        return text[number.end() :], _Item(NUMBER, _positive(number[0]))
    return _word(text)


def _often(times: float, count: str, unit: str) -> _Item:
    """So many times in so many of a unit of time."""
    return _Item(OFTEN, times, days=_DAYS_OF[unit] * _positive(count))


def _positive(number: str) -> float:
    value = float(number)
    if not 0 < value < 10_000:
        raise NotRead
    return value


def _word(text: str) -> tuple[str, _Item | None]:
    """The longest phrase of the table that the text begins with. Raises NotRead where there is none."""
    found = _phrase(text)
    if found:
        return text[found[2] :], _as_item(found[1])
    if text[0] in "-'":
        return text[1:], None
    raise NotRead


def _phrase(text: str) -> tuple[tuple[str, ...], _Word, int] | None:
    """The longest phrase of the table that the text begins with, what it means, and where it ends."""
    matches = list(islice(_TOKEN.finditer(text), 8))
    if not matches or matches[0].start() != 0:
        return None
    tokens = [match[0].rstrip(".") if len(match[0]) > 1 else match[0] for match in matches]
    for phrase, word in _table().get(tokens[0], ()):
        if tuple(tokens[: len(phrase)]) == phrase:
            return phrase, word, matches[len(phrase) - 1].end()
    return None


def _as_item(word: _Word) -> _Item | None:
    if word.role == STOP:
        raise NotRead
    if word.role == ASIDE:
        return None
    if word.role == OFTEN:
        return _Item(OFTEN, float(word.value), days=word.days, when=word.when)
    if word.role == NUMBER:
        return _Item(NUMBER, float(word.value))
    if word.role == PIECE:
        return _Item(PIECE, 0.0, word.value)
    if word.role in (MASS, ML, UNIT):
        return _Item(word.role, float(word.value), {MASS: "mg", ML: "ml", UNIT: "unit"}[word.role])
    return _Item(word.role, when=word.when)


def _in_bracket(text: str) -> _Item | None:
    """A bracket repeats: a dose as a mass, which then stands, or as a count, which is passed over."""
    items: list[_Item] = []
    rest = text
    while rest:
        rest, item = _next(rest)
        if item is not None:
            items.append(item)
    if not items:
        return None
    roles = [item.role for item in items]
    if roles in ([NUMBER, MASS], [NUMBER, UNIT], [NUMBER, MASS, PIECE]):
        return _Item("total", items[0].amount * items[1].amount, items[1].unit)
    if roles == [NUMBER, PIECE]:
        return None
    if roles in ([OFTEN], [NEEDED]):
        return items[0]
    raise NotRead


class _Dose(NamedTuple):
    amount: float
    unit: str
    place: int  # which of the frequencies, in order, it stands at


def _sig(items: list[_Item], *, is_bare: bool) -> Sig:
    """Doses and frequencies put together. Raises NotRead for what contradicts itself or says too little."""
    doses, often, weekdays, needed, most = _sorted_out(items)
    if not doses:
        raise NotRead
    if weekdays:
        if often or len(doses) != 1:
            raise NotRead
        return Sig(*doses[0][:2], float(len(weekdays)), 7.0, needed, most)
    if len(doses) == 1:
        times, days = _together(often)
        if times is None and not needed and not (is_bare and _is_count(items)):
            raise NotRead
        return Sig(*doses[0][:2], times, days, needed, most)
    return _parts_of_a_day(doses, often, needed)


def _is_count(items: list[_Item]) -> bool:
    """A count of pieces and nothing else."""
    return [item.role for item in items] == [NUMBER, PIECE]


def _parts_of_a_day(doses: list[_Dose], often: list[_Item], needed: bool) -> Sig:
    """Doses at different times of one day: equal ones are so many a day, others add up to the dose of the day."""
    if needed or len(often) != len(doses) or len({item.when for item in often}) != len(often):
        raise NotRead
    if any((item.amount, item.days) != (1.0, 1.0) or not item.when for item in often):
        raise NotRead
    units = {dose.unit for dose in doses if dose.unit}
    if len(units) > 1:
        raise NotRead
    amounts = [dose.amount for dose in doses]
    unit = units.pop() if units else ""
    if len(set(amounts)) == 1:
        return Sig(amounts[0], unit, float(len(amounts)), 1.0)
    return Sig(round(sum(amounts), 6), unit, 1.0, 1.0)


def _together(often: list[_Item]) -> tuple[float | None, float | None]:
    """One frequency out of several that must not contradict each other."""
    if not often:
        return None, None
    plain = {(item.amount, item.days) for item in often if not item.when}
    whens = {item.when for item in often if item.when}
    if len(plain) > 1:
        raise NotRead
    if not whens:
        return plain.pop()
    if any((item.amount, item.days) != (1.0, 1.0) for item in often if item.when):
        raise NotRead
    night = whens & {"HS", "EVE"}
    count = len(whens) - (1 if len(night) == 2 else 0)  # the evening and bedtime of one sig are one time
    if plain and plain != {(float(count), 1.0)}:
        raise NotRead
    return float(count), 1.0


def _sorted_out(
    items: list[_Item],
) -> tuple[list[_Dose], list[_Item], set[str], bool, float | None]:
    """Doses, frequencies, weekdays, whether as needed, and the most in a day."""
    doses: list[_Dose] = []
    often: list[_Item] = []
    weekdays: set[str] = set()
    needed = False
    most: float | None = None
    at = 0
    while at < len(items):
        item = items[at]
        following = items[at + 1] if at + 1 < len(items) else None
        if item.role == AT_MOST:
            most, at = _most(items, at + 1)
            continue
        if item.role == REPEAT:
            at = _after_repeat(items, at + 1)
            continue
        if item.role == NUMBER:
            dose, at = _dose(items, at, len(often))
            if dose is not None:
                doses.append(dose)
            continue
        if item.role == PIECE and item.amount:
            doses.append(_Dose(item.amount, item.unit, len(often)))
        elif item.role == "total":
            if not doses:
                raise NotRead
            doses[-1] = doses[-1]._replace(amount=item.amount, unit=item.unit)
        elif item.role == TWICE and doses:
            doses[-1] = doses[-1]._replace(amount=2 * doses[-1].amount)
        elif item.role == OFTEN:
            often.append(item)
        elif item.role == WEEKDAY:
            weekdays.add(item.when)
        elif item.role == NEEDED:
            needed = True
        elif item.role == PIECE and following is not None and not doses:
            if following.role != NUMBER:  # "spray 1 spray"
                raise NotRead
        elif item.role not in (LENGTH, PIECE):
            raise NotRead
        at += 1
    return doses, often, weekdays, needed, most


def _dose(items: list[_Item], at: int, place: int) -> tuple[_Dose | None, int]:
    """The dose that begins with the number at ``at``, and where the rest begins; ``None`` for a mere strength."""
    number = items[at].amount
    unit = items[at + 1] if at + 1 < len(items) else None
    if unit is None or unit.role not in (PIECE, MASS, ML, UNIT) or (unit.role == PIECE and unit.amount):
        return _Dose(number, "", place), at + 1
    after = items[at + 2 : at + 4]
    if unit.role == MASS and after and after[0].role == PIECE and not after[0].amount:
        return None, at + 3  # "10 mg tablet, ...": the product
    if unit.role == PIECE:
        if len(after) == 2 and after[0].role == NUMBER and after[1].role == MASS:
            if unit.unit == "injection":
                return _Dose(after[0].amount * after[1].amount, "mg", place), at + 4
            return _Dose(number, unit.unit, place), at + 4  # "1 capsule of 50 mg"
        return _Dose(number, unit.unit, place), at + 2
    return _Dose(number * unit.amount, unit.unit, place), at + 2


def _most(items: list[_Item], at: int) -> tuple[float, int]:
    """The most in a day: a number, its unit and per day."""
    if at >= len(items) or items[at].role not in (NUMBER, OFTEN):
        raise NotRead
    if items[at].role == OFTEN:
        return items[at].amount, at + 1
    value = items[at].amount
    at += 1
    if at < len(items) and items[at].role in (PIECE, MASS, UNIT):
        value *= items[at].amount or 1.0
        at += 1
    if at < len(items) and items[at].role in (OFTEN, LENGTH):
        at += 1
    return value, at


def _after_repeat(items: list[_Item], at: int) -> int:
    """Past what says when a dose may be repeated."""
    while at < len(items) and items[at].role in (NUMBER, PIECE, LENGTH, NEEDED, OFTEN, REPEAT):
        if items[at].role == NEEDED:
            return at
        at += 1
    return at
