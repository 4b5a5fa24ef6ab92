from django.http import HttpRequest, HttpResponse


def health(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def register(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def heartbeat(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def claim(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def record(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def network_file(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")
