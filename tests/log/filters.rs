//! What `RUST_LOG` can do, and what it cannot.

use crate::support::{Service, spawn};

/// What a service says that does not start, because there is no such model.
async fn said(filter: &str, format: &str) -> Vec<String> {
    let mut command = Service::command();
    command.env("RUST_LOG", filter).env("LOG_FORMAT", format).args(["--model", "/no"]);
    let (mut process, mut log) = spawn(command);
    log.ended().await;
    assert!(!process.wait().unwrap().success());
    log.lines()
}

#[tokio::test]
async fn a_start_that_fails_says_why_once_whatever_the_filter() {
    for filter in
        ["", "off", "error", "verbose", "trace=1", "foo=bar=baz", "nonsense=,,", "last_words=off"]
    {
        for format in ["json", "pretty"] {
            let lines = said(filter, format).await;
            let why = "the model /no cannot be used: No such file";
            let found: Vec<_> = lines.iter().filter(|line| line.contains(why)).collect();
            assert_eq!(found.len(), 1, "{filter}: {lines:#?}");
            assert!(found[0].contains("ERROR"), "{lines:#?}");
            assert_eq!(found[0].starts_with('{'), format == "json", "{lines:#?}");
        }
    }
}

#[tokio::test]
async fn a_filter_that_cannot_be_used_is_told_of() {
    for filter in ["verbose", "trace=1", "foo=bar=baz", "nonsense=,,"] {
        let lines = said(filter, "json").await;
        let told = |line: &String| line.contains("WARN") && line.contains(filter);
        assert!(lines.iter().any(told), "{filter}: {lines:#?}");
    }
    for filter in ["", "off", "info,api=debug"] {
        let lines = said(filter, "json").await;
        assert!(!lines.iter().any(|line| line.contains("RUST_LOG")), "{filter}: {lines:#?}");
    }
}
