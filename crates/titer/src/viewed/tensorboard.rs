//! A run as an event file of TensorBoard's: records of TFRecord, each a message of protocol buffers with scalars.

use std::collections::BTreeMap;

use super::ViewedRun;
use crate::results::Split;

/// Means by moment: what TensorBoard calls tags, each with its numbers by step.
type Scalars = BTreeMap<String, BTreeMap<i64, (f64, usize)>>;

/// The bytes of a run's event file: the means of every probe's rate, margin and gap, of every cell's surprise, and every step's loss, gradient
/// norm and learning rate. Every event has the time at which the run started.
pub fn event_file(run: &ViewedRun) -> Vec<u8> {
    let mut scalars = Scalars::new();
    let mut add = |tag: String, step: i64, value: f64| {
        if value.is_finite() {
            let (sum, count) = scalars.entry(tag).or_default().entry(step).or_default();
            *sum += value;
            *count += 1;
        }
    };
    for record in &run.probes {
        let probe = Split::of(record).name();
        add(format!("rate/{probe}"), record.step, record.rate);
        add(format!("margin/{probe}"), record.step, record.margin);
        add(format!("gap/{probe}"), record.step, record.gap);
    }
    for record in &run.cells {
        add(format!("surprise/{}", record.cell), record.step, record.surprise);
    }
    for record in &run.steps {
        add("train/loss".to_owned(), record.step, record.loss);
        add("train/gradient norm".to_owned(), record.step, record.gradient_norm);
        add("train/learning rate".to_owned(), record.step, record.lr);
    }
    let time = run.times[0];
    let mut file = recorded(&event(time, 0, 3, b"brain.Event:2"));
    let mut by_step: BTreeMap<i64, Vec<u8>> = BTreeMap::new();
    for (tag, steps) in &scalars {
        for (&step, &(sum, count)) in steps {
            by_step.entry(step).or_default().extend(delimited(1, &value(tag, sum / count as f64)));
        }
    }
    by_step.iter().for_each(|(&step, summary)| file.extend(recorded(&event(time, step, 5, summary))));
    file
}

/// `Event`: wall_time = 1, step = 2, and one of file_version = 3 and summary = 5.
fn event(time: f64, step: i64, field: u8, content: &[u8]) -> Vec<u8> {
    let mut event = vec![(1 << 3) | 1];
    event.extend(time.to_le_bytes());
    event.push(2 << 3);
    event.extend(varint(step as u64));
    event.extend(delimited(field, content));
    event
}

/// `Summary.Value`: tag = 1, simple_value = 2.
fn value(tag: &str, number: f64) -> Vec<u8> {
    let mut value = delimited(1, tag.as_bytes());
    value.push((2 << 3) | 5);
    value.extend((number as f32).to_le_bytes());
    value
}

/// A field of bytes with their length.
fn delimited(field: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![(field << 3) | 2];
    bytes.extend(varint(content.len() as u64));
    bytes.extend(content);
    bytes
}

/// Seven bits a byte, the lowest first.
fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 127 {
        bytes.push(number as u8 | 128);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A record of TFRecord: length, its checksum, content, its checksum.
fn recorded(content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u64).to_le_bytes();
    let parts = [&length[..], &masked(&length).to_le_bytes(), content, &masked(content).to_le_bytes()];
    parts.concat()
}

/// A checksum as TFRecord hides it, lest a checksum of checksums be one.
fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C, of Castagnoli's polynomial (RFC 3720, appendix B.4), bit by bit: event files are small.
fn crc32c(bytes: &[u8]) -> u32 {
    let bit = |crc: u32, _: usize| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), bit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standard() {
        // The check value of CRC-32C's definition, and two of RFC 3720's examples.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!((crc32c(&[0; 32]), crc32c(&[0xff; 32])), (0x8a91_36aa, 0x62a8_ab43));
    }

    #[test]
    fn messages_are_framed_as_protocol_buffers_are() {
        assert_eq!((varint(0), varint(127), varint(300)), (vec![0], vec![127], vec![0xac, 2]));
        assert_eq!(value("a", 1.0), [0x0a, 1, b'a', 0x15, 0, 0, 0x80, 0x3f]);
        assert_eq!(event(0.0, 5, 3, b"x"), [9, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 5, 0x1a, 1, b'x']);
        assert_eq!(recorded(b"x").len(), 8 + 4 + 1 + 4);
    }
}
