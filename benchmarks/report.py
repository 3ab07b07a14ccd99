"""README.md, TABLES.md and their pictures, from results.json: no number in them is written by hand."""

import textwrap
from collections.abc import Callable
from pathlib import Path

from common import HERE, unique

PICTURES = HERE / "pictures"
OURS = "diffusion_math"
HEAD = """# Benchmarks

The packages beside us, measured on one machine. Defaults come first, then what each package can do at its best, then
speed and exactness. A picture a row; the numbers behind it are in [TABLES.md](TABLES.md).

`make bench` makes an environment of its own, installs the peers from PyPI, runs every row one after the other, and writes
this page, TABLES.md and `results.json`; `MODE=full` takes more repeats and the slow rows, `DATA=DIR` names the folder that
holds `MNIST/raw`. Each row is one script of this folder and runs alone.

Where samplers are compared, everybody gets the same noise, the same calls, the same levels beside those of its own, and at
most 60 samplers to choose from. A *floor* is what nobody can beat: the arithmetic alone, written out in torch for this one
case, or the error of exact draws. A ratio is taken repeat by repeat with the contestants in turns (A B A B …), and a dot
stands at its median with its quartiles, unless a row says otherwise. Each row says when it was measured; a *former version*
is a row whose code of ours has been rewritten since.
"""
TABLES = """# The numbers behind [the benchmarks](README.md)

Written by the same run. In brackets: the quartiles, unless a row says otherwise. *Former version* marks a row whose code of
ours has been rewritten since and which has not been run again.
"""


def number(value: float | None, style: str = "g") -> str:
    if value is None:
        return "failed"
    if style == "e" and value:
        return f"{value:.1e}"
    size = abs(value)
    if size > 1 and float(value).is_integer():
        return f"{value:,.0f}"
    return (
        f"{value:.0f}"
        if size >= 100
        else f"{value:.1f}"
        if size >= 10
        else f"{value:.2f}"
        if size >= 0.1
        else (f"{value:.4f}" if size >= 1e-3 or not value else f"{value:.1e}")
    )


def cell(figure: dict, style: str) -> str:
    text = number(figure["value"], style)
    if figure["value"] is not None and "low" in figure and figure["low"] != figure["high"]:
        text += f" ({number(figure['low'], style)}–{number(figure['high'], style)})"
    return text


