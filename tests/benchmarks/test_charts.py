"""Charts: text that can be read, shapes that tell the truth."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from charts import Axis, Bar, bar_chart, line_chart

SVG = "{http://www.w3.org/2000/svg}"

BARS = [Bar("always on", 540, "540 min"), Bar("on demand", 54, "54 min", strong=True)]


def parsed(svg: str) -> ET.Element:
    """Read a chart as XML, which it has to be."""
    return ET.fromstring(svg)  # noqa: S314 - of our own making


def texts(svg: str) -> list[str]:
    """The words of a chart, in order."""
    return [element.text or "" for element in parsed(svg).iter(f"{SVG}text")]


def bars(svg: str) -> list[dict[str, str]]:
    """The bars of a chart."""
    return [element.attrib for element in parsed(svg).iter(f"{SVG}rect") if "f " in element.get("class", "")]


def places(svg: str) -> list[list[tuple[float, float]]]:
    """The points of each line of a chart."""
    lines = [element.get("points", "") for element in parsed(svg).iter(f"{SVG}polyline")]
    return [[(float(x), float(y)) for x, y in (pair.split(",") for pair in line.split())] for line in lines]


def test_words_are_text() -> None:
    """Title, labels and values can be searched and read aloud; what looks like markup stays text."""
    svg = bar_chart("Radio <on> & off", "nine hours", BARS, mark=(81, "15 %"))
    assert texts(svg) == ["Radio <on> & off", "nine hours", "always on", "540 min", "on demand", "54 min", "15 %"]
    assert parsed(svg).get("role") == "img"


def test_bars_are_as_long_as_their_values() -> None:
    """A tenth of the value is a tenth of the length, and the mark stands where its value is."""
    svg = bar_chart("t", "s", BARS, mark=(270, "half"))
    first, second = bars(svg)
    assert float(second["width"]) == pytest.approx(float(first["width"]) / 10, abs=0.1)
    mark = next(element for element in parsed(svg).iter(f"{SVG}line"))
    assert float(mark.get("x1", "")) == pytest.approx(float(first["x"]) + float(first["width"]) / 2, abs=0.1)
    assert (first["class"], second["class"]) == ("f s0", "f s1")


def test_bars_of_nothing_can_be_drawn() -> None:
    """Where all values are 0 there is nothing to divide by."""
    assert [bar["width"] for bar in bars(bar_chart("t", "s", [Bar("a", 0, "0"), Bar("b", 0, "0")]))] == ["0", "0"]


def test_lines_go_through_their_points() -> None:
    """Equal steps are equally far apart, upwards is up, and each line has its name."""
    svg = line_chart("t", "s", {"ours": [(0, 0), (50, 50), (100, 100)], "theirs": [(0, 100)]}, x=Axis("s"), y=Axis("%"))
    (left, bottom), (middle, centre), (right, top) = places(svg)[0]
    assert (middle, centre) == (pytest.approx((left + right) / 2), pytest.approx((bottom + top) / 2))
    assert left < right
    assert top < bottom
    assert {"ours", "theirs", "s", "%", "0", "100"} <= set(texts(svg))


def test_a_log_axis_steps_by_ten() -> None:
    """Ten times the value is one step further, wherever it stands."""
    points = [(1.0, 1.0), (2.0, 10.0), (3.0, 100.0), (4.0, 20_000.0)]
    svg = line_chart("t", "s", {"a": points}, x=Axis("x"), y=Axis("y", log=True))
    heights = [y for _, y in places(svg)[0]]
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.1)
    assert {"1", "10", "100", "1k", "10k", "100k"} <= set(texts(svg))


@pytest.mark.parametrize("values", [[0.0], [3.0, 3.0], [0.001, 0.0007], [-5.0, 12.0], [1e6, 2.5e6]])
def test_axes_reach_over_all_values(values: list[float]) -> None:
    """However small, large, equal or negative they are, every point lies within the chart."""
    svg = line_chart("t", "s", {"a": [(index, value) for index, value in enumerate(values)]}, x=Axis("x"), y=Axis("y"))
    height = float(parsed(svg).get("viewBox", "").split()[3])
    assert all(0 < x < 760 and 0 < y < height for x, y in places(svg)[0])


def test_both_modes_have_colours_of_their_own() -> None:
    """A chart brings its background, and another one with other colours for readers in the dark."""
    style = parsed(bar_chart("t", "s", BARS)).findtext(f"{SVG}style") or ""
    light, dark = style.split("@media (prefers-color-scheme:dark)")
    for rule in (".back{fill:", ".title,.label{fill:", ".f.s0{fill:", ".f.s1{fill:"):
        assert light.split(rule)[1][:7] != dark.split(rule)[1][:7]


def test_the_same_figures_give_the_same_bytes() -> None:
    """Drawn anew, a chart does not differ."""
    assert bar_chart("t", "s", BARS) == bar_chart("t", "s", BARS)
