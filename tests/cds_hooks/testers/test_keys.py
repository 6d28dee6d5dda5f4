"""A key made for testers lets its signer in, and nobody else reads it."""

import json
import stat
import tomllib
from datetime import date
from functools import partial
from pathlib import Path

import httpx
import pytest

from prodrome.cds_hooks.settings import load_settings
from prodrome.cds_hooks.testers import KEY_SET, PRIVATE, SANDBOX_SETTINGS, TesterError, new_key
from prodrome.cds_hooks.testers.check import Signer, check_service
from tests.serving import service

TODAY = date(2026, 6, 15)


def test_a_service_with_the_printed_settings_takes_what_the_key_signs(tmp_path: Path) -> None:
    file = tmp_path / "prodrome.toml"
    file.write_text(new_key(tmp_path / "made", "https://tester.example.org", "t-1"))
    issuers = load_settings(file).issuers
    signer = Signer((tmp_path / "made" / PRIVATE).read_text(), "https://tester.example.org", "t-1")
    asked = partial(
        check_service, "http://127.0.0.1:8080", TODAY, transport=httpx.WSGITransport(service(issuers=issuers))
    )
    assert {step.verdict for step in asked(signer=signer)} <= {"ok", "remark"}
    with pytest.raises(TesterError, match=r"does not accept a token of issuer https://tester\.example\.org"):
        asked(signer=Signer(signer.key, signer.issuer, "t-2"))
    with pytest.raises(TesterError, match=r"wants a token.*prodrome key new"):
        asked()


def test_the_key_set_is_the_public_half_of_a_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    printed = tomllib.loads(new_key(tmp_path, "https://tester.example.org", "t-1"))
    written = json.loads((tmp_path / KEY_SET).read_text())
    assert written == printed["issuers"][0]["jwks"]
    assert "d" not in written["keys"][0]
    assert stat.S_IMODE((tmp_path / PRIVATE).stat().st_mode) == 0o600


def test_a_key_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    new_key(tmp_path, "https://tester.example.org", "t-1")
    before = (tmp_path / PRIVATE).read_bytes(), (tmp_path / KEY_SET).read_bytes()
    with pytest.raises(TesterError, match="there is a key already"):
        new_key(tmp_path, "https://tester.example.org", "t-2")
    assert ((tmp_path / PRIVATE).read_bytes(), (tmp_path / KEY_SET).read_bytes()) == before


def test_the_settings_for_the_sandbox_pin_its_key_and_let_its_pages_ask() -> None:
    settings = load_settings(SANDBOX_SETTINGS)
    (issuer,) = settings.issuers
    assert issuer.jku == ()
    assert issuer.jwks is not None
    assert "https://sandbox.cds-hooks.org" in settings.cors_origins
    assert settings.loopback
