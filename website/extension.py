"""What Sphinx does not know of the course: its formulas, its equations' numbers, its explorables, its pages' heads.

A formula is set by MathJax while the site is built (`diffusion_math.teach.typeset`), so no page needs a script or a font
for it. A number such as (5.12) leads to its equation, in the text and in the comments of the code.
"""

import json
import os
import re
import unicodedata
from datetime import datetime
from email.utils import format_datetime
from html import escape, unescape
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform
from sphinx.util.osutil import relative_uri

from diffusion_math.teach.pages import proof_summary
from diffusion_math.teach.typeset import Typesetter
from website.assemble import section_id
from website.contents import Contents

_SOURCE = Path(os.environ["WEBSITE_SOURCE"])
_COURSE = json.loads((_SOURCE / "course.json").read_text(encoding="utf-8"))
_TAG = re.compile(r"\\tag\{([^}]*)\}")
_NUMBER = r"\d+b?\.\d+[a-z]?"
_MENTION = re.compile(
    rf"\(({_NUMBER})\)|\b([Cc]hapters? )(\d+b?)\b"
    rf"|(?:\b[Ee]xercises? |^)(?P<exercise>\d+b?\.[a-z])\b"
    rf"|\b(?:[Ss]ection|resting place after|[Aa]s in) (?P<section>{_NUMBER})\b"
)
_ARXIV = re.compile(r"\barXiv (\d{4}\.\d{4,5}|[a-z-]+/\d{7})\b")
_OTHERS = re.compile(r"( (?:and|or|to) |, )(\d+b?)\b")
_GLYPH = re.compile(r'<path id="(MJX-[^"]+)"[^>]*>(?:</path>)?')
_USED = re.compile(r'href="#(MJX-[^"]+)"')
_WORDS = {"mid": "|", "sqrt": "√", "nabla": "∇", "partial": "∂", "square": "□", "triangle": "△"}
_WORDS |= {"cdot": "·", "times": "×", "le": "≤", "ge": "≥", "infty": "∞", "sum": "∑", "int": "∫"}
_WORDS |= {"varepsilon": "ε", "log": "log", "to": "→", "approx": "≈", "|": "‖", "prod": "∏"}


def _words(tex: str) -> str:
    "A formula in the letters of a title."

    def letter(found: re.Match) -> str:
        name = found.group(1)
        if name in _WORDS:
            return _WORDS[name]
        kind = "CAPITAL" if name[:1].isupper() else "SMALL"
        try:
            return unicodedata.lookup(f"GREEK {kind} LETTER {name.upper()}")
        except KeyError:
            return ""

    text = re.sub(r"\\([A-Za-z]+|\|) ?", letter, tex)
    return " ".join(re.sub(r"[{}\\]|(?<=[_^])\s", "", text).split())


class formula(nodes.math):
    "A formula: its TeX, whether it has a line of its own, its number, and the marks that no line may part from it."

    def astext(self) -> str:
        return _words(self["tex"])


class _Setter:
    "The formulas of all pages, set once each; a page gets the glyphs that it uses."

    def __init__(self):
        self._typesetter = Typesetter()

    def set(self, tex: str, display: bool = False) -> str:
        return self._typesetter.formula(tex, display)

    def glyphs(self, html: str) -> str:
        used = set(_USED.findall(html))
        paths = (m for m in _GLYPH.finditer(self._typesetter.glyphs()) if m.group(1) in used)
        return "".join(m.group() for m in paths)


_setter: _Setter | None = None


def setter() -> _Setter:
    "One for a process; it starts a JavaScript engine."
    global _setter
    _setter = _setter or _Setter()
    return _setter


def equation_id(number: str) -> str:
    return "e" + number.replace(".", "-")


def exercise_id(number: str) -> str:
    return "x" + number.replace(".", "-")


def _uri(here: str, doc: str, anchor: str = "") -> str:
    "From one page to a place on another."
    path = "" if here == doc else relative_uri(f"{here}.html", f"{doc}.html")
    return path + (f"#{anchor}" if anchor else "")


