"""A thing that speaks against a run, or that its reader should know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["invalid", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    severity: Severity
    code: str
    text: str


def is_invalid(found: Iterable[Finding]) -> bool:
    return any(finding.severity == "invalid" for finding in found)
