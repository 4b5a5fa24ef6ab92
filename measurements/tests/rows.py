"""Rows for tests, from plain functions: what is not said is small and valid."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

from django.contrib.auth.models import Group, User
from django.utils import timezone

from measurements.messages import BoardInfo, OperatingPoint, Rail
from measurements.models import Device, DeviceToken, Network, Run
from measurements.roles import VIEWER

_count = itertools.count(1)
GPU_HZ = [114_750_000, 726_750_000, 1_300_500_000]
EMC_HZ = [204_000_000, 665_600_000, 2_133_000_000, 3_199_000_000]
CPU_HZ = [115_200_000, 1_113_600_000, 2_201_600_000]


def make_user(role: str = VIEWER, **fields: Any) -> User:
    user = User.objects.create_user(fields.pop("username", f"user{next(_count)}"), **fields)
    user.groups.add(Group.objects.get_or_create(name=role)[0])
    return user


def board_info(**fields: Any) -> BoardInfo:
    values: dict[str, Any] = {
        "name": "orin",
        "kind": "agx-orin",
        "model": "NVIDIA Jetson AGX Orin Developer Kit",
        "l4t": "35.1.0",
        "jetpack": "5.0",
        "provenance": "emulated",
        "provenance_note": "A physical model, not a board.",
        "gpu_hz": GPU_HZ,
        "emc_hz": EMC_HZ,
        "cpu_hz": CPU_HZ,
        "default": OperatingPoint(gpu_min_hz=GPU_HZ[0], gpu_max_hz=GPU_HZ[-1]),
        "rails": [
            Rail(name="VDD_GPU_SOC", part="gpu", in_total=True, step_w=0.4),
            Rail(name="VDD_CPU_CV", part="cpu", in_total=True, step_w=0.4),
            Rail(name="VIN_SYS_5V0", part="input", in_total=True, step_w=0.1),
            Rail(name="VDDQ_VDD2_1V8AO", part="memory", in_total=False, step_w=0.1),
        ],
        "sensor_lag_s": 0.42,
        "software": {"polyweb": "0.1.0"},
    }
    return BoardInfo(**{**values, **fields})


def make_device(*, online: bool = True, **fields: Any) -> Device:
    """A registered device, heard just now if `online`."""
    device = Device(name=fields.pop("name", f"board{next(_count)}"))
    device.register(board_info(name=device.name))
    if not online:
        fields.setdefault("last_seen_at", timezone.now() - dt.timedelta(hours=1))
    for name, value in fields.items():
        setattr(device, name, value)
    device.save()
    return device


def token_of(device: Device) -> str:
    return DeviceToken.issue(device)


def make_network(**fields: Any) -> Network:
    number = next(_count)
    values: dict[str, Any] = {
        "name": f"network{number}",
        "builtin": f"zoo{number}",
        "input_name": "input",
        "input_shape": [None, 3, 224, 224],
        "input_dtype": "float32",
        "batch_is_dynamic": True,
        "parameters": 5_290_000,
        "macs_per_item": 0.386e9,
        "flops_per_item": 0.8e9,
        "flops_fixed": 0.0,
        "bytes_per_item": 80e6,
        "bytes_fixed": 21e6,
        "opset": 17,
    }
    return Network.objects.create(**{**values, **fields})


def make_run(**fields: Any) -> Run:
    """A queued run of 100 back-to-back requests; results only where they are given."""
    values: dict[str, Any] = {"batch_size": 1, "requests_asked": 100}
    if "device" not in fields:
        values["device"] = make_device()
    if "network" not in fields:
        values["network"] = make_network()
    return Run.objects.create(**{**values, **fields})


def make_done_run(**fields: Any) -> Run:
    """A finished run with a busy energy of 0.4 J ± 0.004 and a p95 of 41 ms."""
    values: dict[str, Any] = {
        "state": Run.State.DONE,
        "attempt": 1,
        "finished_at": timezone.now(),
        "requests_served": 100,
        "board_s": 12.0,
        "busy_energy_j": 0.4,
        "busy_half_width_j": 0.004,
        "mean_power_w": 20.0,
        "latency_mean_ms": 36.0,
        "latency_p50_ms": 35.0,
        "latency_p50_upper_ms": 36.0,
        "latency_p95_ms": 41.0,
        "latency_p95_upper_ms": 43.0,
        "rails": ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0", "VDDQ_VDD2_1V8AO"],
        "total_of": ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"],
        "rail_busy_energy_j": [0.2, 0.1, 0.1, 0.05],
    }
    return make_run(**{**values, **fields})
