//! Whole commands: exit code, stdout and stderr (`TRYCMD=overwrite` writes what is found).

#[test]
fn commands() {
    trycmd::TestCases::new().env("HF_HUB_OFFLINE", "1").env("COLUMNS", "100").case("tests/cli/*.trycmd");
}
