from django.contrib import admin

from .models import Sweep


@admin.register(Sweep)
class SweepAdmin(admin.ModelAdmin):
    list_display = ["name", "device", "network", "state", "created_at"]
    list_filter = ["state", "strategy"]
    list_select_related = ["device", "network"]

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_add_permission(self, request) -> bool:
        return False
