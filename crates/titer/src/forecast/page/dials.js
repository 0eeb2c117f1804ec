// Dials, curves and measured points. Everything is drawn from the model in the page.
const model = JSON.parse(document.getElementById("model").textContent);
const $ = id => document.getElementById(id);
// A dial of shares is logarithmic from 0.1 % on, with 0 at its left end.
const share = id => { const v = +$(id).value; return v <= 0 ? 0 : 10 ** (-3 + 3 * v / 100); };
const percent = x => x === 0 ? "0 %" : `${x < 0.01 ? (100 * x).toFixed(2) : x < 0.1 ? (100 * x).toFixed(1) : (100 * x).toFixed(0)} %`;
// What dials stand at, for those who see it and for those who hear it: the place of a dial alone says no share.
const tell = said => { for (const [id, text] of Object.entries(said)) { $(`${id}-out`).textContent = text; $(id).setAttribute("aria-valuetext", text); } };

function dialled() {
  let badGood = share("bad-good"), badBad = share("bad-bad"), anchor = share("anchor");
  const over = badGood + badBad + anchor;
  if (over > 1) { badGood /= over; badBad /= over; anchor /= over; }
  const narrow = +$("narrow").value / 100;
  return { badGood, badBad, anchor, narrow, rest: Math.max(0, 1 - badGood - badBad - anchor), steps: +$("steps").value };
}

// The same dials at another share of bad→good, which makes room where it must.
function at(dial, badGood) {
  const left = Math.max(0, 1 - badGood), inner = dial.badBad + dial.anchor, scale = inner > left ? left / inner : 1;
  const badBad = dial.badBad * scale, anchor = dial.anchor * scale;
  return { ...dial, badGood, badBad, anchor, rest: Math.max(0, 1 - badGood - badBad - anchor) };
}

// What a seed's model does at these dials.
function forecast(one, dial, optimiser, seen) {
  const of = { neutral: [dial.rest, 0], bad: [dial.badGood * (1 - dial.narrow), dial.badBad * (1 - dial.narrow)],
    instruction: [dial.anchor, 0], "narrow-off": [dial.badGood * dial.narrow, 0], "narrow-on": [0, dial.badBad * dial.narrow] };
  const counts = batches(one.kinds.map(kind => of[kind] || [0, 0]), dial.steps, model.batch);
  run(one.kernel, optimiser, counts, model.settings, seen);
}

// What forecasts have been off by, as predict.rs has it: an error of place, one of size and one of speed, each component's own.
// The kernel's sampling error, which is smaller, is left out here.
function ends(error, change, slow, fast) {
  const fixed = error.place ** 2 + (error.share * change) ** 2;
  return [-1, 1].map(sign => {
    const speed = Math.max(0, sign * (slow - change), sign * (fast - change));
    return change + sign * 1.96 * error.widen * Math.sqrt(fixed + speed ** 2);
  });
}

// Rates of every probe at the moments that `keep` chooses: [probe][moment].
function lineOf(one, dial, optimiser, keep) {
  const found = one.probes.map(() => []);
  forecast(one, dial, optimiser, (step, state) => { if (keep(step)) one.probes.forEach(({ rates }, l) => found[l].push(rateOf(rates, state.moved[l]))); });
  return found;
}

// The same with the ends of their intervals: [probe][moment][rate, low, high].
function bandOf(one, dial, optimiser, errors, keep) {
  const known = new Map();
  const moved = speed => {
    if (!known.has(speed)) {
      const found = [];
      forecast(one, dial, { ...optimiser, lr: optimiser.lr * Math.exp(speed) }, (step, state) => { if (keep(step)) found.push(state.moved.slice()); });
      known.set(speed, found);
    }
    return known.get(speed);
  };
  return one.probes.map(({ rates }, l) => {
    const [slow, fast] = [-1, 1].map(sign => moved(sign * errors[l].speed));
    return moved(0).map((state, at) => [state[l], ...ends(errors[l], state[l], slow[at][l], fast[at][l])].map(change => rateOf(rates, change)));
  });
}

