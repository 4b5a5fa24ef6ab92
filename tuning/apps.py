from django.apps import AppConfig


class TuningConfig(AppConfig):
    name = "tuning"

    def ready(self) -> None:
        from tuning import lists  # noqa: F401  the list of runs gets tuning's columns
