"""What a call costs, and how many calls a second one machine answers: ``make bench``, ``make load``."""
