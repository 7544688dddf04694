"""Where each labelled object of the paper lives in this package, as its docstrings say.

A docstring claims a label with a line of its own in its References, ``Daniely (2020), <label>.``, which may
follow a footnote mark such as ``.. [1]``.  The package's files are parsed and not imported, so this costs
milliseconds and needs no dependency.  ``python -m tightwidth.paper_map`` writes the page docs/paper_map.md.
"""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

PACKAGE = Path(__file__).parent
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

CLAIM = re.compile(r"^(?:\.\. \[\w+\] )?Daniely \(2020\), (?P<label>[^,]+)\.$")
SPELLINGS = {
    "Theorem": "theorem|thm|th",
    "Corollary": "corollary|cor",
    "Equation": "equation|eqn|eq",
    "Algorithm": "algorithm|alg",
    "Footnote": "footnote|fn",
    "Section": "section|sect|sec|§",
    "Erratum": "erratum|err",
}

SUMMARIES = {
    "Section 1": "The promise: about as many parameters as the problem has degrees of freedom.",
    "Section 1.1": "How many parameters earlier proofs needed.",
    "Section 2.1": "Letters and typefaces.",
    "Section 2.2": "Samples, losses, and what makes a loss decent: convex and Lipschitz.",
    "Section 2.3": "The network, decent activations, and the start with outputs that cancel in pairs.",
    "Footnote 2": "Unit inputs and weights of variance 1, or long inputs and small weights: one network.",
    "Algorithm 1": "Minibatch SGD on both layers; the answer is the iterate of a uniformly drawn step.",
    "Section 2.4": "Kernels, their spaces of functions, and the norm there.",
    "Theorem 1": "A kernel has exactly one space of functions (background).",
    "Theorem 2": "A function's norm is the shortest vector that represents it in an embedding (background).",
    "Section 2.5": "The neural tangent kernel and its two halves, of hidden and of output weights.",
    "Equation (1)": "The kernel of the hidden weights, as an expectation over one Gaussian neuron.",
    "Equation (2)": "Functions that the network can reach with an infinitesimal change of its weights.",
    "Section 2.6": "Random features with values in R^d, and the embedding made of q of them.",
    "Equation (3)": "What makes a random feature scheme one for a kernel: the mean of inner products.",
    "Equation (4)": "A point becomes a function on the space of features.",
    "Equation (5)": "A function of the kernel space as a function on the features, of the same norm.",
    "Equation (6)": "Its values are expectations over the features.",
    "Corollary 3": "q bounded features approximate a function up to C ||f|| / sqrt(q), at every point.",
    "Section 3.1": "Vector features are worth d scalar ones.",
    "Theorem 4": "Factorized features, R-bounded distribution: the error is at most R C ||f|| / sqrt(q d).",
    "Section 3.2": "From the embedding to the network, and to polynomials.",
    "Theorem 5": "SGD on the network competes with every function of bounded norm, at near-optimal width.",
    "Theorem 6": "The same for even polynomials with bounded coefficients, under relu.",
    "Section 3.3": "Memorization: how many points have the right sign.",
    "Theorem 7": "A network with about m/d pairs memorizes m random points.",
    "Section 3.4": "What is open: the usual initialization, more layers.",
    "Theorem 10": "SGD on a random embedding competes with the kernel space (its text is in the appendix).",
    "Section A.5": "Distributions that are R-bounded, and for which R.",
    "Erratum 1": "The minimal norm of a weight change is ||h|| / (sqrt(2q) B).",
    "Erratum 2": "The constant polynomial has a norm of about sqrt(2 pi d), not O(1).",
    "Erratum 3": "The interpolant of random labels has norm O(sqrt(m)).",
    "Erratum 4": "Theorem 4 needs bounded features; two symbols are misprinted.",
    "Erratum 5": "Equation (1) is a product of two derivatives under N(0, I).",
}
"""What code may claim, in the order of the paper, with what it says in our words."""

HEADER = """# Paper map

Where each labelled object of the paper lives. This page is generated from the docstrings: change those, then
run `make docs-map`. At the prompt, `tightwidth where "Theorem 4"` says the same with line numbers.

| label | what it says, in our words | where |
|---|---|---|
"""


class UnknownLabelError(KeyError):
    """Say which labels there are, since the one asked for has no home."""

    def __str__(self) -> str:
        """Return the message without the quotes that KeyError would add."""
        return str(self.args[0])


@dataclass(frozen=True)
class Home:
    """Name the object that implements a labelled statement; ``path`` is POSIX, relative to the package."""

    label: str
    path: str
    line: int
    name: str

    @property
    def file(self) -> Path:
        """Return the file of this installation."""
        return PACKAGE / self.path


