"""How a dosage is written in Japanese, put into the English words of ``sig_words.csv``.

Japanese writes words without spaces, the day's amount beside how often it is divided (1日2錠 分2) and several times of
day in one word (朝夕食後), so that its phrases are translated, not listed.
"""

import re

JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")

_PIECES = {
    **dict.fromkeys(("錠", "t"), "tablet"),
    **dict.fromkeys(("カプセル", "c", "cap"), "capsule"),
    **dict.fromkeys(("包",), "sachet"),
    **dict.fromkeys(("筒", "シリンジ", "本"), "syringe"),
    **dict.fromkeys(("キット", "ペン"), "pen"),
    **dict.fromkeys(("噴霧", "プッシュ", "スプレー"), "spray"),
}
_NUMBER = r"(\d+(?:\.\d+)?)"
_PIECE = "|".join(sorted(map(re.escape, _PIECES), key=len, reverse=True))
_MEALS = {"朝昼夕": "3 times a day", "朝昼": "morning and noon", "朝夕": "twice a day", "昼夕": "noon and evening"}
_MEAL = {"朝": "in the morning", "昼": "at noon", "夕": "in the evening"}
_BY_MEAL = r"食(?:直)?(?:後|前|間)"


def _divided(match: re.Match[str]) -> str:
    """An amount for the day, in so many equal parts."""
    amount, piece, parts = float(match[1]), match[2], int(match[3])
    unit = _PIECES.get(piece, piece)
    return f" {amount / parts:g} {unit} {parts} times a day " if parts else " as directed "


_PHRASES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), english)
    for pattern, english in (
        (r"医師の指示|指示通り|指示どおり|漸増|漸減|適宜|症状により|から開始", " as directed "),
        (r"(\d+)(?:日|回)分", " "),  # how much is dispensed
        (r"(?:1日)?1日おき(?:に)?|隔日(?:に)?", " every other day "),
        (r"(\d+)週間?(?:に|毎に?|ごとに?|おきに?)(?:1回)?", r" every \1 weeks "),
        (r"(?:月に?|1[かヵケヶカ]月に)(\d+)回", r" \1 times a month "),
        (r"(?:週に?|1週間に)(\d+)回", r" \1 times a week "),
        (r"(\d+)(?:[かヵケヶカ])月に1回", r" every \1 months "),
        (r"(\d+)時間(?:毎|ごと)に?", r" every \1 hours "),
        (r"1日(\d+)回まで", r" max \1 per day "),
        (r"1日(\d+)回", r" \1 times a day "),
        (r"毎日", " daily "),
        (rf"毎{_BY_MEAL}", " 3 times a day "),
        *((rf"{meals}(?:{_BY_MEAL})?", f" {english} ") for meals, english in _MEALS.items()),
        *((rf"{meal}{_BY_MEAL}", f" {english} ") for meal, english in _MEAL.items()),
        (r"就寝前|寝る前|就寝時|眠前", " at bedtime "),
        (r"起床時", " in the morning "),
        *((rf"{meal}方?(?=[\d\s]|$)", f" {english} ") for meal, english in (*_MEAL.items(), ("夜", "in the evening"))),
        (
            r"(?:片頭痛|頭痛)?(?:の)?(?:発作|発現|出現)?時(?:頓[服用])?に?|疼痛時|必要時|痛い時|痛む時|頓服|頓用|屯服|"
            r"(?:片頭痛|頭痛)(?:の)?(?:発作)?(?:が)?(?:出た|起きた|起こった)(?:時|とき)",
            " as needed ",
        ),
        (r"1回量?(?=\s*[\d半])", " "),
        (rf"{_NUMBER}\s*({_PIECE})(?![a-z])", "piece"),
        (r"半錠", " 0.5 tablet "),
        (
            r"内服|経口投与|経口|皮下注射|皮下注|点鼻|舌下|服用(?:する|してください)?|投与|注射|[、。・をにずつで]|ください",
            " ",
        ),
    )
)
_DIVIDED = re.compile(rf"(?:1日量?)?\s*{_NUMBER}\s*({_PIECE}|mg|g)?\s*(?:を)?\s*[/、 ]*分(\d)")
_DIVIDED_BEFORE = re.compile(rf"分(\d)([^\d]*?){_NUMBER}\s*({_PIECE}|mg|g)(?![a-z])")  # "分2 朝夕食後 2錠"
_PIECE_OF_DAY = re.compile(rf"1日{_NUMBER}\s*({_PIECE}|mg|g)")


def in_english(text: str) -> str:
    """A folded text with its Japanese phrases in English; what is not known stays, and is not read."""
    text = _DIVIDED.sub(_divided, text)
    text = _DIVIDED_BEFORE.sub(r" \3\4 分\1 \2", text)
    text = _DIVIDED.sub(_divided, text)
    if "1日" in text and _PIECE_OF_DAY.search(text):
        return "as directed"  # an amount for the day, and nobody says in how many parts
    for pattern, english in _PHRASES:
        if english == "piece":
            text = pattern.sub(lambda match: f" {match[1]} {_PIECES[match[2]]} ", text)
        else:
            text = pattern.sub(english, text)
    return text
