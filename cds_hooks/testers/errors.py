"""What a person who tries the service out is told."""

from prodrome.rules import ProdromeError


class TesterError(ProdromeError):
    """What a tester named or typed cannot be used; the text says what was expected."""

    __test__ = False  # not a test case, whatever a test runner thinks of the name
