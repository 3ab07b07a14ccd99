"""The kernels of diffusion_math/explore/network.js, in WebAssembly.   python -m tests.kernel

`sums` is for what is linear. A convolution, a linear layer and a product of matrices are one thing: for each place of
the output, rows of numbers somewhere in memory (its taps) times one matrix, plus a bias. The kernel does that for four
places and eight outputs at a time, which is as much as sixteen registers of four floats hold. Its bytes are written
here, one instruction after the other, and kept in network.js as base64; a test compares the two.

There are two: with a multiplication and an addition fused in one instruction, where the browser has that (relaxed SIMD),
and with the two apart.

    sums(out, row, places, m, taps, n, k, weights, panels, bias)

places: m addresses, m a multiple of 4; taps: n offsets that are added to them; each then points at k floats, k a
multiple of 4. weights: panels of n * k rows of 8 floats. out: the first of m rows, `row` bytes apart.

`silu` is for what is not: v / (1 + e^-v) of v = scale x + move, four channels at a time.

    silu(out, to, from, step, pixels, scale, move, quads)

from: the first of `pixels` rows, `step` bytes apart, of 4 quads floats; out: the same, `to` bytes apart; scale and move:
4 quads floats each. All addresses and offsets are in bytes.
"""

import base64
import math
import re
import struct
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
CONST, OVER, LEAST, MOST, NEAREST, MINUS = 0x0C, 0xE7, 0xE8, 0xE9, 0x6A, 0xE5
WHOLE, SHIFT, PLUS_WHOLE = 0xF8, 0xAB, 0xAE  # of four integers


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


# The arguments of `silu`, and what it keeps.
TO_ROW, TO_STEP, FROM_ROW, FROM_STEP, PIXELS, SCALE, MOVE, QUADS = range(8)
INTO, FROM, BY, PUSH, LEFT = range(8, 13)
V, POWER, RATE = 13, 14, 15


def four(kind: str, x: float) -> bytes:
    "x in each of four places: kind f for a float, i for an integer."
    return simd(CONST) + 4 * struct.pack("<" + kind, x)


def silu() -> bytes:
    """The instructions of `silu`.

    e^-v = 2^t, t = -v / ln 2 kept within 126 of 0, is 2^n times 2^f: n = round(t) goes into the bits of the exponent,
    and the series of 2^f, |f| <= 1/2, is 1e-8 off at most after its seventh power. The rounding of t is seen where |v|
    is large, and there v / (1 + e^-v) is v or nothing.
    """
    code = get(FROM) + simd(LOAD, 0) + get(BY) + simd(LOAD, 0) + simd(MUL)
    code += get(PUSH) + simd(LOAD, 0) + simd(PLUS) + put(V)
    code += get(V) + four("f", -1 / math.log(2)) + simd(MUL)
    code += four("f", 126) + simd(LEAST) + four("f", -126) + simd(MOST) + put(POWER)
    code += get(POWER) + get(POWER) + simd(NEAREST) + simd(MINUS) + put(RATE)  # f
    code += four("f", math.log(2) ** 7 / math.factorial(7))
    for n in range(6, -1, -1):
        code += get(RATE) + simd(MUL) + four("f", math.log(2) ** n / math.factorial(n)) + simd(PLUS)
    code += get(POWER) + simd(NEAREST) + simd(WHOLE) + four("i", 127) + simd(PLUS_WHOLE)
    code += const(23) + simd(SHIFT) + simd(MUL) + put(RATE)
    quad = code + get(INTO) + get(V) + four("f", 1) + get(RATE) + simd(PLUS) + simd(OVER)
    quad += simd(STORE, 0) + b"".join(add(at, const(16)) for at in (INTO, FROM, BY, PUSH))
    starts = ((INTO, TO_ROW), (FROM, FROM_ROW), (BY, SCALE), (PUSH, MOVE), (LEFT, QUADS))
    pixel = b"".join(get(first) + put(at) for at, first in starts) + loop(LEFT, 1, quad)
    pixel += add(TO_ROW, get(TO_STEP)) + add(FROM_ROW, get(FROM_STEP))
    return loop(PIXELS, 1, pixel)


def function(arguments: int, vectors: Iterable[int], code: bytes) -> bytes:
    "A function with so many arguments, integers up to the first of its vectors, and these instructions."
    first, *_, last = vectors
    locals_ = [leb(first - arguments) + bytes([I32]), leb(last + 1 - first) + bytes([V128])]
    code = vector(locals_) + code + b"\x0b"
    return leb(len(code)) + code


def module(fused: bool) -> bytes:
    "The whole module: it imports a memory, m.m, and exports sums and silu."
    kinds = [b"\x60" + vector([bytes([I32])] * n) + vector([]) for n in (10, 8)]
    memory = b"\x01m\x01m\x02\x00\x01"
    codes = [
        function(10, range(AT[-1] + 1, A + 1), body(fused)),
        function(8, range(V, RATE + 1), silu()),
    ]
    exports = vector([b"\x04sums\x00\x00", b"\x04silu\x00\x01"])
    sections = [(1, vector(kinds)), (2, vector([memory])), (3, vector([b"\x00", b"\x01"]))]
    sections += [(7, exports), (10, vector(codes))]
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
