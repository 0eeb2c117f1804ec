//! The report in a real browser: no errors, and nothing wider than the screen, on a phone and on a desk, in light and
//! in dark.
//!
//! Skips where there is no Chromium, unless `CI` is set. `TITER_SHOTS=folder` keeps screenshots.

mod browser;
mod report_synthetic;

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    path::Path,
    process::Stdio,
};

use browser::{browse, chromium, command};
use report_synthetic::{Size, sweep};

/// Collects errors from before the page's own elements on.
const WATCH: &str = "<script>
window.seen = [];
addEventListener('error', event => seen.push('error: ' + (event.message || event.target.outerHTML)), true);
addEventListener('unhandledrejection', event => seen.push('rejection: ' + event.reason));
addEventListener('securitypolicyviolation', event => seen.push('policy: ' + event.blockedURI));
for (const kind of ['error', 'warn']) console[kind] = (...words) => seen.push('console: ' + words.join(' '));
</script>";

/// Measures the page as it is, with everything unfolded, and with each measure chosen; leaves the findings in an
/// attribute of the frame's host, which `--dump-dom` prints.
const JUDGE: &str = "<script>
const frame = document.querySelector('iframe');
frame.addEventListener('load', () => {
  const page = frame.contentDocument, view = frame.contentWindow, found = view.seen.slice();
  const wide = when => {
    const width = page.documentElement.scrollWidth;
    if (width > view.innerWidth) found.push(`${when}: ${width} px wide in a window of ${view.innerWidth} px`);
  };
  const shown = kind => [...page.querySelectorAll(kind)].filter(drawing => drawing.offsetWidth > 0).length;
  wide('as it opens');
  page.querySelectorAll('details').forEach(details => { details.open = true; });
  wide('unfolded');
  const panels = page.querySelectorAll('.panel').length;
  for (const key of ['rate', 'margin', 'gap']) {
    page.querySelectorAll(`.pick-${key}`).forEach(choice => choice.click());
    wide(key);
    if (shown('.drawing') !== panels || shown(`.m-${key}`) !== panels) found.push(`${key}: not one drawing in each panel`);
  }
  page.querySelectorAll('.pick-log-odds').forEach(choice => choice.click());
  wide('log-odds');
  if (shown('.drawing') !== panels) found.push('log-odds: not one drawing in each panel');
  if (shown('.m-log-odds') === 0) found.push('log-odds: none is drawn');
  const dark = view.matchMedia('(prefers-color-scheme: dark)').matches;
  document.body.dataset.found = JSON.stringify({ width: view.innerWidth, dark, found });
});
</script>";

/// The page in a frame of a given width and colour scheme: windows have a least width, frames do not.
fn framed(report: &str, width: u32, scheme: &str, height: u32) -> String {
    let watched = report.replacen("<meta charset", &format!("{WATCH}<meta charset"), 1);
    let quoted = watched.replace('&', "&amp;").replace('"', "&quot;");
    let style = format!("width:{width}px;height:{height}px;border:0;color-scheme:{scheme}");
    format!(
        "<!doctype html><meta charset=utf-8><style>body{{margin:0}}</style>\
         <body><iframe style=\"{style}\" srcdoc=\"{quoted}\"></iframe>{JUDGE}</body>"
    )
}

#[test]
fn the_report_opens_without_errors_and_fits_the_window() {
    let Some(browser) = chromium() else { return };
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    fs_err::create_dir(&runs).unwrap();
    sweep(&runs, &Size { seeds: 3, items: 8, missing: 1 });
    titer::report::write(&runs, &folder.path().join("report.html")).unwrap();
    let report = fs_err::read_to_string(folder.path().join("report.html")).unwrap();

    for width in [400, 1400] {
        for scheme in ["light", "dark"] {
            let page = folder.path().join(format!("{width}-{scheme}.html"));
            fs_err::write(&page, framed(&report, width, scheme, 1000)).unwrap();
            let output = browse(&browser, folder.path(), &page, &["--dump-dom".to_owned()]);
            let dom = String::from_utf8_lossy(&output.stdout);
            let expected = format!(
                "data-found=\"{{&quot;width&quot;:{width},&quot;dark&quot;:{},&quot;found&quot;:[]}}\"",
                scheme == "dark"
            );
            let found = dom.split("data-found=").nth(1).and_then(|rest| rest.split('>').next());
            let talk = String::from_utf8_lossy(&output.stderr);
            assert!(dom.contains(&expected), "{width} px, {scheme}: {}", found.unwrap_or(&talk));
            assert!(!talk.contains("CONSOLE"), "{width} px, {scheme}: {talk}");
            if let Some(shots) = std::env::var_os("TITER_SHOTS") {
                shoot(&browser, folder.path(), &report, width, scheme, Path::new(&shots));
            }
        }
    }
}

