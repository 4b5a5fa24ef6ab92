"""A small tree of a Jetson's files, with the kernel's rules where a test needs them."""

import errno
from pathlib import Path

from measurements.board.hardware.machine import SysFiles

GPU = "/sys/class/devfreq/17000000.ga10b"
EMC = "/sys/kernel/debug/bpmp/debug/clk/emc"
EMC_RATES = "/sys/kernel/debug/bpmp/debug/emc/possible_rates"
CPUS = [f"/sys/devices/system/cpu/cpufreq/policy{first}" for first in (0, 4)]
INA3221 = "/sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3"

GPU_HZ = [306_000_000, 612_000_000, 1_300_500_000]
EMC_HZ = [204_000_000, 665_600_000, 2_133_000_000, 3_199_000_000]
CPU_HZ = [115_200_000, 729_600_000, 2_201_600_000]

RAILS = {
    "VDD_GPU_SOC": (19_000, 2_000),
    "VDD_CPU_CV": (19_000, 2_000),
    "VIN_SYS_5V0": (5_000, 2_000),
}


def agx_orin() -> dict[str, str]:
    """Path -> text, as booted: everything governed."""
    tree = {
        "/proc/device-tree/model": "NVIDIA Jetson AGX Orin Developer Kit\0",
        "/proc/device-tree/compatible": "nvidia,p3737-0000+p3701-0000\0nvidia,tegra234\0",
        "/etc/nv_tegra_release": "# R35 (release), REVISION: 4.1, GCID: 1, BOARD: t186ref\n",
        "/sys/class/devfreq/bwmgr/device/of_node/name": "bwmgr\0",
        f"{GPU}/device/of_node/name": "ga10b\0",
        f"{GPU}/device/railgate_enable": "1\n",
        f"{GPU}/available_frequencies": " ".join(map(str, GPU_HZ)) + "\n",
        f"{GPU}/min_freq": f"{GPU_HZ[0]}\n",
        f"{GPU}/max_freq": f"{GPU_HZ[-1]}\n",
        f"{GPU}/cur_freq": "0\n",
        f"{EMC}/mrq_rate_locked": "0\n",
        f"{EMC}/rate": "2133000000\n",
        f"{EMC}/state": "0\n",
        EMC_RATES: "204000 665600 2133000 3199000 (kHz)\n",
    }
    for policy in CPUS:
        tree[f"{policy}/scaling_available_frequencies"] = "115200 729600 2201600 \n"
        tree[f"{policy}/scaling_min_freq"] = "729600\n"
        tree[f"{policy}/scaling_max_freq"] = "2201600\n"
        tree[f"{policy}/scaling_cur_freq"] = "729600\n"
    for channel, (label, (bus_mv, shunt_uohm)) in enumerate(RAILS.items(), start=1):
        tree[f"{INA3221}/in{channel}_label"] = label + "\n"
        tree[f"{INA3221}/in{channel}_input"] = f"{bus_mv}\n"
        tree[f"{INA3221}/curr{channel}_input"] = "100\n"
        tree[f"{INA3221}/shunt{channel}_resistor"] = f"{shunt_uohm}\n"
    tree["/sys/class/thermal/thermal_zone0/type"] = "tj-therm\n"
    tree["/sys/class/thermal/thermal_zone0/temp"] = "41500\n"
    tree[f"{INA3221}/in7_label"] = "sum of shunt voltages\n"
    tree[f"{INA3221}/update_interval"] = "422\n"
    return tree


def without(tree: dict[str, str], prefix: str) -> dict[str, str]:
    return {path: text for path, text in tree.items() if not path.startswith(prefix)}


class Kernel(SysFiles):
    """The files of `tree` under `root`; writes obey the kernel's rules and are noted.

    A lower limit above the upper one is refused; the CPU and GPU run at their lower
    limit; the memory clock rounds up. `broken` paths refuse every write with EACCES,
    `deaf` paths accept it and keep what they had.
    """

    def __init__(self, root: Path, tree: dict[str, str]) -> None:
        super().__init__(root)
        self.writes: list[tuple[str, str]] = []
        self.broken: set[str] = set()
        self.deaf: set[str] = set()
        for path, text in tree.items():
            file = root / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def write(self, path: str, text: str) -> None:
        if path in self.broken:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        self._refuse_crossed_limits(path, text)
        self.writes.append((path, text))
        if path in self.deaf:
            return
        if path == f"{EMC}/rate":
            text = str(min(hz for hz in EMC_HZ if hz >= int(text)))
        super().write(path, text)
        if path.endswith("min_freq"):
            super().write(path.replace("min_freq", "cur_freq"), text)

    def _refuse_crossed_limits(self, path: str, text: str) -> None:
        if path.endswith("min_freq"):
            crossed = int(text) > int(self.read(path.replace("min_freq", "max_freq")))
        elif path.endswith("max_freq"):
            crossed = int(text) < int(self.read(path.replace("max_freq", "min_freq")))
        else:
            crossed = False
        if crossed:
            raise OSError(errno.EINVAL, "Invalid argument", path)

    def clocks(self) -> dict[str, str]:
        """All that a holder of clocks may change and has to put back."""
        names = ("min_freq", "max_freq", "railgate_enable", "mrq_rate_locked")
        paths = [path for name in names for path in self.glob(f"/sys/**/*{name}")]
        return {path: self.read(path).strip() for path in paths}


class StepClock:
    """A virtual clock that only sleeping moves."""

    def __init__(self) -> None:
        self.t_s = 0.0

    def now(self) -> float:
        return self.t_s

    def sleep_until(self, t_s: float) -> None:
        self.t_s = max(self.t_s, t_s)
