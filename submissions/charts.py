"""Arrays in, charts for a page out: vector graphics, light and dark, each with its text for who can't see it."""

import base64
import io
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from submissions.plots import BLUE, GREY, INK, ORANGE, STYLE, draw_field

SIZE = (3.1, 2.7)  # inches; small, so that the writing stays readable on a phone and four beside each other
# What is dark on white must be light on black: Okabe and Ito's sky blue for their blue.
DARK = {INK: "#e6e9ec", GREY: "#4a525b", BLUE: "#56b4e9", ORANGE: "#ee8434"}
BINS = 10
LEAST = 5  # pictures of a bin, for its share to say anything
CLIPS = np.geomspace(1e-5, 0.2, 60)


class Chart(NamedTuple):
    """A picture as two data URIs, what stands under it, and what it shows in words."""

    title: str
    note: str
    alt: str
    light: str
    dark: str


def _chart(title: str, note: str, alt: str, draw: Callable[[Any], None]) -> Chart:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.rc_context({**STYLE, "svg.hashsalt": "pawscore", "savefig.transparent": True}):
        figure, axes = pyplot.subplots(figsize=SIZE, layout="constrained")
        draw(axes)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
        pyplot.close(figure)
    light = text.getvalue()
    dark = light
    for colour, other in DARK.items():
        dark = dark.replace(colour, other)
    return Chart(title, note, alt, _uri(light), _uri(dark))


def _uri(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg[svg.index("<svg") :].encode()).decode()


def curve_charts(rows: Sequence[Any]) -> list[Chart]:
    """Accuracy and log loss by epoch, training beside validation; `rows` as in `plots.draw_curves`."""
    last = rows[-1]
    charts = []
    for field, title in (("accuracy", "Accuracy by epoch"), ("loss", "Log loss by epoch")):
        ends = f"{getattr(last, field):.4f} on the training part and {getattr(last, f'val_{field}'):.4f} on validation"
        alt = f"Line chart of {len(rows)} epochs. The last one has {ends}."
        charts.append(_chart(title, "The ring marks the epoch that is kept.", alt, _curve(rows, field)))
    return charts


def _curve(rows: Sequence[Any], field: str) -> Callable[[Any], None]:
    def draw(axes: Any) -> None:
        draw_field(axes, rows, field, {"accuracy": "accuracy", "loss": "log loss"}[field])
        axes.legend(loc="best")

    return draw


def roc_chart(labels: np.ndarray, probabilities: np.ndarray, auc: float, classes: Sequence[str]) -> Chart:
    """The share of class 1 that is found against the share of class 0 that is taken for it, at every threshold."""
    order = np.argsort(-probabilities, kind="stable")
    hits, ends = np.asarray(labels)[order], np.flatnonzero(np.append(np.diff(probabilities[order]) != 0, True))
    true = np.append(0, np.cumsum(hits)[ends]) / max(1, hits.sum())
    false = np.append(0, np.cumsum(1 - hits)[ends]) / max(1, (1 - hits).sum())

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], ":", color=INK, lw=1)
        axes.plot(false, true, color=BLUE, lw=2)
        axes.set(xlabel=f"{classes[0]}s taken for {classes[1]}s", ylabel=f"{classes[1]}s found", aspect="equal")
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))

    alt = f"ROC curve; the area under it is {auc:.5f}, where 0.5 is guessing (the dotted line) and 1 is perfect."
    return _chart("ROC", f"Area under the curve: {auc:.5f}. Dotted: guessing.", alt, draw)


