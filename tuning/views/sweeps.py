from django.http import HttpRequest, HttpResponse


def sweep_list(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def sweep_detail(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def sweep_progress(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def sweep_csv(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def sweep_deed(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")