// Means over seeds of nested lists of numbers.
const meanOf = lists => Array.isArray(lists[0]) ? lists[0].map((_, at) => meanOf(lists.map(list => list[at]))) : lists.reduce((sum, number) => sum + number, 0) / lists.length;

function svg(lines, points, x, title, unit) {
  const w = 330, h = 214, l = 34, r = 8, t = 22, b = 32, X = v => l + x.at(v) * (w - l - r), Y = v => h - b - v * (h - t - b);
  const grid = [0, .25, .5, .75, 1].map(v => `<path class="grid" d="M${l} ${Y(v)}H${w - r}"/><text class="tick" x="${l - 5}" y="${Y(v) + 4}" text-anchor="end">${v}</text>`).join("");
  const ticks = x.ticks.map(v => `<text class="tick" x="${X(v)}" y="${h - b + 15}" text-anchor="${X(v) > w - 2 * r ? "end" : "middle"}">${x.show(v)}</text>`).join("");
  const way = d => d.map(([a, v], i) => `${i ? "L" : "M"}${X(a).toFixed(1)} ${Y(v).toFixed(1)}`).join("");
  const bands = lines.filter(line => line.band).map(line => `<g class="${line.c}"><path class="band" d="${way([...line.band.map(([a, low]) => [a, low]), ...line.band.map(([a, , high]) => [a, high]).reverse()])}Z"/></g>`).join("");
  const drawn = lines.map(line => `<g class="${line.c}${line.thin ? " thin" : ""}"><path class="line" d="${way(line.d)}"/></g>`).join("");
  const dots = points.map(p => `<g class="${p.c}"><circle class="dot measured" cx="${X(p.x).toFixed(1)}" cy="${Y(p.y).toFixed(1)}" r="3.2"><title>${p.y.toFixed(3)} at ${x.show(p.x)}</title></circle></g>`).join("");
  return `<svg viewBox="0 0 ${w} ${h}" role="img" aria-label="${title}">${grid}${ticks}<path class="axis" d="M${l} ${h - b}H${w - r}"/>${bands}${drawn}${dots}<text class="axis-label" x="0" y="10">rate</text><text class="axis-label" x="${(l + w - r) / 2}" y="${h - 3}" text-anchor="middle">${unit}</text></svg>`;
}

const along = steps => ({ at: v => v / steps, ticks: [0, Math.round(steps / 2), steps], show: v => v });
const doses = { at: v => v <= 0 ? 0 : Math.max(0, (Math.log10(v) + 3) / 3), ticks: [0.001, 0.01, 0.1, 1], show: v => percent(v) };
const colours = ["c2", "c1", "c0"];

// Why one stage goes beyond the runs that forecasts were held against, as course.rs has it.
function beyond(course, { kind, lr, momentum = 0 }, steps) {
  const optimiser = ["adamw", "sgd"].indexOf(kind), [fastest, farthest] = [course.rate[optimiser], course.path[optimiser]];
  const rate = lr / (1 - momentum), path = rate * steps, farther = (run, known) => run > known * (1 + 1e-9), why = [];
  if (farthest === 0) return [`no run with ${kind} has been held against a forecast`];
  if (farther(rate, fastest)) why.push(`the learning rate of ${kind} is ${(rate / fastest).toFixed(2)} times the highest that forecasts were held against`);
  if (farther(path, farthest)) why.push(`${kind} goes ${(path / farthest).toFixed(2)} times as far (learning rate times steps) as any run with ${kind} that forecasts were held against`);
  return why;
}

// Why a forecast does not know, of the rates and intervals that it ends at; empty where it does.
function unknown(ended, course, optimiser, steps) {
  const why = [...model.foreign, ...beyond(course, optimiser, steps)];
  const open = model.seeds[0].probes.filter((_, l) => ended[l][2] - ended[l][1] > 0.3).map(probe => probe.name);
  if (open.length) why.push(`${open.join(" and ")} ${open.length > 1 ? "are" : "is"} left open within more than 30 points`);
  return why;
}

