"""A Django site with its caches and sessions on the server under test.

Imported it configures Django; run with a port it serves the site there.
"""

from __future__ import annotations

import os
import sys
import uuid
from typing import Any
from wsgiref.simple_server import make_server

import django
from django.conf import settings
from django.core.cache import cache
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.cache import cache_page

URL = os.environ["SERVER_URL"]
ROOT = URL.rpartition("/")[0]

settings.configure(
    SECRET_KEY="not secret",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    INSTALLED_APPS=["django.contrib.sessions"],
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    SESSION_CACHE_ALIAS="sessions",
    CACHES={
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": f"{ROOT}/1",
            "KEY_PREFIX": "site",
        },
        "sessions": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": f"{ROOT}/2",
        },
        "django_redis": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": f"{ROOT}/3",
            "OPTIONS": {"COMPRESSOR": "django_redis.compressors.zlib.ZlibCompressor"},
        },
    },
)
django.setup()


def visit(request: HttpRequest) -> JsonResponse:
    """Count the visits of one session and of the whole site."""
    request.session["visits"] = request.session.get("visits", 0) + 1
    cache.add("visits", 0, timeout=None)
    return JsonResponse(
        {"session": request.session["visits"], "site": cache.incr("visits"), "pid": os.getpid()}
    )


def leave(request: HttpRequest) -> JsonResponse:
    request.session.flush()
    return JsonResponse({})


@cache_page(60, cache="django_redis")
def slow(request: HttpRequest) -> JsonResponse:
    """A page that is made once, whichever process is asked."""
    return JsonResponse({"made": uuid.uuid4().hex})


urlpatterns: list[Any] = [path("visit", visit), path("leave", leave), path("slow", slow)]

if __name__ == "__main__":
    settings.ROOT_URLCONF = sys.modules[__name__]
    with make_server("127.0.0.1", int(sys.argv[1]), WSGIHandler()) as server:
        print("serving", flush=True)
        server.serve_forever()
