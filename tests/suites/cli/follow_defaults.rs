//! The default of `--follow` in the help of a command is what the command does.

use std::fs::{create_dir, write};
use std::path::Path;

use testdata_gen::Qcow2;

use crate::support::program::{imgprep, printed};

const POLICIES: [&str; 3] = ["none", "beside", "any"];
const SIZE: usize = 128 << 10;

/// A QCOW2 without data of its own, over `backing`.
fn over(backing: &str) -> Vec<u8> {
    let backing = Some((backing.to_string(), Some("raw".to_string())));
    Qcow2 { backing, ..Qcow2::new(16, SIZE as u64) }.write().file
}

/// The default that the help of a command states, with what follows it in the brackets.
fn stated(command: &str) -> String {
    let help = printed(&imgprep(Path::new("/"), &[command, "--help"]));
    let help = help.split_once("--follow <FOLLOW>").unwrap_or_else(|| panic!("{command}: no --follow")).1;
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    help.split_once("[default: ").unwrap().1.split_once(']').unwrap().0.to_string()
}

/// What a command prints for an image over a missing file next to it, and for one over a file in another folder.
fn results(args: &[&str], policy: Option<&str>) -> Vec<(Option<i32>, String)> {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("images");
    create_dir(&folder).unwrap();
    write(temp.path().join("outside"), vec![1; SIZE]).unwrap();
    write(folder.join("missing.qcow2"), over("nowhere")).unwrap();
    write(folder.join("outside.qcow2"), over("../outside")).unwrap();
    ["missing.qcow2", "outside.qcow2"]
        .map(|image| {
            let args = args.iter().map(|arg| if *arg == "IMAGE" { image } else { arg });
            let follow = policy.map(|policy| ["--follow", policy]).into_iter().flatten();
            let output = imgprep(&folder, &args.chain(follow).collect::<Vec<_>>());
            (output.status.code(), printed(&output))
        })
        .to_vec()
}

#[test]
fn stated_default_of_follow_matches_every_command() {
    for (args, chain) in [
        (&["info", "IMAGE"][..], false),
        (&["info", "--chain", "IMAGE"], true),
        (&["map", "IMAGE"], false),
        (&["check", "IMAGE"], false),
        (&["convert", "--quiet", "IMAGE", "out.raw"], false),
        (&["bitmap", "--quiet", "--force", "IMAGE", "out.mf"], false),
        (&["batch", "--plan", "--include", "IMAGE", "--out", "out", "."], false),
    ] {
        let stated = stated(args[0]);
        let (stated, with_chain) = stated.split_once("; with --chain: ").unwrap_or((&stated, &stated));
        let stated = if chain { with_chain } else { stated };
        let by_default = results(args, None);
        for policy in POLICIES {
            let same = results(args, Some(policy)) == by_default;
            assert_eq!(same, policy == stated, "{args:?}: the help states {stated}, compared with {policy}");
        }
    }
}
