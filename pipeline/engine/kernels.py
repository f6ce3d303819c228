"""The kernels: the loops in which training and evaluation spend most of their time.

Convention: matrices are stored by rows, as `program.matrix` makes them, so that whole vectors may
be read and written beyond the last column. Each function writes a kernel; its arguments after
`code` are the kernel's, in order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias

import numpy as np
from llvmlite import ir

from pipeline.engine.code import BYTE, INT, LINE, POINTER, Code, Rows, machine, writing
from pipeline.engine.formulas import Numbers, Row
from pipeline.network.activations import ACTIVATIONS
from pipeline.network.costs import COSTS

DType = np.dtype[Any]
V: TypeAlias = ir.Value  # a value that is known only when the compiled code runs
# Vectors of a row that stay in registers while a sparse row is read. Results do not depend on it.
PANEL = 8
# Rows ahead whose pixels are fetched while a row is read.
AHEAD = 8


def written(kinds: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Turn a function of code, the kernel's arguments and options into a `code.Writer`.

    Args:
        kinds: of the arguments, see `Code.arguments`.
    """

    def decorate(body: Callable[..., None]) -> Callable[..., None]:
        @wraps(body)
        def write(module: ir.Module, dtype: DType, *options: Any) -> None:
            with writing(module, "kernel", [POINTER], dtype) as code:
                body(code, *code.arguments(code.function.args[0], kinds), *options)

        return write

    return decorate


def run(module: ir.Module, dtype: DType) -> None:
    """Write: call kernels one after the other.

    In memory, a call is the kernel's address, the number of its arguments, then these.
    """
    with writing(module, "kernel", [POINTER, INT], dtype) as code:
        called = ir.FunctionType(ir.VoidType(), [POINTER])

        def call(_: V, word: V) -> list[V]:
            address, count = code.arguments(word, "ii")
            record = code.at(word, 16)
            code.builder.call(code.builder.inttoptr(address, called.as_pointer()), [record])
            return [code.at(record, code.scale(count, 8))]

        start, count = code.function.args
        code.loop(count, call, [start])


# --- products ---