def table(row: dict) -> str:
    "Who down, case across; or the other way round where there are many cases."
    figures, style = row["figures"], row.get("style", "g")
    who, cases = unique(f["who"] for f in figures), unique(f["case"] for f in figures)
    found = {(f["who"], f["case"]): cell(f, style) for f in figures}
    down, across, key = (who, cases, lambda a, b: (a, b))
    if len(cases) > len(who):
        down, across, key = (cases, who, lambda a, b: (b, a))
    lines = [["", *across], ["---"] * (len(across) + 1)]
    lines += [
        [f"**{a}**" if a.startswith(OURS) else a, *(found.get(key(a, b), "") for b in across)]
        for a in down
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def picture(name: str, row: dict) -> Path | None:
    "Every case a panel (or those that the row names), everybody a dot with its quartiles; ours in colour."
    from diffusion_math.plot import PALETTE, figure, style

    drawn = row.get("picture") or unique(f["case"] for f in row["figures"])
    figures = [
        f
        for f in row["figures"]
        if f["value"] is not None and f["value"] > 0 and f["case"] in drawn
    ]
    cases = unique(f["case"] for f in figures)
    if (
        not 1 <= len(cases) <= (9 if row["unit"] else 3) or len(figures) < 2
    ):  # without a unit each case has its own
        return None
    rows = -(-len(cases) // 2)
    most = max(sum(f["case"] == case for f in figures) for case in cases)
    fig, axes = figure(
        rows, min(2, len(cases)), width=9, height=rows * (0.9 + 0.3 * most), squeeze=False
    )
    with style():
        for ax, case in zip(axes.flat, cases, strict=False):
            mine = [f for f in figures if f["case"] == case][::-1]
            for y, f in enumerate(mine):
                color = PALETTE["data"] if f["who"].startswith(OURS) else PALETTE["noise"]
                ax.plot([f.get("low", f["value"]), f.get("high", f["value"])], [y, y], color=color)
                ax.plot(f["value"], y, "o", color=color)
            values = [f["value"] for f in mine]
            if max(values) > 8 * min(values):
                ax.set_xscale("log")
            ax.set_yticks(range(len(mine)), [f["who"] for f in mine])
            ax.set_ylim(-0.6, len(mine) - 0.4)
            ax.set_title(textwrap.fill(case, 34))
            ax.set_xlabel("ms" if ", ms" in case else row["unit"])
        for ax in list(axes.flat)[len(cases) :]:
            ax.set_axis_off()
    PICTURES.mkdir(exist_ok=True)
    path = PICTURES / f"{name}.png"
    fig.savefig(path, dpi=120)
    return path


def lines_picture(name: str, row: dict) -> Path | None:
    "Errors against the number of steps or calls, for rows whose cases end in '..., N steps' or '..., N calls'."
    from matplotlib import colormaps

    from diffusion_math.plot import PALETTE, figure, style

    others = colormaps["Dark2"].colors
    kinds = row.get("picture") or unique(f["case"].rsplit(", ", 1)[0] for f in row["figures"])
    across = len(kinds) if len(kinds) <= 4 else -(-len(kinds) // 2)
    down = -(-len(kinds) // across)
    fig, axes = figure(down, across, width=13, height=4.2 * down, squeeze=False)
    whos, marks = unique(f["who"] for f in row["figures"]), "osD^vP*Xd>"
    counts = row["figures"][0]["case"].split()[-1]
    with style():
        for ax in list(axes.flat)[len(kinds) :]:
            ax.set_axis_off()
        for ax, kind in zip(axes.flat, kinds, strict=False):
            for i, who in enumerate(whos):
                dots = [
                    (int(f["case"].rsplit(", ", 1)[1].split()[0]), f["value"])
                    for f in row["figures"]
                    if f["who"] == who and f["case"].rsplit(", ", 1)[0] == kind and f["value"]
                ]
                ours = who.startswith(OURS)
                color = PALETTE["data"] if ours else "black" if who == "floor" else others[i]
                ax.plot(
                    *(zip(*dots, strict=True) if dots else ((), ())),
                    marker=marks[i % len(marks)],
                    color=color,
                    label=who,
                    linestyle="--" if who == "floor" else "-",
                    markersize=5,
                    linewidth=2.4 if ours else 1.2,
                    zorder=3 if ours else 2,
                )
            ax.set(xscale="log", yscale="log", xlabel=counts, title=kind.replace(", ", "\n"))
            steps = sorted({int(f["case"].split()[-2]) for f in row["figures"]})
            ax.set_xticks(steps, steps)
            ax.set_xticks([], minor=True)
        axes[0, 0].set_ylabel("error")
        fig.legend(
            *axes[0, 0].get_legend_handles_labels(), loc="outside right center", frameon=False
        )
    PICTURES.mkdir(exist_ok=True)
    path = PICTURES / f"{name}.png"
    fig.savefig(path, dpi=110)
    return path


def more(row: dict) -> list[str]:
    "The plain numbers behind the ratios."
    out = []
    if any("seconds" in f and "steps" not in f for f in row["figures"]):
        for case in unique(f["case"] for f in row["figures"]):
            mine = [f for f in row["figures"] if f["case"] == case and "seconds" in f]
            if not mine:
                continue
            scale, unit = (1, "s") if max(f["seconds"] for f in mine) > 0.1 else (1e6, "µs")
            out.append(
                f"{case.capitalize()}, {unit}: "
                + ", ".join(f"{f['who']} {number(f['seconds'] * scale)}" for f in mine)
                + "."
            )
    speeds = [
        f"{f['who']} {number(f['images_per_second'])} images/s with {f['parameters']:,} parameters"
        for f in row["figures"]
        if "images_per_second" in f
    ]
    steps = [
        f"{f['who']} {f['steps']:,} steps of training in {number(f['seconds'])} s"
        for f in row["figures"]
        if "steps" in f
    ]
    out += ["; ".join(each) + "." for each in (speeds, steps) if each]
    if "note" in row:
        out.append(row["note"])
    if "samples" in row:
        n = row["samples"]
        said = ", ".join(f"{v:,} ({k})" for k, v in n.items()) if isinstance(n, dict) else f"{n:,}"
        out.append(f"Each error is that of so many samples: {said}.")
    return out


def verdicts(row: dict) -> str:
    "What the referee says of each function: the package, the function, right or not, and the finding."
    lines = ["| package | function | verdict |", "| --- | --- | --- |"]
    for f in row["figures"]:
        first, *rest = f["says"].split("\n    ")
        notes = [
            line for line in rest if line.startswith(("Each of", "So few", "The draws", "In float"))
        ]
        said = " ".join([first.partition(": ")[2], *notes]).replace("|", "\\|")
        lines.append(f"| {f['who']} {f['version']} | {f['case']} | {said} |")
    kinds = "right", "right code refused", "named", "refused", "missed"
    table = [f"| style | {' | '.join(kinds)} |", "| --- |" + " ---: |" * len(kinds)]
    table += [
        f"| {r['style']} | {' | '.join(str(r[k]) for k in kinds)} |" for r in row.get("styles", [])
    ]
    return "\n".join(table) + "\n\n" + "\n".join(lines) + "\n\n" + VERDICTS


VERDICTS = """A verdict is about the formula that the referee holds, and need not be about what a package set out to do. So, fairly:
the scaled linear table that does not end in noise is kept for the models that were trained with it. `DDIMScheduler` clips
by default and keeps the old noise; `step(..., use_clipped_model_output=True)` takes it anew. The tanh is called an
approximation where it stands. In the first table, `named`, `refused` and `missed` count slips, refused those without
their own name; of right code none may be refused."""


def how(row: dict) -> str:
    "How a row was run, and when."
    if "seconds" in row:
        said = f"{row['mode']} mode, {row['seconds']:.0f} s"
    else:
        said = row["mode"] + (
            f", PyTorch's threads: {row['machine']['threads']}" if "machine" in row else ""
        )
    said += f", measured {row['measured']}" if "measured" in row else ""
    return said + (" (former version)" if row.get("former") else "")


def tables(name: str, row: dict) -> str:
    "All numbers of a row, for TABLES.md."
    parts = [f'<a id="{name}"></a>\n\n## {row["title"]}']
    parts.append(
        f"{('In ' + row['unit'] + '. ') if row['unit'] else ''}Better is {row['better']}. "
        f"`{name}.py`, {how(row)}."
    )
    if row.get("verdicts"):
        parts.append(verdicts(row))
    else:
        parts += [table(row), *more(row)]
    parts += [row[key] for key in ("after",) if key in row]
    if row.get("former"):
        parts.append(f"*Former version*: {row['former']}")
    if "failed_since" in row:
        parts.append(
            f"A later run failed ({row['failed_since']}); these are the numbers before it."
        )
    return "\n\n".join(parts) + "\n"


def section(name: str, row: dict) -> str:
    "A row on the page: what it was held to, whether it holds, and the picture."
    parts = [
        f"## {row['title']}",
        f"Target: {row['target']}. **{held(name, row)}** {finding(name, row)} "
        f"[The numbers](TABLES.md#{name}), measured {row['measured']}"
        + (", a former version." if row.get("former") else "."),
    ]
    many = any(f["case"].endswith((" steps", " calls")) for f in row["figures"])
    if not row.get("verdicts") and (path := (lines_picture if many else picture)(name, row)):
        words = f"{row['title']}: the numbers as a picture"
        parts.append(f"![{words}]({path.relative_to(HERE).as_posix()})")
    return "\n\n".join(parts) + "\n"


def of_case(row: dict, case: str) -> tuple[dict, list[dict]]:
    "Our best figure of a case among those like a peer's (untold, say), and the peers', the best first; a base is no peer."
    base = {row.get("base"), "floor", "held-out digits", "training digits"}
    kinds = {like(f) for f in row["figures"] if not f["who"].startswith(OURS)}
    figures = sorted(
        (f for f in row["figures"] if f["case"] == case and f["value"] is not None),
        key=lambda f: f["value"],
    )
    ours = [f for f in figures if f["who"].startswith(OURS)]
    others = [f for f in figures if f not in ours and f["who"] not in base]
    return next((f for f in ours if like(f) in kinds), ours[0]), others


def like(f: dict) -> str:
    "What a contestant was told, where its name says so."
    return f["who"].partition(", ")[2]


def cases(row: dict) -> list[str]:
    "The cases in which ours has a figure."
    mine = unique(f["case"] for f in row["figures"] if f["who"].startswith(OURS) and f["value"])
    return [case for case in row.get("picture") or mine if case in mine]


def within(bound: float) -> Callable[[dict], bool]:
    return lambda row: all(of_case(row, case)[0]["value"] <= bound for case in cases(row))


def ahead(row: dict) -> bool:
    "Whether ours is below every peer in every case."
    both = (of_case(row, case) for case in cases(row))
    return all(mine["value"] < f["value"] for mine, others in both for f in others)


def nearest(row: dict) -> bool:
    "Whether no peer is ahead by more than the error of ours."
    both = (of_case(row, case) for case in cases(row))
    return all(
        mine.get("low", mine["value"]) <= f["value"] for mine, others in both for f in others
    )


def soon(row: dict) -> bool:
    "Whether ours after the first budget is ahead of each peer after the last."
    first, *_, last = (case for case in cases(row) if "distance" in case)
    return all(of_case(row, first)[0]["value"] < f["value"] for f in of_case(row, last)[1])


def none_refused(row: dict) -> bool:
    return all(not s["right code refused"] and not s["missed"] for s in row["styles"])


def in_the_page(row: dict) -> tuple[float, float]:
    "A step beside torch's, and the milliseconds of a digit."
    of = {f["case"]: f["value"] for f in row["figures"] if f["who"] == "in the page"}
    return of["a step"], of["a digit in 20 calls, ms"]


def too_long(row: dict) -> list[str]:
    "The chapters that take more CPU seconds than they should, or fail."
    return [
        f["who"]
        for f in row["figures"]
        if f["value"] is None or f["value"] > f.get("most", float("inf"))
    ]


MET: dict[str, Callable[[dict], bool]] = {  # the targets, as what decides them
    "imports": within(1.1),
    "noising": lambda row: within(1.15)(row) and ahead(row),
    "reverse_step": lambda row: within(1.15)(row) and ahead(row),
    "correctness": within(5e-7),
    "defaults": nearest,
    "known_distribution": lambda row: "behind in" not in row["note"],
    "digits": lambda row: "behind in" not in row["note"],
    "three_minutes": soon,
    "referee": none_refused,
    "estimator": lambda row: all(of_case(row, case)[0]["value"] < 1 for case in cases(row)),
    "slider": ahead,
    "page": lambda row: in_the_page(row)[0] <= 2 and in_the_page(row)[1] <= 250,
    "course": lambda row: not too_long(row),
}


def held(name: str, row: dict) -> str:
    "Whether a row's target is met."
    return "" if name not in MET else "Met." if MET[name](row) else "Missed."


def finding(name: str, row: dict) -> str:
    "What a row found, in a sentence."
    if row.get("verdicts"):
        of = {k: sum(s[k] for s in row["styles"]) for k in ("right", "named", "refused", "missed")}
        return (
            f"Of {of['right']} right variants none is refused; of "
            f"{of['named'] + of['refused'] + of['missed']} wrong ones {of['named']} are named, "
            f"{of['refused']} refused without a name and {of['missed']} missed."
        )
    if name == "page":
        step, digit = map(number, in_the_page(row))
        return f"A step costs {step} of torch's, a digit {digit} ms."
    if name == "course":
        of = {f["case"]: f["value"] for f in row["figures"] if f["who"] == "total"}
        over = ", ".join(too_long(row)) or "none"
        return f"All chapters {of['chapters']:.0f}, the workshop {of['workshop']:.0f}; longer than that: {over}."
    if (note := row.get("note", "")).startswith(("Ours is the nearest", "Of walks")):
        return note.partition(". ")[0].rstrip(".") + "."
    said, both = [], [of_case(row, case) for case in cases(row)]
    style = row.get("style", "g")
    if len(both) > 4:
        mine = [number(m["value"], style) for m, _ in both]
        best = [number(others[0]["value"], style) for _, others in both]
        level = sum(a == b for a, b in zip(mine, best, strict=True))
        least = sum(m["value"] < others[0]["value"] for m, others in both) - sum(
            a == b and m["value"] < o[0]["value"]
            for a, b, (m, o) in zip(mine, best, both, strict=True)
        )
        return (
            f"At worst ours {number(max(m['value'] for m, _ in both), style)}; of {len(both)} cases it is ahead of the best "
            f"peer in {least} and level in {level}."
        )
    for (mine, others), case in zip(both, cases(row), strict=True):
        near = f", {others[0]['who']} {number(others[0]['value'], style)}" if others else ""
        said.append(f"{case}: {mine['who']} {number(mine['value'], style)}{near}")
    return "; ".join(said) + "." if said else ""


def about(results: dict) -> str:
    m = results["machine"]
    lines = [
        f"Machine: {m['cores']} CPU cores ({m['processor']}, {m['system']}), Python {m['python']}, PyTorch "
        f"{m['torch']}."
    ]
    loads = {name: row.get("load", [0])[0] for name, row in results["rows"].items()}
    busy = {
        name: load for name, load in loads.items() if load > m["cores"] + 1
    }  # the row before leaves about cores
    if busy:
        lines.append(
            "The machine was shared while these rows ran (the load average when each began: "
            + ", ".join(f"{name} {load:g}" for name, load in busy.items())
            + "). A CPU second of one thread moves little under that; plain seconds are inflated."
        )
    lines.append(
        "Peers: "
        + "; ".join(
            f"{p['name']} {p.get('version', '')}".strip()
            + (f" (left out: {p['wrong']})" if "wrong" in p else "")
            for p in results["peers"]
        )
        + "."
    )
    return "\n\n".join(lines) + "\n"


def advice(results: dict) -> str:
    "Which sampler for how many calls, and what a wrong choice costs: from the defaults on digits."
    figures = results["rows"].get("defaults", {}).get("figures", [])
    figures = [f for f in figures if "digits" in f["case"] and f["value"]]
    if not any(f["who"].startswith(OURS) for f in figures):
        return ""
    lines = [
        "## Which sampler, then?",
        "Ours, `draw`, is UniPC-2 along the cosine grid of chapter 13 (13.7): `draw(p.given(y=y), n, calls)`, or "
        "`draw(p.given(y=y).guided(w), n, calls)` with y the n classes; w is what others call guidance_scale, and chapter 15 "
        "says what it draws. Below, from the row of defaults, on the network that ships: the distance to the flow (clipped to "
        "[-1, 1] for those who clip), root mean square over pixels, in deviations of the flow's digits. A call is one guess; "
        "with w above 1 it is two passes of the network. Bold: no peer is nearer by more than one standard error. Ours was "
        "tuned once, on this network among others; once everybody may choose, as in Solver and grid, it is one of "
        "several.",
        "| calls | w | ours | nearest default of another package | the farthest |\n| --- | --- | --- | --- | --- |",
    ]
    for case in unique(f["case"] for f in figures):
        said, calls = case.removesuffix(" calls").split(", ")[1:]
        row = sorted((f for f in figures if f["case"] == case), key=lambda f: f["value"])
        mine = next(f for f in row if f["who"].startswith(OURS))
        others = [f for f in row if f is not mine]
        level = " (level)" if mine["low"] <= others[0]["value"] <= mine["high"] else ""
        near, far = (f"{f['who']}, {number(f['value'])}" for f in (others[0], others[-1]))
        ours = number(mine["value"])
        ours = f"**{ours}**" if mine["value"] <= others[0]["value"] or level else ours
        lines[-1] += f"\n| {calls} | {said.split(' = ')[1]} | {ours} | {near}{level} | {far} |"
    if "drawn" in (strip := results["rows"].get("strip", {})):
        path = (PICTURES / strip["drawn"]).relative_to(HERE).as_posix()
        lines.append(f"![{strip['words']}]({path})")
        lines.append(f"{strip['words']} Measured {strip['measured']}.")
    return "\n\n".join(lines) + "\n"


def write(results: dict, order: list[str]) -> None:
    "README.md and TABLES.md; rows that were not run are named at the end."
    page, long = [HEAD, about(results), advice(results)], [TABLES]
    without = []
    for name in order:
        row = results["rows"].get(name, {})
        if "drawn" in row:  # it stands beside the advice
            continue
        if "figures" in row and not row.get("skipped"):
            page.append(section(name, row))
            long.append(tables(name, row))
        else:
            without.append(f"`{name}.py` ({row.get('skipped') or row.get('failed') or 'not run'})")
    if without:
        page.append(f"Rows without figures here: {', '.join(without)}.\n")
    (HERE / "README.md").write_text("\n".join(page), encoding="utf-8")
    (HERE / "TABLES.md").write_text("\n".join(long), encoding="utf-8")
