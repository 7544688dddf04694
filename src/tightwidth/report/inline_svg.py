"""SVG files as parts of an HTML page: many on one page, with no name in common and nothing fetched."""

import re
from xml.etree import ElementTree

from tightwidth.report.html_elements import Element, element

REFERENCE = re.compile(r"url\(#([^)]+)\)")
DROPPED = ("metadata", "style", "title")  # a style in an inline picture would be one of the whole page


def inline(svg: bytes, name: str, description: str) -> Element:
    """Return the ``svg`` element of a file for a page, its ids beginning with ``name``.

    Namespaces, metadata and unused ids are left out; the picture takes the width that the page gives it and is
    described to those who do not see it.
    """
    source = ElementTree.fromstring(svg)
    used = _references(source)
    picture = _copy(source, name, used)
    for size in ("width", "height", "version"):
        picture.attrib.pop(size, None)
    title = f"{name}-description"
    picture.attrib |= {"role": "img", "aria-labelledby": title}
    picture.insert(0, element("title", description, id=title))
    return picture


def width_in_points(svg: bytes) -> float:
    """Return how wide the picture is in print, from its ``width`` in points."""
    return float(ElementTree.fromstring(svg).attrib["width"].removesuffix("pt"))


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _references(root: Element) -> set[str]:
    """Return the ids that something in the picture points to."""
    found: set[str] = set()
    for node in root.iter():
        for attribute, value in node.attrib.items():
            if _local(attribute) == "href" and value.startswith("#"):
                found.add(value[1:])
            found.update(REFERENCE.findall(value))
    return found


def _copy(node: Element, name: str, used: set[str]) -> Element:
    copy = Element(_local(node.tag))
    for attribute, value in node.attrib.items():
        key = _local(attribute)
        if key == "id":
            if value in used:
                copy.set("id", f"{name}-{value}")
        elif key == "href":
            copy.set("href", f"#{name}-{value[1:]}" if value.startswith("#") else value)
        else:
            copy.set(key, REFERENCE.sub(rf"url(#{name}-\1)", value))
    if (node.text or "").strip():
        copy.text = node.text
    copy.extend(_copy(child, name, used) for child in node if _local(child.tag) not in DROPPED)
    return copy
