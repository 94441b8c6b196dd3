"""Checks a built site: `python docs/check_site.py reports/docs`.

Every link and picture of every page leads to a file and anchor of the site, a link to elsewhere is
a whole https address, and no page fetches anything from elsewhere. No compiled code lies in it.
Nothing is downloaded.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHED = {"img", "script", "iframe", "source", "video", "audio", "object", "embed"}
ICON_OR_STYLE = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "modulepreload"}


class Page(HTMLParser):
    """The anchors of a page and what it points to: (address, whether it is fetched)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.targets: list[tuple[str, bool]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes the anchors and addresses of one element."""
        found = {name: value or "" for name, value in attrs}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        for name in ("src", "href", "data", "poster"):
            if name in found:
                fetched = tag in FETCHED
                if tag == "link":
                    fetched = bool(set(found.get("rel", "").split()) & ICON_OR_STYLE)
                self.targets.append((found[name], fetched))


@cache
def page(path: Path) -> Page:
    """A page, read once."""
    return Page(path.read_text(encoding="utf-8"))


def wrong(path: Path, site: Path) -> Iterator[str]:
    """What is wrong with the links of one page, one line each."""
    for address, fetched in page(path).targets:
        parts = urlsplit(address)
        if parts.scheme in {"data", "mailto"}:
            continue
        if parts.scheme or parts.netloc:
            if fetched:
                yield f"fetches {address}"
            elif parts.scheme != "https" or "." not in parts.netloc:
                yield f"links to {address}; expected a whole https address"
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path.resolve()
        if target.is_dir():
            target /= "index.html"
        if not target.is_file() or site.resolve() not in target.parents:
            yield f"links to {address}, which is not there"
        elif parts.fragment and target.suffix == ".html":
            anchor = unquote(parts.fragment)
            if anchor != "__skip" and anchor not in page(target).anchors:
                yield f"links to {address}, which has no such anchor"


def main(site: Path) -> int:
    """Prints what is wrong, and returns how many pages have something wrong."""
    pages = [path for path in sorted(site.rglob("*.html")) if path.name != "404.html"]
    lines = [f"{path}: {line}" for path in pages for line in wrong(path, site)]
    lines += [f"{path}: is no part of a site" for path in sorted(site.rglob("*.py[co]"))]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.write(f"{len(pages)} pages, {len(lines)} wrong links\n")
    return 1 if lines or not pages else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