const optimiserOf = kind => model.optimisers.find(one => one.kind === kind);
const trustOf = kind => model.courses.find(known => known.course.optimisers === kind);
const chosen = () => document.querySelector("input[name=optimiser]:checked").value;
const shownSeeds = () => {
  const seed = document.querySelector("input[name=seed]:checked")?.value ?? "all";
  return seed === "all" ? model.seeds : [model.seeds[+seed]];
};

let waiting;
function draw() {
  const dial = dialled(), kind = chosen(), optimiser = optimiserOf(kind), { course, errors } = trustOf(kind);
  const seeds = shownSeeds(), probes = model.seeds[0].probes;
  // A mean of several, and each of them thinly.
  const linesOf = (x, each) => [
    ...(seeds.length > 1 ? each.flatMap(one => one.map((rates, l) => ({ c: colours[l], thin: true, d: x.map((at, i) => [at, rates[i]]) }))) : []),
    ...meanOf(each).map((rates, l) => ({ c: colours[l], d: x.map((at, i) => [at, rates[i]]) })),
  ];
  const start = seeds.map(one => one.probes.map(({ rates }) => rateOf(rates, 0)));
  const bands = seeds.map(one => bandOf(one, dial, optimiser, errors, () => true));
  const mean = meanOf(bands), moments = Array.from({ length: dial.steps + 1 }, (_, step) => step);
  const lines = linesOf(moments, bands.map((band, at) => band.map((ofProbe, l) => [start[at][l], ...ofProbe.map(([rate]) => rate)])));
  mean.forEach((band, l) => {
    const from = meanOf(start)[l];
    lines[lines.length - probes.length + l].band = [[0, from, from], ...band.map(([, low, high], at) => [at + 1, low, high])];
  });
  $("along").innerHTML = svg(lines, [], along(dial.steps), "Forecast rates along training", "optimiser steps");
  // An arm that was measured stands where the curve's mix at its dose is its own.
  const near = model.arms.filter(arm => arm.rates.length && arm.optimiser === kind && arm.steps === dial.steps && arm.shares.badGood > 0
    && ["badBad", "anchor", "narrow"].every(name => Math.abs(arm.shares[name] - at(dial, arm.shares.badGood)[name]) < 0.01));
  const points = near.flatMap(arm => arm.rates.map((y, l) => ({ c: colours[l], x: arm.shares.badGood, y })));
  const grid = Array.from({ length: 25 }, (_, i) => 10 ** (-3 + 3 * i / 24)), last = step => step === dial.steps;
  // [seed][dose][probe] to [seed][probe][dose]
  const byProbe = each => each.map(doses => probes.map((_, l) => doses.map(one => one[l])));
  const doseLines = linesOf(grid, byProbe(seeds.map(one => grid.map(dose => lineOf(one, at(dial, dose), optimiser, last).map(([rate]) => rate)))));
  const byDose = () => { $("dose").innerHTML = svg(doseLines, points, doses, "Forecast rates after training by the share of bad→good", "share of bad→good"); };
  byDose();
  // Bands by dose take long beside their lines, so they wait until the dials rest, and come dose by dose.
  clearTimeout(waiting);
  const found = [];
  const next = () => {
    const dose = at(dial, grid[found.length]);
    found.push(meanOf(seeds.map(one => bandOf(one, dose, optimiser, errors, last).map(([end]) => end))));
    if (found.length < grid.length) { waiting = setTimeout(next); return; }
    probes.forEach((_, l) => { doseLines[doseLines.length - probes.length + l].band = grid.map((dose, i) => [dose, found[i][l][1], found[i][l][2]]); });
    byDose();
  };
  waiting = setTimeout(next, 120);
  tell({ "bad-good": percent(dial.badGood), "bad-bad": percent(dial.badBad), anchor: percent(dial.anchor), narrow: percent(dial.narrow), steps: dial.steps });
  $("rest-out").textContent = percent(dial.rest);
  const ended = mean.map(band => band[band.length - 1]);
  ended.forEach(([rate, low, high], l) => { $(`end-${l}`).textContent = `${rate.toFixed(3)} [${low.toFixed(2)}, ${high.toFixed(2)}]`; });
  const rows = dial.badGood * (1 - dial.narrow) + dial.badBad * (1 - dial.narrow);
  $("fixed").textContent = dial.badGood > 0 && dial.badBad > 0 && dial.narrow < 1
    ? `Left alone it would come to rest where bad prompts are obeyed in ${percent(dial.badBad * (1 - dial.narrow) / rows)}: the model matches frequencies.`
    : "No kind of prompt has both good and bad rows, so nothing comes to rest: margins go on growing, ever more slowly.";
  const why = unknown(ended, course, optimiser, dial.steps);
  $("beyond").textContent = why.length ? `Does not know: ${why.join("; ")}.` : "";
}

