"""What only the shell needs: which of its links is the page's own."""

from __future__ import annotations

from django import template
from django.template.context import RequestContext
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from polyweb.templatetags.numbers import icon

register = template.Library()


@register.simple_tag(takes_context=True)
def unread(context: RequestContext) -> int:
    """How many notifications the reader has not read; one look into a partial index."""
    return context["request"].user.notifications.unread().count()


@register.simple_tag(takes_context=True)
def rail_link(context: RequestContext, view: str, symbol: str, text: str) -> SafeString:
    """A link of the rail, marked where the page is in its part of the site."""
    url, path = reverse(view), context["request"].path
    here = path == url or (url != "/" and path.startswith(url))
    return format_html(
        '<a class="rail-link" href="{}"{}>{}<span>{}</span></a>',
        url,
        SafeString(' aria-current="page"' if here else ""),
        icon(symbol),
        text,
    )
