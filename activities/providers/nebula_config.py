"""
The block list in a Nebula configuration, edited line by line so that every comment stays. Pure.

Where the list stands is told by a YAML parser, what is changed are whole lines of ours, and what came
of it is parsed again: only `pki.blocklist` may differ. What we add says so in a comment, which is how
it is found again when it is taken out, whatever else was changed meanwhile.
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml

_MARK = "# responder"
_ABSENT = f"{_MARK}: was absent"
_WAS = f"{_MARK}: was "
_TAG = re.compile(r"[^A-Za-z0-9_.:/-]")


def blocklist(text: str) -> tuple[str, ...]:
    """The fingerprints that the configuration refuses. Raises `ValueError` if it has no such list."""
    pki = _pki(text)
    listed = pki.get("blocklist")
    if listed is None:
        return ()
    if not isinstance(listed, list):
        found = type(listed).__name__
        raise ValueError(f"expected a list as pki.blocklist, found {found}")  # noqa: TRY004 - the file's
    return tuple(str(one) for one in listed)


def disconnects(text: str, *, by_default: bool) -> bool:
    """Whether tunnels of certificates that became invalid are torn down."""
    return _pki(text).get("disconnect_invalid", by_default) is True


def ours(text: str, host: str) -> tuple[str, ...]:
    """The fingerprints that we listed for *host*."""
    return tuple(match["print"] for match in _entry(host).finditer(text))


def with_entry(text: str, fingerprint: str, *, host: str, tag: str) -> str:
    """*text* with *fingerprint* refused, because of *host*; *text* itself if it is already."""
    before = blocklist(text)
    if fingerprint in before:
        return text
    lines, end = text.splitlines(keepends=True), "\r\n" if "\r\n" in text else "\n"
    key, value, children = _places(text)
    indent = " " * (children + 2)
    entry = f'{indent}- "{fingerprint}" {_MARK} {_plain(host)} {_plain(tag)}'.rstrip() + end
    if key is None:
        header = f"{' ' * children}blocklist: {_ABSENT}{end}"
        at = _first_child(text)
        lines[at:at] = [header, entry]
    elif isinstance(value, yaml.SequenceNode) and not value.flow_style:
        last = value.value[-1]
        if last.start_mark.line != last.end_mark.line:
            raise ValueError("the last item of pki.blocklist is more than one line")
        own = lines[last.start_mark.line]
        dash = own[: len(own) - len(own.lstrip())]
        at = last.start_mark.line
        if not own.endswith(("\n", "\r")):
            raise ValueError("the file does not end with a line feed")
        lines.insert(at + 1, dash + entry.lstrip())
    elif isinstance(value, yaml.SequenceNode):
        lines[key.start_mark.line] = _unfolded(
            lines[key.start_mark.line], value, before, indent, end
        )
        lines.insert(key.start_mark.line + 1, entry)
    elif value is not None and not value.value:
        lines.insert(key.start_mark.line + 1, entry)
    else:
        raise ValueError("expected pki.blocklist as a list, or empty")
    return _checked(text, "".join(lines), (*before, fingerprint))


def without_entries(text: str, host: str) -> str:
    """*text* without what we listed for *host*; what was there before us is there again."""
    gone = set(ours(text, host))
    if not gone:
        return text
    after = _restored(_entry(host).sub("", text))
    return _checked(text, after, tuple(one for one in blocklist(text) if one not in gone))


def _restored(text: str) -> str:
    """*text* with the list's first line as it was, once nothing of ours is in the list any more."""
    if re.search(rf"^ *- .*{_MARK} (?!: )", text, re.MULTILINE):
        return text
    listed = blocklist(text)
    if not listed:
        text = re.sub(rf"^ *blocklist: {_ABSENT}\r?\n", "", text, flags=re.MULTILINE)
    header = re.search(rf"^( *blocklist:) {_WAS}(\[.*\])\r?$", text, re.MULTILINE)
    if header is None:
        return text
    was = tuple(str(one) for one in yaml.safe_load(header[2]))
    if was != listed:
        return text
    body = rf"(?:\r?\n *- [^\n]*){{{len(was)}}}"
    return re.sub(
        rf"^( *blocklist:) {_WAS}(\[.*\]){body}", r"\1 \2", text, count=1, flags=re.MULTILINE
    )


def _unfolded(
    line: str, value: yaml.SequenceNode, listed: tuple[str, ...], indent: str, end: str
) -> str:
    """A list in brackets, on one line, as a list of lines that remembers how it was written."""
    flow = line[value.start_mark.column : value.end_mark.column]
    rest = line[value.end_mark.column :].strip()
    if value.start_mark.line != value.end_mark.line or rest or "#" in flow:
        raise ValueError("pki.blocklist in brackets is more than the list on its line")
    head = line[: value.start_mark.column].rstrip()
    return f"{head} {_WAS}{flow}{end}" + "".join(f'{indent}- "{one}"{end}' for one in listed)


def _entry(host: str) -> re.Pattern[str]:
    mark = re.escape(f"{_MARK} {_plain(host)}")
    return re.compile(
        rf'^[ ]*- "(?P<print>[0-9a-f]{{64}})" {mark}(?: [^\r\n]*)?\r?\n', re.MULTILINE
    )


def _plain(text: str) -> str:
    return _TAG.sub("_", text)[:80]


def _pki(text: str) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"it is not YAML: {' '.join(str(error).split())[:200]}") from error
    pki = found.get("pki") if isinstance(found, dict) else None
    if not isinstance(pki, dict):
        raise ValueError("expected a mapping `pki`, found none")  # noqa: TRY004 - the file's fault
    return pki


def _places(text: str) -> tuple[yaml.Node | None, yaml.Node | None, int]:
    """The key and the value of `pki.blocklist`, and how far the keys of `pki` are indented."""
    pki = _node(text)
    for key, value in pki.value:
        if key.value == "blocklist":
            return key, value, key.start_mark.column
    return None, None, pki.value[0][0].start_mark.column


def _first_child(text: str) -> int:
    return int(_node(text).value[0][0].start_mark.line)


def _node(text: str) -> yaml.MappingNode:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    pki = next((value for key, value in pairs if key.value == "pki"), None)
    if not isinstance(pki, yaml.MappingNode) or pki.flow_style or not pki.value:
        raise ValueError("expected `pki` as a mapping of lines, found it written otherwise")
    return pki


def _checked(before: str, after: str, listed: tuple[str, ...]) -> str:
    """*after*, if it is *before* in everything but the list. Raises `ValueError` if not."""
    was, now = yaml.safe_load(before), yaml.safe_load(after)
    was["pki"].pop("blocklist", None)
    found = now["pki"].pop("blocklist", None) or []
    if was != now or sorted(map(str, found)) != sorted(listed):
        raise ValueError("the edit would change more than pki.blocklist")
    return after
