"""Webhooks, which admins manage: where they go, what became of each delivery, a test."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from measurements import notifying
from measurements.forms.notifications import WebhookForm
from measurements.models import AuditEntry, Delivery, Webhook
from measurements.roles import ADMIN, role_required

SHOWN = 50


@require_http_methods(["GET", "POST"])
@role_required(ADMIN)
@never_cache
def webhooks(request: HttpRequest) -> HttpResponse:
    """All of them, and the form for another; its secret is shown on the answer to that form."""
    form = WebhookForm(request.POST or None, initial={"is_active": True})
    if request.method == "POST" and form.is_valid():
        return _show_secret(request, form.store(by=request.user))
    count = {state: Count("deliveries", filter=Q(deliveries__state=state))
             for state in Delivery.State.values}  # fmt: skip
    context = {"webhooks": Webhook.objects.annotate(**count), "form": form, **_hosts()}
    status = 422 if request.method == "POST" else 200
    return render(request, "measurements/webhooks.html", context, status=status)


@require_http_methods(["GET", "POST"])
@role_required(ADMIN)
def webhook(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Webhook, pk=pk)
    form = WebhookForm(request.POST or None, instance=row)
    if request.method == "POST" and form.is_valid():
        form.store(by=request.user)
        messages.success(request, "The webhook is changed.")
        return redirect(row)
    deliveries = row.deliveries.defer("body")[:SHOWN]
    context = {"webhook": row, "form": form, "deliveries": deliveries, **_hosts()}
    status = 422 if request.method == "POST" else 200
    return render(request, "measurements/webhook.html", context, status=status)


@require_POST
@role_required(ADMIN)
@never_cache
def webhook_deed(request: HttpRequest, pk: int, deed: str) -> HttpResponse:
    if deed not in DEEDS:
        raise Http404(f"There is no such deed: {deed}")
    with transaction.atomic():
        return DEEDS[deed](request, get_object_or_404(Webhook, pk=pk))


def _test(request: HttpRequest, row: Webhook) -> HttpResponse:
    notifying.test_delivery(row, by=request.user)
    messages.success(request, "A test is on its way; what came of it stands below in a moment.")
    return redirect(row)


def _renew(request: HttpRequest, row: Webhook) -> HttpResponse:
    row.renew_secret()
    AuditEntry.objects.note(request.user, "renewed the secret", row)
    return _show_secret(request, row)


def _delete(request: HttpRequest, row: Webhook) -> HttpResponse:
    AuditEntry.objects.note(request.user, "deleted", row, url=row.url)
    row.delete()
    messages.success(request, f"The webhook {row.name} is deleted.")
    return redirect("webhooks")


def _show_secret(request: HttpRequest, row: Webhook) -> HttpResponse:
    """The one page that shows a secret; it is not stored, not even in the session."""
    return render(request, "measurements/webhook_secret.html", {"webhook": row})


def _hosts() -> dict[str, object]:
    return {"hosts": settings.WEBHOOK_HOSTS}


DEEDS: dict[str, Callable[[HttpRequest, Webhook], HttpResponse]] = {
    "test": _test,
    "renew": _renew,
    "delete": _delete,
}
