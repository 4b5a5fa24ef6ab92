"""Jetson Xavier NX developer kit on JetPack 4.

Idle powers are of captured lines; no table of loads is at hand, so the GPU's power is AGX
Xavier's by its multiprocessors, and its speed AGX Orin's by multiprocessors and halved.
"""

from __future__ import annotations

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

_5_VOLTS = Bus(volts=5.12, ohms=0.01, step_a=0.008)
_ALL = tuple(range(6))
_DDR_W = (0.10, 0.15, 0.25, 0.35, 0.45)
_REST_W = 1.45


def _mode(number: int, name: str, cores: int, cpu_hz: int, gpu_hz: int, emc_hz: int) -> PowerMode:
    return PowerMode(number, name, _ALL[:cores], (cpu_hz,) * 3, gpu_hz, emc_hz)


XAVIER_NX = BoardData(
    kind="xavier-nx",
    model="NVIDIA Jetson Xavier NX Developer Kit",
    compatible=("nvidia,p3449-0000+p3668-0000", "nvidia,p3509-0000+p3668-0000", "nvidia,tegra194"),
    release=(
        "# R32 (release), REVISION: 7.1, GCID: 29818004, BOARD: t186ref, EABI: aarch64, "
        "DATE: Sat Feb 19 17:07:00 UTC 2022\n"
    ),
    software={"kernel": "4.9.253-tegra", "jetpack": "4.6.1-b110"},
    jetpack=4,
    grammar=Grammar(
        is_dated=False, power_unit="", gpu_lists=0, counts_gpu_clock=False,
        extras="VIC_FREQ 0%@115 APE 150 MTS fg 0% bg 0%", user_has_rails=False,
    ),
    gpu_device="sys/devices/17000000.gv11b",
    gpu_name="gv11b",
    gpu_hz=mhz(
        114.75, 204, 306, 408, 510, 599.25, 701.25, 752.25, 803.25, 854.25, 905.25,
        956.25, 1007.25, 1058.25, 1109.25,
    ),
    emc_hz=mhz(204, 665.6, 1331.2, 1600, 1866),
    cpu_hz=(*range(115_200_000, 1_881_600_001, 76_800_000), 1_907_200_000),
    cpu_idle_hz=1_190_400_000,
    policies=((0, 1), (2, 3), (4, 5)),
    rails=(
        RailData(
            "VDD_IN", "7-0040", 1, _5_VOLTS, ("gpu", "cpu", "soc", "input"),
            in_total=True, gain=1.1,
        ),
        RailData("VDD_CPU_GPU_CV", "7-0040", 2, _5_VOLTS, ("gpu", "cpu"), in_total=False),
        RailData("VDD_SOC", "7-0040", 3, _5_VOLTS, ("soc",), in_total=False),
    ),
    zones=(
        Zone("AO", "AO-therm", -2.0, step_c=0.5),
        Zone("GPU", "GPU-therm", -1.5, step_c=0.5),
        Zone("PMIC", "PMIC-Die", 0.0, constant_c=100.0),
        Zone("AUX", "AUX-therm", -1.5, step_c=0.5),
        Zone("CPU", "CPU-therm", 0.0, step_c=0.5),
        Zone("thermal", "thermal-fan-est", -1.0, step_c=0.05),
    ),
    gpu=GpuPower(
        leak_w=0.15, idle_w_per_hz=0.3e-9, busy_w_per_hz=6.4e-9, stall_share=0.05,
        volt_knee=0.55, volt_rise=0.25,
    ),
    cpu=CpuPower(floor_w=0.25, core_w=1.5, idle_w_per_hz=0.13e-9, volt_knee=0.55, volt_rise=0.25),
    memory=MemoryPower(
        idle_w=_DDR_W,
        soc_w=(0.75, 0.80, 0.95, 1.10, 1.25),
        input_w=tuple(ddr_w + _REST_W for ddr_w in _DDR_W),
        soc_j_per_byte=(40e-12,) * 5,
        input_j_per_byte=(80e-12,) * 5,
    ),
    thermal=Thermal(
        ambient_c=29.0, fast_k_per_w=0.5, fast_tau_s=3.0, slow_k_per_w=0.7, slow_tau_s=70.0,
        leak_per_k=0.01, leak_at_c=50.0,
    ),
    engine=Engine(
        flops_per_gpu_cycle=1330.0,
        bytes_per_gpu_cycle=190.0,
        bytes_per_emc_cycle=150.0,
        launch_cpu_cycles=1.6e6,
        corner=2.5,
        jitter=0.0035,
        image_cpu_cycles=20e6,
        value_cpu_cycles=2.2,
        token_cpu_cycles=2.2e3,
        bus_bytes_per_emc_cycle=32.0,
        dram_share=0.15,
    ),
    ripple=Ripple(
        gpu_w=0.005, cpu_w=0.007, soc_w=0.020, input_w=0.033, memory_w=0.006, tau_s=0.1
    ),
    governor=Governor(
        gpu_target_load=0.6, gpu_idle_to_gate_s=0.5,
        emc_idle_hz=1_600_000_000, emc_active_hz=1_600_000_000,
        emc_up_load=0.6, emc_down_load=0.25,
    ),
    modes=(
        _mode(8, "MODE_20W_6CORE", 6, 1_420_800_000, 1_109_250_000, 1_866_000_000),
        _mode(0, "MODE_15W_2CORE", 2, 1_907_200_000, 1_109_250_000, 1_600_000_000),
        _mode(1, "MODE_15W_4CORE", 4, 1_420_800_000, 1_109_250_000, 1_600_000_000),
        _mode(2, "MODE_15W_6CORE", 6, 1_420_800_000, 1_109_250_000, 1_600_000_000),
        _mode(3, "MODE_10W_2CORE", 2, 1_497_600_000, 803_250_000, 1_600_000_000),
        _mode(4, "MODE_10W_4CORE", 4, 1_190_400_000, 803_250_000, 1_600_000_000),
        _mode(5, "MODE_10W_DESKTOP", 4, 1_907_200_000, 510_000_000, 1_600_000_000),
        _mode(6, "MODE_20W_2CORE", 2, 1_907_200_000, 1_109_250_000, 1_866_000_000),
        _mode(7, "MODE_20W_4CORE", 4, 1_420_800_000, 1_109_250_000, 1_866_000_000),
    ),
    ram_mb=7772,
    users_read_sensors=False,
)  # fmt: skip
