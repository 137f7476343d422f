//! The schema that holds the record: found once, at the start, and then the same for every session.
//!
//! Without that a schema that comes first in the search path, made later by anybody, would begin a second, empty record.

use std::fmt;

use tokio_postgres::{Client, Row};

use crate::{Database, Error, deadlines, session};

/// A schema that holds the record, or will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    pub(crate) name: String,
    /// Whether a session with the address alone finds other tables first, or none.
    pub(crate) is_hidden: bool,
}

/// Where tables of ours are, and where new ones would be made.
///
/// A record is known by the history of its migrations and one of the tables that every version of it has.
const FOUND: &str = "
    with path as (select name, place from unnest(current_schemas(false)) with ordinality as path (name, place)),
    tables as (
        select nspname as schema, relname as name from pg_class join pg_namespace on pg_namespace.oid = relnamespace
        where relkind in ('r', 'p', 'v', 'm', 'f') and nspname !~ '^pg_'
          and relname in ('refinery_schema_history', 'raw_data', 'prediction', 'truth', 'idempotency_key', 'prediction_log')
    ),
    records as (
        select schema from tables where name = 'refinery_schema_history'
        intersect select schema from tables where name in ('raw_data', 'prediction')
    )
    select array(select schema::text from records join path on name = schema order by place),
           array(select schema::text from records where schema not in (select name from path) order by schema),
           current_schema()::text,
           array(select name::text from tables where schema = current_schema() order by name),
           coalesce((select source = 'client' from pg_settings where name = 'search_path'), false)";

/// The tables of ours that a user's session sees.
struct Found {
    /// The schemas of its search path that hold a record, in the order of the path.
    in_path: Vec<String>,
    /// The other schemas that do.
    elsewhere: Vec<String>,
    /// Where new tables are made, if anywhere.
    current: Option<String>,
    /// The names of ours that something there has.
    taken: Vec<String>,
    /// Whether the address itself says what the search path is.
    is_said: bool,
}

impl Found {
    fn of(row: &Row) -> Self {
        Self {
            in_path: row.get(0),
            elsewhere: row.get(1),
            current: row.get(2),
            taken: row.get(3),
            is_said: row.get(4),
        }
    }

    /// The one schema that it can only be.
    fn judge(self) -> Result<Schema, Error> {
        let Self { in_path, elsewhere, current, taken, is_said } = self;
        let refused = |reason| Err(Error::NoSchema { reason });
        match &*in_path {
            [] => {}
            [only] => {
                let is_hidden = is_said || current.as_ref() != Some(only);
                return Ok(Schema { name: only.clone(), is_hidden });
            }
            [first, ..] => {
                return refused(format!(
                    "the schemas {} hold a record each, and all are in the search path of this user; {}",
                    in_path.join(", "),
                    say(first)
                ));
            }
        }
        let Some(current) = current else {
            return refused(format!(
                "no schema of the search path of this user is there, or this user may not use it; {}",
                say("public")
            ));
        };
        if let Some(other) = elsewhere.first().filter(|_| !is_said) {
            return refused(format!(
                "the schema {} holds a record, and is not in the search path of this user; a new, empty record would be \
                 begun in the schema {current}. {}, or with {current} to begin a new record there",
                elsewhere.join(", "),
                capitalized(&say(other))
            ));
        }
        if !taken.is_empty() && !taken.iter().any(|name| name == "refinery_schema_history") {
            return refused(format!(
                "the schema {current} already has tables that this service did not make, named as those of the record: {}. Use \
                 another database, or another schema: {}",
                taken.join(", "),
                say("another")
            ));
        }
        Ok(Schema { name: current, is_hidden: is_said })
    }
}

/// How an address says which schema is meant.
fn say(schema: &str) -> String {
    format!(
        "say which one in the address, by options='-c search_path={schema}' or ?options=-c%20search_path%3D{schema}"
    )
}

fn capitalized(sentence: &str) -> String {
    let mut characters = sentence.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Schema {
    /// Its name as a part of an option of a connection, which ends at a space that has no backslash.
    fn as_option(&self) -> String {
        let quoted = format!("\"{}\"", self.name.replace('"', "\"\""));
        let escaped = |it: char| it == '\\' || it.is_whitespace();
        quoted.chars().flat_map(|it| escaped(it).then_some('\\').into_iter().chain([it])).collect()
    }

    /// Finds the schema of the record as the user of this address sees it, who is the one to make new tables.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be reached; with [`Error::NoSchema`] if there is more than one record in the search path,
    /// or none there but one elsewhere, if no schema is there, or if somebody else's tables have the names of ours.
    pub async fn find(database: &Database) -> Result<Self, Error> {
        let session = session::single(database, deadlines::READ, deadlines::READ).await?;
        let found = look(&session.0).await;
        session::end(session).await;
        found?.judge()
    }
}

async fn look(client: &Client) -> Result<Found, Error> {
    let row = client.query_typed_one(FOUND, &[]).await;
    Ok(Found::of(&row.map_err(Error::query("look for the record"))?))
}

impl Database {
    /// The same database, in every session of which this schema is the one of the record. Behind a pooler sessions are as
    /// their user finds them, and are only checked.
    #[must_use]
    pub fn in_schema(mut self, schema: &Schema) -> Self {
        self.schema = Some(schema.clone());
        self
    }

    /// The setting that makes a session find the tables of the record and no others, as an option of a connection. Temporary
    /// tables would come first if they did not come last.
    pub(crate) fn search_path(&self) -> Option<String> {
        Some(format!("search_path={},pg_temp", self.schema.as_ref()?.as_option()))
    }

    /// The option by which psql finds the tables, where it would not find them by itself. A pooler may take no options.
    pub(crate) fn hidden_path(&self) -> Option<String> {
        let schema = self.schema.as_ref().filter(|schema| schema.is_hidden && !self.pooled)?;
        Some(format!("-c search_path={}", schema.as_option()))
    }

    /// The schema that sessions have to find by themselves, as nothing can be told to them.
    pub(crate) fn schema_to_find(&self) -> Option<String> {
        self.schema.as_ref().filter(|_| self.is_pooled()).map(|schema| schema.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Variables;

    fn in_schema(name: &str, is_hidden: bool) -> Database {
        let database = Database::from_url("host=h user=ada", &Variables::default()).unwrap();
        database.in_schema(&Schema { name: name.to_owned(), is_hidden })
    }

    #[test]
    fn every_name_of_a_schema_can_be_an_option() {
        for (name, option) in [
            ("public", r#"search_path="public",pg_temp"#),
            ("My Record", r#"search_path="My\ Record",pg_temp"#),
            (r#"a"b\c"#, r#"search_path="a""b\\c",pg_temp"#),
        ] {
            assert_eq!(in_schema(name, false).search_path().unwrap(), option);
        }
    }

    #[test]
    fn the_line_for_psql_names_a_hidden_schema() {
        assert_eq!(in_schema("public", false).psql(), "psql 'host=h dbname=ada user=ada'");
        assert_eq!(
            in_schema("keeper", true).psql(),
            r#"psql 'host=h dbname=ada user=ada options=-c\ search_path="keeper"'"#
        );
    }
}
