"""Who imports whom in the package, read from its code: `python -m tests.imports` draws nbs/images/imports.svg.

A chapter's module and each law is a box of its own; the modules of any other room share one. Each stands above what it
imports. All stand on the ground: the modules beside the chapters' that any other may ask. Two kinds of arrows are left
out: those to the ground, and those that follow from others.
"""

import ast
import functools
import html
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, PICTURE = ROOT / "diffusion_math", ROOT / "nbs" / "images" / "imports.svg"
GROUND = "ground"  # the room of the modules that stand beside the chapters' and are not a chapter's

# ------------------------------------------------------------------------------------------------ reading


class Import(NamedTuple):
    "One name that a module takes from another; the name is '' where it takes the module itself."

    of: str
    name: str


def modules(package: Path) -> dict[str, Path]:
    "The modules by name, such as 'laws.mixture'; not the packages' own files, nor nbdev's index."
    paths = {path.relative_to(package).with_suffix(""): path for path in package.rglob("*.py")}
    named = {".".join(where.parts): path for where, path in paths.items()}
    return {name: path for name, path in sorted(named.items()) if not Path(path).stem[0] == "_"}


@functools.cache
def nodes(code: str) -> tuple[ast.AST, ...]:
    "All that some code consists of, as its syntax tree has it."
    return tuple(ast.walk(ast.parse(code)))


def imports(package: Path) -> dict[str, set[Import]]:
    "What each module takes from others of the package, wherever in its code it does so."
    files = modules(package)
    homes = {i.name: i.of for i in _taken(package / "__init__.py", "__init__", files, {})}
    return {name: set(_taken(path, name, files, homes)) for name, path in files.items()}


def _taken(path: Path, module: str, files: Iterable[str], homes: dict) -> Iterator[Import]:
    "The imports of one file. What it takes from the package itself comes from where the package has it."
    for node in nodes(path.read_text(encoding="utf-8")):
        if isinstance(node, ast.Import):
            names = [alias.name.partition("diffusion_math.")[2] for alias in node.names]
            yield from (Import(name, "") for name in names if name in files)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            where = ".".join([*above, *([node.module] if node.module else [])])
            if not node.level and not re.match(r"diffusion_math(\.|$)", where):
                continue
            where = where if node.level else where.partition(".")[2]
            for alias in node.names:
                inside = f"{where}.{alias.name}".strip(".")
                if inside in files:
                    yield Import(inside, "")
                elif where in files:
                    yield Import(where, alias.name)
                elif alias.name in homes:
                    yield Import(homes[alias.name], alias.name)


def chapter(path: Path) -> str:
    "The number of the chapter that a module is exported from, such as '5b'; '' if it comes from no chapter."
    found = re.search(
        r"File to edit: \S*nbs/0?(\d\w*?)_\w+\.ipynb", path.read_text(encoding="utf-8")
    )
    return found.group(1) if found else ""


# ------------------------------------------------------------------------------------------------ rooms


def room(module: str, path: Path) -> str:
    "The folder of the package that a module lies in; 'chapters' or 'ground' for those that lie in none."
    folder = module.partition(".")[0] if "." in module else ""
    return folder or ("chapters" if chapter(path) else GROUND)


def box(module: str, path: Path) -> str:
    "The box that a module is drawn in: its own, or that of its room."
    where = room(module, path)
    return module if where in ("chapters", "laws") else where


def between_boxes(package: Path) -> dict[str, set[str]]:
    "Box -> the boxes that it imports from."
    files = modules(package)
    boxes = {name: box(name, path) for name, path in files.items()}
    graph: dict[str, set[str]] = {b: set() for b in boxes.values()}
    for name, taken in imports(package).items():
        graph[boxes[name]] |= {boxes[i.of] for i in taken} - {boxes[name]}
    return graph


