from typing import Any

from django.core.management.base import BaseCommand

from measurements import builtin_networks


class Command(BaseCommand):
    help = "Make the rows of the built-in networks (features only, no files); safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        for network in builtin_networks.seed():
            self.stdout.write(f"{network.builtin}: {network.name}")
