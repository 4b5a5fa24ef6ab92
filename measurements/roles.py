"""Who may do what: four roles as Django groups, each a superset of viewing.

viewer reads; operator launches and steers; reviewer judges; admin does all of it
and manages devices and accounts. A superuser counts as admin.
"""

from collections.abc import Callable
from functools import wraps

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

VIEWER, OPERATOR, REVIEWER, ADMIN = ROLES = ("viewer", "operator", "reviewer", "admin")


def roles_of(user: AbstractUser | AnonymousUser) -> frozenset[str]:
    """The roles that `user` holds, asked for once for each request's user."""
    if not hasattr(user, "_roles"):
        user._roles = frozenset(user.groups.values_list("name", flat=True))
    return user._roles


def has_role(user: AbstractUser | AnonymousUser, role: str) -> bool:
    """Whether `user` holds `role`, or admin, which includes every role."""
    if not user.is_active:
        return False
    return user.is_superuser or not roles_of(user).isdisjoint((role, ADMIN))


def may_write(user: AbstractUser | AnonymousUser) -> bool:
    """Whether `user` may say something: everybody who does more than look."""
    return has_role(user, OPERATOR) or has_role(user, REVIEWER)


def holders(role: str) -> QuerySet[AbstractUser]:
    """The active accounts that hold `role`, admins included, by name."""
    holds = Q(groups__name__in=[role, ADMIN]) | Q(is_superuser=True)
    return get_user_model().objects.filter(holds, is_active=True).distinct().order_by("username")


def role_required(role: str) -> Callable:
    """Refuse (403) a signed-in user without `role`; the page says which role is needed."""

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
            if not has_role(request.user, role):
                raise PermissionDenied(f"This needs the {role} role; ask an admin for it.")
            return view(request, *args, **kwargs)

        return guarded

    return decorate
