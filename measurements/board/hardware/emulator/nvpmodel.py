"""`nvpmodel` as the real one behaves, with nobody at its standard input.

A mode with other GPU clusters takes a reboot: without an answer nothing changes and the status
is not 0. In a container it says that it ignores the request, exits with 0 and writes its status
file all the same.

Source: NVIDIA Jetson Linux Developer Guide, "Power Mode Controls"; its words: users' reports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from measurements.board.hardware.power_mode import Answer
from measurements.board.hardware.protocol import Files

from .boards.data import BoardData, PowerMode

_CPU = "/sys/devices/system/cpu"
STATUS = "var/lib/nvpmodel/status"
_REBOOT = """NVPM WARN: Golden image context is already created
NVPM WARN: Reboot required for changing to this power mode: {id}
NVPM WARN: DO YOU WANT TO REBOOT NOW? enter YES/yes to confirm:
NVPM ERROR: bad input!
NVPM ERROR: optMask is 1, no request for power mode
"""


class Nvpmodel:
    """The program.

    Args:
        take: Sets a mode's limits on the board, with root's rights.
        status: The status file's words.
        note: Writes them.
    """

    def __init__(
        self,
        board: BoardData,
        *,
        is_root: bool,
        in_container: bool,
        take: Callable[[PowerMode], None],
        status: Callable[[], str],
        note: Callable[[str], object],
    ) -> None:
        self._board = board
        self._is_root = is_root
        self._in_container = in_container
        self._take = take
        self._status = status
        self._note = note

    def run(self, arguments: Sequence[str]) -> Answer:
        if list(arguments) == ["-q"]:
            mode = self._mode()
            return Answer(0, f"NV Power Mode: {mode.name}\n{mode.id}\n")
        modes = {str(mode.id): mode for mode in self._board.modes}
        if len(arguments) == 2 and arguments[0] == "-m" and arguments[1] in modes:
            return self._change(modes[arguments[1]])
        return Answer(1, "NVPM ERROR: bad arguments\n")

    def _mode(self) -> PowerMode:
        number = int(self._status().removeprefix("pmode:")[:4])
        return next(mode for mode in self._board.modes if mode.id == number)

    def _change(self, mode: PowerMode) -> Answer:
        if not self._is_root:
            return Answer(1, "NVPM ERROR: Error opening /var/lib/nvpmodel/status: 13\n")
        if self._in_container:
            self._note(f"pmode:{mode.id:04d}")
            return Answer(0, "Running in chroot, ignoring request.\n")
        if mode.tpc_mask != self._mode().tpc_mask:
            return Answer(255, _REBOOT.format(id=mode.id))
        self._take(mode)
        self._note(f"pmode:{mode.id:04d}")
        return Answer(0, "")


def set_mode(files: Files, board: BoardData, mode: PowerMode) -> None:
    """Write the limits of `mode`; a limit between two clocks goes as the driver rounds it."""
    gpu = f"/{board.gpu_device}/devfreq/{board.gpu_node}"
    files.write(f"{gpu}/min_freq", str(board.gpu_hz[0]))
    files.write(f"{gpu}/max_freq", str(mode.gpu_max_hz or board.gpu_hz[-1]))
    for cpu in range(1, board.cores):
        files.write(f"{_CPU}/cpu{cpu}/online", str(int(cpu in mode.cpus)))
    for cpus, cap_hz in zip(board.policies, mode.cpu_max_hz, strict=True):
        if set(cpus) & set(mode.cpus):
            cpufreq = f"{_CPU}/cpufreq/policy{cpus[0]}"
            files.write(f"{cpufreq}/scaling_min_freq", str(board.cpu_hz[0] // 1000))
            files.write(f"{cpufreq}/scaling_max_freq", str((cap_hz or board.cpu_hz[-1]) // 1000))
    files.write(emc_cap(board), str(mode.emc_cap_hz or 0))


def emc_cap(board: BoardData) -> str:
    """Where the memory clock is capped, in Hz; 0: not at all."""
    newer = board.jetpack >= 6
    return f"/sys/kernel/{'nvpmodel_clk_cap/emc' if newer else 'nvpmodel_emc_cap/emc_iso_cap'}"


def conf(board: BoardData) -> str:
    """/etc/nvpmodel.conf of the board: which file each parameter is, then the modes."""
    return "\n".join([*_parameters(board), *_modes(board), ""])


def _parameters(board: BoardData) -> Iterator[str]:
    gpu = f"/{board.gpu_device}/devfreq/{board.gpu_node}"
    yield "< PARAM TYPE=FILE NAME=CPU_ONLINE >"
    for cpu in range(board.cores):
        yield f"CORE_{cpu} /sys/devices/system/cpu/cpu{cpu}/online"
    yield "< PARAM TYPE=FILE NAME=TPC_POWER_GATING >"
    yield f"TPC_PG_MASK /{board.gpu_device}/tpc_pg_mask"
    for index, cpus in enumerate(board.policies):
        yield f"< PARAM TYPE=CLOCK NAME=CPU_CLUSTER_{index} >"
        cpufreq = f"/sys/devices/system/cpu/cpu{cpus[0]}/cpufreq"
        yield f"MAX_FREQ {cpufreq}/scaling_max_freq"
    yield "< PARAM TYPE=CLOCK NAME=GPU >"
    yield f"MAX_FREQ {gpu}/max_freq"
    yield "< PARAM TYPE=CLOCK NAME=EMC >"
    yield f"MAX_FREQ {emc_cap(board)}"


def _modes(board: BoardData) -> Iterator[str]:
    for mode in board.modes:
        yield f"< POWER_MODEL ID={mode.id} NAME={mode.name} >"
        for cpu in range(board.cores):
            yield f"CPU_ONLINE CORE_{cpu} {int(cpu in mode.cpus)}"
        yield f"TPC_POWER_GATING TPC_PG_MASK {mode.tpc_mask}"
        for index, cap_hz in enumerate(mode.cpu_max_hz):
            yield f"CPU_CLUSTER_{index} MAX_FREQ {cap_hz // 1000 if cap_hz else -1}"
        yield f"GPU MAX_FREQ {mode.gpu_max_hz or -1}"
        yield f"EMC MAX_FREQ {mode.emc_cap_hz or 0}"
    yield f"< PM_CONFIG DEFAULT={board.modes[0].id} >"