def reliability_chart(labels: np.ndarray, raw: np.ndarray, calibrated: np.ndarray, name: str) -> Chart:
    """How often pictures of a given probability are of class 1, before and after calibration.

    Bins of equal width (M. H. DeGroot, S. E. Fienberg, 1983); those with fewer than LEAST pictures are left out.
    """

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], ":", color=INK, lw=1)
        for values, style, colour, label in ((raw, "s--", ORANGE, "before"), (calibrated, "o-", BLUE, "after")):
            axes.plot(*_reliability(labels, values), style, color=colour, ms=5, label=label)
        axes.set(xlabel="probability that it says", ylabel=f"share of {name}s", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.legend(loc="lower right")

    alt = (
        f"Reliability diagram. The mean distance between what is said and what is true, weighed by pictures, is "
        f"{_gap(labels, raw):.4f} before calibration and {_gap(labels, calibrated):.4f} after."
    )
    note = (
        f"On the dotted line, 80 % means 80 %. Mean gap {_gap(labels, raw):.4f} before calibration, "
        f"{_gap(labels, calibrated):.4f} after. Tenths with fewer than {LEAST} pictures are left out."
    )
    return _chart("Reliability", note, alt, draw)


def _binned(labels: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    places = np.minimum((values * BINS).astype(int), BINS - 1)
    counts = np.bincount(places, minlength=BINS)
    said = np.bincount(places, weights=values, minlength=BINS) / np.maximum(1, counts)
    true = np.bincount(places, weights=labels, minlength=BINS) / np.maximum(1, counts)
    return counts, said, true


def _reliability(labels: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    counts, said, true = _binned(labels, values)
    return said[counts >= LEAST], true[counts >= LEAST]


def _gap(labels: np.ndarray, values: np.ndarray) -> float:
    counts, said, true = _binned(labels, values)
    return float((counts * np.abs(said - true)).sum() / max(1, counts.sum()))


def clip_chart(labels: np.ndarray, unclipped: np.ndarray, clip: float) -> Chart:
    """The log loss of calibrated probabilities that are kept within [c, 1 - c], against c; `clip` is the run's."""

    def loss(edge: float) -> float:
        inside = np.clip(unclipped, edge, 1 - edge)
        return float(-np.mean(np.where(labels == 1, np.log(inside), np.log1p(-inside))))

    losses = [loss(edge) for edge in CLIPS]
    best = int(np.argmin(losses))

    def draw(axes: Any) -> None:
        axes.semilogx(CLIPS, losses, color=BLUE, lw=2)
        axes.plot(clip, loss(clip), "o", ms=11, mfc="none", mew=2, color=ORANGE, label=f"the run's clip, {clip:.2g}")
        axes.set(xlabel="clip", ylabel="log loss")
        axes.legend(loc="upper left")

    alt = (
        f"Line chart. At the run's clip of {clip:.2g} the log loss is {loss(clip):.4f}; the least, {losses[best]:.4f}, "
        f"would be at {CLIPS[best]:.2g}."
    )
    note = f"A clip bounds what one confident miss costs. The least here, {losses[best]:.4f}, is at {CLIPS[best]:.2g}."
    return _chart("Log loss against the clip", note, alt, draw)


def class_histogram(labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]) -> Chart:
    """How the probabilities of class 1 are spread, by true class."""
    groups = [(probabilities[labels == label], f"{classes[label]}s") for label in (0, 1)]
    sides = [f"{100 * np.mean((group < 0.1) | (group > 0.9)):.1f} % of {name}" for group, name in groups if len(group)]
    alt = f"Histogram of the probability of {classes[1]} by true class, the counts on a logarithmic scale. "
    alt += f"Surer than 90 %: {' and '.join(sides)}."
    return _histogram(f"Probability of {classes[1]}", groups, alt, "pictures", as_shares=False)


def score_histogram(scored: np.ndarray, validation: np.ndarray, name: str) -> Chart:
    """How the probabilities of a scored folder are spread, beside those of the validation part."""
    groups = [(scored, "these pictures"), (validation, "validation part")]
    shares = [f"{100 * np.mean(group >= 0.5):.1f} % of {label}" for group, label in groups if len(group)]
    alt = f"Histogram of the probability of {name}, as shares on a logarithmic scale. "
    alt += f"Taken for {name}s: {' and '.join(shares)}."
    return _histogram(f"Probability of {name}", groups, alt, "share of pictures", as_shares=True)


def _histogram(title: str, groups: Sequence[tuple[np.ndarray, str]], alt: str, label: str, as_shares: bool) -> Chart:
    def draw(axes: Any) -> None:
        edges = np.linspace(0, 1, 21)
        for (values, name), colour, hatch in zip(groups, (ORANGE, BLUE), ("", "///"), strict=True):
            share = np.full(len(values), 1 / max(1, len(values))) if as_shares else None
            axes.hist(
                values, edges, weights=share, histtype="stepfilled", facecolor=colour + "40", edgecolor=colour,
                hatch=hatch, lw=1.5, label=name,
            )  # fmt: skip
        axes.set_yscale("log")
        axes.set(xlabel=title[0].lower() + title[1:], ylabel=label, xlim=(0, 1))
        axes.legend(loc="upper center")

    return _chart(title, "The scale is logarithmic: each line stands for ten times the one below.", alt, draw)
