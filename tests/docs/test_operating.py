"""What docs/operating.md and deploy/ name is there: settings, metrics, probes; and the ways of the database."""

import json
import re
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from alembic import command
from alembic.config import Config

from prodrome.cds_hooks.database import Database
from prodrome.cds_hooks.settings import Settings, load_settings
from tests.serving import client_of, service

ROOT = Path(__file__).parents[2]
METRIC = r"prodrome_[a-z_]+"


def made() -> set[str]:
    """The metrics that are made."""
    return set(re.findall(rf'"({METRIC})"', (ROOT / "cds_hooks" / "web" / "metrics.py").read_text()))


def plain(metric: str) -> str:
    return re.sub(r"_(total|bucket|sum|count)$", "", metric)


def test_every_metric_has_a_line_and_every_line_a_metric() -> None:
    text = (ROOT / "docs" / "operating.md").read_text()
    assert {plain(name) for name in re.findall(METRIC, text)} == made()


def test_the_dashboard_draws_metrics_that_are_made() -> None:
    dashboard = json.loads((ROOT / "deploy" / "grafana.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    named = {plain(name) for expression in asked for name in re.findall(METRIC, expression)}
    assert named == made()
    assert all(expression.count("(") == expression.count(")") for expression in asked)


def kubernetes() -> dict[str, dict[str, Any]]:
    documents = yaml.safe_load_all((ROOT / "deploy" / "kubernetes.yaml").read_text())
    return {document["kind"]: document for document in documents}


def test_the_settings_of_the_manifests_are_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "prodrome.toml"
    file.write_text(kubernetes()["ConfigMap"]["data"]["prodrome.toml"])
    monkeypatch.setenv("PRODROME_DATABASE_URL", "postgresql://database/prodrome")
    assert not load_settings(file).open
    monkeypatch.undo()
    composed = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["prodrome"]["environment"]
    monkeypatch.chdir(tmp_path)
    file.unlink()
    for name, value in composed.items():
        monkeypatch.setenv(name, value)
    assert load_settings().open_to_everyone


def test_the_probes_ask_what_is_answered() -> None:
    deployment = kubernetes()["Deployment"]["spec"]["template"]["spec"]
    container = deployment["containers"][0]
    with client_of(service()) as client:
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert client.get(container[probe]["httpGet"]["path"]).status_code == 200
    grace = Settings.model_fields["grace_seconds"].default
    assert deployment["terminationGracePeriodSeconds"] > grace + 5  # preStop sleeps
    stop = re.search(r"TimeoutStopSec=(\d+)", (ROOT / "deploy" / "prodrome.service").read_text())
    assert stop
    assert int(stop.group(1)) > grace
    assert container["securityContext"]["readOnlyRootFilesystem"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_the_unit_is_one(tmp_path: Path) -> None:
    unit = tmp_path / "prodrome.service"
    unit.write_text(
        (ROOT / "deploy" / "prodrome.service").read_text().replace("/opt/prodrome/bin/prodrome", "/bin/true")
    )
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if "prodrome.service" in line] == []


def cards(file: Path) -> int:
    with sqlite3.connect(file) as connection:
        count: int = connection.execute("SELECT count(*) FROM shown_card").fetchone()[0]
    connection.close()
    return count


def test_a_backup_made_while_the_service_runs_is_restored(tmp_path: Path) -> None:
    file = tmp_path / "prodrome.db"
    example = json.loads((ROOT / "examples" / "order-sign-contraindicated.json").read_bytes())
    app = service(database_url=f"sqlite:///{file}")
    with client_of(app) as client:
        shown = len(client.post("/cds-services/prodrome-order-sign", json=example).get_json()["cards"])
        store = app.extensions["prodrome"].store
        store.flush()
        source, backup = sqlite3.connect(file), sqlite3.connect(tmp_path / "backup.db")
        source.backup(backup)  # what .backup of the command does
        source.close()
        backup.close()
        client.post("/cds-services/prodrome-order-sign", json=example)
        store.flush()
    store.close()
    for old in tmp_path.glob("prodrome.db*"):
        old.unlink()
    (tmp_path / "backup.db").rename(file)
    restored = Database(f"sqlite:///{file}")
    assert cards(file) == shown > 0
    restored.close()


def migrations(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "cds_hooks" / "database" / "migrations"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("sqlalchemy.url", url)
    return config


def test_the_schema_goes_back_and_forth(database_url: str) -> None:
    if database_url == "sqlite://":
        pytest.skip("a database in memory is always new")
    database = Database(database_url)
    for way in (command.downgrade, command.upgrade):
        config = migrations(database_url)
        with database.engine.connect() as connection, connection.begin():
            config.attributes["connection"] = connection
            way(config, "base" if way is command.downgrade else "head")
    with database.writing(durable=True) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM shown_card").scalar() == 0
    database.close()