class Formulas(SphinxTransform):
    "MyST's formulas become ours: numbered, with an anchor, and held together with the marks beside them."

    default_priority = 205

    def apply(self, **kwargs) -> None:
        for node in list(
            self.document.findall(lambda n: isinstance(n, nodes.math | nodes.math_block))
        ):
            if isinstance(node, formula):
                continue
            tex = node.astext()
            tag = _TAG.search(tex)
            display = isinstance(node, nodes.math_block) or tag is not None
            new = formula("", "", tex=_TAG.sub("", tex).strip(), display=display)
            new["number"] = tag.group(1) if tag else ""
            if not display:
                self._marks(node, new)
            node.parent.replace(node, new)

    def _marks(self, node: nodes.Node, new: formula) -> None:
        "Brackets before a formula and marks after it, which no end of a line may part from it."
        siblings, i = node.parent.children, node.parent.index(node)
        new["lead"] = new["trail"] = ""
        if i and isinstance(siblings[i - 1], nodes.Text):
            text = str(siblings[i - 1])
            kept = text.rstrip('([“"')
            new["lead"] = text[len(kept) :].replace('"', "“")
            node.parent[i - 1] = nodes.Text(kept)
        if i + 1 < len(siblings) and isinstance(siblings[i + 1], nodes.Text):
            text = re.sub(r"^'", "’", str(siblings[i + 1]))
            trail = re.match(r'[)\].,;:!?”"’]*', text).group()
            new["trail"] = trail.replace('"', "”")
            node.parent[i + 1] = nodes.Text(text[len(trail) :])


