"""What to measure next: sweeps, their space and trials, and how winners are verified."""

from .cpu_phases import CpuPhase, CpuTrial, CpuTrialRun
from .sweeps import Sweep, SweepAxis
from .trials import Trial, TrialRun
from .verifications import Verification, VerificationRun, VerifiedApplication

__all__ = [
    "CpuPhase",
    "CpuTrial",
    "CpuTrialRun",
    "Sweep",
    "SweepAxis",
    "Trial",
    "TrialRun",
    "Verification",
    "VerificationRun",
    "VerifiedApplication",
]
