//! Per-row gradients contracted with directions.
//!
//! A row's gradient of a linear layer is the tile `G = dyᵀx`. Either the tiles of some rows are formed, read once for every
//! direction and dropped. Or no tile is formed: `⟨G, V⟩ = Σ_t ⟨V x_t, dy_t⟩`, and `‖G‖² = Σ_ts ⟨x_t, x_s⟩ ⟨dy_t, dy_s⟩` (ghost norms,
//! arXiv 2110.05679). The first is less to compute, the second less to read and write; which is faster depends on the device and the shape.

use super::{
    placed::{SpanBox, TorchSpans},
    tensor::{Number, Place, Tensor},
};
use crate::backend::TiedHead;

/// Numbers of tiles that are formed at a time.
const TILES: i64 = 1 << 26;

/// Numbers of a Gram matrix's rows that are formed at a time.
const GRAM: i64 = 1 << 25;

/// For each row its inner products with K directions and its squared norm, `[rows, K + 1]`, in parts: what each layer gave of some rows.
#[derive(Clone, Debug)]
pub struct TorchSums {
    rows: i64,
    directions: usize,
    parts: Vec<SumsPart>,
}

/// What one layer gave of some rows.
#[derive(Clone, Debug)]
struct SumsPart {
    /// Which rows these are.
    which: Tensor,
    /// The first of the columns.
    first: usize,
    /// A number for each row.
    columns: Vec<Tensor>,
}

impl TorchSums {
    /// Nothing yet.
    pub(super) fn new(rows: i64, directions: usize) -> Self {
        Self { rows, directions, parts: Vec::new() }
    }

    /// How many directions there are.
    pub(super) fn directions(&self) -> usize {
        self.directions
    }

    /// Adds columns `[rows of which]` of some rows.
    fn add(&mut self, which: &Tensor, columns: Vec<Tensor>) {
        self.parts.push(SumsPart { which: which.clone(), first: 0, columns });
    }

    /// Adds to the squared norms alone.
    fn add_norms(&mut self, which: &Tensor, norms: Tensor) {
        self.parts.push(SumsPart { which: which.clone(), first: self.directions, columns: vec![norms] });
    }

    /// All of it, `[rows, K + 1]`. Layers that gave of the same rows are added up together.
    pub(super) fn read(&self, place: Place, number: Number) -> Vec<f64> {
        let mut alike: Vec<Vec<&SumsPart>> = Vec::new();
        for part in &self.parts {
            let same = |of: &SumsPart| of.first == part.first && of.which.raw() == part.which.raw();
            match alike.iter_mut().find(|parts| same(parts[0])) {
                Some(parts) => parts.push(part),
                None => alike.push(vec![part]),
            }
        }
        let shape = [self.rows, self.directions as i64 + 1];
        let mut sums = Tensor::zeros(place, &shape, number);
        for parts in alike {
            let SumsPart { which, first, columns } = parts[0];
            let column = |at: usize| {
                let of_layers: Vec<Tensor> = parts.iter().map(|part| part.columns[at].view(&[1, -1])).collect();
                Tensor::cat(&of_layers, 0).sum_in(&[0], number).view(&[-1, 1])
            };
            let found: Vec<Tensor> = (0..columns.len()).map(column).collect();
            let zeros =
                |count: usize| (count > 0).then(|| Tensor::zeros(place, &[which.len() as i64, count as i64], number));
            let before = zeros(*first);
            let after = zeros(self.directions + 1 - first - columns.len());
            let whole: Vec<Tensor> = before.into_iter().chain(found).chain(after).collect();
            sums = sums.with_rows_added(which, &Tensor::cat(&whole, 1));
        }
        sums.read()
    }
}

/// What one number read or written costs, in multiply-adds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traffic(pub(super) f64);

/// Some rows' `x` (`[rows, len, inputs]`) and `dy` (`[rows, len, outputs]`).
struct Pair {
    x: Tensor,
    dy: Tensor,
}

impl Pair {
    fn sizes(&self) -> [i64; 4] {
        let (&[rows, len, inputs], &[.., outputs]) = (self.x.shape(), self.dy.shape()) else { unreachable!("boxes") };
        [rows, len, inputs, outputs]
    }

