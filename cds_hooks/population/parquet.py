"""Results as Parquet, for those who go on with data frames: the extra ``parquet``."""

import importlib
from pathlib import Path
from typing import Any

import orjson

from prodrome.cds_hooks.population.folders import ExportError
from prodrome.cds_hooks.population.results import TABLES
from prodrome.rules.guideline import Guideline

ROWS = 50_000
"""How many rows are written at once."""

_LISTS = frozenset({"references", "missing", "left"})
_NUMBERS = frozenset({"line", "count"})


def ready() -> None:
    """Raises :class:`ExportError` where the extra is not installed: before a long run, not after it."""
    try:
        importlib.import_module("pyarrow")
    except ImportError:
        raise ExportError("--format parquet needs the extra: pip install 'prodrome-cds[parquet]'.") from None


def write(out: Path, _: Guideline) -> None:
    """Write each table of a result as one Parquet file beside it, some rows at a time."""
    pa: Any = importlib.import_module("pyarrow")
    parquet: Any = importlib.import_module("pyarrow.parquet")

    for name, columns in TABLES.items():
        fields = [
            (column, pa.list_(pa.string()) if column in _LISTS else pa.int64() if column in _NUMBERS else pa.string())
            for column in columns
        ]
        schema = pa.schema(fields)
        into = parquet.ParquetWriter(out / f"{name}.parquet", schema)
        with (out / f"{name}.ndjson").open("rb") as stream, into as writer:
            batch: list[dict[str, Any]] = []
            for line in stream:
                batch.append(orjson.loads(line))
                if len(batch) == ROWS:
                    writer.write_table(pa.Table.from_pylist(batch, schema=schema))
                    batch = []
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
