from django.http import HttpRequest, HttpResponse


def device_list(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def device_detail(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def device_token(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")