class Places(SphinxTransform):
    "Sections get the names of their numbers; (5.12), chapter 3 and the number of a section become links."

    default_priority = 210

    def apply(self, **kwargs) -> None:
        self.doc = self.env.docname
        path = _COURSE["pages"].get(self.doc, {}).get("pictures", ())
        begun = False  # what has no number stands before the path, or closes the chapter
        for section in self.document.findall(nodes.section):
            title = section[0].astext()
            found = re.match(rf"({_NUMBER})\b", title)
            if found and _COURSE["sections"].get(found.group(1)) == self.doc:
                section["ids"].insert(0, section_id(found.group(1)))
                begun = True
            if not path or not isinstance(section.parent.parent, nodes.document):
                continue
            on = found.group(1) in path if found else not begun
            if found or not title.startswith("Three things"):
                section["classes"].append("on-path" if on else "off-path")
        for paragraph in self.document.findall(nodes.paragraph):
            found = re.match(r"Your turn, (\d+b?\.[a-z])\b", paragraph.astext())
            if found and _COURSE["exercises"].get(found.group(1)) == self.doc:
                paragraph["ids"].append(exercise_id(found.group(1)))
        for node in list(self.document.findall(addnodes.pending_xref)):
            number = node.astext()
            doc = _COURSE["sections"].get(number)
            if re.fullmatch(_NUMBER, number) and doc and doc in node.get("reftarget", ""):
                link = self._link(number, doc, section_id(number), ["section"])
                node.parent.replace(node, link)
        for text in list(self.document.findall(nodes.Text)):
            self._mentions(text)
        for text in list(self.document.findall(nodes.Text)):
            self._papers(text)

    def _link(self, words: str, doc: str, anchor: str, classes: list[str]) -> nodes.reference:
        link = nodes.reference("", words, refuri=_uri(self.doc, doc, anchor), internal=True)
        link["classes"] += classes
        return link

    def _mentions(self, text: nodes.Text) -> None:
        above: nodes.Node | None = text.parent
        while above is not None:
            if isinstance(
                above,
                nodes.reference
                | nodes.title
                | nodes.literal
                | nodes.literal_block
                | nodes.raw
                | formula
                | addnodes.pending_xref,
            ):
                return
            above = above.parent
        said, parts, at = str(text), [], 0
        paths = self._is_path(text)
        for found in (re.compile(rf"({_NUMBER})") if paths else _MENTION).finditer(said):
            number = found.group(1)
            named = found.groupdict()
            if paths or named["section"]:
                number = number or named["section"]
                target = _COURSE["sections"].get(number), section_id(number), ["section"]
            elif number := named["exercise"]:
                doc = _COURSE["exercises"].get(number)
                target = doc, exercise_id(number), ["exercise"]
            elif number := found.group(1):
                doc = _COURSE["equations"].get(number, {}).get("doc")
                target = doc, equation_id(number), ["eqref"]
            else:
                target = _COURSE["chapters"].get(found.group(3)), "", ["chapter"]
            if target[0] is None or (not number and target[0] == self.doc):
                continue
            if self._is_anothers(text, found.start()):
                continue
            words = found.group() if not named.get("section") else number
            before = said[at : found.end() - len(words)]
            parts += [nodes.Text(before), self._link(words, *target)]
            at = found.end()
        if parts:
            text.parent.replace(text, [*parts, nodes.Text(said[at:])])

    def _is_anothers(self, text: nodes.Text, at: int) -> bool:
        "Whether a section or chapter is a paper's or a book's: in [DDPM, section 3.2], or after a title of the references."
        before, i = str(text)[:at], text.parent.index(text)
        listed = isinstance(text.parent.parent, nodes.list_item)
        title = i > 1 and isinstance(text.parent[i - 1], nodes.emphasis) and listed
        cites = title and text.parent[0].astext().startswith("[") and before == ", "
        return cites or before.rfind("[") > before.rfind("]")

    def _papers(self, text: nodes.Text) -> None:
        "The number of a preprint leads to it."
        said, parts, at = str(text), [], 0
        for found in _ARXIV.finditer(said):
            link = nodes.reference("", found.group(), refuri=f"https://arxiv.org/abs/{found[1]}")
            parts += [nodes.Text(said[at : found.start()]), link]
            at = found.end()
        if parts and not isinstance(text.parent, nodes.reference):
            text.parent.replace(text, [*parts, nodes.Text(said[at:])])

    def _is_path(self, text: nodes.Text) -> bool:
        "Whether the text is a list of sections: after *Pictures only:*, or on the road of the front page."
        if self.doc == "index" and re.fullmatch(rf"({_NUMBER}, )*{_NUMBER}: \d+", str(text)):
            return True
        before = text.parent[0] if isinstance(text.parent, nodes.paragraph) else None
        return isinstance(before, nodes.emphasis) and before.astext() == "Pictures only:"


def _raw(html: str) -> nodes.raw:
    return nodes.raw("", html, format="html")


def _take_marks(cell: nodes.Node) -> list[str]:
    "The marks that a proof cell printed, line by line, which leave the cell's output."
    if "tag_proof" not in cell["classes"]:
        return []
    said = list(
        cell.findall(lambda n: isinstance(n, nodes.literal_block) and "stream" in n["classes"])
    )
    for node in said:
        node.parent.remove(node)
    return [line for node in said for line in node.astext().splitlines() if line.strip()]


class Cells(SphinxTransform):
    "Code that can be folded away: all by the switch, what JupyterLab folds or is exported at once, a proof under its marks."

    default_priority = 900

    def apply(self, **kwargs) -> None:
        is_input = lambda n: isinstance(n, nodes.container) and "cell_input" in n["classes"]  # noqa: E731
        for node in list(self.document.findall(is_input)):
            tags = set(node.parent["classes"])
            kinds = {
                "tag_exported": "source",
                "tag_imports": "imports and settings",
                "tag_folded": "code",
            }
            folded = kinds.keys() & tags
            name = next((kinds[tag] for tag in kinds if tag in tags), "code")
            marks = _take_marks(node.parent)
            start = f'<details class="code{" proof" if marks else ""}"{"" if folded else " open"} data-open="{int(not folded)}">'
            summary = proof_summary(marks) if marks else f"<summary>{name}</summary>"
            node.parent.replace(node, [_raw(start + summary), node, _raw("</details>")])
        is_output = lambda n: isinstance(n, nodes.container) and "cell_output" in n["classes"]  # noqa: E731
        for node in list(self.document.findall(is_output)):
            if "tag_waits" in node.parent["classes"]:  # for the reader's guess
                start = '<details class="reveal"><summary>See what came out</summary>'
                node.parent.replace(node, [_raw(start), node, _raw("</details>")])


