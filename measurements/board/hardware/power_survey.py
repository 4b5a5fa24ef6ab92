"""Which power a board's sensors show, what of it makes the total, and who reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from measurements.board.hardware import discovery
from measurements.board.hardware.findings import Finding, Seen
from measurements.board.hardware.ina3221 import find_channels
from measurements.board.hardware.protocol import Files
from measurements.board.hardware.rails import counted_twice, unseen
from measurements.messages import Rail


def sensors(files: Files) -> Iterator[Finding]:
    steps_w = {sensor.rail: sensor.step_w for sensor in discovery.sensors(files)}
    for channel in find_channels(files):
        try:
            power_w = channel.power_w(files)
        except OSError as error:
            yield Finding(
                "Power sensors",
                False,
                f"{channel.paths[0]} may not be read ({error.strerror})",
                "install the udev rule of docs/boards.md",
            )
            continue
        reads = "switched off" if power_w is None else f"{power_w:.3f} W"
        step_w = steps_w.get(channel.rail)
        step = f", in steps of {step_w * 1000:.0f} mW" if step_w else ", step unknown"
        chip = channel.paths[0].split("/drivers/")[-1].rsplit("/", 1)[0]
        yield Finding("Power sensors", True, f"{channel.rail}: {reads}{step} ({chip})")
    chips = files.glob("/sys/bus/i2c/drivers/ina3221*/*-*")
    if chips and not steps_w:
        yield Finding(
            "Power sensors",
            False,
            f"{', '.join(chips)}: its rails may not be read",
            "install the udev rule of docs/boards.md, or run the worker as root",
        )
    elif not chips and not steps_w:
        yield Finding(
            "Power sensors",
            False,
            "this board shows no power sensor",
            "without one there is no energy; use an external meter",
        )


def total(rails: Sequence[Rail]) -> Iterator[Finding]:
    names = [rail.name for rail in rails if rail.in_total]
    if not rails:
        yield Finding(
            "Total",
            False,
            "no power rail can be read, so there is no energy",
            "tegrastats is missing, or it needs root",
        )
        return
    if not names:
        yield Finding(
            "Total",
            False,
            "the rails that make this board's total are not known, so its energy is not",
            "choose them on the device's page",
        )
    elif twice := counted_twice(names):
        yield Finding("Total", False, f"{twice[1]} is fed by {twice[0]} and counted twice")
    else:
        apart = [rail.name for rail in rails if not rail.in_total]
        shown = f"; shown by themselves: {', '.join(apart)}" if apart else ""
        yield Finding("Total", True, f"{' + '.join(names)}{shown}")
    yield Finding("Total", None, f"what no sensor sees: {unseen(names)}")


def sampling(files: Files, seen: Seen) -> Iterator[Finding]:
    if seen.reads_sensors:
        yield Finding("Sampling", bool(find_channels(files)), "the power sensors' own files")
        return
    line = seen.line
    if line is None:
        yield Finding(
            "Sampling",
            False,
            "tegrastats printed nothing",
            "install it, or start the worker with --sampler ina3221",
        )
        return
    if not line.rails_w:
        yield Finding(
            "Sampling",
            False,
            "tegrastats prints no power rail for this user",
            "run it as root, or start the worker with --sampler ina3221 where the "
            "sensors' files may be read",
        )
    else:
        yield Finding("Sampling", True, f"tegrastats prints {', '.join(line.rails_w)}")
    lacks = [name for name, mhz in (("GPU", line.gpu_mhz), ("memory", line.emc_mhz)) if mhz is None]
    if lacks:
        yield Finding(
            "Sampling",
            None,
            f"tegrastats prints no {' and no '.join(lacks)} clock "
            "for this user, so drift of it is not seen",
        )
    if line.unknown:
        yield Finding("Sampling", None, f"words it prints that are not known: {line.unknown}")
