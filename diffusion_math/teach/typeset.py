"TeX formulas as pictures that share their glyphs, set without a server, as JupyterLab shows them."

import json
import re
import threading
from functools import lru_cache
from importlib.resources import files

__all__ = ["Typesetter"]

_PARTS = "loader core adaptors/liteDOM input/tex-full output/svg output/svg/fonts/tex".split()
_START = "globalThis.MathJax = { loader: { load: [] } }"
_GLUE = """{
const { adaptors, core, handlers, input, mathjax, output } = MathJax._;
const dom = adaptors.liteAdaptor.liteAdaptor({ unknownCharWidth: 0.45 });
handlers.html_ts.RegisterHTMLHandler(dom);
const packages = ["base", "ams", "boldsymbol", "cancel", "mathtools", "newcommand", "textmacros"];
const formatError = (jax, error) => { throw error; };
const tex = new input.tex_ts.TeX({ packages, formatError });
const font = new output.svg.fonts.tex_ts.TeXFont();
const svg = new output.svg_ts.SVG({ font, fontCache: "global" });
const page = mathjax.mathjax.document("", { InputJax: tex, OutputJax: svg });
const words = new core.MmlTree.SerializedMmlVisitor.SerializedMmlVisitor();
const end = core.MathItem.STATE.CONVERT;
globalThis.formula = (source, display) => {
  try {
    const item = new page.options.MathItem(source, tex, display);
    item.start.node = dom.body(page.document);
    item.setMetrics(16, 8, 640, 1e6, 1);
    svg.fontCache.clearCache();
    item.convert(page, end);
    const mathml = words.visitTree(item.root);
    item.convert(page);
    const glyphs = dom.innerHTML(svg.fontCache.getCache());
    return JSON.stringify({ mathml, svg: dom.innerHTML(item.typesetRoot), glyphs });
  } catch (error) {
    return JSON.stringify({ error: error.message ?? String(error) });
  }
};
}"""


class _Engine:
    "MathJax, ready; to start it takes as long as some thirty formulas."

    def __init__(self):
        import quickjs

        folder = files("mathjax") / "static" / "mathjax" / "es5"
        scripts = [(folder / f"{part}.js").read_text(encoding="utf-8") for part in _PARTS]
        self._context = quickjs.Context()
        for script in (_START, *scripts, _GLUE):
            self._context.eval(script)

    def set(self, tex: str, display: bool) -> dict[str, str]:
        "What MathJax makes of a formula: mathml, svg, and the glyphs that it uses. ValueError: TeX does not know it."
        made = json.loads(self._context.get("formula")(tex, display))
        if "error" in made:
            raise ValueError(f"MathJax cannot set {tex}: {made['error']}")
        return made


_TAG = re.compile(r"<[^>]*>")
_IDLE = re.compile(r' (?:data-[\w-]+|xmlns(?::xlink)?|role|focusable)="[^"]*"')


def _plain(markup: str) -> str:
    "The markup without what only MathJax reads, and without its line breaks."
    markup = _TAG.sub(lambda tag: _IDLE.sub("", tag.group()).replace("xlink:href", "href"), markup)
    return re.sub(r">\n *<", "><", markup).replace("></use>", "/>")


_GLYPH = re.compile(r'<path id="([^"]+)"[^>]*>(?:</path>)?')
_DEFINES = re.compile(
    r"\\(?:(?:g?def|let)(?![A-Za-z])|[A-Za-z]*(?:new|Declare|label|ref|tag|toolsset))"
)
_THREADS = threading.local()  # an engine answers only to the thread that started it


def _made(engine: _Engine, tex: str, display: bool) -> tuple[str, dict[str, str]]:
    "A formula's HTML, and the glyphs that it uses, by name."
    made = engine.set(tex, display)
    picture = _plain(made["svg"]).replace("<svg", '<svg aria-hidden="true"', 1)
    glyphs = {found.group(1): found.group() for found in _GLYPH.finditer(made["glyphs"])}
    return picture + _plain(made["mathml"]), glyphs


@lru_cache(maxsize=4096)
def _shared(tex: str, display: bool) -> tuple[str, dict[str, str]]:
    "The same, of one engine for all pages: what one page has set, the next need not set again."
    if not hasattr(_THREADS, "engine"):
        _THREADS.engine = _Engine()
    return _made(_THREADS.engine, tex, display)


class Typesetter:
    """Sets TeX formulas, as pictures that share their glyphs: one for each page.

    typesetter.formula(tex, display) is a formula's HTML, and typesetter.glyphs() what must stand once on the page, after all
    formulas are set. No script, font or request is needed to show them.
    """

    def __init__(self):
        self._own, self._set, self._glyphs = None, {}, {}

    def formula(self, tex: str, display: bool = False) -> str:
        "The formula's picture and its MathML. ValueError: TeX does not know it."
        if (tex, display) not in self._set:
            if self._own is None and _DEFINES.search(tex):  # this page's words are not another's
                self._own = _Engine()
            html, glyphs = _made(self._own, tex, display) if self._own else _shared(tex, display)
            self._set[tex, display] = html
            self._glyphs |= glyphs
        return f'<span class="formula">{self._set[tex, display]}</span>'

    def glyphs(self) -> str:
        "The glyphs of all formulas that were set, out of sight."
        paths = "".join(self._glyphs.values())
        return f'<svg class="glyphs" aria-hidden="true"><defs>{paths}</defs></svg>'
