"""What one person is told: the list, one of them opened, and of which events they want to hear."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from measurements import browsing
from measurements.forms.notifications import ChoicesForm


@require_GET
def notifications(request: HttpRequest) -> HttpResponse:
    mine = request.user.notifications.all()
    if request.GET.get("show") == "unread":
        mine = mine.unread()
    options = [("unread", "unread")]
    context = {
        "pages": browsing.pages(mine, request.GET),
        "filters": [browsing.filter_row(request.GET, "show", "Show", options)],
    }
    return render(request, "measurements/notifications.html", context)


@require_POST
def notification(request: HttpRequest, pk: int) -> HttpResponse:
    """Open what it is about; it is read then."""
    mine = request.user.notifications.filter(pk=pk)
    found = get_object_or_404(mine)
    mine.mark_read()
    return redirect(found.url)


@require_POST
def notifications_read(request: HttpRequest) -> HttpResponse:
    request.user.notifications.mark_read()
    return redirect("notifications")


@require_http_methods(["GET", "POST"])
def notification_choices(request: HttpRequest) -> HttpResponse:
    form = ChoicesForm(request.user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.store()
        messages.success(request, "Your choices are kept.")
        return redirect("notification_choices")
    context = {"form": form, "mail_is_on": settings.MAIL_IS_ON}
    return render(request, "measurements/notification_choices.html", context)
