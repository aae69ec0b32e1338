"""
A run in which nothing may be skipped: `RESPONDER_NO_SKIPS=1`, honoured as root on Linux.

A machine like that can run everything, so that a skipped test is a test that nobody has run. What
is meant for another kind of machine says so: its reason begins with `not here:`.
"""

import os
import sys

import pytest

ELSEWHERE = "not here:"
_skipped: list[str] = []


def armed() -> bool:
    """Whether skips are failures in this run."""
    asked = os.environ.get("RESPONDER_NO_SKIPS") == "1"
    return asked and sys.platform == "linux" and os.geteuid() == 0


def _note(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    why = why.removeprefix("Skipped: ")
    if not why.startswith(ELSEWHERE):
        _skipped.append(f"{report.nodeid}: {why}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _note(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    _note(report)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _skipped and armed() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _skipped and armed():
        terminalreporter.section("skipped, although this machine could run them", red=True)
        for line in _skipped:
            terminalreporter.line(line)
