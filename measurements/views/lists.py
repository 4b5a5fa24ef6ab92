"""Lists of rows, whatever they are rows of: the page, its files, tags in bulk, saved views."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from measurements.forms.saved_views import SavedViewForm
from measurements.listing import files
from measurements.listing.asked import Asked, read
from measurements.listing.listed import EVERYTHING, listed
from measurements.listing.tables import TABLES, Table
from measurements.models import SavedView, Tag, TagChange, TagRefused
from measurements.roles import ADMIN, OPERATOR, has_role, role_required
from measurements.streaming import streamed

YEAR_S = 365 * 24 * 3600
MOST_CHOSEN = 10_000
DEFAULT_COLUMNS = "default"
PARQUET = "application/vnd.apache.parquet"


def show(request: HttpRequest, table: Table, **more: Any) -> HttpResponse:
    """The list as the URL asks for it; without a query, as the reader's default view does."""
    views = list(SavedView.objects.seen_by(request.user, table.name))
    if not request.GET and not request.htmx:
        for view in views:
            if view.is_default:
                return redirect(f"{table.url}?{view.query or EVERYTHING[1:]}")
    asked = _asked(request, table, request.GET)
    shown = listed(asked)
    may_tag = has_role(request.user, OPERATOR)
    context = {
        "table": table,
        "listed": shown,
        "views": views,
        "may_tag": may_tag,
        "marks": may_tag or table.compare_url,
        "may_change_views": has_role(request.user, ADMIN),
        **more,
    }
    context["view"] = next((view for view in views if view.query == shown.query_string), None)
    context["undo"] = _just_made(request, table)
    template = "listing/_rows.html" if request.htmx else table.template
    answer = render(request, template, context)
    _remember_columns(request, answer, asked)
    return answer


@require_GET
def list_file(request: HttpRequest, name: str, kind: str) -> HttpResponse:
    """What the list shows, as CSV or Parquet: all rows that match, not only the page."""
    table = _table(name)
    asked = _asked(request, table, request.GET)
    columns = files.fields(asked)
    try:
        rows = files.rows(asked, columns)
    except files.TooManyRows as error:
        messages.error(request, str(error))
        return redirect(f"{table.url}?{asked.query.urlencode()}")
    if kind == "csv":
        pieces, mime = files.as_csv(columns, rows), "text/csv; charset=utf-8"
    else:
        about = {"polyweb.list": name, "polyweb.query": asked.query.urlencode(),
                 "polyweb.written_at": timezone.now().isoformat()}  # fmt: skip
        pieces, mime = files.as_parquet(columns, rows, about=about), PARQUET
    return streamed(request, pieces, content_type=mime, file_name=f"{name}.{kind}")


@require_POST
@role_required(OPERATOR)
def list_tags(request: HttpRequest, name: str) -> HttpResponse:
    """Put tags on the chosen rows, or take them off."""
    table, added = _table(name), request.POST.get("deed") != "remove"
    try:
        names, rows = Tag.words(request.POST.get("tags", "")), _chosen(request, table)
        change = TagChange.make(rows, names, table=name, added=added, by=request.user)
    except TagRefused as error:
        messages.error(request, str(error))
        return _back(request, table)
    request.session["tag_change"] = change.pk
    return _back(request, table)


@require_POST
@role_required(OPERATOR)
def tags_undo(request: HttpRequest, pk: int) -> HttpResponse:
    """Bring back the tags as they were before one's own change."""
    change = get_object_or_404(TagChange, pk=pk, made_by=request.user)
    table = _table(change.table)
    if change.undo(table.model):
        messages.success(request, "Undone: the tags are as they were.")
    else:
        messages.warning(request, "That was undone before.")
    return _back(request, table)


@require_POST
def view_save(request: HttpRequest, name: str) -> HttpResponse:
    """Keep the list's URL under a name."""
    table = _table(name)
    asked = _asked(request, table, QueryDict(request.POST.get("query", "")))
    form = SavedViewForm(request.POST, table=table, owner=request.user, asked=asked)
    if not form.is_valid():
        messages.error(request, " ".join(str(error[0]) for error in form.errors.values()))
        return _back(request, table)
    view = form.save()
    messages.success(request, f"Saved as “{view}”.")
    return redirect(f"{table.url}?{view.query or EVERYTHING[1:]}")


