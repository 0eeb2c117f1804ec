//! Whether a command printed what a page says: line by line, where a line of three dots stands for any lines, and `[..]` for any text.

const LINES: &str = "...";
const TEXT: &str = "[..]";

/// Whether these lines are what the page says.
pub(crate) fn fits(page: &[String], found: &[String]) -> bool {
    match page.iter().position(|line| line == LINES) {
        None => page.len() == found.len() && all_fit(page, found),
        Some(head) => {
            let tail = &page[head + 1..];
            assert!(!tail.iter().any(|line| line == LINES), "one line of dots in an output");
            found.len() >= head + tail.len()
                && all_fit(&page[..head], &found[..head])
                && all_fit(tail, &found[found.len() - tail.len()..])
        }
    }
}

fn all_fit(page: &[String], found: &[String]) -> bool {
    page.iter().zip(found).all(|(page, found)| line_fits(page, found))
}

fn line_fits(page: &str, found: &str) -> bool {
    match page.split_once(TEXT) {
        None => page == found,
        Some((before, after)) => found.strip_prefix(before).is_some_and(|rest| rest.ends_with(after)),
    }
}

/// What was found, with as many lines before the dots and behind them as the page has.
pub(crate) fn shortened(page: &[String], found: &[String]) -> Vec<String> {
    let Some(head) = page.iter().position(|line| line == LINES) else { return found.to_vec() };
    let tail = page.len() - head - 1;
    if found.len() <= head + tail {
        return found.to_vec();
    }
    let end = &found[found.len() - tail..];
    found[..head].iter().chain([&LINES.to_owned()]).chain(end).cloned().collect()
}

#[test]
fn dots_stand_for_lines_and_brackets_for_text() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let found = lines("a\nb 12 s\nc\nd");
    for page in ["a\nb 12 s\nc\nd", "a\nb [..] s\nc\nd", "a\n...\nd", "...\nc\nd", "a\n..."] {
        assert!(fits(&lines(page), &found), "{page}");
    }
    for page in ["a\nb 12 s\nc", "a\nb [..] m\nc\nd", "a\n...\nc", "b\n...", "a\nb 12 s\nc\n...\nc\nd", ""] {
        assert!(!fits(&lines(page), &found), "{page}");
    }
    assert_eq!(shortened(&lines("x\n...\ny"), &found), lines("a\n...\nd"));
    assert_eq!(shortened(&lines("x"), &found), found);
}
