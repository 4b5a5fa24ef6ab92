"""A whole review between two accounts, each in a browser of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

LONG_MS = 120_000
MAKE = """
from django.contrib.auth.models import Group, User
for name, role in (("lena", "operator"), ("rob", "reviewer")):
    user, _ = User.objects.get_or_create(username=name)
    user.set_password("a-long-password")
    user.save()
    user.groups.add(Group.objects.get(name=role))
from measurements.models import Device, Network
from tuning.models import Sweep
demo = Sweep.objects.order_by("pk").first()
Sweep.objects.filter(pk=demo.pk).update(created_by=User.objects.get(username="lena"))
print(demo.pk)
"""


@pytest.fixture(scope="module")
def sweep(system) -> int:
    """The demo sweep, as if lena had launched it."""
    return int(system.manage("shell", "-v", "0", "-c", MAKE).split()[-1])


@pytest.fixture
def people(system, browser: Browser, sweep: int) -> Iterator[tuple[Page, Page]]:
    """(lena, who launched it; rob, who reviews), each signed in."""
    contexts = [browser.new_context(base_url=system.url) for _ in range(2)]
    pages = [context.new_page() for context in contexts]
    for page, name in zip(pages, ("lena", "rob"), strict=True):
        page.goto("/accounts/login/")
        page.fill("input[name=username]", name)
        page.fill("input[name=password]", "a-long-password")
        page.press("input[name=password]", "Enter")
        page.wait_for_url(lambda url: "/accounts/login/" not in url)
    yield tuple(pages)
    for context in contexts:
        context.close()


def accessible(page: Page) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page)
        assert not found.violations_count, f"{page.url}, {scheme}: {found.generate_report()}"
    page.emulate_media(color_scheme="light")


def test_a_result_is_reviewed_between_two_accounts(people: tuple[Page, Page], sweep: int):
    lena, rob = people
    state = "#review-state"

    # The launcher asks, from the tab of the sweep's page.
    lena.goto(f"/sweeps/{sweep}/")
    expect(lena.locator("#sweep-state")).to_contain_text("finished", timeout=LONG_MS)
    lena.goto("about:blank")
    lena.goto(f"/sweeps/{sweep}/#review")
    lena.get_by_label("rob", exact=True).check()
    lena.get_by_label("What to look at").fill("Is batch 4 worth it?")
    lena.get_by_role("button", name="Request a review").click()
    expect(lena.locator(state)).to_have_text("in review")
    expect(lena.get_by_text("Deciding needs the reviewer role")).to_be_visible()
    expect(lena.get_by_role("button", name="Approve")).to_have_count(0)

    # The reviewer is told, comments on a trial with a mention, and requests changes.
    rob.goto("/reviews/")
    expect(rob.locator(".bell-count")).to_contain_text("1")
    accessible(rob)
    rob.get_by_role("link", name=re.compile("First look")).first.click()
    rob.goto(f"/sweeps/{sweep}/review/?trial=2#comment")
    box = rob.get_by_label("Comment", exact=True)
    expect(box).to_have_value("[trial 2](#trial-2): ")
    box.press("End")
    box.type("@le")
    expect(rob.get_by_role("option", name="lena", exact=True)).to_be_visible()
    box.press("Enter")
    box.type("**why** so slow? <script>alert(1)</script>")
    rob.get_by_role("button", name="Preview").click()
    expect(rob.locator("#comment-preview strong")).to_have_text("why")
    rob.get_by_role("button", name="Comment", exact=True).click()
    said = rob.locator(".comment", has_text="so slow?")
    expect(said.locator(".mention")).to_have_text("@lena")
    expect(said).to_contain_text("<script>alert(1)</script>")
    rob.get_by_label("Why").fill("Verify it first.")
    rob.get_by_role("button", name="Request changes").click()
    expect(rob.locator(state)).to_have_text("changes requested")
    said.locator("a.point").click()
    expect(rob).to_have_url(re.compile(r"/runs/[0-9a-f-]{36}/"))

    # The launcher is told, answers in the thread, and asks again.
    lena.goto("/notifications/")
    accessible(lena)
    lena.get_by_role("button", name=re.compile("rob mentions you")).click()
    thread = lena.locator(".thread", has_text="so slow?")
    thread.get_by_text("Answer", exact=True).first.click()
    thread.get_by_label("Answer", exact=True).fill("Memory clock is at its lowest.")
    thread.get_by_role("button", name="Answer").click()
    thread = lena.locator(".thread", has_text="so slow?")
    expect(thread).to_contain_text("at its lowest")
    thread.get_by_role("button", name="Resolve").click()
    expect(lena.get_by_text("Resolved by lena")).to_be_visible()
    lena.get_by_role("button", name="Request another review").click()
    expect(lena.locator(state)).to_have_text("in review")

    # The reviewer approves, knowing that it is not verified.
    rob.goto(f"/sweeps/{sweep}/review/")
    accessible(rob)
    rob.get_by_role("button", name="Approve").click()
    expect(rob.get_by_text("say that you approve it nevertheless")).to_be_visible()
    rob.get_by_label(re.compile("although its winner is not verified")).check()
    rob.get_by_role("button", name="Approve").click()
    expect(rob.locator(state)).to_have_text("approved")
    expect(rob.get_by_text("Approved although not verified.")).to_be_visible()
    expect(rob.get_by_text("are those that were approved")).to_be_visible()
    accessible(rob)

    # It is frozen, until the reviewer withdraws the approval.
    lena.goto(f"/sweeps/{sweep}/extend/")
    lena.get_by_role("button", name="Extend").click()
    expect(lena.get_by_text("approved and frozen")).to_be_visible()
    rob.get_by_text("Withdraw the approval").first.click()
    rob.get_by_label("Why").fill("The board was moved.")
    rob.get_by_role("button", name="Withdraw the approval").click()
    expect(rob.locator(state)).to_have_text("in review")
    expect(rob.get_by_text("was withdrawn on")).to_contain_text("The board was moved.")
    expect(rob.locator("ol.audit li").first).to_contain_text("withdrew the approval")
    expect(rob.locator("ol.audit li", has_text="lena").first).to_be_visible()


def test_an_admin_reads_the_trail_and_everybody_chooses_events(page: Page, sweep: int):
    page.goto("/audit/?q=lena")
    accessible(page)
    page.goto("/webhooks/")
    expect(page.get_by_text("WEBHOOK_HOSTS")).to_be_visible()
    accessible(page)
    page.goto("/notifications/choices/")
    accessible(page)
    page.get_by_label("Somebody mentions me: mail").check()
    page.get_by_role("button", name="Keep these choices").click()
    expect(page.get_by_label("Somebody mentions me: mail")).to_be_checked()
