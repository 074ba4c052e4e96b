"""Results as JUnit XML, which CI servers show: a suite for each side, a case for each drill."""

from pathlib import Path
from xml.etree import ElementTree

from rudp.cli.drill.playing import FAILED, SKIPPED, UNREADABLE, Result


def save(path: str | Path, results: list[Result]) -> None:
    """Write *results* to the file *path*.  Raises :class:`OSError`."""
    root = ElementTree.Element("testsuites", name="rudp drill")
    for side in dict.fromkeys(result.side for result in results):
        _suite(root, side or "drills", [each for each in results if each.side == side])
    ElementTree.indent(root)
    octets = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    Path(path).write_bytes(octets + b"\n")


def _suite(root: ElementTree.Element, name: str, results: list[Result]) -> None:
    suite = ElementTree.SubElement(root, "testsuite", name=name)
    for title, status in (("failures", FAILED), ("errors", UNREADABLE), ("skipped", SKIPPED)):
        suite.set(title, str(sum(each.status == status for each in results)))
    suite.set("tests", str(len(results)))
    suite.set("time", f"{sum(each.seconds for each in results):.3f}")
    for each in results:
        topic, _, bare = each.name.rpartition("/")
        case = ElementTree.SubElement(suite, "testcase", name=bare)
        case.set("classname", f"{name}.{topic.replace('/', '.')}" if topic else name)
        case.set("time", f"{each.seconds:.3f}")
        kind = {FAILED: "failure", UNREADABLE: "error", SKIPPED: "skipped"}.get(each.status)
        if kind is not None:
            told = ElementTree.SubElement(case, kind, message=_printable(each.why))
            if each.status != SKIPPED:
                told.text = _printable(f"{each.place}: {each.why}\n{each.story}".rstrip())


def _printable(text: str) -> str:
    """Return *text* without what XML cannot hold."""
    return "".join(one if one.isprintable() or one in "\n\t" else "?" for one in text)
