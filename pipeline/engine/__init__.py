"""Arithmetic of our own: the same bytes on every CPU, at its full speed.

`network` is the lesson, in NumPy. This room computes the same, compiled by LLVM for the CPU at
hand: `code` writes machine code, `formulas` turns the lesson's formulas into it, `kernels` are the
loops, `program` runs them, `inputs` reads images, `descent` trains and evaluates. What follows
defines every bit of a result, so that no library, vector width or number of threads does.

Numbers are IEEE 754's, in float32 or float64. +, −, ×, ÷ and the fused multiply-add, x y + z
rounded once, are rounded to nearest, ties to even. Subnormal numbers are kept. Nothing is
reordered, and nothing is fused but where it is said. Which NaN it is, is not specified: one in a
loss ends a run before anything is hashed.

**Products.** An element of A B is a chain of fused multiply-adds along k, ascending, from its
start: +0, a bias, or what is said. k runs over what exists; only columns are padded, and what
stands there is never read as k.

**Forward.** A layer is H_bar = X Wᵀ, chains from b; H = f(H_bar). In the first layer, `descent` has
the symbols and `inputs` says which pixels are rare: chains start from c, run along an image's rare
entries, ascending, then along the frequent pixels, ascending, then along e·z with b.

**Inputs.** x = (pixel − shift) · scale, with shift and scale rounded to the dtype first. A pixel is
rare if at most a fifth of the training images differ there from its usual value, the upper median
of every ⌈N/1000⌉-th image. Of a rare pixel z = (usual − shift) · scale and e = (pixel − usual) ·
scale; e·z is a chain along the entries from +0, and 1 + z·z one along the rare pixels from 1. U = W
− z b and c, a chain from b along the rare pixels, are formed from W and b at the beginning of an
epoch or an evaluation; W = U + z b at its end; velocities likewise. A whitening's inputs are
products of (pixel − shift) · scale with its matrix.

**Errors.** G = δH_bar · s at the last layer, with s = −ε / b computed in float64 and rounded.
Behind a layer G is f'(H_bar) · (G W), a product from +0.

**Steps.** S is a chain over the batch's samples, in their order, from +0. Then W ← W + S, or with
momentum V ← μ V, V ← V + S, W ← W + V, each operation rounded. Steps of biases are the same with
inputs of 1. Those of b and c are S_b = 0 · S_z + S_1 and S_c = 1 · S_z + (1 + z·z) · S_1, products
of two terms, where S_z has inputs e·z and S_1 inputs 1. Entries of rare pixels are added to U (with
momentum to V, after V ← μ V) sample by sample, each by one fused multiply-add; in a training whose
batches are larger than 1,000 no pixel is rare, nor is one in validation, test and prediction.

**Formulas** of activations and costs are `network`'s, operation by operation as they stand there.
max(x, y) is x where x > y or either is NaN, else y: a ReLU hides no NaN, and of −0 it makes +0. exp
and ln(1 + x) are defined in `formulas`.

**Costs** of outputs are converted to float64 and added by sample, then by output, from the first,
one by one; one division by the number of samples ends it. Of equal outputs the first is the answer.
"""

# Part of a run's identity: raise it with any change of a bit that the specification allows.
VERSION = 1
