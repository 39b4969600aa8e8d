//! Rules for where functions run and what they ask of a provider.
//!
//! The figures are in `provider`; every placement is held against them, failover ones included.

use proc_macro2::Ident;

use crate::{
    attr::{CloudName, FunctionArgs},
    diagnostics::Diagnostics,
    model::Provider,
    provider::{Cpu, Limits},
    resolve::DEFAULT_MEMORY_MB,
    source::{FnItem, Source},
    suggest,
    validate::{cloud_names, known_cloud},
    value::Given,
};

const MAX_ATTEMPTS: u32 = 100;

pub(super) fn validate(source: &Source, diagnostics: &mut Diagnostics) {
    for (item, args) in source.functions() {
        placed(item, args, source, diagnostics);
        known_failover(args, source, diagnostics);
        no_failover_to_itself(args, source, diagnostics);
        distinct_failover(args, diagnostics);
        for site in sites(args, source) {
            memory(args, &site, diagnostics);
            timeout(args, &site, diagnostics);
            cpu(args, &site, diagnostics);
            gpu(args, &site, source, diagnostics);
        }
        some_timeout(args, diagnostics);
        some_cpu(args, diagnostics);
        retry(args, diagnostics);
    }
}

/// One cloud that a function can run on.
pub(super) struct Site<'a> {
    cloud: &'a Ident,
    pub(super) limits: &'static Limits,
    /// The cloud's name in `failover`, when it is there.
    failover: Option<&'a Ident>,
}

impl Site<'_> {
    /// The service and the cloud in prose.
    pub(super) fn place(&self) -> String {
        let role = if self.failover.is_some() { "failover " } else { "" };
        format!("{} ({role}`{}`)", self.limits.service, self.cloud)
    }
}

/// The function's clouds, one per provider: the same limit is not reported twice.
pub(super) fn sites<'a>(args: &'a FunctionArgs, source: &'a Source) -> Vec<Site<'a>> {
    let named = on(args, source).map(|name| (name, None)).into_iter();
    let named = named.chain(args.failover.iter().map(|name| (name, Some(name))));
    let mut providers: Vec<Provider> = Vec::new();
    let mut sites = Vec::new();
    for (name, failover) in named {
        let declared = source.clouds().find(|cloud| cloud.ident == *name);
        let Some((provider, _)) = declared.and_then(|cloud| cloud.value.as_ref()) else { continue };
        if !providers.contains(provider) {
            providers.push(*provider);
            sites.push(Site { cloud: name, limits: provider.limits(), failover });
        }
    }
    sites
}

/// The cloud that the function is on, named or the only one.
fn on<'a>(args: &'a FunctionArgs, source: &'a Source) -> Option<&'a Ident> {
    match &args.on {
        CloudName::Named(name) => Some(name),
        CloudName::Absent => only_cloud(source),
        CloudName::Wrong => None,
    }
}

fn only_cloud(source: &Source) -> Option<&Ident> {
    match cloud_names(source).as_slice() {
        [only] => Some(only),
        _ => None,
    }
}

fn placed(item: &FnItem, args: &FunctionArgs, source: &Source, diagnostics: &mut Diagnostics) {
    match &args.on {
        CloudName::Named(name) => {
            known_cloud(name, source, diagnostics);
        }
        CloudName::Absent if only_cloud(source).is_none() => {
            let options = suggest::one_of(cloud_names(source));
            diagnostics.error(
                &item.marker,
                format!(
                    "`{}` is not placed: with more than one cloud, `on` says which\n\
                     help: write `#[function(on = …)]` with {options}",
                    item.sig.ident
                ),
            );
        }
        CloudName::Absent | CloudName::Wrong => {}
    }
}

fn known_failover(args: &FunctionArgs, source: &Source, diagnostics: &mut Diagnostics) {
    for name in &args.failover {
        known_cloud(name, source, diagnostics);
    }
}

fn no_failover_to_itself(args: &FunctionArgs, source: &Source, diagnostics: &mut Diagnostics) {
    for name in args.failover.iter().filter(|name| Some(*name) == on(args, source)) {
        diagnostics.error(
            name,
            format!("the function is on `{name}` already, so that it cannot fail over to it\nhelp: remove it from `failover`"),
        );
    }
}

