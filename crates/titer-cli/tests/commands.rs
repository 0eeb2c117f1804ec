//! Whole commands: exit code, stdout and stderr (`TRYCMD=overwrite` writes what is found).

#[test]
fn commands() {
    trycmd::TestCases::new().case("tests/cli/*.trycmd");
}
