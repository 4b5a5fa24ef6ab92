"""Energy per rail of a sweep's configurations, read from the rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db.models import F

from measurements.energy import not_attributed
from measurements.figures import EnergyShare
from measurements.messages import Rail
from measurements.models import Device, Run
from tuning import results
from tuning.rail_figures import NOT_ATTRIBUTED, Configuration
from tuning.verification import Arm

from .models import Sweep, VerificationRun

MOST = 8


def configurations(sweep: Sweep) -> list[Configuration]:
    """The best points within the limit, the winner first, and the default where it was measured.

    Without a feasible point, the ones with the least energy. Only runs whose rails are known.
    """
    energy = "busy" if sweep.objective != Sweep.Objective.AT_RATE else "at_rate"
    columns = ("trial__number", "trial__values", "energy_j", "run_id", "run__rails",
               "run__total_of", f"run__rail_{energy}_energy_j")  # fmt: skip
    ranked = results.measured(sweep).order_by("-meets_slo", "energy_j", "trial__number")
    bars = []
    for number, values, total_j, run, *rails in ranked.values_list(*columns)[:MOST]:
        point = sweep.space().named(tuple(values))
        role = "winner" if not bars else f"trial {number}"
        name = f"{role}: {_words(point)}"
        shares = _shares(sweep.device, *rails)
        if shares:
            bars.append(Configuration(name, _url(run), total_j, shares))
    return [*bars, *_default(sweep, energy)]


def _default(sweep: Sweep, energy: str) -> Iterable[Configuration]:
    """One run of the default clocks, of the latest verification."""
    columns = (F(f"run__{energy}_energy_j"), "run_id", "run__batch_size", "run__rails",
               "run__total_of", f"run__rail_{energy}_energy_j")  # fmt: skip
    runs = VerificationRun.objects.filter(
        verification__sweep=sweep, arm=Arm.DEFAULT.value, run__state=Run.State.DONE
    ).order_by("-verification_id", "position")
    for total_j, run, batch, *rails in runs.values_list(*columns)[:1]:
        shares = _shares(sweep.device, *rails)
        if shares and total_j:
            yield Configuration(f"default clocks: batch {batch}", _url(run), total_j, shares)


def _shares(
    device: Device, names: Sequence[str], total_of: Sequence[str], rails_j: Sequence[float | None]
) -> tuple[EnergyShare, ...]:
    """What adds up: the parts that sensors see, and the rest of the input, if that is known."""
    if not names or len(rails_j) != len(names):
        return ()
    parts = dict(zip(device.rails, device.rail_parts, strict=True))
    rails = [Rail(name=n, part=parts.get(n, "other"), in_total=n in total_of) for n in names]
    rest = not_attributed(rails, rails_j)
    adds_up = [r.part != "input" if rest is not None else r.in_total for r in rails]
    shares = [
        EnergyShare(rail.name, rail.part, joules)
        for rail, joules, counts in zip(rails, rails_j, adds_up, strict=True)
        if counts and joules is not None
    ]
    if rest is not None:
        shares.append(EnergyShare(NOT_ATTRIBUTED, "other", rest))
    return tuple(shares)


def _words(point: dict[str, int]) -> str:
    """Short enough for a bar: batch 4, 1300/3199 MHz."""
    clocks = "/".join(f"{value / 1e6:.0f}" for name, value in point.items() if name != "batch_size")
    batch = f"batch {point['batch_size']}" if "batch_size" in point else ""
    return ", ".join(part for part in (batch, f"{clocks} MHz" if clocks else "") if part)


def _url(run: object) -> str:
    return Run(id=run).get_absolute_url()
