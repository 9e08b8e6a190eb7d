"""Charts for the documentation, written as SVG by hand: two kinds, no dependency.

They bring their own background and follow the reader's light or dark mode; their words are text, which can be searched,
read aloud and scaled. The same figures give the same bytes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

WIDTH = 760
EDGE = 16
TOP = 70
ROW = 34
PLOT_HEIGHT = 300
ABOUT = 'role="img" aria-labelledby="title subtitle" font-family="system-ui, sans-serif"'
LETTER = 8.2
"""Width of a letter, about; no font is asked."""

# A palette that colour-blind readers tell apart; for the dark mode each is lightened.
COLOURS = (
    ("#0072b2", "#56b4e9"),
    ("#d55e00", "#ff8f4a"),
    ("#00805c", "#3fd6a8"),
    ("#a3508a", "#e3a0cc"),
    ("#8a6d00", "#f0c943"),
    ("#5b5b5b", "#b9b9b9"),
)
DASHES = ("", "7 4", "2 4", "10 4 2 4", "4 2", "1 3")


class Bar(NamedTuple):
    """One bar of a bar chart."""

    label: str
    value: float
    text: str
    """What is written at its end."""
    strong: bool = False
    """Whether it is the one to look at."""


class Axis(NamedTuple):
    """One axis of a line chart."""

    label: str
    log: bool = False
    """Whether each step is ten times the last; values must be above 0."""


def bar_chart(title: str, subtitle: str, bars: Sequence[Bar], *, mark: tuple[float, str] | None = None) -> str:
    """Draw horizontal bars, one below another; *mark* is a value, and the words for it, that a dashed line shows."""
    left = EDGE + max(len(bar.label) for bar in bars) * LETTER + 10
    room = WIDTH - EDGE - left - max(len(bar.text) for bar in bars) * LETTER - 10
    most = max([bar.value for bar in bars] + ([mark[0]] if mark else [])) or 1.0
    bottom = TOP + len(bars) * ROW
    shapes, words = [], []
    for index, bar in enumerate(bars):
        y = TOP + index * ROW
        width = bar.value / most * room
        kind = "s1" if bar.strong else "s0"
        words.append(_text(left - 10, y + 19, bar.label, kind="label", anchor="end", strong=bar.strong))
        shapes.append(f'<rect class="f {kind}" x="{_n(left)}" y="{y + 4}" width="{_n(width)}" height="22" rx="3"/>')
        words.append(_text(left + width + 8, y + 19, bar.text, kind="label", strong=bar.strong))
    if mark:
        x = left + mark[0] / most * room
        shapes.append(f'<line class="mark" x1="{_n(x)}" y1="{TOP - 6}" x2="{_n(x)}" y2="{bottom + 4}"/>')
        words.append(_text(x, bottom + 20, mark[1], kind="note", anchor="middle"))
    return _svg(title, subtitle, bottom + (36 if mark else EDGE), [*shapes, *words])


def line_chart(
    title: str, subtitle: str, lines: Mapping[str, Sequence[tuple[float, float]]], *, x: Axis, y: Axis
) -> str:
    """Draw one line for each name in *lines*, through its points in their order, with a legend below."""
    across = _Scale([point[0] for points in lines.values() for point in points], EDGE + 64, WIDTH - EDGE - 20, x)
    up = _Scale([point[1] for points in lines.values() for point in points], TOP + PLOT_HEIGHT, TOP, y)
    parts = [*_grid(across, up), *_axis_names(x, y)]
    for index, points in enumerate(lines.values()):
        path = " ".join(f"{_n(across.at(a))},{_n(up.at(b))}" for a, b in points)
        dash = DASHES[index % len(DASHES)]
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        parts.append(f'<polyline class="l s{index % len(COLOURS)}"{dashed} points="{path}"/>')
    top = TOP + PLOT_HEIGHT + 62
    parts += _legend(list(lines), top)
    rows = math.ceil(len(lines) / 2)
    return _svg(title, subtitle, top + rows * 22, parts)


class _Scale:
    """From values to places."""

    def __init__(self, values: Sequence[float], start: float, end: float, axis: Axis) -> None:
        self._log = axis.log
        self._start, self._end = start, end
        self.ticks = _decades(values) if axis.log else _ticks(values)
        self._low, self._high = self._place(self.ticks[0]), self._place(self.ticks[-1])

    def at(self, value: float) -> float:
        """Tell where *value* is."""
        share = (self._place(value) - self._low) / ((self._high - self._low) or 1.0)
        return self._start + share * (self._end - self._start)

    def _place(self, value: float) -> float:
        return math.log10(value) if self._log else value


def _ticks(values: Sequence[float]) -> list[float]:
    """Give round numbers, from 0 or below, that reach over all *values*."""
    low, high = min(0.0, *values), max(0.0, *values)
    raw = ((high - low) or 1.0) / 5
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    return [step * count for count in range(math.floor(low / step), math.ceil(high / step - 1e-9) + 1)]


def _decades(values: Sequence[float]) -> list[float]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return [10.0**power for power in range(low, max(high, low + 1) + 1)]


def _grid(across: _Scale, up: _Scale) -> Iterator[str]:
    left, right = across.at(across.ticks[0]), across.at(across.ticks[-1])
    bottom = up.at(up.ticks[0])
    for value in up.ticks:
        y = up.at(value)
        yield f'<line class="grid" x1="{_n(left)}" y1="{_n(y)}" x2="{_n(right)}" y2="{_n(y)}"/>'
        yield _text(left - 8, y + 4, _short(value), kind="note", anchor="end")
    for value in across.ticks:
        yield _text(across.at(value), bottom + 18, _short(value), kind="note", anchor="middle")


def _axis_names(x: Axis, y: Axis) -> Iterator[str]:
    yield _text(WIDTH / 2, TOP + PLOT_HEIGHT + 38, x.label, kind="note", anchor="middle")
    middle = TOP + PLOT_HEIGHT / 2
    yield (
        f'<text class="note" text-anchor="middle" transform="translate({EDGE + 8} {_n(middle)}) rotate(-90)">'
        f"{escape(y.label)}</text>"
    )


def _legend(names: Sequence[str], top: float) -> Iterator[str]:
    for index, name in enumerate(names):
        x = EDGE + 64 + (index % 2) * (WIDTH - EDGE - 64) / 2
        y = top + index // 2 * 22
        dash = DASHES[index % len(DASHES)]
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        kind = f"l s{index % len(COLOURS)}"
        yield f'<line class="{kind}"{dashed} x1="{_n(x)}" y1="{_n(y - 4)}" x2="{_n(x + 34)}" y2="{_n(y - 4)}"/>'
        yield _text(x + 42, y, name, kind="label")


def _svg(title: str, subtitle: str, height: float, parts: Sequence[str]) -> str:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {_n(height)}" {ABOUT}>',
        f"<style>{_style()}</style>",
        f'<rect class="back" width="{WIDTH}" height="{_n(height)}" rx="8"/>',
        f'<text id="title" class="title" x="{EDGE}" y="28">{escape(title)}</text>',
        f'<text id="subtitle" class="note" x="{EDGE}" y="48">{escape(subtitle)}</text>',
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _style() -> str:
    common = (
        ".title{font-size:17px;font-weight:600}.label{font-size:13px;paint-order:stroke;stroke-width:4px}.note{font-size:12px}.strong{font-weight:700}"
        ".l{fill:none;stroke-width:2.2}.mark{stroke-width:1.5;stroke-dasharray:5 4}"
    )
    light = _mode([pair[0] for pair in COLOURS], back="#ffffff", ink="#1f2328", faint="#57606a", grid="#d8dee4")
    dark = _mode([pair[1] for pair in COLOURS], back="#1e2129", ink="#e6edf3", faint="#a5b0bb", grid="#3a414c")
    return f"{common}{light}@media (prefers-color-scheme:dark){{{dark}}}"


def _mode(colours: Sequence[str], *, back: str, ink: str, faint: str, grid: str) -> str:
    series = "".join(
        f".f.s{index}{{fill:{colour}}}.l.s{index}{{stroke:{colour}}}" for index, colour in enumerate(colours)
    )
    return (
        f".back{{fill:{back}}}.title,.label{{fill:{ink}}}.label{{stroke:{back}}}.note{{fill:{faint}}}"
        f".grid{{stroke:{grid}}}.mark{{stroke:{faint}}}{series}"
    )


def _text(x: float, y: float, words: str, *, kind: str, anchor: str = "start", strong: bool = False) -> str:
    kind = f"{kind} strong" if strong else kind
    return f'<text class="{kind}" x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}">{escape(words)}</text>'


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _short(value: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
