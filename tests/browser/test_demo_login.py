"""A demo behind a login: visitors prove who they are to a provider (OIDC), who sends them back."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from imgtag.serving.network import configured_login, free_port
from imgtag.training.runs import Run
from tests.oidc import provider
from tests.shows import OWN, on_show

pytestmark = pytest.mark.browser


def test_only_who_logs_in_at_the_provider_sees_the_demo(
    trained: Run, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with provider() as ann_knows:
        origin = f"http://127.0.0.1:{free_port('127.0.0.1')}"
        secrets = tmp_path / "account" / ".streamlit" / "secrets.toml"
        secrets.parent.mkdir(parents=True)
        secrets.write_text(ann_knows.secrets(f"{origin}/oauth2callback"), "utf-8")
        monkeypatch.setenv("HOME", str(tmp_path / "account"))
        login = configured_login()
        assert login and login.origin == origin
        with on_show(trained, pin=None, title="Discs and tiles", network=True) as demo:
            assert demo.addresses == [origin]
            visitor = browser.new_context().new_page()
            visitor.goto(origin)
            expect(visitor.get_by_text("This demo is protected")).to_be_visible()
            assert "Discs" not in visitor.content()
            visitor.get_by_role("button", name="Log in").click()
            visitor.get_by_role("link", name="Not now").click()
            expect(visitor.get_by_text("This demo is protected")).to_be_visible()
            assert visitor.request.get(f"{origin}/demo/show").status == 401

            visitor.get_by_role("button", name="Log in").click()
            visitor.get_by_role("link", name="I am Ann").click()
            expect(visitor.get_by_role("heading", name="Discs and tiles")).to_be_visible()
            visitor.locator(".examples li button").first.click()
            expect(visitor.locator("ol.bars li .share").first).to_contain_text("%")
            assert ann_knows.tokens == 1
            visitor.reload()
            expect(visitor.get_by_role("heading", name="Discs and tiles")).to_be_visible()
            assert visitor.request.get(f"{origin}/api/projects").status == 404
            visitor.context.close()

            assert httpx.get(f"{origin}/demo/show").status_code == 401
            assert httpx.post(f"{origin}/demo/enter", json={"pin": ""}, headers=OWN).status_code == 403
            assert httpx.post(f"{origin}/demo/enter", json={"ticket": "1.x"}, headers=OWN).status_code == 403
