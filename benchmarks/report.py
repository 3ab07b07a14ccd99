"""README.md and its pictures, from results.json: no number in it is written by hand."""

from pathlib import Path

from common import HERE, unique

PICTURES = HERE / "pictures"
OURS = "diffusion_math"
HEAD = """# Benchmarks

`make bench` makes an environment of its own, installs the peers from PyPI, runs every row on this machine one after the
other, and writes this page and `results.json`. `make bench MODE=full` takes more repeats and the slow rows;
`DATA=DIR` names the folder that holds `MNIST/raw`. Each script in this folder is one row and runs alone.

A ratio is taken repeat by repeat, with the contestants in turns (A B A B …): its median, and in brackets the quartiles.

Where samplers are compared, everybody has the same chances: the same noise and calls, the same levels beside those of
its own, and at most 60 samplers to choose from; no row of ours has what a peer could not have had. `defaults.py` is a
table of plain defaults, where nothing is chosen case by case. Each row says on which day it was measured; *former version* marks a
row whose code of ours has been rewritten since and which has not been run again: its figures are that
day's.
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
            ax.set_title(case)
        for ax in list(axes.flat)[len(cases) :]:
            ax.set_axis_off()
        fig.supxlabel(row["unit"], fontsize=10.5)
    PICTURES.mkdir(exist_ok=True)
    path = PICTURES / f"{name}.png"
    fig.savefig(path, dpi=120)
    return path


def lines_picture(name: str, row: dict) -> Path | None:
    "Errors against the number of steps or calls, for rows whose cases end in '..., N steps' or '..., N calls'."
    from diffusion_math.plot import PALETTE, figure, style

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
                color = (
                    PALETTE["data"]
                    if who.startswith(OURS)
                    else "black"
                    if who == "floor"
                    else PALETTE["noise"]
                )
                ax.plot(
                    *(zip(*dots, strict=True) if dots else ((), ())),
                    marker=marks[i % len(marks)],
                    color=color,
                    label=who,
                    linestyle="--" if who == "floor" else "-",
                    markersize=5,
                    linewidth=1.2,
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


def said_of_former(row: dict) -> str:
    return f"*Former version*: {row['former']}"


LONG = 13  # lines of a table that the page shows unfolded


def section(name: str, row: dict) -> str:
    if "figures" not in row or row.get("skipped"):
        return (
            f"## {row.get('title', name)}\n\n{row.get('skipped') or 'failed: ' + row['failed']}\n"
        )
    parts = [
        f"## {row['title']}",
        f"Target: {row['target']}. {('In ' + row['unit'] + '. ') if row['unit'] else ''}"
        f"Better is {row['better']}. `{name}.py`, {how(row)}.",
    ]
    if row.get("verdicts"):
        parts += [verdicts(row)] + ([said_of_former(row)] if row.get("former") else [])
        return "\n\n".join(parts) + "\n"
    long = table(row)
    folded = f"<details><summary>The numbers</summary>\n\n{long}\n\n</details>"
    parts.append(folded if long.count("\n") > LONG else long)
    parts += more(row)
    if row.get("former"):
        parts.append(said_of_former(row))
    many = any(f["case"].endswith((" steps", " calls")) for f in row["figures"])
    path = (lines_picture if many else picture)(name, row)
    if path is not None:
        parts.append(
            f"![{row['title']}: the table above as a picture]({path.relative_to(HERE).as_posix()})"
        )
    if "after" in row:
        parts.append(row["after"])
    if "failed_since" in row:
        parts.append(
            f"A later run failed ({row['failed_since']}); these are the numbers before it."
        )
    return "\n\n".join(parts) + "\n"


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
            "The machine was shared while these rows ran (the load average when each began): "
            + ", ".join(f"{name} {load:g}" for name, load in busy.items())
            + ". Ratios of turns hold up under that; plain seconds are inflated."
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
    "Which sampler for how many calls, and what a wrong choice costs: from the defaults on digits, nothing chosen."
    row = results["rows"].get("defaults", {})
    found = {
        (f["case"], f["who"]): f["value"] for f in row.get("figures", []) if "digits" in f["case"]
    }
    ours = next((who for _, who in found if who.startswith(OURS)), None)
    if ours is None:
        return ""
    lines = [
        "## Which sampler, then?",
        "What a reader types with `p`, the digits' network, and what it costs to type something else: distances to the "
        "network's own flow, from the row of defaults below, where every package does what its documentation says.",
        "| calls | guidance | use | off by | DDIM of diffusers costs | the best of the other defaults |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for case in unique(case for case, _ in found):
        said, calls = case.split(", ")[1:]
        others = {who: v for (of, who), v in found.items() if of == case and who != ours and v}
        best, mine = min(others, key=others.get), found[case, ours]
        ddim = next((v / mine for who, v in others.items() if who == "diffusers (DDIM)"), None)
        n, w = int(calls.split()[0]), said.split(" = ")[1]
        typed = f"`draw(p, n, {n})`" if w == "1" else f"`draw(p.guided({w}), n, {n})`"
        times = f"{number(ddim)} times" if ddim else "–"
        cells = calls, said, typed, number(mine), times, ratio(best, others, mine)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n\n".join(lines[:2]) + "\n\n" + "\n".join(lines[2:]) + "\n"


def ratio(best: str, others: dict[str, float], mine: float) -> str:
    return f"{best}, {number(others[best] / mine)} times"


def write(results: dict, order: list[str]) -> None:
    later = {
        name: {"skipped": f"not run yet: `python benchmarks/run.py --only {name}`"}
        for name in order
    }
    rows = [section(name, (later | results["rows"])[name]) for name in order]
    (HERE / "README.md").write_text(
        "\n".join([HEAD, advice(results), about(results), *rows]), encoding="utf-8"
    )
