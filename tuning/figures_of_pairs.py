"""A verification as a figure: what each block says, and what all say together."""

from __future__ import annotations

from collections.abc import Sequence

from measurements.charts import Chart, Table
from measurements.drawing import Figure, scatter
from measurements.figures import figure
from tuning.pairs import Comparison

TOKENS = ("--accent", "--rail-memory", "--rail-cpu")


def chart(comparisons: Sequence[Comparison]) -> Chart:
    """The figure with its numbers; the runs themselves stand in the table of the pairs."""
    heads = ["The winner against", "Block", "Saved (%)"]
    rows = [
        [one.arm.words, str(number), f"{100 * pair:.2f}"]
        for one in comparisons
        for number, pair in enumerate(one.saved.pairs, start=1)
    ]
    return Chart(
        "pairs",
        "Do the blocks agree on what the winner saves?",
        savings(comparisons),
        Table(heads, rows),
    )


def savings(comparisons: Sequence[Comparison]) -> Figure:
    """Energy saved in percent: a dot a block, and the mean of all with its 95 % interval."""
    drawn = figure(height=360, yaxis={"title": {"text": "Energy saved per request (%)"}})
    for token, one in zip(TOKENS, comparisons, strict=False):
        blocks = [f"block {number}" for number in range(1, len(one.saved.pairs) + 1)]
        percent = [100 * pair for pair in one.saved.pairs]
        mean, none = 100 * one.saved.value, [0.0] * len(blocks)
        above, below = 100 * one.saved.high - mean, mean - 100 * one.saved.low
        interval = {"array": [*none, above], "arrayminus": [*none, below]}
        drawn.add_trace(
            scatter(
                name=f"against {one.arm.words}",
                x=[*blocks, "all"],
                y=[*percent, mean],
                mode="markers",
                marker={"size": [7] * len(blocks) + [11]},
                error_y={"type": "data", "symmetric": False, **interval},
                hovertemplate="%{x}: %{y:.2f} %<extra>%{fullData.name}</extra>",
                meta={"token": token},
            )
        )
    return drawn
