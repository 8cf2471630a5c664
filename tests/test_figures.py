"""Pictures show what they were given, and none is written of nothing."""

from pathlib import Path

import pytest

from experiments import figures, search


@pytest.fixture
def axes():
    figure, panels = figures.grid_of((1, 1))
    yield panels[0, 0]
    figures.plt.close(figure)


def log(*values):
    return [{"epoch": epoch, "error": value} for epoch, value in enumerate(values, 1)]


def test_one_epoch_is_a_point_and_several_are_a_line(axes):
    figures.curves(axes, {"one": log(0.5), "two": log(0.5, 0.4)}, "error", "errors")
    assert [line.get_marker() for line in axes.lines] == ["o", "None"]


@pytest.mark.parametrize(("values", "scale"), [((0.5, 0.1), "log"), ((0.5, 0.0), "linear"), ((-3.0,), "linear")])
def test_a_logarithmic_scale_is_for_positive_values(axes, values, scale):
    figures.curves(axes, {"all above 0": log(1.0), "own": log(*values)}, "error", "errors", log=True)
    assert axes.get_yscale() == scale


def test_of_nothing_there_is_no_picture(axes, tmp_path):
    figures.curves(axes, {"of a table": log(0.5)}, "validation/error", "errors", log=True)
    figures.save_figure(axes.figure, tmp_path / "errors.png")
    assert [*tmp_path.iterdir()] == []


def test_titles_of_a_search_are_short_enough_to_stand_beside_each_other(monkeypatch):
    logs = {"0.1": {model: {"seed 0": [{"epoch": 1, search.METRIC: 0.5}]} for model in ("a_model", "another")}}
    drawn = []
    monkeypatch.setattr(figures, "save_figure", lambda figure, path: drawn.append((figure, path)))
    search.draw(search.Config(out=Path("run")), logs)
    ((figure, path),) = drawn
    assert path == Path("run/errors.png")
    assert [panel.get_title() for panel in figure.axes] == ["a_model, by view_rate", "another, by view_rate"]
    assert {panel.get_ylabel() for panel in figure.axes} == {"error on validation images"}
    figures.plt.close(figure)
