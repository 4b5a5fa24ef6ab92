"""What people are told of, by name."""

from django.db import models


class Event(models.TextChoices):
    SWEEP_FINISHED = "sweep_finished", "A sweep of mine has finished"
    SWEEP_FAILED = "sweep_failed", "A sweep of mine has failed"
    SWEEP_WAITING = "sweep_waiting", "A sweep of mine waits for more than an hour"
    BOARD_OFFLINE = "board_offline", "A board is offline while a sweep of mine waits for it"
    VERIFIED = "verified", "A verification of a sweep of mine has ended"
    RUN_GIVEN_UP = "run_given_up", "A trial of mine was given up: its runs were invalid"
    REVIEW_REQUESTED = "review_requested", "I am asked for a review"
    REVIEW_DECIDED = "review_decided", "A review of a sweep of mine was decided"
    MENTION = "mention", "Somebody mentions me"
    COMMENT = "comment", "Somebody comments on a sweep of mine, or answers me"
    CALIBRATION_EXPIRING = "calibration_expiring", "A calibration expires within two weeks"
