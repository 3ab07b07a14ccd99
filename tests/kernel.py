"""The matrix kernel of diffusion_math/explore/network.js, in WebAssembly.   python -m tests.kernel

A convolution, a linear layer and a product of matrices are one thing: for each place of the output, rows of numbers
somewhere in memory (its taps) times one matrix, plus a bias. The kernel does that for four places and eight outputs at
a time, which is as much as sixteen registers of four floats hold. Its bytes are written here, one instruction after the
other, and kept in network.js as base64; a test compares the two.

There are two: with a multiplication and an addition fused in one instruction, where the browser has that (relaxed SIMD),
and with the two apart.

    sums(out, row, places, m, taps, n, k, weights, panels, bias)

places: m addresses, m a multiple of 4; taps: n offsets that are added to them; each then points at k floats, k a
multiple of 4. weights: panels of n * k rows of 8 floats. out: the first of m rows, `row` bytes apart. All addresses and
offsets are in bytes.
"""

import base64
import re
from collections.abc import Iterable
from pathlib import Path

NETWORK = Path(__file__).resolve().parents[1] / "diffusion_math" / "explore" / "network.js"
KEPT = r'(?<={} = ")[A-Za-z0-9+/=]*(?=")'
NAMES = {"FUSED": True, "SIMD": False}  # the constants of network.js

I32, V128 = 0x7F, 0x7B
ROWS, UNROLLED = 4, 4  # places at a time; steps of k in one turn of the innermost loop
OUT, ROW, PLACES, M, TAPS, N, K, WEIGHTS, PANELS, BIAS = range(10)
LEFT_M, LEFT_N, LEFT_K, PLACE, TAP, WEIGHT, TO, OFFSET = range(10, 18)
AT = range(18, 18 + ROWS)  # where each place reads
SUM = range(22, 22 + 2 * ROWS)
B0, B1, A = 30, 31, 32


def leb(n: int) -> bytes:
    "An unsigned number in LEB128."
    out = bytearray()
    while True:
        n, low = n >> 7, n & 0x7F
        out.append(low | (0x80 if n else 0))
        if not n:
            return bytes(out)


def signed(n: int) -> bytes:
    "A signed number in LEB128."
    out = bytearray()
    while True:
        low, n = n & 0x7F, n >> 7
        if (n == 0 and not low & 0x40) or (n == -1 and low & 0x40):
            return bytes(out + bytes([low]))
        out.append(low | 0x80)


def vector(items: Iterable[bytes]) -> bytes:
    items = list(items)
    return leb(len(items)) + b"".join(items)


def section(number: int, body: bytes) -> bytes:
    return bytes([number]) + leb(len(body)) + body


def get(local: int) -> bytes:
    return b"\x20" + leb(local)


def put(local: int) -> bytes:
    return b"\x21" + leb(local)


def const(n: int) -> bytes:
    return b"\x41" + signed(n)


def add(local: int, code: bytes) -> bytes:
    "local += code."
    return get(local) + code + b"\x6a" + put(local)


def load(address: bytes, offset: int = 0) -> bytes:
    return address + b"\x28\x02" + leb(offset)


def simd(number: int, offset: int | None = None, align: int = 2) -> bytes:
    return b"\xfd" + leb(number) + (b"" if offset is None else leb(align) + leb(offset))


LOAD, SPLAT, STORE, MUL, PLUS, FUSED = 0x00, 0x09, 0x0B, 0xE6, 0xE4, 0x105


def loop(left: int, by: int, body: bytes) -> bytes:
    "body, while left -= by is not 0."
    turn = get(left) + const(by) + b"\x6b\x22" + leb(left)  # local.tee
    return b"\x03\x40" + body + turn + b"\x0d\x00\x0b"


def step(i: int, fused: bool) -> bytes:
    "One row of weights, times one float of each place."
    code = (
        get(WEIGHT) + simd(LOAD, 32 * i) + put(B0) + get(WEIGHT) + simd(LOAD, 32 * i + 16) + put(B1)
    )
    for r, at in enumerate(AT):
        code += get(at) + simd(SPLAT, 4 * i) + put(A)
        for total, b in ((SUM[2 * r], B0), (SUM[2 * r + 1], B1)):
            apart = get(total) + get(A) + get(b) + simd(MUL) + simd(PLUS)
            code += (get(A) + get(b) + get(total) + simd(FUSED) if fused else apart) + put(total)
    return code


def body(fused: bool) -> bytes:
    "The instructions of `sums`."
    inner = b"".join(step(i, fused) for i in range(UNROLLED))
    inner += b"".join(add(at, const(4 * UNROLLED)) for at in AT) + add(WEIGHT, const(32 * UNROLLED))
    tap = load(get(TAP)) + put(OFFSET) + get(K) + put(LEFT_K)
    for r, at in enumerate(AT):
        tap += load(get(PLACE), 4 * r) + get(OFFSET) + b"\x6a" + put(at)
    tap += loop(LEFT_K, UNROLLED, inner) + add(TAP, const(4))
    tile = get(WEIGHTS) + put(WEIGHT) + get(TAPS) + put(TAP) + get(N) + put(LEFT_N)
    for i, total in enumerate(SUM):
        tile += get(BIAS) + simd(LOAD, 16 * (i % 2)) + put(total)
    tile += loop(LEFT_N, 1, tap)
    for r in range(ROWS):
        for i in range(2):
            tile += get(TO) + get(SUM[2 * r + i]) + simd(STORE, 16 * i)
        tile += add(TO, get(ROW))
    tile += add(PLACE, const(4 * ROWS))
    panel = get(OUT) + put(TO) + get(PLACES) + put(PLACE) + get(M) + put(LEFT_M)
    panel += loop(LEFT_M, ROWS, tile) + get(WEIGHT) + put(WEIGHTS)
    panel += add(OUT, const(32)) + add(BIAS, const(32))
    return loop(PANELS, 1, panel)


def module(fused: bool) -> bytes:
    "The whole module: it imports a memory, m.m, and exports sums."
    kind = b"\x60" + vector([bytes([I32])] * 10) + vector([])
    memory = b"\x01m\x01m\x02\x00\x01"
    numbers, vectors = AT[-1] + 1 - 10, A + 1 - (AT[-1] + 1)
    locals_ = vector([leb(numbers) + bytes([I32]), leb(vectors) + bytes([V128])])
    code = locals_ + body(fused) + b"\x0b"
    sections = [(1, vector([kind])), (2, vector([memory])), (3, vector([b"\x00"]))]
    sections += [(7, vector([b"\x04sums\x00\x00"])), (10, vector([leb(len(code)) + code]))]
    return b"\x00asm\x01\x00\x00\x00" + b"".join(section(*s) for s in sections)


def written(text: str) -> str:
    "network.js with today's kernels in it."
    for name, fused in NAMES.items():
        text = re.sub(KEPT.format(name), base64.b64encode(module(fused)).decode(), text)
    return text


def main() -> None:
    NETWORK.write_text(written(NETWORK.read_text(encoding="utf-8")), encoding="utf-8")
    print(*(f"{name}: {len(module(fused))} bytes" for name, fused in NAMES.items()), sep="\n")


if __name__ == "__main__":
    main()
