from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tuning import demo


class Command(BaseCommand):
    help = "Launch the small demo sweep, unless there has been a sweep before."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            sweep = demo.launch()
        except TimeoutError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"launched: {sweep}" if sweep else "there has been a sweep already")
