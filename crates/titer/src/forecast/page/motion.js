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

function run(kernel, optimiser, counts, settings, seen) {
  const { kinds, probes, outputs, buckets } = kernel, directions = 2 * kinds;
  const state = { moved: new Array(probes).fill(0), action: kernel.action.slice(), known: kernel.known.slice() };
  const first = new Array(directions).fill(0), second = new Float64Array(buckets);
  const push = new Array(directions).fill(0), noise = new Array(3 * kinds).fill(0), factors = new Array(kernel.norm.length).fill(0);
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
    for (let j = 0; j < directions; j++) for (let k = j; k < directions; k++) factors[pair++] = push[j] * push[k];
    noise.forEach(value => factors[pair++] = value);
    const way = kernel.gate, gone = way && way.kind < kinds ? Math.min(1, Math.max(0, (state.action[way.kind] - way.from) / (way.to - way.from) || 0)) : 0;
    const norm = Math.sqrt(Math.max(weighted(kernel.norm, 0, factors), 0));
    const kept = settings.clip > 0 && norm > settings.clip ? settings.clip / norm : 1;
    for (let j = 0; j < directions; j++) push[j] *= kept;
    for (let q = 0; q < factors.length; q++) factors[q] *= kept * kept;
    const rate = at < settings.warmup ? optimiser.lr * (at + 1) / settings.warmup : optimiser.lr;
    const change = new Array(outputs).fill(0);
    let step = rate;
    if (adam) {
      const { beta1, beta2, eps } = optimiser;
      for (let j = 0; j < directions; j++) first[j] = beta1 * first[j] + (1 - beta1) * push[j];
      const correction = 1 / (1 - beta2 ** (at + 1));
      for (let b = 0; b < buckets; b++) {
        const square = weighted(kernel.squares, b * factors.length, factors);
        second[b] = beta2 * second[b] + (1 - beta2) * Math.max(square, 0);
        let share = 1 / (Math.sqrt(second[b] * correction) + eps / kernel.scale[b] + 1e-30);
        if (way) share *= b < way.buckets ? 1 - gone : gone;
        for (let l = 0; l < outputs; l++) change[l] += share * weighted(kernel.by_bucket, (b * outputs + l) * directions, first);
      }
      step = rate / (1 - beta1 ** (at + 1));
    } else {
      const { momentum } = optimiser;
      for (let j = 0; j < directions; j++) first[j] = momentum * first[j] + push[j];
      for (let l = 0; l < outputs; l++) {
        change[l] = weighted(kernel.plain, l * directions, first);
        if (way) change[l] = (1 - gone) * change[l] + gone * weighted(kernel.plain_there, l * directions, first);
      }
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
