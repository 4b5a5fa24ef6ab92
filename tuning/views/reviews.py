"""Reviews: the list, one sweep's page of it, and the deeds that move it on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST
from django.views.decorators.vary import vary_on_headers

from measurements import browsing
from measurements.models import Run
from measurements.roles import OPERATOR, has_role, may_write
from tuning import commenting, pinning, reviewing
from tuning.forms_of_reviews import CommentForm, DecisionForm, RequestForm
from tuning.models import CannotReview, Review, Sweep

REQUESTABLE = (Review.State.DRAFT, Review.State.CHANGES_REQUESTED)


@require_GET
def review_list(request: HttpRequest) -> HttpResponse:
    reviews = Review.objects.with_sweeps()
    awaiting = list(reviews.awaiting(request.user).order_by("requested_at"))
    mine = {review.pk for review in awaiting}
    in_review = reviews.in_review().order_by("requested_at")
    context = {
        "awaiting": awaiting,
        "others": [review for review in in_review[:100] if review.pk not in mine],
        "pages": browsing.pages(reviews.decided().order_by("-decided_at"), request.GET),
    }
    return render(request, "tuning/review_list.html", context)


@require_GET
@vary_on_headers("HX-Request")
def review_page(request: HttpRequest, pk: int) -> HttpResponse:
    """The review by itself: to link to, to print, and to comment on a point (`?trial=12`)."""
    sweep = _sweep(pk)
    return render(request, "tuning/review.html", {"sweep": sweep, **panel(request, sweep)})


@require_POST
@vary_on_headers("HX-Request")
def review_deed(request: HttpRequest, pk: int, deed: str) -> HttpResponse:
    if deed not in DEEDS:
        raise Http404(f"There is no such deed: {deed}")
    sweep, kept = _sweep(pk), ""
    try:
        DEEDS[deed](request, sweep)
    except CannotReview as reason:
        messages.error(request, str(reason))
        kept = request.POST.get("words", "")
    return answer(request, _sweep(pk), kept=kept)


@require_GET
def trial(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """Where `#trial-12` in a comment leads: the latest run of that trial."""
    sweep = get_object_or_404(Sweep, pk=pk)
    links = sweep.trials.filter(number=number).order_by("-trial_runs__pk")
    run = links.values_list("trial_runs__run", flat=True).first()
    if run is None:
        raise Http404(f"Trial {number} of {sweep} has no run.")
    return redirect("run", run)


def answer(request: HttpRequest, sweep: Sweep, *, kept: str = "") -> HttpResponse:
    """After a deed: the panel for htmx, else back to the review's page."""
    if not request.htmx:
        return redirect("review", sweep.pk)
    context = {"sweep": sweep, **panel(request, sweep, kept=kept)}
    return render(request, "tuning/panels/review.html", context)


def panel(request: HttpRequest, sweep: Sweep, *, kept: str = "") -> dict[str, Any]:
    """Where the review stands, what was approved, the discussion, and what one may do.

    Args:
        sweep: As `with_standing` gives it.
        kept: Words that were typed for a deed that was refused.
    """
    review = Review.of(sweep)
    why_not = review.why_not(request.user)
    decides = review.state == Review.State.IN_REVIEW and not why_not
    approvals = list(review.approvals.select_related("approved_by")) if review.pk else []
    standing = next((one for one in approvals if one.withdrawn_at is None), None)
    now = pinning.answer_of(sweep) if decides or standing else None
    may_ask = has_role(request.user, OPERATOR) or not why_not
    return {
        "review": review,
        "why_not": why_not,
        "decides": decides,
        "approval": standing,
        "withdrawn": [one for one in approvals if one.withdrawn_at is not None],
        "mismatches": pinning.differences(standing, now) if standing else [],
        "answer_now": now,
        "request_form": _request_form(review, sweep, kept) if may_ask else None,
        "decision_form": DecisionForm(initial={"seen": now and now.digest, "words": kept}),
        **discussion(request, sweep),
    }


def discussion(request: HttpRequest, subject: Sweep | Run) -> dict[str, Any]:
    """The threads of a sweep or a run, with their texts as HTML, and the form for another."""
    trial = request.GET.get("trial", "")
    point = f"[trial {trial}](#trial-{trial}): " if trial.isdecimal() and len(trial) < 7 else ""
    threads = subject.comments.threads()
    return {
        "threads": commenting.shown(threads, subject, reader=request.user),
        "comment_form": CommentForm(initial={"body": point}),
        "may_write": may_write(request.user),
        "subject": subject,
        "kind": subject._meta.model_name,
    }


def _request_form(review: Review, sweep: Sweep, kept: str) -> RequestForm | None:
    if review.state not in REQUESTABLE or sweep.state != Sweep.State.FINISHED:
        return None
    return RequestForm(review=review, initial={"words": kept})


def _sweep(pk: int) -> Sweep:
    sweeps = Sweep.objects.select_related("device", "network", "created_by").with_standing()
    return get_object_or_404(sweeps.prefetch_related("axes"), pk=pk)


def _request(request: HttpRequest, sweep: Sweep) -> None:
    form = RequestForm(request.POST, review=Review.of(sweep))
    if not may_write(request.user):
        raise CannotReview("Asking for a review needs the operator or the reviewer role.")
    if not form.is_valid():
        raise CannotReview("Nothing was asked: choose reviewers of the list, or none.")
    cleaned = form.cleaned_data
    reviewing.request(
        sweep, by=request.user, reviewers=list(cleaned["reviewers"]), words=cleaned["words"]
    )


def _decided(request: HttpRequest) -> dict[str, Any]:
    form = DecisionForm(request.POST)
    if not form.is_valid():
        raise CannotReview("Nothing was decided: the text is too long.")
    return form.cleaned_data


def _approve(request: HttpRequest, sweep: Sweep) -> None:
    reviewing.approve(sweep, by=request.user, **_decided(request))


def _request_changes(request: HttpRequest, sweep: Sweep) -> None:
    reviewing.request_changes(sweep, by=request.user, words=_decided(request)["words"])


def _withdraw(request: HttpRequest, sweep: Sweep) -> None:
    reviewing.withdraw(sweep, by=request.user, words=_decided(request)["words"])


DEEDS: dict[str, Callable[[HttpRequest, Sweep], None]] = {
    "request": _request,
    "approve": _approve,
    "request-changes": _request_changes,
    "withdraw": _withdraw,
}
