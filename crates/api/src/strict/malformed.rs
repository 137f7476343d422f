//! The words for a body that is no JSON.

use crate::problem::{Code, Problem, excerpt};

/// 400, with a hint at what people and programs take for JSON most often.
pub(super) fn malformed(bytes: &[u8], error: &serde_json::Error) -> Problem {
    Problem::new(Code::MalformedBody, detail(bytes, error))
}

fn detail(bytes: &[u8], error: &serde_json::Error) -> String {
    if bytes.trim_ascii().is_empty() {
        return "the body is empty".to_owned();
    }
    let said = excerpt(&error.to_string());
    match hint(bytes, error) {
        Some(hint) => format!("{said}; {hint}"),
        None => said,
    }
}

fn hint(bytes: &[u8], error: &serde_json::Error) -> Option<&'static str> {
    // The error is found at the character or behind it.
    let place = offset(bytes, error.line(), error.column());
    let rest = bytes.get(place.saturating_sub(2)..)?;
    let begins = |words: &[&str]| {
        let near = |word: &&str| rest.windows(word.len()).take(3).any(|at| at == word.as_bytes());
        words.iter().any(near)
    };
    if begins(&["NaN", "nan", "Infinity", "-Infinity", "inf"]) {
        return Some("JSON has neither NaN nor Infinity: leave out the rows that hold them");
    }
    begins(&["'"]).then_some("JSON has names and texts in double quotes")
}

/// The number of bytes before this column of this line, both counted from 1.
fn offset(bytes: &[u8], line: usize, column: usize) -> usize {
    let before = bytes.split_inclusive(|byte| *byte == b'\n').take(line.saturating_sub(1));
    before.map(<[u8]>::len).sum::<usize>() + column.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    fn detail(body: &str) -> String {
        let error = serde_json::from_str::<serde_json::Value>(body).unwrap_err();
        super::detail(body.as_bytes(), &error)
    }

    #[test]
    fn common_mistakes_get_a_hint() {
        assert_eq!(detail(""), "the body is empty");
        assert_eq!(detail(" \n"), "the body is empty");
        for body in ["{'a': 1}", "{ 'a': 1}", "{\"a\": 'b'}", "{\n \"a\": 1,\n 'b': 2}", "['a']"] {
            assert!(detail(body).contains("double quotes"), "{body}: {}", detail(body));
        }
        for body in ["{\"a\":NaN}", "{\n\"a\": -Infinity}", "[1, Infinity]", "[nan]", "NaN"] {
            assert!(detail(body).contains("neither NaN nor"), "{body}: {}", detail(body));
        }
        for body in ["{\"NaN\": tru}", "{\"a\": 1", "[1 2]", "{\"it's\" 1}"] {
            assert!(!detail(body).contains(';'), "{body}: {}", detail(body));
        }
    }
}
