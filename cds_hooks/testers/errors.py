"""What a person who tries the service out is told."""

from prodrome.rules import ProdromeError


class TesterError(ProdromeError):
    """What a tester named or typed cannot be used; the text says what was expected."""
