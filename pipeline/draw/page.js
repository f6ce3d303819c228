// The page: paper to draw on, and the networks' answers to the drawing, frame by frame.
"use strict";

const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
const { frame, classes } = data;
const networks = data.networks.map(({ layers, ...known }) => ({
  ...known,
  layers: unpack(layers, data.activations),
}));
const pixelsOfAll = bytesOf(data.pixels);
const images = data.images.map((about, n) => ({
  ...about,
  pixels: pixelsOfAll.subarray(n * frame.size ** 2, (n + 1) * frame.size ** 2),
}));
const NEAREST = 8; // test images shown below the drawing
const EMPTY = "Nothing is drawn yet. Draw a digit on the paper, or begin with a test image.";
const DOT =
  "That is a dot. Scaled like a digit, it would fill the image, and no answer would make sense. " +
  "Draw a whole digit.";

const paper = byId("paper");
const pen = paper.getContext("2d", { willReadFrequently: true });
pen.lineCap = pen.lineJoin = "round";
pen.lineWidth = frame.pen * paper.width;
pen.imageSmoothingEnabled = false;
let example = null; // the test image on the paper, until something is drawn on it

// --- what is on the paper ---

function inkOfPaper() {
  const { width, height } = paper;
  const { data: rgba } = pen.getImageData(0, 0, width, height);
  return Array.from({ length: height }, (_, y) => {
    const row = new Float64Array(width);
    for (let x = 0; x < width; x++) row[x] = rgba[4 * (y * width + x) + 3];
    return row;
  });
}

/** Return the image that the networks get, or null and why there is none. */
function seen() {
  if (example) return { pixels: example.pixels };
  const ink = inkOfPaper();
  const box = inked(ink);
  if (!box) return { pixels: null, reason: EMPTY };
  if (Math.max(box.width, box.height) < 1.5 * pen.lineWidth) return { pixels: null, reason: DOT };
  const pixels = normalised(ink, frame);
  return { pixels, reason: pixels ? "" : EMPTY };
}

// --- pictures ---

// Colours of what is above 0 and of what is below. Ink is black; the style inverts it in the dark.
const INK = [
  [0, 0, 0],
  [0, 0, 0],
];
const SIGNED = [colour("--for"), colour("--against")];

/** Return red, green and blue of a colour of the style. */
function colour(name) {
  const context = element("canvas").getContext("2d");
  context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name);
  // It is #rrggbb now, however it was written.
  return [1, 3, 5].map((start) => parseInt(context.fillStyle.slice(start, start + 2), 16));
}

/** Fill a canvas with a value per pixel: the larger, the more opaque; `strongest` is so fully. */
function paint(canvas, values, colours, strongest) {
  const context = canvas.getContext("2d");
  const picture = context.createImageData(canvas.width, canvas.height);
  values.forEach((value, place) => {
    const opacity = (255 * Math.abs(value)) / strongest;
    picture.data.set([...colours[value < 0 ? 1 : 0], opacity], 4 * place);
  });
  canvas.classList.toggle("ink", colours === INK);
  context.putImageData(picture, 0, 0);
}

/** Return the largest absolute value; 1 if all are 0. */
function strongest(values) {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
}

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** Return a canvas with the role of a picture; `aria-label` is set when it is painted. */
function picture(width, height) {
  const canvas = element("canvas", { width, height });
  canvas.setAttribute("role", "img");
  return canvas;
}

/** Return a button that puts a test image on the paper. */
function imageButton(image, caption) {
  const canvas = element("canvas", { width: frame.size, height: frame.size });
  paint(canvas, image.pixels, INK, 255);
  const button = element("button", { type: "button", className: "image" }, canvas, caption);
  button.setAttribute("aria-label", `${caption}; test image ${image.index}`);
  button.addEventListener("click", () => begin(image));
  return element("li", {}, button);
}

// --- words ---

const list = new Intl.ListFormat("en");
const rounded = (value) => value.toFixed(3);

