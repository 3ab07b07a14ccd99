"""Where things stand in an explorable, by their boxes: what a reader would have to see to find that it is out of place.

Each function takes what `look(root)` saw and returns a list of what is wrong, in words. `watch(page)` must be called, or
the script WATCHING be run, before the widgets are drawn: it remembers every text that is written on a canvas, and where.
"""

ROOT = ".dm-explorable"
NEAR = 34  # pixels between a label and its value, if one stands above the other
SPARE = 1.5  # pixels that rounding may add to a box

# Every text that can be seen, with its box: [text, left, top, right, bottom, is it in the frame].
TEXTS = """root => {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT), found = [];
    while (walker.nextNode()) {
        const node = walker.currentNode, parent = node.parentElement;
        if (!node.textContent.trim() || parent.closest('.dm-hidden, option, select')) continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        for (const r of range.getClientRects()) found.push([node.textContent.trim(), r.left, r.top, r.right, r.bottom]);
    }
    return found;
}"""

PAIRS = """root => {
    const pairs = [], box = e => { const range = document.createRange(); range.selectNodeContents(e);
        const r = range.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; };
    const add = (label, value) => pairs.push([label.textContent.trim(), box(label), box(value), label.localName]);
    for (const dt of root.querySelectorAll('dt')) add(dt, dt.nextElementSibling);
    for (const line of root.querySelectorAll('.dm-line')) add(line.firstChild, line.lastChild);
    return pairs;
}"""


def gaps(a, b):
    "How far two boxes are apart, across and down; below 0 they overlap."
    return max(a[0], b[0]) - min(a[2], b[2]), max(a[1], b[1]) - min(a[3], b[3])


def together(label, value):
    "Does the label stand right above the value, both at the left, or beside it on one line?"
    across, down = gaps(label, value)
    above = label[3] <= value[1] + SPARE and down <= NEAR and abs(label[0] - value[0]) <= SPARE
    beside = label[2] <= value[0] + SPARE and -down >= 0.5 * min(
        label[3] - label[1], value[3] - value[1]
    )
    return above or beside


def strayed(seen):
    "The labels that do not stand with their own value; in a list of names and numbers, or stand nearer to another's."
    pairs = seen["pairs"]
    wrong = [f"{name!r} is not with its value" for name, a, b, _ in pairs if not together(a, b)]
    listed = [pair for pair in pairs if pair[3] == "dt"]
    for name, label, value, _ in listed:
        own = sum(max(0, gap) for gap in gaps(label, value))
        for other, _, foreign, _ in listed:
            if other != name and sum(max(0, gap) for gap in gaps(label, foreign)) < own - SPARE:
                wrong.append(f"{name!r} stands nearer to the value of {other!r}")
    return wrong


BOXES = """root => Array.from(root.querySelectorAll('*'))
    .filter(e => !e.closest('.dm-hidden, select') && e.getBoundingClientRect().width)
    .map(e => {
        const own = e.getBoundingClientRect(), around = e.parentElement.getBoundingClientRect();
        const free = getComputedStyle(e).position === 'absolute';
        return [`${e.localName}.${e.className} ${e.textContent.slice(0, 30)}`, own.left, own.top, own.right, own.bottom,
            free ? -Infinity : around.left, free ? Infinity : around.right];
    })"""


def outside(seen):
    "What leaves the frame, elements and texts; and what is wider than the element that holds it."
    (left, top, right, bottom), boxes = seen["frame"], seen["boxes"]
    left, top, right, bottom = left - SPARE, top - SPARE, right + SPARE, bottom + SPARE
    wrong = [
        f"{name!r} leaves the frame"
        for name, *r in [row[:5] for row in boxes] + seen["texts"]
        if r[0] < left or r[1] < top or r[2] > right or r[3] > bottom
    ]
    return wrong + [
        f"{name!r} is wider than what holds it"
        for name, x0, _, x1, _, low, high in boxes
        if low is not None and (x0 < low - SPARE or x1 > high + SPARE)
    ]


def on_top(seen):
    "Texts that lie on one another: by more than a line's own slack."
    texts, wrong = seen["texts"], []
    for i, (name, *a) in enumerate(texts):
        for other, *b in texts[:i]:
            across, down = gaps(a, b)
            if across < -SPARE and down < -6:
                wrong.append(f"{name!r} lies on {other!r}")
    return wrong


PLOTS = "root => Array.from(root.querySelectorAll('.dm-plot'), c => [c.texts ?? [], c.clientWidth, c.clientHeight])"
FRAME = """root => {
    const box = root.getBoundingClientRect();
    return [box.left, box.top, box.right, box.bottom];
}"""
LOOK = ", ".join(
    f"{name}: ({script})(root)"
    for name, script in (
        ("pairs", PAIRS), ("texts", TEXTS), ("boxes", BOXES), ("frame", FRAME), ("plots", PLOTS)
    )
)  # fmt: skip


def look(root):
    "What there is to be seen of an explorable, asked for once."
    return root.evaluate(f"root => ({{ {LOOK} }})")


def faults(seen):
    "All that is wrong."
    return strayed(seen) + outside(seen) + on_top(seen) + written(seen)


WATCH = """() => {
    if (window.watched) return;
    window.watched = true;
    const { fillText, clearRect, drawImage } = CanvasRenderingContext2D.prototype;
    CanvasRenderingContext2D.prototype.drawImage = function (image, ...a) {
        if (image.texts) (this.canvas.texts ??= []).push(...image.texts);
        return drawImage.call(this, image, ...a);
    };
    CanvasRenderingContext2D.prototype.clearRect = function (...a) {
        this.canvas.texts = [];
        return clearRect.apply(this, a);
    };
    CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
        if (!text) return; // where an axis has no name
        const m = this.measureText(text), t = this.getTransform();
        const at = (u, v) => [t.a * u + t.c * v + t.e, t.b * u + t.d * v + t.f];
        const corners = [at(x - m.actualBoundingBoxLeft, y - m.actualBoundingBoxAscent),
                         at(x + m.actualBoundingBoxRight, y + m.actualBoundingBoxDescent)];
        const [us, vs] = [0, 1].map(i => corners.map(c => c[i] / devicePixelRatio));
        (this.canvas.texts ??= []).push([text, Math.min(...us), Math.min(...vs), Math.max(...us), Math.max(...vs)]);
        return fillText.call(this, text, x, y);
    };
}"""


WATCHING = f"({WATCH})()"  # as a script that runs before the widgets are drawn


def watch(page):
    page.add_init_script(WATCHING)
    page.evaluate(WATCH)  # where a page is there already


def written(seen):
    "What is written on the plots beyond their edges, or one text over another."
    wrong = []
    for texts, width, height in seen["plots"]:
        for i, (name, *a) in enumerate(texts):
            if a[0] < -0.5 or a[1] < -0.5 or a[2] > width + 0.5 or a[3] > height + 0.5:
                wrong.append(f"{name!r} is cut off at the edge of its plot")
            for other, *b in texts[:i]:
                if max(gaps(a, b)) < 0:
                    wrong.append(f"{name!r} is written over {other!r}")
    return wrong