/// Clicks the three buttons of the first figure, waits for the files that they make, and says in the console what was in them.
const SAVE: &str = "<script>
const names = [], blobs = [];
URL.createObjectURL = blob => { blobs.push(blob); return 'data:,'; };
HTMLAnchorElement.prototype.click = function () { names.push(this.download); };
document.querySelectorAll('.panel .save')[0].querySelectorAll('button').forEach(button => button.click());
const tell = async () => {
  const files = await Promise.all(blobs.map(async (blob, at) => {
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const text = new TextDecoder().decode(bytes);
    return { name: names[at] ?? '', png: bytes[0] === 0x89 && bytes[1] === 0x50, size: bytes.length, text };
  }));
  const of = kind => files.find(file => file.name.endsWith(kind)) ?? { png: false, size: 0, text: '' };
  const drawn = new DOMParser().parseFromString(of('.svg').text, 'image/svg+xml');
  const title = document.querySelector('.panel h4').textContent.trim();
  // Every figure, as it is saved: its name, and whether all of it is within its frame.
  names.length = blobs.length = 0;
  document.querySelectorAll('details').forEach(details => { details.open = true; });
  document.querySelectorAll('.panel .save').forEach(bar => bar.querySelector('button').click());
  const all = await Promise.all(blobs.map(blob => blob.text()));
  const outside = all.filter(text => {
    const svg = new DOMParser().parseFromString(text, 'image/svg+xml').documentElement;
    document.body.append(svg);
    const [left, top, width, height] = svg.getAttribute('viewBox').split(' ').map(Number), box = svg.getBBox();
    svg.remove();
    return box.x < left - .5 || box.y < top - .5 || box.x + box.width > left + width + .5 || box.y + box.height > top + height + .5;
  });
  console.log('saved ' + JSON.stringify({
    names: files.map(file => file.name), all: names, outside: outside.length,
    svg: !drawn.querySelector('parsererror') && drawn.documentElement.textContent.includes(title) && !of('.svg').text.includes('class='),
    png: of('.png').png && of('.png').size > 1000,
    csv: of('.csv').text.split('\\n').length,
  }) + ' end');
};
const begun = performance.now();
const wait = () => names.length === 3 || performance.now() - begun > 60000 ? tell() : setTimeout(wait, 20);
wait();
</script>";

/// Opens a page in real time, for what the page's own clock does not wait for, such as images that are drawn, until its
/// console says `marker`; what follows it in that line.
///
/// # Panics
/// Where the browser ends before. A page that may never say it must give up by itself.
fn told(browser: &Path, profile: &Path, page: &Path, marker: &str) -> String {
    let mut browser = command(browser, profile, page)
        .arg("--enable-logging=stderr")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the browser starts");
    let lines = BufReader::new(browser.stderr.take().expect("it is piped")).lines();
    let mut talk = Vec::new();
    let mut found = None;
    for line in lines.map_while(Result::ok) {
        found = line.split_once(marker).map(|(_, rest)| rest.to_owned());
        if found.is_some() {
            break;
        }
        talk.push(line);
    }
    let _ = browser.kill();
    let _ = browser.wait();
    found.unwrap_or_else(|| panic!("the page never said {marker:?}: {}", talk.join("\n")))
}

#[test]
fn a_figure_is_saved_as_three_kinds_of_files() {
    let Some(browser) = chromium() else { return };
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    fs_err::create_dir(&runs).unwrap();
    sweep(&runs, &Size { seeds: 3, items: 8, missing: 0 });
    let page = folder.path().join("report.html");
    titer::report::write(&runs, &page).unwrap();
    let report = fs_err::read_to_string(&page).unwrap();
    fs_err::write(&page, report.replacen("</body>", &format!("{SAVE}</body>"), 1)).unwrap();
    let line = told(&browser, folder.path(), &page, "\"saved ");
    let saved: serde_json::Value = serde_json::from_str(line.split(" end\"").next().unwrap()).unwrap();
    assert_eq!((&saved["svg"], &saved["png"]), (&true.into(), &true.into()), "{saved}");
    assert!(saved["csv"].as_u64().unwrap() > 3, "a line a row, and their heads: {saved}");
    let names = || saved["names"].as_array().unwrap().iter().filter_map(|name| name.as_str());
    let all: Vec<&str> = saved["all"].as_array().unwrap().iter().filter_map(|name| name.as_str()).collect();
    let different: BTreeSet<&str> = all.iter().copied().collect();
    assert!(all.len() > 20 && different.len() == all.len(), "no two figures have one name: {all:?}");
    assert!(
        all.iter().any(|name| name.starts_with("effect-against-control-")
            && name.contains("sgd")
            && name.ends_with("-margin.svg")),
        "a name says which section, series and measure: {all:?}"
    );
    assert_eq!(saved["outside"], 0, "of {} figures", all.len());
    let endings: Vec<&str> = names().filter_map(|name| name.rsplit('.').next()).collect();
    assert_eq!(endings, ["svg", "csv", "png"], "the image is ready last");
}

fn shoot(browser: &Path, folder: &Path, report: &str, width: u32, scheme: &str, shots: &Path) {
    let height = if width < 700 { 24_000 } else { 10_000 };
    let page = folder.join("shot.html");
    // Without the judge, so that the page is as a reader finds it.
    fs_err::write(&page, framed(report, width, scheme, height).replace(JUDGE, "")).unwrap();
    fs_err::create_dir_all(shots).unwrap();
    let shot = shots.join(format!("{width}-{scheme}.png"));
    let more = [format!("--screenshot={}", shot.display()), format!("--window-size={width},{height}")];
    browse(browser, folder, &page, &more);
}
