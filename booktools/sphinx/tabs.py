"""What belongs to one framework stands in tabs, or alone where there are no tabs."""

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
from booktools.sphinx.sources import stop


def _frameworks(node: nodes.Node) -> list[str]:
    """Return the frameworks a node is for, none if it is for all."""
    if not isinstance(node, nodes.container):
        return []
    metadata = node.get("cell_metadata", {})
    if framework := metadata.get("booktools", {}).get("framework"):
        return [framework]
    return node.get("booktools_frameworks", [])


def _offered(run: list[nodes.Element]) -> list[str]:
    """Return which of the chosen frameworks some nodes are for, in the book's order."""
    whose = {framework for node in run for framework in _frameworks(node)}
    return [framework for framework in chosen_frameworks() if framework in whose]


def _run(node: nodes.Node) -> tuple[bool, Any]:
    """Return what neighbors of one run have in common."""
    frameworks = _frameworks(node)
    metadata = node.get("cell_metadata", {}) if frameworks else {}
    return bool(frameworks), metadata.get("booktools", {}).get("group")


class GatherTabs(SphinxTransform):
    """Gathers each run of frameworks' nodes into a tab set."""

    # Before figures get their numbers (210).
    default_priority = 205

    def apply(self, **kwargs: Any) -> None:
        special = [node for node in self.document.findall() if _frameworks(node)]
        for parent in dict.fromkeys(node.parent for node in special):
            children = []
            for (in_tabs, _), run in groupby(list(parent.children), _run):
                neighbors = list(run)
                if not in_tabs:
                    children += neighbors
                elif _offered(neighbors):
                    children.append(self._tab_set(neighbors))
            parent.children = []
            parent.extend(children)

    def _tab_set(self, run: list[nodes.Element]) -> nodes.Element:
        offered = _offered(run)
        tab_set = create_component(
            "tab-set",
            classes=[
                "sd-tab-set",
                "frameworks",
                *(f"has-{tag}" for tag in sorted(offered)),
            ],
        )
        tab_set.source, tab_set.line = run[0].source, run[0].line
        for framework in (FRAMEWORKS[tag] for tag in offered):
            own = [node for node in run if framework.tag in _frameworks(node)]
            label = nodes.rubric(framework.title, framework.title)
            label["classes"] = ["sd-tab-label"]
            label["sync_group"], label["sync_id"] = "framework", framework.tag
            content = create_component(
                "tab-content",
                classes=["sd-tab-content", f"framework-{framework.tag}"],
                children=[_for_one(node, framework.tag) for node in own],
            )
            tab_set += create_component(
                "tab-item",
                classes=["sd-tab-item"],
                children=[label, content],
                selected=framework.tag == self.config.booktools_framework,
            )
        return tab_set


def _for_one(node: nodes.Element, framework: str) -> nodes.Element:
    """Return a node, or a copy where it stands in several tabs."""
    if framework == _frameworks(node)[0]:
        return node
    copy = node.deepcopy()
    for element in copy.findall(nodes.Element):
        # What refers to them means the first.
        element["ids"], element["names"] = [], []
    return copy


def is_tab_set(node: nodes.Node | None) -> bool:
    """Return whether a node holds the tabs of frameworks."""
    return is_component(node, "tab-set") and "frameworks" in node["classes"]


class KeepOneFramework(SphinxPostTransform):
    """Keeps one framework where there are no tabs: in LaTeX and EPUB."""

    # After MyST-NB chose between the forms of an output (4), before sphinx-design
    # makes HTML of the tab sets (200).
    default_priority = 150

    def run(self, **kwargs: Any) -> None:
        if self.app.builder.format == "html" and self.app.builder.name != "epub":
            return
        wanted = self.config.booktools_framework
        for tab_set in list(self.document.findall(is_tab_set)):
            kept: list[nodes.Node] = []
            for item in tab_set.children:
                label, content = item.children
                if label["sync_id"] == wanted:
                    kept = content.children
            # Not replace_self: it would hand the tab set's classes on.
            place = tab_set.parent.index(tab_set)
            tab_set.parent[place : place + 1] = kept


def _choose_framework(app: Sphinx, config: Config) -> None:
    try:
        chosen = chosen_frameworks()
    except ValueError as error:
        stop(str(error))
    if config.booktools_framework in FRAMEWORKS and len(chosen) < len(FRAMEWORKS):
        config.booktools_framework = chosen[0]
    if config.booktools_framework not in FRAMEWORKS:
        stop(
            f"booktools_framework is {config.booktools_framework!r}; expected one of "
            f"{', '.join(FRAMEWORKS)}"
        )
    # The reference of d2lutils is made without the frameworks.
    config.autodoc_mock_imports = [each.module for each in FRAMEWORKS.values()]


def setup_tabs(app: Sphinx) -> None:
    """Add the tabs.

    The option ``booktools_framework`` names the framework that stands in LaTeX and
    EPUB, and whose tab is open where a reader has not chosen yet. Where the environment
    variable of that name, in capitals, leaves out some, it is the first of the others.
    """
    app.add_config_value("booktools_framework", DEFAULT.tag, "env", [str])
    app.connect("config-inited", _choose_framework, priority=400)
    app.add_transform(GatherTabs)
    app.add_post_transform(KeepOneFramework)