def visit_formula(self, node: formula) -> None:
    number, tex, display = node["number"], node["tex"], node["display"]
    html = setter().set(tex, display)
    if display:
        doc = _COURSE["equations"].get(number, {}).get("doc")
        anchor = equation_id(number)
        here = doc == self.builder.current_docname and anchor not in self.__dict__.setdefault(
            "_seen", set()
        )
        label, name = "", ""
        if number and here:
            self._seen.add(anchor)
            name = f' id="{anchor}"'
            label = f'<a class="number" href="#{anchor}">({escape(number)})</a>'
        elif number:
            label = f'<span class="number">({escape(number)})</span>'
        wide = re.search(r'width="([\d.]+ex)"', html)
        wide = f' style="--wide: {wide.group(1)}"' if wide else ""
        roll = f'<span class="roll" data-roll{wide}>{html}</span>'
        html = f'<span class="equation"{name}>{roll}{label}</span>'
    elif node["lead"] or node["trail"]:
        lead, trail = escape(node["lead"], False), escape(node["trail"], False)
        html = f'<span class="together">{lead}{html}{trail}</span>'
    self.body.append(html)
    raise nodes.SkipNode


def skip(self, node: nodes.Node) -> None:
    raise nodes.SkipNode


def _comments(here: str, body: str) -> str:
    "The numbers of equations in comments, as links."

    def link(found: re.Match) -> str:
        doc = _COURSE["equations"].get(found.group(1), {}).get("doc")
        if doc is None:
            return found.group()
        uri = _uri(here, doc, equation_id(found.group(1)))
        return f'<a class="eqref" href="{uri}">{found.group()}</a>'

    comment = re.compile(r'(<span class="c1">)([^<]*)(</span>)')
    return comment.sub(
        lambda m: m.group(1) + re.sub(rf"\(({_NUMBER})\)", link, m.group(2)) + m.group(3), body
    )


def _head(here: str, context: dict) -> str:
    "What a link to the page shows elsewhere, and how the reader wants it shown."
    page = _COURSE["pages"].get(here, {})
    title = unescape(re.sub(r"<[^>]*>", "", context.get("title", ""))) or _COURSE["title"]
    says = page.get("description") or "The course as a site: " + title
    site = _COURSE["site_url"]
    card = "noising_explorer" if "_" not in here or "/" in here else "chapter_" + here.split("_")[0]
    card = card if (_SOURCE / "extra" / "cards" / f"{card}.png").is_file() else "noising_explorer"
    kind = "article" if page else "website"
    tags = {
        "og:type": kind,
        "og:site_name": _COURSE["title"],
        "og:title": title,
        "og:description": says,
        "og:url": f"{site}{here}.html",
        "og:image": f"{site}cards/{card}.png",
    }
    metas = [f'<meta property="{k}" content="{escape(v)}">' for k, v in tags.items()]
    metas.append(f'<meta name="description" content="{escape(says)}">')
    metas.append('<meta name="twitter:card" content="summary_large_image">')
    feed = (
        f'type="application/rss+xml" title="What is new" href="{"../" * here.count("/")}feed.xml"'
    )
    metas.append(f'<link rel="alternate" {feed}>')
    script = (
        "document.documentElement.dataset.read = (() => { try { return new URLSearchParams(location.search)"
        ".get('read') ?? localStorage.getItem('read') } catch { return null } })() === 'pictures' ? 'pictures' : 'everything'"
    )
    return "\n".join(metas) + f"\n<script>{script}</script>\n"


