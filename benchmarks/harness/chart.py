"""The chart: requests per second of everyone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .contestants import OURS
from .report import best_rates

_OURS, _RECORD, _NO_RECORD, _INK, _GRID = "#0f766e", "#94a3b8", "#dbe2ea", "#1e293b", "#e8ecf1"


def draw(results: Mapping[str, Any], file: Path) -> None:
    """Writes an SVG: each contestant's median at its best number of connections, with its spread."""
    import matplotlib

    matplotlib.use("svg")
    # The same figures give the same file, and it looks the same whatever fonts its reader has.
    matplotlib.rcParams.update(
        {"svg.hashsalt": "onrecord", "svg.fonttype": "path", "font.size": 11}
    )
    from matplotlib import patches, pyplot

    rates = best_rates(results)
    order = sorted(rates, key=lambda name: rates[name].median)
    left = 10 ** _floor(min(rate.median for rate in rates.values()) / 2)
    figure, axes = pyplot.subplots(figsize=(10, 0.55 * len(order) + 1.4))
    for place, name in enumerate(order):
        rate, contestant = rates[name], results["contestants"][name]
        color = _OURS if name == OURS else _RECORD if contestant["keeps_record"] else _NO_RECORD
        # Where a service hung for a whole cell, there is no place for it on the axis.
        spread = [[rate.median - max(rate.low, left)], [rate.high - rate.median]]
        axes.barh(place, rate.median, color=color, height=0.66, zorder=2)
        axes.errorbar(
            rate.median,
            place,
            xerr=spread,
            color=_INK,
            capsize=3,
            linewidth=1,
            linestyle="none",
            zorder=3,
        )
        weight = "bold" if name == OURS else "normal"
        axes.annotate(
            f"{rate.median:,.0f}",
            (rate.high, place),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            color=_INK,
            weight=weight,
        )
    axes.set_yticks(range(len(order)), [results["contestants"][name]["title"] for name in order])
    axes.get_yticklabels()[order.index(OURS)].set_fontweight("bold")
    axes.set_xscale("log")
    axes.set_xlim(left, max(rate.high for rate in rates.values()) * 2.4)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.tick_params(which="both", length=0, colors=_INK)
    axes.grid(axis="x", color=_GRID, zorder=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(
        "requests per second, logarithmic: median of the rounds, smallest and largest", color=_INK
    )
    handles = [patches.Rectangle((0, 0), 1, 1, color=color) for color in (_RECORD, _NO_RECORD)]
    axes.legend(
        handles, ["keeps a record", "keeps none"], loc="lower right", frameon=False, labelcolor=_INK
    )
    figure.savefig(file, bbox_inches="tight", facecolor="white", metadata={"Date": None})
    pyplot.close(figure)


def _floor(value: float) -> int:
    """The power of ten below."""
    exponent = 0
    while 10 ** (exponent + 1) <= value:
        exponent += 1
    return exponent
