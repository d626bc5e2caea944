//! The machine that figures come from.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Processor, memory, kernel, file system of `folder`, and the tools, in one line each.
pub(crate) fn describe(folder: &Path) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "an unknown processor".into());
    let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let is_virtual = fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains(" hypervisor"));
    let place = if is_virtual { ", a virtual machine" } else { "" };
    let folder = folder.display().to_string();
    let file_system = first_line("sh", &["-c", "df --output=fstype \"$0\" | tail -1", &folder]);
    format!(
        "{cores} cores of {cpu}, {memory} of memory{place}\nLinux {}, {file_system}\n{}\n{}",
        kernel.trim(),
        first_line("rustc", &["--version"]),
        first_line("qemu-img", &["--version"])
    )
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim_start_matches([' ', '\t', ':']).to_string())
}

fn first_line(program: &str, args: &[&str]) -> String {
    let asked = Command::new(program).args(args).output();
    let text = asked.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().map_or_else(|| format!("no {program}"), str::to_string)
}
