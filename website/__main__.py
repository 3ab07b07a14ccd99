"python -m website [OUT]: build the site into OUT (site, if not named)."

import argparse
import json
import os
import shutil
import sys
import time
from pathlib import Path

from website.assemble import ROOT, assemble, write


def build(out: Path, work: Path | None = None, notebooks: Path = ROOT / "nbs") -> list[str]:
    "Build the site; returns Sphinx's warnings. work keeps what the next build need not do again."
    work = work or ROOT / "build" / "site"
    source = work / "source"
    if source.exists():
        shutil.rmtree(source)
    course = assemble(notebooks, source)
    from website.api import reference

    reference(course, source)
    write(source / "course.json", json.dumps(course, ensure_ascii=False))
    os.environ["WEBSITE_SOURCE"] = str(source.resolve())
    from sphinx.cmd.build import build_main

    told = work / "warnings.txt"
    fresh = ["-E", "-a"]
    jobs = ["-j", "auto"]
    if pages := os.environ.get("WEBSITE_PAGES"):  # some pages only, to look at them
        fresh = ["-a", "-D", f"include_patterns={pages}"]
        jobs = []
    code = build_main(
        [*fresh, *jobs, "-q", "-b", "html", "-c", str(Path(__file__).parent), "-w", str(told)]
        + ["-d", str(work / "doctrees"), str(source), str(out)]
    )
    if code:
        raise SystemExit(code)
    return told.read_text(encoding="utf-8").splitlines() if told.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m website", description=__doc__)
    parser.add_argument("out", nargs="?", type=Path, default=ROOT / "site")
    parser.add_argument("--work", type=Path, help="where Sphinx works (default: build/site)")
    parser.add_argument("--no-check", action="store_true", help="leave links and formulas unread")
    args, start = parser.parse_args(), time.monotonic()
    out = args.out
    warnings = build(out, args.work)
    from website.check import broken_links, pages, unset_formulas

    if not args.no_check:
        read = pages(out)
        warnings += broken_links(out, read) + unset_formulas(out, read, ROOT / "nbs")
    seconds = time.monotonic() - start
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(*warnings, sep="\n", end="\n" if warnings else "")
    print(f"{out}/index.html: {size / 1e6:.1f} MB, {seconds:.0f} s, {len(warnings)} warnings")
    sys.exit(1 if warnings else 0)


if __name__ == "__main__":
    main()
