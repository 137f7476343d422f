//! The library as somebody meets it who has read its README and nothing else.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use inference::{Model, N_CLASSES};

const README: &str = include_str!("../README.md");

/// Where the README's dependency looks for the repository.
const CLONE: &str = "\"../onrecord/";

/// The README's one block in this language.
fn block(language: &str) -> &'static str {
    let fence = format!("```{language}\n");
    let mut blocks = README.split(&fence).skip(1);
    let block = blocks.next().and_then(|rest| rest.split("```").next());
    assert!(blocks.next().is_none(), "there are two blocks in {language}");
    block.unwrap_or_else(|| panic!("there is no block in {language}"))
}

/// The crate is built as its user's cargo builds it, all dependencies included: a minute or two on two cores when that is done for
/// the first time. `just library` does it.
#[test]
#[ignore = "builds all dependencies once more"]
fn what_the_readme_says_compiles_and_runs_in_a_crate_of_its_own() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let dependencies = block("toml");
    assert_eq!(dependencies.matches(CLONE).count(), 1);
    let dependencies = dependencies.replace(CLONE, &format!("\"{}/", root.display()));

    let directory = tempfile::tempdir().unwrap();
    let user = directory.path();
    assert!(!user.starts_with(&root), "{} is in the workspace", user.display());
    let package = "[package]\nname = \"user\"\nedition = \"2024\"\n\n";
    let profile = "\n[profile.dev]\ndebug = false\n";
    fs::create_dir(user.join("src")).unwrap();
    fs::write(user.join("Cargo.toml"), format!("{package}{dependencies}{profile}")).unwrap();
    fs::write(user.join("src/main.rs"), block("rust")).unwrap();
    // The versions that are on this machine.
    fs::copy(root.join("Cargo.lock"), user.join("Cargo.lock")).unwrap();

    let output = Command::new(env::var("CARGO").unwrap())
        .args(["run", "--quiet", "--offline"])
        .current_dir(user)
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("library"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(said, "");
    let printed = String::from_utf8(output.stdout).unwrap();
    let version = Model::embedded().unwrap().version().to_owned();
    assert!(printed.lines().next().unwrap().ends_with(&version), "{printed}");
    assert_eq!(printed.lines().count(), 1 + N_CLASSES, "{printed}");
}

/// The documentation test of the README may use whatever the crate depends on; who reads the README may not.
#[test]
fn the_example_knows_no_other_crate() {
    let example = block("rust");
    for dependency in ["domain", "candle", "anyhow"] {
        assert!(!example.contains(dependency), "{dependency}");
    }
    assert!(example.contains("fn main()") && !example.contains("\n# "), "it is no whole program");
}
