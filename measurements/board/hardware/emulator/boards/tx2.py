"""Jetson TX2 developer kit on JetPack 4: 13 GPU and 11 memory clocks, two unlike CPU clusters.

Powers and VGG19's times: jetson_dvfs' logs of a TX2 in MAXN (`benchmarks/tx2.py` has the table
and the fits). What was not measured there is said to be assumed in docs/emulator.md.
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

_INPUT = Bus(volts=19.05, ohms=0.02, step_a=0.002)
_19_VOLTS = Bus(volts=19.05, ohms=0.02, step_a=0.004)
_5_VOLTS = Bus(volts=4.8, ohms=0.01, step_a=0.004)

_ALL, _A57 = (0, 1, 2, 3, 4, 5), (0, 3, 4, 5)
_DDR_W = (0.20, 0.20, 0.21, 0.22, 0.24, 0.255, 0.26, 0.27, 0.50, 0.84, 1.235)
"""Measured at 1062 and 1866 MHz; single captured lines at 40, 102, 665 and 1600; else between."""
_REST_W = 0.633
"""What the module draws beside its measured rails, before the loss: the fit's 0.686 W."""

TX2 = BoardData(
    kind="tx2",
    model="NVIDIA Jetson TX2 Developer Kit",
    compatible=("nvidia,p2771-0000", "nvidia,tegra186"),
    release=(
        "# R32 (release), REVISION: 7.4, GCID: 33514132, BOARD: t186ref, EABI: aarch64, "
        "DATE: Fri Jun  9 04:25:08 UTC 2023\n"
    ),
    software={"kernel": "4.9.337-tegra", "jetpack": "4.6.4-b39"},
    jetpack=4,
    grammar=Grammar(
        is_dated=False, power_unit="", gpu_lists=0, counts_gpu_clock=False,
        extras="APE 150 MTS fg 0% bg 0%",
    ),
    gpu_device="sys/devices/17000000.gp10b",
    gpu_name="gp10b",
    gpu_hz=mhz(
        114.75, 216.75, 318.75, 420.75, 522.75, 624.75, 726.75, 854.25,
        930.75, 1032.75, 1122, 1236.75, 1300.5,
    ),
    emc_hz=mhz(40.8, 68, 102, 204, 408, 665.6, 800, 1062.4, 1331.2, 1600, 1866),
    cpu_hz=mhz(
        345.6, 499.2, 652.8, 806.4, 960, 1113.6, 1267.2, 1420.8, 1574.4, 1728, 1881.6, 2035.2,
    ),
    cpu_idle_hz=345_600_000,
    policies=(_A57, (1, 2)),
    rails=(
        RailData("VDD_SYS_GPU", "0-0040", 1, _19_VOLTS, ("gpu",), in_total=False),
        RailData("VDD_SYS_SOC", "0-0040", 2, _19_VOLTS, ("soc",), in_total=False),
        RailData("VDD_4V0_WIFI", "0-0040", 3, _5_VOLTS, (), in_total=False),
        RailData(
            "VDD_IN", "0-0041", 1, _INPUT, ("gpu", "cpu", "soc", "input"),
            in_total=True, gain=1.084,
        ),
        RailData("VDD_SYS_CPU", "0-0041", 2, _19_VOLTS, ("cpu",), in_total=False),
        RailData("VDD_SYS_DDR", "0-0041", 3, _5_VOLTS, ("memory",), in_total=False),
    ),
    zones=(
        Zone("PLL", "PLL-therm", 0.0, step_c=0.5),
        Zone("MCPU", "MCPU-therm", 0.0, step_c=0.5),
        Zone("PMIC", "PMIC-Die", 0.0, constant_c=100.0),
        Zone("Tboard", "Tboard_tegra", -4.0, share=0.5, step_c=1.0),
        Zone("GPU", "GPU-therm", -1.5, step_c=0.5),
        Zone("BCPU", "BCPU-therm", 0.0, step_c=0.5),
        Zone("thermal", "thermal-fan-est", -0.7, step_c=0.1),
        Zone("Tdiode", "Tdiode_tegra", -3.0, share=0.6, step_c=0.25),
    ),
    gpu=GpuPower(
        leak_w=0.1, idle_w_per_hz=0.0, busy_w_per_hz=4.4e-9, stall_share=0.25,
        volt_knee=0.50, volt_rise=0.36, gated_w=0.15,
    ),
    cpu=CpuPower(floor_w=0.15, core_w=0.7, idle_w_per_hz=0.12e-9, volt_knee=0.55, volt_rise=0.25),
    memory=MemoryPower(
        idle_w=_DDR_W,
        soc_w=(0.385, 0.385, 0.385, 0.39, 0.42, 0.46, 0.49, 0.533, 0.60, 0.67, 0.837),
        input_w=tuple(ddr_w + _REST_W for ddr_w in _DDR_W),
        soc_j_per_byte=(34e-12,) * 11,
        input_j_per_byte=(97e-12,) * 11,
    ),
    thermal=Thermal(
        ambient_c=34.8, fast_k_per_w=0.36, fast_tau_s=3.0, slow_k_per_w=0.54, slow_tau_s=70.0,
        leak_per_k=0.01, leak_at_c=50.0,
    ),
    engine=Engine(
        flops_per_gpu_cycle=1210.0,
        bytes_per_gpu_cycle=64.0,
        bytes_per_emc_cycle=150.0,
        launch_cpu_cycles=1.6e6,
        corner=2.5,
        jitter=0.0035,
        image_cpu_cycles=27e6,
        value_cpu_cycles=3.0,
        token_cpu_cycles=3e3,
        bus_bytes_per_emc_cycle=32.0,
        dram_share=0.13,
    ),
    ripple=Ripple(
        gpu_w=0.003, cpu_w=0.005, soc_w=0.012, input_w=0.019, memory_w=0.008, tau_s=0.1
    ),
    governor=Governor(
        gpu_target_load=0.6, gpu_idle_to_gate_s=0.5,
        emc_idle_hz=204_000_000, emc_active_hz=665_600_000,
        emc_up_load=0.6, emc_down_load=0.25,
    ),
    modes=(
        PowerMode(0, "MAXN", _ALL, (None, None), None, None),
        PowerMode(1, "MAXQ", _A57, (1_200_000_000, None), 850_000_000, 1_331_200_000),
        PowerMode(
            2, "MAXP_CORE_ALL", _ALL, (1_400_000_000,) * 2, 1_120_000_000, 1_600_000_000
        ),
        PowerMode(3, "MAXP_CORE_ARM", _A57, (2_000_000_000, None), 1_120_000_000, 1_600_000_000),
        PowerMode(
            4, "MAXP_CORE_DENVER", (0, 1), (345_600_000, 2_035_200_000),
            1_120_000_000, 1_600_000_000,
        ),
    ),
    ram_mb=7852,
)  # fmt: skip
