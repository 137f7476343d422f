//! What can stand in a key file, and what cannot.

use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::Standing;

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn example() -> Key {
    Key {
        id: KeyId::parse(b"7q2hm4xw").unwrap(),
        digest: Digest::of(b"abc"),
        scopes: [Scope::Predict, Scope::Read].into_iter().collect(),
        created: time("2026-08-01T09:30:00.5Z"),
        name: None,
        expires: None,
        revoked: None,
        rate: None,
    }
}

const COMMENTED: &str = "\
# Ours.
[[key]] # the first
id = '7q2hm4xw'
sha256 = \"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"
scopes = [
    \"admin\", # for now
]
created = 2026-08-01T09:30:00+02:00
# The end.
";

#[test]
fn a_key_is_a_table() {
    let full = Key {
        name: Some("\"hall\" 3".to_owned()),
        expires: Some(time("2027-08-01T00:00:00Z")),
        rate: NonZeroU32::new(50),
        ..example()
    };
    expect![[r#"
        [[key]]
        id = "7q2hm4xw"
        sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        scopes = ["predict", "read"]
        created = "2026-08-01T09:30:00Z"
        name = '"hall" 3'
        expires = "2027-08-01T00:00:00Z"
        rate = 50
    "#]]
    .assert_eq(&with("", &full));
}

#[test]
fn what_people_wrote_stays() {
    let other = Key { id: KeyId::parse(b"00000000").unwrap(), ..example() };
    let text = with(COMMENTED, &other);
    assert!(text.starts_with(COMMENTED));
    assert_eq!(read(&text).unwrap().len(), 2);

    let revoked = revoked(&text, example().id, time("2026-09-12T17:05:00Z")).unwrap();
    let added = "revoked = \"2026-09-12T17:05:00Z\"\n";
    assert_eq!(revoked.replacen(added, "", 1), text);
    let keys = read(&revoked).unwrap();
    assert_eq!(keys[0].standing(time("2026-01-01T00:00:00Z")), Standing::Revoked);
    assert_eq!(keys[1].standing(time("2030-01-01T00:00:00Z")), Standing::Valid);
    assert_eq!(keys[0].created, time("2026-08-01T07:30:00Z"));
}

#[test]
fn a_revoked_key_keeps_the_time_of_its_revocation() {
    let once = revoked(COMMENTED, example().id, time("2026-09-12T17:05:00Z")).unwrap();
    let again = revoked(&once, example().id, time("2026-10-01T00:00:00Z")).unwrap();
    assert_eq!(again, once);
    assert_eq!(revoked(COMMENTED, KeyId::parse(b"00000000").unwrap(), Utc::now()), None);
}

#[test]
fn a_file_without_keys_is_one() {
    for text in ["", "\n", "# nothing yet", "\u{feff}"] {
        assert!(read(text).unwrap().is_empty(), "{text:?}");
    }
}

#[test]
fn what_is_not_as_it_must_be_is_told_by_its_line() {
    let good = with("", &example());
    for (from, to, expected) in [
        ("id = ", "identity = ", "line 2: there is no such field"),
        ("id = \"7q2hm4xw\"\n", "", "line 1: this [[key]] has no id"),
        ("7q2hm4xw", "7Q2HM4XW", "line 2: id must be"),
        ("7q2hm4xw", "7q2hm4x", "line 2: id must be"),
        ("ba78", "", "line 3: sha256 must be"),
        ("ba78", "bá7", "line 3: sha256 must be"),
        ("\"read\"", "\"write\"", "line 4: scopes must be"),
        ("\"predict\", \"read\"", "", "line 4: scopes must be"),
        ("[\"predict\", \"read\"]", "\"read\"", "line 4: scopes must be"),
        ("30:00Z\"", "30:00\"", "line 5: created must be"),
        ("created", "rate = 0\ncreated", "line 5: rate must be"),
        ("created", "rate = 1.5\ncreated", "line 5: rate must be"),
        ("created", "rate = 4294967296\ncreated", "line 5: rate must be"),
        ("created", "revoked = true\ncreated", "line 5: revoked must be"),
        ("created", "name = \"\"\ncreated", "line 5: name must be"),
        ("created", "name = \"\\u001b[2J\"\ncreated", "line 5: name must be"),
        ("[[key]]", "[key]", "line 1: keys are tables"),
        ("[[key]]", "[[keys]]", "line 1: keys are tables"),
        ("[[key]]", "rate = 3\n[[key]]", "line 1: keys are tables"),
        ("scopes = ", "scopes ", "line 4: no valid TOML"),
        ("scopes", "id", "line 4: no valid TOML"),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        let Misfit { line, what } = read(&text).unwrap_err();
        let told = format!("line {line}: {what}");
        assert!(told.starts_with(expected), "{told} instead of {expected}");
    }
    let Misfit { line, what } = read(&with(&good, &example())).unwrap_err();
    assert_eq!((line, what.as_str()), (7, "there are two keys 7q2hm4xw"));
}

/// A secret that somebody pasted somewhere is not told to the log.
#[test]
fn a_misfit_never_quotes_the_file() {
    let secret = "onr_7q2hm4xw_0123456789abcdefghjkmnpqrstvwxyz01234567";
    let good = with("", &example());
    for text in [
        secret.to_owned(),
        format!("{secret} = 1"),
        format!("[[{secret}]]"),
        format!("{good}{secret} = 1"),
        format!("{good}name = {secret}"),
        format!("{good}\"{secret}\" = 1\n\"{secret}\" = 1"),
        good.replace("7q2hm4xw", secret),
        good.replace("ba78", secret),
        good.replace("read", secret),
        good.replace("09:30", secret),
    ] {
        let misfit = read(&text).unwrap_err();
        assert!(!format!("{misfit:?}").contains("0123456789abcdef"), "{misfit:?}");
    }
}

proptest! {
    #[test]
    fn a_key_is_read_as_it_was_written(
        name in proptest::option::of("\\PC{1,100}"),
        rate in 0_u32..,
        seconds in 0_i64..4_000_000_000,
        scopes in proptest::sample::subsequence(Scope::ALL.to_vec(), 1..=4),
    ) {
        let key = Key {
            name,
            rate: NonZeroU32::new(rate),
            expires: DateTime::from_timestamp(seconds, 0),
            scopes: scopes.into_iter().collect(),
            created: time("2026-08-01T09:30:00Z"),
            ..example()
        };
        let text = with("# old\n", &key);
        let read = read(&text).unwrap();
        prop_assert_eq!(format!("{:?}", read), format!("{:?}", [key]));
    }

    #[test]
    fn no_text_makes_it_panic(text in "(\\[\\[key\\]\\]|id|=|\"|'|\\[|\\]|\\n| |#|\\PC){0,40}") {
        drop(read(&text));
    }
}
