"""Plotly figures as plain data: what a page draws is JSON, so nothing else is made of it.

Plotly's own classes look at every attribute of every trace, which costs a page more time than
all its queries. Tests do that instead: `Figure.checked` is Plotly's figure, or an error that
names the attribute.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import plotly.graph_objects as go

Trace = dict[str, Any]
SHADES = 256


@dataclass(slots=True)
class Figure:
    """Traces over a layout, in the words of Plotly's reference."""

    layout: dict[str, Any]
    data: list[Trace] = field(default_factory=list)

    def add_trace(self, trace: Trace) -> Figure:
        self.data.append(trace)
        return self

    def add_scatter(self, **attributes: object) -> Figure:
        return self.add_trace(scatter(**attributes))

    def add_bar(self, **attributes: object) -> Figure:
        return self.add_trace(bar(**attributes))

    def add_heatmap(self, **attributes: object) -> Figure:
        return self.add_trace({"type": "heatmap", **attributes})

    def to_plotly_json(self) -> dict[str, Any]:
        """Data and layout for the browser, without what is None."""
        return {"data": [_said(trace) for trace in self.data], "layout": _said(self.layout)}

    def checked(self) -> go.Figure:
        """The same as Plotly's figure.

        Raises:
            ValueError: Plotly does not know an attribute, or not with that value.
        """
        import plotly.graph_objects as go

        return go.Figure(self.to_plotly_json())


def scatter(**attributes: object) -> Trace:
    return {"type": "scatter", **attributes}


def bar(**attributes: object) -> Trace:
    return {"type": "bar", **attributes}


@lru_cache(maxsize=SHADES + 1)
def _shade(step: int) -> str:
    from plotly.colors import sample_colorscale

    return str(sample_colorscale("Viridis", step / SHADES)[0])


def shade(share: float) -> str:
    """Viridis' colour at a share from 0, dark, to 1."""
    return _shade(round(SHADES * min(1.0, max(0.0, share))))


def _said(attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _said(value) if isinstance(value, dict) else value
        for name, value in attributes.items()
        if value is not None
    }