/** Return the answer that most networks give, if one is, and a sentence about who gives which. */
function vote(answers) {
  const voters = new Map(); // seeds, by their answer
  networks.forEach(({ seed }, n) => {
    voters.set(answers[n], [...(voters.get(answers[n]) ?? []), String(seed)]);
  });
  const ordered = [...voters].sort((a, b) => b[1].length - a[1].length);
  const say = ([answer, seeds]) =>
    `${seeds.length > 1 ? "seeds" : "seed"} ${list.format(seeds)} ` +
    `${seeds.length > 1 ? "say" : "says"} ${answer}`;
  const [[winner, first], ...others] = ordered;
  const of = networks.length;
  if (others.length === 0) {
    return { winner, sentence: of === 1 ? "The network's answer." : `All ${of} networks agree.` };
  }
  if (others[0][1].length === first.length) {
    return { winner: "?", sentence: `No majority: ${list.format(ordered.map(say))}.` };
  }
  const rest = list.format(others.map(say));
  return { winner, sentence: `${first.length} of ${of} networks say so; ${rest}.` };
}

// --- the parts of the page ---

const rows = networks.map(({ seed }) => {
  const bars = Array.from({ length: classes }, () => element("i"));
  const answer = element("td", { className: "number" });
  const output = element("td", { className: "number" });
  const right = element("td", { className: "number" });
  const row = element(
    "tr",
    {},
    element("th", { scope: "row", textContent: seed }),
    ...[answer, output, right],
    ...bars.map((bar) => element("td", { className: "bar" }, bar)),
  );
  return { row, answer, output, right, bars };
});
byId("networks").append(...rows.map(({ row }) => row));

/** Return how often a network is right about test images for which its output is about as large. */
function rightWhenSo(sureness, output) {
  const { right } = sureness.findLast(({ from }) => from === null || output >= from);
  // Rounded down, so that 100.0 % is never said of a network that was wrong.
  return right === null ? "–" : `${(Math.floor(1000 * right) / 10).toFixed(1)}\u00a0%`;
}

function showAnswers(passes, { winner, sentence }) {
  byId("winner").textContent = winner;
  const source = example ? ` Test image ${example.index}, true digit ${example.label}.` : "";
  byId("agreement").textContent = sentence + source;
  rows.forEach(({ row, answer, output, right, bars }, n) => {
    const outputs = passes ? passes[n].outputs : [];
    const k = passes ? largest(passes[n].preActivations) : null;
    answer.textContent = passes ? k : "–";
    output.textContent = passes ? rounded(outputs[k]) : "–";
    right.textContent = passes ? rightWhenSo(networks[n].sureness, outputs[k]) : "–";
    row.classList.toggle("disagrees", Number.isInteger(winner) && k !== winner);
    bars.forEach((bar, i) => {
      bar.style.height = `${100 * Math.min(Math.max(outputs[i] ?? 0, 0), 1)}%`;
      bar.classList.toggle("largest", i === k);
    });
  });
}

const network = byId("network");
const digit = byId("digit");
networks.forEach(({ seed }, n) => network.append(new Option(`seed ${seed}`, n)));
for (let k = 0; k < classes; k++) digit.append(new Option(k, k));

const reasons = picture(frame.size, frame.size);
byId("reasons").prepend(reasons);

function showReasons({ layers }, passed) {
  const k = digit.value === "" ? largest(passed.preActivations) : Number(digit.value);
  const parts = contributions(layers, passed, k);
  paint(reasons, parts, SIGNED, strongest(parts));
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const [positive, negative] = [parts.filter((x) => x > 0), parts.filter((x) => x < 0)].map(sum);
  const h = passed.preActivations[k];
  const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
  byId("sums").textContent =
    `For ${k}: ink that raises h̄ ${signed(positive)}, ink that lowers it ${signed(negative)}, ` +
    `without ink ${signed(h - positive - negative)}. The sum is h̄ = ${signed(h)}; ` +
    `the output is ${rounded(passed.outputs[k])}.`;
  reasons.setAttribute("aria-label", `Each pixel's part in h̄ for ${k}; the sums stand below.`);
}

// Every hidden layer as a picture, wider than high.
const hidden = networks[0].layers.slice(0, -1).map(({ b }, l) => {
  const width = 2 ** Math.ceil(Math.log2(Math.sqrt(b.length)));
  const canvas = picture(width, Math.ceil(b.length / width));
  const caption = element("figcaption");
  byId("layers").append(element("figure", {}, canvas, caption));
  return { canvas, caption, name: `Layer ${l + 1}, ${data.activations[l]}` };
});

