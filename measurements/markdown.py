"""Markdown that people write, as HTML that is safe to show.

Raw HTML is text, images are links, links go to http(s), mail or this site and carry
rel="nofollow noopener". What the renderer makes is sanitised once more by an allow-list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from html import escape

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

TAGS = {"p", "br", "em", "strong", "s", "code", "pre", "ul", "ol", "li", "blockquote", "hr", "a",
        "span", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"}  # fmt: skip
CLASSES = {"point", "mention"}
MENTION = re.compile(r"(?<![\w@/.+-])@([\w.+-]{1,150}(?<![.]))")
TRIAL = re.compile(r"(?<![\w/#&-])#trial-([1-9]\d{0,5})(?![\w-])")
RUN = re.compile(r"^/runs/([0-9a-f]{8})[0-9a-f-]{28}/$")
NO_TRIALS: Callable[[int], str | None] = lambda number: None  # noqa: E731


def mentioned(text: str) -> list[str]:
    """Names after an @, in their order, each once; code is not looked at."""
    found: dict[str, None] = {}
    for token in _parser().parse(text):
        for child in token.children or ():
            if child.type == "text":
                found |= dict.fromkeys(match[1] for match in MENTION.finditer(child.content))
    return list(found)


def rendered(
    text: str,
    *,
    names: Collection[str] = (),
    trial_url: Callable[[int], str | None] = NO_TRIALS,
) -> str:
    """The text as safe HTML.

    Args:
        names: Accounts whose mention is marked.
        trial_url: Where `#trial-12` leads; None: it stays text.
    """
    parser = _parser()
    tokens = parser.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"  # The page has its own h1 and h2.
        if token.children is not None:
            token.children = _marked(token.children, set(names), trial_url)
    html = parser.renderer.render(tokens, parser.options, {})
    return nh3.clean(
        html,
        tags=TAGS,
        attributes={"a": {"href", "title", "class"}, "span": {"class"}, "ol": {"start"}},
        attribute_filter=_only_known_classes,
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener",
        strip_comments=True,
    )


def _parser() -> MarkdownIt:
    options = {"html": False, "linkify": False, "breaks": True, "maxNesting": 20}
    return MarkdownIt("commonmark", options).enable(["table", "strikethrough"]).disable("image")


def _marked(
    children: list[Token], names: Collection[str], trial_url: Callable[[int], str | None]
) -> list[Token]:
    """Mentions and points of a chart in running text; links to points become chips."""
    out: list[Token] = []
    depth = 0
    for token in children:
        if token.type == "link_open":
            depth += 1
            _point_to(token, trial_url)
        depth -= token.type == "link_close"
        if token.type == "text" and not depth:
            marked = Token("html_inline", "", 0, content=_text(token.content, names, trial_url))
            out.append(marked)
        else:
            out.append(token)
    return out


def _point_to(token: Token, trial_url: Callable[[int], str | None]) -> None:
    href = str(token.attrGet("href") or "")
    if RUN.match(href):
        token.attrSet("class", "point")
    elif (trial := TRIAL.fullmatch(href)) and (url := trial_url(int(trial[1]))):
        token.attrSet("href", url)
        token.attrSet("class", "point")


def _text(text: str, names: Collection[str], trial_url: Callable[[int], str | None]) -> str:
    """Escaped, with the two kinds of marks that PolyWeb itself makes."""

    def mention(match: re.Match[str]) -> str:
        name = match[1]
        return f'<span class="mention">@{name}</span>' if name in names else match[0]

    def trial(match: re.Match[str]) -> str:
        url = trial_url(int(match[1]))
        return f'<a class="point" href="{escape(url)}">trial {match[1]}</a>' if url else match[0]

    return TRIAL.sub(trial, MENTION.sub(mention, escape(text, quote=False)))


def _only_known_classes(tag: str, attribute: str, value: str) -> str | None:
    if attribute == "class":
        return value if value in CLASSES else None
    return value