fn distinct_failover(args: &FunctionArgs, diagnostics: &mut Diagnostics) {
    for (name, _) in super::repeated(args.failover.iter()) {
        diagnostics.error(name, format!("`{name}` is in `failover` twice\nhelp: keep the first"));
    }
}

fn memory(args: &FunctionArgs, site: &Site<'_>, diagnostics: &mut Diagnostics) {
    let Some(memory) = args.memory_mb else { return };
    let range = &site.limits.memory_mb;
    let place = site.place();
    if !range.contains(memory.value) {
        let step = if range.step == 1 { String::new() } else { format!(", in steps of {}", range.step) };
        diagnostics.error(
            memory.span,
            format!(
                "{place} does not offer {} MB of memory\nhelp: write {} to {}{step}",
                memory.value, range.min, range.max
            ),
        );
    } else if memory.value % range.step != 0 {
        let (below, above) = range.neighbours(memory.value);
        diagnostics.error(
            memory.span,
            format!(
                "{place} offers memory in steps of {} MB\nhelp: write `memory = {below}` or `memory = {above}`",
                range.step
            ),
        );
    }
}

fn timeout(args: &FunctionArgs, site: &Site<'_>, diagnostics: &mut Diagnostics) {
    let longest_s = site.limits.timeout_s;
    if let Some(timeout) = args.timeout_ms.filter(|timeout| timeout.value > longest_s * 1000) {
        diagnostics.error(
            timeout.span,
            format!(
                "{} ends a function after {longest_s} s\nhelp: write at most `timeout = \"{longest_s}s\"`",
                site.place()
            ),
        );
    }
}

fn some_timeout(args: &FunctionArgs, diagnostics: &mut Diagnostics) {
    if let Some(timeout) = args.timeout_ms.filter(|timeout| timeout.value == 0) {
        diagnostics.error(
            timeout.span,
            "a timeout of 0 ends every execution before it begins\nhelp: write at least `\"1s\"`, or remove the key for 60 s",
        );
    }
}

fn cpu(args: &FunctionArgs, site: &Site<'_>, diagnostics: &mut Diagnostics) {
    let Some(cpu) = args.cpu_milli.filter(|cpu| cpu.value > 0) else { return };
    let memory_mb = args.memory_mb.map_or(DEFAULT_MEMORY_MB, |memory| memory.value);
    match &site.limits.cpu {
        // Memory that is wrong is reported; what goes with it cannot be said.
        _ if !site.limits.memory_mb.contains(memory_mb) => {}
        Cpu::WithMemory { mb_per_cpu } => cpu_with_memory(cpu, memory_mb, *mb_per_cpu, site, diagnostics),
        Cpu::Chosen { milli, .. } if !milli.contains(cpu.value) || cpu.value % milli.step != 0 => {
            let (asked, step) = (vcpus(cpu.value), vcpus(milli.step));
            let (min, max) = (vcpus(milli.min), vcpus(milli.max));
            let place = site.place();
            diagnostics.error(
                cpu.span,
                format!(
                    "{place} does not offer {asked} vCPU\nhelp: write {min} to {max}, in steps of {step}"
                ),
            );
        }
        Cpu::Chosen { gb_per_cpu, .. } => cpu_beside_memory(cpu, memory_mb, *gb_per_cpu, site, diagnostics),
    }
}

/// Memory and vCPUs are chosen apart, but only so far apart.
fn cpu_beside_memory(
    cpu: Given<u32>,
    memory_mb: u32,
    (least_gb, most_gb): (u32, u32),
    site: &Site<'_>,
    diagnostics: &mut Diagnostics,
) {
    let (least_mb, most_mb) = (scaled(least_gb * 1024, cpu.value), scaled(most_gb * 1024, cpu.value));
    if (least_mb..=most_mb).contains(&u64::from(memory_mb)) {
        return;
    }
    let range = &site.limits.memory_mb;
    let step = u64::from(range.step);
    let least_mb = least_mb.next_multiple_of(step).max(range.min.into());
    let most_mb = (most_mb / step * step).min(range.max.into());
    diagnostics.error(
        cpu.span,
        format!(
            "{} gives each vCPU {least_gb} to {most_gb} GB of memory: {} vCPU do not go with {memory_mb} MB\n\
             help: write `memory = {least_mb}` to `memory = {most_mb}`, or another `cpu`",
            site.place(),
            vcpus(cpu.value)
        ),
    );
}

