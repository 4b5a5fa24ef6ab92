from __future__ import annotations

from typing import Any

import pytest

from measurements.models import Device
from measurements.tests.rows import EMC_HZ, GPU_HZ, make_device, make_network
from tuning import knobs
from tuning.forms import LaunchForm
from tuning.space import Axis, Space

pytestmark = pytest.mark.django_db


def sent(**changes: Any) -> dict[str, Any]:
    """A valid form's data: every GPU and memory clock at batch 1, 12 points."""
    device = changes.pop("device", None) or make_device()
    network = changes.pop("network", None) or make_network()
    values: dict[str, Any] = {
        "device": device.pk,
        "network": network.pk,
        "objective": "busy",
        "arrivals": "back_to_back",
        "slo_ms": "50",
        "slo_statistic": "p95",
        "requests": "1000",
        "sample_interval_ms": "50",
        "strategy": "random",
        "budget_trials": "12",
        "seed": "1",
        "gpu_max_hz_how": "all",
        "emc_hz_how": "all",
        "batch_sizes": ["1"],
    }
    return {**values, **changes}


def axes_of(**changes: Any) -> dict[str, tuple[int, ...]]:
    form = LaunchForm(sent(**changes))
    assert form.is_valid(), form.errors
    return {axis.name: axis.values for axis in form.axes}


def refusal(field: str, **changes: Any) -> str:
    """What the form says at `field`, and nowhere else."""
    form = LaunchForm(sent(**changes))
    assert list(form.errors) == [field]
    return " ".join(form.errors[field])


def test_a_knob_left_as_found_is_no_axis():
    assert axes_of() == {"gpu_max_hz": tuple(GPU_HZ), "emc_hz": tuple(EMC_HZ), "batch_size": (1,)}


def test_a_range_takes_the_legal_clocks_between_its_ends():
    chosen = {"emc_hz_how": "range", "emc_hz_from": EMC_HZ[1], "emc_hz_to": EMC_HZ[2]}
    assert axes_of(**chosen, budget_trials=6)["emc_hz"] == (EMC_HZ[1], EMC_HZ[2])


def test_every_n_th_counts_from_the_top():
    assert axes_of(emc_hz_how="nth", emc_hz_step=2, budget_trials=6)["emc_hz"] == (
        EMC_HZ[1],
        EMC_HZ[3],
    )


def test_single_clocks_are_taken_ascending():
    chosen = {"emc_hz_how": "some", "emc_hz_values": [EMC_HZ[3], EMC_HZ[0]]}
    assert axes_of(**chosen, budget_trials=6)["emc_hz"] == (EMC_HZ[0], EMC_HZ[3])


def test_an_empty_range_is_explained_at_its_knob():
    chosen = {"emc_hz_how": "range", "emc_hz_from": EMC_HZ[2], "emc_hz_to": EMC_HZ[1]}
    assert "“from” lies above “to”" in refusal("emc_hz_how", **chosen)


def test_single_values_without_one_are_explained():
    assert "at least one clock" in refusal("emc_hz_how", emc_hz_how="some")


def test_lower_limits_above_all_upper_ones_are_explained():
    chosen = {"gpu_min_hz_how": "some", "gpu_min_hz_values": [GPU_HZ[2]],
              "gpu_max_hz_how": "some", "gpu_max_hz_values": [GPU_HZ[0]]}  # fmt: skip
    assert "Every lower limit" in refusal("gpu_max_hz_how", **chosen)


def test_an_upper_limit_below_the_lower_one_as_found_is_explained():
    device = make_device(default_gpu_min_hz=GPU_HZ[1])
    assert "cannot go below it" in refusal("gpu_max_hz_how", device=device)


def test_at_rate_energy_needs_a_rate():
    assert "needs a rate" in refusal("arrivals", objective="at_rate")


@pytest.mark.parametrize("kind", ["uniform", "poisson"])
def test_arrivals_at_a_rate_need_the_rate(kind):
    assert "in a second" in refusal("rate_hz", arrivals=kind)


def test_back_to_back_arrivals_have_no_rate():
    form = LaunchForm(sent(rate_hz="20"))
    assert form.is_valid()
    assert form.cleaned_data["rate_hz"] is None


@pytest.mark.parametrize(("statistic", "fewest"), [("p50", 5), ("p95", 59), ("p99", 299)])
def test_a_percentile_needs_enough_requests(statistic, fewest):
    chosen = {"slo_statistic": statistic}
    assert LaunchForm(sent(**chosen, requests=fewest)).is_valid()
    assert str(fewest) in refusal("requests", **chosen, requests=fewest - 1)


def test_without_a_limit_few_requests_are_enough():
    assert LaunchForm(sent(slo_ms="", requests=1)).is_valid()


def test_a_batch_needs_as_many_requests():
    assert "batch of 8" in refusal(
        "requests", batch_sizes=["8"], requests=4, slo_ms="", budget_trials=1
    )


def test_a_budget_beyond_the_space_is_explained():
    assert "12 points" in refusal("budget_trials", budget_trials=13)


def test_a_network_with_a_fixed_batch_axis_offers_only_that_size():
    network = make_network(batch_is_dynamic=False, input_shape=[4, 3, 224, 224])
    assert LaunchForm(sent(network=network, batch_sizes=["4"])).is_valid()
    assert "batches of 1" in refusal("batch_sizes", network=network)


def test_a_clock_of_another_device_is_refused():
    chosen = {"emc_hz_how": "some", "emc_hz_values": ["1600000000"]}
    assert "not a clock of this device" in " ".join(
        LaunchForm(sent(**chosen)).errors["emc_hz_values"]
    )


def test_a_device_that_never_registered_cannot_be_chosen():
    stranger = Device.objects.create(name="never-heard")
    assert "device" in LaunchForm(sent(device=stranger)).errors


def test_no_name_becomes_a_sensible_one():
    form = LaunchForm(sent(device=make_device(name="orin-1"), network=make_network(name="B0")))
    assert form.is_valid()
    assert form.cleaned_data["name"] == "B0 on orin-1"


def test_a_first_form_can_be_launched_as_it_stands():
    device, network = make_device(), make_network()
    shown = LaunchForm(initial={"device": device, "network": network, "slo_ms": 50})
    data = {name: shown.get_initial_for_field(field, name) for name, field in shown.fields.items()}
    data |= {"device": device.pk, "network": network.pk}
    form = LaunchForm(data)
    assert form.is_valid(), form.errors
    assert knobs.size_of(form.axes) >= form.cleaned_data["budget_trials"]


def test_the_counted_size_is_that_of_the_listed_space():
    axes = (
        Axis("gpu_min_hz", (1, 2, 3)),
        Axis("gpu_max_hz", (1, 2, 3)),
        Axis("emc_hz", (5, 6)),
        Axis("batch_size", (1,)),
    )
    assert knobs.size_of(axes) == len(Space(axes)) == 12
    assert knobs.factors(axes) == [(6, "GPU clock pairs"), (2, "memory clocks"), (1, "batch size")]
