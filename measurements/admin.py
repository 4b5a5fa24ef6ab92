from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db import models
from django.http import HttpRequest

from .models import AuditEntry, Device, Network, Run


class Audited(admin.ModelAdmin):
    """Writes what is done in the admin into the audit trail, too."""

    def log_addition(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        AuditEntry.objects.note(request.user, "added", obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        AuditEntry.objects.note(request.user, "changed", obj, **self.told(obj, message))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for obj in queryset:
            AuditEntry.objects.note(request.user, "deleted", obj)
        return super().log_deletions(request, queryset)

    def told(self, obj: models.Model, message: Any) -> dict[str, Any]:
        """What was changed, as Django tells it: names of fields, never their contents."""
        if not isinstance(message, list):
            return {"what": str(message)}
        changed = [what.get("changed", {}).get("fields", []) for what in message]
        return {"what": ", ".join(str(name) for names in changed for name in names)}


admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class AccountAdmin(Audited, UserAdmin):
    """Accounts; a change is told with the roles that came of it."""

    def told(self, obj: models.Model, message: Any) -> dict[str, Any]:
        names = sorted(obj.groups.values_list("name", flat=True))
        state = {"roles": ", ".join(names), "active": obj.is_active, "superuser": obj.is_superuser}
        return super().told(obj, message) | state


@admin.register(Group)
class RoleAdmin(Audited, GroupAdmin):
    pass


@admin.register(Network)
class NetworkAdmin(Audited):
    list_display = ["name", "parameters", "builtin", "created_at"]
    search_fields = ["name", "sha256"]


@admin.register(Device)
class DeviceAdmin(Audited):
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
