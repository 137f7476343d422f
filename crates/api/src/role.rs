//! Says what the user of the database may do beyond what the service needs, and what it has set for itself.

use storage::{Role, Store};
use tracing::{debug, info, warn};

use crate::Settings;

/// Looks at the user once, when the service starts.
pub(crate) async fn look(settings: &Settings, store: &Store) {
    match store.role().await {
        Ok(role) => tell(settings, store, &role),
        Err(error) => debug!(%error, "the user of the database was not looked at"),
    }
}

fn tell(settings: &Settings, store: &Store, role: &Role) {
    let Role { name, is_superuser, owns_the_record, settings: own } = role;
    if !own.is_empty() {
        let held = if store.database().is_pooled() {
            "behind a pooler they hold"
        } else {
            "the service sets for its sessions what its promises need, but not all"
        };
        warn!(
            settings = own.join(", "),
            "the role {name} has settings of its own that deploy/sql/roles.sql does not make; {held}; \
             `alter role {name} reset …` removes one"
        );
    }
    if !is_superuser && !owns_the_record {
        return;
    }
    let is = if *is_superuser { "is a superuser" } else { "owns the tables" };
    let consequence = "who takes over the service can change and remove what is on the record; \
                       deploy/sql/roles.sql makes a role that can only add to it";
    // Whoever names a second user wants the first to be one that may do less.
    if settings.record.maintenance_database_url.is_some() {
        warn!("the user {name} of DATABASE_URL {is}: {consequence}");
    } else if settings.access.api_keys_file.is_some() {
        info!("the user {name} of the database {is}: {consequence}");
    }
}
