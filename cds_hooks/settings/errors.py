"""What is wrong with the settings."""

from collections.abc import Sequence

from prodrome.rules import ConfigurationError


class SettingsError(ConfigurationError):
    """The settings cannot be used; ``problems`` says each reason in one line."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))
