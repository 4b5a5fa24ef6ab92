from measurements.ladders import Band, Limits, ladder


def gpu(
    legal: tuple[int, ...] = (100, 200, 500),
    default: Limits = (100, 500),
    now: Limits = (100, 500),
):
    return ladder("GPU", "gpu", legal_hz=legal, default_hz=default, now_hz=now)


def test_legal_values_lie_in_proportion_between_the_lowest_and_the_highest():
    assert gpu().ticks == [0.0, 25.0, 100.0]


def test_a_band_runs_from_the_lower_to_the_upper_limit():
    assert gpu(now=(200, 500)).now_band == Band(25.0, 100.0)
    assert gpu(now=(200, 200)).now_band.length == 0


def test_an_open_side_reaches_to_that_end():
    assert gpu(now=(None, 200)).now_band == Band(0.0, 25.0)
    assert gpu(now=(200, None)).now_band == Band(25.0, 100.0)


def test_a_governed_clock_has_no_band():
    assert gpu(now=(None, None)).now_band is None


def test_a_limit_outside_of_the_table_stays_on_the_strip():
    assert gpu(now=(50, 900)).now_band == Band(0.0, 100.0)


def test_a_board_with_a_single_clock_shows_it_in_the_middle():
    assert gpu(legal=(100,)).ticks == [50.0]


def test_a_board_without_the_clock_has_no_band():
    assert gpu(legal=()).now_band is None


def test_the_limits_now_are_compared_with_the_default():
    assert gpu().is_default
    assert not gpu(now=(200, 500)).is_default
