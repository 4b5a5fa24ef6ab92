from django.http import HttpRequest, HttpResponse


def network_list(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def network_upload(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def network_detail(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")
