"""Lists the claims of the book, and leaves them out of the PDF and the EPUB."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

from booktools.source.claims import CLAIM
from booktools.sphinx.sources import Sources, WrittenDirective


class ClaimList(WrittenDirective):
    """Lists the claims of each section with the conditions that its cells assert."""

    def lines(self) -> list[str]:
        lines: list[str] = []
        for page in self.sources.book.sections:
            # Frameworks may make the same claim in cells of their own; list it once.
            found = list(dict.fromkeys(sum((c.claims for c in page.section.cells), ())))
            if not found:
                continue
            plural = "s" if found[1:] else ""
            lines += [f"**{{doc}}`/{page.docname}`**, {len(found)} claim{plural}", ""]
            for text, condition in found:
                lines += [f"- {text[0].upper()}{text[1:]}: `{condition}`"]
            lines.append("")
        return lines


class LeaveOutClaims(SphinxPostTransform):
    """Removes the cells of claims in LaTeX and EPUB, which can't fold them."""

    # After KeepOneFramework (150).
    default_priority = 155

    def run(self, **kwargs: object) -> None:
        if self.app.builder.format == "html" and self.app.builder.name != "epub":
            return
        for node in list(self.document.findall(nodes.container)):
            if CLAIM in node.get("cell_metadata", {}).get("tags", []):
                node.parent.remove(node)


def setup_claims(app: Sphinx, sources: Sources) -> None:
    """Add the directive ``claim-list``."""
    app.add_directive("claim-list", ClaimList.of(sources))
    app.add_post_transform(LeaveOutClaims)
