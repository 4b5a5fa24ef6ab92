"""Who hears of what happens to a sweep."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from measurements.events import Event
from measurements.models import Notification, Run
from measurements.roles import OPERATOR, REVIEWER
from measurements.tests.rows import make_device, make_done_run, make_user
from tuning import commenting, reviewing, search, tasks, telling
from tuning.models import Sweep

from .rows import approve, make_finished_sweep, make_sweep, make_trial, make_verification

pytestmark = pytest.mark.django_db


def told(user) -> list[str]:
    return list(user.notifications.order_by("pk").values_list("event", flat=True))


def test_a_launcher_hears_that_a_sweep_has_finished():
    ada = make_user(OPERATOR)
    sweep = make_sweep(created_by=ada, budget_trials=1)
    make_trial(sweep)
    search.advance(sweep.pk)
    search.advance(sweep.pk)
    assert told(ada) == [Event.SWEEP_FINISHED]
    assert "has finished" in Notification.objects.get().text


def test_a_launcher_hears_that_a_trial_was_given_up_and_that_the_sweep_failed():
    ada = make_user(OPERATOR)
    sweep = make_sweep(created_by=ada)
    for _ in range(3):
        trial = make_trial(sweep, state=Run.State.INVALID)
        for _ in range(2):
            trial.trial_runs.create(run=make_done_run(state=Run.State.INVALID))
        sweep.trials.filter(pk=trial.pk).update(state="asked")
        search.observe(str(trial.trial_runs.last().run_id))
    search.advance(sweep.pk)
    assert told(ada) == [Event.RUN_GIVEN_UP] * 3 + [Event.SWEEP_FAILED]


def test_who_cancels_a_sweep_is_not_told():
    ada = make_user(OPERATOR)
    search.cancel(make_sweep(created_by=ada), "Cancelled by ada.")
    assert told(ada) == []


def test_a_sweep_that_waits_for_its_board_is_told_after_two_minutes_and_after_an_hour():
    ada, device = make_user(OPERATOR), make_device(online=False)
    sweep = make_sweep(created_by=ada, device=device, state=Sweep.State.WAITING)

    def away(**length) -> None:
        device.last_seen_at = timezone.now() - dt.timedelta(**length)
        device.save()
        tasks.tick()

    away(seconds=30)
    assert told(ada) == []
    away(minutes=3)
    tasks.tick()
    assert told(ada) == [Event.BOARD_OFFLINE]
    away(minutes=70)
    tasks.tick()
    assert told(ada)[-1] == Event.SWEEP_WAITING
    assert str(sweep) in Notification.objects.first().text


def test_a_verdict_is_told_to_launcher_and_asker():
    ada, bob = make_user(OPERATOR), make_user(OPERATOR)
    sweep = make_sweep(created_by=ada)
    found = make_verification(sweep, make_trial(sweep), created_by=bob)
    telling.verified(found)
    assert told(ada) == told(bob) == [Event.VERIFIED]
    assert "saves 23 %" in Notification.objects.first().text


def test_named_reviewers_are_asked_or_all():
    ada, bob = make_user(REVIEWER), make_user(REVIEWER)
    launcher = make_user(OPERATOR)
    reviewing.request(make_finished_sweep(created_by=launcher), by=launcher, reviewers=[ada])
    assert (told(ada), told(bob), told(launcher)) == ([Event.REVIEW_REQUESTED], [], [])
    reviewing.request(make_finished_sweep(created_by=ada), by=ada, reviewers=[])
    assert told(bob) == [Event.REVIEW_REQUESTED]
    assert told(ada) == [Event.REVIEW_REQUESTED]


def test_the_launcher_hears_every_decision():
    launcher, reviewer = make_user(OPERATOR), make_user(REVIEWER, username="ada")
    sweep = make_finished_sweep(created_by=launcher)
    reviewing.request(sweep, by=launcher, reviewers=[])
    reviewing.request_changes(sweep, by=reviewer, words="x")
    reviewing.request(sweep, by=launcher, reviewers=[])
    approve(sweep, by=reviewer)
    reviewing.withdraw(sweep, by=reviewer, words="x")
    texts = launcher.notifications.order_by("pk").values_list("text", flat=True)
    assert list(texts) == ["ada requests changes of “a sweep”.", "ada approved “a sweep”.",
                           "ada withdrew the approval of “a sweep”."]  # fmt: skip


def test_a_mention_notifies_and_its_link_leads_to_the_comment():
    ada = make_user(username="ada")
    comment = commenting.say(make_sweep(), "@ada look", by=make_user(OPERATOR))
    found = ada.notifications.get()
    assert (found.event, found.url) == (Event.MENTION, comment.get_absolute_url())


def test_an_edit_notifies_only_who_was_not_mentioned_before():
    ada, bob = make_user(username="ada"), make_user(username="bob")
    comment = commenting.say(make_sweep(), "@ada look", by=make_user(OPERATOR))
    commenting.edit(comment, "@ada @bob look")
    assert told(ada) == told(bob) == [Event.MENTION]


def test_a_comment_concerns_the_launcher_and_who_wrote_in_the_thread():
    launcher, ada, bob = make_user(OPERATOR), make_user(OPERATOR), make_user(OPERATOR)
    sweep = make_sweep(created_by=launcher)
    first = commenting.say(sweep, "why?", by=ada)
    commenting.say(sweep, "because", by=bob, answers_to=first)
    assert told(launcher) == [Event.COMMENT, Event.COMMENT]
    assert (told(ada), told(bob)) == ([Event.COMMENT], [])


def test_many_mentions_are_bounded():
    names = [make_user(username=f"u{number:03}").username for number in range(30)]
    commenting.say(make_sweep(), " ".join(f"@{name}" for name in names), by=make_user(OPERATOR))
    assert Notification.objects.filter(event=Event.MENTION).count() == 20
