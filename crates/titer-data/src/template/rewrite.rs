//! A template's source in the words that minijinja knows, and with its values held to limits.
//!
//! `{% generation %}` becomes a call block, as which Jinja itself implements it; `a % b` and `a ~ b` calls of functions, as
//! minijinja's own `%` takes numbers alone, and its `~` writes them otherwise; blocks read all
//! that they name first, as else minijinja does not give them all of it from outside; and what builds values out of values, which are literals and assignments, hands them to a function
//! that looks at their size (see [`super::held`]).

use std::{collections::BTreeSet, ops::Range};

use minijinja::{
    Error,
    machinery::{
        Span, Token,
        ast::{BinOpKind, Expr},
        parse, tokenize,
    },
};

use super::{expressions::each_expression, syntax::syntax};

/// The function behind the rewritten marks.
pub(super) const GENERATION: &str = "titer_generation";
/// The function behind `%`.
pub(super) const PERCENT: &str = "titer_percent";
/// The function behind `~`.
pub(super) const CONCAT: &str = "titer_together";
/// The function that reads names for a block.
pub(super) const READ: &str = "titer_read";
/// The function that literals and assigned values go through.
pub(super) const HELD: &str = "titer_held";
/// The same for what a namespace keeps.
pub(super) const STORED: &str = "titer_stored";

/// A template's source as minijinja takes it, and what is in it.
pub(super) struct Rewritten {
    /// The source.
    pub source: String,
    /// Whether it marks what the assistant writes.
    pub marked: bool,
    /// Every name in its tags, and every text: what it can read.
    pub names: BTreeSet<String>,
}

/// A piece of source and what takes its place.
type Edit = (Range<usize>, String);

/// A token, and where it stands.
type Placed<'a> = (Token<'a>, Span);

/// Rewrites a template.
///
/// # Errors
/// Where the source is not Jinja; `name` is for the message.
pub(super) fn rewrite(source: &str, name: &str) -> Result<Rewritten, Error> {
    let tokens: Vec<Placed<'_>> = tokenize(source, false, syntax()).collect::<Result<_, _>>()?;
    let names = tokens.iter().filter_map(|(token, _)| match token {
        Token::Ident(name) | Token::Str(name) => Some((*name).to_owned()),
        Token::String(name) => Some(name.to_string()),
        _ => None,
    });
    let names = names.collect();
    let marks = marks(&tokens);
    let marked = !marks.is_empty();
    let edits = marks.into_iter().chain(reads(&tokens)).chain(assignments(&tokens)).collect();
    let source = replaced(source, edits);
    let edits = expressions(&source, name)?;
    Ok(Rewritten { source: replaced(&source, edits), marked, names })
}

fn bytes(span: Span) -> Range<usize> {
    span.start_offset as usize..span.end_offset as usize
}

/// `source` with these pieces, which do not overlap, replaced; what is put at one place stands in the order of `edits`.
fn replaced(source: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|(range, _)| range.start);
    let (mut text, mut done) = (String::with_capacity(source.len() + 32 * edits.len()), 0);
    for (range, new) in edits {
        text.push_str(&source[done..range.start]);
        text.push_str(&new);
        done = range.end;
    }
    text + &source[done..]
}

/// The edits that make marks call blocks.
fn marks(tokens: &[Placed<'_>]) -> Vec<Edit> {
    let mark = |window: &[Placed<'_>]| match window {
        [(Token::BlockStart, _), (Token::Ident("generation"), span), (Token::BlockEnd, _)] => {
            Some((bytes(*span), format!("call {GENERATION}()")))
        }
        [(Token::BlockStart, _), (Token::Ident("endgeneration"), span), (Token::BlockEnd, _)] => {
            Some((bytes(*span), "endcall".to_owned()))
        }
        _ => None,
    };
    tokens.windows(3).filter_map(mark).collect()
}

/// Words of expressions that are no names.
const WORDS: [&str; 7] = ["and", "else", "if", "in", "is", "not", "or"];

/// The edits by which marks, macros and call blocks read all that is named within them. minijinja hands them from outside only what
/// they are seen to read, and does not see what they assign before they read it, nor what they take a slice of.
fn reads(tokens: &[Placed<'_>]) -> Vec<Edit> {
    let (mut edits, mut open): (Vec<Edit>, Vec<(usize, BTreeSet<&str>)>) = (Vec::new(), Vec::new());
    let mut opens = false;
    for (at, (token, _)) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| &tokens[before]);
        match (token, before) {
            (Token::Ident("generation" | "macro" | "call"), Some((Token::BlockStart, _))) => opens = true,
            (Token::Ident("endgeneration" | "endmacro" | "endcall"), Some((Token::BlockStart, _))) => {
                let Some((place, names)) = open.pop().filter(|(_, names)| !names.is_empty()) else { continue };
                let names = names.into_iter().collect::<Vec<_>>().join(", ");
                edits.push((place..place, format!(" %}}{{% do {READ}({names})")));
            }
            (Token::BlockEnd, Some((_, last))) if std::mem::take(&mut opens) => {
                open.push((bytes(*last).end, BTreeSet::new()));
            }
            (Token::Ident(_), Some((Token::BlockStart | Token::Dot | Token::Pipe, _))) => {}
            (Token::Ident(name), _) if !WORDS.contains(name) => {
                if let Some((_, names)) = open.last_mut() {
                    names.insert(name);
                }
            }
            _ => {}
        }
    }
    edits
}

