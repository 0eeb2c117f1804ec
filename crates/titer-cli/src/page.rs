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
    if html.exists() && !fs_err::read(html).map_err(Failure::input)?.starts_with(b"<!doctype html>") {
        return Err(Failure::Input(format!("{} is no page; choose another file with --html", html.display())));
    }
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
