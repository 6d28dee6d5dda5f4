"""What went wrong, for people."""

from collections.abc import Mapping


def in_words(problems: Mapping[str, str]) -> list[str]:
    """One sentence per problem, naming the kinds it befell: *problems* is kind -> what the FHIR server did."""
    kinds: dict[str, list[str]] = {}
    for kind, problem in sorted(problems.items()):
        kinds.setdefault(problem, []).append(kind)
    return [f"{', '.join(befallen)}: the FHIR server {problem}." for problem, befallen in kinds.items()]
