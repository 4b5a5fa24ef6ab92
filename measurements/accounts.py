"""How an account is loaded for a request."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend


class WithUnits(ModelBackend):
    """Passwords as ever; the reader's units come with the account, in the same query."""

    def get_user(self, user_id: Any) -> Any:
        users = get_user_model()._default_manager.select_related("unit_settings")
        user = users.filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None
