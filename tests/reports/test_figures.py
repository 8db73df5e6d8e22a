import io
import warnings
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from nawf.errors import InputError, ReportError
from nawf.reports.figures import check_figure_path, formula, hull_figure, save_figure, voltage_figure
from nawf.reports.voltage import ProfileRequest, make_profiles

# Static formation energies of a crowded system, eV/atom: invented, shaped like Na-Sn.
CROWDED = {
    "na": ("Na", 0.0),
    "sn": ("Sn", 0.0),
    "sn-beta": ("Sn", 0.03),
    "nasn": ("NaSn", -0.235),
    "nasn2": ("NaSn2", -0.19),
    "nasn3": ("NaSn3", -0.145),
    "na9sn4": ("Na9Sn4", -0.187),
    "na7sn3": ("Na7Sn3", -0.1835),
    "na5sn2": ("Na5Sn2", -0.178),
    "na15sn4": ("Na15Sn4", -0.145),
}


def voltage_of(basis, *arguments):
    return voltage_figure(basis, make_profiles(basis, ProfileRequest(*arguments)))


def drawn(figure):
    """The axes of a figure, laid out."""
    figure.canvas.draw()
    return figure.axes[0]


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def lines_with_label(axes, label):
    return [line for line in axes.lines if line.get_label() == label]


def labels(axes):
    return {text.get_text(): text for text in axes.texts}


def test_the_hull_is_drawn_through_stable_phases_and_names_them(make):
    phases = make.ji2024 | {"na2s2-beta": ("Na2S2", -0.95), "na3s": ("Na3S", -0.5)}
    axes = drawn(hull_figure(make.basis(make.energetics(phases), caption="vasp, r2SCAN")))
    assert axes.figure.axes[1].get_xlabel() == "x in Na$_x$S$_{1-x}$"
    assert axes.get_ylabel() == "formation energy (eV/atom)"
    assert axes.get_title() == "Na-S hull: vasp, r2SCAN"
    (hull,) = lines_with_label(axes, "static")
    assert hull.get_xdata() == pytest.approx([0, 2 / 7, 1 / 3, 1 / 2, 2 / 3, 1])
    assert hull.get_ydata() == pytest.approx([0, -0.591, -0.687, -0.976, -1.224, 0])
    assert legend(axes) == ["static", "above the hull"]
    unstable = [line for line in axes.lines if line.get_linestyle() == "None" and len(line.get_xdata())]
    points = sorted((x, y) for line in unstable for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True))
    assert np.array(points) == pytest.approx(np.array([(0.5, -0.95), (0.75, -0.5)]))
    assert set(labels(axes)) >= {
        "Na",
        "S$_{8}$",
        "Na$_{2}$S$_{5}$",
        "Na$_{2}$S$_{4}$",
        "Na$_{2}$S$_{2}$",
        "Na$_{2}$S",
    }


def test_the_hull_has_a_colour_for_each_condition(make):
    axes = drawn(hull_figure(make.basis(temperatures_k=(0, 300, 400))))
    assert legend(axes)[:4] == ["static", "0 K", "300 K", "400 K"]
    colours = [to_hex(lines_with_label(axes, label)[0].get_color()) for label in legend(axes)[:4]]
    assert len(set(colours)) == 4
    assert "above the hull" not in legend(axes)


def test_depths_and_energies_above_the_hull_are_drawn_below(make):
    phases = make.ji2024 | {"na2s2-beta": ("Na2S2", -0.95)}
    figure = hull_figure(make.basis(make.energetics(phases)))
    below = figure.axes[1]
    points = {
        (round(float(line.get_xdata()[0]), 3), line.get_markerfacecolor() == "none"): float(line.get_ydata()[0])
        for line in below.lines
        if line.get_marker() == "o"
    }
    # By hand: the depths that follow from ji2024's energies; β-Na2S2 lies 26 meV/atom above α.
    expected = {(0.667, False): -573.3, (0.5, False): -20.5, (0.333, False): -10.4, (0.286, False): -2.1}
    assert points == pytest.approx(expected | {(0.5, True): 26.0}, abs=0.05)


def test_names_of_a_crowded_hull_can_be_read(make):
    axes = drawn(hull_figure(make.basis(make.energetics(CROWDED))))
    boxes = {name: text.get_window_extent() for name, text in labels(axes).items()}
    assert len(boxes) == 8  # all stable phases; Na7Sn3 and β-Sn lie above the hull
    overlapping = [(a, b) for a, b in combinations(sorted(boxes), 2) if boxes[a].overlaps(boxes[b])]
    assert overlapping == []