    /// Inner products and squared norms, by tiles; and the sum of the tiles.
    fn by_tiles(&self, directions: &[Tensor], total: bool) -> (Vec<Tensor>, Option<Tensor>) {
        let [rows, _, inputs, outputs] = self.sizes();
        let step = (TILES / (inputs * outputs)).clamp(1, rows);
        let (mut parts, mut sum): (Vec<Vec<Tensor>>, Option<Tensor>) = (vec![Vec::new(); directions.len() + 1], None);
        for first in (0..rows).step_by(step as usize) {
            let part = |x: &Tensor| x.narrow(0, first, step.min(rows - first));
            let tiles = part(&self.dy).swapped(1, 2).bmm(&part(&self.x));
            let flat = tiles.view(&[-1, inputs * outputs]);
            for (column, direction) in parts.iter_mut().zip(directions) {
                column.push(flat.mv(&direction.view(&[-1])));
            }
            let norms = flat.view(&[-1, 1, inputs * outputs]).bmm(&flat.view(&[-1, inputs * outputs, 1]));
            parts[directions.len()].push(norms.view(&[-1]));
            if total {
                let tiles = tiles.sum(&[0], false);
                sum = Some(sum.map_or(tiles.clone(), |sum: Tensor| sum.plus(&tiles)));
            }
        }
        (parts.iter().map(|parts| Tensor::cat(parts, 0)).collect(), sum)
    }

    /// The same without tiles.
    fn by_products(&self, directions: &[Tensor], total: bool) -> (Vec<Tensor>, Option<Tensor>) {
        let [rows, len, inputs, outputs] = self.sizes();
        let (x, dy) = (self.x.view(&[-1, inputs]), self.dy.view(&[-1, outputs]));
        let of = |direction: &Tensor| {
            let along = x.mm(&direction.view(&[outputs, inputs]).t());
            along.times(&dy).view(&[rows, len * outputs]).sum(&[1], false)
        };
        let norms = self.x.bmm(&self.x.swapped(1, 2)).times(&self.dy.bmm(&self.dy.swapped(1, 2)));
        let norms = norms.sum(&[1, 2], false);
        (directions.iter().map(of).chain([norms]).collect(), total.then(|| dy.t().mm(&x)))
    }

    /// Whether tiles are the faster way.
    fn tiles_are_faster(&self, directions: usize, Traffic(traffic): Traffic) -> bool {
        let [_, len, inputs, outputs] = self.sizes().map(|size| size as f64);
        let (tile, directions) = (inputs * outputs, directions as f64);
        let by_tiles = len * tile + traffic * tile * (directions + 3.0);
        let by_products =
            directions * len * tile + len * len * (inputs + outputs) + 2.0 * traffic * directions * len * outputs;
        by_tiles <= by_products
    }
}

/// A linear layer's turn: `x` is `[_, inputs]`, `dy` is `[_, outputs]`. Returns `Σ G` where it is wanted.
pub(super) fn linear(
    sums: &mut TorchSums,
    directions: &[Tensor],
    (x, dy): (&Tensor, &Tensor),
    spans: &TorchSpans,
    total: bool,
    traffic: Traffic,
) -> Option<Tensor> {
    let mut sum: Option<Tensor> = None;
    for SpanBox { filled, which } in &spans.boxes {
        // Without a row's gradients its other numbers count for nothing.
        let pair = Pair { x: filled.of(x), dy: filled.of_real(dy) };
        let (columns, total) = if pair.tiles_are_faster(directions.len(), traffic) {
            pair.by_tiles(directions, total)
        } else {
            pair.by_products(directions, total)
        };
        sums.add(which, columns);
        sum = match (sum, total) {
            (Some(sum), Some(total)) => Some(sum.plus(&total)),
            (sum, total) => sum.or(total),
        };
    }
    sum
}

