//! The settings PostgreSQL runs with.

use crate::cluster::Cluster;
use crate::loopback::ADDRESS;

/// The arguments after `postgres -D <directory>`: whatever stands in a file, these win.
pub(crate) fn arguments(cluster: &Cluster) -> Vec<String> {
    let loopback = cluster.loopback.as_ref();
    let admission = loopback.map(|it| ("hba_file", it.admission().display().to_string()));
    let settings = [
        // Nobody else gets in.
        ("listen_addresses", loopback.map_or("", |_| ADDRESS).to_owned()),
        ("port", cluster.port().to_string()),
        ("unix_socket_directories", cluster.socket_dir.display().to_string()),
        ("unix_socket_permissions", "0700".to_owned()),
        ("unix_socket_group", String::new()),
        ("max_connections", "100".to_owned()),
        // What is committed stays.
        ("fsync", "on".to_owned()),
        ("synchronous_commit", "on".to_owned()),
        ("full_page_writes", "on".to_owned()),
        // The log is ours to forward: the kind of process, then the message, and never a row or a statement.
        ("log_destination", "stderr".to_owned()),
        ("logging_collector", "off".to_owned()),
        ("log_line_prefix", "[%b] ".to_owned()),
        ("log_error_verbosity", "terse".to_owned()),
        ("log_min_messages", "warning".to_owned()),
        ("log_min_error_statement", "panic".to_owned()),
        ("log_parameter_max_length_on_error", "0".to_owned()),
        ("log_statement", "none".to_owned()),
        ("log_min_duration_statement", "-1".to_owned()),
        // By this name its processes are known; it stays last, where `processes` looks for it.
        ("cluster_name", cluster.mark.clone()),
    ];
    admission
        .into_iter()
        .chain(settings)
        .flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")])
        .collect()
}
