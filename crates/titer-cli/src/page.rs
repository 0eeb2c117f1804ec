//! What a command prints, as a page: `--html FILE`.

use std::path::Path;

use titer::{
    files::write_whole,
    report::{Sheet, SheetBlock},
};

use crate::{
    kept::kept,
    printer::{Failure, talk},
};

/// How titer's pages say that they are its own.
const MARK: &str = "<meta name=\"generator\" content=\"titer";

/// What pages began with that did not say so yet.
const OLDER: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
    <link rel=\"icon\" href=\"data:,\">\n";

/// Sees to it that a page may be written there: an older page of titer's may be replaced, and a file in which nothing is, nothing else.
///
/// # Errors
/// Where something else is there; `what` it would have to be, and what to do.
pub(crate) fn may_be_replaced(path: &Path, what: &str, remedy: &str) -> Result<(), Failure> {
    if path.is_dir() {
        return Err(Failure::Input(format!("{} is a folder, where the {what} is to be; {remedy}", path.display())));
    }
    if !path.is_file() {
        return Ok(());
    }
    let bytes = fs_err::read(path).map_err(Failure::input)?;
    let text = String::from_utf8_lossy(&bytes);
    // A page may quote another, so the mark counts in its head alone.
    let head = text.split("<body").next().unwrap_or_default();
    match bytes.is_empty() || head.contains(MARK) || head.starts_with(OLDER) {
        true => Ok(()),
        false => Err(Failure::Input(format!("{} is no {what} of titer; {remedy}", path.display()))),
    }
}

/// Does work, and writes what it prints as a page where a file is named for it; an older page may be replaced, nothing else.
///
/// # Errors
/// Those of the work, and where the file cannot be written.
pub(crate) fn paged(
    html: Option<&Path>,
    title: &str,
    command: &str,
    work: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let Some(html) = html else { return work() };
    may_be_replaced(html, "page", "choose another file with --html")?;
    if html.parent().is_some_and(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        return Err(Failure::Input(format!("{}: there is no such folder; make it first", html.display())));
    }
    let (done, mut blocks) = kept(work);
    done?;
    for block in &mut blocks {
        if let SheetBlock::Lines { text } = block {
            *text = text.trim_matches('\n').to_owned();
        }
    }
    blocks.retain(|block| !matches!(block, SheetBlock::Lines { text } if text.is_empty()));
    let sheet = Sheet { title: title.to_owned(), blocks, command: command.to_owned() };
    let page = sheet.html().map_err(Failure::work)?;
    write_whole(html, page.as_bytes()).map_err(Failure::work)?;
    talk(&format!("the page is {}", html.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_titers_may_be_replaced_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let may = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs_err::write(&path, text).unwrap();
            may_be_replaced(&path, "page", "choose another file with --html").is_ok()
        };
        let sheet = Sheet { title: "t".to_owned(), blocks: Vec::new(), command: String::new() }.html().unwrap();
        assert!(may_be_replaced(&dir.path().join("none.html"), "page", "choose another file with --html").is_ok());
        assert!(may("own.html", &sheet));
        let older = sheet.replacen("<meta name=\"generator\" content=\"titer\">\n", "", 1);
        assert!(older.len() < sheet.len() && may("older.html", &older));
        for (name, text) in [
            ("thesis.html", "<!doctype html>\n<title>Thesis</title><body>words</body>".to_owned()),
            ("quoting.html", format!("<!doctype html><html><body><pre>{sheet}</pre></body></html>")),
            ("notes.txt", "words".to_owned()),
        ] {
            assert!(!may(name, &text), "{name}");
        }
    }
}
