"""Where static files come from and how they are packed: of Plotly's wheel, just the one script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plotly
from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.storage import FileSystemStorage
from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage

SCRIPT = "plotly.min.js"
PREFIX = "plotly"


class PlotlyFinder(BaseFinder):
    """Finds plotly/plotly.min.js in the wheel's package data, and nothing else of it."""

    storage = FileSystemStorage(location=Path(plotly.__file__).parent / "package_data")
    storage.prefix = PREFIX

    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> str | list[str]:
        found = [self.storage.path(SCRIPT)] if path == f"{PREFIX}/{SCRIPT}" else []
        return found if find_all or not found else found[0]

    def list(self, ignore_patterns: Any) -> Iterator[tuple[str, FileSystemStorage]]:
        yield SCRIPT, self.storage


class GzippedManifestStorage(CompressedManifestStaticFilesStorage):
    """WhiteNoise's storage without Brotli: packing Plotly's script took half a minute with it."""

    def create_compressor(self, **options: Any) -> Compressor:
        return Compressor(**{**options, "use_brotli": False})
