"""The kernels: the loops in which training and evaluation spend their time.

Convention: matrices are stored by rows, as `program.matrix` makes them, so that whole vectors may
be read and written beyond the last column. Each function writes a kernel; its arguments after
`code` are the kernel's, in order, then options. "At an index" means: row i is row index[i].
"""

from __future__ import annotations

from typing import Any, TypeAlias

from llvmlite import ir

from pipeline.engine.code import BYTE, Code, Rows, machine
from pipeline.engine.formulas import Row

V: TypeAlias = ir.Value  # a value that is known only when the compiled code runs
# Vectors of a row that stay in registers while a sparse row is read. Results do not depend on it.
PANEL = 8


def run(code: Code, count: V) -> None:
    """Write: call `count` kernels one after the other.

    In memory, a call is the kernel's address, the number of its arguments, then these.
    """
    called = ir.FunctionType(ir.VoidType(), [code.function.args[0].type]).as_pointer()

    def call(_: V, word: V) -> list[V]:
        address, size = code.arguments(word, "ii")
        record = code.at(word, 16)
        code.builder.call(code.builder.inttoptr(address, called), [record])
        return [code.at(record, code.scale(size, 8))]

    code.loop(count, call, [code.at(code.function.args[0], 8)])


def product(
    code: Code, m: V, columns: V, k: V, A: Rows, a_k: V, B: Rows, start: Rows, D: Rows, C: Rows
) -> None:
    """Write: C = D + A B, tile by tile; an element of A B is a chain from its start.

    Arguments: m rows of A; columns of B; k rows of B; A; the bytes from A's column to column; B;
    start; D; C, which may be start or D. Where nothing is to be added, D is −0: x + (−0) is x for
    every x, but −0 + 0 is +0.
    """
    size, tall = code.vector_bytes, machine().tile_rows

    def tile(row: V, rows: int, column: V, vectors: int) -> None:
        places = [(r, v) for r in range(rows) for v in range(vectors)]
        first, second, target = (
            code.row(each, row, code.scale(column, size)) for each in (start, D, C)
        )
        sums = [code.load(code.at(first, code.scale(start.stride, r), v * size)) for r, v in places]
        # An address for every three rows: one for each would not fit into the registers.
        base = code.row(A, row)
        bases = [code.at(base, code.scale(A.stride, r)) for r in range(0, rows, 3)]
        offsets = [code.whole(0), A.stride, code.scale(A.stride, 2)]

        def step(_: V, b: V, *values: V) -> list[V]:
            bases, sums = values[: -len(places)], values[-len(places) :]
            columns = [code.load(code.at(b, v * size)) for v in range(vectors)]
            entries = [
                code.spread(code.load(code.at(bases[r // 3], offsets[r % 3]), code.number))
                for r in range(rows)
            ]
            following = [code.at(b, B.stride), *(code.at(base, a_k) for base in bases)]
            for (r, v), total in zip(places, sums, strict=True):
                following.append(code.fma(entries[r], columns[v], total))
            return following

        carried = [code.at(B.address, code.scale(column, size)), *bases, *sums]
        sums = code.loop(k, step, carried)[-len(places) :]
        for (r, v), total in zip(places, sums, strict=True):
            other = code.load(code.at(second, code.scale(D.stride, r), v * size))
            place = code.at(target, code.scale(C.stride, r), v * size)
            code.store(code.builder.fadd(other, total), place)

    # A panel of B stays in the cache while all rows of A pass.
    code.strips(
        code.vectors(columns),
        (2, 1),
        lambda column, width: code.strips(
            m, (tall, tall // 3, 1), lambda row, height: tile(row, height, column, width)
        ),
    )


def apply(
    code: Code, rows: V, columns: V, C: Rows, *operands: Any, formula: tuple[Any, ...]
) -> None:
    """Write: C = a formula of operands, each of them a matrix and an index of its rows.

    Option: the formula's function of `Row`s and its further arguments.
    """
    function, *further = formula

    def operand(i: V, X: Rows, index: V) -> Row:
        x = code.row(X, code.entry(index, i))

        def at(j: V) -> V:
            if not X.is_bytes:
                return code.load(code.at(x, code.scale(j, code.vector_bytes)))
            read = code.load(code.at(x, code.scale(j, code.width)), ir.VectorType(BYTE, code.width))
            wider = code.builder.zext(read, ir.VectorType(ir.IntType(32), code.width))
            return code.builder.sitofp(wider, code.vector)  # exact: below 256

        return Row(code, columns, at)

    def each_row(i: V) -> None:
        pairs = zip(operands[::2], operands[1::2], strict=True)
        result = function(*(operand(i, *pair) for pair in pairs), *further)

        def each(j: V) -> None:
            code.store(result.at(j), code.row(C, i, code.scale(j, code.vector_bytes)))

        code.loop(code.vectors(columns), each)

    code.loop(rows, each_row)


def sparse_product(
    code: Code, rows: V, columns: V, index: V, starts: V, entries: V, U: Rows, c: Rows, H: Rows,
    *, transposed: bool,
) -> None:  # fmt: skip
    """Write: H = c + S U for rows of S at an index; or, transposed, U = U + Sᵀ c, without H.

    Each element is a chain along entries: of the image, or of all images in the index's order.
    """
    vectors = code.vectors(columns)

    def panel(i: V, start: V, width: int) -> None:
        first, count = _entries(code, starts, entries, code.entry(index, i))
        offsets = [
            code.scale(code.builder.add(start, code.whole(v)), code.vector_bytes)
            for v in range(width)
        ]

        def step(_: V, entry: V, *values: V) -> list[V]:
            column = code.builder.zext(code.load(entry, ir.IntType(32)), count.type)
            factor = code.spread(code.load(code.at(entry, 4), code.number))
            following = [code.at(entry, 4 + code.dtype.itemsize)]
            first = code.row(U, column)
            for offset, value in zip(offsets, values, strict=True):
                u = code.at(first, offset)
                if transposed:
                    code.store(code.fma(factor, value, code.load(u)), u)
                else:
                    value = code.fma(factor, code.load(u), value)
                following.append(value)
            return following

        values = [code.load(code.row(c, i, offset)) for offset in offsets]
        values = code.loop(count, step, [first, *values])[1:]
        if not transposed:
            for offset, value in zip(offsets, values, strict=True):
                code.store(value, code.row(H, i, offset))

    code.loop(rows, lambda i: code.strips(vectors, (PANEL, 1), lambda *strip: panel(i, *strip)))


def fetch(code: Code, rows: V, index: V, starts: V, entries: V, X: Rows, Y: Rows) -> None:
    """Write: prefetch rows of S, X and Y at an index; of Y a row's first line."""

    def each_row(i: V) -> None:
        number = code.entry(index, i)
        first, count = _entries(code, starts, entries, number)
        code.prefetch(first, code.scale(count, 4 + code.dtype.itemsize))
        # All but a byte: X begins at a line.
        code.prefetch(code.row(X, number), code.builder.sub(X.stride, code.whole(1)))
        code.prefetch(code.row(Y, number), code.whole(0))

    code.loop(rows, each_row)


def _entries(code: Code, starts: V, entries: V, row: V) -> tuple[V, V]:
    """Return the address of a sparse row's first entry, and how many it has."""
    first = code.entry(starts, row)
    count = code.builder.sub(code.entry(starts, code.builder.add(row, code.whole(1))), first)
    return code.at(entries, code.scale(first, 4 + code.dtype.itemsize)), count


def transpose(code: Code, rows: V, columns: V, W: Rows, T: Rows) -> None:
    """Write: T = Wᵀ, by square blocks as wide as a vector, beyond W's last row and column too."""
    width, half = code.width, code.width // 2
    down, across = code.vectors(rows), code.vectors(columns)
    # Interleave vectors a, b, as a0 b0 a1 b1 ...: their first halves, or their second ones.
    mixes = [
        ir.Constant(
            ir.VectorType(ir.IntType(32), width),
            [start + k // 2 + (k % 2) * width for k in range(width)],
        )
        for start in (0, half)
    ]

    def block(i: V, j: V) -> None:
        w = code.row(W, code.scale(i, width), code.scale(j, code.vector_bytes))
        t = code.row(T, code.scale(j, width), code.scale(i, code.vector_bytes))
        lines = [code.load(code.at(w, code.scale(W.stride, r))) for r in range(width)]
        for _ in range(width.bit_length() - 1):
            pairs = zip(lines[:half], lines[half:], strict=True)
            lines = [code.builder.shuffle_vector(*pair, mix) for pair in pairs for mix in mixes]
        for r, line in enumerate(lines):
            code.store(line, code.at(t, code.scale(T.stride, r)))

    code.loop(down, lambda i: code.loop(across, lambda j: block(i, j)))
