//! What a function platform asks of a program: as data, with its sources.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A provider of functions, tables and objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Provider {
    Aws,
    Aliyun,
}

/// What the provider's function service takes.
#[derive(Debug)]
pub(crate) struct Platform {
    /// What it is called in messages.
    pub(crate) name: &'static str,
    /// The name of the runtime image.
    pub(crate) runtime: &'static str,
    /// The C library of the image.
    pub(crate) glibc: Version,
    /// The processors it has, with the provider's own words for them.
    pub(crate) architectures: &'static [(Architecture, &'static str)],
    /// Shared libraries of the image that a program may rely on; they come with the C library and
    /// the compiler.
    pub(crate) libraries: &'static [&'static str],
    /// The largest zip that goes with the request that makes a function.
    pub(crate) zip_bytes: u64,
    /// The largest program, unpacked.
    pub(crate) unpacked_bytes: u64,
    /// The longest name of a function.
    pub(crate) function_name_bytes: usize,
    /// Memory of a function in MB: smallest, largest, step.
    pub(crate) memory_mb: (u32, u32, u32),
    /// The longest timeout of a function, in seconds.
    pub(crate) timeout_s: u64,
    /// Whether functions can have a GPU.
    pub(crate) gpu: bool,
    /// What has a newer C library, but not everywhere.
    pub(crate) newer: Option<&'static Platform>,
}

/// Which image Function Compute runs programs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Image {
    /// Debian 11, which every region has: glibc 2.31
    #[default]
    #[value(name = "custom.debian11")]
    Debian11,
    /// Debian 12, which some regions have: glibc 2.36
    #[value(name = "custom.debian12")]
    Debian12,
}

/// The libraries of glibc and of the compiler's runtime.
const LIBRARIES: &[&str] = &[
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "librt.so.1",
    "libpthread.so.0",
    "libutil.so.1",
    "libresolv.so.2",
    "libgcc_s.so.1",
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
];

const MB: u64 = 1024 * 1024;

/// Sources: AWS Lambda quotas and the page on OS-only runtimes (Amazon Linux 2023 has glibc 2.34).
const LAMBDA: Platform = Platform {
    name: "AWS Lambda",
    runtime: "provided.al2023",
    glibc: Version(2, 34),
    architectures: &[(Architecture::X86_64, "x86_64"), (Architecture::Aarch64, "arm64")],
    libraries: LIBRARIES,
    zip_bytes: 50 * MB,
    unpacked_bytes: 250 * MB,
    function_name_bytes: 64,
    memory_mb: (128, 10_240, 1),
    timeout_s: 900,
    gpu: false,
    newer: None,
};

/// Sources: limits of Function Compute 3.0, and its page on custom runtimes (Debian 11 has glibc
/// 2.31).
const FUNCTION_COMPUTE: Platform = Platform {
    runtime: "custom.debian11",
    glibc: Version(2, 31),
    newer: Some(&FUNCTION_COMPUTE_ON_12),
    ..FUNCTION_COMPUTE_ON_12
};

/// The same with its newest image, a public preview (Debian 12 has glibc 2.36).
const FUNCTION_COMPUTE_ON_12: Platform = Platform {
    name: "Function Compute",
    runtime: "custom.debian12",
    glibc: Version(2, 36),
    architectures: &[(Architecture::X86_64, "x86_64")],
    libraries: LIBRARIES,
    zip_bytes: 100 * MB,
    unpacked_bytes: 500 * MB,
    function_name_bytes: 64,
    memory_mb: (128, 32_768, 64),
    timeout_s: 86_400,
    gpu: true,
    newer: None,
};

impl Provider {
    pub(crate) const ALL: [Provider; 2] = [Provider::Aws, Provider::Aliyun];

    /// The word in names of binaries, folders and settings.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Provider::Aws => "aws",
            Provider::Aliyun => "aliyun",
        }
    }

    /// What functions may be, whichever image they run in.
    pub(crate) const fn platform(self) -> &'static Platform {
        self.platform_with(Image::Debian11)
    }

    /// The same where Function Compute runs programs in `image`.
    pub(crate) const fn platform_with(self, image: Image) -> &'static Platform {
        match (self, image) {
            (Provider::Aws, _) => &LAMBDA,
            (Provider::Aliyun, Image::Debian11) => &FUNCTION_COMPUTE,
            (Provider::Aliyun, Image::Debian12) => &FUNCTION_COMPUTE_ON_12,
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Architecture {
    X86_64,
    Aarch64,
}

impl Architecture {
    /// As in a target triple.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Architecture::X86_64 => "x86_64",
            Architecture::Aarch64 => "aarch64",
        }
    }
}

/// A version of the C library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32);

impl Version {
    /// `2.34`, or `2.2.5`, of which the last number does not matter.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(str::parse);
        Some(Version(parts.next()?.ok()?, parts.next()?.ok()?))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        let parse = |text| Version::parse(text).unwrap();
        assert!(parse("2.4") < parse("2.34"));
        assert_eq!(parse("2.2.5"), Version(2, 2));
        assert_eq!(Version::parse("PRIVATE"), None);
        assert_eq!(parse("2.34").to_string(), "2.34");
    }
}
