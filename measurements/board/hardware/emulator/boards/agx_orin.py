"""AGX Orin developer kits: 32 GB on JetPack 5, 64 GB on JetPack 6."""

from __future__ import annotations

import dataclasses

from .data import (
    BoardData,
    Bus,
    CpuPower,
    Engine,
    Governor,
    GpuPower,
    Grammar,
    MemoryPower,
    PowerMode,
    RailData,
    Ripple,
    Thermal,
    Zone,
    mhz,
)

_ALL = tuple(range(12))

_20_VOLTS = Bus(volts=19.96, ohms=0.02, step_a=0.02)
_5_VOLTS = Bus(volts=5.056, ohms=0.01, step_a=0.02)

AGX_ORIN = BoardData(
    kind="agx-orin",
    model="NVIDIA Jetson AGX Orin Developer Kit",
    compatible=("nvidia,p3737-0000+p3701-0000", "nvidia,p3701-0000", "nvidia,tegra234"),
    release=(
        "# R35 (release), REVISION: 3.1, GCID: 32827747, BOARD: t186ref, EABI: aarch64, "
        "DATE: Sun Mar 19 15:19:21 UTC 2023\n"
    ),
    software={"kernel": "5.10.104-tegra", "jetpack": "5.1.1-b56"},
    jetpack=5,
    grammar=Grammar(
        is_dated=True, power_unit="mW", gpu_lists=0, has_second_gpu=True,
        extras="NVJPG1 729 VIC_FREQ 115 APE 233", user_has_rails=False,
    ),
    gpu_device="sys/devices/17000000.ga10b",
    gpu_name="ga10b",
    gpu_hz=mhz(
        114.75, 216.75, 318.75, 420.75, 522.75, 624.75, 726.75, 828.75,
        930.75, 1032.75, 1134.75, 1236.75, 1300.5,
    ),
    emc_hz=mhz(204, 665.6, 2133, 3199),
    cpu_hz=(
        *range(115_200_000, 1_958_400_001, 76_800_000),
        2_035_200_000, 2_112_000_000, 2_188_800_000, 2_201_600_000,
    ),
    cpu_idle_hz=729_600_000,
    policies=((0, 1, 2, 3), (4, 5, 6, 7), (8, 9, 10, 11)),
    rails=(
        RailData("VDD_GPU_SOC", "1-0040", 1, _20_VOLTS, ("gpu", "soc"), in_total=True),
        RailData("VDD_CPU_CV", "1-0040", 2, _20_VOLTS, ("cpu",), in_total=True),
        RailData("VIN_SYS_5V0", "1-0040", 3, _5_VOLTS, ("input",), in_total=True),
        RailData("NC", "1-0041", 1, None, (), in_total=False),
        RailData("VDDQ_VDD2_1V8AO", "1-0041", 2, _5_VOLTS, ("memory",), in_total=False),
        RailData("NC", "1-0041", 3, None, (), in_total=False),
    ),
    zones=(
        Zone("CV0", "CV0-therm", 0.0, gated_with="always"),
        Zone("CPU", "CPU-therm", -0.2),
        Zone("Tboard", "Tboard_tegra", -10.0, share=0.3),
        Zone("SOC2", "SOC2-therm", -2.6),
        Zone("Tdiode", "Tdiode_tegra", -8.2, share=0.3),
        Zone("SOC0", "SOC0-therm", -2.6),
        Zone("CV1", "CV1-therm", 0.0, gated_with="always"),
        Zone("GPU", "GPU-therm", -3.3, gated_with="gpu"),
        Zone("tj", "tj-therm", 0.0),
        Zone("SOC1", "SOC1-therm", -2.7),
        Zone("CV2", "CV2-therm", 0.0, gated_with="always"),
    ),
    gpu=GpuPower(
        leak_w=1.2,
        idle_w_per_hz=2.6e-9,
        busy_w_per_hz=10.3e-9,
        stall_share=0.05,
        volt_knee=0.55,
        volt_rise=0.25,
    ),
    cpu=CpuPower(floor_w=0.45, core_w=1.0, idle_w_per_hz=0.15e-9, volt_knee=0.55, volt_rise=0.25),
    memory=MemoryPower(
        idle_w=(0.3,) * 4,
        soc_w=(2.25, 2.28, 2.59, 3.46),
        input_w=(3.65, 3.79, 4.09, 4.41),
        soc_j_per_byte=(45e-12, 38e-12, 34e-12, 49e-12),
        input_j_per_byte=(47e-12, 47e-12, 47e-12, 47e-12),
    ),
    thermal=Thermal(
        ambient_c=38.0, fast_k_per_w=0.22, fast_tau_s=3.0, slow_k_per_w=0.33, slow_tau_s=70.0,
        leak_per_k=0.01, leak_at_c=50.0,
    ),
    engine=Engine(
        flops_per_gpu_cycle=7100.0,
        bytes_per_gpu_cycle=500.0,
        bytes_per_emc_cycle=300.0,
        launch_cpu_cycles=1.6e6,
        corner=2.5,
        jitter=0.0035,
        image_cpu_cycles=18e6,
        value_cpu_cycles=2.0,
        token_cpu_cycles=2e3,
        bus_bytes_per_emc_cycle=64.0,
        dram_share=0.15,
    ),
    ripple=Ripple(
        gpu_w=0.027, cpu_w=0.010, soc_w=0.041, input_w=0.066, memory_w=0.005, tau_s=0.1
    ),
    governor=Governor(
        gpu_target_load=0.6, gpu_idle_to_gate_s=0.5,
        emc_idle_hz=204_000_000, emc_active_hz=2_133_000_000,
        emc_up_load=0.6, emc_down_load=0.25,
    ),
    modes=(
        PowerMode(0, "MAXN", _ALL, (None,) * 3, None, None),
        PowerMode(1, "MODE_15W", (0, 1, 2, 3), (1_113_600_000,) * 3, 420_750_000,
                  2_133_000_000, tpc_mask=248),
        PowerMode(2, "MODE_30W", tuple(range(8)), (1_728_000_000,) * 3, 624_750_000,
                  3_199_000_000, tpc_mask=240),
        PowerMode(3, "MODE_50W", _ALL, (1_497_600_000,) * 3, 828_750_000, 3_199_000_000),
    ),
    ram_mb=30536,
)  # fmt: skip

