"""HTTP and websockets. Boards sign in with their token, browsers with their session and origin."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "polyweb.settings")
django_application = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.conf import settings  # noqa: E402
from django.urls import path, re_path  # noqa: E402

from measurements.consumers import BoardConsumer, DeviceConsumer  # noqa: E402
from measurements.messages import MAX_RECORD_BYTES  # noqa: E402
from measurements.sign_in import BoardSignIn  # noqa: E402
from polyweb.body_limit import BodyLimit  # noqa: E402

body_limits = [
    ("/networks/upload/", settings.NETWORK_MAX_BYTES),
    ("/runs/import/", settings.LOG_MAX_BYTES),
    ("/evidence/import/", settings.PACK_MAX_BYTES),
    ("/api/v1/runs/", MAX_RECORD_BYTES),
]

browsers = AllowedHostsOriginValidator(
    AuthMiddlewareStack(URLRouter([path("ws/devices/<slug:name>/", DeviceConsumer.as_asgi())]))
)
application = ProtocolTypeRouter(
    {
        "http": BodyLimit(django_application, body_limits),
        "websocket": URLRouter(
            [
                path("ws/boards/<slug:name>/", BoardSignIn(BoardConsumer.as_asgi())),
                re_path(r"", browsers),
            ]
        ),
    }
)
