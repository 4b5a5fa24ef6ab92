"""What a board has, what of it works, and what to do about the rest.

Each finding names one thing. Where something is not granted, its file is named, with the
remedy. Whether a clock may be set is tried by writing what stands there already.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from measurements.board.hardware import discovery, power_survey
from measurements.board.hardware.findings import Finding, Seen
from measurements.board.hardware.knobs import Limits, find_cpus, find_gpu, find_memory
from measurements.board.hardware.power_mode import Nvpmodel, power_mode
from measurements.board.hardware.protocol import Files
from measurements.board.hardware.sysfs import read_int, read_word

_HELPER = "start polyweb-privileged.service, or run the worker as root (docs/boards.md)"
_EMC_LOCK = "/sys/kernel/debug/bpmp/debug/clk/emc/mrq_rate_locked"
_BPMP_SOCS = ("tegra186", "tegra194", "tegra234")


def survey(files: Files, seen: Seen) -> list[Finding]:
    return [
        *_board(files),
        *_gpu(files, seen.has_helper),
        *_cpu(files, seen.has_helper),
        *_memory(files, seen.has_helper),
        *power_survey.sensors(files),
        *power_survey.total(seen.rails),
        *power_survey.sampling(files, seen),
        *_heat(files),
        *_mode(files, seen.nvpmodel),
    ]


def _board(files: Files) -> Iterator[Finding]:
    model, soc = discovery.model(files), discovery.soc(files)
    yield Finding(
        "Board",
        bool(model),
        f"{model or 'no device tree'} ({discovery.kind(files)}, {soc or 'unknown chip'})",
        "" if model else "this machine is no Jetson, or /proc/device-tree is not mounted",
    )
    l4t, jetpack = discovery.l4t(files), discovery.jetpack(files)
    kernel = discovery.software(files).get("kernel", "unknown")
    yield Finding(
        "Board",
        bool(l4t) or None,
        f"L4T {l4t or 'unknown'}, JetPack {jetpack or 'unknown'}, kernel {kernel}",
        "" if l4t else "in a container, mount /etc/nv_tegra_release from the host, read-only",
    )


def _gpu(files: Files, has_helper: bool) -> Iterator[Finding]:
    gpu = find_gpu(files)
    limits = gpu.read(files) if gpu else None
    if gpu is None or limits is None or not gpu.legal_hz:
        yield Finding(
            "GPU clock",
            False,
            "no GPU found in /sys/class/devfreq, its clock stays",
            "mount /sys of the host",
        )
        return
    now_hz = read_int(files, f"{gpu.stem}cur_freq")
    runs = f"runs at {_mhz(now_hz)}" if now_hz else "is power-gated (reads 0)"
    yield Finding(
        "GPU clock",
        True,
        f"{_table(gpu.legal_hz)}; limits {_mhz(limits[0])} to {_mhz(limits[1])} MHz; it {runs}",
    )
    yield from _settable(files, "GPU clock", f"{gpu.stem}max_freq", has_helper)


def _cpu(files: Files, has_helper: bool) -> Iterator[Finding]:
    policies = find_cpus(files)
    for limits in policies:
        low_hz, high_hz = limits.read(files) or (0, 0)
        cores = read_word(files, f"{limits.name}/affected_cpus") or "?"
        yield Finding(
            "CPU clock",
            True,
            f"{limits.name.rsplit('/', 1)[-1]} (cores {cores}): {_table(limits.legal_hz)}; "
            f"limits {_mhz(low_hz)} to {_mhz(high_hz)} MHz",
        )
    if not _shared(policies):
        yield Finding("CPU clock", False, "the CPU clusters share no clock, so they stay")
    else:
        yield from _settable(files, "CPU clock", f"{policies[0].stem}max_freq", has_helper)


def _shared(policies: Sequence[Limits]) -> set[int]:
    tables = [set(limits.legal_hz) for limits in policies]
    return set.intersection(*tables) if tables else set()


def _memory(files: Files, has_helper: bool) -> Iterator[Finding]:
    memory, control = find_memory(files), discovery.memory_control(files)
    if memory is not None:
        held = memory.read(files)
        state = f"locked at {_mhz(held)} MHz" if held else "governed"
        yield Finding("Memory clock", True, f"{_table(memory.legal_hz)}; {state}")
        yield from _settable(files, "Memory clock", _EMC_LOCK, has_helper)
    elif discovery.soc(files) in _BPMP_SOCS:
        yield Finding(
            "Memory clock",
            False,
            "the memory clock stays: /sys/kernel/debug/bpmp cannot be read",
            f"it needs root and debugfs: {_HELPER}; in a container also mount /sys/kernel/debug",
        )
    elif control is not None:
        name, path = control
        yield Finding("Memory clock", None, f"{name} ({path}) is there; PolyWeb does not set it")
    else:
        yield Finding(
            "Memory clock",
            False,
            "the memory clock stays: no control of it is found",
            "it needs root, or this board has another kind",
        )


def _settable(files: Files, topic: str, path: str, has_helper: bool) -> Iterator[Finding]:
    if has_helper:
        yield Finding(topic, True, "set by the privileged helper")
        return
    try:
        files.write(path, files.read(path).strip())
    except OSError as error:
        yield Finding(topic, False, f"{path} may not be written ({error.strerror})", _HELPER)
    else:
        yield Finding(topic, True, "may be set")


def _heat(files: Files) -> Iterator[Finding]:
    zones = discovery.zones(files)
    stated = [f"{zone.name} {zone.temp_c:.1f} °C" for zone in zones if zone.temp_c is not None]
    dark = [zone.name for zone in zones if zone.temp_c is None]
    yield Finding(
        "Heat",
        bool(stated),
        ", ".join(stated) or "no thermal zone can be read",
        "" if stated else "mount /sys of the host",
    )
    if dark:
        yield Finding("Heat", None, f"switched off with their part: {', '.join(dark)}")
    fan = discovery.fan(files)
    if fan is None:
        yield Finding("Heat", None, "no fan's files are found")
    else:
        pwm = "unknown" if fan.pwm is None else f"{fan.pwm} of 255"
        yield Finding("Heat", None, f"fan at {pwm}, {fan.rpm or 'unknown'} rpm")


def _mode(files: Files, nvpmodel: Nvpmodel | None) -> Iterator[Finding]:
    mode = power_mode(files, nvpmodel)
    if mode is None:
        yield Finding("Power mode", None, "unknown: neither nvpmodel nor its status file says")
    elif mode.contradictions:
        yield Finding(
            "Power mode",
            False,
            f"{mode.said_by} says {mode}, but {'; '.join(mode.contradictions)}",
            "clocks are held otherwise, or the mode "
            "never came into force (in a container, or before a reboot): set it on the "
            "host with nvpmodel -m",
        )
    else:
        checked = f"{mode.checked} of its limits agree" if mode.checked else "not to be verified"
        yield Finding("Power mode", True, f"{mode} by {mode.said_by}; {checked}")


def _table(hz: Sequence[int]) -> str:
    return f"{len(hz)} clocks, {_mhz(hz[0])} to {_mhz(hz[-1])} MHz" if hz else "no table"


def _mhz(hz: int | None) -> str:
    return "unknown" if hz is None else f"{hz / 1e6:g}"
