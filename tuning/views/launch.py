from django.http import HttpRequest, HttpResponse


def sweep_new(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def sweep_size(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")
