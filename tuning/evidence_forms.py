"""The form that takes an evidence pack."""

from __future__ import annotations

import tempfile
from pathlib import Path

from django import forms
from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.files.uploadedfile import UploadedFile
from django.utils.html import format_html

from tuning.evidence import importing
from tuning.evidence.seal import PackRefused
from tuning.models import Sweep


class PackForm(forms.Form):
    file = forms.FileField(
        label="Evidence pack",
        widget=forms.FileInput(attrs={"accept": ".zip,application/zip"}),
        error_messages={"required": "Choose a file.", "empty": "The file is empty."},
        help_text="A ZIP that a PolyWeb made.",
    )

    def clean_file(self) -> UploadedFile:
        file = self.cleaned_data["file"]
        if file.size > settings.PACK_MAX_BYTES:
            raise forms.ValidationError(
                f"The file is larger than {settings.PACK_MAX_BYTES // 2**20} MiB."
            )
        return file

    def store(self, *, by: AbstractUser) -> Sweep | None:
        """The sweep that came with it; None if it was refused, which the form then says."""
        try:
            with tempfile.NamedTemporaryFile(suffix=".zip") as copy:
                for chunk in self.cleaned_data["file"].chunks():
                    copy.write(chunk)
                copy.flush()
                return importing.load(Path(copy.name), by=by)
        except importing.AlreadyHere as here:
            self.add_error("file", _with_link(here))
        except PackRefused as reason:
            self.add_error("file", str(reason))
        return None


def _with_link(here: importing.AlreadyHere) -> str:
    if here.sweep is None:
        return str(here)
    url = here.sweep.get_absolute_url()
    return format_html('{} See <a href="{}">{}</a>.', str(here), url, here.sweep)
