//! The Korean page: its commands are the README's, its SQL runs, its links lead somewhere.

use std::path::Path;

use serde_json::Value;

use crate::architecture::{files, read};
use crate::support::{Service, TestDatabase};

const PAGE: &str = "docs/ko.md";

/// The texts of the page's blocks in this language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let blocks = page.split(&fence).skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(ToOwned::to_owned).collect()
}

/// The commands of the page, each in one line.
fn commands(page: &str) -> Vec<String> {
    let blocks = blocks(page, "sh").into_iter().map(|block| block.replace("\\\n", " "));
    blocks.flat_map(|block| block.lines().map(squeezed).collect::<Vec<_>>()).collect()
}

/// With one space wherever there is white space.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_command_is_one_of_the_readme() {
    let readme = squeezed(&read("README.md").replace("\\\n", " "));
    let commands = commands(&read(PAGE));
    assert!(commands.len() >= 5, "{commands:?}");
    for command in commands {
        assert!(readme.contains(&command), "the README does not say: {command}");
    }
}

#[tokio::test]
async fn its_requests_are_answered_and_its_sql_finds_them() {
    let database = TestDatabase::create().await;
    let service = Service::start(&database).await;
    let page = read(PAGE);
    let mut classes = Vec::new();
    for body in commands(&page).iter().filter_map(|command| command.split_once("-d ")) {
        let body: Value = serde_json::from_str(body.1.trim_matches('\'')).unwrap();
        let answer = service.post("/predict", &body).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let answer: Value = answer.json().await.unwrap();
        classes.push(answer["iris_class"].as_i64().unwrap());
    }
    // The page says of the second that it is right.
    assert_eq!(classes, [2, 0]);

    let sql = database.connect().await;
    let blocks = blocks(&page, "sql");
    let mut rows = Vec::new();
    for statement in blocks.iter().flat_map(|block| block.split_terminator(";\n")) {
        let found = sql.query(statement, &[]).await;
        let found = found.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
        if statement.starts_with("select") {
            rows.push(found.len());
        }
    }
    // Two tables, their join, the truth, the accuracy.
    assert_eq!(rows, [2, 2, 2, 1, 1]);
}

#[test]
fn its_links_lead_to_files() {
    let page = read(PAGE);
    let files = files();
    let links = page.split("](../").skip(1).filter_map(|rest| rest.split(')').next());
    let links: Vec<_> = links.collect();
    assert!(links.len() >= 5, "{links:?}");
    for link in links {
        let is_there = files.iter().any(|file| file == link || Path::new(file).starts_with(link));
        assert!(is_there, "{link}");
    }
}
