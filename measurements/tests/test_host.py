from pathlib import Path

import pytest

from measurements import quality, zoo
from measurements.board.catalogue import open_board
from measurements.board.hardware.host import HostBoard, HostSampler
from measurements.board.hardware.machine import RealClock, SysFiles
from measurements.board.hardware.rapl import Counters, Domain, discover, joules
from measurements.board.load.choice import choose
from measurements.board.load.protocol import Load, LoadFailed
from measurements.board.trial import Cancelled, Progress, run_trial
from measurements.energy import busy
from measurements.messages import NetworkFeatures, OperatingPoint, Plan

from .records import make_plan

RANGE_UJ = 262_143_328_850
ZONES = {
    "intel-rapl:0": "package-0",
    "intel-rapl:0:0": "core",
    "intel-rapl:0:1": "dram",
    "intel-rapl:1": "psys",
}


def _machine(root: Path, zones: dict[str, str] = ZONES) -> SysFiles:
    """A machine whose counters stand at 1 J."""
    for place, name in zones.items():
        zone = root / "sys/class/powercap" / place
        zone.mkdir(parents=True)
        (zone / "name").write_text(f"{name}\n")
        (zone / "energy_uj").write_text("1000000\n")
        (zone / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
    (root / "proc").mkdir()
    (root / "proc/cpuinfo").write_text("processor\t: 0\nmodel name\t: A Processor\n")
    return SysFiles(root)


def _count(root: Path, place: str, energy_uj: int) -> None:
    (root / "sys/class/powercap" / place / "energy_uj").write_text(f"{energy_uj}\n")


def _board(files: SysFiles) -> HostBoard:
    return HostBoard("here", files=files, clock=RealClock(), loads=_no_load)


def _no_load(network: NetworkFeatures, batch_size: int, seed: int) -> Load:
    raise LoadFailed("none")


def test_packages_and_memory_make_the_total_and_nothing_counts_twice(tmp_path):
    info = _board(_machine(tmp_path)).describe()
    assert [(rail.name, rail.part, rail.in_total) for rail in info.rails] == [
        ("package-0", "soc", True),
        ("package-0.core", "cpu", False),
        ("package-0.dram", "memory", True),
        ("psys", "other", False),
    ]
    assert info.provenance == "host"
    assert info.problems == []


def test_two_packages_keep_their_parts_apart(tmp_path):
    zones = {"intel-rapl:0": "package-0", "intel-rapl:0:0": "dram",
             "intel-rapl:1": "package-1", "intel-rapl:1:0": "dram"}  # fmt: skip
    names = [domain.name for domain in discover(_machine(tmp_path, zones)).domains]
    assert names == ["package-0", "package-0.dram", "package-1", "package-1.dram"]


def test_the_mmio_copies_of_the_counters_are_left_out(tmp_path):
    zones = {"intel-rapl:0": "package-0", "intel-rapl-mmio:0": "package-0"}
    assert len(discover(_machine(tmp_path, zones)).domains) == 1


def test_counters_that_need_root_are_named_with_the_remedy(tmp_path):
    files = _machine(tmp_path, {"intel-rapl:0": "package-0"})
    counter = tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj"
    counter.unlink()
    counter.mkdir()  # Unreadable for root as well.
    info = _board(files).describe()
    assert info.rails == []
    assert "package-0" in info.problems[0] and "chmod" in info.problems[0]


def test_a_machine_without_counters_says_why_its_energy_is_unknown(tmp_path):
    info = _board(_machine(tmp_path, {})).describe()
    assert info.rails == []
    assert "RAPL" in info.problems[0]


def test_power_is_the_energy_between_two_readings(tmp_path):
    files = _machine(tmp_path)
    counters = Counters(files, discover(files).domains)
    assert counters.powers_w(10.0) is None
    _count(tmp_path, "intel-rapl:0", 6_000_000)
    assert counters.powers_w(10.5) == (10.0, 0.0, 0.0, 0.0)


def test_a_counter_that_starts_again_loses_nothing():
    domain = Domain("package-0", "-", RANGE_UJ)
    assert joules(RANGE_UJ - 1_000_000, 2_000_000, domain) == pytest.approx(3.0)


def test_an_unreadable_counter_is_unknown_then_and_the_next_time(tmp_path):
    files = _machine(tmp_path, {"intel-rapl:0": "package-0"})
    counters = Counters(files, discover(files).domains)
    counters.powers_w(0.0)
    _count(tmp_path, "intel-rapl:0", 0)
    (tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj").write_text("none")
    assert counters.powers_w(1.0) == (None,)
    _count(tmp_path, "intel-rapl:0", 9_000_000)
    assert counters.powers_w(2.0) == (None,)


def test_a_sample_stands_between_its_two_readings(tmp_path):
    files = _machine(tmp_path)
    sampler = HostSampler(files, RealClock(), discover(files))
    for t_s in (10.0, 10.1, 10.2):
        sampler.take(t_s)
    assert [sample.t_s for sample in sampler.samples] == pytest.approx([10.05, 10.15])


def test_the_hottest_zone_and_the_fastest_core_are_told(tmp_path):
    files = _machine(tmp_path)
    for number, (khz, temp) in enumerate([(1_200_000, 41_000), (3_400_000, 55_500)]):
        core = tmp_path / f"sys/devices/system/cpu/cpu{number}/cpufreq"
        zone = tmp_path / f"sys/class/thermal/thermal_zone{number}"
        core.mkdir(parents=True)
        zone.mkdir(parents=True)
        (core / "scaling_cur_freq").write_text(str(khz))
        (zone / "temp").write_text(str(temp))
    sampler = HostSampler(files, RealClock(), discover(files))
    sampler.take(1.0)
    sampler.take(2.0)
    assert (sampler.samples[0].cpu_mhz, sampler.samples[0].temp_c) == (3400, 55.5)


def test_clocks_of_this_machine_are_not_set(tmp_path):
    board = _board(_machine(tmp_path))
    with board.holding(OperatingPoint()) as held:
        assert held == OperatingPoint()
    with pytest.raises(ValueError, match="as found"), board.holding(OperatingPoint(cpu_hz=1)):
        pass


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """EfficientNet-B0 itself."""
    path = tmp_path_factory.mktemp("networks") / "b0.onnx"
    zoo.write("efficientnet-b0", path)
    return path


def _plan(**fields: object) -> Plan:
    features = NetworkFeatures(
        name="EfficientNet-B0", sha256="0" * 64, input_shape=[None, 3, 224, 224],
        input_dtype="float32", flops_per_item=8e8, flops_fixed=0, bytes_per_item=1e8,
        bytes_fixed=2e7,
    )  # fmt: skip
    return make_plan(device="here", network=features, warm_up_s=0.1, **fields)


def test_real_inference_on_this_machine_makes_a_valid_record(network, tmp_path):
    board = open_board(
        "host", name="here", state_dir=tmp_path, pace=lambda: None, network_file=lambda _: network
    )
    record = run_trial(
        _plan(requests=5), board, attempt=1, progress=lambda _: None, cancelled=lambda: False
    )
    assert record.faults == []
    assert record.load.startswith("ONNX Runtime")
    assert len(record.requests.end_s) == 5
    assert 0 < record.sampler_cpu.reader_s < record.sampler_cpu.over_s < record.board_s
    assert record.sampler_cpu.program_s is None  # it reads the counters itself
    spent_s = [end - start for start, end in zip(
        record.requests.inference_start_s, record.requests.end_s, strict=True)]  # fmt: skip
    assert min(spent_s) > 0.001
    if not record.board.rails:
        found = quality.findings(record)
        assert not quality.is_invalid(found)
        assert [finding.code for finding in found] == ["latency-only"]


def test_a_machine_with_counters_gives_joules(network, tmp_path):
    """The counters stand still here, all but one step: 30 J between the first and the last."""
    files, clock = _machine(tmp_path), RealClock()
    loads = choose("onnx", clock=clock, network_file=lambda _: network, cache=tmp_path)
    board = HostBoard("here", files=files, clock=clock, loads=loads)
    stepped = []

    def progress(now: Progress) -> None:
        is_halfway = now.phase == "serve" and now.requests_done >= 30
        if is_halfway and not stepped:
            stepped.append(True)
            _count(tmp_path, "intel-rapl:0", 31_000_000)

    record = run_trial(_plan(requests=60), board, attempt=1, progress=progress,
                       cancelled=lambda: False)  # fmt: skip
    measured = busy(record)
    assert measured.mean_power_w * measured.window.length_s == pytest.approx(30.0, rel=0.2)


def test_a_cancelled_run_ends_in_the_middle_of_its_requests(network, tmp_path):
    board = open_board(
        "host", name="here", state_dir=tmp_path, pace=lambda: None, network_file=lambda _: network
    )
    seen = []
    with pytest.raises(Cancelled):
        run_trial(
            _plan(requests=10_000),
            board,
            attempt=1,
            progress=lambda now: seen.append(now.requests_done),
            cancelled=lambda: bool(seen) and seen[-1] >= 3,
        )
    assert seen[-1] < 100


def test_a_file_that_cannot_be_fetched_spoils_the_run_with_its_reason(tmp_path):
    board = open_board("host", name="here", state_dir=tmp_path, pace=lambda: None)
    record = run_trial(
        _plan(requests=5), board, attempt=1, progress=lambda _: None, cancelled=lambda: False
    )
    assert [fault.code for fault in record.faults] == ["load-failed"]
    assert "no server" in record.faults[0].text
