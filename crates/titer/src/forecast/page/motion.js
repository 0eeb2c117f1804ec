// The integrator of motion.rs, step for step: optimiser steps on margins alone. Numbers agree with it to 1e-9.
const sigmoid = x => 1 / (1 + Math.exp(-x));

// shares: [kind][good, bad]; a batch holds whole rows, as evenly as they can be.
function batches(shares, steps, batch) {
  const placed = shares.map(() => [0, 0]);
  return Array.from({ length: steps }, (_, step) => shares.map((pair, kind) => pair.map((share, action) => {
    const rows = Math.round(share * batch * steps), each = rows / steps;
    const wanted = Math.min(Math.floor((step + 1) * each + 0.5 - 1e-9), rows);
    const now = wanted - placed[kind][action];
    placed[kind][action] = wanted;
    return now;
  })));
}

// The sum of factors, each times its own of the numbers from `from` on.
function weighted(numbers, from, factors) {
  let sum = 0;
  for (let q = 0; q < factors.length; q++) sum += numbers[from + q] * factors[q];
  return sum;
}

// The share of the learning rate at a step, counted from 0: the trainer's schedule.
function scheduled({ warmup, decay, floor }, step, steps) {
  if (step < warmup) return (step + 1) / warmup;
  const progress = Math.min(1, (step - warmup) / Math.max(1, steps - warmup));
  const left = { none: 1, linear: 1 - progress, cosine: 0.5 * (1 + Math.cos(Math.PI * progress)) }[decay];
  return floor + (1 - floor) * left;
}

// The kernel of the kinds that have rows, since the others push nothing.
function cut(kernel, counts) {
  const upTo = count => Array.from({ length: count }, (_, at) => at);
  const used = upTo(kernel.kinds).filter(kind => counts.some(batch => batch[kind][0] + batch[kind][1] > 0));
  const { probes, outputs } = kernel, all = 2 * kernel.kinds, directions = used.flatMap(kind => [2 * kind, 2 * kind + 1]);
  const products = [...upTo(probes), ...directions.map(j => probes + j)].flatMap(l => directions.map(j => l * all + j));
  const pairs = directions.flatMap((j, at) => directions.slice(at).map(k => j * all - j * (j - 1) / 2 + k - j));
  const factors = [...pairs, ...used.flatMap(kind => [0, 1, 2].map(part => all * (all + 1) / 2 + 3 * kind + part))];
  // Of rows of this width the numbers at these places.
  const pick = (numbers, width, places) => Float64Array.from(
    { length: numbers.length / width * places.length },
    (_, at) => numbers[Math.floor(at / places.length) * width + places[at % places.length]]);
  const of = list => used.map(kind => list[kind]), { here: base, way: pilots } = kernel, factored = base.norm.length;
  const state = ({ plain, by_bucket, norm, squares }) => ({
    plain: pick(plain, outputs * all, products), by_bucket: pick(by_bucket, outputs * all, products),
    norm: pick(norm, factored, factors), squares: pick(squares, factored, factors),
  });
  return {
    kinds: used.length, probes, outputs: probes + directions.length, buckets: kernel.buckets, scale: kernel.scale,
    base: state(base),
    // A kind that is not trained goes nowhere.
    pilots: pilots && used.includes(pilots.kind)
      ? { ...pilots, kind: used.indexOf(pilots.kind), products: state(pilots.products) } : null,
    other: of(kernel.other), spread: of(kernel.spread), action: of(kernel.action), known: of(kernel.known),
    counts: counts.map(of),
  };
}

function run(whole, optimiser, rows, settings, seen) {
  const kernel = cut(whole, rows), { kinds, probes, outputs, buckets, counts, base, pilots } = kernel, directions = 2 * kinds;
  const state = { moved: new Array(probes).fill(0), action: kernel.action.slice(), known: kernel.known.slice() };
  const first = new Float64Array(directions), second = new Float64Array(buckets);
  const push = new Float64Array(directions), noise = new Float64Array(3 * kinds), width = base.norm.length;
  const pairs = new Float64Array(width - 3 * kinds);
  const adam = optimiser.kind === "adamw";
  counts.forEach((batch, at) => {
    const weight = settings.weight;
    for (let kind = 0; kind < kinds; kind++) {
      const [good, bad] = batch[kind], likely = sigmoid(state.action[kind] / kernel.spread[kind]), up = 1 - likely, down = -likely;
      const other = sigmoid(-state.known[kind]) / kernel.other[kind];
      push[2 * kind] = (good * up + bad * down) / weight;
      push[2 * kind + 1] = (good + bad) * other / weight;
      noise[3 * kind] = (good * up * up + bad * down * down) / (weight * weight);
      noise[3 * kind + 1] = (good * up + bad * down) * other / (weight * weight);
      noise[3 * kind + 2] = (good + bad) * other * other / (weight * weight);
    }
    let pair = 0;
    for (let j = 0; j < directions; j++) for (let k = j; k < directions; k++) pairs[pair++] = push[j] * push[k];
    const part = pilots ? (state.action[pilots.kind] - pilots.from) / (pilots.to - pilots.from) : 0;
    const progress = Number.isFinite(part) ? Math.min(1, Math.max(0, part)) : 0;
    // A row of products times factors, as far as the model has gone.
    const mixed = (part, from, by) => pilots
      ? (1 - progress) * weighted(base[part], from, by) + progress * weighted(pilots.products[part], from, by)
      : weighted(base[part], from, by);
    // The expected square of the gradient: that of its mean, which chance may have made negative, and what rows differ in.
    const square = (part, from) => Math.max(mixed(part, from, pairs), 0) + Math.max(mixed(part, from + pairs.length, noise), 0);
    const norm = Math.sqrt(square("norm", 0));
    const kept = settings.clip > 0 && norm > settings.clip ? settings.clip / norm : 1;
    for (let j = 0; j < directions; j++) push[j] *= kept;
    for (const factors of [pairs, noise]) for (let q = 0; q < factors.length; q++) factors[q] *= kept * kept;
    const rate = optimiser.lr * scheduled(settings, at, counts.length);
    const change = new Float64Array(outputs);
    let step = rate;
    if (adam) {
      const { beta1, beta2, eps } = optimiser;
      for (let j = 0; j < directions; j++) first[j] = beta1 * first[j] + (1 - beta1) * push[j];
      const correction = 1 / (1 - beta2 ** (at + 1));
      for (let b = 0; b < buckets; b++) {
        second[b] = beta2 * second[b] + (1 - beta2) * square("squares", b * width);
        const root = 1 / (Math.sqrt(second[b] * correction) + eps / kernel.scale[b] + 1e-30);
        for (let l = 0; l < outputs; l++) change[l] += root * mixed("by_bucket", (b * outputs + l) * directions, first);
      }
      step = rate / (1 - beta1 ** (at + 1));
    } else {
      const { momentum } = optimiser;
      for (let j = 0; j < directions; j++) first[j] = momentum * first[j] + push[j];
      for (let l = 0; l < outputs; l++) change[l] = mixed("plain", l * directions, first);
    }
    for (let l = 0; l < probes; l++) state.moved[l] += step * change[l];
    for (let kind = 0; kind < kinds; kind++) {
      state.action[kind] += step * change[probes + 2 * kind];
      state.known[kind] += step * change[probes + 2 * kind + 1] / kernel.other[kind];
    }
    seen(at + 1, state);
  });
}

const rateOf = (rates, change) => rates.reduce((sum, rate) => sum + sigmoid(rate + change), 0) / rates.length;