_ZONES_6 = {"CPU": "cpu", "SOC2": "soc2", "SOC0": "soc0", "GPU": "gpu", "tj": "tj", "SOC1": "soc1",
            "CV0": "cv0", "CV1": "cv1", "CV2": "cv2"}  # fmt: skip

AGX_ORIN_JP6 = dataclasses.replace(
    AGX_ORIN,
    kind="agx-orin-jp6",
    release=(
        "# R36 (release), REVISION: 4.4, GCID: 41062509, BOARD: generic, EABI: aarch64, "
        "DATE: Mon Jun 16 16:07:13 UTC 2025\n# KERNEL_VARIANT: oot\n"
    ),
    software={"kernel": "5.15.148-tegra", "jetpack": "6.2.1+b38"},
    jetpack=6,
    grammar=Grammar(
        is_dated=True, power_unit="mW", gpu_lists=2, hides_gated=True, user_has_memory=False,
        extras="NVENC off NVDEC off NVJPG off NVJPG1 off VIC off OFA off NVDLA0 off NVDLA1 off "
               "PVA0_FREQ off APE 174",
    ),
    gpu_device="sys/devices/platform/17000000.gpu",
    gpu_name="gpu",
    gpu_hz=mhz(306, 408, 510, 612, 714, 816, 918, 1020, 1122, 1224, 1300.5),
    rails=tuple(
        dataclasses.replace(rail, printed=rail.in_total) for rail in AGX_ORIN.rails
    ),
    zones=tuple(
        dataclasses.replace(
            zone, name=_ZONES_6[zone.name], kernel_type=f"{_ZONES_6[zone.name]}-thermal"
        )
        for zone in AGX_ORIN.zones
        if zone.name in _ZONES_6
    ),
    modes=(
        PowerMode(0, "MAXN", _ALL, (None,) * 3, None, None),
        PowerMode(1, "MODE_15W", (0, 1, 2, 3), (1_113_600_000,) * 3, 408_000_000,
                  2_133_000_000, tpc_mask=248),
        PowerMode(2, "MODE_30W", tuple(range(8)), (1_728_000_000,) * 3, 612_000_000,
                  3_199_000_000, tpc_mask=240),
        PowerMode(3, "MODE_50W", _ALL, (1_497_600_000,) * 3, 816_000_000, 3_199_000_000),
    ),
    ram_mb=62841,
)  # fmt: skip
