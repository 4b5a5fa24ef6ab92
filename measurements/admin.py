from django.contrib import admin

from .models import Device, Network, Run


@admin.register(Network)
class NetworkAdmin(admin.ModelAdmin):
    list_display = ["name", "parameters", "builtin", "created_at"]
    search_fields = ["name", "sha256"]


@admin.register(Device)
class DeviceAdmin(admin.ModelAdmin):
    list_display = ["name", "kind", "provenance", "last_seen_at"]
    search_fields = ["name", "board_model"]


@admin.register(Run)
class RunAdmin(admin.ModelAdmin):
    """For looking: what was measured is not edited."""

    list_display = ["id", "device", "network", "state", "attempt", "queued_at"]
    list_filter = ["state", "origin"]
    list_select_related = ["device", "network"]

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        return False

    def has_add_permission(self, request) -> bool:
        return False