/// More vCPUs come with more memory only.
fn cpu_with_memory(
    cpu: Given<u32>,
    memory_mb: u32,
    mb_per_cpu: u32,
    site: &Site<'_>,
    diagnostics: &mut Diagnostics,
) {
    let needed_mb = scaled(mb_per_cpu, cpu.value);
    if needed_mb <= u64::from(memory_mb) {
        return;
    }
    let largest_mb = site.limits.memory_mb.max;
    let help = if needed_mb <= u64::from(largest_mb) {
        format!("write `memory = {needed_mb}` or more, or ask for less `cpu`")
    } else {
        format!("write at most `cpu = {}`", vcpus(largest_mb * 100 / mb_per_cpu * 10))
    };
    diagnostics.error(
        cpu.span,
        format!(
            "{} gives one vCPU for {mb_per_cpu} MB of memory: {memory_mb} MB are not enough for {} vCPU\nhelp: {help}",
            site.place(),
            vcpus(cpu.value)
        ),
    );
}

fn some_cpu(args: &FunctionArgs, diagnostics: &mut Diagnostics) {
    if let Some(cpu) = args.cpu_milli.filter(|cpu| cpu.value == 0) {
        diagnostics.error(cpu.span, "`cpu` is 0\nhelp: remove the key to leave the choice to the provider");
    }
}

fn gpu(args: &FunctionArgs, site: &Site<'_>, source: &Source, diagnostics: &mut Diagnostics) {
    let Some(gpu) = args.gpu_gb.filter(|gpu| gpu.value > 0 && !site.limits.gpu) else { return };
    let rule = format!("{} has no GPU", site.place());
    if let Some(failover) = site.failover {
        diagnostics.error(
            failover,
            format!("{rule}\nhelp: remove `{failover}` from `failover`, or `gpu` from the function"),
        );
        return;
    }
    let with_gpu = source.clouds().filter(|cloud| {
        cloud.value.as_ref().is_some_and(|(provider, _)| provider.limits().gpu && cloud.ident != *site.cloud)
    });
    let with_gpu = with_gpu.map(|cloud| &cloud.ident).collect::<Vec<_>>();
    let help = if with_gpu.is_empty() {
        "remove `gpu`, or declare a cloud that has one: `const ALI: Cloud = Cloud::aliyun(\"ap-northeast-1\");`"
            .into()
    } else {
        format!("remove `gpu`, or place the function on {}", suggest::one_of(with_gpu))
    };
    diagnostics.error(gpu.span, format!("{rule}\nhelp: {help}"));
}

fn retry(args: &FunctionArgs, diagnostics: &mut Diagnostics) {
    if let Some(attempts) = args.retry.attempts.filter(|given| !(1..=MAX_ATTEMPTS).contains(&given.value)) {
        diagnostics.error(
            attempts.span,
            format!(
                "`attempts` counts all executions, and is bounded\nhelp: write 1 (no retry) to {MAX_ATTEMPTS}"
            ),
        );
    }
    if let Some(jitter) = args.retry.jitter_percent.filter(|jitter| jitter.value > 100) {
        diagnostics
            .error(jitter.span, "`jitter` is the random part of each wait, in percent\nhelp: write 0 to 100");
    }
}

/// `per_cpu` MB for so many thousandths of a vCPU, rounded up.
fn scaled(per_cpu: u32, cpu_milli: u32) -> u64 {
    (u64::from(per_cpu) * u64::from(cpu_milli)).div_ceil(1000)
}

/// Thousandths in decimal, without zeros at the end.
fn vcpus(milli: u32) -> String {
    let decimal = format!("{}.{:03}", milli / 1000, milli % 1000);
    decimal.trim_end_matches('0').trim_end_matches('.').to_owned()
}
