from django.apps import AppConfig


class PolywebConfig(AppConfig):
    name = "polyweb"
