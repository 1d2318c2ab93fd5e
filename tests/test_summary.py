"""What a person sees in the terminal: bars with rate and time left while work goes on, a table at its end."""

import io
import sys

import pytest
from tiny_runs import draw_pictures, save_tiny_run, submit_here

from jobs.filling import show_progress
from jobs.summary import show_summary


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_summary_shows_values_as_they_are_and_folds_no_line_of_a_log(capsys):
    long = "a/" * 70 + "[bold]page.html"
    show_summary([("run", "[red]mine"), ("page", long)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and "[red]mine" in lines[1] and long in lines[2]


def test_on_a_terminal_a_long_value_is_folded_and_not_cut(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    show_summary([("page", "a/" * 70)])
    lines = terminal.getvalue().splitlines()
    assert max(map(len, lines)) <= 40
    assert sum(line.count("a") for line in lines) == 70 + 1


@pytest.mark.parametrize("on_terminal", [True, False])
def test_scoring_shows_a_bar_with_rate_and_time_left_on_a_terminal_alone(tmp_path, capfd, monkeypatch, on_terminal):
    save_tiny_run(tmp_path / "run")
    draw_pictures(tmp_path / "images", 40)
    shown = Terminal() if on_terminal else io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", shown)
        patch.setenv("TQDM_MININTERVAL", "0")
        done = submit_here(capfd, tmp_path / "run", tmp_path / "images", tmp_path / "s.csv")
    assert done.code == 0
    assert "│ scored now" in done.output and "40 of 40" in done.output
    bar = shown.getvalue()
    if on_terminal:
        assert "scoring:  80%" in bar and "32/40 [00:0" in bar and "picture/s" in bar and "<00:" in bar
    else:
        assert bar == ""


@pytest.mark.parametrize("on_terminal", [True, False])
def test_unpacking_shows_a_bar_on_a_terminal_and_one_line_elsewhere(capsys, monkeypatch, on_terminal):
    shown = Terminal() if on_terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    with show_progress("unpacking train.zip", 4, "files") as advance:
        for _ in range(4):
            advance(1)
    if on_terminal:
        assert "unpacking train.zip: 100%" in shown.getvalue() and "files/s" in shown.getvalue()
        assert capsys.readouterr().out == ""
    else:
        assert shown.getvalue() == "" and capsys.readouterr().out == "unpacking train.zip (4 files) ...\n"
