"""What people write must never become more than text with a little form."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from measurements.markdown import TAGS, mentioned, rendered

ATTACKS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt&colon;alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:msgbox(1))",
    "![x](https://evil.example/pixel.png)",
    "![x][1]\n\n[1]: javascript:alert(1)",
    "[x](<javascript:alert(1)>)",
    '[x](https://a.example/" onmouseover="alert(1))',
    '<https://a.example/"onmouseover=alert(1)>',
    "`<script>alert(1)</script>`",
    "```\n</code></pre><script>alert(1)</script>\n```",
    '```"><script>alert(1)</script>\nx\n```',
    "<a href='javascript:alert(1)'>x</a>",
    "<style>*{display:none}</style>",
    "<iframe src=//evil.example></iframe>",
    "@ada<script>alert(1)</script>",
    '@ada" onclick="alert(1)',
    "[#trial-1](#trial-1' onclick='alert(1))",
    "<form action=//evil.example><button>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<math><mtext></mtext><mglyph><style></math><img src onerror=alert(1)>",
)
ATTRIBUTES = {"href", "title", "class", "rel", "start"}
SCHEME = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*:")


class Checker(HTMLParser):
    """Fails on whatever the page must not hold."""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        for name, value in attributes:
            assert name in ATTRIBUTES, name
            if name == "href" and SCHEME.match((value or "").strip()):
                assert (value or "").strip().lower().startswith(("http:", "https:", "mailto:"))
        if tag == "a" and dict(attributes).get("href"):
            assert dict(attributes).get("rel") == "nofollow noopener"


def check(text: str) -> str:
    html = rendered(text, names={"ada"}, trial_url=lambda number: f"/sweeps/1/trials/{number}/")
    checker = Checker()
    checker.feed(html)
    checker.close()
    return html


@pytest.mark.parametrize("text", ATTACKS)
def test_no_attack_gets_through(text: str):
    html = check(text)
    assert "<script" not in html and "<img" not in html


pieces = st.sampled_from(
    ["<", ">", '"', "'", "&", "@ada", "#trial-3", "[", "](", ")", "javascript:", "`", "```\n", "\n",
     "|", "---", "* ", "> ", "onerror=", "<a ", "<img ", "</", "!", "\\", "\x00", "&#106;", "http://"]
)  # fmt: skip


@given(st.lists(pieces | st.text(max_size=8), max_size=40).map("".join))
@example("".join(ATTACKS))
def test_nothing_that_is_typed_makes_a_tag_or_a_link_that_is_not_allowed(text: str):
    check(text)


def test_a_mention_of_an_account_is_marked_and_of_nobody_is_not():
    html = rendered("@ada and @eve, mail@ada.example", names={"ada"})
    assert html.count('class="mention"') == 1
    assert "@eve" in html


def test_mentions_are_found_in_running_text_only():
    assert mentioned("@ada, (@bob.) `@code` x@mail.example\n\n> @eve\n\n    @block") == [
        "ada",
        "bob",
        "eve",
    ]


def test_a_point_of_a_chart_becomes_a_chip():
    html = check("See #trial-12 and [the knee](#trial-3); not #trial-0, x#trial-4")
    assert html.count('class="point"') == 2
    assert 'href="/sweeps/1/trials/12/"' in html and 'href="/sweeps/1/trials/3/"' in html


def test_a_link_to_a_run_becomes_a_chip():
    run = "/runs/12345678-1234-1234-1234-123456789012/"
    assert 'class="point"' in rendered(f"[that run]({run})")


def test_an_image_becomes_a_link():
    assert '<a href="https://a.example/x.png"' in rendered("![x](https://a.example/x.png)")


def test_headings_stay_below_those_of_the_page():
    assert "<h3>" in rendered("# Big") and "<h1" not in rendered("# Big")


def test_a_deeply_nested_text_is_rendered_all_the_same():
    assert rendered(">" * 4000)
    assert rendered("[" * 4000)
    assert rendered("* " * 2000)
