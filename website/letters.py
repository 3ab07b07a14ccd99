"""Formulas that docstrings write in plain letters, as formulas: sqrt(alpha_bar_t) x_0 is set, and prose is left alone.

A run of words becomes a formula only where each of its words is one that mathematics uses, so nothing is guessed.
"""

import re

_GREEK = "alpha beta gamma delta eps eta lambda mu nu rho sigma tau theta phi".split()
_NAMES = {name: rf"\{name}" for name in _GREEK} | {
    "eps": r"\varepsilon",
    "inf": r"\infty",
    "Sigma": r"\Sigma",
}
_NAMES |= {name: rf"\{name}" for name in ("log", "exp", "max", "min", "sin", "cos", "det")}
_NAMES |= {
    "E": r"\mathbb{E}",
    "Var": r"\operatorname{Var}",
    "Cov": r"\operatorname{Cov}",
    "KL": r"\mathrm{KL}",
    "sqrt": r"\sqrt",
}
_NAMES |= {
    "mean": r"\mathrm{mean}",
    "var": r"\mathrm{var}",
    "sigmoid": r"\sigma",
    "snr": r"\mathrm{SNR}",
    "N": r"\mathcal{N}",
    "sum": r"\sum",
    "grad": r"\nabla",
}
_TOKEN = re.compile(
    r"(?P<word>[A-Za-z]+?(?:_bar)?\d?)(?P<sub>_(?:\{[^{}]*\}|[A-Za-z0-9]))?(?![A-Za-z0-9_])"
    r"|(?P<number>\d+(?:\.\d+)?(?:e-?\d+)?)|(?P<dots>\.\.\.)|(?P<two>\|\||->|<=|>=|!=)"
    r"|(?P<mark>[-+*/=|<>()\[\]{},^~.;:])|(?P<space> +)"
)
_MARKS = {
    "||": r"\,\|\,",
    "->": r"\to ",
    "<=": r"\le ",
    ">=": r"\ge ",
    "!=": r"\ne ",
    "|": r"\mid ",
    "*": r"\cdot ",
    "~": r"\sim ",
}


def _word(word: str, sub: str) -> str | None:
    "A word as TeX, None if mathematics has no such word."
    digit = re.fullmatch(r"([A-Za-z])(\d)", word)
    if digit:
        word, sub = (
            digit.group(1),
            f"_{digit.group(2)}" + sub.replace("_", "", 1) if sub else f"_{digit.group(2)}",
        )
    bar = word.endswith("_bar")
    word = word.removesuffix("_bar")
    tex = _NAMES.get(word) or (word if len(word) == 1 else None)
    if tex is None:
        return None
    sub = sub and "_{" + sub[1:].strip("{}").replace("theta", r"\theta") + "}"
    return (rf"\bar{{{tex}}}" if bar else tex) + sub


def _roots(tex: str) -> str:
    r"\sqrt(...) with its bracket as a root's bar."
    while r"\sqrt(" in tex:
        start = tex.index(r"\sqrt(") + 5
        depth = 0
        for i in range(start, len(tex)):
            depth += {"(": 1, ")": -1}.get(tex[i], 0)
            if depth == 0:
                tex = f"{tex[:start]}{{{tex[start + 1 : i]}}}{tex[i + 1 :]}"
                break
        else:
            return tex.replace(r"\sqrt(", r"\surd(")
    return tex


def tex_of(text: str) -> str | None:
    "A line in plain letters as TeX; None where a word or a sign of it is none of mathematics'."
    at, parts = 0, []
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found:
            return None
        at, kind = found.end(), found.lastgroup
        if found["word"]:
            tex = _word(found["word"], found["sub"] or "")
            if tex is None:
                return None
            parts.append(tex + " ")
        elif kind == "dots":
            parts.append(r"\dots ")
        elif kind == "space":
            parts.append(r"\quad " if len(found["space"]) > 1 else " ")
        else:
            parts.append(_MARKS.get(found.group(), found.group()))
    tex = _roots("".join(parts).replace(" (", "("))
    return tex if tex.count("{") == tex.count("}") else None


def _plain(text: str) -> str:
    "Prose as Markdown: no letter of it has another meaning."
    return re.sub(r"([\\*_\[\]<>$|{}#~`])", r"\\\1", text)


_PIECE = re.compile(
    # q(x_t | x_0), KL(...), N(...), E[...], log q(x): a name and its bracket; or a letter with its subscript
    r"(?<![\w.\[])(?:(?:log|E|Var|grad log) ?)?(?:[pqN]|KL|E|Var)(?:_\w)?[(\[][^()\[\]]*(?:\([^()]*\)[^()\[\]]*)*[)\]]"
    r"|(?<![\w.])(?:[a-zA-Z]|alpha_bar|alpha|beta|eps)_(?:\{[^}]*\}|[A-Za-z0-9])(?![\w(])"
    r"|(?<![\w.])(?:alpha_bar|eps|x0)(?![\w(.])"
)
_CODE = re.compile(
    r"(?<![\w.])(?:[A-Za-z_]+\.[A-Za-z_]+(?:\.\w+)*(?:\([^()]*\))?|[a-z]+(?:_[a-z]{2,})+)(?![\w])"
    r"|(?<![\w\])])\((?:b|n|T\+1|T|\*event)(?:, ?[\w*+]+)*,?(?<=[,t])\)"  # a shape: (b,), (b, *event), (T+1, b, *event)
)


def inline(text: str) -> str:
    "A sentence of a docstring as Markdown: formulas set, names of code as code."
    out, at = [], 0
    found = sorted(
        [*_PIECE.finditer(text), *_CODE.finditer(text)], key=lambda m: (m.start(), -m.end())
    )
    for one in found:
        if one.start() < at:
            continue
        tex = tex_of(one.group()) if one.re is _PIECE else None
        if one.re is _PIECE and tex is None:
            continue
        out.append(_plain(text[at : one.start()]))
        out.append(f"${tex.strip()}$" if tex else f"`{one.group()}`")
        at = one.end()
    return "".join(out) + _plain(text[at:])


def lines_of(block: str) -> str:
    "An indented block of a docstring: formulas where every line is one, else the code that it is."
    lines = [
        tex_of(re.sub(r"\s*\[[A-Z][^\]]*\]\s*$", "", line).strip()) for line in block.splitlines()
    ]
    if all(lines) and "=" in block:
        return "\n\n".join(f"$$\n{line.strip().rstrip(',')}\n$$" for line in lines)
    return f"```python\n{block}\n```" if re.search(r"\w\(", block) else f"```text\n{block}\n```"
