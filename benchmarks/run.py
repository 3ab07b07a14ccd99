"""Run the benchmarks one after the other, keep what they say in results.json, and write README.md and TABLES.md from it.

make bench                                # everything that fits into ten minutes
make bench MODE=full                      # all of it
python benchmarks/run.py --only imports noising     # some rows; the others stay as they are
python benchmarks/run.py --add three_minutes FILE   # a row from what its script, run alone, printed into FILE
python benchmarks/run.py --write          # README.md and TABLES.md again, from results.json
"""

import argparse
import json
import os
import subprocess
import sys
import time

from common import HERE, find_mnist, machine
from peers import installed
from report import write

RESULTS = HERE / "results.json"
ROWS = [
    "defaults",
    "strip",
    "known_distribution",
    "digits",
    "three_minutes",
    "referee",
    "imports",
    "noising",
    "reverse_step",
    "correctness",
    "estimator",
    "slider",
    "page",
    "course",
    "gpu",
]
SLOW = {"course", "digits"}  # only in full mode
NEEDS_MNIST = {"digits", "three_minutes"}


def kept() -> dict:
    "What results.json holds."
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {"rows": {}}


def today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())


def last_words(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:300] if lines else "nothing was printed"


def run(row: str, quick: bool, data: str | None) -> dict:
    "What a row's script prints, with its own time and the machine's load before and after."
    command = [
        sys.executable,
        str(HERE / f"{row}.py"),
        *(["--quick"] if quick else []),
        *(["--data", data] if data else []),
    ]
    began, before = time.time(), os.getloadavg()[0]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"PYTHONWARNINGS": "ignore"}
    )
    about = {
        "mode": "quick" if quick else "full",
        "seconds": round(time.time() - began, 1),
        "load": [round(before, 1), round(os.getloadavg()[0], 1)],
        "measured": today(),
    }
    if done.returncode:
        return about | {"failed": last_words(done.stderr)}
    return about | json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--full", action="store_true", help="all repeats, all samples, and the slow rows"
    )
    parser.add_argument(
        "--only", nargs="+", choices=ROWS, help="these rows; the others stay as they are"
    )
    parser.add_argument("--data", help="the folder that holds MNIST/raw")
    parser.add_argument(
        "--write",
        action="store_true",
        help="run nothing: write README.md and TABLES.md from results.json",
    )
    parser.add_argument(
        "--add", nargs=2, metavar=("ROW", "FILE"), help="take a row from what its script printed"
    )
    args = parser.parse_args()
    results = kept()
    if args.add:
        added = json.loads(open(args.add[1], encoding="utf-8").read())
        results["rows"][args.add[0]] = {
            "mode": "run alone",
            "load": [added.get("machine", {}).get("load", 0)],
            "measured": today(),
        } | added
        RESULTS.write_text(
            json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    for row in [] if args.write or args.add else args.only or ROWS:
        if row in SLOW and not (args.full or args.only):
            continue
        print(f"{row} ...", end=" ", flush=True)
        if row in NEEDS_MNIST and find_mnist(args.data) is None:
            result = {
                "skipped": "not run: no MNIST was found (DATA=DIR, the folder that holds MNIST/raw)"
            }
        else:
            result = run(row, not args.full, args.data)
        print(
            result.get("failed") or result.get("skipped") or f"{result['seconds']:.0f} s",
            flush=True,
        )
        results = kept()  # read again: another run may have finished meanwhile
        if "failed" in result and "figures" in results["rows"].get(row, {}):
            result = results["rows"][row] | {
                "failed_since": result["failed"]
            }  # numbers that were measured stay
        results["rows"][row] = result
        results |= {"machine": machine(), "peers": installed() or results.get("peers", [])}
        RESULTS.write_text(
            json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    write(results, ROWS)


if __name__ == "__main__":
    main()
