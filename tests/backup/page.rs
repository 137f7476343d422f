//! What the page says is to be typed.

use crate::architecture::read;

/// The sections that hold commands.
pub(super) const HEADINGS: [&str; 8] = [
    "Back up",
    "Restore",
    "In Compose",
    "Go back to a moment",
    "A private database",
    "The spool",
    "The keys",
    "A newer PostgreSQL",
];

/// The blocks of commands under this heading; there must be as many as the caller names.
pub(super) fn blocks<const N: usize>(heading: &str) -> [String; N] {
    let all = sections().into_iter().find(|(name, _)| name == heading);
    let blocks = all.unwrap_or_else(|| panic!("there is no section {heading}")).1;
    blocks.try_into().unwrap_or_else(|all| panic!("not all of them are tried: {all:?}"))
}

/// Every section that holds commands.
pub(super) fn headings_with_blocks() -> Vec<String> {
    sections().into_iter().filter(|(_, blocks)| !blocks.is_empty()).map(|(name, _)| name).collect()
}

fn sections() -> Vec<(String, Vec<String>)> {
    let page = read("deploy/backup.md");
    let mut sections = vec![(String::new(), Vec::new())];
    let mut block: Option<String> = None;
    for line in page.lines() {
        if let Some(text) = &mut block {
            if line == "```" {
                sections.last_mut().unwrap().1.extend(block.take());
            } else {
                text.push_str(line);
                text.push('\n');
            }
        } else if line.starts_with("```") {
            assert_eq!(line, "```sh");
            block = Some(String::new());
        } else if let Some(heading) = line.strip_prefix("## ") {
            sections.push((heading.to_owned(), Vec::new()));
        }
    }
    assert_eq!(block, None);
    sections
}
