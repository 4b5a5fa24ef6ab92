"""The peer of benchmarks/pages.py: optuna-dashboard, in an environment of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from pages_served import ROOT

PAGE = "/dashboard/studies/1"
DATA = "/api/studies/1?after=0"
PATIENCE_MS = 180_000


@contextmanager
def dashboard(place: Path, *, trials: int, port: int) -> Iterator[None]:
    """It serves a study of so many trials, made once under `place`."""
    python = _python(place)
    study = place / f"study-{trials}.sqlite3"
    code = STUDY.format(url=f"sqlite:///{study}", trials=trials)
    subprocess.run([python, "-c", code], check=True, stdout=subprocess.DEVNULL)
    command = [python.parent / "optuna-dashboard", f"sqlite:///{study}", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port)
            yield
        finally:
            process.terminate()


STUDY = """
import optuna, random
optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(storage="{url}", study_name="as many", load_if_exists=True)
space = {{f"x{{n}}": optuna.distributions.FloatDistribution(0, 1) for n in range(4)}}
study.add_trials(
    optuna.trial.create_trial(params=(p := {{name: random.random() for name in space}}),
                              distributions=space, value=sum(p.values()))
    for _ in range({trials} - len(study.get_trials(deepcopy=False)))
)
"""


def _python(place: Path) -> Path:
    """The peer's own environment, made once from the pins in benchmarks/requirements.txt."""
    python = place / "venv" / "bin" / "python"
    if not python.exists():
        pins = (ROOT / "benchmarks" / "requirements.txt").read_text().splitlines()
        subprocess.run([sys.executable, "-m", "venv", place / "venv"], check=True)
        wanted = [pin.split()[0] for pin in pins if pin.startswith("optuna")]
        subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
    return python


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            HTTPConnection("127.0.0.1", port, timeout=5).connect()
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("optuna-dashboard did not start")
