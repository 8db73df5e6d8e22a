import warnings

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.image import imread

from nawf.errors import InputError, ReportError
from nawf.level import Level
from nawf.reports.elastic_figure import plane_directions, young_figure
from nawf.reports.figures import save_figure
from nawf.reports.selected import Selected
from nawf.results.verdict import Reason, Verdict

C11, C12, C44 = 57.7, 17.2, 19.9


@pytest.fixture
def phases(records):
    """So many phases of the solid that the fixture makes."""

    def make(n, **changes):
        documents = tuple(
            records.document(f"phase-{i}", "elastic", card={"formula": "Na2S"}, **changes) for i in range(n)
        )
        return Selected("elastic", documents, caption="vasp, r2SCAN")

    return make


def panels(figure):
    figure.canvas.draw()
    return [axes for axes in figure.axes if axes.name == "polar"]


def test_lines_are_the_modulus_along_directions(phases):
    (axes,) = panels(young_figure(phases(1)))
    s11 = (C11 + C12) / ((C11 - C12) * (C11 + 2 * C12))
    s12 = -C12 / ((C11 - C12) * (C11 + 2 * C12))
    assert len(axes.lines) == 3
    for line in axes.lines:
        angle, modulus = np.array(line.get_xdata()), np.array(line.get_ydata())
        c, s = np.cos(angle), np.sin(angle)
        by_hand = 1 / (s11 - 2 * (s11 - s12 - 1 / (2 * C44)) * c**2 * s**2)
        assert modulus == pytest.approx(by_hand)
    assert len({to_hex(line.get_color()) for line in axes.lines}) == 3
    assert len({line.get_linestyle() for line in axes.lines}) == 3


@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 2), (0, 2)])
def test_directions_in_a_plane_begin_at_its_first_axis(first, second):
    angles, directions = plane_directions(first, second, 5)
    assert angles == pytest.approx(np.radians([0, 90, 180, 270, 360]))
    assert directions[0] == pytest.approx(np.eye(3)[first])
    assert directions[1] == pytest.approx(np.eye(3)[second], abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 4, 6, 9])
def test_one_panel_for_each_phase_with_room_for_all(phases, n):
    figure = young_figure(phases(n))
    found = panels(figure)
    assert [axes.get_title().splitlines()[1] for axes in found] == [f"phase-{i}" for i in range(n)]
    boxes = [axes.get_tightbbox(figure.canvas.get_renderer()) for axes in found]
    for i, box in enumerate(boxes):
        assert not any(box.shrunk(0.98, 0.98).overlaps(other.shrunk(0.98, 0.98)) for other in boxes[i + 1 :])
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "xy plane, from x (0°) to y (90°)",
        "yz plane, from y (0°) to z (90°)",
        "xz plane, from x (0°) to z (90°)",
    ]
    below = legend.get_window_extent()
    assert not any(box.overlaps(below) for box in boxes)
    assert below.x0 >= 0
    assert below.x1 <= figure.bbox.x1
    assert "vasp, r2SCAN" in figure.get_suptitle()


def test_circles_are_labelled_in_gpa_within_the_panel(phases):
    (axes,) = panels(young_figure(phases(1)))
    values = [float(text.get_text()) for text in axes.texts]
    assert values == [text.get_position()[1] for text in axes.texts]
    assert 1 <= len(values) <= 4
    assert 0 < max(values) <= axes.get_rmax()
    assert axes.get_rmin() == 0


def test_too_many_phases_are_refused_with_what_to_do(phases):
    with pytest.raises(
        InputError, match=r"^10 phases are too many for one picture \(choose up to 9 with --phases\)$"
    ):
        young_figure(phases(10))


def test_nothing_to_draw_is_said(phases):
    failed = Verdict(reasons=(Reason(rule="fit", level=Level.FAIL, message="nonsense"),))
    with pytest.raises(ReportError, match="no elastic tensor passed its checks"):
        young_figure(phases(2, verdict=failed))


def test_it_is_drawn_without_complaints_and_the_same_every_time(phases, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("a.svg", "b.svg", "c.png"):
            save_figure(young_figure(phases(6)), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert imread(tmp_path / "c.png").shape[1] > 1000
