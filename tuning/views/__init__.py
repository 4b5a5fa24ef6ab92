"""Pages of the search: overview, sweeps, the launch form."""

from .launch import sweep_new, sweep_size
from .overview import overview
from .sweeps import sweep_csv, sweep_deed, sweep_detail, sweep_list, sweep_progress

__all__ = [
    "overview",
    "sweep_csv",
    "sweep_deed",
    "sweep_detail",
    "sweep_list",
    "sweep_new",
    "sweep_progress",
    "sweep_size",
]
