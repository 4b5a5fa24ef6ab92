from django.http import HttpRequest, HttpResponse


def run_list(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def run_detail(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")


def import_log(request: HttpRequest, **kwargs: object) -> HttpResponse:
    return HttpResponse("not yet")
