"""What was measured: networks, devices, runs and their samples."""

from .applications import Application
from .devices import Device, DeviceToken, RejectedRecord
from .networks import Network
from .replay import ReplayTable
from .runs import Run, RunQuerySet, Verdict
from .samples import Phase, PowerSample, RequestLog

__all__ = [
    "Application",
    "Device",
    "DeviceToken",
    "Network",
    "Phase",
    "PowerSample",
    "RejectedRecord",
    "ReplayTable",
    "RequestLog",
    "Run",
    "RunQuerySet",
    "Verdict",
]
