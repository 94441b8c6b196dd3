"""The link from the page of a comparison to that of the fault behind it."""

from __future__ import annotations

import re

from harness.report.escape import html

MARK = "<!-- located -->"
"""Where a comparison's page takes the link. Foreign text in the page is escaped, so that it cannot
contain the mark."""
_LINKED = re.compile(r'<li><a href="[^"<>]*" data-located>[^<]*</a></li>\n' + re.escape(MARK))


def linked(page: str, target: str) -> str:
    """Returns the page of a comparison with a link to `target`, a file beside it.

    A page with a link gets the new one instead; a page without the mark is returned unchanged.
    """
    bare = _LINKED.sub(MARK, page)
    item = f'<li><a href="{html(target)}" data-located>What differs first</a></li>'
    return bare.replace(MARK, f"{item}\n{MARK}", 1)
