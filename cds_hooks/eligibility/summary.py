"""The summary for prior authorisation as plain text, to copy into a payer's form."""

from collections.abc import Iterator

from prodrome.cds_hooks.eligibility.history import Course, Diagnosis, History

TITLE = "Treatment history for prior authorisation"
SAID_BY = "Drawn from the chart by Prodrome. It claims nothing that is not recorded there; a clinician has to check it."


def as_text(found: History) -> str:
    """The summary, one fact a line."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: History) -> Iterator[str]:
    yield TITLE
    yield f"As of {found.today}. {SAID_BY}"
    yield ""
    person = [f"Patient: {found.patient_id}"]
    person += [f"born {found.birth}"] if found.birth else []
    person += [found.sex] if found.sex else []
    yield ", ".join(person)
    if found.ordered:
        yield f"Asked for: {found.ordered}"
    yield from _section("Diagnosis", [_diagnosis(one) for one in found.diagnoses])
    yield from _section("Preventive treatment", [line for one in found.preventives for line in course_lines(one)])
    yield from _section("Acute treatment", [line for one in found.acutes for line in course_lines(one)])
    if found.attacks:
        yield from _section(
            "Attacks treated",
            [
                f"{drug}: {relieved} of {treated} relieved{_where(refs)}"
                for drug, treated, relieved, refs in found.attacks
            ],
        )
    yield from _section("Headache days a month", month_lines(found))
    if found.ruled_out:
        yield from _section("Conditions and drugs that rule others out", [_diagnosis(one) for one in found.ruled_out])
    yield from _section("Not recorded", list(found.not_recorded))


def _section(title: str, lines: list[str]) -> Iterator[str]:
    yield from ("", title)
    yield from (f"- {line}" if not line.startswith("  ") else line for line in lines or ["nothing recorded"])


def _where(refs: tuple[str, ...]) -> str:
    return f" [{', '.join(refs)}]" if refs else ""


def _diagnosis(one: Diagnosis) -> str:
    return f"{one.words}{f', since {one.since}' if one.since else ''}{_where(one.recorded)}"


def course_lines(course: Course) -> list[str]:
    """One course: what, how much, from when to when, and how it ended."""
    start, end = course.start or "start not recorded", course.end or "end not recorded"
    said = [
        f"{course.drug} ({course.drug_class}), {course.dose or 'dose not recorded'}, {start} to {end}: {course.days}"
    ]
    if course.at_target is not None:
        said.append(f"  at the target dose or above: {course.at_target}")
    if course.at_sufficient is not None and course.at_sufficient != course.at_target:
        said.append(f"  at a sufficient dose or above: {course.at_sufficient}")
    doubts = f" ({', '.join(course.doubts)})" if course.doubts else ""
    said.append(f"  {course.ended}{doubts}{_where(course.recorded)}")
    return said


def month_lines(found: History) -> list[str]:
    """The diary, a month a line."""
    said = []
    for month in found.months:
        pairs = (("headache", month.headache), ("migraine", month.migraine), ("debilitating", month.debilitating))
        days = ", ".join(f"{days:g} {of} days" for of, days in pairs if days is not None) or "not recorded"
        said.append(f"{month.month:%Y-%m}: {days}{_where(month.recorded)}")
    return said
