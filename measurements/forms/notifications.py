"""Which events somebody is told of, and where webhooks go."""

from __future__ import annotations

from typing import Any, NamedTuple

from django import forms
from django.contrib.auth.models import AbstractUser
from django.db import transaction

from measurements import notifying, outgoing
from measurements.events import Event
from measurements.models import AuditEntry, NotificationChoice, Webhook


class ChoiceRow(NamedTuple):
    label: str
    in_page: forms.BoundField
    by_mail: forms.BoundField


class ChoicesForm(forms.Form):
    """Two ticks for each event: in the page, and by e-mail, too."""

    def __init__(self, user: AbstractUser, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)
        self.user = user
        known = NotificationChoice.objects.filter(user=user).first() or NotificationChoice()
        for event in Event:
            for way, chosen in (
                ("page", event not in known.muted),
                ("mail", event in known.mailed),
            ):
                name = f"{way}_{event.value}"
                self.fields[name] = forms.BooleanField(
                    required=False, initial=chosen, label=f"{event.label}: {way}"
                )

    @property
    def rows(self) -> list[ChoiceRow]:
        return [
            ChoiceRow(event.label, self[f"page_{event.value}"], self[f"mail_{event.value}"])
            for event in Event
        ]

    def store(self) -> None:
        chosen = self.cleaned_data
        muted = [event.value for event in Event if not chosen[f"page_{event.value}"]]
        mailed = [event.value for event in Event if chosen[f"mail_{event.value}"]]
        NotificationChoice.objects.update_or_create(
            user=self.user, defaults={"muted": muted, "mailed": mailed}
        )


class WebhookForm(forms.ModelForm):
    events = forms.MultipleChoiceField(
        choices=[(event.value, event.value.replace("_", " ")) for event in Event],
        widget=forms.CheckboxSelectMultiple,
        label="When",
    )

    class Meta:
        model = Webhook
        fields = ["name", "url", "events", "is_active"]
        labels = {"url": "URL", "is_active": "Switched on"}
        help_texts = {"url": "https, on a host that the server's WEBHOOK_HOSTS allows."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)

    def clean_url(self) -> str:
        """Refuses at once what would never be sent; the address is checked at each sending."""
        url: str = self.cleaned_data["url"]
        try:
            outgoing.target_of(url, notifying.rules())
        except outgoing.Forbidden as error:
            raise forms.ValidationError(str(error)) from error
        return url

    @transaction.atomic
    def store(self, *, by: AbstractUser) -> Webhook:
        is_new = self.instance.pk is None
        if is_new:
            self.instance.created_by = by
        row: Webhook = self.save()
        verb = "added" if is_new else "changed"
        AuditEntry.objects.note(by, verb, row, url=row.url, events=row.events, on=row.is_active)
        return row
