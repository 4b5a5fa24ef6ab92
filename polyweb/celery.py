"""The server's Celery app: it runs `tuning` and `measurements` tasks, and sends plans to boards."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "polyweb.settings")

app = Celery("polyweb")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
