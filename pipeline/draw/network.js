// Unpacks networks and computes their answers: equation (2), layer by layer.
//
// Convention: pixels are whole numbers from 0 to 255 and preprocessing is part of the first layer,
// so that an empty pixel is a 0 everywhere here. Weights have a row per input, a column per neuron.
// ACTIVATIONS, f and f' as a function of f's value, come from pipeline/network/activations.py.
"use strict";

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** Return the layers of a packed network: W of inputs × neurons, b, and f. */
function unpack(packed, activations) {
  return packed.map((layer, index) => {
    const [perNeuron, perInput, b] = [layer.per_neuron, layer.per_input, layer.b].map(
      (base64) => new Float64Array(bytesOf(base64).buffer),
    );
    const neurons = b.length;
    const W = Float64Array.from(
      new Int16Array(bytesOf(layer.integers).buffer),
      (integer, place) => integer * perNeuron[place % neurons] * perInput[(place / neurons) | 0],
    );
    return { W, b, f: ACTIVATIONS[activations[index]] };
  });
}

/** Return what goes into each layer (`inputs`), the last layer's H_bar, and its outputs. */
function forward(layers, pixels) {
  const inputs = [];
  let x = pixels;
  let preActivations;
  for (const { W, b, f } of layers) {
    const neurons = b.length;
    inputs.push(x);
    preActivations = Float64Array.from(b);
    for (let j = 0; j < x.length; j++) {
      if (x[j] === 0) continue; // most pixels are empty, and many neurons are switched off
      for (let i = 0, row = j * neurons; i < neurons; i++) preActivations[i] += x[j] * W[row + i];
    }
    x = preActivations.map(f.value);
  }
  return { inputs, preActivations, outputs: x };
}

/** Return the number of the largest value, the first one if several are as large. */
function largest(values) {
  return values.indexOf(values.reduce((a, b) => Math.max(a, b)));
}

/**
 * Return how much the ink of each pixel adds to the H_bar of the last layer's neuron `k`: the
 * gradient, by (6) and (8), times the pixel.
 */
function contributions(layers, passed, k) {
  let delta = passed.preActivations.map((_, i) => (i === k ? 1 : 0));
  for (let l = layers.length - 1; l >= 0; l--) {
    const { W, b } = layers[l];
    const x = passed.inputs[l];
    const slope = l > 0 ? layers[l - 1].f.slope : (pixel) => pixel;
    delta = Float64Array.from(x, (value, j) => {
      const factor = slope(value);
      if (factor === 0) return 0;
      let sum = 0;
      for (let i = 0, row = j * b.length; i < b.length; i++) sum += W[row + i] * delta[i];
      return factor * sum;
    });
  }
  return delta;
}