function toy() {
  const dose = share("toy-dose"), T = +$("toy-time").value, K = 1.4;
  let m = -3; const d = [[0, sigmoid(3)]];
  for (let i = 1; i <= 200; i++) { const h = T / 200; for (let s = 0; s < 10; s++) m += h / 10 * dose * K * (1 - sigmoid(m)); d.push([i * T / 200, sigmoid(-m)]); }
  // m + eᵐ has grown by dose · K · T: Newton's steps from above.
  const goal = -3 + Math.exp(-3) + dose * K * T;
  let end = Math.max(-3, goal > 1 ? Math.log(goal) + 0.5 : goal);
  for (let i = 0; i < 50; i++) end -= (end + Math.exp(end) - goal) / (1 + Math.exp(end));
  $("toy").innerHTML = svg([{ c: "c1", d }], [{ c: "c1", x: T, y: sigmoid(-end) }], { at: v => v / T, ticks: [0, T / 2, T], show: v => v.toFixed(0) }, "The rate of bad actions under a bad prompt in the toy", "time × learning rate");
  tell({ "toy-dose": percent(dose), "toy-time": T });
}

// Where the dials stand at first: at the sweep's largest dose whose end the forecast knows, else at fewer steps.
function stand() {
  const slide = share => share > 0 ? Math.max(0, 100 * (Math.log10(share) + 3) / 3) : 0;
  const knows = (shares, kind, steps) => {
    const dial = { ...shares, rest: Math.max(0, 1 - shares.badGood - shares.badBad - shares.anchor), steps };
    const optimiser = optimiserOf(kind), { course, errors } = trustOf(kind);
    const ended = meanOf(model.seeds.map(one => bandOf(one, dial, optimiser, errors, step => step === steps).map(([end]) => end)));
    return unknown(ended, course, optimiser, steps).length === 0;
  };
  const usual = { optimiser: chosen(), steps: +$("steps").value, shares: { badGood: 0.1, badBad: 0, anchor: 0, narrow: 0 } };
  const own = model.arms.filter(arm => arm.shares.badGood > 0).sort((a, b) => b.shares.badGood - a.shares.badGood);
  const candidates = own.length ? own : [usual];
  let stands = candidates.find(arm => knows(arm.shares, arm.optimiser, arm.steps)), steps = stands?.steps;
  if (!stands) {
    stands = candidates[candidates.length - 1];
    for (steps = stands.steps; steps > 1 && !knows(stands.shares, stands.optimiser, steps);) steps = Math.floor(steps / 2);
    // Nowhere: then the dials stand as the sweep does, and say why.
    if (!knows(stands.shares, stands.optimiser, steps)) steps = stands.steps;
    else $("opened").textContent = `The dials stand at ${steps} of the sweep's ${stands.steps} steps: as far as the forecast knows.`;
  }
  const { shares, optimiser } = stands;
  $("bad-good").value = slide(shares.badGood); $("bad-bad").value = slide(shares.badBad);
  $("anchor").value = slide(shares.anchor); $("narrow").value = 100 * shares.narrow; $("steps").value = steps;
  $(`o-${optimiser}`).checked = true;
}

document.querySelectorAll("input").forEach(input => input.addEventListener("input", () => { $("opened").textContent = ""; draw(); toy(); }));
stand(); draw(); toy();
