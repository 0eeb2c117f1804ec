//! An output head that shares the embedding's table, for contractions.

/// An output head that is the embedding table, as the backward pass showed it.
#[derive(Clone, Copy, Debug)]
pub struct TiedHead<'a, Buffer, Spans> {
    /// Its input, `[outputs, width]`.
    pub x: &'a Buffer,
    /// The gradient at the logits, `[outputs, vocabulary]`.
    pub dy: &'a Buffer,
    /// The rows' ranges in both.
    pub spans: &'a Spans,
}
