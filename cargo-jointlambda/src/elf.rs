//! Looks into a program: for which processor it is, which C library it needs, which other libraries.
//! Reads bytes and judges them; runs nothing.

use object::{
    Endianness, FileKind,
    elf::{self, FileHeader64},
    read::elf::{Dyn as _, FileHeader as _, SectionHeader as _},
};
use serde::Serialize;

use crate::{
    platform::{Architecture, Platform, Version},
    trouble::{Trouble, quoted},
};

/// What `--zigbuild` needs.
pub(crate) const ZIGBUILD: &str = "once: `cargo install cargo-zigbuild && pip install ziglang`";

/// What a program needs of the machine it runs on.
#[derive(Debug, Serialize)]
pub(crate) struct Needs {
    pub(crate) architecture: Architecture,
    /// The newest symbol version of glibc that it is linked against; `None` for a static program.
    pub(crate) glibc: Option<Version>,
    /// The shared libraries that it loads.
    pub(crate) libraries: Vec<String>,
    /// How much of it is debug information.
    pub(crate) debug_bytes: u64,
}

/// Reads what the program in `bytes` needs. `None` when it is of a kind that no platform runs.
pub(crate) fn needs(bytes: &[u8]) -> Result<Needs, Unfit> {
    match FileKind::parse(bytes) {
        Ok(FileKind::Elf64) => {}
        Ok(FileKind::MachO32 | FileKind::MachO64 | FileKind::MachOFat32 | FileKind::MachOFat64) => {
            return Err(Unfit::Kind("a program for macOS"));
        }
        Ok(FileKind::Pe32 | FileKind::Pe64) => return Err(Unfit::Kind("a program for Windows")),
        Ok(FileKind::Elf32) => return Err(Unfit::Kind("a program for a processor of 32 bits")),
        _ => return Err(Unfit::Kind("no program")),
    }
    read(bytes).map_err(|error| Unfit::Damaged(error.to_string()))?
}

/// Why a program cannot be packaged.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// What it is instead of a program for Linux.
    Kind(&'static str),
    /// It is for a processor that no platform has.
    Machine(u16),
    /// It cannot be read.
    Damaged(String),
}

fn read(bytes: &[u8]) -> Result<Result<Needs, Unfit>, object::read::Error> {
    let header = FileHeader64::<Endianness>::parse(bytes)?;
    let endian = header.endian()?;
    let architecture = match header.e_machine(endian) {
        elf::EM_X86_64 => Architecture::X86_64,
        elf::EM_AARCH64 => Architecture::Aarch64,
        other => return Ok(Err(Unfit::Machine(other.0))),
    };
    let sections = header.sections(endian, bytes)?;
    let mut glibc = None;
    if let Some((mut needed, link)) = sections.gnu_verneed(endian, bytes)? {
        let strings = sections.strings(endian, bytes, link)?;
        while let Some((_, mut versions)) = needed.next()? {
            while let Some(version) = versions.next()? {
                let name = version.name(endian, strings)?;
                let name = std::str::from_utf8(name).unwrap_or_default();
                glibc = glibc.max(name.strip_prefix("GLIBC_").and_then(Version::parse));
            }
        }
    }
    let mut libraries = Vec::new();
    if let Some((entries, link)) = sections.dynamic(endian, bytes)? {
        let strings = sections.strings(endian, bytes, link)?;
        for entry in entries.iter().filter(|entry| entry.d_tag(endian) == elf::DT_NEEDED) {
            let name = entry.string(endian, strings)?;
            libraries.push(String::from_utf8_lossy(name).into_owned());
        }
    }
    let mut debug_bytes = 0;
    for section in sections.iter() {
        if sections.section_name(endian, section)?.starts_with(b".debug_") {
            debug_bytes += section.sh_size(endian);
        }
    }
    Ok(Ok(Needs { architecture, glibc, libraries, debug_bytes }))
}

