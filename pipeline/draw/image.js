// Turns ink on paper into an image like the data set's: scaled to its box, centred by its mass.
//
// Convention: ink is an array of rows, each a Float64Array of values from 0 to 255.
"use strict";

/** Return the smallest box that holds all ink, as {top, left, height, width}; null without ink. */
function inked(ink) {
  let [top, left, bottom, right] = [Infinity, Infinity, -1, -1];
  ink.forEach((row, y) => {
    const first = row.findIndex((value) => value > 0);
    if (first < 0) return;
    top = Math.min(top, y);
    bottom = y;
    left = Math.min(left, first);
    right = Math.max(right, row.findLastIndex((value) => value > 0));
  });
  return bottom < 0 ? null : { top, left, height: bottom - top + 1, width: right - left + 1 };
}

/** Return `count` rows, each the mean of the strip of given rows that it covers, by area. */
function averaged(rows, scale, count) {
  const result = Array.from({ length: count }, () => new Float64Array(rows[0].length));
  rows.forEach((row, y) => {
    const end = Math.min((y + 1) * scale, count);
    for (let t = Math.floor(y * scale); t < end; t++) {
      const share = Math.min(end, t + 1) - Math.max(y * scale, t);
      for (let x = 0; x < row.length; x++) result[t][x] += share * row[x];
    }
  });
  return result;
}

function transposed(rows) {
  return Array.from(rows[0], (_, x) => Float64Array.from(rows, (row) => row[x]));
}

/** Return by how many rows to move ink down so that its mass is at `centre`, and none is lost. */
function shift(rows, centre, size) {
  const masses = rows.map((row) => row.reduce((a, b) => a + b));
  const total = masses.reduce((a, b) => a + b);
  const mean = masses.reduce((sum, mass, y) => sum + mass * y, 0) / total;
  const room = size - 1 - masses.findLastIndex((mass) => mass > 0);
  return Math.min(Math.max(Math.round(centre - mean), 0), room);
}

/**
 * Return the image of a drawing, row by row: `size` squared whole numbers from 0 to 255; null if
 * there is too little ink for one.
 *
 * The longer side becomes `box` pixels by area averaging, with the aspect ratio kept; then the
 * image is shifted by whole pixels so that the centre of mass is at `centre`, counted from 0.
 */
function normalised(ink, { size, box, centre }) {
  const bounds = inked(ink);
  if (!bounds) return null;
  const { top, left, height, width } = bounds;
  const scale = box / Math.max(height, width);
  const cut = ink.slice(top, top + height).map((row) => row.subarray(left, left + width));
  const shrunk = transposed(averaged(transposed(averaged(cut, scale, box)), scale, box));
  const rows = shrunk.map((row) => row.map(Math.round));
  if (!inked(rows)) return null;
  const [down, right] = [shift(rows, centre, size), shift(transposed(rows), centre, size)];
  const pixels = new Uint8Array(size * size);
  rows.forEach((row, y) =>
    row.forEach((value, x) => {
      if (value > 0) pixels[(y + down) * size + x + right] = value;
    }),
  );
  return pixels;
}
