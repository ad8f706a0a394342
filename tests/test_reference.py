"""That the reference of d2lutils leaves nothing out.

Sphinx fails where it lists something that is not there.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "chapters" / "d2lutils.md").read_text("utf-8")
TAB = re.compile(r"^:::\{framework\} (\w+)\n(.*?)\n:::$", re.S | re.M)
ENTRY = re.compile(r"^\.\. auto(?:function|class):: (?:[\w.]+\.)?(\w+)$", re.M)


@pytest.mark.parametrize(
    ("framework", "face"),
    [("mxnet", "mxnet"), ("pytorch", "torch"), ("tensorflow", "tensorflow")],
)
def test_the_reference_lists_all_that_a_face_exports(framework, face):
    code = (ROOT / "d2lutils" / f"{face}.py").read_text("utf-8")
    (exported,) = (
        ast.literal_eval(node.value)
        for node in ast.parse(code).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets) == "__all__"
    )
    own = "\n".join(tab for name, tab in TAB.findall(PAGE) if name == framework)
    listed = ENTRY.findall(own) + ENTRY.findall(TAB.sub("", PAGE))
    assert sorted(set(exported) - set(listed)) == []
    # The table at the top names them, too.
    assert [name for name in exported if f"`{name}`" not in PAGE] == []
