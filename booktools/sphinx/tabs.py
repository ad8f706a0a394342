"""Puts each framework's content into tabs, or keeps one framework without tabs."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx_design.shared import create_component, is_component

from booktools import DEFAULT, FRAMEWORKS, chosen_frameworks
from booktools.source.claims import CLAIM
from booktools.sphinx.sources import stop


def _metadata(node: nodes.Element) -> dict[str, Any]:
    return node.get("cell_metadata", {}).get("booktools", {})


def _frameworks(node: nodes.Node) -> list[str]:
    """Return the frameworks a node is for; an empty list means all."""
    if not isinstance(node, nodes.container):
        return []
    if framework := _metadata(node).get("framework"):
        return [framework]
    return node.get("booktools_frameworks", [])


def _run(node: nodes.Node) -> tuple[bool, Any]:
    """Return a key that neighbors share if they belong in the same tab set."""
    in_tabs = isinstance(node, nodes.container) and bool(_frameworks(node))
    return in_tabs, _metadata(node).get("group") if in_tabs else None


class GatherTabs(SphinxTransform):
    """Gathers neighboring nodes of frameworks into a tab set."""

    # Before figures get their numbers (210).
    default_priority = 205

    def apply(self, **kwargs: Any) -> None:
        special = [node for node in self.document.findall() if _frameworks(node)]
        for parent in dict.fromkeys(node.parent for node in special):
            children: list[nodes.Node] = []
            for (in_tabs, _), run in groupby(list(parent.children), _run):
                neighbors = list(run)
                children += self._tab_sets(neighbors) if in_tabs else neighbors
            parent.children = []
            parent.extend(children)

    def _tab_sets(self, run: list[nodes.Element]) -> list[nodes.Element]:
        """Return the tab set of some nodes, or none if no framework is chosen."""
        whose = {framework for node in run for framework in _frameworks(node)}
        offered = [tag for tag in chosen_frameworks() if tag in whose]
        classes = ["sd-tab-set", "frameworks", *(f"has-{t}" for t in sorted(offered))]
        tab_set = create_component("tab-set", classes=classes)
        tab_set.source, tab_set.line = run[0].source, run[0].line
        for tag in offered:
            title = FRAMEWORKS[tag].title
            label = nodes.rubric(title, title, classes=["sd-tab-label"])
            label["sync_group"], label["sync_id"] = "framework", tag
            content = create_component(
                "tab-content",
                classes=["sd-tab-content", f"framework-{tag}"],
                children=[
                    _for_one(each, tag) for each in run if tag in _frameworks(each)
                ],
            )
            tab_set += create_component(
                "tab-item",
                classes=["sd-tab-item"],
                children=[label, content],
                selected=tag == self.config.booktools_framework,
            )
        return [tab_set] if offered else []


def _for_one(node: nodes.Element, framework: str) -> nodes.Element:
    """Return a node for its first framework's tab, and copies for the others."""
    if framework == _frameworks(node)[0]:
        return node
    copy = node.deepcopy()
    for element in copy.findall(nodes.Element):
        # References lead to the original.
        element["ids"], element["names"] = [], []
    return copy


def is_tab_set(node: nodes.Node | None) -> bool:
    """Return whether a node is a tab set of frameworks."""
    return is_component(node, "tab-set") and "frameworks" in node["classes"]


class KeepOneFramework(SphinxPostTransform):
    """Keeps one framework and no claims on paper and in EPUBs, which can't fold."""

    # After MyST-NB has chosen the form of each output (4), and before sphinx-design
    # turns tab sets into HTML (200).
    default_priority = 150

    def run(self, **kwargs: Any) -> None:
        for tab_set in list(self.document.findall(is_tab_set)):
            kept: list[nodes.Node] = []
            for label, content in tab_set.children:
                if label["sync_id"] == self.config.booktools_framework:
                    kept = content.children
            # replace_self would pass on the tab set's classes.
            place = tab_set.parent.index(tab_set)
            tab_set.parent[place : place + 1] = kept
        for node in list(self.document.findall(nodes.container)):
            if CLAIM in node.get("cell_metadata", {}).get("tags", []):
                node.parent.remove(node)


def _choose_framework(app: Sphinx, config: Config) -> None:
    try:
        chosen = chosen_frameworks()
    except ValueError as error:
        stop(str(error))
    if config.booktools_framework not in FRAMEWORKS:
        stop(
            f"booktools_framework is {config.booktools_framework!r}; expected one of "
            f"{', '.join(FRAMEWORKS)}"
        )
    if len(chosen) < len(FRAMEWORKS):
        config.booktools_framework = chosen[0]
    # The API reference of d2lutils is built without the frameworks.
    config.autodoc_mock_imports = [each.module for each in FRAMEWORKS.values()]


def setup_tabs(app: Sphinx) -> None:
    """Add the tabs.

    The option ``booktools_framework`` names the framework in LaTeX and EPUB, which is
    also the open tab until a reader chooses. If the variable ``BOOKTOOLS_FRAMEWORK``
    selects some frameworks, we use the first one of them.
    """
    app.add_config_value("booktools_framework", DEFAULT.tag, "env", [str])
    app.connect("config-inited", _choose_framework, priority=400)
    app.add_transform(GatherTabs)
