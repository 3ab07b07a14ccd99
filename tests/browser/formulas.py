"""Where each glyph of a formula stands, in JupyterLab and on a page: the two pictures of MathJax, to compare.

A glyph is known by its code point, its font and its size; its place is measured from the formula's first glyph, in ems.
JupyterLab shows boxes, one in the other, whose edges Chromium rounds to 1/64 px: from left to right the error adds up, a
few boxes for each glyph. It draws a rule at least one pixel thick, so what stands above or below one may be moved by as much.
"""

# the two pictures name a font, or a glyph, differently where they draw the same one
FONTS = {"D": "A", "LO": "S2", "SO": "S1", "V": "N"}
GLYPHS = {
    ("2225", "N"): ("2016", "N"),
    ("25FB", "I"): ("25FB", "A"),
    ("1D715", "I"): ("1D715", "N"),
    ("2113", "I"): ("2113", "N"),
}
GUESS = 0.15  # ems between the width that a page gives an accented letter, and any serif font's
BOXES = 4  # a glyph's own, its symbol's, that of its script or row, and a space
LAB = """() => Array.from(document.querySelectorAll('.jp-MarkdownOutput mjx-container'), box => {
    const size = parseFloat(getComputedStyle(box.querySelector('mjx-math')).fontSize);
    const shown = Array.from(box.querySelectorAll('mjx-math mjx-c, mjx-math mjx-utext')).filter(c =>
        !c.closest('mjx-labels, mjx-stretchy-v, mjx-stretchy-h'));
    const glyphs = shown.map(c => {
        const at = c.getBoundingClientRect(), above = parseFloat(getComputedStyle(c, '::before').paddingTop) || 0;
        const code = c.className.match(/mjx-c([0-9A-F]+)/)?.[1] ?? c.textContent;
        const font = c.localName === 'mjx-utext' ? '' : c.className.match(/TEX-(\\w+)/)?.[1] ?? 'N';
        return [code, font, parseFloat(getComputedStyle(c).fontSize) / size, at.left / size, (at.top + above) / size];
    });
    return {size, glyphs, long: box.querySelectorAll('mjx-math mjx-stretchy-v, mjx-math mjx-stretchy-h').length};
})"""
PAGE = """() => Array.from(document.querySelectorAll('.formula > svg'), box => {
    const whole = box.getScreenCTM(), size = 1000 * whole.a;
    const name = c => c.getAttribute('href')?.match(/TEX-(\\w+)-(\\w+)/) ?? [0, '', c.textContent];
    const grows = c => c.closest('svg') !== box || c.parentNode.querySelector(':scope > svg') || /^E15/.test(name(c)[2]);
    const shown = Array.from(box.querySelectorAll('use, text'));
    const glyphs = shown.filter(c => !grows(c)).map(c => {
        const at = c.getScreenCTM(), [, font, code] = name(c);
        return [code, font, at.a / whole.a, (at.e - whole.e) / size, (at.f - whole.f) / size];
    });
    // a brace is known by its left end, a bar by its stretched middle
    const long = shown.filter(grows).filter(c => !/^E15[^0]/.test(name(c)[2]));
    return {size, glyphs, long: long.length};
})"""


def glyphs(formula: dict) -> list[tuple]:
    "Code point, font, size, and the place from the first glyph, sorted. A letter that no font of TeX's has is the browser's."
    found = []
    for code, font, scale, x, y in formula["glyphs"]:
        font = FONTS.get(font, font)
        found.append(
            (*GLYPHS.get((code, font), (code, font)), round(scale, 2) if font else 0, x, y)
        )
    first = min(found, default=())
    return sorted((*name, x - first[3], y - first[4]) for *name, x, y in found)


def difference(lab: dict, page: dict) -> str:
    "What two pictures of a formula do not have in common; '' if nothing."
    ours, theirs = glyphs(page), glyphs(lab)
    if [g[:3] for g in ours] != [g[:3] for g in theirs]:
        return f"{sorted({g[:3] for g in ours} ^ {g[:3] for g in theirs})}"
    if page["long"] != lab["long"]:
        return f"{page['long']} braces or bars that grow, for {lab['long']}"
    pixel, own = 1 / lab["size"], sum(not font for _, font, *_ in ours)
    wide = (len(ours) + page["long"]) * BOXES / 64 * pixel + own * GUESS
    for *name, x, y in ours:
        # two of a kind may stand above each other, an eye's width apart: the nearest is its partner
        near = min(
            (g for g in theirs if g[:3] == tuple(name)), key=lambda g: abs(x - g[3]) + abs(y - g[4])
        )
        theirs.remove(near)
        *_, x_lab, y_lab = near
        if abs(x - x_lab) > wide or (name[1] and abs(y - y_lab) > pixel):
            return f"{name} at {x:.3f}, {y:.3f} for {x_lab:.3f}, {y_lab:.3f}"
    return ""
