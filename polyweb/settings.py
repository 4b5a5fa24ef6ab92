"""Settings, from the environment; a bad value stops the start.

`manage.py up` fills in what is not set: the embedded database and broker, and a
secret key kept under `var/`.
"""

from pathlib import Path
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

VAR_DIR = Path(env.str("POLYWEB_VAR", default=str(BASE_DIR / "var"))).resolve()
DEBUG = env.bool("DEBUG", default=False)


def _secret_key() -> str:
    """SECRET_KEY, or the one that `manage.py up` made for this checkout."""
    kept = VAR_DIR / "secret_key"
    if key := env.str("SECRET_KEY", default=""):
        return key
    if kept.exists():
        return kept.read_text().strip()
    raise ImproperlyConfigured(f"Set SECRET_KEY, or run ./run once, which makes {kept}")


SECRET_KEY = _secret_key()
PUBLIC_URL = env.str("PUBLIC_URL", default="http://127.0.0.1:8000").rstrip("/")
HERE = ["localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[*HERE, urlsplit(PUBLIC_URL).hostname])
ON_TLS = PUBLIC_URL.startswith("https://")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "channels",
    "csp",
    "django_htmx",
    "polyweb",
    "measurements",
    "tuning",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "polyweb.frozen.FrozenResults",
]
ROOT_URLCONF = "polyweb.urls"
ASGI_APPLICATION = "polyweb.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "measurements.views.units.reader",
            ],
            "builtins": ["polyweb.templatetags.numbers"],
        },
    }
]

DATABASES = {"default": env.db_url("DATABASE_URL")}
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
if KEPT_CONNECTIONS := env.int("KEPT_CONNECTIONS", default=0):
    DATABASES["default"]["ENGINE"] = "polyweb.pooled"
    DATABASES["default"].setdefault("OPTIONS", {})["kept"] = KEPT_CONNECTIONS
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL")
if not REDIS_URL.startswith("rediss://") and urlsplit(REDIS_URL).hostname not in [*HERE, "::1"]:
    raise ImproperlyConfigured("REDIS_URL off this machine must be rediss:// (TLS)")
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        # The layer waits 5 s for a message; redis-py's own timeout of 5 s would cut it off.
        "CONFIG": {
            "hosts": [{"address": REDIS_URL, "max_connections": 5000, "socket_timeout": 30}]
        },
    }
}

CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "tuning"
CELERY_WORKER_SEND_TASK_EVENTS = False
# E-mail is off without EMAIL_URL, webhooks are off without WEBHOOK_HOSTS (docs/operating.md).
MAIL_IS_ON = bool(env.str("EMAIL_URL", default=""))
vars().update(env.email_url("EMAIL_URL", default="dummymail://"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("MAIL_FROM", default=f"polyweb@{urlsplit(PUBLIC_URL).hostname}")
WEBHOOK_HOSTS = env.list("WEBHOOK_HOSTS", default=[])
WEBHOOK_ALLOW_HTTP = env.bool("WEBHOOK_ALLOW_HTTP", default=False)
WEBHOOK_ALLOW_PRIVATE = env.bool("WEBHOOK_ALLOW_PRIVATE", default=False)
SENDS_OUT = MAIL_IS_ON or bool(WEBHOOK_HOSTS)

CELERY_BEAT_SCHEDULE = {
    "measurements": {"task": "measurements.tasks.tick", "schedule": 2.0, "options": {"expires": 4}},
    "tuning": {"task": "tuning.tasks.tick", "schedule": 2.0, "options": {"expires": 4}},
    "hourly": {"task": "measurements.tasks.hourly", "schedule": 3600.0},
}
if SENDS_OUT:
    CELERY_BEAT_SCHEDULE["courier"] = {
        "task": "measurements.tasks.courier",
        "schedule": 2.0,
        "options": {"expires": 4, "queue": "courier"},
    }

AUTHENTICATION_BACKENDS = ["measurements.accounts.WithUnits"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator",
                 "CommonPasswordValidator", "NumericPasswordValidator")
]  # fmt: skip
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"

LANGUAGE_CODE = "en"
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "polyweb.staticfiles.PlotlyFinder",
]
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": VAR_DIR / "media"},
    },
    "staticfiles": {"BACKEND": "polyweb.staticfiles.GzippedManifestStorage"},
}

NETWORK_MAX_BYTES = env.int("NETWORK_MAX_BYTES", default=512 * 1024 * 1024)
NETWORK_MAX_SECONDS = env.int("NETWORK_MAX_SECONDS", default=60)
PACK_MAX_BYTES = env.int("PACK_MAX_BYTES", default=512 * 1024 * 1024)
LOG_MAX_BYTES = env.int("LOG_MAX_BYTES", default=64 * 1024 * 1024)

# Plotly writes style attributes and one empty style sheet; the hash is that of the empty text.
EMPTY_STYLE = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF, EMPTY_STYLE],
        "style-src-attr": ["'unsafe-inline'"],
        "img-src": [SELF, "data:", "blob:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ON_TLS
SECURE_HSTS_SECONDS = 31_536_000 if ON_TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = ON_TLS
SECURE_SSL_REDIRECT = ON_TLS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ON_TLS else None
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if ON_TLS else []
