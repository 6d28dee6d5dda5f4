"""Cards shown, feedback to them, tokens seen."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "shown_card",
        sa.Column("uuid", sa.String(36), primary_key=True),
        sa.Column("rule", sa.String(64), nullable=False),
        sa.Column("rulebook_version", sa.String(32), nullable=False),
        sa.Column("indicator", sa.String(16), nullable=False),
        sa.Column("service", sa.String(128), nullable=False),
        sa.Column("hook_instance", sa.Text, nullable=False),
        sa.Column("issuer", sa.Text),
        sa.Column("suggestions", sa.JSON, nullable=False),
        sa.Column("shown_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finding", sa.String(64)),
    )
    op.create_index("shown_card_by_finding", "shown_card", ["finding"])
    op.create_index("shown_card_by_time", "shown_card", ["shown_at"])
    op.create_table(
        "feedback",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("card", sa.String(36), sa.ForeignKey("shown_card.uuid", ondelete="CASCADE"), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("outcome_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("suggestions", sa.JSON, nullable=False),
        sa.Column("reason_system", sa.Text),
        sa.Column("reason_code", sa.Text),
        sa.Column("reason_display", sa.Text),
        sa.Column("commented", sa.Boolean, nullable=False),
        sa.Column("comment", sa.Text),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.UniqueConstraint("card", "digest", name="feedback_said_once"),
    )
    op.create_table(
        "seen_token",
        sa.Column("token", sa.String(64), primary_key=True),
        sa.Column("expires", sa.BigInteger, nullable=False),
    )
    op.create_index("seen_token_by_expiry", "seen_token", ["expires"])


def downgrade() -> None:
    """Drop them, with all they hold."""
    for table in ("seen_token", "feedback", "shown_card"):
        op.drop_table(table)