def above_ground(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    "The graph without the ground. ValueError: the ground itself imports from a room."
    if graph.get(GROUND):
        raise ValueError(f"the ground must import from no room, got {', '.join(graph[GROUND])}")
    return {name: taken - {GROUND} for name, taken in graph.items() if name != GROUND}


def heights(graph: dict[str, set[str]]) -> dict[str, int]:
    "The floor of each: one above the highest of what it imports. ValueError: they import in a circle."
    known: dict[str, int] = {}

    def height(name: str, above: tuple[str, ...]) -> int:
        if name in above:
            raise ValueError(f"imports in a circle: {' -> '.join([*above, name])}")
        if name not in known:
            known[name] = max(
                (height(n, (*above, name)) + 1 for n in sorted(graph[name])), default=0
            )
        return known[name]

    return {name: height(name, ()) for name in sorted(graph)}


def floors(graph: dict[str, set[str]], rooms: dict[str, str]) -> dict[str, int]:
    "Where each box is drawn: a chapter as low as it can stand, all else as high as those allow that import from it."
    floor = heights(graph)
    for name in sorted(graph, key=lambda n: -floor[n]):
        above = [floor[n] for n in graph if name in graph[n]]
        if above and rooms[name] != "chapters":
            floor[name] = min(above) - 1
    return floor


def reduced(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    "The graph without the arrows that follow from others."

    def below(name: str) -> set[str]:
        return graph[name].union(*(below(n) for n in graph[name]))

    return {name: taken - set().union(*(below(n) for n in taken)) for name, taken in graph.items()}


# ------------------------------------------------------------------------------------------------ drawing

WIDTH, MARGIN, GAP, FLOOR = (
    900,
    20,
    26,
    44,
)  # the page; its edge; between boxes side by side; between floors
MIDDLE = {  # where the middle of a room's boxes would like to be; a chapter's first of all
    "laws": 150,
    "explore": 150,
    "chapters": 560,
    "networks": 720,
    "referee": 300,
    "teach": 720,
    "training": 720,
    "command": 720,
    "data": 830,
}
LARGE, SMALL, LINE = 14, 11.5, 16  # the sizes of a box's name and of its modules; from line to line
CHAPTER_LOOK, ROOM_LOOK = ("#FFFFFF", "#222222"), ("#F1F3F5", "#8A939B")  # fill and edge


class Box(NamedTuple):
    "A box on the page: its middle, its size and its lines, the first of which is its name."

    x: float
    y: float
    width: float
    height: float
    lines: tuple[str, ...]
    look: tuple[str, str]


def contents(name: str, files: dict[str, Path]) -> tuple[str, ...]:
    "What stands in a box: a chapter's number under its module, or under a room's name its modules and inner rooms."
    if name in files:
        number = chapter(files[name])
        return (name, f"chapter {number}") if number else (name,)
    held = [m.split(".")[1] for m, path in files.items() if box(m, path) == name]
    inside = list(dict.fromkeys(held))
    rows, per_row = [], 2 if len(inside) <= 8 else 3
    for i in range(0, len(inside), per_row):
        rows.append(", ".join(inside[i : i + per_row]))
    return (name, *rows)


def size(lines: tuple[str, ...]) -> tuple[float, float]:
    "The width and the height that the lines of a box need."
    widths = [0.62 * LARGE * len(lines[0]), *(0.56 * SMALL * len(line) for line in lines[1:])]
    return max(84.0, max(widths) + 22), LINE * len(lines) + 16


def side_by_side(wanted: list[tuple[float, float]]) -> list[float]:
    "The middles of boxes of one floor, given where each would like to be and its width, from left to right."
    middles, right = [], MARGIN - GAP
    for x, width in wanted:
        middles.append(max(x, right + GAP + width / 2))
        right = middles[-1] + width / 2
    left = WIDTH - MARGIN + GAP
    for i, (_, width) in reversed(list(enumerate(wanted))):
        middles[i] = min(middles[i], left - GAP - width / 2)
        left = middles[i] - width / 2
    return middles


def layout(graph: dict[str, set[str]], files: dict[str, Path]) -> dict[str, Box]:
    "The boxes, floor by floor from the highest, and the ground below them all."
    rooms = {box(m, path): room(m, path) for m, path in files.items()}
    floor = floors(graph, rooms)
    boxes, y = {}, float(MARGIN)
    for level in range(max(floor.values()), -1, -1):
        names = [n for n in sorted(graph) if floor[n] == level]
        names.sort(key=lambda n: (MIDDLE.get(rooms[n], 560), n))
        lines = {n: contents(n, files) for n in names}
        wanted = [(MIDDLE.get(rooms[n], 560), size(lines[n])[0]) for n in names]
        tallest = max(size(lines[n])[1] for n in names)
        for n, x in zip(names, side_by_side(wanted), strict=True):
            look = CHAPTER_LOOK if rooms[n] == "chapters" else ROOM_LOOK
            boxes[n] = Box(x, y + tallest / 2, *size(lines[n]), lines[n], look)
        y += tallest + FLOOR
    inside = [m for m, path in files.items() if box(m, path) == GROUND]
    if inside:
        lines = (GROUND, ", ".join(inside))
        width, height = WIDTH - 2 * MARGIN, size(lines)[1]
        boxes[GROUND] = Box(WIDTH / 2, y - FLOOR / 2 + height / 2, width, height, lines, ROOM_LOOK)
    return boxes


def curve(a: tuple, b: tuple, bow: float) -> list[tuple[float, float]]:
    "The four points of a curve that leaves a downwards and reaches b from above, bowed to one side."
    reach = 0.45 * (b[1] - a[1])
    return [a, (a[0] + bow, a[1] + reach), (b[0] + bow, b[1] - reach), b]


def along(points: list[tuple[float, float]], u: float) -> tuple[float, float]:
    "The place at u of a cubic curve."
    weights = [(1 - u) ** 3, 3 * u * (1 - u) ** 2, 3 * u**2 * (1 - u), u**3]
    x, y = (sum(w * p[k] for w, p in zip(weights, points, strict=True)) for k in (0, 1))
    return x, y


def free_curve(a: tuple, b: tuple, others: list[Box]) -> list[tuple[float, float]]:
    "The curve from a to b with the smallest bow that stays on the page and clear of the other boxes."

    def hits(points: list) -> int:
        path = [along(points, k / 40) for k in range(41)]
        off_page = sum(not 10 < x < WIDTH - 10 for x, _ in path)
        return off_page + sum(
            abs(x - o.x) < o.width / 2 + 10 and abs(y - o.y) < o.height / 2 + 6
            for x, y in path
            for o in others
        )

    tries = [curve(a, b, s * bow) for bow in range(0, 480, 20) for s in (-1, 1)]
    return min(tries, key=hits)


def arrows(graph: dict[str, set[str]], boxes: dict[str, Box]) -> Iterator[list]:
    "The curves, each from the lower edge of a box to the upper edge of one that it imports from."
    pairs = [(a, b) for a, taken in sorted(reduced(graph).items()) for b in sorted(taken)]
    for a, b in pairs:
        down = sorted((n for m, n in pairs if m == a), key=lambda n: (boxes[n].x, n))
        up = sorted((m for m, n in pairs if n == b), key=lambda m: (boxes[m].x, m))
        ends = [(boxes[a], down.index(b), len(down), 1), (boxes[b], up.index(a), len(up), -1)]
        start, end = (
            (o.x + o.width * 0.7 * ((i + 1) / (n + 1) - 0.5), o.y + side * (o.height / 2 + 2))
            for o, i, n, side in ends
        )
        yield free_curve(start, end, [o for name, o in boxes.items() if name not in (a, b)])


def in_words(graph: dict[str, set[str]]) -> str:
    "The picture's arrows as a text, the highest box first."
    floor, said = heights(graph), []
    for name in sorted(graph, key=lambda n: (-floor[n], n)):
        taken = sorted(reduced(graph)[name])
        said.append(f"{name} imports {', '.join(taken) if taken else 'nothing above the ground'}")
    return "; ".join(said) + "."


def draw(package: Path = PACKAGE) -> str:
    "The picture, as the text of an SVG file."
    files, graph = modules(package), above_ground(between_boxes(package))
    boxes = layout(graph, files)
    bottom = max(o.y + o.height / 2 for o in boxes.values()) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom:.0f}" role="img"'
        ' font-family="Helvetica, Arial, sans-serif" text-anchor="middle">',
        "<title>Who imports whom in diffusion_math</title>",
        f"<desc>{html.escape(in_words(graph))}</desc>",
        '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8"'
        ' orient="auto"><path d="M0 0.5 8 4 0 7.5z" fill="#555555"/></marker>',
        f'<rect width="{WIDTH}" height="{bottom:.0f}" fill="#FFFFFF"/>',
        '<g fill="none" stroke="#555555" stroke-width="1.3">',
    ]
    for points in arrows(graph, boxes):
        a, *rest = [f"{x:.1f} {y:.1f}" for x, y in points]
        parts.append(f'<path d="M{a} C{", ".join(rest)}" marker-end="url(#tip)"/>')
    parts.append("</g>")
    for name, o in boxes.items():
        parts += _drawn(name, o)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _drawn(name: str, o: Box) -> Iterator[str]:
    "One box with its lines."
    left, top, (fill, edge) = o.x - o.width / 2, o.y - o.height / 2, o.look
    yield (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{o.width:.1f}" height="{o.height:.1f}" rx="6"'
        f' fill="{fill}" stroke="{edge}" stroke-width="1.3"/>'
    )
    for i, line in enumerate(o.lines):
        style = (
            f'font-size="{SMALL}" fill="#444444"'
            if i
            else f'font-size="{LARGE}" font-weight="bold"'
        )
        place = f'x="{o.x:.1f}" y="{top + 21 + LINE * i:.1f}"'
        yield f"<text {place} {style}>{html.escape(line.replace('.', '/'))}</text>"


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
    print(PICTURE.relative_to(ROOT))
