import pytest

from tests.fuzz.__main__ import main


def test_a_second_of_fuzzing_finds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["1", "20260304"]) == 0
    assert "nothing raised but alert errors" in capsys.readouterr().out


def test_without_a_time_it_says_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: python -m tests.fuzz SECONDS" in capsys.readouterr().err
