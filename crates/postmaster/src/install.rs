//! How to install PostgreSQL on this platform.

use std::fs;

use nix::unistd::geteuid;

/// What to do, as the head of a sentence: "install it with `…`".
pub(crate) fn hint() -> String {
    if cfg!(target_os = "macos") {
        return "install it with `brew install postgresql@17`".to_owned();
    }
    let os_release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let Some(command) = command(&os_release) else {
        return "install it (https://www.postgresql.org/download)".to_owned();
    };
    let sudo = if geteuid().is_root() { "" } else { "sudo " };
    format!("install it with `{sudo}{command}`")
}

/// The install command of the distribution that `os_release` describes, by its own name or a relative's.
fn command(os_release: &str) -> Option<&'static str> {
    let value = |key: &str| {
        let line = os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        Some(line.trim_matches(['"', '\'']))
    };
    let names = [value("ID"), value("ID_LIKE")];
    names.into_iter().flatten().flat_map(str::split_whitespace).find_map(|name| match name {
        "debian" | "ubuntu" => Some("apt-get install -y postgresql"),
        "fedora" | "rhel" | "centos" => Some("dnf install -y postgresql-server"),
        "alpine" => Some("apk add postgresql"),
        "arch" => Some("pacman -S --noconfirm postgresql"),
        "suse" | "opensuse" => Some("zypper install -y postgresql-server"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_is_known_by_its_own_name() {
        assert_eq!(command("NAME=x\nID=debian\n"), Some("apt-get install -y postgresql"));
        assert_eq!(command("ID=alpine"), Some("apk add postgresql"));
        assert_eq!(command("ID=arch"), Some("pacman -S --noconfirm postgresql"));
    }

    #[test]
    fn a_distribution_is_known_by_its_relatives() {
        let rocky = "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n";
        assert_eq!(command(rocky), Some("dnf install -y postgresql-server"));
        assert_eq!(
            command("ID=linuxmint\nID_LIKE=\"ubuntu debian\""),
            Some("apt-get install -y postgresql")
        );
    }

    #[test]
    fn an_unknown_distribution_has_no_command() {
        assert_eq!(command("VERSION_ID=debian\nID=plan9"), None);
        assert_eq!(command(""), None);
    }
}