@require_POST
def view_deed(request: HttpRequest, pk: int, deed: str) -> HttpResponse:
    """Rename, share, delete (its owner or an admin), or make it one's default."""
    view = get_object_or_404(SavedView.objects.select_related("owner"), pk=pk)
    if not (view.is_shared or _may_change(request, view)):
        raise Http404
    table = _table(view.table)
    if deed == "default":
        view.make_default(request.user)
    elif deed == "no-default":
        SavedView.clear_default(request.user, view.table)
    elif not _may_change(request, view):
        messages.error(request, f"“{view}” is {view.owner}'s: only they or an admin change it.")
    elif deed in ("share", "keep"):
        view.share(deed == "share")
    elif deed == "delete":
        view.delete()
        messages.success(request, f"The view “{view}” is deleted.")
    elif deed == "rename":
        _rename(request, view)
    return _back(request, table)


def _rename(request: HttpRequest, view: SavedView) -> None:
    name = " ".join(request.POST.get("name", "").split())[:60]
    others = SavedView.objects.filter(owner=view.owner, table=view.table, name=name)
    if not name:
        messages.error(request, "A view needs a name.")
    elif others.exclude(pk=view.pk).exists():
        messages.error(request, f"There is a view “{name}” already.")
    else:
        view.name = name
        view.save(update_fields=["name"])


def _may_change(request: HttpRequest, view: SavedView) -> bool:
    return view.owner_id == request.user.pk or has_role(request.user, ADMIN)


def _asked(request: HttpRequest, table: Table, query: QueryDict) -> Asked:
    return read(table, query, remembered=request.COOKIES.get(_cookie(table), ""))


def _table(name: str) -> Table:
    if name not in TABLES:
        raise Http404(f"There is no list {name}")
    return TABLES[name]


def _chosen(request: HttpRequest, table: Table) -> QuerySet[Any]:
    """The rows that were marked, or all that match what the list showed.

    Raises:
        TagRefused: None, or keys that are none.
    """
    if request.POST.get("all") == "yes":
        return read(table, QueryDict(request.POST.get("query", ""))).matching()
    keys, to_key = request.POST.getlist("row")[:MOST_CHOSEN], table.model._meta.pk.to_python
    try:
        found = table.rows().filter(pk__in=[to_key(key) for key in keys])
    except (ValueError, ValidationError) as error:
        raise TagRefused("These rows are not known.") from error
    if not keys:
        raise TagRefused("Mark the rows first, with their boxes or with x.")
    return found


def _just_made(request: HttpRequest, table: Table) -> TagChange | None:
    """The reader's change of tags that this page comes after."""
    if request.htmx or "tag_change" not in request.session:
        return None
    changes = TagChange.objects.filter(pk=request.session.pop("tag_change"), table=table.name)
    return changes.filter(made_by=request.user, undone_at=None).first()


def _back(request: HttpRequest, table: Table) -> HttpResponse:
    """To the list as it was; only ever to a page of this list."""
    query = read(table, QueryDict(request.POST.get("query", ""))).query.urlencode()
    return redirect(f"{table.url}?{query or EVERYTHING[1:]}")


def _cookie(table: Table) -> str:
    return f"columns-{table.name}"


def _remember_columns(request: HttpRequest, answer: HttpResponse, asked: Asked) -> None:
    """Columns that were chosen here, not those of a link, are the next visit's, too."""
    if request.GET.get("remember") != "yes":
        return
    if request.GET.get("columns") == DEFAULT_COLUMNS:
        answer.delete_cookie(_cookie(asked.table), path=asked.table.url)
    elif "columns" in asked.query:
        value = ".".join(column.key for column in asked.columns)
        answer.set_cookie(_cookie(asked.table), value, max_age=YEAR_S, path=asked.table.url,
                          secure=request.is_secure(), httponly=True, samesite="Lax")  # fmt: skip