/// The edits that hold what `{% set … = … %}` assigns, to a name or to what a namespace keeps.
fn assignments(tokens: &[Placed<'_>]) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut tags = tokens.split(|(token, _)| matches!(token, Token::BlockStart));
    tags.next();
    for tag in tags {
        let Some(((Token::Ident("set"), _), rest)) = tag.split_first() else { continue };
        let end = rest.iter().position(|(token, _)| matches!(token, Token::BlockEnd));
        let tag = &rest[..end.unwrap_or(rest.len())];
        let Some(sign) = tag.iter().position(|(token, _)| matches!(token, Token::Assign)) else { continue };
        let (Some((_, first)), Some((_, last))) = (tag.get(sign + 1), tag.last()) else { continue };
        let keeps = tag[..sign].iter().any(|(token, _)| matches!(token, Token::Dot));
        let (start, end) = (bytes(*first).start, bytes(*last).end);
        edits.push((start..start, format!("{}((", if keeps { STORED } else { HELD })));
        edits.push((end..end, "))".to_owned()));
    }
    edits
}

/// The edits that make `left % right` and `left ~ right` calls and hold literals. Outer expressions come first, so that of two that begin at one
/// place the outer one opens first.
fn expressions(source: &str, name: &str) -> Result<Vec<Edit>, Error> {
    let mut edits: Vec<Edit> = Vec::new();
    let mut call = |whole: &Range<usize>, function: &str| {
        edits.push((whole.start..whole.start, format!("{function}((")));
        edits.push((whole.end..whole.end, "))".to_owned()));
    };
    let mut signs = Vec::new();
    // What is the left side of another `~` is put together by its call.
    let mut chained: BTreeSet<(usize, usize)> = BTreeSet::new();
    each_expression(&parse(source, name, syntax())?, &mut |expression| {
        let whole = bytes(expression.span());
        match expression {
            Expr::BinOp(operation) if matches!(operation.op, BinOpKind::Rem) => {
                let left = bytes(operation.left.span()).end;
                // Behind the left side stand at most its closing brackets.
                if let Some(sign) = source.get(left..whole.end).and_then(|rest| rest.find('%')) {
                    call(&whole, PERCENT);
                    signs.push(left + sign);
                }
            }
            Expr::BinOp(operation) if matches!(operation.op, BinOpKind::Concat) => {
                let left = bytes(operation.left.span());
                let sign = source.get(left.end..whole.end).and_then(|rest| rest.find('~'));
                let Some(sign) = sign else { return };
                signs.push(left.end + sign);
                if !chained.contains(&(whole.start, whole.end)) {
                    call(&whole, CONCAT);
                }
                // Not one in brackets.
                if left.start == whole.start {
                    chained.insert((left.start, left.end));
                }
            }
            Expr::List(_) | Expr::Map(_) if expression.as_const().is_none() => call(&whole, HELD),
            // Without brackets it is what a tag assigns, which is held as a whole.
            Expr::Tuple(_) if expression.as_const().is_none() && is_bracketed(&source[whole.clone()]) => {
                call(&whole, HELD)
            }
            _ => {}
        }
    });
    edits.extend(signs.into_iter().map(|sign| (sign..sign + 1, "), (".to_owned())));
    Ok(edits)
}

/// Whether the bracket at the start of this text is closed by the one at its end.
fn is_bracketed(text: &str) -> bool {
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
        if depth == 0 {
            return character == ')' && at + 1 == text.len();
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_marks_are_marks() {
        let marked = |source: &str| rewrite(source, "t").unwrap().marked;
        assert!(marked("{%- generation -%}x{% endgeneration %}"));
        for source in [
            "{% if generation %}{% endif %}",
            "{# {% generation %} #}",
            "{{ '{% generation %}' }}",
            "{% raw %}{% generation %}{% endraw %}",
        ] {
            assert!(!marked(source), "{source}");
        }
    }

    #[test]
    fn a_percent_sign_is_a_call_and_literals_are_held() {
        let rewritten = |source: &str| rewrite(source, "t").unwrap().source;
        assert_eq!(rewritten("{{ (a) % b.c % 2 }}"), "{{ titer_percent((titer_percent(((a) ), ( b.c)) ), ( 2)) }}");
        assert_eq!(
            rewritten("{{ a ~ b.c ~ (1 ~ 2) }}"),
            "{{ titer_together((a ), ( b.c ), ( (titer_together((1 ), ( 2))))) }}"
        );
        assert_eq!(rewritten("{{ (a ~ b) ~ c }}"), "{{ titer_together(((titer_together((a ), ( b))) ), ( c)) }}");
        assert_eq!(rewritten("{{ [a, 1] }}{{ [2] }}"), "{{ titer_held(([a, 1])) }}{{ [2] }}");
        assert_eq!(
            rewritten("{{ (a, (b)) }}{% set c, d = (a), (b) %}"),
            "{{ titer_held(((a, (b)))) }}{% set c, d = titer_held(titer_held((((a), (b))))) %}"
        );
        assert_eq!(
            rewritten("{% set n.x = a %}{% set y %}b{% endset %}"),
            "{% set n.x = titer_stored((a)) %}{% set y %}b{% endset %}"
        );
    }

    #[test]
    fn blocks_read_what_they_name() {
        let rewritten = |source: &str| rewrite(source, "t").unwrap().source;
        assert_eq!(
            rewritten("{% generation -%} {% set n.x = 1 %}{% set a, b = c, d %}{% endgeneration %}"),
            "{% call titer_generation() %}{% do titer_read(a, b, c, d, n) -%} {% set n.x = titer_stored((1)) %}\
             {% set a, b = titer_held(titer_held(((c, d)))) %}{% endcall %}"
        );
        assert_eq!(
            rewritten("{% macro f(a) %}{% set x | upper %}{% endset %}{% endmacro %}{% set y = 1 %}"),
            "{% macro f(a) %}{% do titer_read(x) %}{% set x | upper %}{% endset %}{% endmacro %}{% set y = titer_held((1)) %}"
        );
    }
}
