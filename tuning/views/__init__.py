"""Pages of the search: overview, sweeps, the launch form."""

from . import winner
from .launch import sweep_new, sweep_size
from .overview import overview
from .steering import sweep_extend, sweep_fork
from .sweeps import sweep_csv, sweep_deed, sweep_detail, sweep_list, sweep_progress
from .what_if import sweep_what_if

__all__ = [
    "overview",
    "sweep_csv",
    "sweep_deed",
    "sweep_detail",
    "sweep_extend",
    "sweep_fork",
    "sweep_list",
    "sweep_new",
    "sweep_progress",
    "sweep_size",
    "sweep_what_if",
    "winner",
]