def homes(package: Path = PACKAGE) -> tuple[Home, ...]:
    """Return every claim of a label in a package's docstrings, in the order of the paper."""
    files = sorted(package.rglob("*.py"))
    found = [home for file in files for home in _homes_in(file, file.relative_to(package.parent))]
    order = {label: place for place, label in enumerate(SUMMARIES)}
    return tuple(sorted(found, key=lambda home: (order.get(home.label, len(order)), home.path, home.line)))


def find(label: str, package: Path = PACKAGE) -> tuple[Home, ...]:
    """Return the homes of one label, in any usual spelling of it.

    Raises
    ------
    UnknownLabelError
        If no docstring claims the label; names labels that are near it.

    Examples
    --------
    >>> [home.label for home in find("alg. 1")]
    ['Algorithm 1']
    """
    everything = homes(package)
    wanted = canonical(label)
    matches = tuple(home for home in everything if home.label == wanted)
    if not matches:
        known = list(dict.fromkeys(home.label for home in everything))
        near = get_close_matches(wanted, known, n=4, cutoff=0.5) or known
        message = f"no code claims {label!r}; try one of: {', '.join(near)}"
        raise UnknownLabelError(message)
    return matches


def canonical(label: str) -> str:
    """Return a label as the paper prints it, and what is no label unchanged.

    Examples
    --------
    >>> [canonical(spelling) for spelling in ("thm. 4", "eq 2", "Equation (2)", "section a.5", "alg1")]
    ['Theorem 4', 'Equation (2)', 'Equation (2)', 'Section A.5', 'Algorithm 1']
    """
    for kind, spellings in SPELLINGS.items():
        match = re.fullmatch(rf"(?:{spellings})\.?\s*\(?([a-z]?[\d.]*\d)\)?\.?", label.strip().lower())
        if match:
            number = match[1].upper()
            return f"{kind} ({number})" if kind == "Equation" else f"{kind} {number}"
    return label.strip()


def check_homes(found: Iterable[Home]) -> None:
    """Raise unless every label is one of the paper's and every numbered object has one home.

    Sections may have several.

    Raises
    ------
    ValueError
        If a claimed label is not in the list of the paper's, or a theorem, corollary, equation, algorithm,
        footnote or erratum is claimed twice.
    """
    found = tuple(found)
    for home in found:
        if home.label not in SUMMARIES:
            message = (
                f"{home.path}:{home.line} claims {home.label!r}, which the paper does not have; "
                "paper_map.SUMMARIES lists its labels"
            )
            raise ValueError(message)
    for label, count in Counter(home.label for home in found).items():
        if count > 1 and not label.startswith("Section"):
            places = ", ".join(f"{home.path}:{home.line}" for home in found if home.label == label)
            message = f"{label} has {count} homes ({places}); leave the claim in the one that implements it"
            raise ValueError(message)


def markdown(package: Path = PACKAGE) -> str:
    """Return the page docs/paper_map.md.  It names no lines, so that it changes only when a home does."""
    found = homes(package)
    check_homes(found)
    places: dict[str, list[str]] = {}
    for home in found:
        link = f"[`{home.name.removeprefix(package.name + '.')}`](../src/{package.name}/{home.path})"
        places.setdefault(home.label, []).append(link)
    cells = {label: summary.replace("|", r"\|") for label, summary in SUMMARIES.items()}  # as norms have bars
    rows = [f"| {label} | {cells[label]} | {'<br>'.join(links)} |\n" for label, links in places.items()]
    homeless = [label for label in SUMMARIES if label not in places]
    return HEADER + "".join(rows) + f"\nWithout code of their own: {', '.join(homeless)}.\n"


def _homes_in(file: Path, module_file: Path) -> Iterator[Home]:
    module = ".".join(module_file.with_suffix("").parts).removesuffix(".__init__")
    path = module_file.relative_to(module_file.parts[0]).as_posix()
    for node, name in _documented(ast.parse(file.read_text(encoding="utf-8")), module):
        for line in (ast.get_docstring(node) or "").splitlines():
            claim = CLAIM.match(line.strip())
            if claim:
                yield Home(canonical(claim["label"]), path, getattr(node, "lineno", 1), name)


def _documented(node: ast.AST, name: str) -> Iterator[tuple[ast.Module | Definition, str]]:
    """Yield what can have a docstring below a node, with its dotted name, from the outside in."""
    if isinstance(node, ast.Module):
        yield node, name
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):  # most nodes; none has a definition below it
            continue
        child_name = name
        if isinstance(child, Definition):
            child_name = f"{name}.{child.name}"
            yield child, child_name
        yield from _documented(child, child_name)


if __name__ == "__main__":
    sys.stdout.write(markdown())
