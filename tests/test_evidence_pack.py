"""A result leaves as a file, opens without PolyWeb, and is known again where it came from."""

import re
import zipfile

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def test_a_pack_is_taken_away_read_offline_and_known_again(page: Page, tmp_path):
    page.goto("/sweeps/")
    page.get_by_role("link", name=re.compile("First look")).first.click()
    expect(page.locator("#sweep-state")).to_contain_text("finished", timeout=90_000)
    with page.expect_download(timeout=60_000) as download:
        page.get_by_role("link", name="Evidence").click()
    pack = tmp_path / "pack.zip"
    download.value.save_as(pack)
    zipfile.ZipFile(pack).extractall(tmp_path / "pack")

    report = page.context.new_page()
    report.goto((tmp_path / "pack" / "report.html").as_uri())
    expect(report.locator(".js-plotly-plot").first).to_be_visible(timeout=60_000)
    expect(report.get_by_text("emulated").first).to_be_visible()

    page.goto("/evidence/import/")
    page.get_by_label("Evidence pack").set_input_files(pack)
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("Its runs are here already")).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("First look"))).to_be_visible()
