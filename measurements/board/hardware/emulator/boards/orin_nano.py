"""Jetson Orin Nano Super developer kit on JetPack 6: the board of jetson-latency-lab's logs."""

from __future__ import annotations

import dataclasses

from .agx_orin import AGX_ORIN
from .data import (
    BoardData,
    Bus,
    Governor,
    Grammar,
    MemoryPower,
    PowerMode,
    RailData,
    Ripple,
    Thermal,
    Zone,
    mhz,
)

_5_VOLTS = Bus(volts=5.06, ohms=0.01, step_a=0.008)
_ALL = tuple(range(6))
IDLE_SHARE = 0.018
"""Ripple's standard deviation over each part's idle power; see the calibration's section 5."""

ORIN_NANO = BoardData(
    kind="orin-nano",
    model="NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super",
    compatible=(
        "nvidia,p3768-0000+p3767-0005-super", "nvidia,p3767-0005", "nvidia,tegra234",
    ),
    release=(
        "# R36 (release), REVISION: 5.0, GCID: 43688277, BOARD: generic, EABI: aarch64, "
        "DATE: Fri Jan 16 03:50:45 UTC 2026\n# KERNEL_VARIANT: oot\n"
    ),
    software={"kernel": "5.15.185-tegra", "jetpack": "6.2.2+b24"},
    jetpack=6,
    grammar=Grammar(
        is_dated=True, power_unit="mW", gpu_lists=1, hides_gated=True, user_has_memory=False,
        extras="NVDEC off NVJPG off NVJPG1 off VIC off OFA off APE 200",
    ),
    gpu_device="sys/devices/platform/17000000.gpu",
    gpu_name="gpu",
    gpu_hz=mhz(306, 408, 510, 612, 714, 816, 918, 1020),
    emc_hz=mhz(204, 665.6, 2133, 3199),
    cpu_hz=(*range(115_200_000, 1_728_000_001, 76_800_000),),
    cpu_idle_hz=729_600_000,
    policies=((0, 1, 2, 3), (4, 5)),
    rails=(
        RailData(
            "VDD_IN", "1-0040", 1, _5_VOLTS, ("gpu", "cpu", "soc", "input"), in_total=True
        ),
        RailData("VDD_CPU_GPU_CV", "1-0040", 2, _5_VOLTS, ("gpu", "cpu"), in_total=False),
        RailData("VDD_SOC", "1-0040", 3, _5_VOLTS, ("soc",), in_total=False),
    ),
    zones=(
        Zone("cpu", "cpu-thermal", -0.3),
        Zone("soc2", "soc2-thermal", -1.6),
        Zone("soc0", "soc0-thermal", -1.7),
        Zone("gpu", "gpu-thermal", 0.0, gated_with="gpu"),
        Zone("tj", "tj-thermal", 0.0),
        Zone("soc1", "soc1-thermal", -0.9),
        Zone("cv0", "cv0-thermal", 0.0, gated_with="always"),
        Zone("cv1", "cv1-thermal", 0.0, gated_with="always"),
        Zone("cv2", "cv2-thermal", 0.0, gated_with="always"),
    ),
    gpu=dataclasses.replace(AGX_ORIN.gpu, leak_w=0.15, idle_w_per_hz=0.65e-9, busy_w_per_hz=2.9e-9),
    cpu=dataclasses.replace(AGX_ORIN.cpu, floor_w=0.2, core_w=0.56),
    memory=MemoryPower(
        idle_w=(0.3,) * 4,
        soc_w=(1.10, 1.13, 1.44, 2.31),
        input_w=(2.44, 2.51, 2.66, 2.82),
        soc_j_per_byte=(45e-12, 38e-12, 34e-12, 49e-12),
        input_j_per_byte=(139e-12, 87e-12, 63e-12, 62e-12),
    ),
    thermal=Thermal(
        ambient_c=39.4, fast_k_per_w=0.64, fast_tau_s=3.0, slow_k_per_w=0.96, slow_tau_s=70.0,
        leak_per_k=0.01, leak_at_c=50.0,
    ),
    engine=dataclasses.replace(
        AGX_ORIN.engine,
        flops_per_gpu_cycle=3550.0,
        bytes_per_gpu_cycle=250.0,
        bytes_per_emc_cycle=150.0,
        bus_bytes_per_emc_cycle=32.0,
    ),
    ripple=Ripple(
        gpu_w=IDLE_SHARE * 1.2,
        cpu_w=IDLE_SHARE * 0.3,
        soc_w=IDLE_SHARE * 1.44,
        input_w=IDLE_SHARE * 2.66,
        memory_w=IDLE_SHARE * 0.3,
        tau_s=AGX_ORIN.ripple.tau_s,
    ),
    governor=Governor(
        gpu_target_load=0.6, gpu_idle_to_gate_s=0.5,
        emc_idle_hz=204_000_000, emc_active_hz=2_133_000_000,
        emc_up_load=0.6, emc_down_load=0.25,
    ),
    modes=(
        PowerMode(2, "MAXN_SUPER", _ALL, (None, None), None, None, tpc_mask=240),
        PowerMode(0, "15W", _ALL, (1_497_600_000,) * 2, 612_000_000, 2_133_000_000, tpc_mask=240),
        PowerMode(1, "25W", _ALL, (1_344_000_000,) * 2, 918_000_000, 3_199_000_000, tpc_mask=240),
    ),
    ram_mb=7607,
)  # fmt: skip
