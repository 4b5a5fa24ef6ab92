from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.db.models import Q

from measurements.models import AuditEntry
from measurements.models.audit import AuditQuerySet


class AuditFilterForm(forms.Form):
    """What stands in the URL of the audit trail; nonsense in a field filters nothing."""

    q = forms.CharField(label="Who, what or which object", required=False, max_length=100)
    since = forms.DateField(
        label="From", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    until = forms.DateField(
        label="To", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)

    def found(self) -> AuditQuerySet:
        self.is_valid()
        wanted, entries = self.cleaned_data, AuditEntry.objects.all()
        for word in wanted.get("q", "").split():
            entries = entries.filter(
                Q(actor_name__icontains=word)
                | Q(verb__icontains=word)
                | Q(subject_type=word.lower())
                | Q(subject_label__icontains=word)
            )
        if since := wanted.get("since"):
            entries = entries.filter(at__date__gte=since)
        if until := wanted.get("until"):
            entries = entries.filter(at__date__lt=until + dt.timedelta(days=1))
        return entries
