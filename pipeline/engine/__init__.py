"""The compiled network: the same bytes on every CPU, at its full speed.

`network` is the lecture's network in NumPy, written to be read. This package computes the same,
compiled by LLVM for your CPU: `code` writes machine code, `formulas` translates the formulas of
`network`, `kernels` are the loops, `program` runs them, `inputs` reads images, `descent` trains and
evaluates.

The rest of this docstring is the specification. It defines every bit of a result, so results do not
depend on a library, the width of vectors or the number of threads.
`tests/engine/test_specification.py` computes two epochs by it in NumPy, but for σ.

**Numbers** are IEEE 754's, in float32 or float64. +, −, ×, ÷ and the fused multiply-add (x y + z,
rounded once) round to nearest, ties to even. Subnormal numbers are kept. No operations are
reordered, and none are fused unless it is stated here. The bits of a NaN are not specified: a NaN
in a loss ends a run before anything is hashed.

**Products.** An element of A B is a chain: it begins with a start value, and for k = 0, 1, ... one
fused multiply-add adds A[i, k] B[k, j]. The start is +0 unless another one is stated. Columns may
be padded to whole vectors, k may not: no padding enters a chain.

**Forward.** A layer is H_bar = X Wᵀ + b, chains that start from b; H = f(H_bar). In the first
layer, whose symbols are explained in `descent`, chains start from c and run along the image's
entries of rare pixels, ascending, then along the frequent pixels, ascending, then add e·z times b.

**Inputs.** x = (pixel − shift) · scale, with shift and scale rounded to the dtype first. A pixel is
rare if at most a fifth of the training images differ there from its usual value, which is the upper
median of every ⌈N/1000⌉-th image. Of a rare pixel z = (usual − shift) · scale and e = (pixel −
usual) · scale; e·z is a chain along the entries from +0, and 1 + z·z one along the rare pixels from
1. At the beginning of an epoch or an evaluation, U = W − z b and c, a chain from b along the rare
pixels, are formed from W and b; at its end W = U + z b; velocities likewise. A whitening's inputs
are products of (pixel − shift) · scale with its matrix, rounded to the dtype first. Of features
that are no pixels, (x − shift) · scale is computed in float64 and then rounded.

**Errors.** At the last layer G = δH_bar · s, where s = −ε / b, with b the size of the batch, is
computed in float64 and then rounded. In the layer before a layer with weights W and error G, the
error is f' · (G W), where f' is the derivative's formula of H, and G W is a product from +0.

**Steps.** S is a chain over the batch's samples, in their order, from +0. Then W ← W + S, or with
momentum V ← μ V, V ← V + S, W ← W + V, each operation rounded. Steps of biases are the same with
inputs of 1. Those of b and c are S_b = 0 · S_z + S_1 and S_c = 1 · S_z + (1 + z·z) · S_1, products
of two terms, where S_z has inputs e·z and S_1 inputs 1. Entries of rare pixels are added to U (with
momentum to V, after V ← μ V) sample by sample, each by one fused multiply-add. In a training whose
`batch_size` is larger than 1,000 no pixel is rare, nor is one in validation, test and prediction.

**Weight decay.** κ = −ε λ is computed in float64 and then rounded. A step S of W starts from κ W
instead of +0, and S_c from κ (c − b). κ (z b + U), of which z b + U is a fused multiply-add, is
added to U (with momentum to V, after V ← μ V) before the entries.

**Formulas** of activations and costs are `network`'s, operation by operation as they stand there.
max(x, y) is x where x > y or either is NaN, else y: so a ReLU keeps NaN, and turns −0 into +0. A
row's maximum begins with −∞, its sum with +0; both take the outputs in order. exp, tanh, ln(x) and
ln(1 + x) are defined in `formulas`.

**Costs** of outputs are converted to float64 and added one by one, by sample, then by output; the
sum is divided by the number of samples. The predicted class is the first of the largest
pre-activations of the last layer.
"""

# Part of a run's identity: raise it with every change of this specification that changes a bit.
VERSION = 3
