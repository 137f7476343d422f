//! libpq's `target_session_attrs`: which kind of server is wanted.

use tokio_postgres::{Client, Error, SimpleQueryMessage};

/// The kind of server that is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Wanted {
    #[default]
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

impl Wanted {
    pub(crate) const WORDS: [(&str, Self); 6] = [
        ("any", Self::Any),
        ("read-write", Self::ReadWrite),
        ("read-only", Self::ReadOnly),
        ("primary", Self::Primary),
        ("standby", Self::Standby),
        ("prefer-standby", Self::PreferStandby),
    ];

    /// Its word.
    pub(crate) fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, wanted)| *wanted == self).map_or("any", |(word, _)| word)
    }

    /// Whether the server behind this session is of that kind.
    pub(crate) async fn is_met(self, session: &Client) -> Result<bool, Error> {
        /// A setting of the session itself, such as those that read a replica have, says nothing of the server.
        const READ_ONLY: &str = "select case when pg_is_in_recovery() or exists (
            select from pg_settings
            where name = 'default_transaction_read_only' and setting = 'on' and source <> 'client'
        ) then 'on' else 'off' end";
        const STANDBY: &str = "select case when pg_is_in_recovery() then 'on' else 'off' end";
        let (question, answer) = match self {
            Self::Any => return Ok(true),
            Self::ReadWrite => (READ_ONLY, "off"),
            Self::ReadOnly => (READ_ONLY, "on"),
            Self::Primary => (STANDBY, "off"),
            Self::Standby | Self::PreferStandby => (STANDBY, "on"),
        };
        let messages = session.simple_query(question).await?;
        let said = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        Ok(said == Some(answer))
    }
}
