"""What makes an emulated board: tables, rails, zones, words, physical constants.

Another board is another `BoardData` in this package and nothing else. Where each number
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
    gain: float = 1.0
    """Watts that this rail supplies for each watt of its parts; above 1 by regulators' losses."""
    printed: bool = True
    """Whether tegrastats prints it; sysfs always has it."""


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
    step_c: float = 1 / 32
    constant_c: float | None = None
    """What a dummy driver always says."""


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
    gated_w: float = 0.0
    """What the rail's sensor still shows while the GPU is power-gated."""


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

    idle_w: tuple[float, ...]
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
class Grammar:
    """How this JetPack's tegrastats writes a line."""

    is_dated: bool
    power_unit: str
    """Behind each number of milliwatts: "mW", or nothing on JetPack 4."""
    gpu_lists: int
    """How many GPU clocks stand in brackets; 0: one clock without brackets."""
    extras: str
    """Engines and the like between GPU and temperatures, as root, all idle."""
    has_second_gpu: bool = False
    """JetPack 5's `GR3D2_FREQ`."""
    counts_gpu_clock: bool = True
    """The GPU's clock is a hardware counter's, 0 while gated; else it is what was set."""
    hides_gated: bool = False
    """A gated zone is left out, not -256."""
    user_has_memory: bool = True
    """Not root: `EMC_FREQ 0%` stands there, without a clock."""
    user_has_rails: bool = True


@dataclass(frozen=True, slots=True)
class PowerMode:
    """A mode of nvpmodel. None: no cap."""

    id: int
    name: str
    cpus: tuple[int, ...]
    """The cores that are online."""
    cpu_max_hz: tuple[int | None, ...]
    """Per policy."""
    gpu_max_hz: int | None
    emc_cap_hz: int | None
    tpc_mask: int = 0
    """GPU clusters that are switched off; another mask takes a reboot."""


@dataclass(frozen=True, slots=True)
class BoardData:
    kind: str
    model: str
    compatible: tuple[str, ...]
    release: str
    software: dict[str, str]
    """The kernel's release and the version of the package nvidia-jetpack."""
    jetpack: int
    grammar: Grammar
    gpu_device: str
    """Its directory below the root, named by its node."""
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
    modes: tuple[PowerMode, ...]
    """The first one is set as the board comes."""
    ram_mb: int
    users_read_sensors: bool = True
    sensor_tau_s: float = 0.42
    settle_gpu_s: float = 0.005
    settle_emc_s: float = 0.008
    settle_cpu_s: float = 0.001

    @property
    def gpu_node(self) -> str:
        return self.gpu_device.rsplit("/", 1)[-1]

    @property
    def cores(self) -> int:
        return sum(len(policy) for policy in self.policies)


def mhz(*values: float) -> tuple[int, ...]:
    """Hz of clocks in MHz."""
    return tuple(round(value * 1e6) for value in values)
