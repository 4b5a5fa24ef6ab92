"""From what a trial collected to the columns of a Record."""

from __future__ import annotations

from collections.abc import Sequence

from measurements.board.hardware.protocol import Sample
from measurements.board.load.protocol import ServedBatch
from measurements.messages import BoardInfo, Requests, Samples


def samples_of(samples: Sequence[Sample], info: BoardInfo, *, zero_s: float) -> Samples:
    rails = range(len(info.rails))
    return Samples(
        t_us=[round((sample.t_s - zero_s) * 1e6) for sample in samples],
        rails_w=[[sample.rails_w[rail] for sample in samples] for rail in rails],
        gpu_mhz=[sample.gpu_mhz for sample in samples],
        emc_mhz=[sample.emc_mhz for sample in samples],
        cpu_mhz=[sample.cpu_mhz for sample in samples],
        temp_c=[sample.temp_c for sample in samples],
        gpu_busy_percent=[sample.gpu_busy_percent for sample in samples],
    )


def requests_of(batches: Sequence[ServedBatch], *, zero_s: float) -> Requests:
    return Requests(
        arrival_s=[t_s - zero_s for batch in batches for t_s in batch.arrival_s],
        start_s=[t_s - zero_s for batch in batches for t_s in batch.start_s],
        inference_start_s=[b.inference_start_s - zero_s for b in batches for _ in b.arrival_s],
        end_s=[b.inference_end_s - zero_s for b in batches for _ in b.arrival_s],
    )