/// A norm's turn: `products` are `dy ⊙ x · r`, `[positions, heads · width]`.
pub(super) fn norm(sums: &mut TorchSums, directions: &[Tensor], products: &Tensor, spans: &TorchSpans, heads: i64) {
    let positions = products.shape()[0];
    let width = products.shape()[1] / heads;
    let by_position = products.view(&[positions, heads, width]).sum(&[1], false);
    let zeros = Tensor::zeros(products.place(), &[spans.rows, width], products.number());
    let gradients = zeros.with_rows_added(&spans.row_of, &by_position);
    let along = directions.iter().map(|direction| gradients.mv(direction));
    let norms = gradients.times(&gradients).sum(&[1], false);
    let columns: Vec<Tensor> = along.chain([norms]).collect();
    sums.add(&spans.all, columns);
}

/// An embedding's turn. `G` has `Σ dy` in the row of each token; where the head is the same table, `‖A + E‖² = ‖A‖² + ‖E‖² + 2⟨A, E⟩`,
/// and the last term is added here.
pub(super) fn embedding(
    sums: &mut TorchSums,
    directions: &[Tensor],
    tokens: &Tensor,
    dy: &Tensor,
    spans: &TorchSpans,
    tied: Option<TiedHead<'_, Tensor, TorchSpans>>,
) {
    let width = dy.shape()[1];
    let of = |direction: &Tensor| direction.view(&[-1, width]).rows(tokens).times(dy).sum(&[1], false);
    let along: Vec<Tensor> = directions.iter().map(of).collect();
    for SpanBox { filled, which } in &spans.boxes {
        let step = (GRAM / (filled.len * filled.len)).clamp(1, filled.rows);
        let (dy, tokens) = (filled.of_real(dy), filled.of_ids(tokens));
        let mut norms = Vec::new();
        for first in (0..filled.rows).step_by(step as usize) {
            let part = |x: &Tensor| x.narrow(0, first, step.min(filled.rows - first));
            let (dy, tokens) = (part(&dy), part(&tokens).reshaped(&[-1, filled.len]));
            let same = tokens.view(&[-1, filled.len, 1]).equals(&tokens.view(&[-1, 1, filled.len]));
            norms.push(dy.bmm(&dy.swapped(1, 2)).times(&same.to(dy.number())).sum(&[1, 2], false));
        }
        let sum = |along: &Tensor| filled.of_real(&along.view(&[-1, 1])).sum(&[1, 2], false);
        let columns: Vec<Tensor> = along.iter().map(sum).chain([Tensor::cat(&norms, 0)]).collect();
        sums.add(which, columns);
    }
    if let Some(head) = tied {
        shared_table(sums, tokens, dy, spans, &head);
    }
}

/// `2 Σ_o Σ_t dlogits[o, token_t] ⟨x_o, dy_t⟩` for each row, its outputs `o` and tokens `t`.
fn shared_table(
    sums: &mut TorchSums,
    tokens: &Tensor,
    dy: &Tensor,
    spans: &TorchSpans,
    head: &TiedHead<Tensor, TorchSpans>,
) {
    let number = head.x.number();
    let &[outputs, vocabulary] = head.dy.shape() else { unreachable!("logits are a matrix") };
    // For each pair of an output and a token in one row: by row, since their numbers differ.
    let rows_of = |of: &TorchSpans| of.row_of.view(&[-1]);
    let (output_rows, token_rows) = (rows_of(head.spans), rows_of(spans));
    let step = (GRAM / tokens.len().max(1) as i64).clamp(1, outputs.max(1));
    for first in (0..outputs).step_by(step as usize) {
        let count = step.min(outputs - first);
        let part = |x: &Tensor| x.narrow(0, first, count);
        let of_row = part(&output_rows).reshaped(&[count, 1]).equals(&token_rows.view(&[1, -1]));
        let weights = part(head.dy).reshaped(&[count, vocabulary]);
        let weights = weights.swapped(0, 1).reshaped(&[vocabulary, count]).rows(tokens).swapped(0, 1);
        let along = part(head.x).reshaped(&[count, dy.shape()[1]]).mm(&dy.to(number).t());
        let terms = weights.to(number).times(&along).times(&of_row.to(number)).sum(&[1], false).times_number(2.0);
        let which = part(&output_rows).reshaped(&[count]);
        sums.add_norms(&which, terms.to(if number == Number::F64 { number } else { Number::F32 }));
    }
}
