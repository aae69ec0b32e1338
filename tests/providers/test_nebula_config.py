"""The block list of a configuration, edited and put back to the last byte."""

import itertools

import pytest
import yaml

from activities.providers.nebula_config import (
    blocklist,
    disconnects,
    ours,
    with_entry,
    without_entries,
)

WEB, DB, THEIRS, MORE = ("a" * 64, "b" * 64, "c" * 64, "0123" * 16)
WRITTEN = {
    "absent": "# top\npki:\n  # who signs\n  ca: /x\n  key: /y\nlisten: {port: 1}\n",
    "commented out": f"pki:\n  ca: /x\n  #blocklist:\n  #  - {THEIRS}\n  key: /y\n",
    "a list": f"pki:\n  ca: /x\n  blocklist:\n    - {THEIRS} # theirs\n  key: /k\nlisten:\n  a: 1\n",
    "a list without indent": f'pki:\n  ca: /x\n  blocklist:\n  - "{THEIRS}"\n  - {MORE}\n  key: /k\n',
    "a list at the end": f"listen: {{}}\npki:\n  ca: /x\n  blocklist:\n    - '{THEIRS}'\n",
    "nothing": "pki:\n  ca: /x\n  blocklist:\n  key: /k\n",
    "nothing, and why": "pki:\n  blocklist: # nothing yet\n  key: /k\n",
    "empty brackets": "pki:\n  ca: /x\n  blocklist: []\n  key: /k\n",
    "brackets": f'pki:\n    ca: /x\n    blocklist: [ "{THEIRS}",  {MORE} ]\n    key: /k\n',
    "carriage returns": "pki:\r\n  ca: /x\r\n  key: /y\r\n",
    "a list with carriage returns": f"pki:\r\n  blocklist:\r\n    - {THEIRS}\r\n  key: /y\r\n",
    "inline certificate": f"pki:\n  ca: |\n    -----BEGIN\n    blocklist: no\n  blocklist:\n    - {THEIRS}\n",
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("undone", list(itertools.permutations(("web", "db"))))
def test_two_hosts_are_listed_and_taken_out_in_either_order(
    text: str, undone: tuple[str, str]
) -> None:
    before = blocklist(text)
    both = with_entry(text, WEB, host="web", tag="INC-1")
    both = with_entry(both, DB, host="db", tag="INC-2")
    assert set(blocklist(both)) == {*before, WEB, DB}
    assert (ours(both, "web"), ours(both, "db")) == ((WEB,), (DB,))
    assert with_entry(both, WEB, host="web", tag="INC-3") == both
    for comment in (line for line in text.splitlines() if "#" in line):
        assert comment in both
    for host in undone:
        both = without_entries(both, host)
    assert both == text


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_what_somebody_else_lists_meanwhile_stays(text: str) -> None:
    mine = with_entry(text, WEB, host="web", tag="INC-1")
    line = next(line for line in mine.splitlines(keepends=True) if WEB in line)
    theirs = line.replace(WEB, "d" * 64).split(" #")[0] + "\n"
    after = without_entries(mine.replace(line, line + theirs), "web")
    assert set(blocklist(after)) == {*blocklist(text), "d" * 64}
    expected = yaml.safe_load(text)
    found = yaml.safe_load(after)
    for one in (expected, found):
        one["pki"].pop("blocklist", None)
    assert found == expected


def test_a_host_whose_name_begins_like_another_s_is_another() -> None:
    text = WRITTEN["absent"]
    both = with_entry(text, WEB, host="web", tag="")
    both = with_entry(both, DB, host="web1", tag="")
    assert ours(without_entries(both, "web"), "web1") == (DB,)


@pytest.mark.parametrize("tag", ["x\n  evil: 1", '" #', "$(id)", "y" * 500])
def test_a_tag_cannot_say_anything_to_nebula(tag: str) -> None:
    text = with_entry(WRITTEN["a list"], WEB, host="we b\n", tag=tag)
    assert set(blocklist(text)) == {THEIRS, WEB}
    assert without_entries(text, "we b\n") == WRITTEN["a list"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("listen: {}\n", "expected a mapping `pki`, found none"),
        ("pki: [\n", "it is not YAML"),
        ("- 1\n", "expected a mapping `pki`"),
        ("pki: {ca: /x}\n", "expected `pki` as a mapping of lines"),
        ("pki:\n  blocklist: yes\n", "expected a list as pki.blocklist, found bool"),
        ("pki:\n  blocklist: {a: 1}\n", "expected a list as pki.blocklist, found dict"),
        (f"pki:\n  blocklist: [{THEIRS}] # why\n", "more than the list on its line"),
        (f"pki:\n  blocklist: [{THEIRS},\n   {MORE}]\n", "more than the list on its line"),
        (f"pki:\n  blocklist:\n    - {THEIRS}", "does not end with a line feed"),
        (f"o: &l\n  - {THEIRS}\npki:\n  blocklist: *l\n", "more than pki.blocklist"),
    ],
)
def test_what_cannot_be_edited_with_certainty_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("[", r"\[")):
        with_entry(text, WEB, host="web", tag="INC-1")


@pytest.mark.parametrize(
    ("line", "by_default", "expected"),
    [
        ("disconnect_invalid: true", False, True),
        ("disconnect_invalid: false", True, False),
        ('disconnect_invalid: "true"', True, False),
        ("ca: /x", False, False),
        ("ca: /x", True, True),
    ],
)
def test_whether_tunnels_are_ended_is_told_by_the_file_and_else_by_the_version(
    line: str, by_default: bool, expected: bool
) -> None:
    assert disconnects(f"pki:\n  {line}\n", by_default=by_default) is expected
