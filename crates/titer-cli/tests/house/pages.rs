//! Where Markdown leads: links and pictures, and the places that they can lead to.

use std::path::Path;

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

/// The links and pictures of a text that lead to files and to places in them.
pub(crate) fn links(text: &str) -> Vec<String> {
    let target = |event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(dest_url.into_string()),
        _ => None,
    };
    Parser::new(text).filter_map(target).filter(|link| !link.contains("://")).collect()
}

/// The names of a text's headings, as mdBook and GitHub make them.
fn places(text: &str) -> Vec<String> {
    let (mut found, mut heading) = (Vec::new(), None);
    for event in Parser::new(text) {
        match (event, &mut heading) {
            (Event::Start(Tag::Heading { .. }), _) => heading = Some(String::new()),
            (Event::End(TagEnd::Heading(_)), _) => found.extend(heading.take()),
            (Event::Text(words) | Event::Code(words), Some(heading)) => heading.push_str(&words),
            _ => {}
        }
    }
    let letters = |heading: &String| {
        let named = heading.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        named.flat_map(char::to_lowercase).map(|letter| if letter == ' ' { '-' } else { letter }).collect()
    };
    found.iter().map(letters).collect()
}

/// Why a link of a page leads nowhere, where it does; links of pages in `book` must stay within it, since only it is published.
pub(crate) fn broken(page: &Path, link: &str, book: &Path) -> Option<String> {
    let (file, place) = link.split_once('#').map_or((link, None), |(file, place)| (file, Some(place)));
    let target = if file.is_empty() { page.to_owned() } else { page.parent().unwrap().join(file) };
    let Ok(target) = target.canonicalize() else { return Some(format!("{link}: no such file")) };
    if page.starts_with(book) && !target.starts_with(book) {
        return Some(format!("{link}: outside the book"));
    }
    let place = place?;
    let text = fs_err::read_to_string(target).unwrap();
    (!places(&text).iter().any(|known| known == place)).then(|| format!("{link}: no such heading"))
}

#[test]
fn what_leads_nowhere_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let book = dir.path().canonicalize().unwrap().join("book");
    fs_err::create_dir(&book).unwrap();
    fs_err::write(book.join("b.md"), "# A `good` place, here\n").unwrap();
    fs_err::write(book.join("../outside.md"), "").unwrap();
    let page = book.join("a.md");
    let text = "[x](b.md) ![y](c.svg) `[no](d.md)` [web](https://x.org/e.md)\n```\n[no](f.md)\n```\n";
    fs_err::write(&page, text).unwrap();
    assert_eq!(links(text), ["b.md", "c.svg"]);
    let found = |link| broken(&page, link, &book);
    assert_eq!([found("b.md"), found("b.md#a-good-place-here")], [None, None]);
    assert!(found("b.md#elsewhere").is_some() && found("c.svg").is_some() && found("../outside.md").is_some());
}
