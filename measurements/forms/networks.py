from __future__ import annotations

from pathlib import PurePath
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.files.uploadedfile import UploadedFile
from django.utils.html import format_html

from measurements.models import Network
from measurements.uploads import AlreadyStored, UploadRefused, store_network, too_large

NAME_LENGTH = 120


class NetworkUploadForm(forms.Form):
    file = forms.FileField(
        label="ONNX file",
        widget=forms.FileInput(attrs={"accept": ".onnx"}),
        max_length=None,
        error_messages={"empty": "The file is empty."},
    )
    name = forms.CharField(
        label="Name",
        required=False,
        max_length=NAME_LENGTH,
        help_text="Left empty, the file's own name is used.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        limit = settings.NETWORK_MAX_BYTES
        self.fields["file"].widget.attrs["data-max-bytes"] = limit
        self.fields["file"].help_text = (
            f"Up to {limit // 2**20} MiB, in one file, with ONNX's own operators; "
            "every axis but the batch has a fixed size."
        )

    def clean_file(self) -> UploadedFile:
        upload = self.cleaned_data["file"]
        if upload.size > settings.NETWORK_MAX_BYTES:
            raise forms.ValidationError(too_large())
        return upload

    def clean(self) -> dict[str, Any]:
        upload = self.cleaned_data.get("file")
        if upload and "name" in self.cleaned_data:
            name = self.cleaned_data["name"] or PurePath(upload.name).stem[:NAME_LENGTH]
            self.cleaned_data["name"] = name
            if Network.objects.filter(name=name).exists():
                self.add_error("name", f"There is a network called “{name}”; give another name.")
        return self.cleaned_data

    def store(self, user: AbstractUser) -> Network | None:
        """The stored network, or None with the reason at the field."""
        upload, name = self.cleaned_data["file"], self.cleaned_data["name"]
        try:
            return store_network(upload, name=name, user=user)
        except AlreadyStored as known:
            there = known.network
            link = format_html('<a href="{}">{}</a>', there.get_absolute_url(), there.name)
            self.add_error("file", format_html("This file is already here, as {}.", link))
        except UploadRefused as refused:
            self.add_error("file", f"{refused} Nothing was stored.")
        return None
