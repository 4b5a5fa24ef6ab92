"""What to measure next: sweeps, their space and trials, and how winners are verified."""

from .axes import SweepAxis
from .comments import Comment
from .cpu_phases import CpuPhase, CpuTrial, CpuTrialRun
from .forecasts import StoredForecast
from .reviews import Answer, Approval, CannotReview, Review
from .steered import Frozen
from .sweeps import Sweep
from .trials import Trial, TrialRun
from .verifications import Verification, VerificationRun, VerifiedApplication

__all__ = [
    "CpuPhase",
    "CpuTrial",
    "CpuTrialRun",
    "Answer",
    "Approval",
    "CannotReview",
    "Comment",
    "Frozen",
    "Review",
    "StoredForecast",
    "Sweep",
    "SweepAxis",
    "Trial",
    "TrialRun",
    "Verification",
    "VerificationRun",
    "VerifiedApplication",
]