function showLayers(passed) {
  hidden.forEach(({ canvas, caption, name }, l) => {
    const values = passed.inputs[l + 1];
    const zeros = values.filter((value) => value === 0).length;
    const [least, most] = [Math.min, Math.max].map((of) => values.reduce((a, b) => of(a, b)));
    paint(canvas, values, least < 0 ? SIGNED : INK, strongest(values));
    caption.textContent =
      `${name}: ${values.length} neurons from ${least.toFixed(2)} to ${most.toFixed(2)}` +
      (zeros ? `, ${zeros} of them 0` : "");
    canvas.setAttribute("aria-label", caption.textContent);
  });
}

function showNearest(pixels) {
  const distance = (image) =>
    image.pixels.reduce((sum, value, place) => sum + (value - pixels[place]) ** 2, 0);
  const nearest = data.wrong
    .map((n) => images[n])
    .filter((image) => image !== example)
    .map((image) => [distance(image), image])
    .sort((a, b) => a[0] - b[0])
    .slice(0, NEAREST);
  const given = ({ answers }) =>
    answers.join(" ") + (answers.length < networks.length ? " …" : "");
  const button = ([, image]) => imageButton(image, `${image.label}, answered ${given(image)}`);
  byId("nearest").replaceChildren(...nearest.map(button));
}

// --- frames ---

let waiting = false;

/** Look at the paper again in the next frame. */
function look() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    show();
  });
}

function show() {
  const start = performance.now();
  const { pixels, reason } = seen();
  const passes = pixels && networks.map(({ layers }) => forward(layers, pixels));
  const end = performance.now();
  byId("details").hidden = !pixels;
  const took = `Scaled and answered in ${(end - start).toFixed(1)} ms.`;
  byId("milliseconds").textContent = pixels ? took : "";
  paint(byId("seen"), pixels ?? new Uint8Array(frame.size ** 2), INK, 255);
  if (pixels) {
    showAnswers(passes, vote(passes.map(({ preActivations }) => largest(preActivations))));
    showReasons(networks[network.value], passes[network.value]);
    showLayers(passes[network.value]);
  } else {
    showAnswers(null, { winner: "–", sentence: reason });
  }
}

/** Show what follows from a finished drawing, and say the answer to screen readers. */
function settle() {
  show();
  const { pixels } = seen();
  if (pixels) showNearest(pixels);
  const [winner, sentence] = ["winner", "agreement"].map((id) => byId(id).textContent);
  byId("spoken").textContent = pixels ? `${winner}: ${sentence}` : sentence;
}

function clear() {
  example = null;
  pen.clearRect(0, 0, paper.width, paper.height);
}

function begin(image) {
  clear();
  const small = element("canvas", { width: frame.size, height: frame.size });
  paint(small, image.pixels, INK, 255);
  pen.drawImage(small, 0, 0, paper.width, paper.height);
  example = image;
  settle();
  // Move the focus to the answer: the button may be gone, or far below.
  byId("answer").focus();
}

// --- pen, finger, mouse ---

let pointer = null; // {id, x, y} of the one that draws

function place(event) {
  const { left, top, width, height } = paper.getBoundingClientRect();
  return {
    id: event.pointerId,
    x: ((event.clientX - left) * paper.width) / width,
    y: ((event.clientY - top) * paper.height) / height,
  };
}

function draw(event) {
  const next = place(event);
  pen.beginPath();
  pen.moveTo(pointer.x, pointer.y);
  pen.lineTo(next.x + 0.01, next.y); // a line of no length would leave no dot
  pen.stroke();
  pointer = next;
}

paper.addEventListener("pointerdown", (event) => {
  if (pointer || event.button !== 0) return;
  paper.setPointerCapture(event.pointerId);
  pointer = place(event);
  example = null;
  draw(event);
  look();
});
paper.addEventListener("pointermove", (event) => {
  if (event.pointerId !== pointer?.id) return;
  const events = event.getCoalescedEvents?.() ?? []; // Safari knows it since 18.2
  (events.length ? events : [event]).forEach(draw);
  look();
});
for (const end of ["pointerup", "pointercancel"]) {
  paper.addEventListener(end, (event) => {
    if (event.pointerId !== pointer?.id) return;
    pointer = null;
    settle();
  });
}

byId("clear").addEventListener("click", () => {
  clear();
  settle();
});
network.addEventListener("change", show);
digit.addEventListener("change", show);

// --- begin ---

byId("examples").append(...data.examples.map((n) => imageButton(images[n], images[n].label)));
byId("unavailable").hidden = true;
byId("page").hidden = false;
show();
