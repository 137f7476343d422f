//! The shape of the project: who may know whom, who owns what, and where the words of the data may stand.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use expect_test::expect;
use serde_json::Value;

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// What a command prints when it is run in the root.
fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).current_dir(root()).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    run(&cargo, arguments).unwrap_or_else(|| panic!("cargo {arguments:?} failed"))
}

/// The crates of the workspace, each with its normal dependencies.
fn crates() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = cargo(&["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter().map(|package| {
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let normal = dependencies.filter(|dependency| dependency["kind"].is_null());
        (name(package), normal.map(name).collect())
    });
    packages.collect()
}

/// Every file of the project, by its path from the root: what git tracks, or, without git, what lies there.
pub(crate) fn files() -> Vec<String> {
    let files: Vec<String> = match run("git", &["ls-files", "-z"]) {
        // A tarball inside another repository is not tracked by it.
        Some(list) if !list.is_empty() => {
            list.split_terminator('\0').map(ToOwned::to_owned).collect()
        }
        _ => {
            let mut found = Vec::new();
            walk(&root(), "", &mut found);
            found
        }
    };
    // A tracked file may be gone.
    let files: Vec<_> = files.into_iter().filter(|file| root().join(file).is_file()).collect();
    assert!(files.iter().any(|file| file == "Cargo.toml"), "this is not the root");
    files
}

fn walk(directory: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{prefix}{name}");
        let passed_over = ["target", "data", "node_modules", "__pycache__"];
        if entry.file_type().unwrap().is_file() {
            found.push(path);
        } else if !name.starts_with('.') && !passed_over.contains(&name.as_str()) {
            walk(&entry.path(), &format!("{path}/"), found);
        }
    }
}

pub(crate) fn read(file: &str) -> String {
    String::from_utf8_lossy(&std::fs::read(root().join(file)).unwrap()).into_owned()
}

