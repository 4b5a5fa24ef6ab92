"""Pages of what was measured."""

from .arrival_traces import arrival_traces
from .audit import audit_csv, audit_list, audit_of
from .calibrations import (
    calibration_detail,
    calibration_new,
    calibration_queue,
    calibration_withdraw,
    overhead_new,
)
from .devices import (
    device_detail,
    device_list,
    device_new,
    device_token,
    device_token_revoke,
)
from .lists import list_file, list_tags, tags_undo, view_deed, view_save
from .log_imports import import_log, log_import
from .networks import network_detail, network_list, network_upload
from .notes import run_note
from .notifications import (
    notification,
    notification_choices,
    notifications,
    notifications_read,
)
from .rail_maps import rail_map
from .repeats import run_manifest, run_repeat
from .replay import replay_board_new, replay_table
from .run_page import run_detail
from .runs import run_list
from .traces import run_trace, run_window
from .units import unit_settings, unit_use
from .webhooks import webhook, webhook_deed, webhooks

__all__ = [
    "notification",
    "notification_choices",
    "notifications",
    "notifications_read",
    "webhook",
    "webhook_deed",
    "webhooks",
    "audit_csv",
    "audit_list",
    "audit_of",
    "calibration_detail",
    "calibration_new",
    "calibration_queue",
    "calibration_withdraw",
    "overhead_new",
    "arrival_traces",
    "device_detail",
    "device_list",
    "device_new",
    "device_token",
    "device_token_revoke",
    "import_log",
    "log_import",
    "list_file",
    "list_tags",
    "network_detail",
    "network_list",
    "network_upload",
    "replay_board_new",
    "replay_table",
    "run_detail",
    "rail_map",
    "run_list",
    "run_manifest",
    "run_note",
    "unit_settings",
    "unit_use",
    "run_repeat",
    "run_trace",
    "run_window",
    "tags_undo",
    "view_deed",
    "view_save",
]