def test_names_do_not_lie_on_the_hull_line(make):
    axes = drawn(hull_figure(make.basis(make.energetics(CROWDED))))
    (hull,) = lines_with_label(axes, "static")
    xy = np.column_stack([hull.get_xdata(), hull.get_ydata()])
    x = np.linspace(0, 1, 2001)
    line = axes.transData.transform(np.column_stack([x, np.interp(x, *xy.T)]))
    hidden = []
    for name, text in labels(axes).items():
        box = text.get_window_extent()
        if any(box.contains(*point) for point in line):
            hidden.append(name)
    assert hidden == []


def test_any_two_elements_have_a_hull_with_the_ion_on_the_right(make):
    for metal in ("Li", "Na"):
        phases = {"m": (metal, 0.0), "cl": ("Cl", 0.0), "salt": (f"{metal}Cl", -2.0)}
        axes = drawn(hull_figure(make.basis(make.energetics(phases))))
        assert axes.figure.axes[1].get_xlabel() == f"x in {metal}$_x$Cl$_{{1-x}}$"


def test_a_hull_of_three_elements_is_refused(make):
    phases = make.ji2024 | {"p": ("P", 0.0)}
    with pytest.raises(
        ReportError, match=r"needs two elements, and the phases have 3 \(Na-P-S\).*--system"
    ) as caught:
        hull_figure(make.basis(make.energetics(phases)))
    assert "\n" not in str(caught.value)
    with pytest.raises(ReportError, match="have 1"):
        hull_figure(make.basis(make.energetics({"na": ("Na", 0.0)})))


def test_the_voltage_is_a_staircase_over_capacity(make):
    axes = drawn(voltage_of(make.basis(caption="vasp, r2SCAN"), "S"))
    assert axes.get_xlabel() == "capacity (mAh per g of S without Na)"
    assert axes.get_ylabel() == "voltage vs Na/Na⁺ (V)"
    assert axes.get_title() == "Na into S: vasp, r2SCAN"
    (steps,) = lines_with_label(axes, "static")
    assert steps.get_xdata()[[0, 1, 2, 3, -1]] == pytest.approx([0, 334.4, 334.4, 418, 1672], abs=0.5)
    assert steps.get_ydata()[::2] == pytest.approx([2.07, 2.03, 1.84, 1.72], abs=0.005)
    assert steps.get_ydata()[::2] == pytest.approx(steps.get_ydata()[1::2])
    assert legend(axes) == ["static", "measured, GITT at 90 °C (ji2024)"]
    level = [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == ":"]
    assert level == [2.10, 1.81, 1.52]
    assert axes.get_xlim()[0] == 0


def test_the_kinetic_path_is_dashed_in_the_same_colour(make):
    axes = drawn(voltage_of(make.basis(temperatures_k=(300,)), "S", "Na", ("na2s2-alpha",)))
    assert legend(axes) == ["static", "300 K", "without Na$_{2}$S$_{2}$", "measured, GITT at 90 °C (ji2024)"]
    dashed = [line for line in axes.lines if line.get_linestyle() == "--" and len(line.get_xdata())]
    solid = [lines_with_label(axes, label)[0] for label in ("static", "300 K")]
    assert [line.get_color() for line in dashed] == [line.get_color() for line in solid]
    assert dashed[0].get_ydata()[-1] == pytest.approx(1.76, abs=0.005)


def test_what_is_skipped_is_told_of_each_condition_where_they_differ(make):
    # At 300 K Na2S2 is stiffer than the rest, and so the only one that is shallow there is Na2S5, if any.
    stiff = make.energetics(na2s2_alpha={"vibrations": make.vibrations(230.0)})
    basis = make.basis(stiff, (300,))
    profiles = make_profiles(basis, ProfileRequest("S", "Na", (), 15.0))
    skipped = {c.label: {s.formula for s in path.skipped} for c, path in profiles.kinetic.items()}
    assert skipped["static"] != skipped["300 K"]
    axes = drawn(voltage_figure(basis, profiles))
    for condition, formulas in skipped.items():
        label = f"{condition} without {', '.join(formula(f) for f in sorted(formulas))}"
        (dashed,) = lines_with_label(axes, label)
        assert dashed.get_linestyle() == "--"
        assert dashed.get_color() == lines_with_label(axes, condition)[0].get_color()
    assert not any(text.startswith("without") for text in legend(axes))


