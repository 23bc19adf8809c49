"""Progress bars in a log, and what they leave behind."""

import threading

from comp.base.progress import LogBar


def test_a_bar_starts_no_thread_that_ctrl_c_at_the_exit_could_interrupt():
    before = threading.enumerate()
    with LogBar(total=3, desc="work") as bar:
        bar.update()
        assert threading.enumerate() == before


def test_a_slow_step_after_fast_ones_is_shown_at_once(capsys, monkeypatch):
    """Without that thread, nothing else would notice that steps have become slow."""
    with LogBar(total=1002, desc="work", delay=0) as bar:
        now = [bar._time()]
        monkeypatch.setattr(bar, "_time", lambda: now[0])
        for _ in range(1000):
            bar.update()
        now[0] += 11
        bar.update()
        assert "1001/1002" in capsys.readouterr().err
