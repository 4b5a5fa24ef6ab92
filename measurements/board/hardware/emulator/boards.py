"""The emulated boards as data: tables, rails, zones, physical constants.

Adding a board means adding a `BoardData` here and nothing else. Where each number
comes from, and how far the result is off, stands in `docs/emulator.md`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bus:
    """The supply of a rail's sensor: open-circuit volts, source resistance, current step."""

    volts: float
    ohms: float
    step_a: float


@dataclass(frozen=True, slots=True)
class RailData:
    """One rail of the power sensors, in the order in which tegrastats prints them."""

    name: str
    chip: str
    """The I2C address of its INA3221, e.g. "1-0040"."""
    channel: int
    bus: Bus | None
    """None: the channel is not connected and reads zero."""
    parts: tuple[str, ...]
    """Which of `physics.Parts` it feeds."""
    in_total: bool


@dataclass(frozen=True, slots=True)
class Zone:
    """A thermal zone: its reading against the hottest spot's."""

    name: str
    """As tegrastats prints it."""
    kernel_type: str
    offset_c: float
    """Against ambient, at no power."""
    share: float = 1.0
    """Share of the junction's rise; 1 is as much as the hottest spot."""
    gated_with: str = ""
    """"gpu": reads -256 °C while the GPU is power-gated; "always": never powered here."""


@dataclass(frozen=True, slots=True)
class GpuPower:
    """GPU: P = leak(T)·V² + f·V²·(idle + busy·(stall + (1 − stall)·activity))."""

    leak_w: float
    idle_w_per_hz: float
    busy_w_per_hz: float
    stall_share: float
    volt_knee: float
    """Share of the top clock up to which the voltage stays at its floor."""
    volt_rise: float
    """Relative rise of the voltage from the knee to the top clock."""


@dataclass(frozen=True, slots=True)
class CpuPower:
    """CPU clusters: a floor, and one busy core at the top clock with the same V(f) law."""

    floor_w: float
    core_w: float
    idle_w_per_hz: float
    volt_knee: float
    volt_rise: float


@dataclass(frozen=True, slots=True)
class MemoryPower:
    """Cost of each memory clock when idle, and of each byte moved, per rail."""

    idle_w: float
    """The memory rail's own draw, a part of the input."""
    soc_w: tuple[float, ...]
    input_w: tuple[float, ...]
    soc_j_per_byte: tuple[float, ...]
    input_j_per_byte: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Thermal:
    ambient_c: float
    fast_k_per_w: float
    fast_tau_s: float
    slow_k_per_w: float
    slow_tau_s: float
    leak_per_k: float
    leak_at_c: float


@dataclass(frozen=True, slots=True)
class Engine:
    """What turns a network's FLOPs and bytes into cycles (see `physics.work_of`)."""

    flops_per_gpu_cycle: float
    bytes_per_gpu_cycle: float
    bytes_per_emc_cycle: float
    launch_cpu_cycles: float
    corner: float
    """Exponent of the smooth maximum; large is a sharp roofline."""
    jitter: float
    image_cpu_cycles: float
    value_cpu_cycles: float
    token_cpu_cycles: float
    bus_bytes_per_emc_cycle: float
    dram_share: float
    """Counted bytes that really reach the memory (fusion and caches keep the rest)."""


@dataclass(frozen=True, slots=True)
class Ripple:
    """Power of each part that varies by itself, whatever the load: standard deviation, time."""

    gpu_w: float
    cpu_w: float
    soc_w: float
    input_w: float
    memory_w: float
    tau_s: float

    @property
    def sigmas_w(self) -> tuple[float, ...]:
        """In the order of `physics.Parts`."""
        return (self.gpu_w, self.cpu_w, self.soc_w, self.input_w, self.memory_w)


@dataclass(frozen=True, slots=True)
class Governor:
    gpu_target_load: float
    gpu_idle_to_gate_s: float
    emc_idle_hz: int
    emc_active_hz: int
    emc_up_load: float
    emc_down_load: float


@dataclass(frozen=True, slots=True)
class BoardData:
    kind: str
    model: str
    compatible: tuple[str, ...]
    release: str
    software: dict[str, str]
    """The kernel's release and the version of the package nvidia-jetpack."""
    gpu_node: str
    gpu_name: str
    gpu_hz: tuple[int, ...]
    emc_hz: tuple[int, ...]
    cpu_hz: tuple[int, ...]
    cpu_idle_hz: int
    """The power mode's lowest CPU clock (`scaling_min_freq` as booted)."""
    policies: tuple[tuple[int, ...], ...]
    """CPU numbers of each cpufreq policy; the first one does the preprocessing."""
    rails: tuple[RailData, ...]
    zones: tuple[Zone, ...]
    gpu: GpuPower
    cpu: CpuPower
    memory: MemoryPower
    thermal: Thermal
    engine: Engine
    ripple: Ripple
    governor: Governor
    ram_mb: int
    sensor_tau_s: float = 0.42
    settle_gpu_s: float = 0.005
    settle_emc_s: float = 0.008
    settle_cpu_s: float = 0.001


def _mhz(*values: float) -> tuple[int, ...]:
    return tuple(round(value * 1e6) for value in values)


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
    gpu_node="17000000.ga10b",
    gpu_name="ga10b",
    gpu_hz=_mhz(
        114.75, 216.75, 318.75, 420.75, 522.75, 624.75, 726.75, 828.75,
        930.75, 1032.75, 1134.75, 1236.75, 1300.5,
    ),
    emc_hz=_mhz(204, 665.6, 2133, 3199),
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
        idle_w=0.3,
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
    ram_mb=30536,
)  # fmt: skip

BOARDS = {board.kind: board for board in (AGX_ORIN,)}
