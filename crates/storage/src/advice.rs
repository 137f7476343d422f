//! Remedies for refusals that time does not heal.

use std::borrow::Cow;

use crate::{Database, Error};

impl Error {
    /// The remedy for this failure to use a database, if somebody has to change an address, a right or the server; `None` if it
    /// is of another kind, or may pass by itself.
    #[must_use]
    pub fn advice(&self, database: &Database) -> Option<String> {
        let cause = self.cause()?;
        if matches!(self, Self::Migration(_)) && cause.to_string().contains("applied migration") {
            return Some(
                "the schema has the history of another program, or of another version of this one: use another database \
                 or another schema for this record"
                    .to_owned(),
            );
        }
        if cause.to_string().contains("password missing") {
            return Some(
                "the server asks for a password: put it into the address, PGPASSWORD or a password file".to_owned(),
            );
        }
        let name = identifier(database.name().unwrap_or("NAME"));
        let user = identifier(database.user().unwrap_or("USER"));
        Some(match cause.sql_state()? {
            "28P01" => "the password is wrong, or there is no such user".to_owned(),
            "28000" => {
                "the pg_hba.conf of the server has no line that lets this user in from here".to_owned()
            }
            "3D000" => format!("create it with `create database {name}`, or name another one in the address"),
            "42P07" => "tables of the same names are there already, and are not those of a record: use another database or \
                        another schema"
                .to_owned(),
            "42501" => format!(
                "let an administrator of that server run `alter database {name} owner to {user}`, or make the roles of \
                 deploy/sql/roles.sql"
            ),
            "08P01" if cause.to_string().contains("unsupported startup parameter") => {
                "that is what PgBouncer says: for its transaction mode set DATABASE_POOLER=transaction and \
                 MAINTENANCE_DATABASE_URL, for its session mode let it ignore the parameter `options`"
                    .to_owned()
            }
            _ => return None,
        })
    }
}

/// A name as SQL takes it, quoted if it must be.
fn identifier(name: &str) -> Cow<'_, str> {
    let is_plain =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    let is_word =
        name.chars().all(is_plain) && !name.starts_with(|first: char| first.is_ascii_digit());
    if is_word || matches!(name, "NAME" | "USER") {
        name.into()
    } else {
        format!("\"{}\"", name.replace('"', "\"\"")).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_quoted_only_if_it_must_be() {
        for (name, written) in [
            ("onrecord", "onrecord"),
            ("on-record", "\"on-record\""),
            ("The \"Record\"", "\"The \"\"Record\"\"\""),
            ("1st", "\"1st\""),
        ] {
            assert_eq!(identifier(name), written);
        }
    }
}
