import numpy as np

from measurements import energy
from measurements.board.hardware.protocol import Sample
from measurements.board.load.protocol import ServedBatch
from measurements.board.stopping import Stopper, most_requests
from measurements.messages import Arrivals, Rail, Stopping
from measurements.tests.records import make_plan

RAILS = [Rail(name="VDD_IN", part="input", in_total=True, step_w=0.04)]
EACH_S = 0.02


def _batches(count, *, scatter=0.0, rng=None):
    """One request after another of 20 ms, of which inference takes a scattering part."""
    parts = np.full(count, 0.8) if rng is None else 0.8 + scatter * rng.normal(size=count)
    starts = np.arange(count) * EACH_S + 10
    return [
        ServedBatch((start,), (start,), start, start + part * EACH_S)
        for start, part in zip(starts, parts, strict=True)
    ]


def _samples(seconds=60.0, *, power_w=lambda t_s: 10.0):
    times = np.arange(9.0, 10 + seconds, 0.05)
    return [Sample(t, (power_w(t),), None, None, None, 40.0, None) for t in times]


def _end(plan, batches, samples):
    """After how many requests the run ends, and why."""
    stopper = Stopper(plan, RAILS, 0.0)
    for done in range(1, len(batches) + 1):
        if because := stopper.ends(batches[:done], samples, done):
            return done, because
    return None


def test_a_fixed_run_serves_its_requests_whatever_is_known():
    assert _end(make_plan(requests=70), _batches(100), _samples()) == (70, "fixed")


def test_a_run_whose_energy_is_certain_ends_at_the_floor():
    # 100 requests take 2 s; the floor of 3 s is reached with the 151st.
    plan = make_plan(requests=1000, stopping=Stopping(half_width_percent=1.0))
    done, because = _end(plan, _batches(400), _samples())
    assert because == "precise"
    assert 150 <= done <= 152


def test_the_percentile_of_the_limit_must_exist_first():
    plan = make_plan(requests=1000, stopping=Stopping(half_width_percent=1.0, quantile=0.99))
    assert _end(plan, _batches(400), _samples()) == (299, "precise")


def test_requests_that_end_together_bound_no_percentile_until_enough_batches_were_served():
    # 8 requests in each batch; a tenth of the batches takes longer, all of a batch alike.
    rng = np.random.default_rng(5)
    starts = np.arange(120) * 0.2 + 10
    batches = [
        ServedBatch((start,) * 8, (start,) * 8, start, start + 0.1 + 0.05 * (rng.random() < 0.1))
        for start in starts
    ]
    stopping = Stopping(half_width_percent=20.0, quantile=0.95)
    stopper, done = Stopper(make_plan(requests=1000, stopping=stopping), RAILS, 0.0), 0
    for count in range(1, 121):
        if stopper.ends(batches[:count], _samples(), done := 8 * count):
            break
    assert 59 * 8 <= done < 1.2 * 59 * 8


def test_a_run_that_never_becomes_certain_ends_at_the_ceiling():
    rng = np.random.default_rng(1)
    noise = dict(zip(np.arange(9.0, 70, 0.05), rng.normal(10, 6, 2000), strict=False))
    samples = _samples(power_w=lambda t_s: float(noise[t_s]))
    plan = make_plan(requests=300, stopping=Stopping(half_width_percent=0.2))
    assert _end(plan, _batches(400), samples) == (300, "ceiling")


def test_looks_lie_a_tenth_of_the_requests_apart(monkeypatch):
    looks = []

    def never_precise(trace, requests, window, *, idles):
        looks.append(len(requests.end_s))
        return 1.0

    monkeypatch.setattr(energy, "relative_spread", never_precise)
    plan = make_plan(requests=400, stopping=Stopping(half_width_percent=1.0))
    _end(plan, _batches(400), _samples())
    assert all(after >= 1.1 * before for before, after in zip(looks[:-2], looks[1:-1], strict=True))
    assert 8 <= len(looks) <= 12


def test_a_missing_power_value_is_no_certainty():
    plan = make_plan(requests=200, stopping=Stopping(half_width_percent=1.0))
    samples = _samples(power_w=lambda t_s: None if 10.9 < t_s < 11.1 else 10.0)
    assert _end(plan, _batches(400), samples) == (200, "ceiling")


def test_a_board_without_power_stops_by_its_inference_time():
    stopper = Stopper(make_plan(requests=1000, stopping=Stopping(half_width_percent=1.0)), [], 0.0)
    batches = _batches(400)
    ends = [n for n in range(1, 401) if stopper.ends(batches[:n], [], n)]
    assert 150 <= ends[0] <= 152


def test_at_a_rate_enough_requests_are_scheduled_for_the_floor_of_seconds():
    fast = Arrivals(kind="uniform", rate_hz=1000.0)
    plan = make_plan(arrivals=fast, requests=1000, stopping=Stopping(half_width_percent=1.0))
    assert most_requests(plan) == 4500
    assert most_requests(make_plan(arrivals=fast, requests=1000)) == 1000


def test_stopping_at_the_first_good_look_keeps_the_interval_honest():
    """Monte Carlo: power with a sway of 3 % that lasts 0.1 s, stopped at 1 % of half-width."""
    rng, covered = np.random.default_rng(7), []
    for _ in range(60):
        times = np.arange(9.0, 32.0, 0.05)
        sway = np.empty(len(times))
        sway[0], keep = 0.0, np.exp(-0.05 / 0.1)
        for i, push in enumerate(rng.normal(size=len(times) - 1)):
            sway[i + 1] = keep * sway[i] + np.sqrt(1 - keep**2) * push
        powers = 10 * (1 + 0.03 * sway)
        samples = [
            Sample(t, (p,), None, None, None, 40.0, None)
            for t, p in zip(times, powers, strict=True)
        ]
        batches = _batches(1000)
        plan = make_plan(requests=1000, stopping=Stopping(half_width_percent=1.0))
        done, _ = _end(plan, batches, samples)
        stopper = Stopper(plan, RAILS, 0.0)
        spread = stopper._spread(batches[:done], samples)
        window = (batches[0].inference_start_s, batches[done - 1].inference_end_s)
        inside = (times >= window[0]) & (times <= window[1])
        covered.append(abs(powers[inside].mean() / 10 - 1) <= spread)
    assert np.mean(covered) >= 0.9
