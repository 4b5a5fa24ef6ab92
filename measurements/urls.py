"""Pages under / and the boards' API under /api/v1/."""

from django.urls import path

from measurements import api, views

urlpatterns = [
    path("healthz", api.health, name="health"),
    path("api/v1/boards/<slug:name>/register", api.register, name="api_register"),
    path("api/v1/boards/<slug:name>/heartbeat", api.heartbeat, name="api_heartbeat"),
    path("api/v1/boards/<slug:name>/applied", api.applied, name="api_applied"),
    path("api/v1/runs/<uuid:run_id>/claim", api.claim, name="api_claim"),
    path("api/v1/runs/<uuid:run_id>/record", api.record, name="api_record"),
    path("api/v1/networks/<str:sha256>", api.network_file, name="api_network"),
    path("runs/", views.run_list, name="runs"),
    path("runs/import/", views.import_log, name="import_log"),
    path("runs/<uuid:run_id>/", views.run_detail, name="run"),
    path("runs/<uuid:run_id>/repeat/", views.run_repeat, name="run_repeat"),
    path("runs/<uuid:run_id>/trace.json", views.run_trace, name="run_trace"),
    path("runs/<uuid:run_id>/window/", views.run_window, name="run_window"),
    path("runs/<uuid:run_id>/note/", views.run_note, name="run_note"),
    path("runs/<uuid:run_id>/manifest.json", views.run_manifest, name="run_manifest"),
    path("audit/", views.audit_list, name="audit"),
    path("audit.csv", views.audit_csv, name="audit_csv"),
    path("audit/<slug:subject_type>/<str:subject_id>/", views.audit_of, name="audit_of"),
    path("units/", views.unit_settings, name="unit_settings"),
    path("units/use/", views.unit_use, name="unit_use"),
    path("notifications/", views.notifications, name="notifications"),
    path("notifications/read/", views.notifications_read, name="notifications_read"),
    path("notifications/<int:pk>/", views.notification, name="notification"),
    path("notifications/choices/", views.notification_choices, name="notification_choices"),
    path("webhooks/", views.webhooks, name="webhooks"),
    path("webhooks/<int:pk>/", views.webhook, name="webhook"),
    path("webhooks/<int:pk>/<slug:deed>/", views.webhook_deed, name="webhook_deed"),
    path("arrival-traces/", views.arrival_traces, name="arrival_traces"),
    path("networks/", views.network_list, name="networks"),
    path("networks/upload/", views.network_upload, name="network_upload"),
    path("networks/<int:pk>/", views.network_detail, name="network"),
    path("devices/", views.device_list, name="devices"),
    path("devices/new/", views.device_new, name="device_new"),
    path("devices/new/replay/", views.replay_board_new, name="replay_board_new"),
    path("devices/<slug:name>/", views.device_detail, name="device"),
    path("devices/<slug:name>/replay-table.json", views.replay_table, name="replay_table"),
    path("devices/<slug:name>/calibrate/", views.calibration_new, name="calibration_new"),
    path("devices/<slug:name>/calibrate/queue/", views.calibration_queue, name="calibration_queue"),
    path("devices/<slug:name>/sampler-check/", views.overhead_new, name="overhead_new"),
    path("calibrations/<int:pk>/", views.calibration_detail, name="calibration"),
    path(
        "calibrations/<int:pk>/withdraw/", views.calibration_withdraw, name="calibration_withdraw"
    ),
    path("devices/<slug:name>/total/", views.rail_map, name="rail_map"),
    path("devices/<slug:name>/token/", views.device_token, name="device_token"),
    path(
        "devices/<slug:name>/token/<int:pk>/revoke/",
        views.device_token_revoke,
        name="device_token_revoke",
    ),
]