def html_page_context(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    body = context.get("body", "")
    if body:
        body = re.sub(
            r'<span class="tex">(.*?)</span>', lambda m: setter().set(unescape(m.group(1))), body
        )
        body = _comments(pagename, body)
        if '<details class="code' in body and 'class="stage"' not in body:
            body = body.replace("</h1>", f"</h1>{_WAYS}", 1)
        body = re.sub(
            r"<table\b.*?</table>",
            r'<div class="wide" data-roll>\g<0></div>',
            body,
            flags=re.DOTALL,
        )
        glyphs = setter().glyphs(body + context.get("toc", ""))
        if glyphs:
            body += f'<svg class="glyphs" aria-hidden="true"><defs>{glyphs}</defs></svg>'
        up = "../" * pagename.count("/")
        if (_SOURCE / "static" / "widgets" / f"{pagename}.js").is_file():
            body += f'<script type="application/json" id="widgets-at">"{up}_static/widgets/{pagename}.js"</script>'
        for name in _COURSE["pages"].get(pagename, {}).get("networks", ()):
            body += f'<script type="text/plain" id="dm-network-{name}" data-src="{up}_static/networks/{name}.js"></script>'
        context["body"] = body
    tree = app.contents.of(app.builder.get_target_uri(pagename))
    # the theme forgets how deep its captions stand
    level = '<p class="caption" role="heading" aria-level="2">'
    context["furo_navigation_tree"] = tree.replace('<p class="caption" role="heading">', level)
    context["metatags"] = context.get("metatags", "") + _head(pagename, context)


def no_contents(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    "The theme need not make what is made once for all pages (contents.py)."
    context["toctree"] = lambda **_: ""


def write_started(app, builder) -> None:
    "What all pages need, before Sphinx shares them out among processes: the contents, and the numbered formulas."
    app.contents = Contents(app)
    for equation in _COURSE["equations"].values():
        setter().set(equation["tex"], True)


def _equations(app) -> None:
    "The equations of each chapter, in a file that a page asks for when somebody points at a number."
    chapters: dict[str, dict[str, str]] = {}
    for number, equation in _COURSE["equations"].items():
        html = setter().set(equation["tex"], True)
        chapters.setdefault(equation["doc"], {})[equation_id(number)] = html
    for doc, equations in chapters.items():
        glyphs = setter().glyphs("".join(equations.values()))
        told = json.dumps({"equations": equations, "glyphs": glyphs}, ensure_ascii=False)
        path = Path(app.outdir, "_static", "equations", f"{doc}.js")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"course.equations({told})\n", encoding="utf-8")


_WAYS = '<div class="ways-to-read" role="group" aria-label="How to read"></div>'  # site.js fills it
_SKIP = nodes.raw | nodes.image | nodes.comment | addnodes.toctree


def _said(node: nodes.Node) -> str:
    "What a part of a page says, without the parts below it that have a title of their own, and without what a cell printed."
    classes = getattr(node, "attributes", {}).get("classes", ())
    hidden = {"cell_output", "tag_exported", "tag_folded", "tag_proof", "tag_imports"}
    if isinstance(node, nodes.section | _SKIP) or hidden & set(classes):
        return ""
    if isinstance(node, nodes.Text | nodes.math | nodes.literal_block):
        return node.astext()
    return ("" if isinstance(node, nodes.TextElement) else " ").join(map(_said, node.children))


def _sections(app) -> None:
    "What one searches: for each section its page, its title, where it stands, what it says, and its equations' numbers."
    told = []
    for doc in sorted(app.env.found_docs):
        tree = app.env.get_doctree(doc)
        page = app.env.titles[doc].astext() if doc in app.env.titles else doc
        uri = app.builder.get_target_uri(doc)
        for section in tree.findall(nodes.section):
            own = [n for n in section.children[1:] if not isinstance(n, nodes.section)]
            text = " ".join(" ".join(map(_said, own)).split())
            numbers = [
                f["number"]
                for n in own
                for f in n.findall(formula)
                if f.get("number") and f["display"]
            ]
            if not text and not numbers:
                continue
            place = "" if section.parent is tree else f"#{section['ids'][0]}"
            told.append([page, section[0].astext(), uri + place, text, numbers])
    path = Path(app.outdir, "_static", "sections.js")
    path.write_text(f"course.sections({json.dumps(told, ensure_ascii=False)})\n", encoding="utf-8")


def builder_inited(app) -> None:
    "The theme's index of words finds pages; ours, one file that any page can load, finds sections."
    app.builder.search = False


def _map(app) -> None:
    "sitemap.xml, and the page for an address where nothing is."
    site = _COURSE["site_url"]
    docs = sorted(app.env.found_docs)
    urls = "\n".join(f"<url><loc>{escape(f'{site}{doc}.html')}</loc></url>" for doc in docs)
    space = "http://www.sitemaps.org/schemas/sitemap/0.9"
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="{space}">\n{urls}\n</urlset>\n'
    Path(app.outdir, "sitemap.xml").write_text(text, encoding="utf-8")
    Path(app.outdir, "robots.txt").write_text(f"User-agent: *\nSitemap: {site}sitemap.xml\n")
    Path(app.outdir, ".nojekyll").write_text("")  # GitHub would leave out what begins with _
    root = "/" + site.split("/", 3)[3]
    lost = (Path(__file__).parent / "404.html").read_text(encoding="utf-8")
    Path(app.outdir, "404.html").write_text(lost.replace("{root}", root), encoding="utf-8")


def _feed(app) -> None:
    "feed.xml, what is new for those who subscribe: an item for each part of the changelog, dated where its title is."
    page = f"{_COURSE['site_url']}changes.html"
    items = []
    if "changes" not in app.env.found_docs:  # of some pages only
        return
    for section in app.env.get_doctree("changes").findall(nodes.section):
        above, title = section.parent, section[0].astext()
        if not isinstance(above, nodes.section):  # the page itself
            continue
        if isinstance(above.parent, nodes.section):
            title = f"{above[0].astext()}: {title}"
        own = nodes.container(
            "", *(n.deepcopy() for n in section[1:] if not isinstance(n, nodes.section))
        )
        html = app.builder.render_partial(own)["fragment"]
        html = re.sub(r'="(?=#)', f'="{page}', html)
        html = re.sub(r'((?:href|src)=")(?![a-z]+:)([^"]*)', rf"\1{_COURSE['site_url']}\2", html)
        link = f"{page}#{section['ids'][0]}"
        day = re.search(r"\d{4}-\d\d-\d\d", title)
        date = f"<pubDate>{format_datetime(_noon(day.group()))}</pubDate>" if day else ""
        items.append(
            f"<item><title>{escape(title)}</title><link>{link}</link><guid>{link}</guid>{date}"
            f"<description>{escape(html)}</description></item>"
        )
    told = (
        f"<title>{_COURSE['title']}: what is new</title><link>{page}</link>"
        f"<description>What changes in the course and in its package.</description>"
    )
    text = '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0"><channel>' + told
    text += "\n".join(["", *items, "</channel></rss>\n"])
    Path(app.outdir, "feed.xml").write_text(text, encoding="utf-8")


def _noon(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T12:00:00+00:00")


def build_finished(app, exception) -> None:
    if exception is None:
        _feed(app)
        _equations(app)
        _sections(app)
        _map(app)


def setup(app) -> dict:
    app.add_node(formula, html=(visit_formula, None), text=(skip, None))
    for transform in (Formulas, Places, Cells):
        app.add_transform(transform)
    app.connect("builder-inited", builder_inited)
    app.connect("write-started", write_started)
    app.connect("html-page-context", no_contents, priority=400)  # the theme's comes at 500
    app.connect("html-page-context", html_page_context, priority=900)
    app.connect("build-finished", build_finished)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
