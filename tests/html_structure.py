"""What an HTML page is made of, read by the standard library's parser, which shares no code with what wrote it."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "hr", "img", "input"}


@dataclass
class Node:
    """Hold an element: its attributes, its children, and the text in it and below it."""

    tag: str
    attributes: dict[str, str]
    parent: "Node | None" = None
    children: list["Node | str"] = field(default_factory=list)

    def text(self) -> str:
        """Return the text of the element and of all below it."""
        return "".join(child if isinstance(child, str) else child.text() for child in self.children)

    def all(self, tag: str | None = None) -> list["Node"]:
        """Return the elements below, in their order."""
        found = []
        for child in self.children:
            if isinstance(child, Node):
                found += [child] * (tag is None or child.tag == tag) + child.all(tag)
        return found


def _refuse(what: str, data: str) -> None:
    message = f"{what}: {data}"
    raise AssertionError(message)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self.here = Node("", {})
        self.doctypes: list[str] = []

    def handle_decl(self, decl):
        self.doctypes.append(decl)

    def handle_comment(self, data):
        _refuse("a comment", data)

    def handle_pi(self, data):
        _refuse("a processing instruction", data)

    def unknown_decl(self, data):
        _refuse("an unknown declaration", data)

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"{tag} has an attribute twice"
        node = Node(tag, {name: value or "" for name, value in attrs}, self.here)
        self.here.children.append(node)
        if tag not in VOID:
            self.here = node

    def handle_endtag(self, tag):
        assert tag == self.here.tag, f"</{tag}> ends <{self.here.tag}>"
        assert self.here.parent is not None
        self.here = self.here.parent

    def handle_data(self, data):
        self.here.children.append(data)


def read(text: str) -> Node:
    """Return the root of a page in which every tag is closed, and in its order."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert reader.doctypes == ["doctype html"]
    assert reader.here is reader.root, f"<{reader.here.tag}> is not closed"
    return reader.root
