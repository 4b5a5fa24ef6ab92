from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from measurements import browsing
from measurements.browsing import Column, FilterRow
from measurements.forms.logs import LogImportForm
from measurements.models import Device, Network, Run
from measurements.roles import OPERATOR, role_required

FILTERS = {"state": "state", "device": "device__name", "network": "network__name",
           "origin": "origin"}  # fmt: skip
COLUMNS = (
    Column("Run", "network", "network__name"),
    Column("State", "state", "state"),
    Column("Device", "device", "device__name"),
    Column("Batch", "batch", "batch_size", is_number=True),
    Column("GPU max", "gpu", "gpu_max_hz", unit="MHz", is_number=True),
    Column("Memory", "memory", "emc_hz", unit="MHz", is_number=True),
    Column("CPU", "cpu", "cpu_hz", unit="MHz", is_number=True),
    Column("Busy", "busy", "busy_energy_j", unit=browsing.ENERGY, is_number=True),
    Column("At-rate", "at_rate", "at_rate_energy_j", unit=browsing.ENERGY, is_number=True),
    Column("p95", "p95", "latency_p95_ms", unit="ms", is_number=True),
    Column("Power", "power", "mean_power_w", unit="W", is_number=True),
    Column("Queued", "queued", "queued_at"),
)


@require_GET
def run_list(request: HttpRequest) -> HttpResponse:
    wanted = {FILTERS[key]: request.GET[key] for key in FILTERS if request.GET.get(key)}
    runs = Run.objects.select_related("device", "network").defer("manifest").filter(**wanted)
    runs = browsing.ordered(runs, request.GET, COLUMNS, default="-queued")
    context = {
        "pages": browsing.pages(runs, request.GET),
        "headings": browsing.headings(request.GET, COLUMNS, default="-queued"),
        "filters": _filters(request),
        "is_filtered": bool(wanted),
    }
    return render(request, "measurements/run_list.html", context)


@require_http_methods(["GET", "POST"])
@role_required(OPERATOR)
def import_log(request: HttpRequest) -> HttpResponse:
    form = LogImportForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid() and (run := form.store(by=request.user)):
        return redirect(run)
    status = 422 if request.method == "POST" else 200
    return render(request, "measurements/import_log.html", {"form": form}, status=status)


def _filters(request: HttpRequest) -> list[FilterRow]:
    """Chips for every state and origin, and for the devices and networks that have runs."""
    named = {
        "device": ("Device", Device.objects.filter(runs__isnull=False)),
        "network": ("Network", Network.objects.filter(runs__isnull=False)),
    }
    rows = [browsing.filter_row(request.GET, "state", "State", Run.State.choices)]
    for key, (label, subjects) in named.items():
        names = subjects.order_by("name").distinct().values_list("name", "name")
        rows.append(browsing.filter_row(request.GET, key, label, names))
    return [*rows, browsing.filter_row(request.GET, "origin", "Origin", Run.Origin.choices)]
