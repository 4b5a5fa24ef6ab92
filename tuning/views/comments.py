"""Comments on sweeps and runs: say, edit, take back, resolve, preview; names to mention."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django.views.decorators.vary import vary_on_headers

from measurements.models import Run
from measurements.roles import may_write
from tuning import commenting
from tuning.forms_of_reviews import CommentForm
from tuning.models import Comment, Frozen, Sweep
from tuning.views import reviews

SUGGESTED = 8
NO_RIGHT = "Commenting needs the operator or the reviewer role; ask an admin for it."


@require_http_methods(["GET", "POST"])
@vary_on_headers("HX-Request")
def comments(request: HttpRequest, kind: str, key: str) -> HttpResponse:
    """The discussion of a sweep or a run, and a new comment or answer in it."""
    subject = _subject(kind, key)
    if request.method == "POST":
        _check_may_write(request)
        form = CommentForm(request.POST)
        if form.is_valid():
            first = _answered(request, subject)
            body = form.cleaned_data["body"]
            commenting.say(subject, body, by=request.user, answers_to=first)
        else:
            messages.error(request, "Nothing was said: " + " ".join(form.errors["body"]))
    return _discussion(request, subject)


@require_POST
@vary_on_headers("HX-Request")
def comment_deed(request: HttpRequest, pk: int, deed: str) -> HttpResponse:
    comment = get_object_or_404(Comment.objects.select_related("sweep", "run", "author"), pk=pk)
    _check_may_write(request)
    if deed in ("edit", "delete") and not comment.may_be_changed_by(request.user):
        raise PermissionDenied("Only who wrote it can change it, and no words of a decision.")
    try:
        _do(request, comment, deed)
    except Frozen as reason:
        messages.error(request, str(reason))
    return _discussion(request, comment.subject)


@require_POST
def comment_preview(request: HttpRequest, kind: str, key: str) -> HttpResponse:
    subject, form = _subject(kind, key), CommentForm(request.POST)
    if not form.is_valid():
        return render(request, "tuning/_comment_preview.html", {"error": form.errors["body"][0]})
    body = form.cleaned_data["body"]
    html = commenting.preview(subject, body, names=commenting.known_names(body))
    return render(request, "tuning/_comment_preview.html", {"html": html})


@require_GET
def people(request: HttpRequest) -> JsonResponse:
    """Names that begin with `q`, for whoever types an @."""
    asked = request.GET.get("q", "")[:150]
    known = get_user_model().objects.filter(is_active=True, username__istartswith=asked)
    names = known.order_by("username").values_list("username", flat=True)
    return JsonResponse({"names": list(names[:SUGGESTED])})


def _do(request: HttpRequest, comment: Comment, deed: str) -> None:
    if deed == "edit":
        form = CommentForm(request.POST)
        if not form.is_valid():
            messages.error(request, "Nothing was changed: " + " ".join(form.errors["body"]))
            return
        commenting.edit(comment, form.cleaned_data["body"])
    elif deed == "delete":
        comment.take_back()
    elif deed in ("resolve", "reopen") and comment.answers_to_id is None:
        comment.resolve(by=request.user, is_open=deed == "reopen")
    else:
        raise Http404(f"There is no such deed: {deed}")


def _discussion(request: HttpRequest, subject: Sweep | Run) -> HttpResponse:
    context = reviews.discussion(request, subject)
    if request.htmx:
        return render(request, "tuning/_discussion.html", context | {"is_alone": True})
    if request.method == "POST":
        return (
            redirect("review", subject.pk)
            if isinstance(subject, Sweep)
            else redirect("comments", "run", str(subject.pk))
        )
    return render(request, "tuning/discussion.html", context)


def _subject(kind: str, key: str) -> Sweep | Run:
    if kind == "sweep" and key.isdecimal() and len(key) < 18:
        return get_object_or_404(Sweep, pk=int(key))
    if kind == "run":
        try:
            return get_object_or_404(Run.objects.defer("manifest"), pk=uuid.UUID(key))
        except ValueError as error:
            raise Http404("No run has this id.") from error
    raise Http404(f"Nobody comments on a {kind}.")


def _answered(request: HttpRequest, subject: Sweep | Run) -> Comment | None:
    """The comment that is answered, if one of this subject is."""
    pk = request.POST.get("answers_to", "")
    if not pk.isdecimal() or len(pk) > 18:
        return None
    return get_object_or_404(subject.comments, pk=int(pk))


def _check_may_write(request: HttpRequest) -> None:
    if not may_write(request.user):
        raise PermissionDenied(NO_RIGHT)
