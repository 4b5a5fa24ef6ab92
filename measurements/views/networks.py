from __future__ import annotations

from django.contrib import messages
from django.db.models import Case, Count, F, FloatField, QuerySet, When
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from measurements.board.hardware import replay
from measurements.forms.networks import NetworkUploadForm
from measurements.lists import NETWORKS
from measurements.models import Network
from measurements.roles import OPERATOR, role_required

from . import lists

SHOWN_BATCH_SIZES = (1, 2, 4, 8, 16)


@require_GET
def network_list(request: HttpRequest) -> HttpResponse:
    return lists.show(request, NETWORKS)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required(OPERATOR)
def network_upload(request: HttpRequest) -> HttpResponse:
    form = NetworkUploadForm(request.POST or None, request.FILES or None)
    if form.is_valid() and (network := form.store(request.user)):
        messages.success(request, f"Stored {network.name}.")
        return redirect(network)
    status = 422 if request.method == "POST" else 200
    return render(request, "measurements/network_upload.html", {"form": form}, status=status)


@require_GET
def network_detail(request: HttpRequest, pk: int) -> HttpResponse:
    networks = _with_costs(Network.objects.select_related("created_by", "replay_table"))
    network = get_object_or_404(networks, pk=pk)
    runs = network.runs.select_related("device").order_by("-queued_at")[:10]
    context = {"network": network, "runs": runs}
    if not network.has_graph:
        return render(request, "measurements/workload_detail.html", context | _replayed(network))
    context |= {
        "costs": [_cost(network, batch) for batch in _batch_sizes(network)],
        "operators": sorted(network.operators.items(), key=lambda kind: (-kind[1], kind[0])),
    }
    return render(request, "measurements/network_detail.html", context)


def _replayed(network: Network) -> dict[str, object]:
    table = network.replay_table.table
    cells = [cell for cell in table.cells if cell.workload == network.workload]
    return {
        "table": table,
        "note": replay.note(table),
        "cells": cells,
        "devices": network.replay_table.devices.all(),
    }


def _with_costs(networks: QuerySet[Network]) -> QuerySet[Network]:
    """Annotate each network's costs at the smallest batch it takes, and its number of runs."""
    batch = Case(
        When(batch_is_dynamic=True, then=1.0),
        default=Cast("input_shape__0", FloatField()),
        output_field=FloatField(),
    )
    return networks.annotate(
        smallest_batch=batch,
        flops_then=F("flops_fixed") + F("flops_per_item") * F("smallest_batch"),
        bytes_then=F("bytes_fixed") + F("bytes_per_item") * F("smallest_batch"),
        intensity_then=F("flops_then") / F("bytes_then"),
        parameters_m=F("parameters") / 1e6,
        gmacs=F("macs_per_item") / 1e9,
        gflops_then=F("flops_then") / 1e9,
        mb_then=F("bytes_then") / 1e6,
        run_count=Count("runs"),
    ).order_by("name")  # grouping for the count drops the model's own order


def _batch_sizes(network: Network) -> tuple[int, ...]:
    return SHOWN_BATCH_SIZES if network.only_batch_size is None else (network.only_batch_size,)


def _cost(network: Network, batch: int) -> dict[str, float]:
    return {
        "batch": batch,
        "flops": network.flops(batch),
        "flops_per_item": network.flops(batch) / batch,
        "bytes": network.bytes_moved(batch),
        "bytes_per_item": network.bytes_moved(batch) / batch,
        "intensity": network.arithmetic_intensity(batch),
    }