/// Checks that `platform` has what the program needs, and returns the platform's word for its
/// processor. `rebuild` is the command that builds the program so that it does, up to its target.
pub(crate) fn check(
    bin: &str,
    needs: Result<Needs, Unfit>,
    platform: &Platform,
    rebuild: &str,
) -> Result<(Needs, &'static str), Trouble> {
    let Platform { name, runtime, glibc, .. } = platform;
    let target = |architecture: Architecture| format!("{}-unknown-linux-gnu", architecture.word());
    let needs = needs.map_err(|unfit| match unfit {
        Unfit::Kind(kind) => Trouble::new(format!("`{bin}` is {kind}; {name} runs programs for Linux"))
            .hint(format!("build it for Linux: `{rebuild} --zigbuild` ({ZIGBUILD})")),
        Unfit::Machine(machine) => Trouble::new(format!(
            "`{bin}` is for a processor that {name} does not have (ELF machine {machine})"
        ))
        .hint(format!("build it with `{rebuild} --target {}`", target(Architecture::X86_64))),
        Unfit::Damaged(error) => {
            Trouble::new(format!("`{bin}` is damaged: {error}")).hint("remove it and build again")
        }
    })?;
    let known = platform.architectures.iter().find(|(known, _)| *known == needs.architecture);
    let Some((_, word)) = known else {
        let has = platform.architectures.iter().map(|(known, _)| known.word());
        return Err(Trouble::new(format!(
            "`{bin}` is for {}; {name} has {}",
            needs.architecture.word(),
            quoted(has)
        ))
        .hint(format!("build it with `{rebuild} --target {}`", target(platform.architectures[0].0))));
    };
    if let Some(needed) = needs.glibc.filter(|needed| needed > glibc) {
        let newer = platform.newer.filter(|newer| needed <= newer.glibc);
        let newer = newer.map(|Platform { runtime, glibc, .. }| {
            format!("; or, where the region has it, run it with {glibc}: `{rebuild} --runtime {runtime}`")
        });
        return Err(Trouble::new(format!(
            "`{bin}` needs glibc {needed}, and {name} ({runtime}) has {glibc}"
        ))
        .hint(format!(
            "link it against the older one: `{rebuild} --zigbuild --target {}.{glibc}` \
             ({ZIGBUILD}){}",
            target(needs.architecture),
            newer.unwrap_or_default()
        )));
    }
    Ok((needs, word))
}

/// The libraries that the platform's image may not have.
pub(crate) fn unknown_libraries<'a>(needs: &'a Needs, platform: &Platform) -> Vec<&'a str> {
    let libraries = needs.libraries.iter().map(String::as_str);
    libraries.filter(|library| !platform.libraries.contains(library)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Provider;

    const THIS: &str = "cargo jointlambda build";

    fn own() -> Vec<u8> {
        std::fs::read(std::env::current_exe().unwrap()).unwrap()
    }

    fn platform() -> Platform {
        Platform { glibc: Version(2, 99), ..*Box::leak(Box::new(copy(Provider::Aws.platform()))) }
    }

    fn copy(platform: &Platform) -> Platform {
        Platform { ..*platform }
    }

    #[test]
    fn this_test_needs_some_glibc_and_nothing_unusual() {
        let (needs, _) = check("test", needs(&own()), &platform(), THIS).unwrap();
        assert!(needs.glibc.is_some_and(|glibc| glibc >= Version(2, 2)), "{needs:?}");
        assert!(needs.libraries.contains(&"libc.so.6".to_owned()), "{needs:?}");
        assert_eq!(unknown_libraries(&needs, &platform()), Vec::<&str>::new());
        let bare = Platform { libraries: &["libc.so.6"], ..platform() };
        assert!(unknown_libraries(&needs, &bare).contains(&"libgcc_s.so.1"), "{needs:?}");
    }

    #[test]
    fn a_newer_glibc_than_the_platform_has_is_refused_with_the_command_to_use() {
        let old = Platform { glibc: Version(2, 1), ..platform() };
        let lines = check("test", needs(&own()), &old, THIS).unwrap_err().lines();
        assert!(lines.contains("`test` needs glibc 2."), "{lines}");
        assert!(lines.contains(&format!("`{THIS} --zigbuild --target ")), "{lines}");
        assert!(lines.contains("-unknown-linux-gnu.2.1`"), "{lines}");
        assert!(!lines.contains("--runtime"), "{lines}");
        let newer: &Platform = Box::leak(Box::new(Platform { runtime: "new", ..platform() }));
        let lines = check("test", needs(&own()), &Platform { newer: Some(newer), ..old }, THIS).unwrap_err();
        assert!(lines.lines().contains(&format!("run it with 2.99: `{THIS} --runtime new`")), "{lines:?}");
    }

    #[test]
    fn a_processor_that_the_platform_does_not_have_is_refused() {
        let none = Platform { architectures: &[(Architecture::Aarch64, "arm64")], ..platform() };
        let mut bytes = own();
        bytes[18..20].copy_from_slice(&elf::EM_X86_64.0.to_le_bytes());
        let lines = check("test", needs(&bytes), &none, THIS).unwrap_err().lines();
        assert!(lines.contains("`test` is for x86_64; AWS Lambda has `aarch64`"), "{lines}");
        bytes[18..20].copy_from_slice(&elf::EM_RISCV.0.to_le_bytes());
        let lines = check("test", needs(&bytes), &platform(), THIS).unwrap_err().lines();
        assert!(lines.contains("a processor that AWS Lambda does not have"), "{lines}");
    }

    #[test]
    fn what_is_no_program_for_linux_is_named() {
        let of = |bytes: &[u8]| check("x", needs(bytes), &platform(), THIS).unwrap_err().lines();
        let mac = of(&[0xcf, 0xfa, 0xed, 0xfe, 7, 0, 0, 1, 3, 0, 0, 0, 2, 0, 0, 0]);
        assert!(mac.contains("`x` is a program for macOS"), "{mac}");
        assert!(of(b"#!/bin/sh\necho no program at all").contains("`x` is no program"));
        assert!(of(b"").contains("`x` is no program"));
        let cut = of(&own()[..200]);
        assert!(cut.contains("damaged"), "{cut}");
    }
}