def product(module: ir.Module, dtype: DType) -> None:
    """Write: A B, each element a chain along k from its start, tile by tile.

    Arguments: m, vectors in a row of B, k, A, the bytes from A's column to column, B, start, the
    epilogue's address, and what `epilogue` reads.
    """
    tile_rows = machine().tile_rows
    heights = (tile_rows, tile_rows // 3, 1)
    tiles = {
        (rows, vectors): _tile(module, dtype, rows, vectors)
        for rows in heights
        for vectors in (2, 1)
    }
    with writing(module, "kernel", [POINTER], dtype) as code:
        record = code.function.args[0]
        m, vectors = code.arguments(record, "ii")
        # A panel of B stays in the cache while all rows of A pass.
        code.strips(
            vectors,
            (2, 1),
            lambda column, width: code.strips(
                m,
                heights,
                lambda row, height: code.builder.call(
                    tiles[height, width], [record, row, code.scale(column, machine().vector_bytes)]
                ),
            ),
        )


def _tile(module: ir.Module, dtype: DType, rows: int, vectors: int) -> ir.Function:
    """Write a tile's function: (arguments of the product, first row, first column in bytes)."""
    with writing(module, f"tile_{rows}_{vectors}", [POINTER, INT, INT], dtype) as code:
        record, row, column = code.function.args
        _, _, k, A, a_k, B, start, epilogue = code.arguments(record, "iiimimmi")
        size = machine().vector_bytes
        scratch = code.room(rows * vectors)
        first = code.row(start, row, column)
        sums = [
            code.load(code.at(first, code.scale(start.stride, r), v * size))
            for r in range(rows)
            for v in range(vectors)
        ]
        # An address for every three rows: one for each would not fit into the registers.
        base = code.row(A, row)
        bases = [code.at(base, code.scale(A.stride, r)) for r in range(0, rows, 3)]
        offsets = [code.whole(0), A.stride, code.scale(A.stride, 2)]

        def step(_: V, b: V, *values: V) -> list[V]:
            bases, sums = values[: -rows * vectors], values[-rows * vectors :]
            columns = [code.load(code.at(b, v * size)) for v in range(vectors)]
            added = []
            for r in range(rows):
                entry = code.load(code.at(bases[r // 3], offsets[r % 3]), code.number)
                a = code.spread(entry)
                for v in range(vectors):
                    added.append(code.fma(a, columns[v], sums[r * vectors + v]))
            return [code.at(b, B.stride), *(code.at(base, a_k) for base in bases), *added]

        carried = [code.at(B.address, column), *bases, *sums]
        sums = code.loop(k, step, carried)[-rows * vectors :]
        for place, value in enumerate(sums):
            code.store(value, code.at(scratch, place * size))
        kind = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, INT, INT, INT, INT])
        code.builder.call(
            code.builder.inttoptr(epilogue, kind.as_pointer()),
            [record, scratch, row, column, code.whole(rows), code.whole(vectors)],
        )
    return code.function


def epilogue(module: ir.Module, dtype: DType, name: str, *options: str) -> None:
    """Write: apply an epilogue to a tile's sums; its C, D, s are a product's words from 11 on."""
    with writing(module, "kernel", [POINTER, POINTER, INT, INT, INT, INT], dtype) as code:
        record, scratch, row, column, rows, vectors = code.function.args
        C, D, scalar = code.arguments(code.at(record, 11 * 8), "mmp")
        size = machine().vector_bytes

        def each(i: V, j: V) -> None:
            place = code.builder.add(code.builder.mul(i, vectors), j)
            total = _read(code, code.at(scratch, code.scale(place, size)))
            at_row, offset = code.builder.add(row, i), code.scale(j, size)
            places = [code.row(each, at_row, column, offset) for each in (C, D)]
            EPILOGUES[name](total, *places, scalar, *options)

        code.loops(rows, vectors, each)


def _read(code: Code, place: V) -> Numbers:
    return Numbers(code, code.load(place))


def _write(value: Numbers, place: V) -> None:
    value.code.store(value.value, place)


def _scalar(code: Code, place: V) -> Numbers:
    return Numbers(code, code.spread(code.load(place, code.number)))


def _store(total: Numbers, c: V, d: V, s: V) -> None:
    """C = sum."""
    _write(total, c)


def _add(total: Numbers, c: V, d: V, s: V) -> None:
    """C = C + sum."""
    _write(_read(total.code, c) + total, c)


def _add_with_momentum(total: Numbers, c: V, d: V, s: V) -> None:
    """D = s D; D = D + sum; C = C + D."""
    velocity = _scalar(total.code, s) * _read(total.code, d) + total
    _write(velocity, d)
    _write(_read(total.code, c) + velocity, c)


def _scale(total: Numbers, c: V, d: V, s: V) -> None:
    """C = s sum."""
    _write(_scalar(total.code, s) * total, c)


def _activate(total: Numbers, c: V, d: V, s: V, name: str) -> None:
    """C = f(sum)."""
    _write(ACTIVATIONS[name].function(total), c)  # type: ignore[arg-type]


def _derive(total: Numbers, c: V, d: V, s: V, name: str) -> None:
    """C = f' · sum, equation (8); f' is computed from D = f(H_bar)."""
    slope = ACTIVATIONS[name].derivative(_read(total.code, d))  # type: ignore[arg-type]
    _write(slope * total, c)


EPILOGUES: dict[str, Callable[..., None]] = {
    "store": _store,
    "add": _add,
    "add with momentum": _add_with_momentum,
    "scale": _scale,
    "activate": _activate,
    "derive": _derive,
}


# --- element by element ---


@written("iimpmmp")
def elementwise(
    code: Code, rows: V, columns: V, H: Rows, index: V, Y: Rows, C: Rows, s: V,
    formula: Callable[..., Row], *options: str,
) -> None:  # fmt: skip
    """Write: C = a formula of H, of labels Y (bytes, by an index of rows) and of a number s."""
    size = machine().vector_bytes

    def each_row(i: V) -> None:
        y = code.row(Y, _entry(code, index, i))
        parts: tuple[Callable[[V], Numbers], ...] = (
            lambda j: _read(code, code.row(H, i, code.scale(j, size))),
            lambda j: _bytes(code, code.at(y, code.scale(j, code.width))),
            lambda j: _scalar(code, s),
        )
        result = formula(*(Row(code, columns, part) for part in parts), *options)
        code.loop(
            code.vectors(columns),
            lambda j: _write(result.at(j), code.row(C, i, code.scale(j, size))),
        )

    code.loop(rows, each_row)


def error(H: Row, Y: Row, s: Row, cost: str, activation: str) -> Any:
    """Return s times the cost's gradient at the last pre-activation."""
    gradient = COSTS[cost].gradient(H, Y, ACTIVATIONS[activation])  # type: ignore[arg-type]
    return gradient * s


def value(H: Row, Y: Row, s: Row, cost: str, activation: str) -> Any:
    """Return the cost of every output."""
    return COSTS[cost].value(H, Y, ACTIVATIONS[activation])  # type: ignore[arg-type]


def output(H: Row, Y: Row, s: Row, activation: str) -> Any:
    """Return f(H)."""
    return ACTIVATIONS[activation].function(H)  # type: ignore[arg-type]


def _bytes(code: Code, place: V) -> Numbers:
    """Return bytes as numbers, one per lane of a vector."""
    read = code.load(place, ir.VectorType(BYTE, code.width))
    wider = code.builder.zext(read, ir.VectorType(ir.IntType(32), code.width))
    return Numbers(code, code.builder.sitofp(wider, code.vector))  # exact: below 256


def _entry(code: Code, array: V, i: V) -> V:
    """Return element i of an array of 64-bit integers."""
    return code.load(code.at(array, code.scale(i, 8)), INT)


# --- inputs ---


@written("iipmppmpi")
def gather(
    code: Code, rows: V, vectors: V, index: V, X: Rows, shift: V, scale: V, E: Rows, e_z: V, f: V
) -> None:  # fmt: skip
    """Write: E = (X − shift) · scale of bytes X at an index of rows, then e·z and 1 in column f."""
    itemsize = code.dtype.itemsize

    def each_row(i: V) -> None:
        number, e = _entry(code, index, i), code.row(E, i)
        later = _entry(code, index, code.builder.add(i, code.whole(AHEAD)))
        _fetch_lines(code, code.row(X, later), X.stride)

        def each(j: V) -> None:
            offset = code.scale(j, machine().vector_bytes)
            x = code.row(X, number, code.scale(j, code.width))
            shifted = _bytes(code, x) - _read(code, code.at(shift, offset))
            _write(shifted * _read(code, code.at(scale, offset)), code.at(e, offset))

        code.loop(vectors, each)
        last = code.at(e, code.scale(f, itemsize))
        code.store(code.load(code.at(e_z, code.scale(number, itemsize)), code.number), last)
        code.store(ir.Constant(code.number, 1.0), code.at(last, itemsize))

    code.loop(rows, each_row)


@written("iipmm")
def take(code: Code, rows: V, vectors: V, index: V, X: Rows, C: Rows) -> None:
    """Write: C = X at an index of rows."""

    def each(i: V, j: V) -> None:
        offset = code.scale(j, machine().vector_bytes)
        x = code.row(X, _entry(code, index, i), offset)
        code.store(code.load(x), code.row(C, i, offset))

    code.loops(rows, vectors, each)


@written("ipppm")
def fetch(code: Code, rows: V, index: V, starts: V, entries: V, Y: Rows) -> None:
    """Write: prefetch entries and labels at an index of rows."""

    def each_row(i: V) -> None:
        number = _entry(code, index, i)
        code.prefetch(code.row(Y, number))
        first, count = _entries(code, starts, entries, number)
        _fetch_lines(code, first, code.scale(count, 2 * code.dtype.itemsize))

    code.loop(rows, each_row)


def _fetch_lines(code: Code, address: V, size: V) -> None:
    lines = code.builder.add(code.builder.sdiv(size, code.whole(LINE)), code.whole(1))
    code.loop(lines, lambda j: code.prefetch(code.at(address, code.scale(j, LINE))))


@written("iipppmpm")
def sparse_product(
    code: Code, rows: V, vectors: V, index: V, starts: V, entries: V, U: Rows, c: V, H: Rows
) -> None:
    """Write: H = c + S U at an index of rows of S, each element a chain along the entries."""

    def panel(i: V, offsets: list[V]) -> None:
        def add(entry: V, *sums: V) -> list[V]:
            u, factor = _row_and_factor(code, entry, U)
            pairs = zip(offsets, sums, strict=True)
            return [code.fma(factor, code.load(code.at(u, o)), total) for o, total in pairs]

        sums = [code.load(code.at(c, offset)) for offset in offsets]
        sums = _along_entries(code, starts, entries, _entry(code, index, i), add, sums)
        for offset, total in zip(offsets, sums, strict=True):
            code.store(total, code.row(H, i, offset))

    _panels(code, rows, vectors, panel)


@written("iipppmm")
def add_sparse_product(
    code: Code, rows: V, vectors: V, index: V, starts: V, entries: V, U: Rows, G: Rows
) -> None:
    """Write: U = U + Sᵀ G at an index of rows of S, entry by entry, each a fused multiply-add."""

    def panel(i: V, offsets: list[V]) -> None:
        held = [code.load(code.row(G, i, offset)) for offset in offsets]

        def add(entry: V) -> list[V]:
            u, factor = _row_and_factor(code, entry, U)
            for offset, value in zip(offsets, held, strict=True):
                place = code.at(u, offset)
                code.store(code.fma(factor, value, code.load(place)), place)
            return []

        _along_entries(code, starts, entries, _entry(code, index, i), add, [])

    _panels(code, rows, vectors, panel)


def _panels(code: Code, rows: V, vectors: V, panel: Callable[[V, list[V]], None]) -> None:
    """Cover rows by panels of vectors: `panel(row, offsets of its vectors in bytes)`."""
    size = machine().vector_bytes

    def each_row(i: V) -> None:
        def strip(start: V, width: int) -> None:
            first = code.scale(start, size)
            panel(i, [code.builder.add(first, code.whole(v * size)) for v in range(width)])

        code.strips(vectors, (PANEL, 1), strip)

    code.loop(rows, each_row)


def _along_entries(
    code: Code, starts: V, entries: V, row: V, body: Callable[..., list[V]], carried: list[V]
) -> list[V]:
    """Run `body(entry, *carried)` along a sparse row; returns the last values."""
    first, count = _entries(code, starts, entries, row)

    def step(_: V, entry: V, *values: V) -> list[V]:
        return [code.at(entry, 2 * code.dtype.itemsize), *body(entry, *values)]

    return code.loop(count, step, [first, *carried])[1:]


def _entries(code: Code, starts: V, entries: V, row: V) -> tuple[V, V]:
    """Return the address of a sparse row's first entry, and how many it has."""
    first = _entry(code, starts, row)
    count = code.builder.sub(_entry(code, starts, code.builder.add(row, code.whole(1))), first)
    return code.at(entries, code.scale(first, 2 * code.dtype.itemsize)), count


def _row_and_factor(code: Code, entry: V, U: Rows) -> tuple[V, V]:
    """Return the address of U's row that an entry multiplies, and its value in all lanes."""
    column = code.load(entry, ir.IntType(8 * code.dtype.itemsize))
    if column.type != INT:
        column = code.builder.zext(column, INT)
    value = code.load(code.at(entry, code.dtype.itemsize), code.number)
    return code.row(U, column), code.spread(value)


@written("iimm")
def transpose(code: Code, down: V, across: V, W: Rows, T: Rows) -> None:
    """Write: T = Wᵀ, by square blocks as wide as a vector, beyond W's last row and column too."""
    width, half, size = code.width, code.width // 2, machine().vector_bytes
    # Interleave vectors a, b, as a0 b0 a1 b1 ...: their first halves, or their second ones.
    mixes = [
        ir.Constant(
            ir.VectorType(ir.IntType(32), width),
            [start + k // 2 + (k % 2) * width for k in range(width)],
        )
        for start in (0, half)
    ]

    def block(i: V, j: V) -> None:
        w = code.row(W, code.scale(i, width), code.scale(j, size))
        t = code.row(T, code.scale(j, width), code.scale(i, size))
        rows = [code.load(code.at(w, code.scale(W.stride, r))) for r in range(width)]
        for _ in range(width.bit_length() - 1):
            pairs = zip(rows[:half], rows[half:], strict=True)
            rows = [code.builder.shuffle_vector(*pair, mix) for pair in pairs for mix in mixes]
        for r, row in enumerate(rows):
            code.store(row, code.at(t, code.scale(T.stride, r)))

    code.loops(down, across, block)
