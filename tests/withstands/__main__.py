"""``make security-table``: run every test of an attack or fault, print the tables, and write docs/security.md.

The exit status is 1 where a test fails, or a row is shown by none.
"""

import sys

import pytest

from tests.conformance.matrix import Shown
from tests.withstands.table import DOCUMENT, MARKER, TESTS, document, rows


def main() -> int:
    shown = Shown(MARKER)
    status = pytest.main(["-q", "-m", MARKER, "-p", "no:cacheprovider", str(TESTS)], plugins=[shown])
    ids = [row.id for of in rows().values() for row in of]
    results = {id_: result for id_ in ids if (result := shown.result(id_)) != "passed"}
    page = document(results)
    print(page)
    DOCUMENT.write_text(page, encoding="utf-8")
    missing = [id_ for id_ in ids if not shown.tests[id_]]
    if missing:
        print("No test shows:", ", ".join(missing))
    return int(bool(missing) or status != pytest.ExitCode.OK)


if __name__ == "__main__":
    sys.exit(main())