def test_a_condition_that_skips_nothing_is_not_said_to(make):
    energetics = make.energetics(na2s2_alpha={"vibrations": make.soft()})
    axes = drawn(voltage_of(make.basis(energetics, (300,)), "S", "Na", ("na2s2-alpha",)))
    assert legend(axes)[:3] == ["static", "static without Na$_{2}$S$_{2}$", "300 K"]


def test_marks_of_a_hull_are_explained_under_it(make):
    changes = {"na2s4": {"vibrations": make.soft()}, "na2s": {"origin": "prototype", "warnings": ("swollen",)}}
    figure = hull_figure(make.basis(make.energetics(**changes), (300,), include_soft=True))
    axes = drawn(figure)
    assert {"Na$_{2}$S$_{4}$†", "Na$_{2}$S°"} <= set(labels(axes))
    explained = figure.get_supxlabel().splitlines()
    assert [line[0] for line in explained] == ["†", "°"]
    (text,) = [t for t in figure.findobj(Text) if t.get_text() == figure.get_supxlabel()]
    assert text.get_window_extent().y1 < figure.axes[1].xaxis.label.get_window_extent().y0
    soft_only = hull_figure(make.basis(make.energetics(na2s4=changes["na2s4"]), (300,), include_soft=True))
    assert soft_only.get_supxlabel() == explained[0]
    assert hull_figure(make.basis()).get_supxlabel() == ""


def test_other_hosts_have_no_measured_lines(make):
    phases = {"na": ("Na", 0.0), "p": ("P", 0.0), "na3p": ("Na3P", -0.4)}
    axes = drawn(voltage_of(make.basis(make.energetics(phases)), "P"))
    assert legend(axes) == ["static"]


def test_a_profile_without_plateaus_is_no_picture(make):
    basis = make.basis(make.energetics({"na": ("Na", 0.0), "p": ("P", 0.0)}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ReportError, match="Na does not react with P"):
            voltage_of(basis, "P")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("Na2S", "Na$_{2}$S"), ("Na15Sn4", "Na$_{15}$Sn$_{4}$"), ("Na0.5S", "Na$_{0.5}$S"), ("NaP", "NaP")],
)
def test_formulas_have_subscripts(text, shown):
    assert formula(text) == shown


def test_files_are_what_their_names_say_and_the_same_every_time(make, tmp_path):
    contents = {}
    for suffix in (".png", ".svg", ".pdf"):
        for copy in ("a", "b"):
            basis = make.basis(temperatures_k=(300,), caption="vasp, r2SCAN")
            path = tmp_path / f"{copy}{suffix}"
            save_figure(voltage_of(basis, "S", "Na", ("na2s2-alpha",)), path)
            contents.setdefault(suffix, []).append(path.read_bytes())
    assert len(list(tmp_path.iterdir())) == 6
    assert imread(io.BytesIO(contents[".png"][0])).shape[1] > 800
    assert ElementTree.fromstring(contents[".svg"][0]).tag == "{http://www.w3.org/2000/svg}svg"
    assert contents[".pdf"][0].startswith(b"%PDF-")
    assert contents[".pdf"][0].rstrip().endswith(b"%%EOF")
    for first, _ in contents.values():
        assert b"CreationDate" not in first
        assert b"dc:date" not in first
    assert [suffix for suffix, (first, second) in contents.items() if first != second] == []


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.png.txt", ".png", "a.eps"])
def test_other_kinds_of_files_are_refused_before_anything_is_drawn(tmp_path, name):
    with pytest.raises(InputError, match=r"is no kind of picture that can be drawn \(use \.png, \.svg or \.pdf\)"):
        check_figure_path(tmp_path / name)
    with pytest.raises(InputError, match="is no kind of picture"):
        save_figure(Figure(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_no_picture_and_good_names_pass():
    check_figure_path(None)
    for name in ("a.png", "b.SVG", "c d.pdf"):
        check_figure_path(Path(name))


def test_a_missing_folder_is_one_clear_line(tmp_path):
    path = tmp_path / "none" / "a.png"
    with pytest.raises(InputError) as caught:
        save_figure(Figure(), path)
    assert str(caught.value) == f"{path}: cannot be written: no such file or directory"
    (tmp_path / "b.png").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        save_figure(Figure(), tmp_path / "b.png")
