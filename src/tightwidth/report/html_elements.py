"""HTML as a tree: text is escaped and tags are closed because no page is ever put together from strings."""

from collections.abc import Iterable
from xml.etree import ElementTree

Element = ElementTree.Element
Child = Element | str | None
Children = Child | Iterable["Children"]

FORBIDDEN = dict.fromkeys(
    [*range(9), 11, 12, *range(14, 32), 127]
)  # control characters, which HTML has no way to write


def element(tag: str, *children: Children, **attributes: str | None) -> Element:
    """Return an element with its children, elements or text; what is None is left out.

    ``class_`` and ``for_`` stand for Python's words, ``aria_label`` for ``aria-label``.

    Examples
    --------
    >>> as_html(element("p", "a < b ", element("b", "& c"), class_="note"))
    '<p class="note">a &lt; b <b>&amp; c</b></p>'
    """
    names = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items() if value is not None}
    node = Element(tag, names)
    for child in children:
        _append(node, child)
    return node


def _append(node: Element, child: Children) -> None:
    if child is None:
        return
    if isinstance(child, str):
        text = child.translate(FORBIDDEN)
        if len(node):
            node[-1].tail = (node[-1].tail or "") + text
        else:
            node.text = (node.text or "") + text
    elif isinstance(child, Element):
        node.append(child)
    else:
        for one in child:
            _append(node, one)


def as_html(node: Element) -> str:
    """Return the element as HTML5 text."""
    return ElementTree.tostring(node, encoding="unicode", method="html")


def document(root: Element) -> str:
    """Return a whole page."""
    return "<!doctype html>\n" + as_html(root) + "\n"
