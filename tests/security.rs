//! `SECURITY.md` says of each requirement which test holds it: each of them must be there.

use std::path::Path;

use crate::architecture::{files, read};

/// The last column of the row of each requirement, in their order, and the one before it.
fn requirements(page: &str) -> Vec<(String, String)> {
    let rows: Vec<Vec<_>> = page
        .lines()
        .filter(|line| line.starts_with("| R"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    for (n, row) in rows.iter().enumerate() {
        assert_eq!(row.len(), 4, "{row:?}");
        assert_eq!(row[0], format!("R{}", n + 1));
    }
    rows.into_iter().map(|row| (row[2].to_owned(), row[3].to_owned())).collect()
}

/// Whether a test of this name is in the text of one of the files.
fn is_there(name: &str, sources: &[(String, String)]) -> bool {
    if let Some(recipe) = name.strip_prefix("just ") {
        let recipe = recipe.split(' ').next().unwrap();
        return read("justfile").lines().any(|line| {
            line.strip_prefix(recipe).is_some_and(|rest| rest.starts_with([':', ' ']))
        });
    }
    if let Some(title) = name.strip_prefix("browser: ") {
        return read("tests/browser/swagger-ui.test.js").contains(&format!("\ntest(\"{title}\", "));
    }
    let Some((modules, test)) = name.rsplit_once("::") else { return false };
    sources.iter().any(|(file, text)| {
        let mut places = Path::new(file).iter().map(|place| place.to_str().unwrap());
        let mut modules = modules.split("::");
        modules.all(|module| places.any(|place| place.trim_end_matches(".rs") == module))
            && tests(text).any(|found| test == "*" || found == test)
    })
}

/// The names of the functions that are tests.
fn tests(text: &str) -> impl Iterator<Item = &str> {
    let attributes = text.split("#[test]\n").skip(1).chain(text.split("#[tokio::test").skip(1));
    attributes.filter_map(|after| {
        let name = after.split_once("fn ")?.1;
        Some(name.split(['(', '<']).next().unwrap())
    })
}

#[test]
fn every_requirement_is_held_by_a_test_that_exists() {
    let rust = |file: &String| {
        file.ends_with(".rs") && (file.starts_with("tests/") || file.starts_with("crates/"))
    };
    let sources: Vec<_> =
        files().into_iter().filter(rust).map(|it| (it.clone(), read(&it))).collect();
    let requirements = requirements(&read("SECURITY.md"));
    assert_eq!(requirements.len(), 30);
    let mut missing = Vec::new();
    for (n, (how, held_by)) in requirements.iter().enumerate() {
        if held_by.is_empty() {
            assert!(how.starts_with("**Not met**"), "R{}: {how}", n + 1);
            continue;
        }
        for name in held_by.split(", `").map(|name| name.trim_matches('`')) {
            if !is_there(name, &sources) {
                missing.push(format!("R{}: {name}", n + 1));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