#[test]
fn arrows_between_crates_point_down() {
    let crates = crates();
    let mut picture = String::new();
    for (name, dependencies) in &crates {
        let own: Vec<_> =
            dependencies.iter().filter(|it| crates.contains_key(*it)).map(String::as_str).collect();
        picture.push_str(format!("{name} -> {}", own.join(", ")).trim_end());
        picture.push('\n');
    }
    expect![[r#"
        access ->
        api -> access, domain, inference, postmaster, recorder, spool, storage
        benchmarks -> domain, inference
        domain ->
        faults -> domain, postmaster
        inference -> domain
        postmaster ->
        recorder -> domain, inference, spool, storage
        spool -> domain
        storage -> domain
    "#]]
    .assert_eq(&picture);
}

/// What measures and what harms the service may be built from anything, as nothing is built from them: the picture above
/// shows no arrow to them.
const AROUND: [&str; 2] = ["benchmarks", "faults"];

/// Only the owner may depend on crates whose name starts like this.
fn check_owner(owner: &str, technology: &str) {
    check_owners(&[owner], technology);
}

/// The same of something that several own.
fn check_owners(expected: &[&str], technology: &str) {
    let mut owners = Vec::new();
    for (name, dependencies) in crates() {
        if !AROUND.contains(&name.as_str())
            && dependencies.iter().any(|dependency| dependency.starts_with(technology))
        {
            owners.push(name);
        }
    }
    assert_eq!(owners, expected, "{technology}");
}

#[test]
fn every_technology_has_one_owner() {
    check_owner("inference", "candle");
    check_owner("inference", "safetensors");
    check_owner("inference", "pulp");
    check_owner("storage", "tokio-postgres");
    check_owner("storage", "deadpool");
    check_owner("storage", "refinery");
    check_owner("spool", "rusqlite");
    check_owner("postmaster", "tar");
    check_owner("postmaster", "zip");
    check_owner("access", "governor");
    // The file of the keys, and that of the settings.
    check_owners(&["access", "api"], "toml_edit");
    check_owner("storage", "tokio-postgres-rustls");
    check_owner("api", "tokio-rustls");
    check_owner("api", "x509-cert");
    // Clients are spoken to by one and the database by the other: the two ends of TLS have nothing in common but this.
    check_owners(&["api", "storage"], "rustls");
    check_owner("api", "poem");
    check_owner("api", "clap");
    check_owner("api", "prometheus-client");
}

#[test]
fn inference_brings_neither_a_server_nor_a_database() {
    let tree = cargo(&["tree", "-p", "inference", "-e", "normal", "--offline", "--prefix", "none"]);
    let names: BTreeSet<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains("candle-core"), "{names:?}");
    for unwanted in ["tokio", "poem", "hyper", "postgres"] {
        let found: Vec<_> = names.iter().filter(|name| name.contains(unwanted)).collect();
        assert!(found.is_empty(), "{found:?}");
    }
}

/// Whoever can make a service fetch what they like reaches what only the service can. Hyper has a client, which the tests use, so
/// our own sources must not.
#[test]
fn the_service_has_no_client_for_http() {
    for name in built(&["-p", "api", "-e", "normal"]).keys() {
        let name = name.split(' ').next().unwrap();
        assert!(!["reqwest", "ureq", "isahc", "curl"].contains(&name), "{name}");
    }
    let sources = files().into_iter().filter(|file| {
        file.starts_with("crates/") && file.contains("/src/") && file.ends_with(".rs")
    });
    for file in sources {
        let text = read(&file);
        for client in ["hyper::client", "hyper_util::client"] {
            assert!(!text.contains(client), "{file} uses {client}");
        }
    }
}

/// A dependency whose features differ is built twice: first to run the service, and again to test it.
#[test]
fn both_commands_of_the_readme_build_each_dependency_alike() {
    let run = built(&["-p", "api", "-e", "normal,build"]);
    let tested = built(&["--workspace", "-e", "normal,build,dev"]);
    assert!(run.len() > 100, "{run:?}");
    for (name, features) in &run {
        assert_eq!(Some(features), tested.get(name), "{name}");
    }
}

/// What is built besides our own crates, with its features.
fn built(selection: &[&str]) -> BTreeMap<String, BTreeSet<String>> {
    let form = ["--offline", "--prefix", "none", "--format", "{p}|{f}"];
    let tree = cargo(&[&["tree"], selection, &form].concat());
    let lines = tree.lines().filter(|line| !line.contains("(/"));
    let mut built: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for (name, features) in lines.filter_map(|line| line.split_once('|')) {
        let features = features.trim_end_matches(" (*)").split(',').map(ToOwned::to_owned);
        built.entry(name.to_owned()).or_default().extend(features);
    }
    built
}

/// The lint would be overruled by a crate that does not take the workspace's.
#[test]
fn no_crate_of_ours_has_unsafe_code() {
    assert!(read("Cargo.toml").contains("unsafe_code = \"forbid\""));
    let manifests = files()
        .into_iter()
        .filter(|file| file.ends_with("/Cargo.toml") && !file.starts_with("fuzz/"));
    for manifest in manifests {
        assert!(read(&manifest).contains("[lints]\nworkspace = true\n"), "{manifest}");
    }
}

#[test]
fn no_source_file_is_longer_than_four_hundred_lines() {
    for file in files().iter().filter(|file| file.ends_with(".rs")) {
        let lines = read(file).lines().count();
        assert!(lines <= 400, "{file} has {lines} lines");
    }
}

/// A test module that is not listed is never run, and nobody notices.
#[test]
fn every_module_of_the_tests_is_listed() {
    for file in files() {
        let Some(module) = file.strip_prefix("tests/").and_then(|it| it.strip_suffix(".rs")) else {
            continue;
        };
        if module == "main" {
            continue;
        }
        let (parent, name) = module.rsplit_once('/').unwrap_or(("main", module));
        let parent = format!("tests/{parent}.rs");
        let listed = read(&parent).lines().any(|line| line == format!("mod {name};"));
        assert!(listed, "{file} is not listed in {parent}");
    }
}

/// Another tabular classifier is served by editing these places, and no others.
fn may_name_the_data(file: &str) -> bool {
    let places = [
        ".ci/",
        "benchmarks/",
        "crates/api/src/schema.rs",
        "crates/domain/",
        "crates/inference/examples/",
        "fuzz/corpus/",
        "fuzz/dictionaries/",
        "migrations/",
        "openapi/",
        "tests/",
        "weights/",
    ];
    places.iter().any(|place| file.starts_with(place))
        || file.contains("/tests/")
        || file.contains("/benches/")
        || file.ends_with(".md")
}

#[test]
fn only_the_places_to_retarget_name_features_and_classes() {
    let words = ["sepal", "petal", "setosa", "versicolor", "virginica"];
    let named = |file: &str| {
        let text = read(file).to_lowercase();
        words.into_iter().filter(|word| text.contains(word)).collect::<Vec<_>>()
    };
    assert_eq!(named("crates/api/src/schema.rs"), words, "the search finds what is there");
    for file in files().iter().filter(|file| !may_name_the_data(file)) {
        let found = named(file);
        assert!(found.is_empty(), "{file} names {found:?}");
    }
}
