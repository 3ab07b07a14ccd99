"""The contents at the side of every page: put together once, and then marked and linked as each page needs it.

Sphinx and furo would put them together for each page anew, out of the titles of all.
"""

import re
from functools import cached_property

from furo.navigation import get_navigation_tree
from sphinx.environment.adapters.toctree import global_toctree_for_doc
from sphinx.util.osutil import relative_uri

_WHOLE = {"collapse": False, "titles_only": True, "maxdepth": -1, "includehidden": True}
_TAG = re.compile(r"(<(?:ul|li|a|input)\b[^>]*>|</(?:ul|li)>)")
_HREF = re.compile(r'href="([^"]*)"')


class Contents:
    "The contents of a site: of(page) is their HTML on a page."

    def __init__(self, app):
        self._app = app

    @cached_property
    def _parts(self) -> list[str]:
        "The HTML as a page has it that is in no contents, cut at its tags."
        app = self._app
        tree = global_toctree_for_doc(app.env, "", app.builder, tags=app.tags, **_WHOLE)
        return _TAG.split(get_navigation_tree(app.builder.render_partial(tree)["fragment"]))

    @cached_property
    def _places(self) -> dict[str, tuple[int, list[int]]]:
        "For each page: where its link stands, and where the lists and items begin that hold it."
        places, above = {}, []
        for i, part in enumerate(self._parts):
            if part.startswith(("<ul", "<li")):
                above.append(i)
            elif part in ("</ul>", "</li>"):
                above.pop()
            elif part.startswith("<a ") and above:
                places[_HREF.search(part).group(1)] = i, list(above)
        return places

    def of(self, uri: str) -> str:
        "The contents on the page of this address: the way to it is open, and marked."
        parts = list(self._parts)
        for target, (i, _) in self._places.items():
            parts[i] = _HREF.sub(f'href="{relative_uri(uri, target)}"', parts[i])
        if uri in self._places:
            link, above = self._places[uri]
            for i in above:
                if parts[i] == "<ul>":
                    parts[i] = '<ul class="current">'
                    continue
                parts[i] = re.sub(r"(toctree-l\d+)", r"\1 current", parts[i])
                # after the item, its link and the link's words
                if parts[i + 4].startswith("<input"):
                    parts[i + 4] = parts[i + 4].replace(" class=", ' checked="" class=')
            parts[above[-1]] = parts[above[-1]].replace('">', ' current-page">')
            parts[link] = _HREF.sub('href="#"', parts[link]).replace(
                '"reference', '"current reference'
            )
        return "".join(parts)
