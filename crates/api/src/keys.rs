//! The keys that count: read at the start, looked at every second; and the commands that change them.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use access::{Change, Error, KeyFile, KeyId, Keyring, Order, Renewal};
use anyhow::Context;
use chrono::{DateTime, SecondsFormat, Utc};
use domain::Causes;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{error, info};

use crate::settings::{AccessSettings, KeyCommand};

/// How often the file is looked at.
const LOOKING: Duration = Duration::from_secs(1);

/// How long a look may take: a file on a disk that does not answer is none.
const PATIENCE: Duration = Duration::from_secs(1);

/// Reads the keys, if there shall be some.
pub(crate) fn open(settings: &AccessSettings) -> anyhow::Result<Option<Arc<Keyring>>> {
    let Some(path) = &settings.api_keys_file else { return Ok(None) };
    let file = KeyFile::at(path);
    let keyring = Keyring::open(file, settings.key_rate).context("the keys cannot be used")?;
    info!(keys = keyring.len(), "only who shows a key of {} is let in", path.display());
    Ok(Some(Arc::new(keyring)))
}

/// Looks at the file every second and at each SIGHUP, for ever.
///
/// When this ends all the same, nobody is let in two seconds later: else a key could not be revoked any more.
pub(crate) async fn watch(keyring: Arc<Keyring>) {
    let _unwatched = Unwatched(Arc::clone(&keyring));
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => {
            return error!("SIGHUP cannot be listened to, so the keys are not looked at: {error}");
        }
    };
    let mut look = interval(LOOKING);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = look.tick() => {}
            Some(()) = hangup.recv() => {}
        }
        let theirs = Arc::clone(&keyring);
        let mut looking = spawn_blocking(move || theirs.look());
        let looked = match timeout(PATIENCE, &mut looking).await {
            Ok(looked) => looked,
            Err(_) => {
                let path = keyring.file().path().to_owned();
                tell(&keyring, keyring.renew(Err(Error::Slow { path }), Instant::now()));
                looking.await
            }
        };
        // A look that panicked has seen nothing.
        let looked = looked.unwrap_or_else(|_panic| Err(unwatched(&keyring)));
        tell(&keyring, keyring.renew(looked, Instant::now()));
    }
}

/// Has the keys count no more when it is dropped, until somebody looks at the file again.
struct Unwatched(Arc<Keyring>);

impl Drop for Unwatched {
    fn drop(&mut self) {
        self.0.renew(Err(unwatched(&self.0)), Instant::now());
    }
}

fn unwatched(keyring: &Keyring) -> Error {
    Error::Unwatched { path: keyring.file().path().to_owned() }
}

fn tell(keyring: &Keyring, change: Change) {
    let path = keyring.file().path().display();
    match change {
        Change::None => {}
        Change::Renewed(renewal) => {
            let Renewal { keys, came, went, changed } = renewal;
            let [came, went, changed] = [came, went, changed].map(|ids| named(&ids));
            info!(keys, came, went, changed, "there are other keys in {path}");
        }
        Change::Mended(renewal) => {
            let Renewal { keys, came, went, changed } = renewal;
            let [came, went, changed] = [came, went, changed].map(|ids| named(&ids));
            info!(keys, came, went, changed, "the keys in {path} can be read again");
        }
        Change::Broken(cause) => error!(
            error = %Causes(&cause),
            "the keys cannot be read; in two seconds nobody is let in until they can"
        ),
    }
}

/// The first of these keys, and how many more there are.
fn named(ids: &[KeyId]) -> String {
    const MOST: usize = 20;
    let mut names: Vec<_> = ids.iter().take(MOST).map(ToString::to_string).collect();
    if ids.len() > MOST {
        names.push(format!("and {} more", ids.len() - MOST));
    }
    names.join(" ")
}

/// Tells who runs a command what it waits for.
fn waiting(lock: &Path) {
    let _ = writeln!(
        std::io::stderr(),
        "waiting for another process, which holds the lock {}",
        lock.display()
    );
}

/// Carries out a command about keys.
///
/// # Errors
///
/// Fails if no file is given, or it cannot be read or changed.
pub fn key(command: KeyCommand, settings: &AccessSettings) -> anyhow::Result<()> {
    let path = settings.api_keys_file.as_ref();
    let path = path.context("--api-keys-file must say which file the keys are in")?;
    let file = KeyFile::at(path).telling(waiting);
    let path = file.path().display();
    let (mut out, mut notes) = (std::io::stdout(), std::io::stderr());
    match command {
        KeyCommand::New { scopes, name, expires, rate } => {
            let scopes = scopes.into_iter().collect();
            let secret = file.add(Order { scopes, name, expires, rate })?;
            let lost = "nobody has seen the secret: revoke the key, which stands last in the file";
            writeln!(out, "{}", secret.expose()).context(lost)?;
            writeln!(
                notes,
                "This is the secret of the new key; only its hash is kept, in {path}. Callers send it as\n\
                 Authorization: Bearer <secret>\n\
                 A running service takes it within five seconds."
            )?;
        }
        KeyCommand::List => {
            let (keys, now) = (file.keys()?, Utc::now());
            writeln!(
                out,
                "{:8}  {:7}  {:20}  {:20}  {:6}  {:24}  name",
                "id", "state", "created", "expires", "rate", "scopes"
            )?;
            for key in keys {
                let expires = key.expires.map(written).unwrap_or_default();
                let rate = key.rate.map(|rate| rate.to_string()).unwrap_or_default();
                let line = format!(
                    "{}  {:7}  {:20}  {expires:20}  {rate:6}  {:24}  {}",
                    key.id,
                    key.standing(now).name(),
                    written(key.created),
                    key.scopes.to_string(),
                    key.name.as_deref().unwrap_or_default(),
                );
                writeln!(out, "{}", line.trim_end())?;
            }
        }
        KeyCommand::Revoke { id } => {
            file.revoke(id, Utc::now())?;
            writeln!(
                notes,
                "The key {id} is revoked; a running service refuses it within five seconds."
            )?;
        }
    }
    Ok(())
}

fn written(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
