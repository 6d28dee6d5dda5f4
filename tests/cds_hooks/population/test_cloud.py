"""An export is read from object stores and from a web server as from a folder. Each is spoken to in its own manner."""

import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as Xml
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask, Response, request

from prodrome.cds_hooks.population import ExportError, judge_population, open_export
from prodrome.cds_hooks.population.cloud import _store
from prodrome.cds_hooks.population.export import Batch, Export, batches, tasks
from tests.cds_hooks.population.exports import TODAY, examples, healthy, labelled, plan, write_export
from tests.serving import serving

CHARTS = [chart for chart in [*labelled()[:6], *examples()[:2], *healthy(3)] if not chart.absent]
PAGE = 3
"""How many files the stores list at once: fewer than there are."""


def store(folder: Path) -> Flask:
    """A server of what is below a folder: as the bucket ``b`` of S3 or of Google, a container of Azure, or plainly."""
    app = Flask(__name__)
    refused: set[str] = set()
    app.config["refused"] = refused

    def listed() -> tuple[list[Path], str]:
        """A page of the files, and the mark of the next one."""
        found = sorted(path for path in folder.rglob("*") if path.is_file())
        begin = int(request.args.get("continuation-token") or request.args.get("marker") or 0)
        return found[begin : begin + PAGE], str(begin + PAGE) if begin + PAGE < len(found) else ""

    def answer(root: Xml.Element) -> Response:
        return Response(Xml.tostring(root), content_type="application/xml")

    def as_s3() -> Response:
        root = Xml.Element("ListBucketResult")
        page, mark = listed()
        Xml.SubElement(root, "IsTruncated").text = "true" if mark else "false"
        if mark:
            Xml.SubElement(root, "NextContinuationToken").text = mark
        for path in page:
            one = Xml.SubElement(root, "Contents")
            Xml.SubElement(one, "Key").text = f"export/{path.relative_to(folder)}"
            Xml.SubElement(one, "LastModified").text = "2026-06-15T00:00:00.000Z"
            Xml.SubElement(one, "ETag").text = '"1"'
            Xml.SubElement(one, "Size").text = str(path.stat().st_size)
        return answer(root)

    def as_azure() -> Response:
        root = Xml.Element("EnumerationResults")
        blobs = Xml.SubElement(root, "Blobs")
        page, mark = listed()
        for path in page:
            one = Xml.SubElement(blobs, "Blob")
            Xml.SubElement(one, "Name").text = f"export/{path.relative_to(folder)}"
            about = Xml.SubElement(one, "Properties")
            Xml.SubElement(about, "Last-Modified").text = "Mon, 15 Jun 2026 00:00:00 GMT"
            Xml.SubElement(about, "Content-Length").text = str(path.stat().st_size)
            Xml.SubElement(about, "Content-Type").text = "application/octet-stream"
            Xml.SubElement(about, "Etag").text = "1"
        Xml.SubElement(root, "NextMarker").text = mark
        return answer(root)

    @app.get("/<bucket>")
    def listing(bucket: str) -> Response:
        assert request.args["prefix"] == "export/"
        return as_azure() if request.args.get("comp") == "list" else as_s3()

    @app.get("/<bucket>/export/<path:name>")
    def file(bucket: str, name: str) -> Response:
        if name in refused:
            return Response("<secret/>", 403)
        path = folder / name
        if not path.is_file():
            return Response(status=404)
        response = Response(path.read_bytes(), content_type="application/octet-stream")
        response.headers["Last-Modified"] = "Mon, 15 Jun 2026 00:00:00 GMT"
        response.headers["ETag"] = '"1"'
        response.headers["Accept-Ranges"] = "bytes"
        response.make_conditional(request, accept_ranges=True, complete_length=path.stat().st_size)
        return response

    return app


