"""The one database: cards shown, feedback to them, tokens used."""

from prodrome.cds_hooks.database.connecting import Database, DatabaseAway
from prodrome.cds_hooks.database.tables import bare, feedback, seen_token, shown_card
from prodrome.cds_hooks.database.write_behind import WriteBehind

__all__ = ["Database", "DatabaseAway", "WriteBehind", "bare", "feedback", "seen_token", "shown_card"]
