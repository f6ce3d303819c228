"""Writes machine code: LLVM's builder with loops, and vectors as wide as the CPU's.

Convention: a kernel takes one address, where its arguments lie as 64-bit words: integers and
addresses. It is compiled on its first use in a process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache
from threading import Lock
from typing import Any, NamedTuple

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir

from pipeline.base.errors import UserError

INT, POINTER, BYTE = ir.IntType(64), ir.PointerType(), ir.IntType(8)
LINE = 64  # bytes of a cache line, and of the largest vector
# The environment variable that names another CPU to compile for: for tests, and to compute what
# another machine would.
CPU_VARIABLE = "PIPELINE_CPU"
_V3 = {"avx2", "fma", "bmi2", "f16c", "lzcnt", "movbe"}
_V4 = _V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
_ZEN_4 = _V4 | {"avx512bf16", "avx512vbmi2", "avx512vnni", "gfni", "sse4a", "vaes"}
# LLVM's names of the CPUs that it may name, and the features that running their code needs.
CPUS: dict[str, set[str]] = {
    "x86-64": {"sse2"},
    "x86-64-v3": _V3,
    "haswell": _V3,
    "x86-64-v4": _V4,
    "skylake-avx512": _V4,
    "znver4": _ZEN_4,
}


class Machine(NamedTuple):
    """The CPU that code is compiled for.

    Attributes:
        cpu: LLVM's name of the CPU.
        target: LLVM's compiler for it.
        vector_bytes: size of its largest vector registers.
        tile_rows: rows of a product's tile, two vectors wide, that its registers can hold.
    """

    cpu: str
    target: llvm.TargetMachine
    vector_bytes: int
    tile_rows: int


@cache
def machine() -> Machine:
    """Return the CPU at hand, or the one that `PIPELINE_CPU` names.

    Raises:
        UserError: the named CPU is not in `CPUS`, or this machine cannot run its code.
    """
    cpu, features = os.environ.get(CPU_VARIABLE), ""
    if cpu:
        known = {name for name, has in llvm.get_host_cpu_features().items() if has}
        allowed = [name for name, needed in CPUS.items() if needed <= known]
        if cpu not in allowed:
            raise UserError(
                f"{CPU_VARIABLE} = {cpu}: this machine can run code for "
                f"{', '.join(allowed) or 'no other CPU'}; unset it to compile for the CPU at hand"
            )
    # No loop strength reduction: it computes each address of a product's tile from the previous
    # one, so that they wait for each other.
    llvm.set_option("", "-disable-lsr")
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    if not cpu:
        cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_default_triple().create_target_machine(
        cpu=cpu, features=features, opt=3, jit=True
    )
    # The code that LLVM writes for the addition of long vectors shows which registers there are.
    addition = "define {0} @f({0} %x, {0} %y) {{ %z = fadd {0} %x, %y ret {0} %z }}"
    text = target.emit_assembly(llvm.parse_assembly(addition.format("<16 x float>")))
    for register, size, rows in (("zmm", 64, 12), ("ymm", 32, 6), ("xmm", 16, 6)):
        if register in text:
            return Machine(cpu, target, size, rows)
    return Machine(cpu, target, 16, 12)  # Arm64 has as many registers as AVX-512, of 16 bytes


class Rows(NamedTuple):
    """A matrix that a kernel reads or writes.

    Attributes:
        address: where it begins.
        stride: the bytes from row to row.
        is_bytes: whether it holds bytes instead of numbers.
    """

    address: ir.Value
    stride: ir.Value
    is_bytes: bool


class Code:
    """A function that is being written: each method adds instructions to it.

    Args:
        function: the function; void.
        dtype: of the numbers that it computes with.
    """

    def __init__(self, function: ir.Function, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.number = {4: ir.FloatType(), 8: ir.DoubleType()}[dtype.itemsize]
        self.vector_bytes = machine().vector_bytes
        self.width = self.vector_bytes // dtype.itemsize
        self.vector = ir.VectorType(self.number, self.width)
        self.function = function
        self.builder = ir.IRBuilder(function.append_basic_block())

    def whole(self, value: int) -> ir.Constant:
        """Return a constant whole number."""
        return ir.Constant(INT, value)

    def all(self, value: float) -> ir.Constant:
        """Return a vector with the same constant in all lanes."""
        return ir.Constant(self.vector, [float(np.asarray(value, self.dtype))] * self.width)

    def spread(self, value: ir.Value) -> ir.Value:
        """Return a vector with the same number in all lanes."""
        unset = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(unset, value, self.whole(0))
        places = ir.Constant(ir.VectorType(ir.IntType(32), self.width), [0] * self.width)
        return self.builder.shuffle_vector(first, unset, places)

    def at(self, address: ir.Value, *steps: ir.Value | int) -> ir.Value:
        """Return an address plus steps, in bytes."""
        for step in steps:
            offset = self.whole(step) if isinstance(step, int) else step
            address = self.builder.gep(address, [offset], source_etype=BYTE)
        return address

    def row(self, matrix: Rows, i: ir.Value, *steps: ir.Value | int) -> ir.Value:
        """Return the address of row i plus steps, in bytes."""
        return self.at(matrix.address, self.scale(i, matrix.stride), *steps)

    def load(self, address: ir.Value, kind: ir.Type | None = None) -> ir.Value:
        """Return the value at an address: a vector of numbers unless `kind` says otherwise."""
        align = 1 if kind else self.dtype.itemsize
        return self.builder.load(address, typ=kind or self.vector, align=align)

    def entry(self, array: ir.Value, i: ir.Value) -> ir.Value:
        """Return element i of an array of 64-bit integers."""
        return self.load(self.at(array, self.scale(i, 8)), INT)

    def store(self, value: ir.Value, address: ir.Value) -> None:
        """Write a value to an address."""
        self.builder.store(value, address, align=self.dtype.itemsize)

    def arguments(self, record: ir.Value, kinds: str) -> list[Any]:
        """Return arguments: "i" a whole number, "p" an address, "m" a matrix, "b" one of bytes."""
        types = {"i": INT, "p": POINTER}
        words = iter(
            self.load(self.at(record, 8 * place), types[kind])
            for place, kind in enumerate(kinds.replace("m", "pi").replace("b", "pi"))
        )
        return [
            Rows(next(words), next(words), kind == "b") if kind in "mb" else next(words)
            for kind in kinds
        ]

    def scale(self, first: ir.Value, second: ir.Value | int) -> ir.Value:
        """Return the product of two whole numbers."""
        other = self.whole(second) if isinstance(second, int) else second
        return self.builder.mul(first, other)

    def vectors(self, columns: ir.Value) -> ir.Value:
        """Return the number of vectors that hold `columns` numbers."""
        rounded = self.builder.add(columns, self.whole(self.width - 1))
        return self.builder.sdiv(rounded, self.whole(self.width))

    def intrinsic(self, name: str, result: ir.Type, *values: ir.Value) -> ir.Value:
        """Return what LLVM's function `name` makes of values."""
        module, kind = self.function.module, ir.FunctionType(result, [v.type for v in values])
        declared = module.globals.get(name) or ir.Function(module, kind, name)
        return self.builder.call(declared, values)

    def fma(self, x: ir.Value, y: ir.Value, z: ir.Value) -> ir.Value:
        """Return x y + z, rounded once."""
        name = f"llvm.fma.v{self.width}f{8 * self.dtype.itemsize}"
        return self.intrinsic(name, self.vector, x, y, z)

    def prefetch(self, address: ir.Value, size: ir.Value) -> None:
        """Fetch the cache lines of a piece of memory that will be read soon."""
        hints = [ir.Constant(ir.IntType(32), hint) for hint in (0, 3, 1)]  # to read, to keep, data

        def line(j: ir.Value) -> None:
            place = self.at(address, self.scale(j, LINE))
            self.intrinsic("llvm.prefetch.p0", ir.VoidType(), place, *hints)

        # One more than it fills: it need not begin at a line.
        self.loop(self.builder.add(self.builder.sdiv(size, self.whole(LINE)), self.whole(1)), line)

    def loop(
        self,
        count: ir.Value,
        body: Callable[..., Sequence[ir.Value] | None],
        carried: Sequence[ir.Value] = (),
    ) -> list[ir.Value]:
        """Run `body(i, *values)` for i = 0, ..., count − 1.

        Args:
            count: number of iterations.
            body: writes an iteration, given i and the values; returns the next values.
            carried: the values of the first iteration.

        Returns:
            The values after the last iteration.
        """
        builder, before = self.builder, self.builder.block
        head, inside, after = (self.function.append_basic_block() for _ in range(3))
        builder.branch(head)
        builder.position_at_end(head)
        i = builder.phi(INT)
        values = [builder.phi(value.type) for value in carried]
        builder.cbranch(builder.icmp_signed("<", i, count), inside, after)
        builder.position_at_end(inside)
        following = body(i, *values) or ()
        for phi, first, later in zip(
            [i, *values],
            [self.whole(0), *carried],
            [builder.add(i, self.whole(1)), *following],
            strict=True,
        ):
            phi.add_incoming(first, before)
            phi.add_incoming(later, builder.block)
        builder.branch(head)
        builder.position_at_end(after)
        return values

    def strips(
        self, count: ir.Value, widths: Sequence[int], body: Callable[[ir.Value, int], None]
    ) -> None:
        """Cover 0, ..., count − 1 by strips, the widest first; `body(start, width)` writes one."""
        start: ir.Value = self.whole(0)
        for width in widths:
            number = self.builder.sdiv(self.builder.sub(count, start), self.whole(width))

            def strip(_: ir.Value, begin: ir.Value, width: int = width) -> list[ir.Value]:
                body(begin, width)
                return [self.builder.add(begin, self.whole(width))]

            (start,) = self.loop(number, strip, [start])


_compiled: list[llvm.ExecutionEngine] = []  # code lives as long as its engine
_lock = Lock()


def compiled(write: Callable[..., None], kinds: str, dtype: np.dtype[Any], **options: Any) -> int:
    """Return the address of a kernel, which is compiled once.

    Args:
        write: writes it; called with `Code`, the kernel's arguments and the options.
        kinds: of the arguments, see `Code.arguments`.
        dtype: of the numbers that it computes with.
        options: hashable.
    """
    with _lock:  # an epoch is evaluated in one thread while another takes the next steps
        return _compile(write, kinds, dtype, **options)


@cache
def _compile(write: Callable[..., None], kinds: str, dtype: np.dtype[Any], **options: Any) -> int:
    module = ir.Module()
    code = Code(ir.Function(module, ir.FunctionType(ir.VoidType(), [POINTER]), "kernel"), dtype)
    write(code, *code.arguments(code.function.args[0], kinds), **options)
    code.builder.ret_void()
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    engine = llvm.create_mcjit_compiler(parsed, machine().target)
    engine.finalize_object()
    _compiled.append(engine)
    return int(engine.get_function_address("kernel"))
