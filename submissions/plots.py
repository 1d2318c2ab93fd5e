"""Arrays in, plots out: one style, with colours that colour-blind people can tell apart."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

# M. Okabe, K. Ito, "Color Universal Design" (2008).
BLUE, ORANGE = "#0072b2", "#d55e00"
INK, GREY = "#24292e", "#d3d8dd"
Bars = Mapping[str, tuple[float, float, float]]  # by name: low, middle, high
STYLE: Any = {
    "figure.dpi": 120,
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GREY,
    "legend.frameon": False,
    "hatch.linewidth": 0.6,
}


def draw_curves(path: Path, rows: Sequence[Any], title: str) -> None:
    """Accuracy and loss by epoch, training beside validation, as a PNG; stages follow each other.

    `rows` have the attributes stage, loss, accuracy, val_loss, val_accuracy and
    val_calibrated. The best epoch of the last
    stage, which the run keeps, is marked.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.rc_context(STYLE):
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
        draw_field(left, rows, "accuracy", "Accuracy")
        draw_field(right, rows, "loss", "Log loss")
        left.legend(loc="lower right")
        figure.suptitle(title)
        aside = path.with_name(f".{path.name}")
        figure.savefig(aside, format="png")
        aside.replace(path)
        pyplot.close(figure)


def draw_field(axes: Any, rows: Sequence[Any], field: str, label: str) -> None:
    """One field ('accuracy' or 'loss') of training and validation by epoch; `rows` as in `draw_curves`."""
    epochs = range(1, len(rows) + 1)
    axes.plot(epochs, [getattr(row, field) for row in rows], "o-", ms=4, color=BLUE, label="training")
    validation = [getattr(row, f"val_{field}") for row in rows]
    axes.plot(epochs, validation, "s-", ms=4, color=ORANGE, label="validation")
    starts = [index for index, row in enumerate(rows) if index == 0 or row.stage != rows[index - 1].stage]
    for start in starts:
        if len(starts) > 1:
            axes.axvline(start + 0.5, color=INK, lw=0.8, ls=":")
            axes.text(start + 0.6, 1.0, rows[start].stage, transform=axes.get_xaxis_transform(), va="bottom")
    best = min(range(starts[-1], len(rows)), key=lambda index: rows[index].val_calibrated)
    axes.plot(best + 1, validation[best], "o", ms=12, mfc="none", color=ORANGE, label=f"kept: epoch {best + 1}")
    axes.set(xlabel="epoch", ylabel=label)
    axes.xaxis.get_major_locator().set_params(integer=True)


def draw_bars(path: Path, groups: Mapping[str, Bars], ours: Collection[str], unit: str) -> None:
    """One panel a group of horizontal bars with their spread, as a PNG; those called as in `ours` stand out."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.rc_context(STYLE):
        rows = -(-len(groups) // 2)
        figure, places = pyplot.subplots(rows, 2, figsize=(10, 0.6 + 2.4 * rows), squeeze=False, layout="constrained")
        for axes in places.flat[len(groups) :]:
            axes.remove()
        for axes, (title, bars) in zip(places.flat, groups.items(), strict=False):
            names, values = list(bars), list(bars.values())
            middles = [middle for _, middle, _ in values]
            spread = [[middle - low for low, middle, _ in values], [high - middle for _, middle, high in values]]
            colours = [ORANGE if name in ours else BLUE for name in names]
            drawn = axes.barh(names, middles, xerr=spread, color=colours, error_kw={"ecolor": INK, "linewidth": 1})
            axes.bar_label(drawn, [f"{middle:.3g}" for middle in middles], padding=6)
            axes.invert_yaxis()
            axes.grid(visible=False, axis="y")
            axes.margins(x=0.15)
            axes.set_title(title, fontsize=10)
            axes.set_xlabel(unit)
        aside = path.with_name(f".{path.name}")
        figure.savefig(aside, format="png")
        aside.replace(path)
        pyplot.close(figure)
