"""What to measure next: sweeps, the axes of their space, and their trials."""

from .sweeps import Sweep, SweepAxis
from .trials import Trial, TrialRun

__all__ = ["Sweep", "SweepAxis", "Trial", "TrialRun"]
