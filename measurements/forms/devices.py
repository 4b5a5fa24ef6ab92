from __future__ import annotations

from django import forms
from django.contrib.auth.models import AbstractUser
from django.db import transaction

from measurements.models import AuditEntry, Device

RESERVED = ("new",)
"""Names that are addresses of pages."""


class DeviceForm(forms.ModelForm):
    """Makes the row of a board that has not registered yet."""

    class Meta:
        model = Device
        fields = ["name"]
        help_texts = {
            "name": "Small letters, digits and hyphens, for example orin-lab-2. "
            "The board's worker is started with this name; it cannot be changed later."
        }
        error_messages = {
            "name": {
                "unique": "There is a device of this name already.",
                "invalid": "Use letters, digits, hyphens and underscores only.",
            }
        }

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"].lower()
        if name in RESERVED:
            raise forms.ValidationError("This name is the address of a page; choose another.")
        return name

    @transaction.atomic
    def store(self, *, by: AbstractUser) -> Device:
        device: Device = self.save()
        AuditEntry.objects.note(by, "added", device)
        return device
