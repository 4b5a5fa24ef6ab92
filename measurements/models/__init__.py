"""What was measured: networks, devices, runs and their samples."""

from .applications import Application
from .arrival_traces import ArrivalTrace
from .audit import AuditEntry
from .calibrations import Calibration, CalibrationSeries
from .devices import Device, DeviceToken, RejectedRecord
from .log_imports import LogImport
from .networks import Network
from .notes import RunNote
from .notifications import Delivery, Notification, NotificationChoice, Webhook
from .overheads import OverheadCheck
from .packs import Pack
from .rail_maps import RailMap
from .replay import ReplayTable
from .run_queries import RunQuerySet
from .runs import Run
from .samples import Phase, PowerSample, RequestLog
from .saved_views import SavedView
from .tags import Tag, TagChange, TagRefused
from .unit_settings import UnitSettings, energy_unit_of
from .verdicts import Verdict

__all__ = [
    "Application",
    "ArrivalTrace",
    "AuditEntry",
    "Calibration",
    "CalibrationSeries",
    "Delivery",
    "Device",
    "DeviceToken",
    "LogImport",
    "Network",
    "Notification",
    "NotificationChoice",
    "OverheadCheck",
    "Pack",
    "Phase",
    "PowerSample",
    "RailMap",
    "RejectedRecord",
    "ReplayTable",
    "RequestLog",
    "Run",
    "RunNote",
    "RunQuerySet",
    "UnitSettings",
    "SavedView",
    "Tag",
    "TagChange",
    "TagRefused",
    "Verdict",
    "Webhook",
    "energy_unit_of",
]
