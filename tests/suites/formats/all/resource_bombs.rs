//! The memory limit of the tests with resource bombs, which are beside the other tests of each format.

use std::process::Command;

use crate::support::program::bounded;
use crate::support::resource_bombs::BOUND_KIB;

#[test]
fn memory_limit_of_these_tests_is_enforced() {
    let twice = format!("x=$(head -c {} /dev/zero | tr '\\0' x)", BOUND_KIB * 2048);
    let mut shell = Command::new("bash");
    shell.args(["-c", &twice]);
    assert!(!bounded(&shell, BOUND_KIB).status().unwrap().success());
    assert!(bounded(&shell, BOUND_KIB * 16).status().unwrap().success());
}
