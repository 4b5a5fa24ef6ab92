"""The pages of reviews and comments, as people of each role see and use them."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from measurements.models import AuditEntry
from measurements.roles import OPERATOR, REVIEWER, VIEWER
from measurements.tests.rows import make_done_run, make_user
from tuning import commenting, pinning, reviewing
from tuning.models import Approval, Comment, Review, Sweep

from .rows import make_approved_sweep, make_finished_sweep, make_sweep, make_trial

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def signed_in(role: str, **fields) -> Client:
    client = Client()
    client.user = make_user(role, **fields)
    client.force_login(client.user)
    return client


def html(client: Client, name: str, *args, **query) -> str:
    return client.get(reverse(name, args=args), query).content.decode()


def deed(client: Client, sweep: Sweep, which: str, **data) -> str:
    path = reverse("review_deed", args=[sweep.pk, which])
    return client.post(path, data, follow=True).content.decode()


def seen(sweep: Sweep) -> str:
    return pinning.answer_of(Sweep.objects.with_standing().get(pk=sweep.pk)).digest


def test_the_whole_way_between_two_accounts():
    launcher, reviewer = signed_in(OPERATOR), signed_in(REVIEWER)
    sweep = make_finished_sweep(created_by=launcher.user)
    page = deed(launcher, sweep, "request", reviewers=[reviewer.user.pk], words="Please look.")
    assert "Please look." in page and 'data-state="in_review"' in page
    assert "Approve</button>" not in page
    assert "1</strong> result awaits your review" in html(reviewer, "reviews")
    page = deed(reviewer, sweep, "request-changes", words="Batch 8?")
    assert "Batch 8?" in page and "changes requested" in page
    deed(launcher, sweep, "request", words="Not needed.")
    page = deed(reviewer, sweep, "approve", seen=seen(sweep), words="Right.")
    assert "The result is frozen" in page and "those that were approved" in page
    page = deed(reviewer, sweep, "withdraw", words="Wrong board.")
    assert "was withdrawn on" in page and "Wrong board." in page
    assert Review.objects.get().state == Review.State.IN_REVIEW


def test_an_unverified_approval_is_told_loudly():
    reviewer = signed_in(REVIEWER)
    sweep = make_finished_sweep(verified=False, created_by=make_user(OPERATOR))
    reviewing.request(sweep, by=sweep.created_by, reviewers=[])
    assert "The winner is not verified" in html(reviewer, "review", sweep.pk)
    assert "say that you approve it nevertheless" in deed(
        reviewer, sweep, "approve", seen=seen(sweep)
    )
    page = deed(reviewer, sweep, "approve", seen=seen(sweep), unverified="on")
    assert "Approved although not verified" in page


def test_what_is_not_what_was_approved_is_told_loudly():
    sweep = make_approved_sweep()
    Approval.objects.update(energy_j=0.1)
    page = html(signed_in(VIEWER), "review", sweep.pk)
    assert "This is not what was approved" in page
    assert "energy per request: 0.1 when it was approved, 0.41 now" in page


def test_a_refused_decision_keeps_what_was_typed():
    reviewer = signed_in(REVIEWER)
    sweep = make_finished_sweep(created_by=make_user(OPERATOR))
    reviewing.request(sweep, by=sweep.created_by, reviewers=[])
    path = reverse("review_deed", args=[sweep.pk, "approve"])
    data = {"seen": "x", "words": "Long thoughts."}
    page = reviewer.post(path, data, headers=HTMX).content.decode()
    assert "changed since you looked" in page and "Long thoughts.</textarea>" in page


def test_a_viewer_neither_asks_nor_decides_nor_comments():
    viewer, sweep = signed_in(VIEWER), make_finished_sweep()
    assert "needs the operator or the reviewer role" in deed(viewer, sweep, "request")
    assert not Review.objects.exists()
    path = reverse("comments", args=["sweep", sweep.pk])
    assert viewer.post(path, {"body": "x"}).status_code == 403
    assert "needs the operator or the reviewer role" in html(viewer, "review", sweep.pk)


def test_there_is_no_other_deed():
    path = reverse("review_deed", args=[make_finished_sweep().pk, "erase"])
    assert signed_in(REVIEWER).post(path).status_code == 404


def test_the_list_asks_few_queries_for_many_reviews(django_assert_max_num_queries):
    reviewer = signed_in(REVIEWER)
    for number in range(12):
        sweep = make_finished_sweep(created_by=make_user(OPERATOR), name=f"sweep {number}")
        reviewing.request(sweep, by=sweep.created_by, reviewers=[])
    for _ in range(3):
        make_approved_sweep()
    with django_assert_max_num_queries(12):
        page = html(reviewer, "reviews")
    assert page.count("<tr data-href") == 15


def test_an_empty_list_says_how_a_review_begins():
    assert "No review yet" in html(signed_in(VIEWER), "reviews")


@pytest.mark.parametrize("which", ["draft", "in review", "approved"])
def test_a_review_page_asks_few_queries_however_long_the_discussion(
    which: str, django_assert_max_num_queries
):
    reviewer, sweep = signed_in(REVIEWER), make_finished_sweep(created_by=make_user(OPERATOR))
    if which != "draft":
        reviewing.request(sweep, by=sweep.created_by, reviewers=[])
    if which == "approved":
        reviewing.approve(sweep, by=make_user(REVIEWER), seen=seen(sweep))
    for _ in range(10):
        first = commenting.say(sweep, "hello", by=reviewer.user)
        commenting.say(sweep, "answer", by=sweep.created_by, answers_to=first)
    with django_assert_max_num_queries(12):
        page = html(reviewer, "review", sweep.pk)
    assert page.count('class="comment"') >= 20


def test_a_comment_an_answer_and_an_answer_to_it_are_one_thread():
    client, sweep = signed_in(OPERATOR), make_sweep()
    path = reverse("comments", args=["sweep", sweep.pk])
    client.post(path, {"body": "first"})
    first = Comment.objects.get()
    client.post(path, {"body": "second", "answers_to": first.pk})
    client.post(path, {"body": "third", "answers_to": Comment.objects.get(body="second").pk})
    assert list(first.answers.values_list("body", flat=True)) == ["second", "third"]


def test_an_answer_stays_on_its_own_sweep():
    client, other = signed_in(OPERATOR), make_sweep()
    first = commenting.say(make_sweep(), "elsewhere", by=client.user)
    path = reverse("comments", args=["sweep", other.pk])
    assert client.post(path, {"body": "x", "answers_to": first.pk}).status_code == 404


def test_a_run_is_commented_too():
    client, run = signed_in(OPERATOR), make_done_run()
    path = reverse("comments", args=["run", run.pk])
    page = client.post(path, {"body": "Noisy."}, follow=True).content.decode()
    assert "Noisy." in page
    assert client.get(reverse("comments", args=["device", 1])).status_code == 404
    assert client.get(reverse("comments", args=["run", "x"])).status_code == 404


def test_a_comment_is_sanitised_and_its_mentions_and_points_are_marked():
    client, sweep = signed_in(OPERATOR), make_sweep()
    make_user(username="ada")
    path = reverse("comments", args=["sweep", sweep.pk])
    body = "@ada @eve see #trial-1 <script>alert(1)</script>"
    page = client.post(path, {"body": body}, headers=HTMX).content.decode()
    assert '<span class="mention">@ada</span> @eve' in page
    assert f'href="/sweeps/{sweep.pk}/trials/1/"' in page
    assert "<script>alert" not in page
    assert Comment.objects.get().mentions == ["ada"]


def test_a_comment_is_bounded():
    client, sweep = signed_in(OPERATOR), make_sweep()
    path = reverse("comments", args=["sweep", sweep.pk])
    for body in ("", "   ", "x" * 4001):
        assert "Nothing was said" in client.post(path, {"body": body}, follow=True).content.decode()
    assert not Comment.objects.exists()


def test_only_the_author_edits_and_deletes_and_the_trail_keeps_what_was_said():
    author, other, sweep = signed_in(OPERATOR), signed_in(REVIEWER), make_sweep()
    comment = commenting.say(sweep, "first words", by=author.user)
    edit, delete = (reverse("comment_deed", args=[comment.pk, deed]) for deed in ("edit", "delete"))
    assert other.post(edit, {"body": "x"}).status_code == 403
    assert other.post(delete).status_code == 403
    author.post(edit, {"body": "second words"})
    assert "second words" in html(author, "review", sweep.pk)
    author.post(delete)
    page = html(author, "review", sweep.pk)
    assert "Deleted by its author" in page and "second words" not in page
    kept = AuditEntry.objects.of(sweep).order_by("pk").values_list("verb", "details__was")
    assert list(kept)[1:] == [("edited a comment", "first words"),
                              ("deleted a comment", "second words")]  # fmt: skip


def test_the_words_of_a_decision_stay():
    reviewer, sweep = signed_in(REVIEWER), make_finished_sweep(created_by=make_user(OPERATOR))
    reviewing.request(sweep, by=sweep.created_by, reviewers=[])
    reviewing.request_changes(sweep, by=reviewer.user, words="No.")
    said = Comment.objects.get(deed="changes_requested")
    path = reverse("comment_deed", args=[said.pk, "edit"])
    assert reviewer.post(path, {"body": "Yes."}).status_code == 403


def test_while_a_result_is_approved_what_was_said_stays_but_more_can_be_said():
    client, sweep = signed_in(REVIEWER), make_finished_sweep(created_by=make_user(OPERATOR))
    comment = commenting.say(sweep, "before", by=client.user)
    reviewing.request(sweep, by=sweep.created_by, reviewers=[])
    reviewing.approve(sweep, by=client.user, seen=seen(sweep))
    path = reverse("comment_deed", args=[comment.pk, "edit"])
    page = client.post(path, {"body": "after"}, follow=True).content.decode()
    assert "stays as it is" in page
    client.post(reverse("comments", args=["sweep", sweep.pk]), {"body": "one more"})
    comment.refresh_from_db()
    assert comment.body == "before" and sweep.comments.filter(body="one more").exists()


def test_a_thread_is_resolved_and_reopened():
    client, sweep = signed_in(OPERATOR), make_sweep()
    comment = commenting.say(sweep, "why?", by=client.user)
    client.post(reverse("comment_deed", args=[comment.pk, "resolve"]))
    assert f"Resolved by {client.user}" in html(client, "review", sweep.pk)
    client.post(reverse("comment_deed", args=[comment.pk, "reopen"]))
    assert "Resolved by" not in html(client, "review", sweep.pk)


def test_a_preview_stores_nothing():
    client, sweep = signed_in(OPERATOR), make_sweep()
    path = reverse("comment_preview", args=["sweep", sweep.pk])
    page = client.post(path, {"body": "**bold** <b>x</b>"}).content.decode()
    assert "<strong>bold</strong> &lt;b&gt;" in page
    assert "required" in client.post(path, {"body": ""}).content.decode()
    assert not Comment.objects.exists()


def test_a_point_of_a_chart_is_put_into_the_comment():
    sweep = make_sweep()
    assert "[trial 7](#trial-7): " in html(signed_in(OPERATOR), "review", sweep.pk, trial="7")
    page = html(signed_in(OPERATOR), "review", sweep.pk, trial="<script>")
    assert "[trial" not in page


def test_a_trial_leads_to_its_latest_run():
    client, sweep = signed_in(VIEWER), make_sweep()
    trial = make_trial(sweep)
    again = make_done_run()
    trial.trial_runs.create(run=again)
    answer = client.get(reverse("trial", args=[sweep.pk, 1]))
    assert answer.url == reverse("run", args=[again.pk])
    assert client.get(reverse("trial", args=[sweep.pk, 9])).status_code == 404


def test_names_are_suggested_by_their_beginning():
    client = signed_in(OPERATOR, username="zoe")
    make_user(username="Ada")
    make_user(username="adam", is_active=False)
    assert client.get(reverse("people"), {"q": "ad"}).json() == {"names": ["Ada"]}


def test_the_database_refuses_comments_that_make_no_sense():
    author, sweep = make_user(), make_sweep()
    for fields, name in (
        ({"body": "x"}, "comment_is_on_a_sweep_or_a_run"),
        ({"body": "x", "sweep": sweep, "run": make_done_run()}, "comment_is_on_a_sweep_or_a_run"),
        ({"body": "", "sweep": sweep}, "comment_says_something"),
        ({"body": "x", "sweep": sweep, "resolved_by": author}, "threads_are_resolved_by_somebody"),
    ):
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            Comment.objects.create(author=author, **fields)
