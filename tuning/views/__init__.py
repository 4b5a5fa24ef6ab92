"""Pages of the search: overview, sweeps, the launch form."""

from . import comments, compare, evidence, reviews, winner
from .launch import sweep_new, sweep_size
from .overview import overview
from .panels import sweep_panel
from .predicted import sweep_forecast
from .steering import sweep_extend, sweep_fork
from .sweep_page import sweep_detail, sweep_progress
from .sweeps import sweep_csv, sweep_deed, sweep_list
from .what_if import sweep_what_if

__all__ = [
    "comments",
    "compare",
    "evidence",
    "overview",
    "reviews",
    "sweep_csv",
    "sweep_deed",
    "sweep_detail",
    "sweep_extend",
    "sweep_fork",
    "sweep_forecast",
    "sweep_list",
    "sweep_new",
    "sweep_panel",
    "sweep_progress",
    "sweep_size",
    "sweep_what_if",
    "winner",
]