ADDRESSES = {"s3": "s3://b/export", "google": "gs://b/export", "azure": "az://b/export", "web": "{base}/b/export"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_export(tmp_path / "in", CHARTS, a_file=40)


@pytest.fixture
def served(folder: Path) -> Iterator[tuple[Flask, str]]:
    app = store(folder)
    with serving(app) as base:
        yield app, base


@pytest.fixture
def address(
    request: pytest.FixtureRequest, served: tuple[Flask, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The address of the export in one of the stores, and what its client takes from the environment."""
    pytest.importorskip("obstore")
    base = served[1]
    account = {"gcs_base_url": base, "disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
    (tmp_path / "account.json").write_text(json.dumps(account))
    environment = {
        "AWS_ENDPOINT_URL": base,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "key",
        "GOOGLE_SERVICE_ACCOUNT": str(tmp_path / "account.json"),
        "GOOGLE_ALLOW_HTTP": "true",
        "AZURE_STORAGE_ACCOUNT_NAME": "account",
        "AZURE_STORAGE_ACCOUNT_KEY": "a2V5",
        "AZURE_STORAGE_ENDPOINT": base,
        "AZURE_ALLOW_HTTP": "true",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    _store.cache_clear()
    return ADDRESSES[request.param].format(base=base)


every_store = pytest.mark.parametrize("address", ADDRESSES, indirect=True)


def content(export: Export) -> list[Batch]:
    return [batch for task in tasks(export, 5_000) for piece in task.pieces for batch in batches(export.folder, piece)]


@every_store
@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "zipped"])
def test_an_export_is_read_as_from_a_folder(address: str, folder: Path, zipped: bool) -> None:
    if zipped:
        shutil.rmtree(folder)
        write_export(folder, CHARTS, zipped=True)
    here, there = open_export(folder), open_export(address)
    assert there.files == here.files
    assert there.parts == here.parts
    assert content(there) == content(here)


@every_store
@pytest.mark.parametrize("name", ["manifest.json", "1.Condition.ndjson"])
def test_a_refusal_is_told_in_one_line_without_what_the_store_says(
    address: str, served: tuple[Flask, str], name: str
) -> None:
    served[0].config["refused"].add(name)
    with pytest.raises(ExportError, match=rf"{name}: could not be read \(403 Forbidden\)\.$") as told:
        content(open_export(address))
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("address", ["s3"], indirect=True)
def test_a_population_in_a_store_gets_the_same_bytes(address: str, folder: Path, tmp_path: Path) -> None:
    judge_population(plan(folder, tmp_path / "one"))
    judge_population(plan(address, tmp_path / "two"))
    assert findings(tmp_path / "one") == findings(tmp_path / "two")


@pytest.mark.slow
@pytest.mark.parametrize("address", ["s3"], indirect=True)
def test_and_on_spark(address: str, folder: Path, tmp_path: Path) -> None:
    """In a process of its own: a Spark running already has workers without the environment of this store."""
    pytest.importorskip("pyspark", reason="the extra spark is not installed: make test-spark")
    judge_population(plan(folder, tmp_path / "one"))
    asked = ["--today", TODAY.isoformat(), "--engine", "reference", "--with", "spark", "--master", "local[2]"]
    command = [
        str(Path(sys.executable).with_name("prodrome")),
        "population",
        address,
        *asked,
        "--out",
        str(tmp_path / "two"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    assert findings(tmp_path / "one") == findings(tmp_path / "two")


def findings(out: Path) -> list[bytes]:
    """What a run said of its patients."""
    return [(out / f"{table}.ndjson").read_bytes() for table in ("findings", "unjudged", "eligibility")]


@pytest.mark.parametrize("place", ["ftp://host/export", "s3n://b", "://x"])
def test_other_addresses_are_refused(place: str) -> None:
    with pytest.raises(ExportError, match="expected an address of s3, gs, az"):
        open_export(place)


def test_an_address_stands_alone(folder: Path) -> None:
    with pytest.raises(ExportError, match="or one address"):
        open_export(folder, "s3://b/export")
